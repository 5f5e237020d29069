// SPDX-License-Identifier: BSD-2-Clause
//! Questions and answers between two guests, without tasks.

use alloc::{boxed::Box, sync::Arc};
use core::{fmt, mem::take};

use atoll_abi::{NEVER, channel::BELL_READERS};

use super::{
    Strength,
    channel::Holders,
    config::Config,
    link::Link,
    open::{OpenError, find, make},
    reader::{ReadEnd, ReadError},
    writer::{WriteEnd, WriteError},
};
use crate::{
    Error, Handle, Rights,
    handle::Capability as _,
    shm::Region,
    start,
    sys::calls,
    task,
    time::Instant,
    wake::{Bells, Mailbox, Task},
};

/// Two pipes, there and back, in a region that two guests share; each writes into one of them and then
/// sleeps until there is something in the other. So that is one hostcall, and a question and its answer take less
/// than two threads take to wake each other by the kernel's own means.
///
/// It is for guests that do one thing at a time: while one waits, the whole guest does. For more, see
/// [`rpc`](crate::rpc). Messages are bytes, at most a quarter of what the region has.
///
/// ```no_run
/// use userland::{channel::{Exchange, ExchangeError}, shm::Region, time::Instant, wake::Mailbox};
///
/// /// The side that asks.
/// fn double(region: &Region, number: u32) -> Result<u32, ExchangeError> {
///     let mut exchange = Exchange::asking(region, Mailbox::open()?)?;
///     let mut answer = [0; 4];
///     exchange.ask(&number.to_le_bytes(), &mut answer, Instant::NEVER)?;
///     Ok(u32::from_le_bytes(answer))
/// }
///
/// /// The side that answers.
/// fn serve(region: &Region) -> Result<(), ExchangeError> {
///     let mut exchange = Exchange::answering(region, Mailbox::open()?)?;
///     let mut number = [0; 4];
///     while exchange.next(&mut number, Instant::NEVER)?.is_some() {
///         let answer = u32::from_le_bytes(number).wrapping_mul(2);
///         exchange.send(&answer.to_le_bytes())?;
///     }
///     Ok(())
/// }
/// ```
pub struct Exchange {
    output: WriteEnd,
    input: ReadEnd,
    mailbox: Mailbox,
    /// Answers that nobody waits for any more.
    late: u32,
    /// The other side sleeps, and was sent something.
    rings: bool,
    region: Handle,
}

/// Why nothing was exchanged.
///
/// See the example of [`Exchange`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExchangeError {
    /// There is no such pair of pipes.
    Open(OpenError),
    /// Another guest has this side.
    Taken,
    /// The message is longer than there can be one.
    TooLong,
    /// The other side has not read what was sent before.
    Full,
    /// The other side is gone.
    Closed,
    /// The deadline passed.
    TimedOut,
    /// The other side described a message that cannot be.
    Corrupt,
    /// The region cannot be used.
    Region(Error),
}

impl fmt::Display for ExchangeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open(error) => error.fmt(f),
            Self::Taken => f.write_str("another guest has this side of the exchange"),
            Self::TooLong => f.write_str("the message is longer than a quarter of the region"),
            Self::Full => f.write_str("the other side has not read what was sent before"),
            Self::Closed => f.write_str("the other side is gone"),
            Self::TimedOut => f.write_str("the deadline passed"),
            Self::Corrupt => f.write_str("the other side described a message that cannot be"),
            Self::Region(error) => write!(f, "the region: {error}"),
        }
    }
}

impl core::error::Error for ExchangeError {}

impl From<Error> for ExchangeError {
    fn from(error: Error) -> Self {
        Self::Region(error)
    }
}

impl From<OpenError> for ExchangeError {
    fn from(error: OpenError) -> Self {
        Self::Open(error)
    }
}

impl From<WriteError> for ExchangeError {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::TooLong => Self::TooLong,
            WriteError::Closed => Self::Closed,
            WriteError::Full | WriteError::Dropped | WriteError::Contended => Self::Full,
        }
    }
}

/// What the doorbell of the region puts into the mailbox.
const RING: Task = Task(1);

impl Exchange {
    /// The side that asks first. See the example of [`Exchange`].
    ///
    /// # Errors
    /// See [`ExchangeError`].
    pub fn asking(region: &Region, mailbox: Mailbox) -> Result<Self, ExchangeError> {
        Self::new(region, mailbox, true)
    }

    /// The side that is asked. See the example of [`Exchange`].
    ///
    /// # Errors
    /// See [`ExchangeError`].
    pub fn answering(region: &Region, mailbox: Mailbox) -> Result<Self, ExchangeError> {
        Self::new(region, mailbox, false)
    }

