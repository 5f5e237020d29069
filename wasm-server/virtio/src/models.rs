// SPDX-License-Identifier: BSD-2-Clause
//! The real queue between the server and a device that runs at the same time, in loom: no kick and no
//! interrupt is lost, and what an index promises is there.

use loom::{
    model,
    sync::{
        Arc,
        atomic::{AtomicU16, AtomicU64, Ordering::*, fence},
    },
    thread,
};

use crate::{
    access::{Extent, Page, QueueMemory},
    chain::Pieces,
    real::{Parts, Real},
};

/// The words of a queue of two descriptors that are used here.
#[derive(Debug, Default)]
struct Words {
    available_flags: AtomicU16,
    available_index: AtomicU16,
    available: [AtomicU16; 2],
    used_flags: AtomicU16,
    used_index: AtomicU16,
    used: [AtomicU64; 2],
    descriptor: [AtomicU64; 2],
}

#[derive(Clone, Debug, Default)]
struct Pages(Arc<Words>);

impl Pages {
    fn half(&self, page: Page, offset: u32) -> &AtomicU16 {
        match (page, offset) {
            (Page::Rings, 0) => &self.0.available_flags,
            (Page::Rings, 2) => &self.0.available_index,
            (Page::Rings, 4 | 6) => &self.0.available[offset as usize / 2 - 2],
            (Page::Rings, 0x404) => &self.0.used_flags,
            (Page::Rings, 0x406) => &self.0.used_index,
            _ => panic!("{page:?} {offset:#x}"),
        }
    }
}

impl QueueMemory for Pages {
    fn physical(&self, _: Page) -> u64 {
        0
    }

    fn load16(&self, page: Page, offset: u32) -> u16 {
        self.half(page, offset).load(Relaxed)
    }

    fn load16_acquire(&self, page: Page, offset: u32) -> u16 {
        self.half(page, offset).load(Acquire)
    }

    fn load64(&self, _: Page, offset: u32) -> u64 {
        self.0.used[(offset as usize - 0x408) / 8].load(Relaxed)
    }

    fn store16(&self, page: Page, offset: u32, value: u16) {
        self.half(page, offset).store(value, Relaxed);
    }

    fn store16_release(&self, page: Page, offset: u32, value: u16) {
        self.half(page, offset).store(value, Release);
    }

    fn store64(&self, page: Page, offset: u32, value: u64) {
        // All is zeroed at first, and is so already.
        if page == Page::Descriptors && offset < 16 && value != 0 {
            self.0.descriptor[offset as usize / 8].store(value, Relaxed);
        }
    }
}

const PHYSICAL: u64 = 0x1_2345_6000;

fn queue() -> (Pages, Real<Pages>) {
    let pages = Pages::default();
    let parts = Parts::new(pages.clone()).expect("memory");
    (pages, Real::new(parts, 0, 2))
}

fn send(real: &mut Real<Pages>) -> bool {
    let mut chain = real.chain();
    chain.begin(0, 0);
    let extent = Extent {
        physical: PHYSICAL,
        len: 1,
    };
    assert!(chain.add(extent).is_continue());
    chain.commit(7, 0);
    real.publish()
}

/// What the device sees of a chain that is available, if one is.
fn seen(words: &Words) -> bool {
    if words.available_index.load(Acquire) == 0 {
        return false;
    }
    assert_eq!(words.available[0].load(Relaxed), 0);
    assert_eq!(words.descriptor[0].load(Relaxed), PHYSICAL);
    assert_eq!(words.descriptor[1].load(Relaxed) as u32, 1);
    true
}

#[test]
fn no_kick_is_lost() {
    model(|| {
        let (pages, mut real) = queue();
        pages.0.used_flags.store(1, Relaxed);
        let words = pages.0.clone();
        // It goes to sleep: it wants to be notified, and looks once more.
        let device = thread::spawn(move || {
            words.used_flags.store(0, Relaxed);
            fence(SeqCst);
            seen(&words)
        });
        let notified = send(&mut real);
        assert!(device.join().unwrap() || notified);
    });
}

#[test]
fn no_interrupt_is_lost() {
    model(|| {
        let (pages, mut real) = queue();
        real.set_quiet(true);
        send(&mut real);
        let words = pages.0.clone();
        // It uses a chain, and interrupts if that is wanted.
        let device = thread::spawn(move || {
            assert!(seen(&words));
            words.used[0].store(0, Relaxed);
            words.used_index.store(1, Release);
            fence(SeqCst);
            words.available_flags.load(Relaxed) == 0
        });
        // The guest goes to sleep: it wants to be interrupted, and looks once more.
        real.set_quiet(false);
        let mut got = None;
        let looked = real.drain(|head, len| got = Some((head, len)));
        assert_eq!(looked.unwrap(), got.is_some());
        assert!(got.is_none_or(|got| got == (7, 0)));
        assert!(device.join().unwrap() || got.is_some());
    });
}

#[test]
fn what_was_used_is_there() {
    model(|| {
        let (pages, mut real) = queue();
        send(&mut real);
        send(&mut real);
        let words = pages.0.clone();
        let device = thread::spawn(move || {
            words.used[0].store(1, Relaxed);
            words.used_index.store(1, Release);
            words.used[1].store(0, Relaxed);
            words.used_index.store(2, Release);
        });
        let mut count = 0;
        for _ in 0..2 {
            real.drain(|_, _| count += 1).expect("no lie");
            assert_eq!(real.in_flight(), 2 - count);
        }
        device.join().unwrap();
        real.drain(|_, _| count += 1).expect("no lie");
        assert_eq!((count, real.free()), (2, 2));
    });
}
