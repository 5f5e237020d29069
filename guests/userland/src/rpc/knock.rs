// SPDX-License-Identifier: BSD-2-Clause
//! How a client comes to a connection.

use core::task::{Context, Poll};

use serde::Serialize;

use super::{
    client::Options,
    error::{ConnectError, Refusal},
    owned::Owned,
    porch::Porch,
    wire::{self, Header, Hello, REFUSED, SendError, VERSION, WELCOME, layout, pages_for},
};
use crate::{
    Pid, Rights,
    channel::{Channel, EndInfo, Place, ReadError, Reader, Strength, Watch, Writer},
    future::{Either, select},
    handle::{Capability as _, Terms},
    port::codec::{Copy, Encoder},
    shm::Region,
};

/// A client's end of a connection.
pub(super) struct Link {
    pub requests: Writer,
    replies: Reader,
    watch: Watch,
    encoder: Encoder,
    copy: Copy,
    /// Bytes of the longest frame.
    longest: usize,
    server: Pid,
    region: Owned,
}

/// What the service says of itself.
pub(super) struct Welcome {
    pub generation: u32,
    /// Calls that may be under way.
    pub limit: u32,
}

/// Finds a service and connects.
pub(super) async fn knock(
    porch: &Porch,
    channel: &Channel,
    options: &Options,
) -> Result<(Link, Welcome), ConnectError> {
    loop {
        let (mut link, service) = Link::new(porch.region(), channel, options).await?;
        if let Some(welcome) = link.welcome(channel, porch.region(), &service).await? {
            return Ok((link, welcome));
        }
        // The service has ended meanwhile. Another will not know of this connection.
    }
}

/// The service at a door, once there is one.
async fn service_at(door: &Region, channel: &Channel, seen: &mut u32) -> EndInfo {
    loop {
        if let Some(end) = channel
            .readers()
            .into_iter()
            .find(|end| is_there(door, end))
        {
            return end;
        }
        channel.changed(seen).await;
    }
}

fn is_there(door: &Region, end: &EndInfo) -> bool {
    // Refused when the door is lost: there is nobody then.
    end.strength == Strength::Strong && door.is_held_by(end.owner).unwrap_or(false)
}

impl Link {
    /// Makes a connection, and hands it in at the door; answers who is there.
    async fn new(
        door: &Region,
        channel: &Channel,
        options: &Options,
    ) -> Result<(Self, EndInfo), ConnectError> {
        let mut seen = 0;
        let service = service_at(door, channel, &mut seen).await;
        let region = Region::alloc(pages_for(options.longest)).map_err(ConnectError::Region)?;
        let region = Owned(region);
        let place = Place::new(&region.0, Rights::READ_WRITE).map_err(ConnectError::Region)?;
        let me = place.me();
        let link = Self::over(&place, region, service.owner, &options.name)?;

        let terms = Terms::once(Rights::READ_WRITE);
        let token = link.region.0.share(terms).map_err(ConnectError::Region)?;
        let hello = Hello {
            version: VERSION,
            pid: me.0,
            token: token.to_bytes(),
        };
        // A weak one: that it goes is no end of the channel.
        let mut writer = loop {
            match channel.writer(Strength::Weak, &options.name) {
                Ok(writer) => break writer,
                Err(_) => channel.changed(&mut seen).await,
            }
        };
        let mut encoder = Encoder::default();
        let most = writer.max_frame() as usize;
        if let Ok(hello) = encoder.encode(&[], &hello, most) {
            writer
                .send(hello)
                .await
                .map_err(|_| ConnectError::Refused(Refusal::Unsuitable))?;
        }
        Ok((link, service))
    }

    /// The client's ends of a connection in this place.
    pub fn over(
        place: &Place,
        region: Owned,
        server: Pid,
        name: &str,
    ) -> Result<Self, ConnectError> {
        let (half, config) = layout(place.len());
        let requests = place.channel(0, half, Some(&config))?;
        let replies = place.channel(half, half, Some(&config))?;
        let taken = |_| ConnectError::Region(crate::Error::Busy);
        Ok(Self {
            requests: requests.writer(Strength::Strong, name).map_err(taken)?,
            replies: replies.reader(Strength::Strong, name).map_err(taken)?,
            watch: Watch::default(),
            encoder: Encoder::default(),
            copy: Copy::default(),
            longest: config.max_frame() as usize,
            server,
            region,
        })
    }

