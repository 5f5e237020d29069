// SPDX-License-Identifier: BSD-2-Clause
//! What each role is given.

use alloc::string::{String, ToString};
use core::time::Duration;

use drill::{
    Fault, Verdict, ensure,
    line::{self, Line, Side},
};
use userland::{
    handle::{self, Capability, Event, Notice},
    process::Module,
    start::Start,
    time::Instant,
    wake::{Bells, Mailbox, Task},
};

/// What comes with a ring of the line.
pub const LINE: Task = Task(1);
/// What comes with a notice.
pub const NOTICE: Task = Task(2);
/// What comes with a ring of whatever else.
pub const BELL: Task = Task(3);
/// How long anything may take that the other side does.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// log2 of the memory of a child.
const CHILD_BITS: u8 = 20;

/// Arguments, mailbox and line.
pub struct Stage {
    pub start: Start,
    pub mailbox: Mailbox,
    line: Option<Line>,
}

impl Stage {
    pub fn enter() -> Verdict<Self> {
        let start = Start::read()?;
        let mailbox = Mailbox::open()?;
        let line = match start.region(line::NAME) {
            Some(region) => {
                mailbox.listen(&region, LINE, Bells::ALL)?;
                Some(Line::new(region, Side::Watched)?)
            }
            None => None,
        };
        Ok(Self {
            start,
            mailbox,
            line,
        })
    }

    /// The n-th argument, or nothing.
    pub fn word(&self, n: usize) -> String {
        self.start.args().nth(n).unwrap_or_default().to_string()
    }

    /// The n-th argument as a number.
    pub fn number(&self, n: usize) -> Verdict<u32> {
        let word = self.word(n);
        word.parse()
            .map_err(|_| Fault::new(alloc::format!("`{word}` is no number")))
    }

    /// The capability of this name, which it was started with.
    pub fn given<T: Capability>(&self, name: &str) -> Verdict<T> {
        let given = self.start.capability(name);
        given.ok_or_else(|| Fault::new(alloc::format!("{name} was not given")))
    }

    pub fn line(&self) -> Verdict<&Line> {
        self.line
            .as_ref()
            .ok_or_else(|| Fault::new("there is no line"))
    }

    pub fn say(&self, step: u32) -> Verdict {
        Ok(self.line()?.say(step)?)
    }

    /// Says that it is there, if anybody listens.
    pub fn greet(&self) -> Verdict {
        self.line.as_ref().map_or(Ok(()), |line| Ok(line.say(1)?))
    }

    /// Waits until the warden is so far.
    pub fn until(&mut self, step: u32) -> Verdict {
        let Some(line) = &self.line else {
            return Err(Fault::new("there is no line"));
        };
        let is_there = || (line.heard() >= step).then_some(());
        let found = self
            .mailbox
            .wait_until(Instant::now() + PATIENCE, is_there)?;
        found.ok_or_else(|| Fault::new(alloc::format!("the warden did not get to step {step}")))
    }

    /// Waits for the next notice, which is of this event. Notices are announced as [`NOTICE`].
    pub fn notice(&mut self, wanted: Event) -> Verdict<Notice> {
        let mut refusal = None;
        let take = || {
            handle::notice().unwrap_or_else(|error| {
                refusal = Some(error);
                None
            })
        };
        let notice = self.mailbox.wait_until(Instant::now() + PATIENCE, take)?;
        let notice = notice.ok_or_else(|| Fault::new(alloc::format!("no notice: {refusal:?}")))?;
        ensure!(
            notice.event == wanted,
            "{notice:?}, where {wanted:?} was due"
        );
        Ok(notice)
    }

    /// A child that plays another role, with all that this guest has but its memory.
    pub fn child(&self) -> Module<'static> {
        Module::new("hostile", CHILD_BITS)
            .name("child")
            .groups(self.start.groups())
            .limits(self.start.limits().clone())
    }

    /// Sleeps so long, whatever comes.
    pub fn rest(&mut self, time: Duration) -> Verdict {
        let end = Instant::now() + time;
        self.mailbox.wait_until(end, || None::<()>)?;
        Ok(())
    }
}
