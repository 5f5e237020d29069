// SPDX-License-Identifier: BSD-2-Clause
//! The hostcalls, each described once: [`for_each_hostcall`](crate::for_each_hostcall) hands the
//! table to a macro, and the server's linker, the guests' stubs and the reference page are made from it.
//!
//! A call takes scalars and answers an `i64`: a value from 0 up, or the negated number of an
//! [`Error`]. Addresses and lengths are offsets in the caller's linear memory. Misuse (an address
//! outside the memory, an undecodable argument) is a trap of the caller, not an error.

use crate::{Error, Handle, Pid};

/// A group of hostcalls. A guest links the calls of a group only if its spec grants the group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// What every guest may do with itself.
    Guest,
    /// Other processes: `processes`.
    Processes,
    /// Shared regions: `shared_memory`.
    SharedMemory,
    /// The wake mailbox: `wake`.
    Wake,
    /// Clocks: `time`.
    Time,
    /// The log: `log`.
    Log,
    /// What benchmarks and `top` need: `introspect`.
    Introspect,
}

impl Group {
    /// The reserved object of the spec that grants it; none: every guest has it.
    pub const fn grant(self) -> Option<&'static str> {
        match self {
            Self::Guest => None,
            Self::Processes => Some("processes"),
            Self::SharedMemory => Some("shared_memory"),
            Self::Wake => Some("wake"),
            Self::Time => Some("time"),
            Self::Log => Some("log"),
            Self::Introspect => Some("introspect"),
        }
    }
}

/// A parameter of a hostcall.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Param {
    /// Its name.
    pub name: &'static str,
    /// Its type, `u32` or `u64`.
    pub ty: &'static str,
}

/// The description of one hostcall.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hostcall {
    /// The group that gates it.
    pub group: Group,
    /// Import module.
    pub module: &'static str,
    /// Import name.
    pub name: &'static str,
    /// Its parameters.
    pub params: &'static [Param],
    /// Type of the value it answers.
    pub answer: &'static str,
    /// What it does.
    pub doc: &'static str,
}

/// A value that a hostcall answers.
pub trait Answer: Sized {
    /// As a number from 0 to `i64::MAX`.
    fn to_wire(self) -> u64;
    /// Back from that number.
    fn from_wire(wire: u64) -> Self;
}

impl Answer for () {
    fn to_wire(self) -> u64 {
        0
    }
    fn from_wire(_: u64) -> Self {}
}

impl Answer for u32 {
    fn to_wire(self) -> u64 {
        u64::from(self)
    }
    fn from_wire(wire: u64) -> Self {
        wire as u32
    }
}

impl Answer for u64 {
    fn to_wire(self) -> u64 {
        self
    }
    fn from_wire(wire: u64) -> Self {
        wire
    }
}

impl Answer for Handle {
    fn to_wire(self) -> u64 {
        u64::from(self.0)
    }
    fn from_wire(wire: u64) -> Self {
        Self(wire as u32)
    }
}

impl Answer for Pid {
    fn to_wire(self) -> u64 {
        u64::from(self.0)
    }
    fn from_wire(wire: u64) -> Self {
        Self(wire as u32)
    }
}

/// Encodes what a call answers.
pub fn to_wire<T: Answer>(result: Result<T, Error>) -> i64 {
    match result {
        Ok(value) => (value.to_wire() & i64::MAX as u64) as i64,
        Err(error) => -i64::from(error.number()),
    }
}

/// Decodes what a call answered. A number that no error has is taken as [`Error::InvalidArgument`]:
/// the server is newer than this guest.
///
/// # Errors
/// Whatever the call refused with.
pub fn from_wire<T: Answer>(wire: i64) -> Result<T, Error> {
    if wire >= 0 {
        Ok(T::from_wire(wire as u64))
    } else {
        let number = u32::try_from(wire.unsigned_abs()).unwrap_or(0);
        Err(Error::from_number(number).unwrap_or(Error::InvalidArgument))
    }
}

