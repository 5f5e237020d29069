// SPDX-License-Identifier: BSD-2-Clause
//! Guests are ended at random while they work, drivers and the supervisor included: who uses them goes on, nothing that was
//! answered is lost, no memory is, and in the end all is well.

use std::process::Command;
use std::time::{Duration, Instant};

use system_tests::build::{Build, Kernel};
use system_tests::chaos::{GUEST, is_over, kills, measured, said};
use system_tests::devices::Forward;
use system_tests::disks::{check_file_system, read_file, replay_journal};
use system_tests::machine::{Config, Machine};
use system_tests::scratch::Scratch;
use system_tests::spec;

/// How long all of it may take.
const LIMIT: Duration = Duration::from_secs(900);
/// How often guests are killed: to warm up, and between the two measurements.
const KILLS: usize = 60 + 300;
/// Those of whom each is killed so often at least.
const VICTIMS: [&str; 5] = ["feeder", "net", "fs", "http", "init"];
const EACH: usize = 10;
/// Files that are written at least, meanwhile.
const WRITTEN: usize = 20;
/// Bytes of a file.
fn contents(round: usize) -> Vec<u8> {
    format!("record {round}\n").repeat(300).into_bytes()
}

#[test]
fn a_system_of_which_parts_end_all_the_time_works_on() {
    let scratch = Scratch::new();
    let guests = ["init", "chaos", "entropy", "net", "fs", "http-server"];
    let build = Build::from_env().with_archive_of(&scratch, &guests);
    let image = scratch.path("chaos.elf");
    build.image(Kernel::Release, &spec::test_path("chaos.cdl"), &image);
    let config = Config {
        devices: spec::default_devices(&scratch),
        ..Config::default()
    };
    let machine = Machine::boot(&image, config).expect("QEMU");
    let port = machine.host_port(Forward::Tcp(80));

    // The files whose writing was answered: these stay.
    let mut answered = Vec::new();
    let begin = Instant::now();
    for round in 0.. {
        let text = machine.text();
        if is_over(&text) || text.contains("faults") {
            break;
        }
        assert!(begin.elapsed() < LIMIT, "it takes too long:\n{text}");
        let file = scratch.write("upload", contents(round));
        let output = Command::new("curl")
            .args([
                "-s",
                "-o",
                "/dev/null",
                "-w",
                "%{http_code}",
                "--max-time",
                "3",
                "-T",
            ])
            .arg(&file)
            .arg(format!("http://127.0.0.1:{port}/files/r{round}"))
            .output()
            .expect("curl");
        if matches!(&*output.stdout, b"201" | b"204") {
            answered.push(round);
        } else {
            std::thread::sleep(Duration::from_millis(50));
        }
    }
    let (status, text) = machine.expect_end(300);
    assert!(status.success(), "{status}:\n{text}");
    let well = format!("all is well after {KILLS} kills");
    assert_eq!(said(&text, GUEST, &well).count(), 1, "{text}");
    for victim in VICTIMS {
        assert!(
            kills(&text, victim) >= EACH,
            "{victim} was hardly killed:\n{text}"
        );
    }
    let written = answered.len();
    assert!(written >= WRITTEN, "{written} files were written:\n{text}");
    assert!(!text.contains("faults"), "{text}");

    // What the server keeps: as much as before, but for a few tables that have grown.
    let [before, after] = measured(&text);
    assert_eq!(before.processes, after.processes, "processes:\n{text}");
    assert!(after.grants <= before.grants + 8, "grants:\n{text}");
    assert!(after.heap <= before.heap + (128 << 10), "heap:\n{text}");
    assert!(after.slots <= before.slots + 64, "slots:\n{text}");

    // What was answered is on the disk, as it was.
    let disk = scratch.path("default-disk.img");
    replay_journal(&disk);
    check_file_system(&disk);
    for round in answered {
        let found = read_file(&disk, &format!("/files/r{round}"));
        assert!(found == Some(contents(round)), "r{round}: {found:?}");
    }
    println!("{well}; {written} files were written meanwhile");
}
