// SPDX-License-Identifier: BSD-2-Clause
//! Tasks, and what becomes of them.

use alloc::{boxed::Box, rc::Rc};
use core::{
    cell::RefCell,
    fmt,
    future::Future,
    mem::replace,
    pin::Pin,
    task::{Context, Poll, Waker},
};

use super::executor::with;

/// Runs a future beside the present one. It begins when the present task next awaits something that is not
/// ready, and ends at its own end, when its [`JoinHandle`] cancels it, or with the guest.
///
/// ```
/// use userland::task::{block_on, spawn};
///
/// block_on(async {
///     let answer = spawn(async { 42 });
///     assert_eq!(answer.await, Ok(42));
/// });
/// ```
///
/// # Panics
/// There are 65,535 tasks already. A guest that makes tasks for others bounds their number.
pub fn spawn<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + 'static,
    F::Output: 'static,
{
    let end = Rc::new(RefCell::new(End::Open(None)));
    let closer = Closer(end.clone());
    let work = async move {
        let result = future.await;
        closer.close(End::Done(result));
    };
    let key = with(|state| state.queue.add(Some(Box::pin(work))));
    JoinHandle {
        key: key.expect("more tasks than there are ids"),
        end,
    }
}

/// What becomes of a task.
enum End<T> {
    /// It is to be seen; who waits for it.
    Open(Option<Waker>),
    Done(T),
    Cancelled,
}

/// Says how it ended when it is dropped.
struct Closer<T>(Rc<RefCell<End<T>>>);

impl<T> Closer<T> {
    /// Says how it ended, unless that was said.
    fn close(&self, how: End<T>) {
        let mut end = self.0.borrow_mut();
        if let End::Open(waiter) = &mut *end {
            let waiter = waiter.take();
            *end = how;
            drop(end);
            if let Some(waiter) = waiter {
                waiter.wake();
            }
        }
    }
}

impl<T> Drop for Closer<T> {
    fn drop(&mut self) {
        self.close(End::Cancelled);
    }
}

/// The task was cancelled before it was done. See the example of [`JoinHandle`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cancelled;

impl fmt::Display for Cancelled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("cancelled")
    }
}

impl core::error::Error for Cancelled {}

/// A task that was [`spawn`]ed. To await it is to wait for what it answers, which is there once. To drop
/// it lets the task run on.
///
/// ```
/// use core::future::pending;
/// use userland::task::{Cancelled, block_on, spawn};
///
/// block_on(async {
///     let task = spawn(pending::<()>());
///     task.cancel();
///     assert_eq!(task.await, Err(Cancelled));
/// });
/// ```
pub struct JoinHandle<T> {
    key: u32,
    end: Rc<RefCell<End<T>>>,
}

impl<T> JoinHandle<T> {
    /// Ends the task: what it holds is dropped before this returns. A task that cancels itself goes on until
    /// it next awaits something that is not ready. One that is done stays so.
    ///
    /// ```
    /// use core::future::pending;
    /// use std::rc::Rc;
    /// use userland::task::{block_on, spawn, yield_now};
    ///
    /// block_on(async {
    ///     let held = Rc::new(());
    ///     let inside = held.clone();
    ///     let task = spawn(async move {
    ///         pending::<()>().await;
    ///         drop(inside);
    ///     });
    ///     yield_now().await;
    ///     assert_eq!(Rc::strong_count(&held), 2);
    ///     task.cancel();
    ///     assert_eq!(Rc::strong_count(&held), 1);
    /// });
    /// ```
    pub fn cancel(&self) {
        let work = with(|state| state.queue.remove(self.key));
        drop(work);
    }

    /// Whether it is done or cancelled.
    ///
    /// ```
    /// use userland::task::{block_on, spawn, yield_now};
    ///
    /// block_on(async {
    ///     let task = spawn(async {});
    ///     assert!(!task.is_finished());
    ///     yield_now().await;
    ///     assert!(task.is_finished());
    /// });
    /// ```
    pub fn is_finished(&self) -> bool {
        !matches!(*self.end.borrow(), End::Open(_))
    }
}

impl<T> Future for JoinHandle<T> {
    type Output = Result<T, Cancelled>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut end = self.end.borrow_mut();
        match &mut *end {
            End::Open(Some(waiter)) if waiter.will_wake(cx.waker()) => return Poll::Pending,
            End::Open(waiter) => {
                let before = waiter.replace(cx.waker().clone());
                // Another's waker may do anything when it is dropped.
                drop(end);
                drop(before);
                return Poll::Pending;
            }
            End::Done(_) | End::Cancelled => {}
        }
        let how = replace(&mut *end, End::Cancelled);
        drop(end);
        Poll::Ready(match how {
            End::Done(result) => Ok(result),
            End::Open(_) | End::Cancelled => Err(Cancelled),
        })
    }
}

impl<T> fmt::Debug for JoinHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinHandle")
            .field("finished", &self.is_finished())
            .finish_non_exhaustive()
    }
}
