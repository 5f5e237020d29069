// SPDX-License-Identifier: BSD-2-Clause
//! The tutorial's system does what the tutorial says. That its pages show this system's code is a test of
//! `guests/wasm-check`.
#![forbid(unsafe_code)]

use std::time::Duration;

use system_tests::build::{Build, Kernel};
use system_tests::console::{Entry, Level, entries};
use system_tests::machine::{Config, Machine, SECONDS};
use system_tests::scratch::Scratch;
use system_tests::spec;

#[test]
fn guests_say_what_the_tutorial_prints() {
    let scratch = Scratch::new();
    let image = scratch.path("tutorial.elf");
    let spec = spec::default_path().with_file_name("tutorial.cdl");
    Build::from_env().image(Kernel::Release, &spec, &image);
    let config = Config {
        counted: true,
        ..Config::default()
    };
    let machine = Machine::boot(&image, config).expect("QEMU");
    machine.expect("ticker: done", SECONDS);
    let text = machine.end();
    let said = |guest: &str| -> Vec<Entry<'_>> {
        // What the server says of them is for developers.
        let of_guest = |entry: &Entry<'_>| entry.guest == guest && entry.level != Level::Debug;
        entries(&text).filter(of_guest).collect()
    };
    let words = |guest: &str| -> Vec<_> { said(guest).iter().map(|entry| entry.text).collect() };
    assert_eq!(words("hello"), ["hello"], "{text}");
    assert_eq!(words("ticker"), ["1", "2", "3", "done"], "{text}");
    let ticks = said("ticker");
    for pair in ticks[..3].windows(2) {
        let apart = pair[1].time - pair[0].time;
        let drift = apart.abs_diff(Duration::from_secs(1));
        assert!(drift < Duration::from_millis(2), "{apart:?} apart:\n{text}");
    }
}
