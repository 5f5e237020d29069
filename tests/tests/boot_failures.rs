// SPDX-License-Identifier: BSD-2-Clause
//! What a system lacks at boot is said with the line of the spec, the object, and what was missing; and then nothing
//! is started. What the checker would refuse is compiled without it.
#![forbid(unsafe_code)]

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use capdl::blob::{CapData, Fill, Kind, NativeTask, ObjectId, Restart, Tcb, Trigger, WasmServer};
use system_tests::build::{Build, Kernel};
use system_tests::machine::{Config, Machine, SECONDS};
use system_tests::pattern::matches;
use system_tests::raw_spec::RawSpec;
use system_tests::scratch::Scratch;

/// Boots an image with 1 GiB of memory; what is wrong unless it says that and nothing else happens.
fn refuses(image: &Path, message: &str) -> Option<String> {
    let config = Config {
        memory: "1G",
        counted: true,
        ..Config::default()
    };
    let machine = Machine::boot(image, config).expect("QEMU");
    machine.expect("root task: nothing is started", SECONDS);
    // A task with a priority above all others would have had its say by now.
    thread::sleep(Duration::from_millis(500));
    let text = machine.end();
    let lines: Vec<_> = text.lines().map(str::trim_end).collect();
    // `*` stands for what depends on the size of the image.
    let said = match message.contains('*') {
        true => lines.iter().any(|line| matches(line, message)),
        false => lines.contains(&message),
    };
    let is_last = lines.last() == Some(&"root task: nothing is started");
    (!said || !is_last || text.contains("given:")).then(|| format!("not `{message}`, but\n{text}"))
}

/// All that was wrong.
#[track_caller]
fn none(wrong: Vec<String>) {
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A spec: these objects are on line 7, these capabilities on line 11.
fn text(objects: &str, caps: &str) -> String {
    format!(
        "arch aarch64\n\
         \n\
         objects {{\n\
         uart = frame (4k, paddr: 0x09000000)\n\
         watcher = native_task (program: \"native-tests\", prio: 254, args: [\"given\"])\n\
         \n\
         {objects}\n\
         }}\n\
         caps {{\n\
         watcher {{ uart: uart (RW) }}\n\
         {caps}\n\
         }}\n\
         irq maps {{ 30: timer  158: last }}\n\
         objects {{ timer = irq  last = irq }}\n"
    )
}

/// A text that the checker accepts, and what the root task says.
fn text_refused(scratch: &Scratch, spec: &str, message: &str) -> Option<String> {
    let (path, image) = (scratch.write("t.cdl", spec), scratch.path("t.elf"));
    let file = scratch.write("file.bin", [1; 100]);
    Build::from_env().native_image(Kernel::Release, &path, ("file.bin", &file), &image);
    refuses(&image, message)
}

#[test]
fn what_a_text_asks_for_and_the_machine_lacks() {
    let cases: &[(&str, &str, &str)] = &[
        // Memory.
        (
            "big = ut (40 bits)",
            "",
            "t.cdl:7: big: needs an untyped of 2^40 bytes; the largest left is 2^28",
        ),
        (
            "many[64] = ut (24 bits)",
            "",
            "t.cdl:7: many[*]: needs an untyped of 2^24 bytes; the largest left is 2^23",
        ),
        (
            "task = native_task (program: \"native-tests\", heap: 2G)",
            "",
            "t.cdl:7: task: needs an untyped of 2^32 bytes; the largest left is 2^28",
        ),
        // Devices and interrupts.
        (
            "gone = frame (4k, paddr: 0x0f000000)",
            "",
            "t.cdl:7: gone: needs the 2^12 bytes at physical address 0xf000000; they are no free memory or device of \
             this machine, or not aligned",
        ),
        (
            // The interrupt controller's.
            "kernels = frame (4k, paddr: 0x08000000)",
            "",
            "t.cdl:7: kernels: needs the 2^12 bytes at physical address 0x8000000; they are no free memory or device \
             of this machine, or not aligned",
        ),
        // What the boot image has.
        (
            "task = native_task (program: \"missing\")",
            "",
            "t.cdl:7: task: needs the program `missing`, which the boot image lacks",
        ),
        (
            "page = frame (4k, fill: [{0 0x100 CDL_FrameFill_FileData \"missing.bin\" 0}])",
            "",
            "t.cdl:7: page: needs the file `missing.bin`, which the boot image lacks",
        ),
        // Slots, ASIDs, tables of the root task.
        (
            "task[9] = native_task (program: \"native-tests\", stack: 31M)",
            "",
            "t.cdl:7: task[*]: needs more slots than the root task's CNode has left",
        ),
        (
            "space[600] = pgd",
            "",
            "t.cdl:7: space[510]: needs an ASID, and the root task's pool is used up; an `asid_pool` can give it one",
        ),
        (
            "rest = ut (leftover)  slots = cnode (2 bits)",
            "slots { 1: rest }",
            "t.cdl:11: slots: 1: needs * slots for the untypeds that are left; there are 3",
        ),
    ];
    let wrong = cases.iter().filter_map(|(objects, caps, message)| {
        text_refused(&Scratch::new(), &text(objects, caps), message)
    });
    none(wrong.collect());
}

fn frame(paddr: Option<u64>) -> Kind<'static> {
    Kind::Frame {
        size_bits: 12,
        paddr,
        fill: heapless::Vec::new(),
    }
}

