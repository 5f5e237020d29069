// SPDX-License-Identifier: BSD-2-Clause
//! What a machine refuses although the host tool made it: images that were changed afterwards, or that
//! the tool could not know enough about.
#![forbid(unsafe_code)]

use std::fs;
use std::ops::Range;
use std::path::PathBuf;

use ed25519_dalek::SigningKey;
use system_tests::build::{Build, Kernel, Parts};
use system_tests::machine::{Config, Machine, SECONDS};
use system_tests::scratch::Scratch;
use system_tests::spec::{self, SpecText};
use wasm_archive::{Archive, Writer};

/// What wasmtime has in a module behind its version: what it was compiled for, with the length of that.
const TARGET: &[u8] = b"\x14aarch64-unknown-none";

/// A system's image, and where in it the archive begins.
#[track_caller]
fn image_with_archive(scratch: &Scratch) -> (PathBuf, Vec<u8>, usize) {
    let build = Build::from_env();
    let path = scratch.path("image.elf");
    build.image(Kernel::Release, &spec::demo_path("isolation"), &path);
    let image = fs::read(&path).expect("the image");
    let archive = fs::read(&build.archive).expect("the archive");
    let places: Vec<_> = image
        .windows(archive.len())
        .enumerate()
        .filter(|(_, window)| *window == archive)
        .map(|(at, _)| at)
        .collect();
    let [at] = *places else {
        panic!("the archive is {} times in the image", places.len())
    };
    (path, image, at)
}

/// Changes the archive in the image and boots that.
#[track_caller]
fn boot_changed(scratch: &Scratch, change: impl Fn(&mut [u8])) -> Machine {
    let (path, mut image, archive) = image_with_archive(scratch);
    change(&mut image[archive..]);
    fs::write(&path, image).expect("the image");
    Machine::boot(&path, Config::default()).expect("QEMU")
}

/// Flips one bit of a byte of the archive in the image and boots that.
#[track_caller]
fn boot_flipped(scratch: &Scratch, choose: impl Fn(&[u8]) -> usize) -> Machine {
    boot_changed(scratch, |archive| archive[choose(archive)] ^= 0x10)
}

/// Where the signature is: behind the table, whose length is in the header.
fn signature(archive: &[u8]) -> Range<usize> {
    let table = u32::from_le_bytes(archive[12..16].try_into().expect("4 bytes"));
    let start = 56 + table as usize;
    start..start + 64
}

#[test]
fn nothing_runs_of_an_archive_that_is_not_as_it_was_signed() {
    type Change = fn(&mut [u8]);
    let cases: [(&str, Change); 5] = [
        ("not a module archive", |archive| archive[0] ^= 1),
        ("the archive has format 3, expected 2", |archive| {
            archive[8] = 3
        }),
        ("the archive is cut short", |archive| archive[19] |= 0x40),
        (
            "the signature of the archive does not fit its contents",
            |archive| {
                let signature = signature(archive);
                archive[signature].fill(0);
            },
        ),
        (
            "the signature of the archive does not fit its contents",
            |archive| {
                let signature = signature(archive);
                archive[signature.end - 8] ^= 1;
            },
        ),
    ];
    for (reason, change) in cases {
        let scratch = Scratch::new();
        let machine = boot_changed(&scratch, change);
        machine.expect(
            &format!("the module archive was refused: {reason}"),
            SECONDS,
        );
        let text = machine.end();
        let ran = ["ping", "pong", "oob", "spin"]
            .iter()
            .any(|guest| text.contains(&format!("{guest}: ")));
        assert!(!ran, "a guest ran all the same:\n{text}");
    }
}

/// Signed all right, and made by another version of the compiler.
#[test]
fn a_module_of_another_compiler_is_not_loaded() {
    let build = Build::from_env();
    let scratch = Scratch::new();
    let old = fs::read(&build.archive).expect("the archive");
    let key = old[24..56].try_into().expect("32 bytes");
    let old = Archive::open(&old, &key).expect("a good archive");
    let mut archive = Writer::new();
    for name in [
        "entropy",
        "fs",
        "net",
        "http-server",
        "ping",
        "pong",
        "out-of-bounds",
        "divide-by-zero",
        "stack-overflow",
        "unreachable",
        "spin",
    ] {
        let mut module = old.module(name).expect("the module").bytes().to_vec();
        if name == "out-of-bounds" {
            let target = module
                .windows(TARGET.len())
                .position(|window| window == TARGET);
            module[target.expect("what it was compiled for") - 1] ^= 1;
        }
        archive.add(name, module).expect("a name");
    }
    let key = SigningKey::from_bytes(&[7; 32]);
    let public = key
        .verifying_key()
        .to_bytes()
        .map(|byte| format!("{byte:02x}"))
        .concat();
    let parts = Parts {
        spec: &spec::demo_path("isolation"),
        archive: &scratch.write("archive.bin", archive.finish(&key).expect("an archive")),
        server: &build.server(),
        imports_known: true,
    };
    let image = scratch.path("image.elf");
    let build = Build {
        key: scratch.write("archive.pub", public + "\n"),
        ..build.clone()
    };
    let output = build.try_image(Kernel::Release, parts, &image);
    assert!(output.status.success(), "{output:?}");
    let machine = Machine::boot(&image, Config::default()).expect("QEMU");
    machine.expect(
        "oob: error: did not start: module out-of-bounds was refused: *ersion",
        SECONDS,
    );
    machine.expect("ping: 10000 round trips, checksum ok", SECONDS);
    assert!(
        !machine.text().contains("about to read"),
        "{}",
        machine.text()
    );
}

