// SPDX-License-Identifier: BSD-2-Clause
//! What a machine refuses although the host tool made it: images that were changed afterwards, or that
//! the tool could not know enough about.
#![forbid(unsafe_code)]

use std::fs;
use std::path::PathBuf;

use system_tests::build::{Build, Kernel, Parts};
use system_tests::machine::{Config, Machine};
use system_tests::scratch::Scratch;
use system_tests::spec::{self, SpecText};

const SECONDS: u64 = 90;

/// The default system's image, and where in it the archive begins.
#[track_caller]
fn image_with_archive(scratch: &Scratch) -> (PathBuf, Vec<u8>, usize) {
    let build = Build::from_env();
    let path = scratch.path("image.elf");
    build.image(Kernel::Release, &spec::default_path(), &path);
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

/// Flips one bit of a byte of the archive in the image and boots that.
#[track_caller]
fn boot_flipped(scratch: &Scratch, choose: impl Fn(&[u8]) -> usize) -> Machine {
    let (path, mut image, archive) = image_with_archive(scratch);
    let byte = archive + choose(&image[archive..]);
    image[byte] ^= 0x10;
    fs::write(&path, image).expect("the image");
    Machine::boot(&path, Config::default()).expect("QEMU")
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
        let archive = wasm_archive::Archive::open(&archive, &key).expect("a good archive");
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
    let text = SpecText::default_system().replace(
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
         changed.cdl:*does not have it",
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
        spec: &spec::default_path(),
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