fn untyped(size_bits: u8) -> Kind<'static> {
    Kind::Untyped {
        size_bits,
        paddr: None,
    }
}

fn task(program: &'static str, stack: u32) -> Kind<'static> {
    Kind::NativeTask(NativeTask {
        program,
        prio: 254,
        stack,
        heap: 65536,
        restart: Restart::Temporary,
        args: heapless::Vec::from_slice(&["given"]).expect("one"),
    })
}

fn server() -> Kind<'static> {
    Kind::WasmServer(WasmServer {
        prio: 200,
        heap: 1 << 20,
        restart: Restart::Temporary,
    })
}

fn thread(change: impl FnOnce(&mut Tcb)) -> Kind<'static> {
    let mut tcb = Tcb {
        resume: true,
        ..Tcb::default()
    };
    change(&mut tcb);
    Kind::Tcb(tcb)
}

fn irq(number: u32) -> Kind<'static> {
    Kind::Irq {
        number,
        trigger: Some(Trigger::Level),
    }
}

fn channel_of(spec: &mut RawSpec, memory: ObjectId, bytes: u32) -> ObjectId {
    let link = spec.object("link", Kind::Channel { bytes });
    spec.cap(link, "memory", memory, "");
    link
}

/// What is wrong with a spec.
type Change = fn(&mut RawSpec);

/// A spec that is no text: with a task on line 2 that is never to run; the next object is on line 3.
fn raw(objects: impl FnOnce(&mut RawSpec)) -> RawSpec {
    let mut spec = RawSpec::default();
    let uart = spec.object("uart", frame(Some(0x0900_0000)));
    let watcher = spec.object("watcher", task("native-tests", 16384));
    spec.cap(watcher, "uart", uart, "RW");
    objects(&mut spec);
    spec
}

/// Compiles the spec, makes an image of it, and has it refused.
fn raw_refused(spec: &RawSpec, programs: &[(&str, &Path)], message: &str) -> Option<String> {
    let (scratch, build) = (Scratch::new(), Build::from_env());
    let blob = scratch.write("t.blob", spec.compile("t.cdl"));
    let image = scratch.path("t.elf");
    let tests = build.programs.join("native-tests");
    let mut all = vec![("native-tests", &*tests)];
    all.extend(programs);
    build.raw_image(&blob, &all, &image);
    refuses(&image, message)
}

