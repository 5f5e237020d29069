// SPDX-License-Identifier: BSD-2-Clause
//! Guests that try one promise after the other, all in one boot, and say which hold (`guests/tests/drill`).

use std::path::Path;

use crate::build::{Build, Kernel};
use crate::console::{Entry, entries};
use crate::machine::{Config, LIMIT, Machine};

/// What was printed, up to the guest's last word.
#[derive(Debug)]
pub struct Log {
    guest: &'static str,
    text: String,
}

impl Log {
    /// Boots an image of a spec, and waits until `guest` has tried everything, has failed, or nothing
    /// more will come.
    ///
    /// # Panics
    /// There is no image, or no machine.
    #[track_caller]
    pub fn of(
        guest: &'static str,
        build: &Build,
        (spec, image): (&Path, &Path),
        config: Config,
    ) -> Self {
        build.image(Kernel::Release, spec, image);
        let machine = Machine::boot(image, config).expect("QEMU");
        let is_end = |entry: &Entry<'_>| {
            entry.guest == guest
                && (entry.text.starts_with("all scenarios, ") || entry.text.starts_with("failed: "))
        };
        let done = |text: &str| entries(text).find(is_end).map(drop);
        let text = match machine.wait("the last scenario", LIMIT, done) {
            Ok(()) => machine.end(),
            Err(error) => format!("{error}\n{}", machine.end()),
        };
        Self { guest, text }
    }

    /// All of it.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The lines of a guest.
    pub fn lines<'a>(&'a self, guest: &'a str) -> impl Iterator<Item = Entry<'a>> {
        entries(&self.text).filter(move |entry| entry.guest == guest)
    }

    /// All promises were tried, in this order, and hold.
    ///
    /// # Panics
    /// They do not.
    #[track_caller]
    pub fn assert_kept(&self, promises: &[&str]) {
        let verdict = |word: &str| {
            self.lines(self.guest)
                .filter_map(|entry| entry.text.strip_prefix(word)?.split([' ', ':']).next())
                .collect::<Vec<_>>()
        };
        let (kept, broken) = (verdict("ok "), verdict("FAILED "));
        assert!(broken.is_empty(), "{broken:?} failed:\n{}", self.text);
        assert_eq!(kept, promises, "{}", self.text);
    }
}
