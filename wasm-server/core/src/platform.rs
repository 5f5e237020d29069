// SPDX-License-Identifier: BSD-2-Clause
//! What the server needs from the system below it.
//!
//! Two platforms implement this: `platform/sel4` (the product) and `platform/host` (Linux threads,
//! for tests). A platform holds all the unsafe code; it knows no handles, rights or mailboxes.

use core::{
    fmt,
    ops::{ControlFlow, Range},
};

use alloc::{sync::Arc, vec::Vec};

use atoll_abi::Error;
use capdl::blob::ObjectId;
use lock_api::RawMutex;
use wasm_archive::Verified;
pub use wasm_state::{ledger::Words as PageWords, mailbox::Words};
pub use wasm_virtio::{Extent, Page, QueueMemory, Registers, Width};
use wasmtime::{Config, Engine, Module};

use crate::Guest;

/// Why the platform could not make something; the text is for people.
#[derive(Debug)]
pub enum Failure {
    /// The memory budget has not enough left.
    NoMemory(&'static str),
    /// A bounded resource of the server is used up.
    Exhausted(&'static str),
    /// The system refused; a bug or a broken spec.
    Refused(&'static str),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoMemory(what) => write!(f, "its memory budget does not cover {what}"),
            Self::Exhausted(what) => write!(f, "the server has no more {what}"),
            Self::Refused(what) => write!(f, "the system refused {what}"),
        }
    }
}

/// An address range that is not inside the guest's memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadAddress;

/// Where a guest's memory comes from.
pub enum Budget<'a, H> {
    /// An untyped of the spec.
    Untyped(ObjectId),
    /// `1 << bits` bytes out of the budget of another guest, which outlives this one.
    Part {
        /// The other guest's home.
        of: &'a H,
        /// log2 of the bytes.
        bits: u8,
    },
}

/// What a guest's thread is made with.
pub struct HomeParams<'a, H> {
    /// What everything comes from.
    pub budget: Budget<'a, H>,
    /// Bytes of native stack that wasm code may use; the platform adds what the server needs below.
    pub stack: u32,
    /// Priority of the thread.
    pub prio: u8,
}

/// Bytes of a memory budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryUsage {
    /// All of it.
    pub budget: u64,
    /// What cannot be had any more: made into something, promised to memory that is not touched yet,
    /// or lost to alignment.
    pub spent: u64,
}

/// What the server itself uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerUsage {
    /// Bytes of the server's heap.
    pub heap: u64,
    /// Bytes of it that are allocated.
    pub heap_used: u64,
    /// Slots of the server's own capability space that are taken.
    pub slots_used: u64,
}

/// Which of the programs of the system the server is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Program {
    /// Its number, below 16.
    pub number: u8,
    /// How often it was started before.
    pub life: u8,
}

/// What there is of a region that other programs hold, too, beside its frames (see `wasm_state::ledger`).
pub struct SharedRegion<P: Platform> {
    /// This program's page.
    pub own: P::Page,
    /// A bit that [`Platform::serve`] answers when another program has rung; perhaps that of other regions, too.
    pub signal: u32,
    /// The other programs.
    pub others: Vec<OtherProgram<P>>,
}

/// Another program that holds a region.
pub struct OtherProgram<P: Platform> {
    /// Its [`Program::number`].
    pub program: u8,
    /// Its page.
    pub page: P::Page,
    /// Has its service thread look at the page.
    pub waker: <P::Home as Home>::Waker,
}

/// Memory for a module, which nobody executes yet. It goes back to the home it was made for when it is dropped.
pub trait Blank {
    /// What becomes of it.
    type Image: Image;

    /// Copies in. The range is inside.
    ///
    /// # Errors
    /// The home was evicted.
    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), Failure>;
    /// Has nobody write it from now on, the server included.
    ///
    /// # Errors
    /// As [`Blank::write`].
    fn seal(self) -> Result<Self::Image, Failure>;
}

/// A module in memory that nobody can write. It goes back to the home it was made for when it is dropped, and
/// no [`Module`] of it is left.
pub trait Image: Send + Sync + 'static {
    /// What was written.
    fn bytes(&self) -> &[u8];
    /// Bytes of the home's budget that it takes.
    fn memory(&self) -> u64;
}

