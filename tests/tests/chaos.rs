// SPDX-License-Identifier: BSD-2-Clause
//! Guests are ended at random while they work, drivers and the supervisor included: who uses them goes on, nothing that was
//! answered is lost, no memory is, and in the end all is well.
#![forbid(unsafe_code)]

use std::process::Command;
use std::time::{Duration, Instant};

use system_tests::build::{Build, Kernel};
use system_tests::console::entries;
use system_tests::devices::Forward;
use system_tests::disks::{check_file_system, read_file, replay_journal};
use system_tests::machine::{Config, Machine};
use system_tests::scratch::Scratch;
use system_tests::spec;

/// How long all of it may take.
const LIMIT: Duration = Duration::from_secs(900);
/// Guests that are ended at least.
const ENDS: u64 = 200;
/// Files that are written at least, meanwhile.
const WRITTEN: usize = 20;
/// Bytes of a file.
fn contents(round: usize) -> Vec<u8> {
    format!("record {round}\n").repeat(300).into_bytes()
}

/// The numbers of the line that the guest says with this word.
#[track_caller]
fn numbers(text: &str, word: &str) -> Vec<u64> {
    let entry = entries(text)
        .find(|entry| entry.guest == "chaos" && entry.text.starts_with(word))
        .unwrap_or_else(|| panic!("chaos did not say `{word}`:\n{text}"));
    let digits = entry.text.split(|c: char| !c.is_ascii_digit());
    digits.filter_map(|digits| digits.parse().ok()).collect()
}

#[test]
fn a_system_of_which_parts_end_all_the_time_works_on() {
    let scratch = Scratch::new();
    let guests = ["init", "governed", "entropy", "net", "fs", "http-server"];
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
        if ["and all is well", "FAILED", "faults"]
            .iter()
            .any(|end| text.contains(end))
        {
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
    let ends = entries(&text).find(|entry| entry.text.contains("and all is well"));
    let ends = ends
        .unwrap_or_else(|| panic!("all is not well:\n{text}"))
        .text;
    let ended = ends
        .split(' ')
        .next()
        .and_then(|number| number.parse::<u64>().ok());
    assert!(ended >= Some(ENDS), "{ends}");
    let written = answered.len();
    assert!(written >= WRITTEN, "{written} files were written:\n{text}");
    assert!(!text.contains("faults"), "{text}");

    // What the server keeps: as much as before, but for a few tables that have grown.
    let (before, after) = (numbers(&text, "before"), numbers(&text, "after"));
    let [processes, grants, heap, slots] = [0, 1, 2, 3].map(|n| (before[n], after[n]));
    assert_eq!(processes.0, processes.1, "processes: {before:?} {after:?}");
    assert!(grants.1 <= grants.0 + 8, "grants: {before:?} {after:?}");
    assert!(heap.1 <= heap.0 + (128 << 10), "heap: {before:?} {after:?}");
    assert!(slots.1 <= slots.0 + 64, "slots: {before:?} {after:?}");

    // What was answered is on the disk, as it was.
    let disk = scratch.path("default-disk.img");
    replay_journal(&disk);
    check_file_system(&disk);
    for round in answered {
        let found = read_file(&disk, &format!("/files/r{round}"));
        assert!(found == Some(contents(round)), "r{round}: {found:?}");
    }
    println!("{ends}; {written} files were written meanwhile");
}