    /// What the service says first; none if it is gone.
    async fn welcome(
        &mut self,
        channel: &Channel,
        door: &Region,
        service: &EndInfo,
    ) -> Result<Option<Welcome>, ConnectError> {
        let mut seen = 0;
        loop {
            match select(self.replies.borrow(), channel.changed(&mut seen)).await {
                Either::First(Ok(frame)) => {
                    let first = self.copy.of(&frame, self.longest).and_then(Header::of);
                    return match first {
                        Some((header, _)) => read_welcome(header).map(Some),
                        None => Err(ConnectError::Refused(Refusal::Unsuitable)),
                    };
                }
                Either::First(Err(_)) => return Ok(None),
                Either::Second(()) => {
                    let is_it = |end: &EndInfo| {
                        (end.owner, end.generation) == (service.owner, service.generation)
                    };
                    let mut ends = channel.readers().into_iter();
                    if !ends.any(|end| is_it(&end) && is_there(door, &end)) {
                        return Ok(None);
                    }
                }
            }
        }
    }

    /// The first frame, if it is there, where nobody is waited for.
    #[cfg(test)]
    pub fn try_welcome(&mut self) -> Option<Result<Welcome, ConnectError>> {
        let frame = self.replies.try_borrow().unwrap()?;
        let (header, _) = self.copy.of(&frame, self.longest).and_then(Header::of)?;
        Some(read_welcome(header))
    }

    /// Whether the service lives and holds the connection.
    pub fn is_alive(&self) -> bool {
        self.region.is_held_by(self.server)
    }

    /// Writes a request, if there is room.
    #[inline]
    pub fn send<Q: Serialize>(&mut self, header: Header, request: &Q) -> Result<(), SendError> {
        wire::send(
            &mut self.requests,
            &mut self.encoder,
            header,
            request,
            self.longest,
        )
    }

    /// Writes a request; says whether it did, as [`Writer::poll_send`].
    pub fn poll_send<Q: Serialize>(
        &mut self,
        cx: &Context<'_>,
        room: &mut Watch,
        header: Header,
        request: &Q,
    ) -> Poll<Result<bool, SendError>> {
        let frame = match self
            .encoder
            .encode(&header.to_bytes(), request, self.longest)
        {
            Ok(frame) => frame,
            Err(error) => return Poll::Ready(Err(error.into())),
        };
        let sent = self.requests.poll_send(cx, room, frame);
        sent.map(|sent| sent.map_err(SendError::from))
    }

    /// Looks at the next frame from the service, as [`Reader::poll_borrow`]. One that is no frame of a service
    /// is corrupt.
    #[inline]
    pub fn poll_reply<T>(
        &mut self,
        cx: &Context<'_>,
        look: impl FnOnce(Header, &[u8]) -> T,
    ) -> Poll<Result<Option<T>, ReadError>> {
        match self.replies.poll_borrow(cx, &mut self.watch) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Ready(Ok(None)) => Poll::Ready(Ok(None)),
            Poll::Ready(Ok(Some(frame))) => {
                let read = wire::read(frame, &mut self.copy, self.longest, look);
                Poll::Ready(read.map(Some).ok_or(ReadError::Corrupt))
            }
        }
    }
}

fn read_welcome(header: Header) -> Result<Welcome, ConnectError> {
    match header.kind {
        WELCOME => match (header.extra >> 32) as u32 {
            VERSION => Ok(Welcome {
                generation: header.id,
                limit: (header.extra as u32).clamp(1, MAX_CALLS),
            }),
            other => Err(ConnectError::OtherVersion(other)),
        },
        REFUSED => {
            let why = Refusal::from_number(header.extra as u32);
            Err(ConnectError::Refused(why))
        }
        _ => Err(ConnectError::Refused(Refusal::Unsuitable)),
    }
}

/// Most calls that a client has under way, whatever the service says.
const MAX_CALLS: u32 = 1 << 10;