#[test]
fn what_the_checker_would_have_refused() {
    let cases: &[(&str, Change)] = &[
        // Objects in untypeds.
        (
            "t.cdl:5: more: needs 2^12 bytes of `ut`, which has 0 left",
            |spec| {
                let ut = spec.object("ut", untyped(12));
                spec.within(ut, "page", frame(None));
                spec.within(ut, "more", frame(None));
            },
        ),
        (
            "t.cdl:4: page: is declared in something that is no untyped",
            |spec| {
                let bell = spec.object("bell", Kind::Notification);
                spec.within(bell, "page", frame(None));
            },
        ),
        (
            "t.cdl:4: page: has a physical address, which says what memory it is made of, and is declared in an untyped",
            |spec| {
                let ut = spec.object("ut", untyped(14));
                spec.within(ut, "page", frame(Some(0x4800_0000)));
            },
        ),
        (
            "t.cdl:1005: task: memory: `ut` has objects declared in it, which revoking it would end: it cannot be given \
             to a program",
            |spec| {
                let ut = spec.object("ut", untyped(14));
                spec.within(ut, "page", frame(None));
                let task = spec.object("task", task("native-tests", 4096));
                spec.cap(task, "memory", ut, "");
            },
        ),
        // Devices and interrupts that somebody has.
        (
            "t.cdl:3: again: needs the 2^12 bytes at physical address 0x9000000; they are no free memory or device of \
             this machine, or not aligned",
            |spec| {
                spec.object("again", frame(Some(0x0900_0000)));
            },
        ),
        (
            "t.cdl:4: again: needs interrupt 40, which another object has",
            |spec| {
                spec.object("first", irq(40));
                spec.object("again", irq(40));
            },
        ),
        (
            "t.cdl:3: line: needs interrupt 500, which the machine lacks",
            |spec| {
                spec.object("line", irq(500));
            },
        ),
        // The kernel's timer.
        (
            "t.cdl:3: kernels: needs interrupt 27, which another object has",
            |spec| {
                spec.object("kernels", irq(27));
            },
        ),
        (
            "t.cdl:1005: second: memory: `ut` is given to `first` already; memory and interrupts have one holder",
            |spec| {
                let ut = spec.object("ut", untyped(14));
                let first = spec.object("first", task("native-tests", 4096));
                let second = spec.object("second", task("native-tests", 4096));
                spec.cap(first, "memory", ut, "");
                spec.cap(second, "memory", ut, "");
            },
        ),
        (
            "t.cdl:3: line: is to tell by edges; this kernel has all interrupts tell by level",
            |spec| {
                let trigger = Some(Trigger::Edge);
                let number = 40;
                spec.object("line", Kind::Irq { number, trigger });
            },
        ),
        // Rights that there are not.
        (
            "t.cdl:1004: task: page: the rights to memory must be R or RW: page tables have no other that users could use",
            |spec| {
                let page = spec.object("page", frame(None));
                let task = spec.object("task", task("native-tests", 4096));
                spec.cap(task, "page", page, "W");
            },
        ),
        (
            "t.cdl:1004: slots: 0: this kernel has no right P of its own: a caller needs G, which includes it",
            |spec| {
                let port = spec.object("port", Kind::Endpoint);
                let slots = spec.object("slots", Kind::CNode { size_bits: 2 });
                spec.cap(slots, 0, port, "WP");
            },
        ),
        (
            "t.cdl:1005: task: link: the rights to memory must be R or RW: page tables have no other that users could use",
            |spec| {
                let ut = spec.object("ut", untyped(16));
                let link = channel_of(spec, ut, 65536);
                let task = spec.object("task", task("native-tests", 4096));
                spec.cap(task, "link", link, "W");
            },
        ),
        // Channels.
        (
            "t.cdl:3: link: channel `link` has no capability `memory` to an untyped",
            |spec| {
                let link = spec.object("link", Kind::Channel { bytes: 65536 });
                let task = spec.object("task", task("native-tests", 4096));
                spec.cap(task, "link", link, "RW");
            },
        ),
        (
            "t.cdl:1006: second: memory: `ut` is given to `link` already; memory and interrupts have one holder",
            |spec| {
                let ut = spec.object("ut", untyped(16));
                let link = channel_of(spec, ut, 65536);
                let first = spec.object("first", task("native-tests", 4096));
                let second = spec.object("second", task("native-tests", 4096));
                spec.cap(first, "link", link, "RW");
                spec.cap(second, "memory", ut, "");
            },
        ),
        (
            "t.cdl:1005: task: link: needs more than the 2^10 slots of its CNode",
            |spec| {
                let ut = spec.object("ut", untyped(22));
                let link = channel_of(spec, ut, 4 << 20);
                let task = spec.object("task", task("native-tests", 4096));
                spec.cap(task, "link", link, "R");
            },
        ),
        // Slots that there are not.
        (
            "t.cdl:1004: slots: 4: is no slot: there are 0 to 3",
            |spec| {
                let port = spec.object("port", Kind::Endpoint);
                let slots = spec.object("slots", Kind::CNode { size_bits: 2 });
                spec.cap(slots, 4, port, "W");
            },
        ),
        (
            "t.cdl:1004: slots: first: is no slot: there are 0 to 3",
            |spec| {
                let port = spec.object("port", Kind::Endpoint);
                let slots = spec.object("slots", Kind::CNode { size_bits: 2 });
                spec.cap(slots, "first", port, "W");
            },
        ),
        (
            "t.cdl:1004: space: 512: is no slot: there are 0 to 511",
            |spec| {
                let table = spec.object("table", Kind::PageTable { level: 1 });
                let space = spec.object("space", Kind::PageTable { level: 0 });
                spec.cap(space, 512, table, "");
            },
        ),
        // Page tables.
        (
            "t.cdl:3: table: is a page table of level 4; there are 0 to 3",
            |spec| {
                spec.object("table", Kind::PageTable { level: 4 });
            },
        ),
        (
            "t.cdl:1004: space: 0: `table` is not what an entry of this level maps",
            |spec| {
                let table = spec.object("table", Kind::PageTable { level: 2 });
                let space = spec.object("space", Kind::PageTable { level: 0 });
                spec.cap(space, 0, table, "");
            },
        ),
        (
            "t.cdl:1004: space: 1: the kernel refused to map a page table: a capability is missing or of the wrong kind",
            |spec| {
                let table = spec.object("table", Kind::PageTable { level: 1 });
                let space = spec.object("space", Kind::PageTable { level: 0 });
                spec.cap(space, 0, table, "");
                spec.cap(space, 1, table, "");
            },
        ),
        (
            "t.cdl:3: page: is a frame of 2^13 bytes; the architecture has 2^12, 2^21 and 2^30",
            |spec| {
                spec.object(
                    "page",
                    Kind::Frame {
                        size_bits: 13,
                        paddr: None,
                        fill: heapless::Vec::new(),
                    },
                );
            },
        ),
        // Threads.
        (
            "t.cdl:3: thread: is to run, but has no capability `cspace`",
            |spec| {
                spec.object("thread", thread(|_| {}));
            },
        ),
        (
            "t.cdl:4: thread: is to run, but has no capability `vspace`",
            |spec| {
                let slots = spec.object("slots", Kind::CNode { size_bits: 2 });
                let thread = spec.object("thread", thread(|_| {}));
                spec.cap(thread, "cspace", slots, "");
            },
        ),
        (
            "t.cdl:3: thread: has its IPC buffer at 0x1000, which is not aligned or has no `ipc_buffer_slot`",
            |spec| {
                spec.object("thread", thread(|tcb| tcb.addr = 0x1000));
            },
        ),
        (
            "t.cdl:1004: thread: cspace: `port` is not a CNode",
            |spec| {
                let port = spec.object("port", Kind::Endpoint);
                let thread = spec.object("thread", thread(|_| {}));
                spec.cap(thread, "cspace", port, "");
            },
        ),
        // Contents.
        ("t.cdl:3: page: is filled beyond its end", |spec| {
            let fill = Fill {
                offset: 4000,
                len: 97,
                file: "any",
                file_offset: 0,
            };
            spec.object(
                "page",
                Kind::Frame {
                    size_bits: 12,
                    paddr: None,
                    fill: heapless::Vec::from_slice(&[fill]).expect("one"),
                },
            );
        }),
        // Tables of the root task.
        (
            "t.cdl:18: task15: is one program more than the 16 there is room for",
            |spec| {
                for i in 0..16 {
                    spec.object(format!("task{i}"), task("native-tests", 4096));
                }
            },
        ),
        (
            "t.cdl:1068: server: slot64: gives its program more than 64 objects",
            |spec| {
                let bells: Vec<_> = (0..65)
                    .map(|i| spec.object(format!("bell{i}"), Kind::Notification))
                    .collect();
                let server = spec.object("server", server());
                for (i, bell) in bells.into_iter().enumerate() {
                    spec.cap(server, format!("slot{i}"), bell, "R");
                }
            },
        ),
        (
            "t.cdl:51: page48: memory is split into more than 512 pieces",
            |spec| {
                for i in 0..64 {
                    let at = 0x5000_0000 + i * 0x40_0000;
                    spec.object(format!("page{i}"), frame(Some(at)));
                }
            },
        ),
        (
            "t.cdl:1004: server: bell: `bell` reaches its server with two different badges; give it one",
            |spec| {
                let bell = spec.object("bell", Kind::Notification);
                let server = spec.object("server", server());
                spec.cap(server, "first", bell, "R");
                spec.cap_with(server, "bell", bell, "W", CapData::Badge(7));
            },
        ),
        (
            "t.cdl:3: task: needs 67108864 bytes for its stack; its VSpace has 33488896 for that",
            |spec| {
                spec.object("task", task("native-tests", 64 << 20));
            },
        ),
        (
            "t.cdl:3: server: needs the program `wasm-server`, which the boot image lacks",
            |spec| {
                spec.object("server", server());
            },
        ),
        (
            "t.cdl:1003: task: x: names object number 999, which the compiled spec lacks",
            |spec| {
                let task = spec.object("task", task("native-tests", 4096));
                spec.cap(task, "x", ObjectId(999), "");
            },
        ),
    ];
    let wrong = cases
        .iter()
        .filter_map(|(message, objects)| raw_refused(&raw(objects), &[], message));
    none(wrong.collect());
}

