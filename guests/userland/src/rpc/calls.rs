// SPDX-License-Identifier: BSD-2-Clause
//! Calls that are under way.
//!
//! All calls of a client share its connection. One of those that wait, the leader, listens to the doorbell and
//! reads whatever comes: replies for others it leaves with them and wakes them. When it goes, another leads.

use alloc::{collections::VecDeque, vec::Vec};
use core::{
    future::Future,
    mem::{replace, take},
    pin::Pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use serde::{Serialize, de::DeserializeOwned};

use super::{
    client::{Shared, Watching},
    error::{CallError, Refusal},
    knock::Link,
    wire::{CANCEL, Header, REFUSED, REPLY, REQUEST, SendError},
};
use crate::{
    channel::{Watch, WriteError},
    port::codec::decode,
    task::Sleeper,
    time::{Instant, Sleep, sleep_until},
};

/// Frames that are read in one poll: a service that writes without end does not keep other tasks waiting.
const BURST: u32 = 64;

/// A client's end of everything.
pub(super) struct Line<R> {
    /// None when it is not connected.
    pub link: Option<Link>,
    /// What hears that the service is gone.
    pub watch: Option<Watching>,
    /// Of the service's incarnation.
    pub generation: u32,
    pub calls: Table<R>,
}

/// The calls by number. In a number are a place, and how often that was used.
pub(super) struct Table<R> {
    entries: Vec<Entry<R>>,
    free: Vec<u16>,
    /// How many there can be.
    pub limit: usize,
    /// How many wait for a reply.
    waiting: usize,
    leader: Option<u32>,
    /// Those who wait for a place.
    queue: VecDeque<Waker>,
}

struct Entry<R> {
    generation: u16,
    state: State<R>,
}

enum State<R> {
    Free,
    Waiting(Sleeper),
    Done(Result<R, CallError>),
    /// Nobody waits, and the service may not know.
    Abandoned,
}

impl<R> Table<R> {
    pub const fn new() -> Self {
        Self {
            entries: Vec::new(),
            free: Vec::new(),
            limit: 1,
            waiting: 0,
            leader: None,
            queue: VecDeque::new(),
        }
    }

    /// A place for one more call.
    #[inline]
    fn claim(&mut self) -> Option<u32> {
        let place = match self.free.pop() {
            Some(place) => place,
            None if self.entries.len() < self.limit => {
                let place = u16::try_from(self.entries.len()).ok()?;
                self.entries.push(Entry {
                    generation: 0,
                    state: State::Free,
                });
                place
            }
            None => return None,
        };
        let entry = self.entries.get_mut(usize::from(place))?;
        entry.state = State::Waiting(Sleeper::Nobody);
        self.waiting += 1;
        Some(u32::from(place) | u32::from(entry.generation) << 16)
    }

    #[inline]
    fn get_mut(&mut self, id: u32) -> Option<&mut Entry<R>> {
        let entry = self.entries.get_mut(usize::from(id as u16))?;
        (u32::from(entry.generation) == id >> 16).then_some(entry)
    }

    /// Ends a call; answers how it stood.
    #[inline]
    fn release(&mut self, id: u32) -> Option<State<R>> {
        let entry = self.get_mut(id)?;
        let state = replace(&mut entry.state, State::Free);
        entry.generation = entry.generation.wrapping_add(1);
        self.free.push(id as u16);
        if matches!(state, State::Waiting(_)) {
            self.waiting -= 1;
        }
        self.pass_on_place();
        self.step_down(id);
        Some(state)
    }

    /// Nobody waits for this call any more, and the service could not be told: it keeps its place until the
    /// reply comes.
    fn abandon(&mut self, id: u32) {
        if let Some(entry) = self.get_mut(id) {
            entry.state = State::Abandoned;
            self.waiting -= 1;
            self.step_down(id);
        }
    }

    /// Has another lead, if this one does.
    #[inline]
    fn step_down(&mut self, id: u32) {
        if self.leader == Some(id) {
            self.leader = None;
            self.wake_another();
        }
    }

    /// Has the next one look who waits for a place.
    #[inline]
    fn pass_on_place(&mut self) {
        if let Some(waker) = self.queue.pop_front() {
            waker.wake();
        }
    }

    /// Has one of those that wait lead.
    #[inline]
    fn wake_another(&mut self) {
        if self.waiting == 0 {
            return;
        }
        let waits = self
            .entries
            .iter_mut()
            .find_map(|entry| match &mut entry.state {
                State::Waiting(Sleeper::Nobody) => None,
                State::Waiting(sleeper) => Some(take(sleeper)),
                _ => None,
            });
        if let Some(sleeper) = waits {
            sleeper.wake();
        }
    }

    /// Leaves a call its end. One that is over already may be anything: a late reply, or nonsense.
    fn deliver(&mut self, id: u32, result: Result<R, CallError>) {
        let Some(entry) = self.get_mut(id) else {
            return;
        };
        match &mut entry.state {
            State::Waiting(sleeper) => {
                let sleeper = take(sleeper);
                entry.state = State::Done(result);
                self.waiting -= 1;
                sleeper.wake();
            }
            State::Abandoned => _ = self.release(id),
            State::Free | State::Done(_) => {}
        }
    }

    fn wait_for_place(&mut self, waker: &Waker) {
        if !self.queue.iter().any(|other| other.will_wake(waker)) {
            self.queue.push_back(waker.clone());
        }
    }

    /// Ends all calls, and has all look.
    fn disconnect(&mut self) {
        self.leader = None;
        for place in 0..self.entries.len() {
            if let Some(entry) = self.entries.get(place) {
                let id = place as u32 | u32::from(entry.generation) << 16;
                self.deliver(id, Err(CallError::Disconnected));
            }
        }
        for waker in take(&mut self.queue) {
            waker.wake();
        }
    }
}

impl<R> Line<R> {
    /// Ends a call that cannot be sent; answers why. A pipe that takes no more is the end of the connection.
    #[cold]
    fn fail(&mut self, id: u32, error: SendError) -> CallError {
        self.calls.release(id);
        match error {
            SendError::Encode(error) => error.into(),
            SendError::Channel(WriteError::TooLong) => CallError::TooLong,
            SendError::Channel(_) => {
                self.disconnect();
                CallError::Disconnected
            }
        }
    }

    /// Has no service any more.
    #[cold]
    pub fn disconnect(&mut self) {
        drop(self.link.take());
        drop(self.watch.take());
        self.calls.disconnect();
    }
}

/// A request that is under way; to await it is to wait for the reply.
///
/// It is sent when it is awaited first. When it is dropped before there is a reply, the service is told, and
/// drops what it does for it.
///
/// ```no_run
/// use core::time::Duration;
/// use userland::rpc::{CallError, Client};
///
/// async fn square(client: &Client<u32, u64>, number: u32) -> Result<u64, CallError> {
///     client.call(&number).within(Duration::from_millis(100)).await
/// }
/// ```
#[must_use = "a call is made when it is awaited"]
pub struct Call<'a, Q, R> {
    shared: &'a Shared<R>,
    request: &'a Q,
    stage: Stage,
    deadline: Instant,
    timer: Option<Sleep>,
    /// For room in the pipe.
    room: Watch,
}

