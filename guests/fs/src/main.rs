// SPDX-License-Identifier: BSD-2-Clause
//! Owns a disk (slot `disk`) with an ext4 file system, and gives files to others, as far as its arguments say
//! ([`fs_tree::config`]). What it and its clients say to each other is in `atoll_abi::fs`.
//!
//! * `disk`: the device, for the file system.
//! * `volume`: the file system, and when what was changed is made durable.
//! * `door`: a client, and what it asks for.
//! * `buffer`: the regions that a client hands in.
//!
//! One request is worked on at a time, and the guest sleeps while the disk works: there is one disk, and it
//! has one queue.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

extern crate alloc;

mod buffer;
mod disk;
mod door;
mod volume;

use alloc::{boxed::Box, format, rc::Rc, string::String};
use core::pin::pin;

use fs_ext4::{DiskError, MountError};
use fs_tree::config::Config;
use userland::{
    device::Device,
    error,
    future::{Either, select},
    handle::Slot,
    health, info,
    start::Start,
    task::stopping,
    warn,
};

use disk::{Block, is_loss};
use volume::Volume;

/// The slot of the disk.
const DEVICE: &str = "disk";

type Failure = Box<dyn core::error::Error>;

#[userland::entrypoint]
async fn main(start: Start) -> Result<(), Failure> {
    let config = Config::parse(start.args())?;
    health::serve();
    let mut slot = Slot::<Device>::new(&start, DEVICE)?;
    let volume = Rc::new(Volume::new(&config));
    match slot.get() {
        Some(device) => mount(&volume, device)?,
        None => warn!(
            "there is no disk; if nobody has taken it, let the spec give this guest a virtio_device named `disk`"
        ),
    }
    let doors = Rc::default();
    for client in &config.clients {
        let door = Slot::new(&start, &client.name)?;
        if door.get().is_none() {
            warn!(
                "an argument says what `{0}` may do, and there is no region in a slot of this name: if nobody has taken \
                 it, let the spec give one to this guest and to the client",
                client.name
            );
        }
        door::open(&volume, &doors, client, door);
    }
    let mut stop = pin!(stopping());
    let mut has_disk = slot.get().is_some();
    loop {
        let device = match select(slot.filled(), stop.as_mut()).await {
            Either::First(device) => device?,
            Either::Second(()) => return Ok(()),
        };
        if !has_disk && let Err(failure) = mount(&volume, device) {
            error!("{failure}; waits for another disk");
        }
        match select(slot.emptied(), stop.as_mut()).await {
            Either::First(why) => {
                volume.lose();
                warn!(
                    "the disk is gone ({:?}); waits until it is given back",
                    why?
                );
            }
            Either::Second(()) => break,
        }
        has_disk = false;
    }
    if volume.is_mounted() {
        volume.end()?;
        info!("all is on the disk");
    }
    Ok(())
}

/// Takes a disk up. To lose it meanwhile is no failure.
fn mount(volume: &Volume, device: Device) -> Result<(), Failure> {
    let mounted = match Block::new(device, volume.is_lost()) {
        Ok(disk) => volume.mount(disk),
        Err(error) if is_loss(error) => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    match mounted {
        Ok(()) => info!("{}", volume.describe()),
        Err(_) if volume.is_lost().get() => {}
        Err(error) => return Err(explain(error).into()),
    }
    Ok(())
}

/// Says what to do about a disk that is not mounted.
fn explain(error: MountError) -> String {
    match error {
        MountError::Disk(DiskError::OutOfRange) => {
            "the disk is too small for a file system".into()
        }
        MountError::Disk(error) => format!("{error}"),
        MountError::NotExt => {
            "there is no ext4 file system on the disk; `mke2fs -t ext4 FILE SIZE` makes one".into()
        }
        MountError::Features(bits) => format!(
            "the file system uses features that are not known here (s_feature_incompat {bits:#x}); `tune2fs -l` \
             names them, `mke2fs -O ^NAME` makes one without"
        ),
        MountError::FeaturesToWrite(bits) => format!(
            "the file system uses features that can only be read here (s_feature_ro_compat {bits:#x}); the argument \
             `read-only` mounts it, `mke2fs -O ^NAME` makes one without"
        ),
        MountError::JournalFeatures(bits) => format!(
            "the file system's journal uses features that are not known here ({bits:#x}); `tune2fs -O ^has_journal` and \
             `tune2fs -O has_journal` make it anew"
        ),
        MountError::JournalElsewhere => {
            "the file system's journal is on another disk; `tune2fs -O ^has_journal` and `tune2fs -O has_journal` make \
             one on this"
                .into()
        }
        MountError::NoJournal => {
            "the file system has no journal, and would be damaged by a power failure; `tune2fs -O has_journal` adds \
             one, the argument `read-only` does without"
                .into()
        }
        MountError::NeedsRecovery => {
            "the file system was not left clean, and the disk takes no writes; `e2fsck -E journal_only` on a host puts \
             that right"
                .into()
        }
        MountError::Truncated(sectors) => format!(
            "the file system is larger than the disk, by {sectors} sectors; `resize2fs` or a larger disk puts that right"
        ),
        MountError::Corrupt(what) => {
            format!("the file system is damaged ({what}); `e2fsck` on a host may put that right")
        }
    }
}
