// SPDX-License-Identifier: BSD-2-Clause
//! Who holds what: the facts of a checked spec, by the names of its text.
//!
//! Text, JSON and picture show these facts; none looks at the spec itself.

use serde::Serialize;

use super::reach::{Peer, Reach};

/// Where QEMU's machine `virt` has its memory, and how much of it a report takes for granted.
pub const RAM: u64 = 0x4000_0000;
/// See [`RAM`].
pub const RAM_BYTES: u64 = 512 << 20;

/// A system.
#[derive(Debug, Serialize)]
pub struct Facts {
    /// The spec's file.
    pub spec: String,
    /// Every process server.
    pub servers: Vec<Server>,
    /// Every guest.
    pub guests: Vec<Guest>,
    /// Every native task.
    pub tasks: Vec<Task>,
    /// What brings something from outside, or takes it there.
    pub devices: Vec<Device>,
    /// Channels and services, and what native tasks talk through.
    pub links: Vec<Link>,
    /// Every object, in the order of the text.
    pub objects: Vec<Object>,
    /// Memory.
    pub memory: Memory,
}

/// An object, and who holds it.
#[derive(Debug, Serialize)]
pub struct Object {
    /// Its name.
    pub name: String,
    /// Its type, as the text has it: `ut`, `frame`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// What it is, in words.
    pub what: String,
    /// The line of its declaration.
    pub line: u32,
    /// The capabilities to it.
    pub holders: Vec<Holder>,
    /// All that it holds.
    pub holds: Vec<Held>,
    /// The objects that are made with it or of it, such as the device whose registers a frame has.
    pub used_by: Vec<String>,
}

/// A capability, from the side of its object.
#[derive(Clone, Debug, Serialize)]
pub struct Holder {
    /// Who holds it.
    pub holder: String,
    /// In which slot.
    pub slot: String,
    /// Letters; empty where there is nothing to choose.
    pub rights: String,
    /// What else there is to it, such as a badge; mostly empty.
    pub data: String,
    /// Its line.
    pub line: u32,
}

/// A capability, from the side of its holder.
#[derive(Clone, Debug, Serialize)]
pub struct Held {
    /// Its slot.
    pub slot: String,
    /// The object.
    pub object: String,
    /// What the object is, in words.
    pub what: String,
    /// Letters; empty where there is nothing to choose.
    pub rights: String,
    /// What else there is to it, such as a badge; mostly empty.
    pub data: String,
    /// Its line.
    pub line: u32,
}

/// A process server.
#[derive(Debug, Serialize)]
pub struct Server {
    /// Its name.
    pub name: String,
    /// The line of its declaration.
    pub line: u32,
    /// Priority of its service threads.
    pub priority: u8,
    /// Bytes of heap.
    pub heap: u64,
    /// What happens when it faults.
    pub restart: &'static str,
    /// Bytes of untyped memory of its own.
    pub memory: u64,
    /// Bytes that the root task makes the server itself of, about.
    pub made_of: u64,
    /// All that it holds.
    pub holds: Vec<Held>,
}

/// A program for seL4.
#[derive(Debug, Serialize)]
pub struct Task {
    /// Its name.
    pub name: String,
    /// The line of its declaration.
    pub line: u32,
    /// Its program.
    pub program: String,
    /// Priority of its first thread.
    pub priority: u8,
    /// Bytes of its first thread's stack.
    pub stack: u64,
    /// Bytes of heap.
    pub heap: u64,
    /// What happens when it faults.
    pub restart: &'static str,
    /// Arguments.
    pub args: Vec<String>,
    /// All that it holds.
    pub holds: Vec<Held>,
    /// Whom it can talk to.
    pub peers: Vec<Peer>,
    /// Devices that it can reach, by the shortest way.
    pub reaches: Vec<Reach>,
}

