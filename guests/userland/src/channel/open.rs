// SPDX-License-Identifier: BSD-2-Clause
//! Making a channel in memory of zeros, and finding one there.

use alloc::boxed::Box;
use core::fmt;

use atoll_abi::channel::{ALWAYS, FLAG_PIPE, FLAG_TAPS, Geometry, MAGIC, SHARED, VERSION};

use super::{
    config::Config,
    layout::{Header, View},
    link::{Link, Peers},
    memory::{Memory, One},
    sync::Ordering::{Acquire, Relaxed, Release, SeqCst},
};

/// Why there is no channel.
///
/// See the example of [`Channel`](super::Channel).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenError {
    /// Nobody has made one yet, or somebody is at it.
    NotYet,
    /// The region is too small for it.
    TooSmall,
    /// What is there is no channel, or one of another version.
    NoChannel,
    /// What is there was made with another configuration.
    Differs,
    /// The region cannot be used.
    Region(crate::Error),
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Region(error) => return write!(f, "the region: {error}"),
            Self::NotYet => "nobody has made a channel there yet",
            Self::TooSmall => "the region is too small for this channel",
            Self::NoChannel => "there is no channel of this version",
            Self::Differs => "the channel was made with another configuration",
        })
    }
}

impl core::error::Error for OpenError {}

/// Makes a channel, unless there is one, or somebody alive makes one.
pub(super) fn make(memory: &Memory, config: &Config, peers: &dyn Peers) -> Result<(), OpenError> {
    if memory.len() < config.bytes() {
        return Err(OpenError::TooSmall);
    }
    let header = One::<Header>::of(memory, 0).ok_or(OpenError::TooSmall)?;
    let header = header.get();
    let me = peers.me();
    let maker = header.maker.load(SeqCst);
    let is_free = maker == 0 || maker == me || !peers.holds(maker);
    if header.magic.load(Acquire) != 0 {
        return Ok(());
    }
    let claimed = is_free
        && (header.maker)
            .compare_exchange(maker, me, SeqCst, Relaxed)
            .is_ok();
    if !claimed || header.magic.load(Acquire) != 0 {
        return Err(OpenError::NotYet);
    }
    let geometry = &config.geometry;
    for (word, value) in [
        (&header.version, VERSION),
        (&header.flags, config.flags),
        (&header.frames, geometry.frames),
        (&header.data, geometry.data),
        (&header.writers, geometry.writers),
        (&header.readers, geometry.readers),
        (&header.credits, config.credits),
    ] {
        word.store(value, Relaxed);
    }
    let view = View::of(memory, config.geometry).ok_or(OpenError::TooSmall)?;
    let shared = if config.flags & FLAG_PIPE == 0 {
        SHARED
    } else {
        0
    };
    let always = if config.flags & FLAG_TAPS == 0 {
        0
    } else {
        ALWAYS
    };
    view.readers_word.get().fetch_or(shared | always, Relaxed);
    view.writers_word.get().fetch_or(shared, Relaxed);
    // Who sees it sees the rest.
    header.magic.store(MAGIC, Release);
    Ok(())
}

/// Finds the channel that is there. What its header says is checked and copied: whatever becomes of it
/// afterwards, the parts stay where they are.
pub(super) fn find(memory: &Memory, peers: Box<dyn Peers>) -> Result<Link, OpenError> {
    let header = One::<Header>::of(memory, 0).ok_or(OpenError::TooSmall)?;
    let header = header.get();
    match header.magic.load(Acquire) {
        0 => return Err(OpenError::NotYet),
        MAGIC if header.version.load(Relaxed) == VERSION => {}
        _ => return Err(OpenError::NoChannel),
    }
    let geometry = Geometry {
        frames: header.frames.load(Relaxed),
        data: header.data.load(Relaxed),
        writers: header.writers.load(Relaxed),
        readers: header.readers.load(Relaxed),
    };
    Ok(Link {
        flags: header.flags.load(Relaxed),
        credits: header.credits.load(Relaxed),
        view: View::of(memory, geometry).ok_or(OpenError::NoChannel)?,
        peers,
        ends: Default::default(),
    })
}
