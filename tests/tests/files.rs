// SPDX-License-Identifier: BSD-2-Clause
//! Files: the fs guest (`guests/fs`) on a real disk of the machine, clients of it (`guests/tests/files`), disks that fail,
//! and power that goes. What is on a disk afterwards, the host's own tools say.
#![forbid(unsafe_code)]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use files::{DIRECTORIES, bytes};
use system_tests::build::{Build, Kernel};
use system_tests::console::entries;
use system_tests::devices::Devices;
use system_tests::disks::{
    Disk, Fault, On, ask_debugfs, check_file_system, make_file_system, read_file,
};
use system_tests::machine::{Config, Machine, SECONDS};
use system_tests::scratch::Scratch;
use system_tests::spec::SpecText;

#[path = "files/power.rs"]
mod power;

/// What the guest is to find true.
const PROMISES: &[&str] = &[
    "made-by-the-host",
    "operations",
    "errors",
    "listings",
    "open-files-outlive-names",
    "bulk",
    "bulk-at-any-place",
    "rights",
    "no-way-out",
    "limits",
    "full",
    "many-clients",
    "killed-while-reading",
    "hostile-clients",
    "restart",
    "killed-while-writing",
    "rest",
];

/// Boots the guests, with what this makes of the spec.
fn boot(scratch: &Scratch, disk: Disk, change: impl FnOnce(SpecText) -> SpecText) -> Machine {
    let build = Build::from_env().with_archive_of(scratch, &["fs", "files"]);
    let spec = scratch.write("files.cdl", change(SpecText::of_tests("files.cdl")));
    let image = scratch.path("files.elf");
    build.image(Kernel::Release, &spec, &image);
    let config = Config {
        devices: Devices {
            disk: Some(disk),
            ..Devices::default()
        },
        ..Config::default()
    };
    Machine::boot(&image, config).expect("QEMU")
}

/// Has the guest play another part, for which it starts nobody.
fn plays(part: &str) -> impl FnOnce(SpecText) -> SpecText {
    let args = part
        .split(' ')
        .map(|word| format!("\"{word}\""))
        .collect::<Vec<_>>()
        .join(", ");
    move |spec| spec.replace("args: [\"promises\"]", &format!("args: [{args}]"))
}

/// The lines of a guest.
fn said<'a>(text: &'a str, guest: &str) -> Vec<&'a str> {
    entries(text)
        .filter(|entry| entry.guest == guest)
        .map(|entry| entry.text)
        .collect()
}

/// Waits until the guest has tried everything, and says what it found.
fn verdicts(machine: Machine, promises: &[&str]) -> String {
    machine.expect("files: all scenarios, *", SECONDS);
    let text = machine.end();
    let lines = said(&text, "files");
    let kept: Vec<_> = lines
        .iter()
        .filter_map(|line| line.strip_prefix("ok "))
        .collect();
    assert_eq!(kept, promises, "{text}");
    text
}

/// Files of the host, in a directory for `mke2fs -d`.
fn tree(scratch: &Scratch) -> PathBuf {
    let root = scratch.path("tree");
    for directory in ["host/many", "pub", "box"] {
        fs::create_dir_all(root.join(directory)).unwrap();
    }
    fs::write(root.join("host/hello"), "hello from the host\n").unwrap();
    fs::write(root.join("host/long"), bytes(7, 300_000)).unwrap();
    let sparse = fs::File::create(root.join("host/sparse")).unwrap();
    sparse.set_len((10 << 20) - 3).unwrap();
    drop(sparse);
    let mut sparse = fs::OpenOptions::new()
        .append(true)
        .open(root.join("host/sparse"))
        .unwrap();
    std::io::Write::write_all(&mut sparse, b"end").unwrap();
    std::os::unix::fs::symlink("hello", root.join("host/link")).unwrap();
    for number in 0..1000 {
        let path = root.join(format!("host/many/file-number-{number}"));
        fs::write(path, number.to_string()).unwrap();
    }
    root
}

/// A disk with these files.
fn disk_with(scratch: &Scratch, tree: &Path, size: &str, more: &[&str]) -> PathBuf {
    let disk = scratch.path("disk.img");
    let tree = tree.display().to_string();
    make_file_system(&disk, size, &[&["-d", &tree], more].concat());
    disk
}

