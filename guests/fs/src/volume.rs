// SPDX-License-Identifier: BSD-2-Clause
//! The file system, and when what was changed is made durable: when a client asks, when it has been
//! changed for some seconds, and when the guest is asked to stop. A while after the last change it is also put to rest,
//! so that a host can read the disk as it is.

use alloc::{format, rc::Rc, string::String, vec::Vec};
use core::{
    cell::{Cell, RefCell},
    future::{Future, poll_fn},
    task::{Poll, Waker},
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
    /// None while there is no disk.
    fs: RefCell<Option<FileSystem<Block>>>,
    read_only: bool,
    cache: usize,
    begin: Instant,
    sync: Duration,
    /// It turned out, while it was used, that the disk is lost.
    is_lost: Rc<Cell<bool>>,
    /// Counts the disks that were lost.
    losses: Cell<u32>,
    /// Those who wait for the next loss.
    waiting: RefCell<Vec<Waker>>,
    /// Whether somebody looks after what was changed.
    is_watched: Cell<bool>,
    /// Counts the times that it was used.
    uses: Cell<u64>,
}

impl Volume {
    /// Without a disk.
    pub fn new(config: &Config) -> Self {
        Self {
            fs: RefCell::new(None),
            read_only: config.is_read_only,
            cache: config.cache as usize,
            begin: Instant::now(),
            sync: Duration::from_secs(config.sync.into()),
            is_lost: Rc::default(),
            losses: Cell::new(0),
            waiting: RefCell::default(),
            is_watched: Cell::new(false),
            uses: Cell::new(0),
        }
    }

    /// What is set when it turns out that the disk is lost.
    pub const fn is_lost(&self) -> &Rc<Cell<bool>> {
        &self.is_lost
    }

    /// Goes on with this disk.
    pub fn mount(&self, disk: Block) -> Result<(), MountError> {
        self.is_lost.set(false);
        let options = Options {
            read_only: self.read_only,
            cache: self.cache,
        };
        let fs = FileSystem::mount(disk, options)?;
        *self.fs.borrow_mut() = Some(fs);
        Ok(())
    }

    /// Whether there is a disk.
    pub fn is_mounted(&self) -> bool {
        self.fs.borrow().is_some()
    }

    /// Goes on without a disk. What was not made durable is lost, as when the power fails: who has something open
    /// is to learn of that.
    pub fn lose(&self) {
        let fs = self.fs.take();
        if fs.is_none() {
            return;
        }
        drop(fs);
        self.losses.set(self.losses.get().wrapping_add(1));
        for waker in self.waiting.take() {
            waker.wake();
        }
    }

    /// How many disks were lost: what a client has open on one is nothing on the next.
    pub const fn losses(&self) -> u32 {
        self.losses.get()
    }

    /// Waits until the disk that there is now, or the next one, is lost.
    pub fn lost(self: &Rc<Self>) -> impl Future<Output = ()> + use<> {
        let (volume, losses) = (self.clone(), self.losses.get());
        poll_fn(move |cx| {
            if volume.losses.get() != losses {
                return Poll::Ready(());
            }
            let mut waiting = volume.waiting.borrow_mut();
            if !waiting.iter().any(|waker| waker.will_wake(cx.waker())) {
                waiting.push(cx.waker().clone());
            }
            Poll::Pending
        })
    }

    /// What is on the disk, in a line for the log.
    pub fn describe(&self) -> String {
        let mut fs = self.fs.borrow_mut();
        let Some(fs) = fs.as_mut() else {
            return "no disk".into();
        };
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
    ///
    /// # Errors
    /// [`Error::NoDevice`] while there is no disk; also if it was lost meanwhile, and with it what `f` has done.
    pub fn with<R>(
        self: &Rc<Self>,
        f: impl FnOnce(&mut FileSystem<Block>) -> R,
    ) -> Result<R, Error> {
        self.uses.set(self.uses.get().wrapping_add(1));
        let (result, is_dirty) = self.work(|fs| {
            fs.set_uptime(self.begin.elapsed());
            (f(fs), fs.is_dirty())
        })?;
        if is_dirty && !self.is_watched.replace(true) {
            spawn(self.clone().watch());
        }
        Ok(result)
    }

    fn work<R>(&self, f: impl FnOnce(&mut FileSystem<Block>) -> R) -> Result<R, Error> {
        let result = {
            let mut fs = self.fs.borrow_mut();
            f(fs.as_mut().ok_or(Error::NoDevice)?)
        };
        if self.is_lost.get() {
            self.lose();
            return Err(Error::NoDevice);
        }
        Ok(result)
    }

    /// Makes durable what was changed, and puts the disk to rest when nobody changes anything any more.
    async fn watch(self: Rc<Self>) {
        loop {
            sleep(self.sync).await;
            self.tell(self.work(FileSystem::sync));
            let uses = self.uses.get();
            sleep(REST).await;
            if self.uses.get() == uses {
                let settled = self.work(|fs| (fs.settle(), fs.is_dirty()));
                let (settled, is_dirty) = match settled {
                    Ok((settled, is_dirty)) => (Ok(settled), is_dirty),
                    Err(error) => (Err(error), false),
                };
                self.tell(settled);
                if !is_dirty {
                    self.is_watched.set(false);
                    return;
                }
            }
        }
    }

    /// What nobody waits for can fail, too: it is tried again.
    fn tell(&self, result: Result<Result<(), fs_ext4::Error>, Error>) {
        // Of a disk that is lost, others tell.
        if let Ok(Err(error)) = result {
            warn!(
                "changes cannot be written to the disk: {}; trying again",
                told(error)
            );
        }
    }

    /// Makes all durable and puts the disk to rest.
    pub fn end(&self) -> Result<(), Error> {
        self.work(FileSystem::settle)?.map_err(told)
    }
}
