// SPDX-License-Identifier: BSD-2-Clause
//! The file system, and when what was changed is made durable: when a client asks, when it has been
//! changed for some seconds, and when the guest is asked to stop. A while after the last change it is also put to rest,
//! so that a host can read the disk as it is.

use alloc::{format, rc::Rc, string::String};
use core::{
    cell::{Cell, RefCell},
    time::Duration,
};

use atoll_abi::fs::Error;
use fs_ext4::{FileSystem, MountError, Options};
use fs_tree::{config::Config, told};
use userland::{
    task::spawn,
    time::{Instant, sleep},
    warn,
};

use crate::disk::Block;

/// How long nobody has to change anything for the disk to be put to rest.
const REST: Duration = Duration::from_secs(1);

pub struct Volume {
    fs: RefCell<FileSystem<Block>>,
    begin: Instant,
    sync: Duration,
    /// Whether somebody looks after what was changed.
    is_watched: Cell<bool>,
    /// Counts the times that it was used.
    uses: Cell<u64>,
}

impl Volume {
    pub fn mount(disk: Block, config: &Config) -> Result<Self, MountError> {
        let options = Options {
            read_only: config.is_read_only,
            cache: config.cache as usize,
        };
        Ok(Self {
            fs: RefCell::new(FileSystem::mount(disk, options)?),
            begin: Instant::now(),
            sync: Duration::from_secs(config.sync.into()),
            is_watched: Cell::new(false),
            uses: Cell::new(0),
        })
    }

    /// What is on the disk, in a line for the log.
    pub fn describe(&self) -> String {
        let mut fs = self.fs.borrow_mut();
        let access = match fs.is_read_only() {
            true => ", read only",
            false => "",
        };
        match fs.space() {
            Ok(space) => {
                let kib = u64::from(space.block_size) / 1024;
                format!(
                    "ext4, {} MiB, {} MiB free{access}",
                    (space.blocks * kib) >> 10,
                    (space.free_blocks * kib) >> 10
                )
            }
            Err(_) => format!("ext4{access}"),
        }
    }

    /// Lets `f` work on the file system. What it changed is made durable soon.
    pub fn with<R>(self: &Rc<Self>, f: impl FnOnce(&mut FileSystem<Block>) -> R) -> R {
        let mut fs = self.fs.borrow_mut();
        fs.set_uptime(self.begin.elapsed());
        self.uses.set(self.uses.get().wrapping_add(1));
        let result = f(&mut fs);
        if fs.is_dirty() && !self.is_watched.replace(true) {
            spawn(self.clone().watch());
        }
        result
    }

    /// Makes durable what was changed, and puts the disk to rest when nobody changes anything any more.
    async fn watch(self: Rc<Self>) {
        loop {
            sleep(self.sync).await;
            self.tell(self.fs.borrow_mut().sync());
            let uses = self.uses.get();
            sleep(REST).await;
            if self.uses.get() == uses {
                self.tell(self.fs.borrow_mut().settle());
                if !self.fs.borrow().is_dirty() {
                    self.is_watched.set(false);
                    return;
                }
            }
        }
    }

    /// What nobody waits for can fail, too: it is tried again.
    fn tell(&self, result: Result<(), fs_ext4::Error>) {
        if let Err(error) = result {
            warn!(
                "changes cannot be written to the disk: {}; trying again",
                told(error)
            );
        }
    }

    /// Makes all durable and puts the disk to rest.
    pub fn end(&self) -> Result<(), Error> {
        self.fs.borrow_mut().settle().map_err(told)
    }
}
