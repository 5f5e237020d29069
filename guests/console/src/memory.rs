// SPDX-License-Identifier: BSD-2-Clause
//! What outlives this guest, in a region that it has to itself: who is in the foreground, and what was typed and has
//! not reached anybody. Clients are not asked: they could say what they like.
//!
//! | bytes | what |
//! |---|---|
//! | 0..4 | says that this is the layout |
//! | 4..8 | the number of the last [`Kept`]; it is in the first half of the rest if that is even |
//! | 64..1088 | keys behind it, each a word: the key, and above it the end of that number |
//! | from 2048 on | the two halves: the length of what is there, and that |
//!
//! This guest can end between any two instructions. What is kept becomes valid with one store of its number, which makes
//! the keys behind the one before invalid at the same time; a key is kept with one store.

use alloc::vec::Vec;
use core::{cell::Cell, sync::atomic::Ordering::Relaxed};

use console_terminal::Kept;
use userland::{
    Error, Rights,
    shm::{Region, Window},
};

/// This layout.
const MAGIC: u32 = 0x6b65_7931;
const LAYOUT: u32 = 0;
const NUMBER: u32 = 4;
const KEYS: u32 = 64;
/// As many as the driver takes in one turn.
const MAX_KEYS: u32 = 256;
const HALVES: u32 = 2048;
/// Longest [`Kept`] that is read, however large the region is.
const MAX_KEPT: u32 = 256 << 10;

/// What is kept in the region.
pub struct Memory {
    /// None: nothing is kept.
    window: Option<Window>,
    number: Cell<u32>,
    keys: Cell<u32>,
}

impl Memory {
    /// The one in this region.
    pub fn new(region: Option<&Region>) -> Result<Self, Error> {
        let window = match region {
            Some(region) => Some(region.attach(Rights::READ_WRITE)?),
            None => None,
        };
        let memory = Self {
            window,
            number: Cell::new(0),
            keys: Cell::new(0),
        };
        if let Some(window) = &memory.window {
            if window.load(LAYOUT, Relaxed)? == MAGIC {
                memory.number.set(window.load(NUMBER, Relaxed)?);
            } else {
                // Nothing, and no keys.
                window.write(0, &[0; HALVES as usize])?;
                window.store(NUMBER, 1, Relaxed)?;
                memory.number.set(1);
                window.store(LAYOUT, MAGIC, Relaxed)?;
            }
        }
        Ok(memory)
    }

    /// What a life before this one has left, and the keys that it took behind that.
    pub fn left(&self) -> (Kept, Vec<u8>) {
        let Some(window) = &self.window else {
            return Default::default();
        };
        (self.kept(window).unwrap_or_default(), self.keys(window))
    }

    /// What is not as this guest writes it is nothing.
    fn kept(&self, window: &Window) -> Option<Kept> {
        let (begin, most) = half(window, self.number.get());
        let len = window.load(begin, Relaxed).ok()?;
        if len > most {
            return None;
        }
        let mut bytes = alloc::vec![0; len as usize];
        window.read(begin + 4, &mut bytes).ok()?;
        postcard::from_bytes(&bytes).ok()
    }

    fn keys(&self, window: &Window) -> Vec<u8> {
        let keys = (0..MAX_KEYS).map_while(|place| {
            let word = window.load(KEYS + 4 * place, Relaxed).ok()?;
            (word >> 8 == tag(self.number.get())).then_some(word as u8)
        });
        let keys: Vec<u8> = keys.collect();
        self.keys.set(keys.len() as u32);
        keys
    }

    /// Keeps a key that the device has no longer, until the next [`Self::keep`].
    #[inline(always)]
    pub fn typed(&self, key: u8) {
        let place = self.keys.get();
        if let Some(window) = &self.window
            && place < MAX_KEYS
        {
            let word = tag(self.number.get()) << 8 | u32::from(key);
            // Without the region, it is not kept.
            let _ = window.store(KEYS + 4 * place, word, Relaxed);
            self.keys.set(place + 1);
        }
    }

    /// Keeps all that is to be kept.
    pub fn keep(&self, kept: Kept) {
        if let Some(window) = &self.window {
            // Without the region, it is not kept.
            let _ = self.write(window, kept);
        }
    }

    fn write(&self, window: &Window, kept: Kept) -> Result<(), Error> {
        let next = self.number.get().wrapping_add(1);
        let (begin, most) = half(window, next);
        let encode = |kept: &Kept| {
            let bytes = postcard::to_allocvec(kept).ok();
            bytes.filter(|bytes| bytes.len() as u64 <= u64::from(most))
        };
        let bytes = encode(&kept).or_else(|| encode(&kept.without_input()));
        let bytes = bytes.unwrap_or_default();
        window.store(begin, bytes.len() as u32, Relaxed)?;
        window.write(begin + 4, &bytes)?;
        window.store(NUMBER, next, Relaxed)?;
        self.number.set(next);
        // Numbers come again some day.
        for place in 0..self.keys.replace(0) {
            window.store(KEYS + 4 * place, 0, Relaxed)?;
        }
        Ok(())
    }
}

/// The end of a number, above a key. None has the end that an empty place has.
const fn tag(number: u32) -> u32 {
    number % 0xff_ffff + 1
}

/// Where what has this number begins, and how many bytes there is room for behind its length.
const fn half(window: &Window, number: u32) -> (u32, u32) {
    let room = window.len().saturating_sub(HALVES) / 8 * 4;
    let most = room.saturating_sub(4);
    let most = if most < MAX_KEPT { most } else { MAX_KEPT };
    (HALVES + number % 2 * room, most)
}
