// SPDX-License-Identifier: BSD-2-Clause
//! Whether a guest is well, as its supervisor asks. Needs the grants `shared_memory` and `wake`.
//!
//! The supervisor gives the guest a region under the name [`NAME`], puts a number into its first word and rings; the
//! guest puts the same number into the second one and rings back. So a guest is well if its executor gets to it: one that
//! computes without end, or waits where the whole guest waits, is not.

use core::time::Duration;

use atoll_abi::{Handle, Rights, message::Kind};

use crate::{
    Error,
    future::{Either, select},
    handle::{self, Capability as _, Event as News, Notices},
    process::Process,
    shm::Region,
    task::{Event, spawn},
    time::timeout,
    wake::{Bells, notify},
};

/// The name that the region is given under.
///
/// ```
/// assert_eq!(userland::health::NAME, "health");
/// ```
pub const NAME: &str = "health";

/// Where the question is.
const QUESTION: u32 = 0;
/// Where the answer is.
const ANSWER: u32 = 4;
/// Rung with a question.
const ASKED: Bells = Bells(1);
/// Rung with an answer.
const ANSWERED: Bells = Bells(2);

/// Answers in the background, from now on, whoever gives this guest such a region. It reads the guest's
/// [notices](crate::handle::notices), as others may beside it.
///
/// ```no_run
/// #![no_main]
/// use userland::{health, task::stopping};
///
/// #[userland::entrypoint]
/// async fn main() {
///     health::serve();
///     stopping().await;
/// }
/// ```
pub fn serve() {
    // Who may not look at notices is not asked for its health. At once: others may look at them before the task does.
    if let Ok(notices) = handle::notices() {
        spawn(async {
            let _ = answer(notices).await;
        });
    }
}

async fn answer(mut notices: Notices) -> Result<(), Error> {
    let asked = Event::new();
    let mut region: Option<Region> = None;
    loop {
        let notice = match select(notices.next(), asked.wait()).await {
            Either::First(notice) => notice?,
            Either::Second(()) => {
                // A region that was lost is told of, too.
                if let Some(region) = &region {
                    let _ = reply(region);
                }
                continue;
            }
        };
        if notice.kind != Kind::Region || notice.name != NAME {
            continue;
        }
        if notice.event == News::Granted {
            let given = Region::from_handle(notice.handle);
            let _ = asked.listen(&given, ASKED);
            // What was asked before it listened.
            let _ = reply(&given);
            if let Some(old) = region.replace(given) {
                let _ = old.close();
            }
        } else if region.as_ref().map(Region::handle) == Some(notice.handle) {
            let _ = region.take().map(Region::close);
        }
    }
}

fn reply(region: &Region) -> Result<(), Error> {
    let mut question = [0; 4];
    region.read_at(QUESTION, &mut question)?;
    region.write_at(ANSWER, &question)?;
    notify(region, ANSWERED)
}

/// The supervisor's side.
///
/// ```no_run
/// use core::time::Duration;
/// use userland::{Error, health::Probe, process::Process};
///
/// async fn is_well(process: &Process) -> Result<bool, Error> {
///     let mut probe = Probe::new()?;
///     probe.give_to(process)?;
///     probe.ask(Duration::from_secs(1)).await
/// }
/// ```
#[derive(Debug)]
pub struct Probe {
    region: Region,
    answered: Event,
    number: u32,
}

impl Probe {
    /// Makes the region, of one page. See the example of [`Probe`].
    ///
    /// # Errors
    /// [`Error::NoMemory`], [`Error::TooManyRegions`], [`Error::TooManyHandles`].
    pub fn new() -> Result<Self, Error> {
        let region = Region::alloc(1)?;
        let answered = Event::new();
        answered.listen(&region, ANSWERED)?;
        Ok(Self {
            region,
            answered,
            number: 0,
        })
    }

    /// Gives it to a process. Needs the right to grant. See the example of [`Probe`].
    ///
    /// # Errors
    /// See [`Process::grant`].
    pub fn give_to(&self, process: &Process) -> Result<(), Error> {
        process.grant(NAME, &self.region, Rights::READ.union(Rights::WRITE))
    }

    /// Asks; answers whether the process did within this time. See the example of [`Probe`].
    ///
    /// # Errors
    /// None that a guest of this version meets.
    pub async fn ask(&mut self, within: Duration) -> Result<bool, Error> {
        // 0 is what an answer is at first.
        self.number = self.number.wrapping_add(1).max(1);
        let number = self.number.to_le_bytes();
        self.region.write_at(QUESTION, &number)?;
        notify(&self.region, ASKED)?;
        let heard = async {
            loop {
                let mut answer = [0; 4];
                self.region.read_at(ANSWER, &mut answer)?;
                if answer == number {
                    return Ok(());
                }
                self.answered.wait().await;
            }
        };
        match timeout(within, heard).await {
            Ok(heard) => heard.map(|()| true),
            Err(_) => Ok(false),
        }
    }

    /// The handle of the region, for who wants to know. See the example of [`Probe`].
    pub fn handle(&self) -> Handle {
        self.region.handle()
    }

    /// Gives the region up. See the example of [`Probe`].
    ///
    /// # Errors
    /// None that a guest of this version meets.
    pub fn close(self) -> Result<(), Error> {
        self.region.close()
    }
}
