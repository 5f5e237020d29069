// SPDX-License-Identifier: BSD-2-Clause
//! Guests are killed at random while they work, those with the network and the disk among them: their clients go on,
//! what was synced is there, nothing is lost, and in the end init ends the system.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;

use load::{RECORD, record};
use system_tests::build::{Build, Kernel};
use system_tests::chaos::{self, kills, measured, said};
use system_tests::clients::{numbered, try_curl};
use system_tests::devices::{Devices, Forward, Net};
use system_tests::disks::{check_file_system, make_file_system, read_file};
use system_tests::machine::{Config, LIMIT, Machine, SECONDS};
use system_tests::scratch::Scratch;
use system_tests::spec;

/// How often guests are killed: to warm up, and between the two measurements.
const KILLS: usize = 60 + 200;
/// Bytes of the file that is fetched from the web server again and again.
const FILE: usize = 100_000;

/// A disk with the directories that the guests may use.
fn disk(scratch: &Scratch) -> std::path::PathBuf {
    let tree = scratch.path("tree");
    for directory in ["files", "load"] {
        fs::create_dir_all(tree.join(directory)).expect("a directory");
    }
    fs::write(tree.join("files/numbered"), numbered(FILE)).expect("a file");
    let disk = scratch.path("disk.img");
    make_file_system(
        &disk,
        "64M",
        &["-b", "4096", "-d", &tree.display().to_string()],
    );
    disk
}

#[test]
fn who_works_goes_on_whoever_is_killed() {
    let scratch = Scratch::new();
    let image = scratch.path("survivors.elf");
    let guests = ["init", "net", "fs", "http-server", "load", "chaos"];
    let build = Build::from_env().with_archive_of(&scratch, &guests);
    build.image(Kernel::Release, &spec::test_path("survivors.cdl"), &image);
    let disk = disk(&scratch);
    let config = Config {
        devices: Devices {
            net: Some(Net::User(&[Forward::Tcp(80)])),
            disk: Some(disk.clone().into()),
            ..Devices::default()
        },
        ..Config::default()
    };
    let machine = Machine::boot(&image, config).expect("QEMU");
    let url = format!(
        "http://127.0.0.1:{}/files/numbered",
        machine.host_port(Forward::Tcp(80))
    );
    let is_over = AtomicBool::new(false);
    let (fetched, over) = thread::scope(|scope| {
        let browser = scope.spawn(|| browse(&url, &is_over));
        let over = machine.wait("the end of the chaos", LIMIT, |text| {
            chaos::is_over(text).then_some(())
        });
        is_over.store(true, Relaxed);
        (browser.join().expect("the browser"), over)
    });
    over.unwrap_or_else(|error| panic!("{error}"));
    machine.expect("chaos: all is well after 260 kills", SECONDS);
    let (status, log) = machine.expect_end(SECONDS);
    assert!(status.success(), "{status}:\n{log}");

    assert_eq!(said(&log, "chaos", "kill ").count(), KILLS, "{log}");
    for victim in ["net", "fs", "http", "second", "answer", "ask"] {
        assert!(
            kills(&log, victim) > 3,
            "{victim} was hardly killed:\n{log}"
        );
    }
    // The browser was answered often, and in the end as at the beginning.
    assert!(fetched > 3, "{fetched} files were fetched:\n{log}");
    let answers = last_number(&log, "ask", "answers ");
    assert!(answers > 0, "nobody was answered:\n{log}");
    assert_nothing_is_lost(&log);
    check_file_system(&disk);
    assert_synced(&log, &disk, "first");
    assert_synced(&log, &disk, "second");
}

/// Fetches the file again and again; what comes in full is right. Answers how often it came.
fn browse(url: &str, is_over: &AtomicBool) -> u32 {
    let mut fetched = 0;
    while !is_over.load(Relaxed) {
        let output = try_curl(["--fail", "--max-time", "2", url]);
        if output.status.success() {
            assert!(output.stdout == numbered(FILE), "the file came out wrong");
            fetched += 1;
        }
    }
    fetched
}

/// The number behind the last of these.
#[track_caller]
fn last_number(log: &str, guest: &str, text: &str) -> u64 {
    let last = said(log, guest, text).last();
    let last = last.unwrap_or_else(|| panic!("{guest} did not say `{text}`:\n{log}"));
    let number = last.text[text.len()..].parse();
    number.unwrap_or_else(|_| panic!("no number in `{}`", last.text))
}

/// What was measured after so many kills is what was measured after the first.
#[track_caller]
fn assert_nothing_is_lost(log: &str) {
    let [before, after] = measured(log);
    // A table that has grown once stays so, and a guest keeps what it has freed for the next time.
    assert!(
        after.heap <= before.heap + 16 * 1024,
        "the server's heap:\n{log}"
    );
    assert!(after.slots <= before.slots, "the server's slots:\n{log}");
    // Of connections that come and go: fewer than kills.
    assert!(after.grants <= before.grants + 64, "capabilities:\n{log}");
    assert!(after.timers <= before.timers + 4, "timers:\n{log}");
    assert_eq!(after.processes, before.processes, "processes:\n{log}");
    // Net and the web server keep buffers of connections, and give them to the next.
    assert!(
        after.spent <= before.spent + 2 * 1024 * 1024,
        "budgets:\n{log}"
    );
    // It was not killed, and has opened its file anew whenever fs was.
    let first: Vec<_> = said(log, "chaos", "first has spent ").collect();
    let [before, after] = &first[..] else {
        panic!("{first:?}");
    };
    assert_eq!(before.text, after.text, "{log}");
}

/// Every record that the guest has said to be synced is on the disk.
#[track_caller]
fn assert_synced(log: &str, disk: &Path, guest: &str) {
    let synced = last_number(log, guest, "synced ");
    let path = format!("/load/{guest}.log");
    let file = read_file(disk, &path).unwrap_or_else(|| panic!("there is no {path}"));
    assert!(synced > 40, "{guest} has hardly written:\n{log}");
    for number in 0..synced {
        let at = number as usize * RECORD;
        let found = file.get(at..at + RECORD);
        assert_eq!(
            found,
            Some(&record(guest, number)[..]),
            "record {number} of {synced} of {guest}, of a file of {} bytes",
            file.len()
        );
    }
}
