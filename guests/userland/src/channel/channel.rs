// SPDX-License-Identifier: BSD-2-Clause
//! A channel in a region that this guest holds.

use alloc::{boxed::Box, rc::Rc, string::String, sync::Arc, vec::Vec};
use core::fmt;

use atoll_abi::channel::{DRAINS, ROLE_STRONG, ROLE_WEAK, TERMINATED};

use super::{
    Strength,
    config::Config,
    duplex::Lost,
    link::{Link, Peers, Side},
    open::{OpenError, find, make},
    reader::ReadEnd,
    sync::Ordering::{Relaxed, SeqCst},
    wait::{Doorbell, Reader, Writer},
    writer::{WriteEnd, WriterId},
};
use crate::{
    Error, Handle, Pid, Rights,
    handle::Capability as _,
    shm::{Region, Window},
    start,
    sys::{calls, shared::Shared},
    task::{Event, happen, ring_before_sleep},
    wake::{Bells, Task},
};

/// A channel. Its ends live on when this is dropped.
///
/// ```no_run
/// use userland::{channel::{Channel, Config, Strength}, shm::Region};
///
/// # async fn run(region: Region) -> Result<(), Box<dyn core::error::Error>> {
/// // Who comes first makes it, in a region that all of them hold.
/// let channel = Channel::create(&region, &Config::pipe())?;
/// let mut writer = channel.writer(Strength::Strong, "thermometer")?;
/// writer.send(b"21.5").await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Channel {
    link: Arc<Link>,
    bell: Rc<Doorbell>,
}

/// The channel has as many ends of this kind as it can have.
///
/// See the example of [`Channel`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken;

impl fmt::Display for Taken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the channel has as many ends of this kind as it can have")
    }
}

impl core::error::Error for Taken {}

/// An end of a channel, as it says of itself.
///
/// ```no_run
/// use userland::{channel::Channel, info};
///
/// /// Shows who comes and goes.
/// async fn watch(channel: &Channel) {
///     let mut seen = 0;
///     loop {
///         for end in channel.readers() {
///             info!("{} reads, the {}th in slot {}", end.name, end.generation, end.slot);
///         }
///         channel.changed(&mut seen).await;
///     }
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndInfo {
    /// Its place among those of its side.
    pub slot: u32,
    /// Tells it from those that had the place before: whose peer was started again sees another.
    pub generation: u32,
    /// Whose it is.
    pub owner: Pid,
    /// What it calls itself.
    pub name: String,
    /// How it stands to those of the other side.
    pub strength: Strength,
    /// Frames that passed a reader unseen, or that a writer dropped.
    pub lost: u32,
}

/// Those who hold the region, and the window that keeps the channel's memory in place.
pub(super) struct Holders {
    region: Handle,
    me: Pid,
    /// What the doorbell makes happen in this guest, if its ends wait for that.
    event: Option<Task>,
    _window: Arc<Window>,
}

impl Holders {
    pub(super) const fn new(region: Handle, me: Pid, window: Arc<Window>) -> Self {
        Self {
            region,
            me,
            event: None,
            _window: window,
        }
    }
}

impl Peers for Holders {
    fn me(&self) -> u32 {
        self.me.0
    }

    fn holds(&self, pid: u32) -> bool {
        // Refused when the region is lost; then it does not matter.
        calls::shm::holds(self.region, Pid(pid)).unwrap_or(false)
    }

    fn ring(&self, bells: u32) {
        ring_before_sleep(&Region::from_handle(self.region), Bells(bells));
    }

    fn ring_here(&self) {
        if let Some(event) = self.event {
            happen(event);
        }
    }
}

/// A region that is attached and listened to, for the channels in it.
pub(crate) struct Place {
    region: Handle,
    me: Pid,
    window: Arc<Window>,
    memory: Shared,
    bell: Rc<Doorbell>,
}

impl Place {
    /// Attaches a region.
    pub(crate) fn new(region: &Region, rights: Rights) -> Result<Self, Error> {
        let event = Event::new();
        // Before anything is looked at: what changes from here on is heard.
        event.listen(region, Bells::ALL)?;
        let window = region.attach(rights)?;
        Ok(Self {
            region: region.handle(),
            me: start::pid()?,
            memory: window.shared(),
            window: Arc::new(window),
            bell: Rc::new(Doorbell::new(event)),
        })
    }

