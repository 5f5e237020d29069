// SPDX-License-Identifier: BSD-2-Clause
//! The service's end of a connection.
//!
//! One task reads the requests. It polls what the handler makes of one in place: most answer at once. What has
//! to wait becomes a task of its own. Nothing in here waits for more than this one client.

use alloc::{boxed::Box, rc::Rc, string::String, vec::Vec};
use core::{
    cell::{Cell, RefCell},
    future::{Future, poll_fn},
    mem::replace,
    pin::Pin,
    task::{Context, Poll, Waker},
};

use serde::{Serialize, de::DeserializeOwned};

use super::{
    error::Refusal,
    owned::Owned,
    wire::{self, CANCEL, Header, REFUSED, REPLY, REQUEST, VERSION, WELCOME, layout},
};
use crate::{
    Handle, Pid,
    channel::{Channel, Place, Reader, Strength, Watch, Writer},
    handle::Capability as _,
    port::codec::{Copy, EncodeError, Encoder, decode},
    task::{JoinHandle, spawn, yield_now},
    time::{Deadline, Instant},
};

/// Requests that are answered before other tasks have their turn.
const BURST: u32 = 32;

/// Who asks, and until when an answer is of use.
///
/// ```no_run
/// use userland::{info, rpc::{Caller, Server}};
///
/// async fn serve(server: Server<u32, u64>) {
///     let square = |number: u32, caller: Caller| async move {
///         info!("{}, process {}, wants {number} squared", caller.name(), caller.pid().0);
///         u64::from(number).pow(2)
///     };
///     let _ = server.serve(square).await;
/// }
/// ```
#[derive(Clone, Debug)]
pub struct Caller {
    who: Rc<Who>,
    deadline: Instant,
}

#[derive(Debug)]
struct Who {
    pid: Pid,
    name: String,
    connection: u32,
    has_left: Cell<bool>,
    /// Those who wait for that.
    waiting: RefCell<Vec<Waker>>,
}

impl Caller {
    /// What it calls itself. See the example of [`Caller`].
    pub fn name(&self) -> &str {
        &self.who.name
    }

    /// Its process: one that holds the connection's region, as the server says. See the example of [`Caller`].
    pub fn pid(&self) -> Pid {
        self.who.pid
    }

    /// Which connection it is, by a number that is not used again: what a service keeps for a client, it can keep
    /// by this.
    ///
    /// ```no_run
    /// # use std::collections::BTreeMap;
    /// # use userland::rpc::Caller;
    /// fn count(calls: &mut BTreeMap<u32, u32>, caller: &Caller) {
    ///     *calls.entry(caller.connection()).or_default() += 1;
    /// }
    /// ```
    pub fn connection(&self) -> u32 {
        self.who.connection
    }

    /// When the client gives up; [`Instant::NEVER`] if it does not.
    ///
    /// ```no_run
    /// # use userland::rpc::Caller;
    /// use userland::time::Instant;
    ///
    /// fn is_worth_it(caller: &Caller, would_be_done: Instant) -> bool {
    ///     would_be_done <= caller.deadline()
    /// }
    /// ```
    pub const fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Waits until the connection has ended, whatever the reason: the client is gone, has broken it, or is not
    /// served any more. Then nobody asks for what a service keeps for it.
    ///
    /// ```no_run
    /// # use std::{cell::RefCell, collections::BTreeMap, rc::Rc};
    /// # use userland::rpc::Caller;
    /// use userland::task::spawn;
    ///
    /// /// Forgets how often a client has called when it leaves.
    /// fn forget(calls: Rc<RefCell<BTreeMap<u32, u32>>>, caller: Caller) {
    ///     spawn(async move {
    ///         caller.left().await;
    ///         calls.borrow_mut().remove(&caller.connection());
    ///     });
    /// }
    /// ```
    pub fn left(&self) -> impl Future<Output = ()> + use<> {
        let who = self.who.clone();
        poll_fn(move |cx| {
            if who.has_left.get() {
                return Poll::Ready(());
            }
            let mut waiting = who.waiting.borrow_mut();
            if !waiting.iter().any(|waker| waker.will_wake(cx.waker())) {
                waiting.push(cx.waker().clone());
            }
            Poll::Pending
        })
    }
}

impl Who {
    /// Says that the connection has ended.
    fn leave(&self) {
        self.has_left.set(true);
        for waker in self.waiting.take() {
            waker.wake();
        }
    }
}

/// A client's connection.
pub(super) struct Connection {
    requests: Reader,
    watch: Watch,
    copy: Copy,
    shared: Rc<Shared>,
    caller: Caller,
    /// Calls at a time.
    limit: u32,
}

/// What the tasks of a connection have in common.
struct Shared {
    replies: RefCell<Replies>,
    /// The calls that wait, by number.
    running: RefCell<Vec<(u32, JoinHandle<()>)>>,
    peer: Pid,
    longest: usize,
    region: Owned,
}

struct Replies {
    writer: Writer,
    encoder: Encoder,
}

/// The client is gone, or has broken the connection.
struct Gone;

