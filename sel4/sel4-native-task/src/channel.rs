// SPDX-License-Identifier: BSD-2-Clause
//! Channels of the spec: memory that guests of process servers and other tasks hold, too, with bells to wake each other.
//!
//! A native task is in this what a process server is: it has a page of its own in which it says who it is, what it listens
//! to and what it has rung, reads those of the others, and signals their notifications ([`wasm_state::ledger`]).

use core::cell::RefCell;
use core::ops::DerefMut;
use core::sync::atomic::Ordering::SeqCst;

use heapless::Vec;
use native_handoff::{Handoff, slot};
use sel4::cap;
use wasm_handoff::{MAX_PROGRAMS, Words, pid};
use wasm_state::Lock;
use wasm_state::ledger::{Other, Own, Pid};

use crate::Memory;

/// A channel. There is one of each, and it is for one thread.
///
/// Its bytes are [`memory`](Self::memory); what they mean is between those who hold it. What the others write is an
/// allegation, and so is what they say about themselves: one that lies wakes this task for nothing, or not.
///
/// ```ignore
/// let mut link = task.channel("link").ok_or("no channel `link`")?;
/// link.listen(1);
/// loop {
///     while let Some(question) = next_question(link.memory()) {
///         answer(link.memory(), question);
///         link.ring(2).ok_or("`link` is read-only")?;
///     }
///     link.wait();
/// }
/// ```
#[derive(Debug)]
pub struct Channel {
    memory: Memory,
    own: Own<Page, Alone>,
    peers: Vec<Peer, MAX_PROGRAMS>,
    listening: u32,
    signal: u64,
}

/// Another program that holds it.
#[derive(Debug)]
struct Peer {
    program: u8,
    page: Other<Page>,
    /// How often it has rung, as far as that was heard.
    seen: u32,
    notification: cap::Notification,
}

impl Channel {
    /// The channel at this place of the handoff, mapped as `memory`; none if there is none.
    pub(crate) fn open(handoff: &Handoff<'_>, place: u8, memory: Memory) -> Option<Self> {
        let channel = handoff.channels.get(usize::from(place))?;
        let own = Own::new(Page(Memory::page(channel.ledger, true)), |rings| {
            Alone(RefCell::new(rings))
        });
        // Nobody else is in the list, which has room for more.
        let _ = own.add(Pid(handoff.pid));
        let others = handoff.peers.iter().filter(|peer| peer.channel == place);
        let others = others.map(|peer| Peer {
            program: peer.program,
            page: Other::new(Page(Memory::page(peer.ledger, false))),
            seen: 0,
            notification: cap::Notification::from_bits(peer.notification),
        });
        Some(Self {
            memory,
            own,
            peers: others.take(MAX_PROGRAMS).collect(),
            listening: 0,
            signal: 1 << (channel.signal % u64::BITS as u8),
        })
    }

    /// Its bytes.
    pub const fn memory(&self) -> Memory {
        self.memory
    }

    /// Whether a process lives and holds the channel, as its program says: a guest of a server, or another task. A process
    /// that has ended holds nothing, and whoever listens is woken then.
    pub fn is_held_by(&self, process: u32) -> bool {
        let of = pid::program(process);
        let mut peers = self.peers.iter().filter(|peer| peer.program == of);
        peers.any(|peer| peer.page.holds(Pid(process)))
    }

    /// Says which bells this task listens to from now on. Whoever looks for what it waits for after this, and
    /// [waits](Self::wait) then, misses no ring.
    pub fn listen(&mut self, bells: u32) {
        self.listening = bells;
        self.own.listen(|| bells);
    }

    /// Rings bells: wakes those who listen to one of them. What was written before, they see. None if the channel may
    /// only be read.
    pub fn ring(&self, bells: u32) -> Option<()> {
        self.memory.is_writable().then(|| {
            self.own.ring(bells);
            for peer in self.peers.iter().filter(|p| p.page.listens_to(bells)) {
                peer.notification.signal();
            }
        })
    }

    /// The bells that were rung since the last time; those of several rings that were not heard one by one are all.
    pub fn heard(&mut self) -> u32 {
        let peers = self.peers.iter_mut();
        peers.fold(0, |bells, peer| bells | peer.page.heard(&mut peer.seen))
    }

    /// Waits until one of the bells is rung that it [listens](Self::listen) to, and was not [heard](Self::heard) yet;
    /// answers which. It may wake for nothing.
    pub fn wait(&mut self) -> u32 {
        loop {
            let bells = self.heard() & self.listening;
            if bells != 0 {
                return bells;
            }
            cap::Notification::from_bits(slot::NOTIFICATION).wait();
        }
    }

    /// The bit of the badge with which the others signal the task's [notification](crate::Task::notification) for this
    /// channel, for one that waits for something else, too. Channels may have the same.
    pub const fn signal(&self) -> u64 {
        self.signal
    }
}

/// A page that a program writes and others read.
#[derive(Debug)]
struct Page(Memory);

impl Words for Page {
    fn load(&self, index: usize) -> u64 {
        let word = self.0.word(index.saturating_mul(8));
        word.map_or(0, |word| word.load(SeqCst))
    }

    fn store(&self, index: usize, value: u64) {
        let word = self.0.word(index.saturating_mul(8));
        if let Some(word) = word.filter(|_| self.0.is_writable()) {
            word.store(value, SeqCst);
        }
    }
}

/// The lock of one thread.
#[derive(Debug)]
struct Alone(RefCell<u32>);

impl Lock for Alone {
    type Data = u32;

    fn lock(&self) -> impl DerefMut<Target = u32> {
        // No lock is held while another is taken.
        self.0.borrow_mut()
    }
}