    /// This memory, in place of a region that is attached.
    #[cfg(test)]
    pub(crate) fn local(memory: Shared, region: Handle, me: Pid) -> Self {
        let event = Event::new();
        event
            .listen(&Region::from_handle(region), Bells::ALL)
            .unwrap();
        Self {
            region,
            me,
            memory,
            window: Arc::new(Window::new(memory, Rights::READ_WRITE)),
            bell: Rc::new(Doorbell::new(event)),
        }
    }

    /// This guest.
    pub(crate) const fn me(&self) -> Pid {
        self.me
    }

    /// Bytes.
    pub(crate) const fn len(&self) -> u32 {
        self.memory.len()
    }

    /// The memory.
    pub(super) const fn memory(&self) -> &Shared {
        &self.memory
    }

    /// The channel in these bytes; made so, if there is none yet and this says how.
    pub(crate) fn channel(
        &self,
        offset: u32,
        len: u32,
        config: Option<&Config>,
    ) -> Result<Channel, OpenError> {
        let memory = self.memory.part(offset, len).ok_or(OpenError::TooSmall)?;
        let holders = || {
            let mut holders = Holders::new(self.region, self.me, self.window.clone());
            holders.event = Some(self.bell.task());
            holders
        };
        if let Some(config) = config {
            make(&memory, config, &holders())?;
        }
        let link = find(&memory, Box::new(holders()))?;
        if let Some(config) = config {
            if !link.is_as(config) {
                return Err(OpenError::Differs);
            }
            // Others may wait for it.
            link.wake_all();
        }
        Ok(Channel {
            link: Arc::new(link),
            bell: self.bell.clone(),
        })
    }

    /// The channel that begins where this does, once there is one.
    pub(crate) async fn opened(&self) -> Result<Channel, OpenError> {
        let mut seen = self.bell.seen();
        loop {
            match self.channel(0, self.len(), None) {
                Err(OpenError::NotYet) => self.bell.rung(&mut seen).await,
                other => return other,
            }
        }
    }
}

impl Channel {
    /// Makes a channel in a region, from its begin, or takes the one that is there if it was made so.
    /// Needs the rights to read and to write, as both ends do. A guest opens a region once, and takes all the ends
    /// that it wants from there: a region rings for the one who listens last.
    ///
    /// See the example of [`Channel`].
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn create(region: &Region, config: &Config) -> Result<Self, OpenError> {
        let place = Place::new(region, Rights::READ_WRITE)?;
        place.channel(0, place.len(), Some(config))
    }

    /// Takes the channel that is there.
    ///
    /// See the example of [`Channel`].
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open(region: &Region) -> Result<Self, OpenError> {
        let place = Place::new(region, Rights::READ_WRITE)?;
        place.channel(0, place.len(), None)
    }

    /// Takes the channel that is there, once there is one.
    ///
    /// See the example of [`Channel`].
    ///
    /// # Errors
    /// See [`OpenError`]; never [`OpenError::NotYet`].
    pub async fn opened(region: &Region) -> Result<Self, OpenError> {
        Place::new(region, Rights::READ_WRITE)?.opened().await
    }

    /// Reads the channel that is there without the right to write: a weak reader that nobody sees, of what is
    /// written from now on. It can wait for frames if the channel was made with [`Config::taps`].
    ///
    /// See the example of [`Channel::tapped`].
    ///
    /// # Errors
    /// See [`OpenError`]; [`OpenError::Differs`] for a pipe.
    pub fn tap(region: &Region) -> Result<Reader, OpenError> {
        let place = Place::new(region, Rights::READ)?;
        place.channel(0, place.len(), None)?.into_tap()
    }

    /// As [`Channel::tap`], once there is a channel.
    ///
    /// ```no_run
    /// use userland::{channel::Channel, info, shm::Region};
    ///
    /// /// Listens in on what others write.
    /// async fn capture(region: &Region) -> Result<(), Box<dyn core::error::Error>> {
    ///     let mut tap = Channel::tapped(region).await?;
    ///     let mut buffer = [0; 256];
    ///     loop {
    ///         tap.receive(&mut buffer).await?;
    ///         info!("{buffer:?}");
    ///     }
    /// }
    /// ```
    ///
    /// # Errors
    /// See [`OpenError`]; never [`OpenError::NotYet`].
    pub async fn tapped(region: &Region) -> Result<Reader, OpenError> {
        let place = Place::new(region, Rights::READ)?;
        place.opened().await?.into_tap()
    }