impl Connection {
    /// The service's ends of a connection in this place; none if it is of another make.
    pub fn new(place: &Place, region: Owned, peer: Pid, number: u32, limit: u32) -> Option<Self> {
        let (half, config) = layout(place.len());
        // It is made already; if not, the client has nobody to blame.
        let open = |offset| -> Option<Channel> { place.channel(offset, half, Some(&config)).ok() };
        let (requests, replies) = (open(0)?, open(half)?);
        let name = requests.writers().into_iter().next()?.name;
        let who = Who {
            pid: peer,
            name,
            connection: number,
            has_left: Cell::new(false),
            waiting: RefCell::default(),
        };
        let shared = Shared {
            replies: RefCell::new(Replies {
                writer: replies.writer(Strength::Strong, "").ok()?,
                encoder: Encoder::default(),
            }),
            running: RefCell::default(),
            peer,
            longest: config.max_frame() as usize,
            region,
        };
        Some(Self {
            requests: requests.reader(Strength::Strong, "").ok()?,
            watch: Watch::default(),
            copy: Copy::default(),
            shared: Rc::new(shared),
            caller: Caller {
                who: Rc::new(who),
                deadline: Instant::NEVER,
            },
            limit,
        })
    }

    pub const fn caller(&self) -> &Caller {
        &self.caller
    }

    pub fn region(&self) -> Handle {
        self.shared.region.0.handle()
    }

    /// Says that the client is let in. Not if there is no room for that, at the begin.
    pub fn welcome(&self, generation: u32) -> bool {
        self.say(Header {
            kind: WELCOME,
            id: generation,
            extra: u64::from(self.limit) | u64::from(VERSION) << 32,
        })
    }

    /// Says why it is not.
    pub fn turn_away(&self, why: Refusal) {
        self.say(refusal(0, why));
    }

    fn say(&self, header: Header) -> bool {
        let writer = &mut self.shared.replies.borrow_mut().writer;
        writer.try_send(&header.to_bytes()).is_ok()
    }

    /// Answers requests until the client is gone.
    pub async fn serve<Q, R, H, F>(mut self, work: &H)
    where
        Q: DeserializeOwned,
        R: Serialize + 'static,
        H: Fn(Q, Caller) -> F,
        F: Future<Output = Option<R>> + 'static,
    {
        let mut place = Box::pin(None);
        loop {
            let went_on = match poll_fn(|cx| self.poll(cx, work, &mut place)).await {
                Next::Wait(header) => {
                    let work = replace(&mut place, Box::pin(None));
                    self.shared.run(header, work);
                    Ok(())
                }
                Next::Answer(id, answer) => self.shared.answer(id, answer).await,
                Next::Refuse(id, why) => self.shared.refuse(id, why).await,
                Next::Pause => {
                    yield_now().await;
                    Ok(())
                }
                Next::End => return,
            };
            if went_on.is_err() {
                return;
            }
        }
    }

    /// Answers what can be answered at once, until there is something else to do.
    fn poll<Q, R, H, F>(
        &mut self,
        cx: &mut Context<'_>,
        work: &H,
        place: &mut Pin<Box<Option<F>>>,
    ) -> Poll<Next<R>>
    where
        Q: DeserializeOwned,
        R: Serialize,
        H: Fn(Q, Caller) -> F,
        F: Future<Output = Option<R>>,
    {
        let shared = &*self.shared;
        for _ in 0..BURST {
            let frame = match self.requests.poll_borrow(cx, &mut self.watch) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(Some(frame))) => frame,
                Poll::Ready(Ok(None)) if shared.is_alive() => continue,
                Poll::Ready(_) => return Poll::Ready(Next::End),
            };
            let request = wire::read(frame, &mut self.copy, shared.longest, read_request::<Q>);
            let (header, request) = match request {
                Some((header, request)) if header.kind == REQUEST => (header, request),
                Some((header, _)) if header.kind == CANCEL => {
                    shared.cancel(header.id);
                    continue;
                }
                // Whoever writes that does not speak this protocol.
                _ => return Poll::Ready(Next::End),
            };
            if let Err(why) = shared.check(header, self.limit) {
                return Poll::Ready(Next::Refuse(header.id, why));
            }
            let Some(request) = request else {
                return Poll::Ready(Next::Refuse(header.id, Refusal::Undecodable));
            };
            let caller = Caller {
                who: self.caller.who.clone(),
                deadline: Instant::from_nanoseconds(header.extra),
            };
            place.set(Some(work(request, caller)));
            let answer = match place.as_mut().as_pin_mut().map(|work| work.poll(cx)) {
                Some(Poll::Ready(answer)) => answer,
                _ => return Poll::Ready(Next::Wait(header)),
            };
            place.set(None);
            if let Err(answer) = shared.answer_now(header.id, answer) {
                return Poll::Ready(Next::Answer(header.id, answer));
            }
        }
        Poll::Ready(Next::Pause)
    }
}

/// What it is, and what is asked if it is a request.
#[inline(always)]
fn read_request<Q: DeserializeOwned>(header: Header, body: &[u8]) -> (Header, Option<Q>) {
    (header, decode(body))
}

