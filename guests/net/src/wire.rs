// SPDX-License-Identifier: BSD-2-Clause
//! The device, for the stack: frames are read where the device has put them, and written where it takes them from.

use atoll_abi::net::Traffic;
use drivers::{
    Error,
    net::{Nic, Rest, Slot},
};
use net_stack::smoltcp::{
    phy::{self, Device, DeviceCapabilities, Medium},
    time::Instant,
};
use userland::device::Device as Handle;

/// The longest frame: a packet of 1500 bytes, and before it the Ethernet header.
const MAX_FRAME: usize = 1514;

pub struct Wire {
    nic: Nic,
    traffic: Traffic,
}

impl Wire {
    pub fn new(device: Handle) -> Result<Self, Error> {
        Ok(Self {
            nic: Nic::new(device)?,
            traffic: Traffic::default(),
        })
    }

    pub fn mac(&self) -> [u8; 6] {
        self.nic.mac()
    }

    /// What has gone through it.
    pub const fn traffic(&self) -> Traffic {
        self.traffic
    }

    /// Takes what the device has done; answers whether the link is up if that may have changed.
    pub fn take(&mut self) -> Result<Option<bool>, Error> {
        match self.nic.ack()? {
            true => self.nic.has_link().map(Some),
            false => Ok(None),
        }
    }

    pub fn has_link(&self) -> Result<bool, Error> {
        self.nic.has_link()
    }

    /// Gives the device what there is for it.
    pub fn give(&mut self) -> Result<Rest, Error> {
        self.nic.flush()
    }
}

pub struct Received<'a>(&'a [u8]);

pub struct Sending<'a> {
    slot: Slot<'a>,
    traffic: &'a mut Traffic,
}

impl phy::RxToken for Received<'_> {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(self.0)
    }
}

impl phy::TxToken for Sending<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        self.traffic.frames_sent += 1;
        self.traffic.bytes_sent += len as u64;
        self.slot.send(len, f)
    }
}

impl Device for Wire {
    type RxToken<'a> = Received<'a>;
    type TxToken<'a> = Sending<'a>;

    fn receive(&mut self, _: Instant) -> Option<(Received<'_>, Sending<'_>)> {
        let Self { nic, traffic } = self;
        let (frame, slot) = nic.receive()?;
        traffic.frames_received += 1;
        traffic.bytes_received += frame.len() as u64;
        Some((Received(frame), Sending { slot, traffic }))
    }

    fn transmit(&mut self, _: Instant) -> Option<Sending<'_>> {
        let Self { nic, traffic } = self;
        let slot = nic.transmit()?;
        Some(Sending { slot, traffic })
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ethernet;
        capabilities.max_transmission_unit = MAX_FRAME;
        capabilities
    }
}
