// SPDX-License-Identifier: BSD-2-Clause
//! The device, for the stack: frames are read where the device has put them, and written where it takes them from.
//! While there is none, what is sent is lost, as on a cable that nobody has plugged in.

use alloc::{boxed::Box, vec::Vec};

use atoll_abi::net::Traffic;
use drivers::{
    Error,
    net::{Nic, Rest, Slot},
};
use net_stack::smoltcp::{
    phy::{self, Device, DeviceCapabilities, Medium},
    time::Instant,
};

/// The longest frame: a packet of 1500 bytes, and before it the Ethernet header.
const MAX_FRAME: usize = 1514;

#[derive(Default)]
pub struct Wire {
    nic: Option<Box<Nic>>,
    /// Where frames are written that nobody sends.
    nowhere: Vec<u8>,
    traffic: Traffic,
}

impl Wire {
    /// Goes on with this device, or without one.
    pub fn plug(&mut self, nic: Option<Box<Nic>>) {
        self.nic = nic;
    }

    /// What has gone through it.
    pub const fn traffic(&self) -> Traffic {
        self.traffic
    }

    /// Takes what the device has done; answers whether the link is up if that may have changed.
    pub fn take(&mut self) -> Result<Option<bool>, Error> {
        let Some(nic) = &mut self.nic else {
            return Ok(None);
        };
        match nic.ack()? {
            true => nic.has_link().map(Some),
            false => Ok(None),
        }
    }

    /// Gives the device what there is for it.
    pub fn give(&mut self) -> Result<Rest, Error> {
        self.nic.as_mut().map_or(Ok(Rest::None), |nic| nic.flush())
    }
}

pub struct Received<'a>(&'a [u8]);

pub struct Sending<'a> {
    place: Place<'a>,
    traffic: &'a mut Traffic,
}

/// Where a frame that is to be sent is written.
enum Place<'a> {
    Device(Slot<'a>),
    Nowhere(&'a mut Vec<u8>),
}

impl phy::RxToken for Received<'_> {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(self.0)
    }
}

impl phy::TxToken for Sending<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        match self.place {
            Place::Device(slot) => {
                self.traffic.frames_sent += 1;
                self.traffic.bytes_sent += len as u64;
                slot.send(len, f)
            }
            Place::Nowhere(bytes) => {
                bytes.clear();
                bytes.resize(len, 0);
                f(bytes)
            }
        }
    }
}

impl Device for Wire {
    type RxToken<'a> = Received<'a>;
    type TxToken<'a> = Sending<'a>;

    fn receive(&mut self, _: Instant) -> Option<(Received<'_>, Sending<'_>)> {
        let Self { nic, traffic, .. } = self;
        let (frame, slot) = nic.as_mut()?.receive()?;
        traffic.frames_received += 1;
        traffic.bytes_received += frame.len() as u64;
        let place = Place::Device(slot);
        Some((Received(frame), Sending { place, traffic }))
    }

    fn transmit(&mut self, _: Instant) -> Option<Sending<'_>> {
        let Self {
            nic,
            nowhere,
            traffic,
        } = self;
        let place = match nic {
            Some(nic) => Place::Device(nic.transmit()?),
            None => Place::Nowhere(nowhere),
        };
        Some(Sending { place, traffic })
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ethernet;
        capabilities.max_transmission_unit = MAX_FRAME;
        capabilities
    }
}