#[test]
fn a_flipped_bit_in_the_archives_table_stops_the_server() {
    let scratch = Scratch::new();
    // The table is behind 56 bytes of header (`wasm-archive`).
    let machine = boot_flipped(&scratch, |_| 56 + 20);
    machine.expect(
        "the module archive was refused: the signature of the archive does not fit its contents",
        SECONDS,
    );
    let text = machine.end();
    assert!(!text.contains("ping:"), "a guest ran all the same:\n{text}");
}

#[test]
fn a_flipped_bit_in_the_archives_key_stops_the_server() {
    let scratch = Scratch::new();
    let machine = boot_flipped(&scratch, |_| 24);
    machine.expect(
        "the module archive was refused: the archive is signed with another key",
        SECONDS,
    );
}

#[test]
fn a_flipped_bit_in_a_module_keeps_that_guest_from_starting() {
    let scratch = Scratch::new();
    let machine = boot_flipped(&scratch, |image| {
        let archive = fs::read(Build::from_env().archive).expect("the archive");
        let key = image[24..56].try_into().expect("32 bytes");
        let archive = Archive::open(&archive, &key).expect("a good archive");
        let oob = archive.module("out-of-bounds").expect("the module");
        oob.offset() + oob.bytes().len() / 2
    });
    machine.expect("oob: error: did not start: module out-of-bounds: the hash of the module does not fit its contents", SECONDS);
    machine.expect("ping: 10000 round trips, checksum ok", SECONDS);
    assert!(
        !machine.text().contains("about to read"),
        "{}",
        machine.text()
    );
}

#[test]
fn a_module_that_imports_what_was_not_granted_does_not_start() {
    let build = Build::from_env();
    let scratch = Scratch::new();
    // Without the wasm files the tool does not know what guests import.
    let text = SpecText::of_demo("isolation").replace(
        "oob     { memory: ut_oob  log }",
        "oob     { memory: ut_oob }",
    );
    let spec = scratch.write("changed.cdl", text);
    let image = scratch.path("image.elf");
    let parts = Parts {
        spec: &spec,
        archive: &build.archive,
        server: &build.server(),
        imports_known: false,
    };
    let output = build.try_image(Kernel::Release, parts, &image);
    assert!(output.status.success(), "{output:?}");
    let machine = Machine::boot(&image, Config::default()).expect("QEMU");
    machine.expect(
        "oob: error: did not start: module out-of-bounds imports atoll::log write, which needs the grant log; \
         it is not given (changed.cdl:*)",
        SECONDS,
    );
    machine.expect("ping: 10000 round trips, checksum ok", SECONDS);
    assert!(
        !machine.text().contains("about to read"),
        "{}",
        machine.text()
    );
}

#[test]
fn a_server_with_writable_code_is_not_loaded() {
    const WRITABLE: u32 = 2;
    let build = Build::from_env();
    let scratch = Scratch::new();
    let mut elf = fs::read(build.server()).expect("the server");
    let flags = flags_of_code(&elf);
    let changed = u32::from_le_bytes(elf[flags..flags + 4].try_into().expect("4 bytes")) | WRITABLE;
    elf[flags..flags + 4].copy_from_slice(&changed.to_le_bytes());
    let server = scratch.write("wasm-server", elf);
    let image = scratch.path("image.elf");
    let parts = Parts {
        spec: &spec::demo_path("isolation"),
        archive: &build.archive,
        server: &server,
        imports_known: true,
    };
    let output = build.try_image(Kernel::Release, parts, &image);
    assert!(output.status.success(), "{output:?}");
    let machine = Machine::boot(&image, Config::default()).expect("QEMU");
    machine.expect(
        "cannot load the program `wasm-server`: its segment at * is both writable and executable",
        SECONDS,
    );
}

/// Offset of the flags of the segment that can be executed (System V ABI, "ELF-64 Object File Format").
fn flags_of_code(elf: &[u8]) -> usize {
    const EXECUTABLE: u32 = 1;
    const LOAD: u32 = 1;
    let half = |at: usize| usize::from(u16::from_le_bytes([elf[at], elf[at + 1]]));
    let word = |at: usize| u32::from_le_bytes(elf[at..at + 4].try_into().expect("4 bytes"));
    let table = u64::from_le_bytes(elf[32..40].try_into().expect("8 bytes")) as usize;
    let headers = (0..half(56)).map(|index| table + index * half(54));
    let mut code =
        headers.filter(|&header| word(header) == LOAD && word(header + 4) & EXECUTABLE != 0);
    code.next().expect("a segment of code") + 4
}