    fn new(region: &Region, mut mailbox: Mailbox, asks: bool) -> Result<Self, ExchangeError> {
        // Before anything is looked at: what changes from here on is heard.
        mailbox.listen(region, RING, Bells::ALL)?;
        let window = Arc::new(region.attach(Rights::READ_WRITE)?);
        let me = start::pid()?;
        let (half, config) = Config::half_of(window.len());
        let mut link = |offset| -> Result<Arc<Link>, ExchangeError> {
            let memory = window.shared().part(offset, half);
            let memory = memory.ok_or(OpenError::TooSmall)?;
            let holders = || Holders::new(region.handle(), me, window.clone());
            loop {
                match make(&memory, &config, &holders()) {
                    // The other side is at it; it rings when it is done, and if it ends.
                    Err(OpenError::NotYet) => mailbox.wait(Instant::NEVER).map(drop)?,
                    other => break other?,
                }
                mailbox.clear();
            }
            let link = find(&memory, Box::new(holders()))?;
            if !link.is_as(&config) {
                return Err(OpenError::Differs.into());
            }
            link.wake_all();
            Ok(Arc::new(link))
        };
        let (there, back) = (link(0)?, link(half)?);
        let (output, input) = if asks { (there, back) } else { (back, there) };
        let exchange = Self {
            output: WriteEnd::new(&output, Strength::Strong, "").ok_or(ExchangeError::Taken)?,
            input: ReadEnd::new(&input, Strength::Strong, "").ok_or(ExchangeError::Taken)?,
            mailbox,
            late: 0,
            rings: false,
            region: region.handle(),
        };
        // In a task, rings are put off to the end of its poll, and this is to block before that.
        task::flush();
        Ok(exchange)
    }

    /// Asks, and waits for the answer until the deadline; answers its length. What does not fit into the
    /// buffer is lost. See the example of [`Exchange`].
    ///
    /// # Errors
    /// See [`ExchangeError`]. After [`ExchangeError::TimedOut`] the next question can be asked; the answer to
    /// this one is passed over.
    #[inline(always)]
    pub fn ask(
        &mut self,
        question: &[u8],
        answer: &mut [u8],
        deadline: Instant,
    ) -> Result<u32, ExchangeError> {
        self.send(question)?;
        while self.late != 0 {
            self.next(&mut [], deadline)?.ok_or(ExchangeError::Closed)?;
            self.late -= 1;
        }
        match self.next(answer, deadline) {
            Ok(len) => len.ok_or(ExchangeError::Closed),
            Err(error) => {
                self.late += u32::from(error == ExchangeError::TimedOut);
                Err(error)
            }
        }
    }

    /// Sends a message, and wakes the other side when this one sleeps. See the example of [`Exchange`].
    ///
    /// # Errors
    /// [`ExchangeError::TooLong`], [`ExchangeError::Full`], [`ExchangeError::Closed`].
    #[inline(always)]
    pub fn send(&mut self, message: &[u8]) -> Result<(), ExchangeError> {
        self.rings |= self.output.try_send_quietly(message)?;
        Ok(())
    }

    /// Waits for the next message, until the deadline; answers its length, or none when the other side has gone.
    /// What does not fit into the buffer is lost. See the example of [`Exchange`].
    ///
    /// # Errors
    /// [`ExchangeError::TimedOut`], [`ExchangeError::Corrupt`].
    #[inline(always)]
    pub fn next(
        &mut self,
        message: &mut [u8],
        deadline: Instant,
    ) -> Result<Option<u32>, ExchangeError> {
        let mut waits = self.input.arm_pipe() || self.look()?;
        while waits {
            if !self.sleep(deadline)? {
                return Err(ExchangeError::TimedOut);
            }
            waits = !self.input.glance() && self.look_after_peer()?;
        }
        if self.rings {
            self.ring();
        }
        let Ok(Some(frame)) = self.input.try_borrow() else {
            return Ok(None);
        };
        let len = frame.len();
        let wanted = message.len().min(len as usize);
        if let Some(bytes) = message.get_mut(..wanted) {
            // There are as many.
            let _ = frame.read(bytes);
        }
        Ok(Some(len))
    }

    /// Sleeps until something may have come; false if the deadline came.
    #[inline]
    fn sleep(&mut self, deadline: Instant) -> Result<bool, ExchangeError> {
        let deadline = deadline.nanoseconds();
        let ids = if take(&mut self.rings) {
            calls::wake::notify_wait(self.region, BELL_READERS, deadline)?
        } else {
            calls::wake::wait(deadline)?
        };
        self.mailbox.clear();
        Ok(ids != 0 || deadline == NEVER)
    }

    /// Rings if there is reason to.
    #[cold]
    fn ring(&mut self) {
        if take(&mut self.rings) {
            // Refused when the region is lost: then there is nobody to hear it.
            let _ = calls::wake::notify(self.region, BELL_READERS);
        }
    }

    /// Whether there is reason to wait: no message, and the other side may send one.
    #[cold]
    fn look(&mut self) -> Result<bool, ExchangeError> {
        // A frame stays there for who looks next.
        match self.input.find() {
            Ok(Some(_)) | Err(ReadError::Closed) => Ok(false),
            Ok(None) => Ok(true),
            Err(ReadError::Corrupt) => Err(ExchangeError::Corrupt),
        }
    }

    /// As [`Self::look`], after a ring that was not for a message.
    #[cold]
    fn look_after_peer(&mut self) -> Result<bool, ExchangeError> {
        self.input.inspect();
        self.input.arm();
        self.look()
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.ring();
    }
}