    fn into_tap(self) -> Result<Reader, OpenError> {
        // Only its own two ends know how far a pipe is.
        if self.link.is_pipe() {
            return Err(OpenError::Differs);
        }
        let end = ReadEnd::without_slot(&self.link);
        Ok(Reader::new(end, self.bell))
    }

    /// Becomes a writer, of this name.
    ///
    /// See the example of [`Channel`].
    ///
    /// # Errors
    /// [`Taken`].
    pub fn writer(&self, strength: Strength, name: &str) -> Result<Writer, Taken> {
        let end = WriteEnd::new(&self.link, strength, name).ok_or(Taken)?;
        Ok(Writer::new(end, self.bell.clone()))
    }

    /// Becomes a reader, of this name: in a pipe behind the last frame that the reader before released, and
    /// strong; otherwise of what is written from now on.
    ///
    /// See the example of [`Channel`].
    ///
    /// # Errors
    /// [`Taken`].
    pub fn reader(&self, strength: Strength, name: &str) -> Result<Reader, Taken> {
        let end = ReadEnd::new(&self.link, strength, name).ok_or(Taken)?;
        Ok(Reader::new(end, self.bell.clone()))
    }

    /// Has nothing more written. Readers read what is there; then the channel is closed for them.
    ///
    /// See the example of [`Channel`].
    pub fn drain(&self) {
        self.link.end(DRAINS);
    }

    /// Closes the channel: nothing more is written, and what is there is not read.
    ///
    /// See the example of [`Channel`].
    pub fn terminate(&self) {
        self.link.end(TERMINATED);
    }

    /// Whether it was made with this configuration.
    pub(super) fn is_as(&self, config: &Config) -> bool {
        self.link.is_as(config)
    }

    /// Whether somebody has an end of this side, as far as is known.
    pub(super) fn has(&self, side: Side) -> bool {
        self.link.taken(side).next().is_some()
    }

    /// What it means that the channel is closed for a reader: whether its writers have ended it.
    pub(super) fn end_of_bytes<T>(&self) -> Result<Option<T>, Lost> {
        if self.link.is_terminated() {
            Err(Lost::Terminated)
        } else if self.link.drains() {
            Ok(None)
        } else {
            Err(Lost::Gone)
        }
    }

    /// The writers.
    ///
    /// See the example of [`EndInfo`].
    pub fn writers(&self) -> Vec<EndInfo> {
        self.ends(Side::Writers)
    }

    /// The readers that have a slot. One that is listed sees what is written from here on, or learns that it lost
    /// it.
    ///
    /// See the example of [`EndInfo`].
    pub fn readers(&self) -> Vec<EndInfo> {
        self.ends(Side::Readers)
    }

    /// The writer of a frame, if it is there still.
    ///
    /// See the example of [`EndInfo`].
    pub fn writer_of(&self, id: WriterId) -> Option<EndInfo> {
        let is_it =
            |end: &EndInfo| (end.slot, end.generation & 0xffff) == (id.slot(), id.generation());
        self.writers().into_iter().find(is_it)
    }

    /// Waits until what [`Channel::readers`] and [`Channel::writers`] answer may have changed, since this
    /// was last called with this number, at first 0.
    ///
    /// See the example of [`EndInfo`].
    pub async fn changed(&self, seen: &mut u32) {
        self.bell.rung(seen).await;
        self.link.bury(Side::Readers);
        self.link.bury(Side::Writers);
    }

    fn ends(&self, side: Side) -> Vec<EndInfo> {
        let ends = self.link.taken(side).filter_map(|(slot, entry, owner)| {
            Some(EndInfo {
                slot,
                generation: entry.generation.load(Relaxed),
                owner: Pid(owner),
                name: entry.name(),
                strength: match entry.role.load(SeqCst) {
                    ROLE_STRONG => Strength::Strong,
                    ROLE_WEAK => Strength::Weak,
                    // It is not where it is to be.
                    _ => return None,
                },
                lost: entry.lost.load(Relaxed),
            })
        });
        ends.collect()
    }
}

impl From<Error> for OpenError {
    fn from(error: Error) -> Self {
        Self::Region(error)
    }
}