/// Hands the table of hostcalls to the macro `$callback`.
///
/// Each group reads `group Variant module "import module" { calls }`, each call
/// `#[doc = "…"] fn name(param: type, …) -> answer;`.
#[macro_export]
macro_rules! for_each_hostcall {
    ($callback:ident) => {
        $callback! {
            group Guest guest "atoll::guest" {
                /// Copies the start parameters (postcard `Params`) to `buffer` if they fit in `len` bytes, and answers their length either way.
                fn params(buffer: u32, len: u32) -> u32;
                /// Ends the guest with this exit code. Does not return.
                fn exit(code: u32) -> ();
                /// Ends the guest as failed, with the UTF-8 text of `len` bytes at `message` as the reason. Does not return.
                fn panic(message: u32, len: u32) -> ();
            }
            group Processes process "atoll::process" {
                /// Starts the guest of the spec with the name of `len` bytes at `name`; it must be one that starts on demand.
                fn start(name: u32, len: u32) -> Pid;
                /// Waits until the process has ended and all it held is reclaimed; answers its exit code, or 2^32 if it failed.
                fn wait(pid: u32) -> u64;
            }
            group SharedMemory shm "atoll::shm" {
                /// Makes a region of whole wasm pages, zeroed, out of the guest's memory budget; the handle has every right.
                fn alloc(pages: u32) -> Handle;
                /// Makes a token for a handle with at most these rights, and writes its 16 bytes to `token`. It can be accepted once. Needs the right to grant.
                fn share(handle: u32, rights: u32, token: u32) -> ();
                /// Takes up the 16 byte token at `token`.
                fn accept(token: u32) -> Handle;
                /// Maps the region at the end of the guest's memory with these rights; answers the address.
                fn attach(handle: u32, rights: u32) -> u32;
                /// Takes the window at this address away; the pages read as zero from then on, and are private.
                fn detach(address: u32) -> ();
                /// Bytes of the region.
                fn size(handle: u32) -> u32;
            }
            group Wake wake "atoll::wake" {
                /// Says where the guest's mailbox is (see `abi::mailbox`).
                fn register(mailbox: u32) -> ();
                /// Has `task` put into the mailbox whenever somebody else rings the region's doorbell. Needs the right to read.
                fn listen(handle: u32, task: u32) -> ();
                /// Rings the region's doorbell: wakes every other listener. Needs the right to write.
                fn notify(handle: u32) -> ();
                /// Sleeps until the mailbox has an id or the monotonic clock reaches `deadline` (nanoseconds; all ones: never); answers the number of ids.
                fn wait(deadline: u64) -> u32;
            }
            group Time time "atoll::time" {
                /// The monotonic clock: nanoseconds since the machine was switched on.
                fn now() -> u64;
            }
            group Log log "atoll::log" {
                /// Writes a line of UTF-8 text with a level (0 error, 1 warning, 2 information, 3 debugging) under the guest's name.
                fn write(level: u32, text: u32, len: u32) -> ();
            }
            group Introspect introspect "atoll::introspect" {
                /// The processor's cycle counter; instructions, where the machine counts those.
                fn cycles() -> u64;
                /// Does nothing: what a hostcall costs.
                fn nothing() -> ();
            }
        }
    };
}

macro_rules! table {
    ($(group $group:ident $rust:ident $module:literal {
        $($(#[doc = $doc:literal])+ fn $name:ident($($param:ident: $ty:ty),*) -> $answer:ty;)+
    })+) => {
        /// Every hostcall.
        pub const TABLE: &[Hostcall] = &[
            $($(Hostcall {
                group: Group::$group,
                module: $module,
                name: stringify!($name),
                params: &[$(Param { name: stringify!($param), ty: stringify!($ty) }),*],
                answer: stringify!($answer),
                doc: concat!($($doc),+),
            },)+)+
        ];
    };
}

for_each_hostcall!(table);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_round_trip() {
        assert_eq!(from_wire::<Handle>(to_wire(Ok(Handle(7)))), Ok(Handle(7)));
        assert_eq!(
            from_wire::<u32>(to_wire(Err::<u32, _>(Error::Revoked))),
            Err(Error::Revoked)
        );
        assert_eq!(from_wire::<u32>(i64::MIN), Err(Error::InvalidArgument));
    }

    #[test]
    fn names_are_unique() {
        for (i, a) in TABLE.iter().enumerate() {
            assert!(
                TABLE[..i]
                    .iter()
                    .all(|b| (a.module, a.name) != (b.module, b.name)),
                "{a:?}"
            );
        }
    }
}
