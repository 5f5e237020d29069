// SPDX-License-Identifier: BSD-2-Clause
//! What kind of channel there is to be.

use atoll_abi::channel::{
    FLAG_DROP, FLAG_PIPE, FLAG_TAPS, Geometry, MAX_FRAMES, MAX_SLOTS, MIN_DATA,
};

/// What becomes of a frame that finds no room.
///
/// See the example of [`Config`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WhenFull {
    /// Its writer waits.
    #[default]
    Park,
    /// It is dropped, and its writer is told.
    Drop,
}

/// What a channel is made with. A description of a frame takes 16 bytes of the region, a writer or reader
/// 64, the header 256.
///
/// ```
/// use userland::channel::{Config, WhenFull};
///
/// let news = Config::new().frames(64).data(32 * 1024).readers(16).when_full(WhenFull::Drop);
/// assert!(news.bytes() < 64 * 1024);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    pub(super) geometry: Geometry,
    pub(super) flags: u32,
    pub(super) credits: u32,
}

impl Config {
    /// Room for 256 frames and 32 KiB of data, for 8 writers and 8 readers; writers wait when it is full.
    /// It fits into a region of one page.
    ///
    /// See the example of [`Config`].
    pub const fn new() -> Self {
        Self {
            geometry: Geometry {
                frames: 256,
                data: 32 << 10,
                writers: 8,
                readers: 8,
            },
            flags: 0,
            credits: 0,
        }
    }

    /// As [`Config::new`], for one writer and one reader, and no more than that: it takes less than half the
    /// instructions.
    ///
    /// See the example of [`Config`].
    pub const fn pipe() -> Self {
        Self {
            flags: FLAG_PIPE,
            ..Self::new().writers(1).readers(1)
        }
    }

    /// Room for so many frames; rounded up to a power of two, at most 2^20.
    ///
    /// See the example of [`Config`].
    pub const fn frames(mut self, frames: u32) -> Self {
        self.geometry.frames = power(frames, MAX_FRAMES);
        self
    }

    /// Room for so many bytes; rounded up to a power of two. The longest frame has half as many.
    ///
    /// See the example of [`Config`].
    pub const fn data(mut self, bytes: u32) -> Self {
        self.geometry.data = power(if bytes < MIN_DATA { MIN_DATA } else { bytes }, 1 << 30);
        self
    }

    /// Room for so many writers; rounded up to a power of two, at most 256. A pipe has one.
    ///
    /// See the example of [`Config`].
    pub const fn writers(mut self, writers: u32) -> Self {
        self.geometry.writers = power(writers, self.most());
        self
    }

    /// Room for so many readers; as [`Config::writers`].
    ///
    /// See the example of [`Config`].
    pub const fn readers(mut self, readers: u32) -> Self {
        self.geometry.readers = power(readers, self.most());
        self
    }

    const fn most(&self) -> u32 {
        if self.flags & FLAG_PIPE == 0 {
            MAX_SLOTS
        } else {
            1
        }
    }

    /// What becomes of a frame that finds no room.
    ///
    /// See the example of [`Config`].
    pub const fn when_full(mut self, policy: WhenFull) -> Self {
        self.flags &= !FLAG_DROP;
        if matches!(policy, WhenFull::Drop) {
            self.flags |= FLAG_DROP;
        }
        self
    }

    /// Lets no writer have more frames out than this, which no strong reader has released. In a pipe,
    /// what fits.
    ///
    /// See the example of [`Config`].
    pub const fn credits(mut self, frames: u32) -> Self {
        self.credits = frames;
        self
    }

    /// Has readers rung that have no right to write, and so cannot say that they sleep.
    ///
    /// See the example of [`Config`].
    pub const fn taps(mut self) -> Self {
        self.flags |= FLAG_TAPS;
        self
    }

    /// Bytes of the longest frame: half of those that there is room for.
    ///
    /// ```
    /// use userland::channel::Config;
    ///
    /// assert_eq!(Config::new().data(32 * 1024).max_frame(), 16 * 1024);
    /// ```
    pub const fn max_frame(&self) -> u32 {
        self.geometry.max_frame()
    }

    /// How two pipes lie in so many bytes, for two guests that talk: the bytes of each, and its make, with as much
    /// room for data as there is.
    pub(crate) const fn half_of(bytes: u32) -> (u32, Self) {
        let half = (bytes / 2) & !63;
        let mut config = Self::pipe().frames(64).data(MIN_DATA);
        loop {
            let larger = config.data(config.geometry.data * 2);
            if larger.bytes() > half || larger.geometry.data == config.geometry.data {
                return (half, config);
            }
            config = larger;
        }
    }

    /// Bytes before the data ring.
    pub(super) const fn head(&self) -> u32 {
        self.geometry.data_at()
    }

    /// Bytes of the region that it takes.
    ///
    /// See the example of [`Config`].
    pub const fn bytes(&self) -> u32 {
        self.geometry.bytes()
    }

    /// Pages of the region that it takes.
    ///
    /// See the example of [`Config`].
    pub const fn pages(&self) -> u32 {
        self.bytes().div_ceil(crate::PAGE)
    }
}

impl Default for Config {
    fn default() -> Self {
        Self::new()
    }
}

/// The power of two that this is rounded up to, from 1 to `most`.
const fn power(number: u32, most: u32) -> u32 {
    if number >= most {
        most
    } else {
        // Below a power of two, so there is one.
        number.next_power_of_two()
    }
}
