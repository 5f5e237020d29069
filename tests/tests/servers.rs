// SPDX-License-Identifier: BSD-2-Clause
//! Two process servers: their guests (`guests/tests/across`) hold channels in common, and when one server goes
//! down, which a test build of it does when a guest says so, the guests of the other go on.
#![forbid(unsafe_code)]

use std::sync::OnceLock;

use system_tests::build::{Build, Kernel, Parts};
use system_tests::console::{Entry, Level, entries};
use system_tests::machine::{Config, LIMIT, Machine, MachineError};
use system_tests::scratch::Scratch;
use system_tests::spec;

/// What the root task says of the server that goes down, and of its next life.
const FAULT: &str = "root task: server `b` faults";
const AGAIN: &str = "root task: server `b` starts again (1 of 5)";

/// What was printed until everybody had come back.
fn log() -> &'static str {
    static LOG: OnceLock<String> = OnceLock::new();
    LOG.get_or_init(|| match run() {
        Ok(text) => text,
        Err((error, text)) => panic!("{error}\n{text}"),
    })
}

fn run() -> Result<String, (MachineError, String)> {
    let scratch = Scratch::new();
    let build = Build::from_env().with_archive_of(&scratch, &["across"]);
    let image = scratch.path("servers.elf");
    let parts = Parts {
        spec: &spec::test_path("servers.cdl"),
        archive: &build.archive,
        server: &Build::server_that_can_crash(),
        imports_known: true,
    };
    let output = build.try_image(Kernel::Release, parts, &image);
    assert!(output.status.success(), "{output:?}");
    // Times are instructions then.
    let config = Config {
        counted: true,
        ..Config::default()
    };
    let machine = Machine::boot(&image, config).map_err(|error| (error, String::new()))?;
    let done = |text: &str| {
        let after = text.split_once(AGAIN)?.1;
        let goes_on = |guest: &str| {
            // All frames that are read have been checked.
            let lines = entries(after).filter(|entry| entry.guest == guest);
            lines
                .filter(|entry| entry.text.contains("frames of"))
                .count()
                >= 3
        };
        let has_values = |entry: &Entry<'_>| entry.text.contains("values of sender_b");
        let comes_back = goes_on("reader_a") && goes_on("reader_b");
        (comes_back && entries(after).any(|entry| has_values(&entry))).then_some(())
    };
    match machine.wait("traffic after the restart", LIMIT, done) {
        Ok(()) => Ok(machine.end()),
        Err(error) => Err((error, machine.end())),
    }
}

/// What was printed before the fault, and behind it.
fn halves() -> (&'static str, &'static str) {
    log().split_once(FAULT).expect("a fault")
}

/// The lines of a guest.
fn lines(text: &'static str, guest: &str) -> Vec<Entry<'static>> {
    entries(text).filter(|entry| entry.guest == guest).collect()
}

#[track_caller]
fn says(text: &'static str, guest: &str, what: &str) {
    let said = |entry: &Entry<'_>| entry.guest == guest && entry.text.contains(what);
    assert!(
        entries(text).any(|entry| said(&entry)),
        "{guest} does not say: {what}\n{}",
        log()
    );
}

#[test]
fn frames_go_both_ways() {
    let (before, _) = halves();
    for reader in ["reader_a", "reader_b"] {
        for writer in ["writer_a", "writer_b"] {
            says(before, reader, &format!("sees {writer}, generation"));
        }
        says(before, reader, "frames of 2 writers");
    }
}

#[test]
fn values_and_answers_cross() {
    let (before, _) = halves();
    says(before, "receiver_a", "values of sender_b");
    says(before, "asker_a", "1000 questions");
    says(before, "answerer_b", "nobody asks any more");
}

/// Readers wait for a frame that was reserved and not written, until its writer is gone; also for one of the other
/// server.
#[test]
fn what_a_dead_writer_has_reserved_is_given_up_in_the_other_server() {
    let (before, _) = halves();
    for mortal in ["mortal_a", "mortal_b"] {
        says(before, mortal, "hang with half a frame written");
    }
    let ended = before.rfind("ended: it ran past the deadline");
    let after = &before[ended.expect("a deadline")..];
    for reader in ["reader_a", "reader_b"] {
        says(after, reader, "frames of 2 writers");
    }
}

#[test]
fn who_may_read_cannot_write() {
    let (before, _) = halves();
    says(
        before,
        "peeker_b",
        "reads what others write, and cannot write",
    );
}

/// Of the guests of the server that stays, nobody fails, and they go on while the other is down.
#[test]
fn a_server_goes_down_alone() {
    let (_, after) = halves();
    assert_eq!(log().matches(FAULT).count(), 1, "{}", log());
    let failed: Vec<_> = entries(after)
        .filter(|entry| entry.level == Level::Error && entry.guest.ends_with("_a"))
        .collect();
    assert!(failed.is_empty(), "{failed:?}\n{}", log());
    // The others learn that the writer is gone, and of its successor.
    let seen = lines(after, "watcher_a");
    let seen: Vec<_> = seen.iter().map(|entry| entry.text).collect();
    assert_eq!(seen.first(), Some(&"writers: writer_a"), "{}", log());
    assert!(
        seen.iter().any(|text| text.contains("writer_b")),
        "{}",
        log()
    );
}

#[test]
fn guests_come_back_to_the_channels_of_before() {
    let (_, after) = halves();
    says(after, "crasher_b", "the server has crashed before");
    says(after, "reader_a", "sees writer_b, generation 2");
    says(after, "reader_b", "sees writer_a, generation 1");
    says(after, "reader_b", "sees writer_b, generation 2");
    says(after, "receiver_a", "values of sender_b");
}