/// What the platform keeps for one guest: thread, wake object and linear memory, all of it out of
/// the guest's budget.
///
/// The server calls [`Home::read`] and [`Home::write`] with no lock held, and nothing else that would have
/// to be given back: the range may be a window whose pages forbid the access, which ends the guest right
/// there ([`Guest::abandon`]). What is then left to give up is the [`Life`](crate::Life), and the reference to
/// the guest in what runs it, which the platform does.
///
/// Addresses are offsets in the guest's linear memory. Every access is checked against the size the
/// memory has at that moment, and made with volatile or atomic operations, because the guest, and
/// whoever shares the page, may write it at the same time.
pub trait Home: Send + Sync + 'static {
    /// Frames that several guests can have windows onto.
    type Region: Send + Sync + 'static;
    /// Wakes the guest's thread. Using one after the guest is gone does nothing worse than a
    /// spurious wake of somebody else.
    type Waker: Clone + Send + Sync + 'static;

    /// Words of the linear memory.
    type Words: Words + Clone + Send + Sync + 'static;
    /// Memory of a virtqueue that a device and the server see, and no guest.
    type QueueMemory: QueueMemory + Send + 'static;
    /// Memory of a module that is loaded.
    type Blank: Blank;

    /// Bytes of the linear memory.
    fn size(&self) -> u64;
    /// The words of a range, which is aligned and inside the memory, and no part of which is or was a
    /// window: nobody else writes it, and it stays writable. They are used until the guest's thread is done with
    /// its code, or its devices are taken from it, which is before its memory is; and no longer.
    fn private_words(&self, address: u32, len: u32) -> Option<Self::Words>;
    /// Copies out of the memory.
    fn read(&self, address: u32, out: &mut [u8]) -> Result<(), BadAddress>;
    /// Copies into the memory.
    fn write(&self, address: u32, bytes: &[u8]) -> Result<(), BadAddress>;

    /// Calls `each` with the physically contiguous parts of a range that a device may read, or write, in
    /// order, until it breaks off. They stay the guest's until the range is unmapped as a window, or the guest is evicted.
    ///
    /// # Errors
    /// Some page of it is outside the memory, or a hole, or a window without that right; `each` may have
    /// been called for what is before.
    fn translate(
        &self,
        address: u32,
        len: u32,
        write: bool,
        each: impl FnMut(Extent) -> ControlFlow<()>,
    ) -> Result<(), BadAddress>;
    /// Memory for a virtqueue, out of the guest's budget, zeroed; to be used until the guest is evicted.
    fn make_queue_memory(&self) -> Result<Self::QueueMemory, Failure>;

    /// What of the budget is spent.
    fn memory_usage(&self) -> MemoryUsage;
    /// Runs `f`, whose allocations are wasmtime's for this guest, at the guest's cost. On the guest's
    /// own thread only; what is allocated is neither used nor freed by another thread, nor after the
    /// guest's thread has finished.
    fn charged<R>(&self, f: impl FnOnce() -> R) -> R;
    /// Runs `f`, a hostcall within [`Home::charged`], at the server's cost again.
    fn uncharged<R>(f: impl FnOnce() -> R) -> R;

    /// Memory for a module of so many bytes, at least one, out of the guest's budget. No guest sees it.
    fn make_blank(&self, bytes: u32) -> Result<Self::Blank, Failure>;
    /// Zeroed frames of `bytes` (whole wasm pages) from this guest's budget.
    fn make_region(&self, bytes: u32) -> Result<Self::Region, Failure>;
    /// Gives the frames of a region that this guest made back to its budget. Nobody has a window onto
    /// it any more nor copies out of it or into it, and its contents are gone.
    fn free_region(&self, region: &Self::Region);
    /// Says that the next growth of the memory, by exactly the region's pages, is this region;
    /// `None` takes that back.
    fn stage(&self, region: Option<(&Arc<Self::Region>, bool)>);
    /// Maps the region into addresses that an earlier window left ([`Home::give_up`]), exactly as many, and
    /// answers where; none: there are none such, the memory has to grow.
    fn reuse(&self, region: &Arc<Self::Region>, write: bool) -> Option<u32>;
    /// Takes a window's frames away: the pages read as zero from then on.
    fn unmap(&self, address: u32, bytes: u32);
    /// The guest uses the addresses of a window no more whose frames were taken away: another may take
    /// their place. Answers whether there was one.
    fn give_up(&self, address: u32) -> bool;

    /// Whether the thread has run its last instruction that touches anything of the server.
    fn finished(&self) -> bool;
    /// Sleeps until woken or interrupted; may return without cause. Answers which of the guest's devices
    /// ([`Platform::interrupt`]) have interrupted since the last sleep, a bit each. Only for the guest's own
    /// thread.
    fn park(&self) -> u32;
    /// Wakes another guest, then sleeps as [`Home::park`] does.
    fn wake_and_park(&self, waker: &Self::Waker) -> u32 {
        Self::wake(waker);
        self.park()
    }
    /// A waker of this thread.
    fn waker(&self) -> Self::Waker;
    /// Wakes.
    fn wake(waker: &Self::Waker);
}

/// What the service thread was woken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Woken {
    /// The [`SharedRegion::signal`] of the regions that other programs may have rung.
    pub signals: u32,
    /// Whether it may have been for something else: then it is to look for whatever is due.
    pub is_due: bool,
}

impl Woken {
    /// For anything but signals.
    pub const DUE: Self = Self {
        signals: 0,
        is_due: true,
    };
}