/// A guest.
#[derive(Debug, Serialize)]
pub struct Guest {
    /// Its name.
    pub name: String,
    /// The line of its declaration.
    pub line: u32,
    /// The server that runs it.
    pub server: String,
    /// Its module.
    pub module: String,
    /// Priority of its thread.
    pub priority: u8,
    /// `boot` or `demand`.
    pub start: &'static str,
    /// Guests that are started before it.
    pub after: Vec<String>,
    /// What happens when it ends.
    pub restart: &'static str,
    /// Milliseconds until it is ended.
    pub deadline_ms: Option<u32>,
    /// Arguments.
    pub args: Vec<String>,
    /// Environment.
    pub env: Vec<String>,
    /// Its memory.
    pub budget: Budget,
    /// The groups of hostcalls that it is granted.
    pub groups: Vec<&'static str>,
    /// All that it holds.
    pub holds: Vec<Held>,
    /// Guests that hold it: W starts and stops it, G gives to it and takes from it.
    pub controlled_by: Vec<Holder>,
    /// Guests that it can talk to.
    pub peers: Vec<Peer>,
    /// Devices that it can reach, by the shortest way.
    pub reaches: Vec<Reach>,
}

/// What is certainly taken out of a guest's memory.
#[derive(Debug, Serialize)]
pub struct Budget {
    /// Bytes of its untyped.
    pub bytes: u64,
    /// Bytes of its native stack.
    pub stack: u64,
    /// Bytes of linear memory that its module starts with, where the module is known.
    pub linear: Option<u64>,
}

/// What guests and native tasks talk through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LinkKind {
    /// Memory that its holders share.
    Channel,
    /// A name that one provides and others look up.
    Service,
    /// Messages of the kernel, each taken by one of those who wait.
    Endpoint,
    /// Signals of the kernel.
    Notification,
    /// A piece of memory that several native tasks see.
    Frame,
}

/// A channel or a service, or what native tasks talk through.
#[derive(Debug, Serialize)]
pub struct Link {
    /// Its name.
    pub name: String,
    /// The line of its declaration.
    pub line: u32,
    /// What it is.
    pub kind: LinkKind,
    /// Bytes of a channel or frame.
    pub bytes: Option<u64>,
    /// Who holds it.
    pub holders: Vec<Holder>,
}

/// Something that stands between the machine and what is outside.
#[derive(Debug, Serialize)]
pub struct Device {
    /// Its name.
    pub name: String,
    /// The line of its declaration.
    pub line: u32,
    /// What it is, in words.
    pub what: String,
    /// What it is, in two short lines.
    #[serde(skip)]
    pub short: Vec<String>,
    /// Who holds it.
    pub holders: Vec<Holder>,
}

/// Memory.
#[derive(Debug, Serialize)]
pub struct Memory {
    /// Bytes that the machine has.
    pub machine: u64,
    /// Untypeds and frames at addresses, by address.
    pub placed: Vec<Piece>,
    /// Untypeds that may be anywhere.
    pub anywhere: Vec<Piece>,
    /// Bytes of all untypeds.
    pub untyped: u64,
    /// Bytes of what the servers are made of, about.
    pub servers: u64,
}

/// A piece of memory.
#[derive(Debug, Serialize)]
pub struct Piece {
    /// Its name.
    pub name: String,
    /// Its type, as the text has it.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// First address, if the text names it.
    pub start: Option<u64>,
    /// Bytes.
    pub bytes: u64,
    /// Who holds it.
    pub holders: Vec<Holder>,
    /// What is made of it is of use to: the guests or servers behind its holder.
    pub owner: Owner,
}

/// What kind of holder a piece of memory has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Owner {
    /// A server.
    Server,
    /// A guest.
    Guest,
    /// A channel.
    Channel,
    /// A native task, or something of the kernel's.
    Other,
    /// Nobody.
    Nobody,
}

impl LinkKind {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Channel => "channel",
            Self::Service => "service",
            Self::Endpoint => "endpoint",
            Self::Notification => "notification",
            Self::Frame => "frame",
        }
    }
}

impl Facts {
    /// The object of this name.
    pub fn object(&self, name: &str) -> Option<&Object> {
        self.objects.iter().find(|object| object.name == name)
    }
}