#[derive(Clone, Copy)]
enum Stage {
    /// It has no place; perhaps it waits for one.
    New,
    /// It has a place, and waits for room.
    Placed(u32),
    Sent(u32),
    Done,
}

impl<'a, Q, R> Call<'a, Q, R> {
    pub(super) fn new(shared: &'a Shared<R>, request: &'a Q) -> Self {
        Self {
            shared,
            request,
            stage: Stage::New,
            deadline: Instant::NEVER,
            timer: None,
            room: Watch::default(),
        }
    }

    /// Gives it up at this time. The service gets to know the time, too.
    ///
    /// ```no_run
    /// # use userland::{rpc::{CallError, Client}, time::Deadline};
    /// async fn two(client: &Client<u32, u64>, by: Deadline) -> Result<u64, CallError> {
    ///     Ok(client.call(&1).by(by.instant()).await? + client.call(&2).by(by.instant()).await?)
    /// }
    /// ```
    pub fn by(mut self, deadline: Instant) -> Self {
        self.deadline = deadline;
        self
    }

    /// Gives it up after so long, from now. See the example of [`Call`].
    pub fn within(self, duration: Duration) -> Self {
        self.by(Instant::now() + duration)
    }
}

#[cfg(test)]
impl<Q, R> Call<'_, Q, R> {
    pub(super) const fn is_sent(&self) -> bool {
        matches!(self.stage, Stage::Sent(_))
    }
}

