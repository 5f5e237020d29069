// SPDX-License-Identifier: BSD-2-Clause
//! What a spec means: names resolved, arrays expanded, defaults filled in.

use super::span::{Span, Spanned};
use crate::blob::{Group, Limits, Restart, Rights, Start};

/// An object.
#[derive(Clone, Debug)]
pub struct Object {
    /// Its name; `name[i]` for an element of an array.
    pub name: String,
    /// Where its name is declared.
    pub span: Span,
    /// What it is.
    pub kind: Kind,
    /// The capabilities it holds.
    pub caps: Vec<Cap>,
}

/// What an object is.
#[derive(Clone, Debug)]
pub enum Kind {
    /// `ut`
    Untyped {
        /// log2 of its bytes.
        bits: u8,
        /// Physical address, if the text names one.
        paddr: Option<u64>,
    },
    /// `frame`
    Frame {
        /// log2 of its bytes.
        bits: u8,
        /// Physical address, if the text names one.
        paddr: Option<u64>,
    },
    /// `ep`
    Endpoint,
    /// `notification`
    Notification,
    /// `irq`
    Irq {
        /// Its number, once `irq maps` has given one.
        number: Option<Spanned<u32>>,
    },
    /// `channel`
    Channel {
        /// Its bytes.
        bytes: Spanned<u32>,
    },
    /// `service`
    Service,
    /// `virtio_device`
    VirtioDevice(VirtioDevice),
    /// `wasm_server`
    Server(Server),
    /// `wasm_guest`
    Guest(Box<Guest>),
    /// Declared, but wrongly: nothing more is said about it.
    Broken,
}

/// A device behind a virtio-mmio slot.
#[derive(Clone, Debug)]
pub struct VirtioDevice {
    /// The frame of its registers; none: that has been complained about.
    pub frame: Option<usize>,
    /// Where in the frame they start.
    pub offset: u32,
    /// Where the frame is named.
    pub registers: Span,
    /// Its interrupt; none: that has been complained about.
    pub irq: Option<usize>,
    /// Where the interrupt is named.
    pub interrupt: Span,
}

/// A process server.
#[derive(Clone, Debug)]
pub struct Server {
    /// Priority of its service threads.
    pub prio: u8,
    /// Bytes of heap.
    pub heap: u32,
    /// What happens when it faults.
    pub restart: Restart,
}

/// A guest.
#[derive(Clone, Debug)]
pub struct Guest {
    /// The server that runs it; none: that has been complained about.
    pub server: Option<usize>,
    /// Name of its module.
    pub module: Spanned<String>,
    /// Priority of its thread.
    pub prio: Spanned<u8>,
    /// Bytes of native stack.
    pub stack: Spanned<u32>,
    /// Milliseconds it may run.
    pub deadline_ms: Option<u32>,
    /// When it starts.
    pub start: Start,
    /// What happens when it ends.
    pub restart: Restart,
    /// The groups of hostcalls that it is granted, each with the place where.
    pub groups: Vec<(Group, Span)>,
    /// How much it may have of what.
    pub limits: Limits,
    /// Where `handles` is given, if it is.
    pub handles: Option<Span>,
    /// Arguments.
    pub args: Vec<String>,
    /// Environment.
    pub env: Vec<String>,
}

/// A capability.
#[derive(Clone, Debug)]
pub struct Cap {
    /// Its slot.
    pub slot: String,
    /// Where it is written.
    pub span: Span,
    /// The object that it designates, by its index.
    pub target: usize,
    /// What it allows.
    pub rights: Rights,
}

impl Guest {
    /// Where it is granted a group of hostcalls, if it is.
    pub fn granted(&self, group: Group) -> Option<Span> {
        let mut groups = self.groups.iter();
        groups.find_map(|&(granted, span)| (granted == group).then_some(span))
    }
}

impl Kind {
    /// The object type, with its article.
    pub fn describe(&self) -> &'static str {
        match self {
            Self::Untyped { .. } => "an untyped",
            Self::Frame { .. } => "a frame",
            Self::Endpoint => "an endpoint",
            Self::Notification => "a notification",
            Self::Irq { .. } => "an interrupt",
            Self::Channel { .. } => "a channel",
            Self::Service => "a service",
            Self::VirtioDevice(_) => "a virtio device",
            Self::Server(_) => "a process server",
            Self::Guest(_) => "a guest",
            Self::Broken => "an object",
        }
    }
}

impl Object {
    /// The object in the slot `memory`.
    pub fn memory(&self) -> Option<(usize, Span)> {
        let memory = self.caps.iter().find(|cap| cap.slot == "memory")?;
        Some((memory.target, memory.span))
    }
}
