// SPDX-License-Identifier: BSD-2-Clause
//! The demos: each boots, and its numbers come out right. docs/demos.md shows what they print.
//!
//! Machines count instructions for time, so a demo prints the same whenever it runs.
#![forbid(unsafe_code)]

use system_tests::build::{Build, Kernel};
use system_tests::console::{Entry, Level, entries};
use system_tests::machine::{Config, LIMIT, Machine};
use system_tests::scratch::Scratch;
use system_tests::spec;

const DEADLINE: &str = "failed: ended: it ran past the deadline of its spec";

/// What a demo printed.
struct Log(String);

impl Log {
    /// Boots the system of a demo, until the guest of this name has ended, well or not.
    fn until_end_of(last: &str, demo: &str) -> Self {
        let scratch = Scratch::new();
        let image = scratch.path("demo.elf");
        let spec = spec::demo_path(demo);
        Build::from_env().image(Kernel::Release, &spec, &image);
        let config = Config {
            counted: true,
            ..Config::default()
        };
        let machine = Machine::boot(&image, config).expect("QEMU");
        let ended = |entry: Entry<'_>| {
            let well = entry.level == Level::Debug && entry.text.starts_with("exited");
            entry.guest == last && (well || entry.level == Level::Error)
        };
        let waited = machine.wait(&format!("the end of {last}"), LIMIT, |text| {
            entries(text).any(ended).then_some(())
        });
        let log = Self(machine.end());
        waited.unwrap_or_else(|error| panic!("{error}:\n{}", log.0));
        log
    }

    /// The first line of a guest that has this text.
    #[track_caller]
    fn entry(&self, guest: &str, text: &str) -> Entry<'_> {
        let found =
            entries(&self.0).find(|entry| entry.guest == guest && entry.text.contains(text));
        found.unwrap_or_else(|| panic!("{guest} did not say `{text}`:\n{}", self.0))
    }

    /// The numbers in the first line of a guest that has this text.
    #[track_caller]
    fn numbers<const N: usize>(&self, guest: &str, text: &str) -> [u64; N] {
        let line = self.entry(guest, text).text;
        let digits = line.split(|c: char| !c.is_ascii_digit());
        let numbers: Vec<_> = digits.filter_map(|digits| digits.parse().ok()).collect();
        let count = numbers.len();
        <[u64; N]>::try_from(numbers).unwrap_or_else(|_| panic!("{count} numbers in `{line}`"))
    }

    /// The guests that failed, each with why.
    fn failures(&self) -> Vec<(&str, &str)> {
        entries(&self.0)
            .filter(|entry| matches!(entry.level, Level::Error | Level::Warning))
            .map(|entry| (entry.guest, entry.text))
            .collect()
    }

    /// These guests ended well, and so did all others.
    #[track_caller]
    fn ended_well(&self, guests: &[&str]) {
        self.conducted(guests);
        assert_eq!(self.failures(), [], "{}", self.0);
    }

    /// These guests ended well, and the conductor has nothing to complain of.
    #[track_caller]
    fn conducted(&self, guests: &[&str]) {
        for guest in guests {
            self.entry("conductor", &format!("{guest} exited with code 0"));
        }
        let count = guests.len();
        let end = format!("{count} have ended, 0 failed; nothing is left of them");
        self.entry("conductor", &end);
        self.entry("conductor", "exited with code 0");
    }
}

#[test]
fn subscribers_see_everything_or_know_what_they_missed() {
    const SENT: u64 = 20_000;
    let log = Log::until_end_of("conductor", "pubsub");
    assert_eq!(log.numbers("publisher", "sent"), [SENT]);
    assert_eq!(log.numbers("fast", "seen"), [0, SENT, 0, SENT]);
    let [first, seen, lost, together] = log.numbers("slow", "seen");
    assert_eq!((first, together), (0, SENT), "{}", log.0);
    assert_eq!(seen + lost, SENT, "{}", log.0);
    assert!(seen > 0 && lost > seen, "{}", log.0);
    // Nobody waits for the tap to be there.
    let [first, seen, lost, together] = log.numbers("tap", "seen");
    assert_eq!(first + together, SENT, "{}", log.0);
    assert_eq!(seen + lost, together, "{}", log.0);
    assert!(seen > 0, "{}", log.0);
    log.ended_well(&["tap", "fast", "slow", "publisher"]);
}

#[test]
fn a_pipeline_loses_nothing_and_ends_from_its_source_on() {
    let log = Log::until_end_of("conductor", "pipeline");
    let bytes = 500 * 1024;
    assert_eq!(log.numbers("source", "blocks"), [500, bytes]);
    assert_eq!(log.numbers("sink", "blocks"), [500, bytes]);
    let [taken, given] = log.numbers("pack", "packed");
    assert!(taken == bytes && given < bytes / 2, "{}", log.0);
    let sum = |guest| log.entry(guest, "checksum").text;
    assert_eq!(sum("source"), sum("sink"), "{}", log.0);
    log.ended_well(&["sink", "pack", "source"]);
}