/// A program with its header changed: `at` is within the header of its writable segment.
fn program_with(scratch: &Scratch, at: usize, value: u64) -> PathBuf {
    let mut elf = fs::read(Build::from_env().programs.join("native-tests")).expect("the program");
    let word =
        |elf: &[u8], at: usize| u64::from_le_bytes(elf[at..at + 8].try_into().expect("8 bytes"));
    let table = word(&elf, 32) as usize;
    // ELF-64: PT_LOAD is 1, PF_R and PF_W are 6.
    let header = (0..8)
        .map(|i| table + i * 56)
        .find(|&header| word(&elf, header) == 6 << 32 | 1)
        .expect("a writable segment");
    elf[header + at..header + at + 8].copy_from_slice(&value.to_le_bytes());
    scratch.write("changed", elf)
}

#[test]
fn programs_that_cannot_be_loaded() {
    let build = Build::from_env();
    let spec = raw(|spec| {
        spec.object("task", task("other", 16384));
    });
    let scratch = Scratch::new();
    let loader = build.programs.join("sel4-loader");
    // p_memsz
    let huge = program_with(&scratch, 40, 0x3000_0000);
    let cases = [
        (&huge, "needs more than 256 page tables"),
        (
            &loader,
            "cannot load the program `other`: its segment at 0x44000000 is outside the room for programs",
        ),
    ];
    let wrong = cases.iter().filter_map(|(program, message)| {
        raw_refused(
            &spec,
            &[("other", program)],
            &format!("t.cdl:3: task: {message}"),
        )
    });
    none(wrong.collect());
}
