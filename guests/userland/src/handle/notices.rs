// SPDX-License-Identifier: BSD-2-Clause
//! The notices, for everybody in the guest who wants to see them.
//!
//! The server hands each notice out once. A task of its own takes them, for as long as anybody reads them, and puts each
//! before all readers. It also notes what is given by which name at present, which [`Slot`](super::Slot) goes by.

use alloc::{
    collections::VecDeque,
    rc::{Rc, Weak},
    vec::Vec,
};
use core::{
    cell::RefCell,
    future::poll_fn,
    task::{Context, Poll, Waker},
};

use atoll_abi::{
    Error, Handle,
    message::{Event as News, Name, Notice},
};

use crate::{
    sys::{calls, local::local},
    task::{Event, JoinHandle, spawn},
};

/// The notices, for a task to wait for, from now on: those that came before are with who read them then; the first
/// reader has all that nobody has seen. Everybody who asks sees each of them. Needs the grant `wake`. This takes the place
/// of an earlier [`watch`](super::watch).
///
/// ```no_run
/// use userland::{Error, handle, info, task::spawn};
///
/// async fn tell(what: &str) -> Result<(), Error> {
///     let mut notices = handle::notices()?;
///     loop {
///         let notice = notices.next().await?;
///         info!("{what}: {}: {:?}", notice.name, notice.event);
///     }
/// }
///
/// fn tell_twice() {
///     spawn(tell("one"));
///     spawn(tell("and another"));
/// }
/// ```
///
/// # Errors
/// None that a guest of this version meets.
pub fn notices() -> Result<Notices, Error> {
    BOARD.with(|board| {
        // Before what is on its way is taken.
        let notices = board.subscribe();
        board.begin()?;
        Ok(notices)
    })
}

/// What [`notices`] answers. See the example of [`notices`].
#[derive(Debug)]
pub struct Notices {
    unseen: Rc<Unseen>,
}

impl Notices {
    /// Waits for the next notice. Of a handle of which there is more than one, that was not read, this is the last.
    /// See the example of [`notices`].
    ///
    /// # Errors
    /// None that a guest of this version meets.
    pub async fn next(&mut self) -> Result<Notice, Error> {
        Ok(poll_fn(|cx| self.unseen.poll(cx)).await)
    }
}

impl Drop for Notices {
    fn drop(&mut self) {
        BOARD.with(|board| board.leave(&self.unseen));
    }
}

/// Notices that one reader has not seen.
#[derive(Debug, Default)]
struct Unseen {
    notices: RefCell<VecDeque<Notice>>,
    waker: RefCell<Option<Waker>>,
}

impl Unseen {
    fn poll(&self, cx: &Context<'_>) -> Poll<Notice> {
        if let Some(notice) = self.notices.borrow_mut().pop_front() {
            return Poll::Ready(notice);
        }
        *self.waker.borrow_mut() = Some(cx.waker().clone());
        Poll::Pending
    }

