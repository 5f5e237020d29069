// SPDX-License-Identifier: BSD-2-Clause
//! What is on its way to a connection.

use alloc::{
    rc::{Rc, Weak},
    vec::Vec,
};
use core::{
    cell::{Cell, RefCell},
    future::poll_fn,
    task::{Poll, Waker},
    time::Duration,
};

use userland::{
    net::WriteHalf,
    task::{JoinHandle, spawn},
    time::timeout,
};

use crate::failure::{Done, Failure};

/// How long a connection may take nothing of what there is for it.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long a connection that is left has to take what was shown last.
const FAREWELL: Duration = Duration::from_secs(5);

/// What is on its way to a connection. A task of its own sends it: whoever writes may be cancelled at any time, and
/// the connection goes on.
pub struct Outbox {
    bytes: RefCell<Vec<u8>>,
    sender: RefCell<Option<Waker>>,
    writers: RefCell<Vec<Waker>>,
    /// Bytes were taken from here that the connection has not taken yet.
    sending: Cell<bool>,
    /// What sends.
    task: Cell<Option<JoinHandle<()>>>,
    /// The connection is gone.
    broken: Cell<bool>,
}

/// Bytes that wait to be sent, from which on writers wait.
const MAX_WAITING: usize = 16 << 10;

impl Outbox {
    /// One whose bytes go there.
    pub fn new(write: WriteHalf) -> Rc<Self> {
        let outbox = Rc::new(Self {
            bytes: RefCell::default(),
            sender: RefCell::default(),
            writers: RefCell::default(),
            sending: Cell::new(false),
            task: Cell::default(),
            broken: Cell::new(false),
        });
        let task = spawn(Self::send(Rc::downgrade(&outbox), write));
        outbox.task.set(Some(task));
        outbox
    }

    /// Sends what there is, until nobody can add to it any more.
    async fn send(outbox: Weak<Self>, mut write: WriteHalf) {
        loop {
            let bytes = poll_fn(|cx| match outbox.upgrade() {
                None => Poll::Ready(Vec::new()),
                Some(outbox) => {
                    let bytes = core::mem::take(&mut *outbox.bytes.borrow_mut());
                    if bytes.is_empty() {
                        *outbox.sender.borrow_mut() = Some(cx.waker().clone());
                        return Poll::Pending;
                    }
                    outbox.sending.set(true);
                    Poll::Ready(bytes)
                }
            })
            .await;
            if bytes.is_empty() {
                break;
            }
            let sent = send_all(&mut write, &bytes).await;
            let Some(outbox) = outbox.upgrade() else {
                break;
            };
            outbox.sending.set(false);
            outbox.broken.set(!sent);
            let waiting = core::mem::take(&mut *outbox.writers.borrow_mut());
            waiting.into_iter().for_each(Waker::wake);
            if !sent {
                return;
            }
        }
        write.shutdown();
    }

    /// Waits until nothing can be sent any more.
    pub async fn broken(&self) {
        poll_fn(|cx| {
            if self.broken.get() {
                return Poll::Ready(());
            }
            self.writers.borrow_mut().push(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }

    /// Waits until all is sent. Of somebody who does not take it the connection ends.
    pub async fn finish(&self) {
        let sent = poll_fn(|cx| {
            let is_sent = self.bytes.borrow().is_empty() && !self.sending.get();
            if is_sent || self.broken.get() {
                return Poll::Ready(());
            }
            self.writers.borrow_mut().push(cx.waker().clone());
            Poll::Pending
        });
        if timeout(FAREWELL, sent).await.is_err()
            && let Some(task) = self.task.take()
        {
            task.cancel();
        }
    }

    /// Adds bytes, when there is room.
    pub async fn put(&self, bytes: &[u8]) -> Done {
        poll_fn(|cx| {
            if self.broken.get() {
                return Poll::Ready(Err(Failure::Unread));
            }
            let mut waiting = self.bytes.borrow_mut();
            if waiting.len() < MAX_WAITING {
                waiting.extend_from_slice(bytes);
                let sender = self.sender.borrow_mut().take();
                if let Some(sender) = sender {
                    sender.wake();
                }
                return Poll::Ready(Ok(()));
            }
            self.writers.borrow_mut().push(cx.waker().clone());
            Poll::Pending
        })
        .await
    }
}

/// Sends all of these bytes, unless the other end takes nothing for too long.
async fn send_all(write: &mut WriteHalf, bytes: &[u8]) -> bool {
    let mut rest = bytes;
    while !rest.is_empty() {
        match timeout(PATIENCE, write.write(rest)).await {
            Ok(Ok(len)) => rest = rest.get(len..).unwrap_or_default(),
            Ok(Err(_)) | Err(_) => return false,
        }
    }
    true
}

impl Drop for Outbox {
    fn drop(&mut self) {
        // It finds that nobody can add anything.
        let sender = self.sender.borrow_mut().take();
        if let Some(sender) = sender {
            sender.wake();
        }
    }
}
