// SPDX-License-Identifier: BSD-2-Clause
//! The shell, as a user at the serial line and behind a TCP connection has it: every command, pipes, the keys of the
//! line, what is taken away while it is used, and a service that is replaced under load.
#![forbid(unsafe_code)]

use std::fs;
use std::path::PathBuf;

use system_tests::build::{Build, Kernel};
use system_tests::devices::{Devices, Forward, Net};
use system_tests::disks::{check_file_system, make_file_system, read_file, replay_journal};
use system_tests::machine::{Config, Machine, SECONDS};
use system_tests::scratch::Scratch;
use system_tests::session::{Connection, Seat, User};
use system_tests::spec;

#[path = "shell/changes.rs"]
mod changes;
#[path = "shell/looks.rs"]
mod looks;
#[path = "shell/places.rs"]
mod places;

const GUESTS: &[&str] = &[
    "asker",
    "console",
    "fs",
    "http-server",
    "init",
    "net",
    "shell",
];

/// What is booted.
struct System {
    _scratch: Scratch,
    image: PathBuf,
    disk: PathBuf,
}

impl System {
    /// The image, and a disk with files and signed modules.
    fn new() -> Self {
        let scratch = Scratch::new();
        let built = Build::from_env();
        let build = built.clone().with_archive_of(&scratch, GUESTS);
        let tree = scratch.path("tree");
        fs::create_dir_all(tree.join("modules")).expect("a directory");
        fs::write(tree.join("poem"), "one line\nanother line\nthe last\n").expect("a file");
        let service = built.guests.join("deployed.wasm");
        for version in ["1", "2", "4"] {
            let out = tree.join(format!("modules/service-{version}.module"));
            let arguments: [PathBuf; 11] = [
                "module".into(),
                service.clone(),
                "--name".into(),
                "service".into(),
                "--version".into(),
                version.into(),
                "--keys".into(),
                scratch.path("keys"),
                "--out".into(),
                out,
                format!("--cache={}", scratch.path("aot").display()).into(),
            ];
            let output = built.atoll(arguments);
            assert!(output.status.success(), "{output:?}");
        }
        let mut altered = fs::read(tree.join("modules/service-2.module")).expect("a module");
        let middle = altered.len() / 2;
        altered[middle] ^= 4;
        fs::write(tree.join("modules/altered.module"), altered).expect("a file");
        let disk = scratch.path("disk.img");
        make_file_system(&disk, "32M", &["-d", &tree.display().to_string()]);
        let image = scratch.path("shell.elf");
        build.image(Kernel::Release, &spec::test_path("shell.cdl"), &image);
        Self {
            _scratch: scratch,
            image,
            disk,
        }
    }

    fn boot(&self) -> Machine {
        let config = Config {
            devices: Devices {
                net: Some(Net::User(&[
                    Forward::Tcp(80),
                    Forward::Tcp(2323),
                    Forward::Tcp(4000),
                ])),
                disk: Some(self.disk.clone().into()),
                ..Devices::default()
            },
            ..Config::default()
        };
        Machine::boot(&self.image, config).expect("QEMU")
    }
}

#[test]
fn a_user_behind_a_connection() {
    let system = System::new();
    let machine = system.boot();
    machine.expect("*shell: sessions over TCP at port 2323", SECONDS);
    let port = machine.host_port(Forward::Tcp(2323));
    let mut user = User::new(Seat::Tcp(Connection::new(port)));
    let idle = places::takes_nothing(port);
    looks_around(&mut user, &machine);
    // He is disconnected, and the user did not notice.
    machine.expect("*shell: the session of * ends", SECONDS);
    drop(idle);
    places::over_tcp(port);
    changes_things(&mut user, &machine);
    user.types(b"shutdown\r");
    has_ended(&system, machine);
}

#[test]
fn a_user_at_the_serial_line() {
    let system = System::new();
    let machine = system.boot();
    let mut user = User::here(Seat::Serial(&machine));
    user.sees("Atoll. Try: help");
    user.prompt();
    looks_around(&mut user, &machine);
    places::console(&mut user, &machine);
    changes_things(&mut user, &machine);
    user.types(b"shutdown\r");
    has_ended(&system, machine);
}

/// What a user does wherever he sits: what needs nobody else.
fn looks_around(user: &mut User<'_>, machine: &Machine) {
    machine.expect("*http: serving at *:80", SECONDS);
    looks::processes(user);
    looks::lines(user);
    looks::files(user);
    looks::text(user);
}

/// The rest of it.
fn changes_things(user: &mut User<'_>, machine: &Machine) {
    changes::network(user, machine);
    changes::rules(user, machine);
    changes::supervision(user, machine);
    changes::children(user);
    changes::deployment(user, machine);
    user.expect("ps shell", &["may call    processes"]);
    assert!(!machine.text().contains("panicked"), "{}", machine.text());
    user.expect("echo kept > /kept", &[]);
}

/// The machine ends, and the disk is whole.
fn has_ended(system: &System, machine: Machine) {
    let (status, _) = machine.expect_end(120);
    assert!(status.success(), "{status}");
    replay_journal(&system.disk);
    check_file_system(&system.disk);
    let kept = read_file(&system.disk, "/dir/copy");
    assert_eq!(
        kept.as_deref(),
        Some(&b"one line\nanother line\nthe last\n"[..])
    );
}