/// All promises, on a disk as the host makes them; then the host finds what the guest has left there.
fn promises_hold(more: &[&str]) {
    let scratch = Scratch::new();
    let tree = tree(&scratch);
    let disk = disk_with(&scratch, &tree, "48M", more);
    let start_it = |spec: SpecText| spec.replace("start: boot", "start: demand");
    let machine = boot(&scratch, disk.clone().into(), start_it);
    let text = verdicts(machine, PROMISES);
    assert!(text.contains("fs: all is on the disk"), "{text}");
    // It was asked to end, and so it is at rest.
    check_file_system(&disk);
    let mut names: Vec<_> = ask_debugfs(&disk, "ls -p /")
        .lines()
        .filter_map(|line| line.split('/').nth(5).map(str::to_owned))
        .filter(|name| !matches!(name.as_str(), "" | "." | ".." | "rubbish"))
        .collect();
    names.sort();
    assert_eq!(names, ["box", "host", "lost+found", "pub"]);
    assert_eq!(read_file(&disk, "/host/long"), Some(bytes(7, 300_000)));
    let number = read_file(&disk, "/host/many/file-number-777");
    assert_eq!(number.as_deref(), Some(&b"777"[..]));
}

#[test]
fn every_promise_holds() {
    promises_hold(&["-b", "4096"]);
}

/// As `mke2fs` likes small disks: with blocks of 1 KiB.
#[test]
fn every_promise_holds_with_small_blocks() {
    promises_hold(&["-b", "1024"]);
}

/// What is written by the guest is what the host reads, file by file.
#[test]
fn the_host_reads_what_guests_have_written() {
    const STEPS: u32 = 400;
    let scratch = Scratch::new();
    let root = scratch.path("tree");
    for number in 0..DIRECTORIES {
        fs::create_dir_all(root.join(format!("d{number}"))).unwrap();
    }
    fs::create_dir_all(root.join("pub")).unwrap();
    fs::create_dir_all(root.join("box")).unwrap();
    let disk = disk_with(&scratch, &root, "16M", &["-b", "4096"]);
    let machine = boot(
        &scratch,
        disk.clone().into(),
        plays(&format!("work 1 {STEPS}")),
    );
    machine.expect(&format!("files: {STEPS} steps are durable"), SECONDS);
    // A while after that the disk is at rest, though nobody asks for it.
    std::thread::sleep(Duration::from_secs(10));
    machine.end();
    check_file_system(&disk);
    let mut world = files::World::new(1);
    for _ in 0..STEPS {
        world.step();
    }
    assert!(world.files.len() > 3, "{} files", world.files.len());
    let to = scratch.path("read");
    fs::create_dir(&to).unwrap();
    ask_debugfs(&disk, &format!("rdump / {}", to.display()));
    for (path, contents) in &world.files {
        assert!(fs::read(to.join(path)).unwrap() == *contents, "{path}");
    }
    for number in 0..DIRECTORIES {
        for entry in fs::read_dir(to.join(format!("d{number}"))).unwrap() {
            let name = entry.unwrap().file_name();
            let path = format!("d{number}/{}", name.to_string_lossy());
            assert!(world.files.contains_key(&path), "{path} is to be gone");
        }
    }
}

/// A disk with the files of the scenarios about faults.
fn faulty(scratch: &Scratch) -> PathBuf {
    let root = scratch.path("tree");
    for directory in ["pub", "box"] {
        fs::create_dir_all(root.join(directory)).unwrap();
    }
    for (name, seed) in [("bad", 1), ("good", 2), ("once", 3)] {
        fs::write(root.join(name), bytes(seed, 16384)).unwrap();
    }
    disk_with(scratch, &root, "16M", &["-b", "4096"])
}

/// The first sector of a block of a file.
fn sector_of(disk: &Path, path: &str, block: u64) -> u64 {
    let first = ask_debugfs(disk, &format!("bmap {path} {block}"));
    8 * first.trim().parse::<u64>().expect("a block")
}

#[test]
fn errors_of_the_disk_are_told_to_who_caused_them() {
    let scratch = Scratch::new();
    let disk = faulty(&scratch);
    let at = |on, path, block, once| Fault {
        on,
        sector: Some(sector_of(&disk, path, block)),
        once,
    };
    let flush = Fault {
        on: On::Flush,
        sector: None,
        once: true,
    };
    let faults = [
        at(On::Read, "bad", 1, false),
        at(On::Write, "bad", 1, false),
        at(On::Read, "once", 0, true),
        flush,
    ];
    let machine = boot(
        &scratch,
        Disk::from(disk.clone()).with_faults(&faults),
        plays("faults"),
    );
    let text = verdicts(machine, &["bad-sectors", "once", "goes-on"]);
    assert!(
        said(&text, "fs")
            .iter()
            .any(|line| line.contains("all: the disk failed")),
        "{text}"
    );
    // What was synced is there, whatever failed before.
    system_tests::disks::replay_journal(&disk);
    check_file_system(&disk);
    assert_eq!(read_file(&disk, "/new"), Some(bytes(4, 50_000)));
    assert_eq!(read_file(&disk, "/again"), Some(bytes(19, 3000)));
}