impl<Q: Serialize, R: DeserializeOwned> Future for Call<'_, Q, R> {
    type Output = Result<R, CallError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let poll = this.step(&mut this.shared.line.borrow_mut(), cx);
        if let Poll::Ready(end) = poll {
            this.stage = Stage::Done;
            return Poll::Ready(match end {
                // The service has looked at the clock first.
                Err(CallError::Refused(Refusal::Late)) => Err(CallError::TimedOut),
                end => end,
            });
        }
        if this.deadline != Instant::NEVER {
            let deadline = this.deadline;
            let timer = this.timer.get_or_insert_with(|| sleep_until(deadline));
            if Pin::new(timer).poll(cx).is_ready() {
                this.give_up();
                return Poll::Ready(Err(CallError::TimedOut));
            }
        }
        Poll::Pending
    }
}

impl<Q: Serialize, R: DeserializeOwned> Call<'_, Q, R> {
    #[inline]
    fn step(&mut self, line: &mut Line<R>, cx: &Context<'_>) -> Poll<Result<R, CallError>> {
        match self.stage {
            Stage::New => {
                let Some(link) = &mut line.link else {
                    return Poll::Ready(Err(CallError::Disconnected));
                };
                let Some(id) = line.calls.claim() else {
                    line.calls.wait_for_place(cx.waker());
                    return Poll::Pending;
                };
                let header = Header {
                    kind: REQUEST,
                    id,
                    extra: self.deadline.nanoseconds(),
                };
                match link.send(header, self.request) {
                    Ok(()) => self.stage = Stage::Sent(id),
                    Err(SendError::Channel(WriteError::Full)) => {
                        self.stage = Stage::Placed(id);
                        return self.wait_for_room(line, id, cx);
                    }
                    Err(error) => return Poll::Ready(Err(line.fail(id, error))),
                }
                lead(line, id, cx)
            }
            Stage::Placed(id) => self.wait_for_room(line, id, cx),
            Stage::Sent(id) => lead(line, id, cx),
            Stage::Done => Poll::Pending,
        }
    }

    /// Waits for room in the pipe, and for replies meanwhile: the service may wait until those are read.
    #[cold]
    fn wait_for_room(
        &mut self,
        line: &mut Line<R>,
        id: u32,
        cx: &Context<'_>,
    ) -> Poll<Result<R, CallError>> {
        loop {
            if let Poll::Ready(end) = lead(line, id, cx) {
                return Poll::Ready(end);
            }
            let Some(link) = &mut line.link else {
                return Poll::Pending;
            };
            let header = Header {
                kind: REQUEST,
                id,
                extra: self.deadline.nanoseconds(),
            };
            match link.poll_send(cx, &mut self.room, header, self.request) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(true)) => {
                    self.stage = Stage::Sent(id);
                    return Poll::Pending;
                }
                Poll::Ready(Ok(false)) if link.is_alive() => {}
                Poll::Ready(Ok(false)) => line.disconnect(),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(line.fail(id, error))),
            }
        }
    }
}

