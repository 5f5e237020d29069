// SPDX-License-Identifier: BSD-2-Clause
//! Supervision: what a client and a supervisor, such as init, say to each other.
//!
//! A client holds a channel with the supervisor, its *door*, under whatever name its spec gives it. It speaks
//! [`Request`] and [`Answer`] there through the guest library's request and reply (`userland::rpc`). What a client may
//! do, the supervisor's arguments say: nothing, see ([`Request::List`], [`Request::Changed`]), or control (everything).
//!
//! A supervisor has *members*, each under a name: guests of the spec that start on demand, and *groups*, which have
//! members themselves. They form a tree, of which a supervisor tells in its order: each member behind the group
//! that it is in, those that others need in front of these.

mod error;
#[cfg(test)]
mod tests;

use heapless::Vec;
use serde::{Deserialize, Serialize};

use crate::{
    Pid, Rights,
    describe::constants,
    message::{Name, ProcessState, Text},
};
pub use error::Error;

constants! {
    /// Version of this protocol.
    VERSION: u32 = 1;
    /// Longest message of either side, in bytes.
    MAX_MESSAGE: u32 = 1536;
}

/// Most members in a page of the list.
pub const MAX_PAGE: usize = 4;

/// What a client asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request {
    /// Says which version the client speaks; answered with [`Reply::Welcome`]. The first request of a connection:
    /// any other one before it is refused with [`Error::OtherVersion`].
    Hello {
        /// [`VERSION`].
        version: u32,
    },
    /// Asks for a page of the list; answered with [`Reply::Members`].
    List {
        /// How many members the client knows.
        after: u16,
    },
    /// Waits until something is another than the client has `seen`; answered with [`Reply::Changed`].
    Changed {
        /// The number that the client knows.
        seen: u32,
    },
    /// Starts a member that does not run, and what it needs; answered with [`Reply::Done`] when it runs.
    Start {
        /// The member.
        member: Name,
    },
    /// Stops a member for good, and what needs it: it is not started again until somebody asks. Answered with
    /// [`Reply::Done`] when it has ended.
    Stop {
        /// The member.
        member: Name,
    },
    /// Stops a member, if it runs, and starts it; those that need it, too, if its group's strategy says so. Answered
    /// with [`Reply::Done`] when it runs.
    Restart {
        /// The member.
        member: Name,
    },
    /// Takes a capability from a guest that the spec gave it, or that the supervisor has; all that was derived from
    /// it goes, too. The guest does not get it back by being started again, only by [`Request::Restore`]. Answered with
    /// [`Reply::Done`] when nobody can use it any more.
    Revoke {
        /// The guest.
        member: Name,
        /// The slot.
        slot: Name,
    },
    /// Gives a guest back what the spec gives it in a slot; answered with [`Reply::Done`].
    Restore {
        /// The guest.
        member: Name,
        /// The slot.
        slot: Name,
    },
    /// Gives a guest a capability of the client's, for as long as it runs; answered with [`Reply::Done`].
    Give {
        /// The guest.
        member: Name,
        /// The name it finds it under.
        slot: Name,
        /// A share token for the capability, with the right to grant.
        token: [u8; 16],
        /// The rights it gets.
        rights: Rights,
    },
    /// Ends everything in order, the last started first, and switches the machine off. Answered with an error if that
    /// cannot be.
    Shutdown,
}

/// What the supervisor answers.
pub type Answer = Result<Reply, Error>;

/// What the supervisor answers, if it does what was asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(
    clippy::large_enum_variant,
    reason = "guests may have no heap to box a variant in"
)]
pub enum Reply {
    /// It is done.
    Done,
    /// What the client may.
    Welcome {
        /// Whether it may do more than see.
        may_control: bool,
    },
    /// A page of the list; an empty one is the end.
    Members(Vec<Member, MAX_PAGE>),
    /// Something has changed.
    Changed {
        /// How often something has.
        count: u32,
    },
}

/// When a member is started again that has ended by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Restart {
    /// Always.
    Permanent,
    /// When it failed.
    Transient,
    /// Never.
    Temporary,
}

/// Who is started again with a member of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Strategy {
    /// Nobody.
    OneForOne,
    /// Every other member of the group.
    OneForAll,
    /// The members behind it in the order of their start.
    RestForOne,
}

/// What a member is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum What {
    /// A guest.
    Guest {
        /// The process that runs it, or ran it last.
        pid: Option<Pid>,
        /// The state that this is in.
        process: Option<ProcessState>,
        /// Whether it is asked for its health, and what it last said, or did not.
        health: Health,
    },
    /// A group.
    Group {
        /// Who is started again with a member.
        strategy: Strategy,
        /// So many restarts are too many ...
        most: u16,
        /// ... within so many milliseconds: then the group fails.
        within_ms: u32,
    },
}

/// How a guest is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Health {
    /// It is not asked.
    Unwatched,
    /// It has not answered yet.
    Unknown,
    /// It answered in time.
    Well,
    /// It did not, and is being ended.
    Hung,
}

/// How a member does, as its supervisor sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Condition {
    /// It has not been started yet, waits for those that it needs, or for the pause before a restart.
    Waiting,
    /// It runs.
    Up,
    /// It was asked to end.
    Stopping,
    /// It has ended, and is not to be started again by itself.
    Down,
    /// It, or a group that it is in, has failed too often.
    GivenUp,
}

/// A member.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Its name.
    pub name: Name,
    /// How many groups it is in.
    pub depth: u8,
    /// What it is.
    pub what: What,
    /// When it is started again.
    pub restart: Restart,
    /// How it does.
    pub condition: Condition,
    /// How often it was started again.
    pub restarts: u32,
    /// Why it last ended, or could not be started; empty if it has not.
    pub last_end: Text,
}
