// SPDX-License-Identifier: BSD-2-Clause
//! Interleavings of a few guests at a channel, in loom. All of the channel's own code is as guests run it;
//! the memory, the doorbells and the server's word on who lives are loom's.
//!
//! A model whose threads all sleep has failed: that is how a lost wake shows. Frames are two words of the
//! same content, so that a torn one shows, and number themselves, so that one that is lost or comes twice
//! does.

mod death;
mod ends;
mod many;
mod pipe;

use alloc::{boxed::Box, rc::Rc, sync::Arc};
use core::{
    future::Future,
    mem::take,
    pin::pin,
    task::{Context, Poll, Waker},
};
use std::sync::atomic::{AtomicU32 as ExactCount, Ordering::Relaxed as Exact};

use atoll_abi::channel::{FLAG_PIPE, Geometry, SHARED};
use loom::{
    model::Builder,
    sync::{
        Condvar, Mutex,
        atomic::{
            AtomicU32,
            Ordering::{Acquire, Relaxed, Release},
        },
    },
};

use super::{
    Frame, ReadEnd, Strength, WriteEnd, WriteError,
    layout::View,
    link::{Link, Peers},
    wait::{Doorbell, Reader, Writer},
};

/// The most guests of a model; their process ids are 1 to this.
const GUESTS: u32 = 4;

/// Bytes of a frame.
const FRAME: usize = 16;

/// As `task::Event`, for the one future that a thread runs.
#[derive(Clone, Debug, Default)]
pub(super) struct Event(Arc<Notification>);

/// Like a mailbox of one id: what came before the guest sleeps keeps it awake.
#[derive(Debug, Default)]
struct Notification {
    signalled: Mutex<bool>,
    changed: Condvar,
}

impl Event {
    pub fn poll(&self, _: &Context<'_>) -> Poll<()> {
        if take(&mut *self.0.signalled.lock().unwrap()) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }

    fn happen(&self) {
        *self.0.signalled.lock().unwrap() = true;
        self.0.changed.notify_one();
    }

    fn sleep(&self) {
        let mut signalled = self.0.signalled.lock().unwrap();
        while !*signalled {
            signalled = self.0.changed.wait(signalled).unwrap();
        }
    }
}

/// What the server knows.
#[derive(Default)]
struct World {
    /// Those that are gone, a bit each.
    gone: AtomicU32,
    /// Those that listen; each listens to every bell.
    events: [Event; GUESTS as usize],
    // Not loom's: counting orders nothing.
    rings: ExactCount,
}

impl World {
    /// A ring of one guest, which reaches all others.
    fn ring(&self, by: u32) {
        self.rings.fetch_add(1, Exact);
        for (pid, event) in (1..).zip(&self.events) {
            if pid != by {
                event.happen();
            }
        }
    }

    /// A guest ends: what it wrote is there before the server says so, and then all are rung.
    fn kill(&self, pid: u32) {
        self.gone.fetch_or(1 << pid, Release);
        self.ring(pid);
    }
}

/// A guest.
struct Peer {
    pid: u32,
    world: Arc<World>,
}

impl Peers for Peer {
    fn me(&self) -> u32 {
        self.pid
    }

    fn holds(&self, pid: u32) -> bool {
        self.world.gone.load(Acquire) & 1 << pid == 0
    }

    fn ring(&self, _: u32) {
        self.world.ring(self.pid);
    }
}

/// A channel, and who shares it.
#[derive(Clone)]
struct Place {
    view: View,
    flags: u32,
    credits: u32,
    world: Arc<World>,
}

impl Place {
    /// One writer and one reader, with room for so many frames.
    fn pipe(frames: u32) -> Self {
        Self::new(FLAG_PIPE, frames, 1, 1)
    }

    /// Several writers and readers, with room for so many frames.
    fn many(frames: u32, writers: u32, readers: u32) -> Self {
        Self::new(0, frames, writers, readers)
    }

    /// As [`Self::many`], with room for fewer bytes than frames.
    fn narrow(frames: u32, data: u32, writers: u32) -> Self {
        let geometry = Geometry {
            frames,
            data,
            writers,
            readers: 1,
        };
        Self::of(0, geometry)
    }

    fn new(flags: u32, frames: u32, writers: u32, readers: u32) -> Self {
        let geometry = Geometry {
            frames,
            // The longest frame has half of it.
            data: frames.max(2) * FRAME as u32,
            writers,
            readers,
        };
        Self::of(flags, geometry)
    }

