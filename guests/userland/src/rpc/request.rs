// SPDX-License-Identifier: BSD-2-Clause
//! Requests as values.

use alloc::{collections::VecDeque, rc::Rc};
use core::{
    cell::RefCell,
    convert::Infallible,
    future::{Future, poll_fn},
    pin::Pin,
    task::{Context, Poll, Waker},
};

use super::{connection::Caller, error::ServeError};
use crate::task::JoinHandle;

/// The requests that come in at a service, one after the other. To drop this ends the service.
///
/// ```no_run
/// use userland::rpc::{ServeError, Server};
///
/// async fn count(server: Server<u32, u64>) -> Result<(), ServeError> {
///     let mut sum = 0;
///     let mut requests = server.requests();
///     loop {
///         let request = requests.next().await?;
///         sum += u64::from(*request.value());
///         request.reply(sum);
///     }
/// }
/// ```
pub struct Requests<Q, R> {
    incoming: Rc<RefCell<Incoming<Q, R>>>,
    service: JoinHandle<Result<Infallible, ServeError>>,
}

struct Incoming<Q, R> {
    queue: VecDeque<Request<Q, R>>,
    waker: Option<Waker>,
}

/// A request that waits for its answer. To drop it refuses it with
/// [`Refusal::Dropped`](super::Refusal::Dropped). See the example of [`Requests`].
pub struct Request<Q, R> {
    value: Q,
    caller: Caller,
    answer: Rc<RefCell<Answer<R>>>,
}

/// What becomes of a request.
enum Answer<R> {
    /// Who is to hear of the answer, and who of the end of the call.
    Open(Option<Waker>, Option<Waker>),
    Given(Option<R>),
    /// Nobody waits for it any more.
    Over,
}

impl<Q: 'static, R: 'static> Requests<Q, R> {
    /// Starts a service with a handler that leaves requests here.
    pub(super) fn new<S>(start: S) -> Self
    where
        S: FnOnce(Handler<Q, R>) -> JoinHandle<Result<Infallible, ServeError>>,
    {
        let incoming = Rc::new(RefCell::new(Incoming {
            queue: VecDeque::new(),
            waker: None,
        }));
        let handler = Handler(incoming.clone());
        Self {
            incoming,
            service: start(handler),
        }
    }

    /// Waits for the next request. One whose call was cancelled meanwhile is left out. See the example of
    /// [`Requests`].
    ///
    /// # Errors
    /// [`ServeError`], once: there are no more.
    pub async fn next(&mut self) -> Result<Request<Q, R>, ServeError> {
        poll_fn(|cx| self.poll(cx)).await
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Request<Q, R>, ServeError>> {
        let mut incoming = self.incoming.borrow_mut();
        while let Some(request) = incoming.queue.pop_front() {
            if !request.is_cancelled() {
                return Poll::Ready(Ok(request));
            }
        }
        incoming.waker = Some(cx.waker().clone());
        drop(incoming);
        match Pin::new(&mut self.service).poll(cx) {
            Poll::Ready(Ok(Err(error))) => Poll::Ready(Err(error)),
            _ => Poll::Pending,
        }
    }
}

impl<Q, R> Drop for Requests<Q, R> {
    fn drop(&mut self) {
        self.service.cancel();
    }
}

/// The handler that leaves requests.
pub(super) struct Handler<Q, R>(Rc<RefCell<Incoming<Q, R>>>);

impl<Q, R> Handler<Q, R> {
    pub fn take(&self, value: Q, caller: Caller) -> Pending<R> {
        let answer = Rc::new(RefCell::new(Answer::Open(None, None)));
        let mut incoming = self.0.borrow_mut();
        incoming.queue.push_back(Request {
            value,
            caller,
            answer: answer.clone(),
        });
        if let Some(waker) = incoming.waker.take() {
            waker.wake();
        }
        Pending(answer)
    }
}

/// What a request comes to.
pub(super) struct Pending<R>(Rc<RefCell<Answer<R>>>);

impl<R> Future for Pending<R> {
    type Output = Option<R>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<R>> {
        match &mut *self.0.borrow_mut() {
            Answer::Open(waiter, _) => {
                *waiter = Some(cx.waker().clone());
                Poll::Pending
            }
            Answer::Given(answer) => Poll::Ready(answer.take()),
            Answer::Over => Poll::Ready(None),
        }
    }
}

impl<R> Drop for Pending<R> {
    fn drop(&mut self) {
        if let Answer::Open(_, Some(waiter)) = self.0.replace(Answer::Over) {
            waiter.wake();
        }
    }
}

impl<Q, R> Request<Q, R> {
    /// What is asked. See the example of [`Requests`].
    pub const fn value(&self) -> &Q {
        &self.value
    }

    /// Who asks.
    ///
    /// ```no_run
    /// # use userland::{info, rpc::Request};
    /// fn tell(request: &Request<u32, u64>) {
    ///     info!("{} asks for {}", request.caller().name(), request.value());
    /// }
    /// ```
    pub const fn caller(&self) -> &Caller {
        &self.caller
    }

    /// Answers. That the client is gone by now is no error. See the example of [`Requests`].
    pub fn reply(self, answer: R) {
        self.settle(Some(answer));
    }

    /// Whether the client has cancelled the call, has left, or its deadline is past.
    ///
    /// ```no_run
    /// # use userland::rpc::Request;
    /// fn search(request: Request<u64, bool>) {
    ///     let mut divisors = 2..*request.value();
    ///     let found = divisors.any(|n| request.is_cancelled() || request.value() % n == 0);
    ///     request.reply(!found);
    /// }
    /// ```
    pub fn is_cancelled(&self) -> bool {
        matches!(*self.answer.borrow(), Answer::Over)
    }

    /// Waits until the client does not wait any more.
    ///
    /// ```no_run
    /// use userland::{future::{Either, select}, rpc::Request, task::Event};
    ///
    /// async fn answer_when(event: &Event, request: Request<(), ()>) {
    ///     if let Either::First(()) = select(event.wait(), request.cancelled()).await {
    ///         request.reply(());
    ///     }
    /// }
    /// ```
    pub async fn cancelled(&self) {
        poll_fn(|cx| match &mut *self.answer.borrow_mut() {
            Answer::Open(_, waiter) => {
                *waiter = Some(cx.waker().clone());
                Poll::Pending
            }
            Answer::Given(_) | Answer::Over => Poll::Ready(()),
        })
        .await;
    }

    fn settle(&self, answer: Option<R>) {
        let mut state = self.answer.borrow_mut();
        if let Answer::Open(waiter, _) = &mut *state {
            let waiter = waiter.take();
            *state = Answer::Given(answer);
            drop(state);
            if let Some(waiter) = waiter {
                waiter.wake();
            }
        }
    }
}

impl<Q, R> Drop for Request<Q, R> {
    fn drop(&mut self) {
        self.settle(None);
    }
}
