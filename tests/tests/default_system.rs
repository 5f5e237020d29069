// SPDX-License-Identifier: BSD-2-Clause
//! The default system, that of `make run`: it serves the web, and files from its disk.
#![forbid(unsafe_code)]

use system_tests::build::{Build, Kernel};
use system_tests::clients::{curl, numbered};
use system_tests::devices::Forward;
use system_tests::disks::{check_file_system, read_file, replay_journal};
use system_tests::machine::{Config, Machine, SECONDS};
use system_tests::scratch::Scratch;
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