    fn of(flags: u32, geometry: Geometry) -> Self {
        let view = View::model(geometry);
        if flags & FLAG_PIPE == 0 {
            view.readers_word.get().store(SHARED, Relaxed);
            view.writers_word.get().store(SHARED, Relaxed);
        }
        Self {
            view,
            flags,
            credits: 0,
            world: Arc::default(),
        }
    }

    fn link(&self, pid: u32) -> Arc<Link> {
        let peer = Peer {
            pid,
            world: self.world.clone(),
        };
        Arc::new(Link {
            view: self.view.clone(),
            flags: self.flags,
            credits: self.credits,
            peers: Box::new(peer),
            ends: Default::default(),
        })
    }

    fn write_end(&self, pid: u32) -> WriteEnd {
        WriteEnd::new(&self.link(pid), Strength::Strong, "").unwrap()
    }

    fn read_end(&self, pid: u32, strength: Strength) -> ReadEnd {
        ReadEnd::new(&self.link(pid), strength, "").unwrap()
    }

    /// A guest of its own with a writer.
    fn writer(&self, pid: u32) -> Guest<WriteEnd> {
        self.guest(pid, self.write_end(pid))
    }

    /// A guest of its own with a strong reader.
    fn reader(&self, pid: u32) -> Guest<ReadEnd> {
        self.guest(pid, self.read_end(pid, Strength::Strong))
    }

    /// A guest of its own with a weak reader.
    fn weak_reader(&self, pid: u32) -> Guest<ReadEnd> {
        self.guest(pid, self.read_end(pid, Strength::Weak))
    }

    fn guest<T>(&self, pid: u32, end: T) -> Guest<T> {
        Guest {
            end,
            event: self.world.events[pid as usize - 1].clone(),
        }
    }
}

/// A guest that has one end of the channel, and one task.
struct Guest<T> {
    end: T,
    event: Event,
}

impl Guest<WriteEnd> {
    /// What it does in its thread.
    fn run<T, F: Future<Output = T>>(self, main: impl FnOnce(Writer) -> F) -> T {
        let bell = Rc::new(Doorbell::new(self.event.clone()));
        block_on(&self.event, main(Writer::new(self.end, bell)))
    }
}

impl Guest<ReadEnd> {
    /// What it does in its thread.
    fn run<T, F: Future<Output = T>>(self, main: impl FnOnce(Reader) -> F) -> T {
        let bell = Rc::new(Doorbell::new(self.event.clone()));
        block_on(&self.event, main(Reader::new(self.end, bell)))
    }
}

/// Runs a future; sleeps when it waits.
fn block_on<T>(event: &Event, future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(value) = future
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()))
        {
            return value;
        }
        event.sleep();
    }
}

/// The frame of this writer with this number.
fn frame(writer: u32, number: u32) -> [u8; FRAME] {
    let word = (u64::from(writer) << 32 | u64::from(number)).to_ne_bytes();
    let mut bytes = [0; FRAME];
    bytes[..8].copy_from_slice(&word);
    bytes[8..].copy_from_slice(&word);
    bytes
}

/// Writer and number of what was copied; none if it is torn.
fn parse(bytes: [u8; FRAME]) -> Option<(u32, u32)> {
    let (one, other) = bytes.split_at(8);
    let word = u64::from_ne_bytes(one.try_into().unwrap());
    (one == other).then_some(((word >> 32) as u32, word as u32))
}

/// What a frame says; it is released after.
fn content(frame: Frame<'_>) -> (u32, u32) {
    let mut bytes = [0; FRAME];
    frame.read(&mut bytes).expect("a whole frame");
    frame.release().expect("a strong reader");
    parse(bytes).expect("a torn frame")
}

/// Writes frames of these numbers.
async fn send(
    writer: &mut Writer,
    id: u32,
    numbers: core::ops::Range<u32>,
) -> Result<(), WriteError> {
    for number in numbers {
        writer.send(&frame(id, number)).await?;
    }
    Ok(())
}

/// Checks the executions with this many preemptions or less, or with as many as `LOOM_MAX_PREEMPTIONS` in
/// the environment says.
fn check(preemptions: usize, model: impl Fn() + Send + Sync + 'static) {
    let mut builder = Builder::new();
    builder.max_branches = 10_000;
    builder.preemption_bound = builder.preemption_bound.or(Some(preemptions));
    builder.check(model);
}