/// What there is to do that takes longer.
enum Next<R> {
    /// What the handler makes of a request has to wait.
    Wait(Header),
    /// There is no room for this answer.
    Answer(u32, Option<R>),
    Refuse(u32, Refusal),
    /// It is the turn of others.
    Pause,
    /// The client is gone.
    End,
}

impl Drop for Connection {
    fn drop(&mut self) {
        // What runs for nobody.
        for (_, task) in self.shared.running.take() {
            task.cancel();
        }
        self.caller.who.leave();
    }
}

impl Shared {
    fn is_alive(&self) -> bool {
        self.region.is_held_by(self.peer)
    }

    /// Whether to begin with a request.
    #[inline]
    fn check(&self, header: Header, limit: u32) -> Result<(), Refusal> {
        let deadline = Instant::from_nanoseconds(header.extra);
        if self.running.borrow().len() >= limit as usize {
            Err(Refusal::Busy)
        } else if deadline != Instant::NEVER && deadline <= Instant::now() {
            Err(Refusal::Late)
        } else {
            Ok(())
        }
    }

    /// Goes on with what has to wait, beside the others.
    #[cold]
    fn run<R, F>(self: &Rc<Self>, header: Header, mut work: Pin<Box<Option<F>>>)
    where
        R: Serialize + 'static,
        F: Future<Output = Option<R>> + 'static,
    {
        let this = self.clone();
        let deadline = Deadline::at(Instant::from_nanoseconds(header.extra));
        let task = spawn(async move {
            let answer = poll_fn(|cx| match work.as_mut().as_pin_mut() {
                Some(work) => work.poll(cx),
                None => Poll::Pending,
            });
            let answer = deadline.limit(answer).await;
            // Dropped at once, whatever becomes of the answer.
            work.set(None);
            let _ = match answer {
                Ok(answer) => match this.answer_now(header.id, answer) {
                    Ok(()) => Ok(()),
                    Err(answer) => this.answer(header.id, answer).await,
                },
                Err(_) => this.refuse(header.id, Refusal::Late).await,
            };
            // The next call by this number is another.
            let mut running = this.running.borrow_mut();
            if let Some(place) = running.iter().position(|(id, _)| *id == header.id) {
                running.swap_remove(place);
            }
        });
        self.running.borrow_mut().push((header.id, task));
    }

    /// Drops what is done for a call.
    fn cancel(&self, id: u32) {
        let mut running = self.running.borrow_mut();
        let place = running.iter().position(|(other, _)| *other == id);
        let task = place.map(|place| running.swap_remove(place).1);
        drop(running);
        if let Some(task) = task {
            task.cancel();
            // It may have waited for room, and another does still.
            self.replies.borrow().writer.pass_on();
        }
    }

    /// Answers if that can be done at once; gives the answer back if not.
    #[inline]
    fn answer_now<R: Serialize>(&self, id: u32, answer: Option<R>) -> Result<(), Option<R>> {
        let Some(value) = &answer else {
            return Err(answer);
        };
        let Replies { writer, encoder } = &mut *self.replies.borrow_mut();
        match wire::send(writer, encoder, reply(id), value, self.longest) {
            Ok(()) => Ok(()),
            Err(_) => Err(answer),
        }
    }

    async fn answer<R: Serialize>(&self, id: u32, answer: Option<R>) -> Result<(), Gone> {
        let Some(answer) = answer else {
            return self.refuse(id, Refusal::Dropped).await;
        };
        // Kept until there is room: others use the encoder meanwhile.
        let frame = {
            let encoder = &mut self.replies.borrow_mut().encoder;
            let frame = encoder.encode(&reply(id).to_bytes(), &answer, self.longest);
            frame.map(<[u8]>::to_vec)
        };
        match frame {
            Ok(frame) => self.send(&frame).await,
            Err(EncodeError::TooLong | EncodeError::Unsupported) => {
                self.refuse(id, Refusal::ReplyTooLong).await
            }
        }
    }

    async fn refuse(&self, id: u32, why: Refusal) -> Result<(), Gone> {
        self.send(&refusal(id, why).to_bytes()).await
    }

    /// Writes a frame, and waits for room as long as the client is there.
    async fn send(&self, frame: &[u8]) -> Result<(), Gone> {
        let mut watch = Watch::default();
        poll_fn(|cx| {
            loop {
                let sent = self
                    .replies
                    .borrow_mut()
                    .writer
                    .poll_send(cx, &mut watch, frame);
                return match sent {
                    Poll::Pending => Poll::Pending,
                    Poll::Ready(Ok(true)) => Poll::Ready(Ok(())),
                    Poll::Ready(Ok(false)) if self.is_alive() => continue,
                    Poll::Ready(_) => Poll::Ready(Err(Gone)),
                };
            }
        })
        .await
    }
}

const fn reply(id: u32) -> Header {
    Header {
        kind: REPLY,
        id,
        extra: 0,
    }
}

const fn refusal(id: u32, why: Refusal) -> Header {
    Header {
        kind: REFUSED,
        id,
        extra: why.number() as u64,
    }
}