#[test]
fn a_disk_that_takes_no_writes_is_read() {
    let scratch = Scratch::new();
    let disk = faulty(&scratch);
    let before = fs::read(&disk).unwrap();
    let machine = boot(
        &scratch,
        Disk::from(disk.clone()).read_only(),
        plays("read-only"),
    );
    machine.expect("files: it can only be read", SECONDS);
    let text = machine.end();
    assert!(text.contains("read only"), "{text}");
    assert!(fs::read(&disk).unwrap() == before);
}

/// So it is when the spec says it of a disk that could be written.
#[test]
fn what_is_to_be_read_only_is_not_written() {
    let scratch = Scratch::new();
    let disk = faulty(&scratch);
    let before = fs::read(&disk).unwrap();
    let machine = boot(&scratch, disk.clone().into(), |spec| {
        plays("read-only")(spec).replace(
            "args: [\"all=/ all\"",
            "args: [\"read-only\", \"all=/ all\"",
        )
    });
    machine.expect("files: it can only be read", SECONDS);
    machine.end();
    assert!(fs::read(&disk).unwrap() == before);
}

#[test]
fn a_disk_that_goes_away_is_an_error_and_no_more() {
    let scratch = Scratch::new();
    let disk = faulty(&scratch);
    let machine = boot(&scratch, disk.into(), plays("gone"));
    machine.expect("files: the disk may go", SECONDS);
    machine.ask("drive_del disk");
    machine.expect("files: it is gone", SECONDS);
    let text = machine.end();
    assert!(
        !said(&text, "fs")
            .iter()
            .any(|line| line.contains("failed: ")),
        "{text}"
    );
}

/// What is wrong with a disk, how it is made so, and what the fs guest says of it.
type Case<'a> = (&'static str, Box<dyn Fn(&Path) + 'a>, &'static str);

/// Disks that are not what they should be: the fs guest says what they are, and what to do.
#[test]
fn what_is_no_file_system_is_refused_with_what_to_do() {
    let scratch = Scratch::new();
    let disk = faulty(&scratch);
    let whole = fs::read(&disk).unwrap();
    let cases: [Case<'_>; 5] = [
        (
            "empty",
            Box::new(|path| fs::write(path, vec![0; 1 << 20]).unwrap()),
            "*there is no ext4 file system on the disk; `mke2fs -t ext4 *",
        ),
        (
            "short",
            Box::new(|path| fs::write(path, &whole[..8 << 20]).unwrap()),
            "*the file system is larger than the disk, by 16384 sectors; *",
        ),
        (
            "journal",
            Box::new(|path| make_file_system(path, "16M", &["-O", "^has_journal"])),
            "*the file system has no journal, *",
        ),
        (
            "features",
            Box::new(|path| make_file_system(path, "16M", &["-O", "inline_data"])),
            "*the file system uses features that are not known here (s_feature_incompat 0x8000); *",
        ),
        (
            "damaged",
            Box::new(|path| {
                let mut bytes = whole.clone();
                // The root's inode, behind the descriptors and bitmaps.
                let table = 4096 * group_field(path, &whole, "inode table at");
                bytes[table + 256..table + 512].fill(0x5a);
                fs::write(path, bytes).unwrap();
            }),
            "*the file system is damaged (*",
        ),
    ];
    for (name, make, says) in cases {
        let path = scratch.path(&format!("{name}.img"));
        make(&path);
        let machine = boot(&scratch, path.into(), plays("read-only"));
        machine.expect(&format!("fs: error: failed: {says}"), SECONDS);
        machine.end();
    }
}

/// A number that debugfs tells of the first group.
fn group_field(path: &Path, image: &[u8], field: &str) -> usize {
    let copy = path.with_extension("whole");
    fs::write(&copy, image).unwrap();
    let stats = ask_debugfs(&copy, "stats");
    let at = stats.find(field).expect("the first group") + field.len();
    let digits: String = stats[at..]
        .chars()
        .skip_while(|it| !it.is_ascii_digit())
        .take_while(char::is_ascii_digit)
        .collect();
    digits.parse().expect("a number")
}
