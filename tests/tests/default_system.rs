// SPDX-License-Identifier: BSD-2-Clause
//! The default system, that of `make run`: it lands in a shell, serves the web, and files from its disk.
#![forbid(unsafe_code)]

use system_tests::build::{Build, Kernel};
use system_tests::clients::{curl, numbered};
use system_tests::devices::Forward;
use system_tests::disks::{check_file_system, read_file, replay_journal};
use system_tests::machine::{Config, Machine, SECONDS};
use system_tests::scratch::Scratch;
use system_tests::session::{Seat, User};
use system_tests::spec;

/// Files are on the disk of `make run`: shown and taken by the web server, there again when the system is booted again,
/// and found by the host's own tools.
#[test]
fn files_stay_from_boot_to_boot() {
    let scratch = Scratch::new();
    let image = scratch.path("default.elf");
    Build::from_env().image(Kernel::Release, &spec::default_path(), &image);
    let devices = spec::default_devices(&scratch);
    let boot = || {
        let config = Config {
            devices: devices.clone(),
            ..Config::default()
        };
        let machine = Machine::boot(&image, config).expect("QEMU");
        for line in [
            "net: *10.0.2.15/24 by DHCP",
            "feeder: the generator was fed 64 bytes of a device",
            "http: serving at *:80",
            "http: /files/ is on the disk",
        ] {
            machine.expect(line, SECONDS);
        }
        machine
    };
    let url = |machine: &Machine, path: &str| {
        let port = machine.host_port(Forward::Tcp(80));
        format!("http://127.0.0.1:{port}/files/{path}")
    };
    let bytes = numbered(2_000_000);
    let upload = scratch.write("upload", &bytes);
    let upload = upload.display().to_string();

    let machine = boot();
    let page = String::from_utf8(curl([&*url(&machine, "")])).unwrap();
    assert!(page.contains("These bytes come from a disk"), "{page}");
    let print = ["-w", "%{http_code}", "-o", "/dev/null"];
    let code = |arguments: &[&str]| {
        let printed = curl(print.into_iter().chain(arguments.iter().copied()));
        String::from_utf8(printed).unwrap()
    };
    assert_eq!(code(&["-T", &upload, &url(&machine, "a%20b.bin")]), "201");
    assert_eq!(code(&["-T", &upload, &url(&machine, "a%20b.bin")]), "204");
    assert_eq!(code(&["-T", &upload, &url(&machine, "nowhere/x")]), "404");
    assert_eq!(code(&["-X", "DELETE", &url(&machine, "index.html")]), "204");
    assert_eq!(code(&[&url(&machine, "index.html")]), "404");
    assert_eq!(code(&[&url(&machine, "docs")]), "301");
    assert_eq!(
        code(&["--path-as-is", &url(&machine, "%2e%2e/lost+found")]),
        "403"
    );
    assert!(curl([&*url(&machine, "a%20b.bin")]) == bytes);
    let list = String::from_utf8(curl([&*url(&machine, "")])).unwrap();
    assert!(list.contains("<a href=\"a%20b.bin\">a b.bin</a>"), "{list}");
    // At once: what was answered stays, whatever happens.
    machine.end();

    let machine = boot();
    assert!(curl([&*url(&machine, "a%20b.bin")]) == bytes);
    assert_eq!(code(&[&url(&machine, "index.html")]), "404");
    machine.end();

    let disk = scratch.path("default-disk.img");
    replay_journal(&disk);
    check_file_system(&disk);
    assert_eq!(read_file(&disk, "\"/files/a b.bin\""), Some(bytes));
}

/// What stands before the lines that are typed.
const PROMPT: &str = "atoll:/> ";

/// The session of the README, line by line, at the serial line: what is typed there is typed, and what is shown there comes,
/// in this order. Numbers may be others, and lines may come between.
#[test]
fn the_session_of_the_readme() {
    let readme = include_str!("../../README.md");
    let (_, session) = readme
        .split_once("```console\nAtoll. ")
        .expect("a session in the README");
    let (session, _) = session.split_once("\n```").expect("its end");
    let session = format!("Atoll. {session}");

    let scratch = Scratch::new();
    let image = scratch.path("default.elf");
    Build::from_env().image(Kernel::Release, &spec::default_path(), &image);
    let config = Config {
        devices: spec::default_devices(&scratch),
        ..Config::default()
    };
    let machine = Machine::boot(&image, config).expect("QEMU");
    machine.expect("http: /files/ is on the disk", SECONDS);
    let mut user = User::here(Seat::Serial(&machine));
    for line in session.lines() {
        if let Some(typed) = line.strip_prefix(PROMPT) {
            user.types(typed.as_bytes());
            user.types(b"\r");
        } else if line != "..." {
            let wanted = shape(line);
            user.until(line, |text| {
                let mut end = 0;
                text.split_inclusive('\n').find_map(|shown| {
                    end += shown.len();
                    let is_whole = shown.ends_with('\n');
                    (is_whole && shape(shown).ends_with(&wanted)).then_some(end)
                })
            });
        }
    }
    let (status, text) = machine.expect_end(SECONDS);
    assert!(status.success(), "{status}:\n{text}");
    let disk = scratch.path("default-disk.img");
    check_file_system(&disk);
}

/// A line without what moves the cursor, in which any number is like any other, and any blanks.
fn shape(line: &str) -> String {
    let mut shape = String::new();
    let mut rest = line.chars();
    while let Some(c) = rest.next() {
        match c {
            '\u{1b}' => {
                // ESC [ parameters letter
                let _ = rest.find(char::is_ascii_alphabetic);
            }
            _ if c.is_ascii_digit() && shape.ends_with('0') => {}
            _ if c.is_ascii_digit() => shape.push('0'),
            _ if c.is_whitespace() && (shape.is_empty() || shape.ends_with(' ')) => {}
            _ if c.is_whitespace() => shape.push(' '),
            _ => shape.push(c),
        }
    }
    shape.trim_end().into()
}
