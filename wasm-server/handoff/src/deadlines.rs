// SPDX-License-Identifier: BSD-2-Clause
//! One timer for several programs.
//!
//! Each program says in a word of its own when it wants to be woken, in ticks, and then sets the timer to the
//! earliest that anybody says. The root task has the interrupt: it signals those whose time has come, and sets the
//! timer to the next. Programs are preempted at any instruction, so one may set the timer to what was the earliest
//! before another has said its own: whoever sets it looks once more afterwards.

use crate::{MAX_PROGRAMS, Words, commons::DEADLINES};

/// No deadline.
pub const NEVER: u64 = u64::MAX;

/// How often the earliest is looked for while others change theirs: only one that means harm does so more often.
const MAX_ROUNDS: usize = 64;

/// The earliest deadline.
pub fn earliest(words: &impl Words) -> u64 {
    (0..MAX_PROGRAMS)
        .map(|program| words.load(DEADLINES + program))
        .fold(NEVER, u64::min)
}

/// Says a program's deadline, and sets the timer with `set_timer`, for which [`NEVER`] is not at all.
pub fn set(words: &impl Words, program: u8, deadline: u64, set_timer: impl FnMut(u64)) {
    if usize::from(program) < MAX_PROGRAMS {
        words.store(DEADLINES + usize::from(program), deadline);
    }
    settle(words, set_timer);
}

/// The timer has fired: takes the deadlines that have come, and sets the timer to the next. Answers whose they were,
/// a bit each.
pub fn fire(words: &impl Words, now: u64, set_timer: impl FnMut(u64)) -> u16 {
    let mut due = 0;
    for program in 0..MAX_PROGRAMS {
        if words.load(DEADLINES + program) <= now {
            words.store(DEADLINES + program, NEVER);
            due |= 1 << program;
        }
    }
    settle(words, set_timer);
    due
}

fn settle(words: &impl Words, mut set_timer: impl FnMut(u64)) {
    let mut next = earliest(words);
    for _ in 0..MAX_ROUNDS {
        set_timer(next);
        let now = earliest(words);
        if now == next {
            return;
        }
        next = now;
    }
}

#[cfg(test)]
mod tests {
    use core::cell::{Cell, RefCell};

    use super::*;

    struct Page(RefCell<[u64; DEADLINES + MAX_PROGRAMS]>);

    impl Page {
        fn new() -> Self {
            Self(RefCell::new([NEVER; DEADLINES + MAX_PROGRAMS]))
        }
    }

    impl Words for Page {
        fn load(&self, index: usize) -> u64 {
            self.0.borrow()[index]
        }

        fn store(&self, index: usize, value: u64) {
            self.0.borrow_mut()[index] = value;
        }
    }

    #[test]
    fn the_timer_is_set_to_the_earliest() {
        let page = Page::new();
        let timer = Cell::new(0);
        let set = |program, deadline| set(&page, program, deadline, |at| timer.set(at));
        set(0, 50);
        assert_eq!(timer.get(), 50);
        set(1, 40);
        assert_eq!(timer.get(), 40);
        set(0, 30);
        set(0, NEVER);
        assert_eq!(timer.get(), 40);
        set(1, NEVER);
        assert_eq!(timer.get(), NEVER);
    }

    #[test]
    fn those_are_due_whose_time_has_come() {
        let page = Page::new();
        let timer = Cell::new(0);
        for (program, deadline) in [(0, 50), (3, 40), (15, 60)] {
            set(&page, program, deadline, |at| timer.set(at));
        }
        assert_eq!(fire(&page, 50, |at| timer.set(at)), 1 << 3 | 1);
        assert_eq!(timer.get(), 60);
        assert_eq!(fire(&page, 59, |at| timer.set(at)), 0);
        assert_eq!(fire(&page, 60, |at| timer.set(at)), 1 << 15);
        assert_eq!(timer.get(), NEVER);
    }

    #[test]
    fn who_says_its_deadline_in_between_is_not_forgotten() {
        let page = Page::new();
        let timer = Cell::new(0);
        let mut is_first = true;
        set(&page, 0, 50, |at| {
            if core::mem::take(&mut is_first) {
                // Another program is on before this one has set the timer.
                set(&page, 1, 30, |at| timer.set(at));
            }
            timer.set(at);
        });
        assert_eq!(timer.get(), 30);
    }

    #[test]
    fn one_that_never_stops_changing_does_not_hold_others_up() {
        let page = Page::new();
        let mut deadline = 1000;
        set(&page, 0, 5000, |_| {
            deadline -= 1;
            page.store(DEADLINES + 1, deadline);
        });
        assert!(deadline > 900);
    }
}