    fn put(&self, notice: &Notice) {
        keep(&mut self.notices.borrow_mut(), notice);
        let waker = self.waker.borrow_mut().take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// Puts a notice behind the others; one that is of the same handle is of no interest any more.
fn keep(notices: &mut VecDeque<Notice>, notice: &Notice) {
    notices.retain(|other| other.handle != notice.handle);
    notices.push_back(notice.clone());
}

local! {
    /// Those of this guest.
    static BOARD: Board = Board::new();
}

/// Where notices are put, and who reads them.
struct Board {
    readers: RefCell<Vec<Weak<Unseen>>>,
    /// What was taken while there was no reader.
    nobodys: RefCell<VecDeque<Notice>>,
    /// What was given since the start and is not lost, the last one last.
    given: RefCell<Vec<(Name, Handle)>>,
    /// Takes the notices while there are readers.
    task: RefCell<Option<JoinHandle<()>>>,
}

impl Board {
    const fn new() -> Self {
        Self {
            readers: RefCell::new(Vec::new()),
            nobodys: RefCell::new(VecDeque::new()),
            given: RefCell::new(Vec::new()),
            task: RefCell::new(None),
        }
    }

    fn subscribe(&self) -> Notices {
        let unseen = Rc::new(Unseen::default());
        unseen.notices.replace(self.nobodys.take());
        self.readers.borrow_mut().push(Rc::downgrade(&unseen));
        Notices { unseen }
    }

    /// Forgets a reader, and reads no more if it was the last.
    fn leave(&self, reader: &Rc<Unseen>) {
        let mut readers = self.readers.borrow_mut();
        readers.retain(|other| other.strong_count() > 0 && other.as_ptr() != Rc::as_ptr(reader));
        let task = match readers.is_empty() {
            true => self.task.take(),
            false => None,
        };
        drop(readers);
        if let Some(task) = task {
            task.cancel();
        }
    }

    /// Has the notices taken, if that is not so yet.
    fn begin(&self) -> Result<(), Error> {
        if self.task.borrow().is_some() {
            return Ok(());
        }
        let come = Event::new();
        super::watch(come.task())?;
        let task = spawn(async move {
            while BOARD.with(Self::take).is_ok() {
                come.wait().await;
            }
        });
        self.task.replace(Some(task));
        Ok(())
    }

    /// Takes what the server has.
    fn take(&self) -> Result<(), Error> {
        while let Some(notice) = super::notice()? {
            self.publish(&notice);
        }
        Ok(())
    }

    fn publish(&self, notice: &Notice) {
        let mut given = self.given.borrow_mut();
        given.retain(|(_, handle)| *handle != notice.handle);
        if notice.event == News::Granted && !notice.name.is_empty() {
            given.push((notice.name.clone(), notice.handle));
        }
        drop(given);
        let readers: Vec<_> = self
            .readers
            .borrow()
            .iter()
            .filter_map(Weak::upgrade)
            .collect();
        for reader in &readers {
            reader.put(notice);
        }
        if readers.is_empty() {
            keep(&mut self.nobodys.borrow_mut(), notice);
        }
    }

    /// What was given last by this name, and is not lost.
    fn given(&self, name: &str) -> Option<Handle> {
        let given = self.given.borrow();
        let last = given.iter().rev().find(|(other, _)| other == name);
        last.map(|(_, handle)| *handle)
    }
}

/// What this guest was given by this name since its start, if it has that still.
pub(super) fn given(name: &str) -> Option<Handle> {
    BOARD.with(|board| {
        board.take().ok()?;
        board.given(name)
    })
}

/// Whether the guest has lost what is behind this handle, or has closed it.
pub(super) fn is_lost(handle: Handle) -> bool {
    // A guest that may not ask has not lost it.
    match calls::handle::info(&handle) {
        Ok(info) => info.lost.is_some(),
        Err(error) => error == Error::BadHandle,
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use alloc::format;

    use super::*;
    use crate::task::{block_on, yield_now};

    fn notice(handle: u32, event: News) -> Notice {
        Notice {
            handle: Handle(handle),
            kind: atoll_abi::message::Kind::Device,
            event,
            name: format!("slot{}", handle % 10).as_str().try_into().unwrap(),
        }
    }

    /// What there is for a reader, without waiting.
    fn drain(reader: &mut Notices) -> Vec<(u32, News)> {
        block_on(async {
            let mut seen = Vec::new();
            while let Poll::Ready(notice) = poll_fn(|cx| Poll::Ready(reader.unseen.poll(cx))).await
            {
                seen.push((notice.handle.0, notice.event));
            }
            seen
        })
    }

    #[test]
    fn every_reader_sees_every_notice() {
        let board = Board::new();
        let (mut one, mut other) = (board.subscribe(), board.subscribe());
        board.publish(&notice(1, News::Granted));
        board.publish(&notice(2, News::Revoked));
        let all = [(1, News::Granted), (2, News::Revoked)];
        assert_eq!(drain(&mut one), all);
        assert_eq!(drain(&mut one), []);
        let mut late = board.subscribe();
        board.publish(&notice(3, News::Expired));
        assert_eq!(drain(&mut late), [(3, News::Expired)]);
        assert_eq!(drain(&mut other), [all[0], all[1], (3, News::Expired)]);
    }

    #[test]
    fn what_nobody_has_seen_is_the_next_readers() {
        let board = Board::new();
        board.publish(&notice(1, News::Granted));
        let (mut one, mut other) = (board.subscribe(), board.subscribe());
        assert_eq!(drain(&mut one), [(1, News::Granted)]);
        assert_eq!(drain(&mut other), []);
        board.leave(&one.unseen);
        board.leave(&other.unseen);
        board.publish(&notice(2, News::Granted));
        assert_eq!(drain(&mut board.subscribe()), [(2, News::Granted)]);
    }

    #[test]
    fn a_handle_that_changes_faster_than_it_is_read_is_there_once() {
        let board = Board::new();
        let mut reader = board.subscribe();
        for _ in 0..100 {
            board.publish(&notice(1, News::Granted));
            board.publish(&notice(2, News::Granted));
            board.publish(&notice(1, News::Revoked));
        }
        assert_eq!(drain(&mut reader), [(2, News::Granted), (1, News::Revoked)]);
    }

    #[test]
    fn who_waits_is_woken() {
        let board = Rc::new(Board::new());
        block_on(async {
            let mut readers = [board.subscribe(), board.subscribe()].map(|mut reader| {
                spawn(async move { reader.next().await.map(|notice| notice.handle) })
            });
            yield_now().await;
            board.publish(&notice(7, News::Granted));
            for reader in &mut readers {
                assert_eq!(reader.await, Ok(Ok(Handle(7))));
            }
        });
    }

    #[test]
    fn a_name_is_the_last_one_given_by_it() {
        let board = Board::new();
        assert_eq!(board.given("slot1"), None);
        board.publish(&notice(1, News::Granted));
        board.publish(&notice(11, News::Granted));
        board.publish(&notice(2, News::Granted));
        assert_eq!(board.given("slot1"), Some(Handle(11)));
        board.publish(&notice(11, News::Revoked));
        assert_eq!(board.given("slot1"), Some(Handle(1)));
        board.publish(&notice(1, News::SourceExited));
        assert_eq!(board.given("slot1"), None);
        assert_eq!(board.given("slot2"), Some(Handle(2)));
    }
}