/// Which call it is about, and its end.
#[inline(always)]
fn read_reply<R: DeserializeOwned>(header: Header, body: &[u8]) -> (u32, Result<R, CallError>) {
    let result = match header.kind {
        REPLY => decode(body).ok_or(CallError::Undecodable),
        REFUSED => {
            let why = Refusal::from_number(header.extra as u32);
            Err(CallError::Refused(why))
        }
        _ => Err(CallError::Undecodable),
    };
    (header.id, result)
}

/// Looks for the reply; reads those of others, too, if nobody else does.
#[inline]
fn lead<R: DeserializeOwned>(
    line: &mut Line<R>,
    id: u32,
    cx: &Context<'_>,
) -> Poll<Result<R, CallError>> {
    let calls = &mut line.calls;
    match calls.get_mut(id).map(|entry| &mut entry.state) {
        Some(State::Waiting(sleeper)) => {
            // For when another is the leader, or is to be.
            if !sleeper.is(cx.waker()) {
                *sleeper = Sleeper::new(cx.waker());
            }
        }
        Some(State::Done(_)) => {
            if let Some(State::Done(result)) = calls.release(id) {
                return Poll::Ready(result);
            }
        }
        _ => return Poll::Ready(Err(CallError::Disconnected)),
    }
    if calls.leader.is_some_and(|leader| leader != id) {
        return Poll::Pending;
    }
    for _ in 0..BURST {
        let Some(link) = &mut line.link else {
            // Its end was left with it when the link went.
            calls.release(id);
            return Poll::Ready(Err(CallError::Disconnected));
        };
        let reply = link.poll_reply(cx, read_reply::<R>);
        match reply {
            Poll::Pending => {
                calls.leader = Some(id);
                return Poll::Pending;
            }
            Poll::Ready(Ok(Some((of, result)))) => {
                if of == id {
                    calls.leader = Some(id);
                    calls.release(id);
                    return Poll::Ready(result);
                }
                calls.deliver(of, result);
            }
            Poll::Ready(nothing) => {
                if nothing.is_err() || !link.is_alive() {
                    drop(line.link.take());
                    drop(line.watch.take());
                    calls.disconnect();
                }
            }
        }
    }
    calls.leader = Some(id);
    cx.waker().wake_by_ref();
    Poll::Pending
}

impl<Q, R> Call<'_, Q, R> {
    /// Ends it, and tells the service.
    fn give_up(&mut self) {
        let line = &mut *self.shared.line.borrow_mut();
        match replace(&mut self.stage, Stage::Done) {
            Stage::Done => {}
            // It may have been its turn.
            Stage::New => line.calls.pass_on_place(),
            Stage::Placed(id) => {
                line.calls.release(id);
                if let Some(link) = &line.link {
                    link.requests.pass_on();
                }
            }
            Stage::Sent(id) => line.cancel(id),
        }
    }
}

impl<R> Line<R> {
    /// Ends a call that was sent.
    fn cancel(&mut self, id: u32) {
        let Some(link) = &mut self.link else {
            self.calls.release(id);
            return;
        };
        let state = self.calls.get_mut(id).map(|entry| &entry.state);
        if matches!(state, Some(State::Waiting(_))) && link.cancel(id).is_err() {
            self.calls.abandon(id);
        } else {
            self.calls.release(id);
        }
        link.requests.pass_on();
    }
}

impl<Q, R> Drop for Call<'_, Q, R> {
    fn drop(&mut self) {
        if !matches!(self.stage, Stage::Done) {
            self.give_up();
        }
    }
}

impl Link {
    fn cancel(&mut self, id: u32) -> Result<(), WriteError> {
        let header = Header {
            kind: CANCEL,
            id,
            extra: 0,
        };
        self.requests.try_send(&header.to_bytes())
    }
}