/// The system below the server.
pub trait Platform: Send + Sync + Sized + 'static {
    /// The lock of every table. Sections under it are short and never touch guest memory that may
    /// be a window.
    type Lock: RawMutex + Send + Sync + 'static;
    /// See [`Home`].
    type Home: Home<Region = Self::Region, Blank: Blank<Image = Self::Image>>;
    /// See [`Blank::Image`].
    type Image: Image;
    /// See [`Home::Region`].
    type Region: Send + Sync + 'static;
    /// A page that another program sees, or that is another's.
    type Page: PageWords + Send + Sync + 'static;
    /// The registers of a device, and its interrupt.
    type Device: Registers + Send + Sync + 'static;

    /// Which program this is.
    fn program(&self) -> Program;
    /// Nanoseconds since the machine was switched on.
    fn now(&self) -> u64;
    /// As [`Platform::now`], in the unit of the machine's clock: a look costs no division.
    fn ticks(&self) -> u64;
    /// So many of them in nanoseconds.
    fn nanoseconds(&self, ticks: u64) -> u64;
    /// The cycle counter.
    fn cycles(&self) -> u64;
    /// Instructions that were executed since the first call, modulo 2^32, time in which the processor slept not
    /// counted; 0 where it does not count them.
    fn instructions(&self) -> u32;
    /// Has [`Platform::serve`] return at this time, or at no time.
    fn arm(&self, deadline: Option<u64>);
    /// Has [`Platform::serve`] return soon.
    fn nudge(&self);
    /// Wakes a guest, if there is one to be woken, and blocks the service thread until the armed time, a nudge, a signal of
    /// another program, or without cause.
    fn serve(&self, wake: Option<&<Self::Home as Home>::Waker>) -> Woken;
    /// Writes one line where a user can see it.
    fn console(&self, line: fmt::Arguments<'_>);

    /// Completes the engine's configuration with the memory and code hooks.
    fn configure(&self, config: &mut Config);
    /// Makes a module of verified bytes.
    fn load(&self, engine: &Engine, module: &Verified<'_>) -> wasmtime::Result<Module>;
    /// Makes a module of verified bytes that are in an image, which stays at least as long. Once for each image.
    fn load_image(
        &self,
        engine: &Engine,
        image: &Arc<Self::Image>,
        module: &Verified<'_>,
    ) -> wasmtime::Result<Module>;

    /// Everything a guest's thread needs, from its budget.
    fn settle(&self, params: HomeParams<'_, Self::Home>) -> Result<Self::Home, Failure>;
    /// Starts the guest's thread, which calls [`Guest::run`] with a [`Life`](crate::Life) of the platform's.
    fn launch(&self, guest: Arc<Guest<Self>>) -> Result<(), Failure>;
    /// Takes back everything that was made from the guest's budget. Its thread has finished, and the
    /// guests whose budgets are parts of this one are evicted.
    fn evict(&self, guest: &Guest<Self>);
    /// Frames for a channel of the spec: from its own untyped, or those that it has in other programs, too.
    fn make_channel(
        &self,
        channel: ObjectId,
        budget: ObjectId,
        bytes: u32,
    ) -> Result<(Self::Region, Option<SharedRegion<Self>>), Failure>;
    /// Copies out of a region at the offset; the caller has checked the range, and keeps the region
    /// from being freed and its owner from being evicted meanwhile. Touches no guest's memory.
    fn read_region(
        &self,
        region: &Self::Region,
        offset: u32,
        out: &mut [u8],
    ) -> Result<(), Failure>;
    /// Copies into a region, as [`Platform::read_region`] out of it.
    fn write_region(&self, region: &Self::Region, offset: u32, bytes: &[u8])
    -> Result<(), Failure>;

    /// The device with its registers in this part of a device frame of the spec, and its interrupt.
    fn device(
        &self,
        frame: ObjectId,
        registers: Range<u32>,
        irq: ObjectId,
    ) -> Result<Self::Device, Failure>;
    /// Has the device interrupt a guest's sleep from now on ([`Home::park`]), as that bit, until the guest is
    /// evicted. One interrupt comes; the next one when it is [unmasked](Self::unmask).
    fn interrupt(&self, device: &Self::Device, home: &Self::Home, bit: u32) -> Result<(), Failure>;
    /// Lets the device's next interrupt come.
    fn unmask(&self, device: &Self::Device);

    /// Switches the machine off. Returns where it cannot be.
    fn power_off(&self);

    /// What the server uses.
    fn usage(&self) -> ServerUsage;
    /// What was typed at the console, as much as there is at once; answers the number of bytes.
    fn console_read(&self, out: &mut [u8]) -> usize;
    /// Text for the console, as it is (no newline added).
    fn console_write(&self, text: &str);
    /// A guest that has printed through the console's device does so no longer: brings the device back into the
    /// state that it had, at the beginning of a line.
    fn console_again(&self);
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::NoMemory(_) => Self::NoMemory,
            Failure::Exhausted(_) => Self::TooMany,
            Failure::Refused(_) => Self::InvalidArgument,
        }
    }
}
