// SPDX-License-Identifier: BSD-2-Clause
//! Owns the entropy device (slot `rng`), and feeds the process server's generator from it: at its start, and
//! a little again and again, so that a generator whose state got out is unknown again.
//!
//! What the device gives is mixed with what the server had, so a device that gives always the same makes
//! nothing worse. It cannot be told from one that is good, either: there is no test of randomness here.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::boxed::Box;
use core::{convert::Infallible, pin::pin, time::Duration};

use drivers::virtio::{self, Hal, Transport};
use drivers::virtio_drivers::device::rng::VirtIORng;
use userland::{
    device::Device,
    entropy_source,
    future::{Either, Either3, select, select3},
    handle::Slot,
    info,
    start::Start,
    task::stopping,
    time::{interval, timeout},
    warn,
};

/// The slot of the entropy device.
const DEVICE: &str = "rng";
/// Bytes at the start: twice what a seed has.
const AT_START: usize = 64;
/// Bytes each time after that.
const AGAIN: usize = 32;
/// From one time to the next.
const PERIOD: Duration = Duration::from_secs(300);
/// By when there is a notice of what has made a call fail.
const SOON: Duration = Duration::from_millis(10);
/// How often the device is asked for what one call did not give: it may give as little as a byte
/// (virtio 1.2, section 5.4.6).
const CALLS: usize = 256;

type Failure = Box<dyn core::error::Error>;

#[userland::entrypoint]
async fn main(start: Start) -> Result<(), Failure> {
    let mut slot = Slot::<Device>::new(&start, DEVICE)?;
    if slot.get().is_none() {
        warn!(
            "there is no device; if nobody has taken it, let the spec give this guest a virtio_device named `rng`"
        );
    }
    let mut stop = pin!(stopping());
    loop {
        let device = match select(slot.filled(), stop.as_mut()).await {
            Either::First(device) => device?,
            Either::Second(()) => return Ok(()),
        };
        let failure = match select3(serve(device), slot.emptied(), stop.as_mut()).await {
            Either3::First(Err(failure)) => Some(failure),
            Either3::First(Ok(never)) => match never {},
            Either3::Second(_) => None,
            Either3::Third(()) => return Ok(()),
        };
        // The failure may be that the device was taken in the midst of it: of that there is a notice.
        if let Some(failure) = failure
            && timeout(SOON, slot.emptied()).await.is_err()
        {
            return Err(failure);
        }
        warn!("the device is gone: the generator does without, until it is given back");
    }
}

/// Feeds the generator from a device.
async fn serve(device: Device) -> Result<Infallible, Failure> {
    let mut source = virtio::entropy(device)?;
    feed::<AT_START>(&mut source)?;
    info!(
        "the generator was fed {AT_START} bytes of a device, and gets {AGAIN} more every {} s",
        PERIOD.as_secs()
    );
    let mut times = interval(PERIOD);
    loop {
        times.tick().await;
        feed::<AGAIN>(&mut source)?;
    }
}

/// Has the device give `N` bytes, and the server's generator take them.
fn feed<const N: usize>(source: &mut VirtIORng<Hal, Transport>) -> Result<(), Failure> {
    let mut bytes = [0; N];
    let mut have = 0;
    for _ in 0..CALLS {
        let Some(rest) = bytes.get_mut(have..).filter(|rest| !rest.is_empty()) else {
            return Ok(entropy_source::feed(&bytes)?);
        };
        have += source
            .request_entropy(rest)
            .map_err(drivers::Error::Driver)?;
    }
    Err(alloc::format!("the device gave {have} bytes in {CALLS} requests").into())
}