#[test]
fn a_channel_goes_on_when_either_end_was_killed() {
    let log = Log::until_end_of("restart", "restart");
    // These hung until they were killed, in the middle of a frame.
    let killed = ["writer-a", "reader-a", "writer-c"];
    assert_eq!(
        log.failures(),
        killed.map(|guest| (guest, DEADLINE)),
        "{}",
        log.0
    );
    let died = |guest| log.entry(guest, DEADLINE).time;
    log.entry("writer-a", "hang with half a frame written");
    log.entry("reader-a", "hang with frame 1500 in hand");
    log.entry("writer-c", "hang with half a frame written");

    // Whoever reads knows whose frames they are.
    let first = |guest| log.entry(guest, "is by").text;
    assert_eq!(first("reader-a"), "frame 0 is by writer-a, generation 1");
    log.entry("reader-a", "frame 1000 is by writer-b, generation 2");
    // The frame that the dead reader held is read again, and nothing else.
    assert_eq!(first("reader-b"), "frame 1500 is by writer-b, generation 2");
    assert_eq!(log.numbers("reader-b", "no more after"), [1500]);
    // A frame of a pipe that is reserved keeps nobody from those before it.
    assert!(
        log.entry("reader-a", "1000 frames").time < died("writer-a"),
        "{}",
        log.0
    );

    // Among several writers it keeps those behind it back, until its writer is dead.
    assert_eq!(first("reader-c"), "frame 0 is by writer-d, generation 1");
    assert!(
        log.entry("reader-c", "1000 frames").time > died("writer-c"),
        "{}",
        log.0
    );
    assert_eq!(log.numbers("reader-c", "no more after"), [3000]);

    for guest in ["writer-b", "reader-b", "writer-d", "reader-c"] {
        log.entry("restart", &format!("{guest} exited with code 0"));
    }
    log.entry("restart", "nothing is left");
    log.entry("restart", "exited with code 0");
}

#[test]
fn a_service_answers_what_can_be_answered_first_and_comes_back_when_it_fails() {
    let log = Log::until_end_of("conductor", "request-reply");
    log.entry("client", "connected to generation 1");
    log.entry("client", "1 / 0 = None");
    // Asked in the order 30, 10, 20.
    let times = [10, 20, 30].map(|time| log.entry("client", &format!("answered after {time} ms")));
    assert!(times.is_sorted_by_key(|entry| entry.time), "{}", log.0);
    let [within] = log.numbers("client", "all three");
    assert!(within < 30 + 10, "{}", log.0);
    // The service does not go on with what nobody waits for.
    assert_eq!(log.numbers("client", "gave up after"), [20]);
    log.entry("service", "client does not wait for its answer");
    log.entry("service", "failed: panic: client wants it so");
    log.entry("client", "connected to generation 2");
    let sums = entries(&log.0).filter(|e| e.guest == "client" && e.text == "1000 sums are right");
    assert_eq!(sums.count(), 2, "{}", log.0);
    let [sums, again, generation] = log.numbers("patient", "sums are right");
    assert_eq!((sums, generation), (200, 2), "{}", log.0);
    assert!(again >= 1, "{}", log.0);
    log.conducted(&["client", "patient"]);
    assert_eq!(log.failures().len(), 1, "{}", log.0);
}

#[test]
fn jobs_are_done_once_though_a_worker_dies_with_one_in_hand() {
    let log = Log::until_end_of("conductor", "work-queue");
    for (producer, jobs) in [("producer-a", 1..=500), ("producer-b", 501..=1000)] {
        let [count, all, _time] = log.numbers(producer, "jobs are done");
        assert_eq!((count, all), (500, jobs.map(steps).sum()), "{}", log.0);
    }
    let [done, at_a_time] = log.numbers("queue", "jobs are done");
    // One at each worker, four that wait, and one that waits for room.
    assert!(done == 1000 && at_a_time <= 8, "{}", log.0);
    // The first job of one worker was begun again, and nothing else.
    let [job] = log.numbers("worker-a", "hang in job");
    assert_eq!(log.numbers("queue", "worker-a does not finish"), [job]);
    log.entry("queue", "worker-a failed");
    let workers = ["worker-a-again", "worker-b", "worker-c"];
    let others = workers.map(|worker| {
        log.entry("queue", &format!("{worker} exited with code 0"));
        let [done] = log.numbers(worker, "jobs done");
        assert!(done > 0, "{}", log.0);
        done
    });
    assert_eq!(others.iter().sum::<u64>(), 1000, "{}", log.0);
    log.ended_well(&["producer-a", "producer-b", "queue"]);
}

/// The steps of the Collatz sequence from a number to 1.
fn steps(number: u64) -> u64 {
    let next = |n: &u64| match n {
        1 => None,
        n if n % 2 == 0 => Some(n / 2),
        n => Some(3 * n + 1),
    };
    std::iter::successors(Some(number), next).count() as u64 - 1
}
