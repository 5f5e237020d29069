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

use fs_ext4::{DiskError, MountError};
use fs_tree::config::Config;
use userland::{device::Device, health, info, start::Start, task::stopping, warn};

use disk::Block;
use volume::Volume;

/// The slot of the disk.
const DEVICE: &str = "disk";

type Failure = Box<dyn core::error::Error>;

#[userland::entrypoint]
async fn main(start: Start) -> Result<(), Failure> {
    let config = Config::parse(start.args())?;
    health::serve();
    let Some(device) = start.capability::<Device>(DEVICE) else {
        return Err(
            "there is no disk: let the spec give this guest a virtio_device named `disk`".into(),
        );
    };
    let disk = Block::new(device)?;
    let volume = Volume::mount(disk, &config).map_err(explain)?;
    let volume = Rc::new(volume);
    info!("{}", volume.describe());
    for client in &config.clients {
        let Some(region) = start.region(&client.name) else {
            warn!(
                "an argument says what `{0}` may do, and there is no region in a slot of this name: let the spec give \
                 one to this guest and to the client",
                client.name
            );
            continue;
        };
        door::open(&volume, client, &region)
            .map_err(|error| format!("the client `{}`: {error}", client.name))?;
    }
    stopping().await;
    volume.end()?;
    info!("all is on the disk");
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
