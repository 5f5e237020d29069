// SPDX-License-Identifier: BSD-2-Clause
//! A line between a guest that watches and one that is watched: a region in which each side counts
//! its steps, and room for a message.

use core::sync::atomic::Ordering;

use userland::{Error, Rights, handle::Capability as _, shm::Region, shm::Window, wake};

/// The name under which the watched guest is given its line.
pub const NAME: &str = "line";
/// Offset of the message.
const MESSAGE: u32 = 64;

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Who watches.
    Warden,
    /// Who is watched.
    Watched,
}

/// One end of a line.
#[derive(Debug)]
pub struct Line {
    /// The region.
    pub region: Region,
    window: Window,
    side: Side,
}

impl Line {
    /// This end of the line in a region.
    ///
    /// # Errors
    /// Those of attaching.
    pub fn new(region: Region, side: Side) -> Result<Self, Error> {
        let window = region.attach(Rights::READ_WRITE)?;
        Ok(Self {
            region,
            window,
            side,
        })
    }

    /// Tells the other side that this step is done.
    ///
    /// # Errors
    /// The region was lost.
    pub fn say(&self, step: u32) -> Result<(), Error> {
        let own = 4 * u32::from(self.side == Side::Watched);
        self.window.store(own, step, Ordering::Release)?;
        wake::notify(&self.region, wake::Bells::ALL)
    }

    /// The last step of the other side.
    pub fn heard(&self) -> u32 {
        let other = 4 * u32::from(self.side == Side::Warden);
        self.window.load(other, Ordering::Acquire).unwrap_or(0)
    }

    /// Leaves bytes there, for the step that is said next.
    ///
    /// # Errors
    /// They do not fit.
    pub fn put(&self, bytes: &[u8]) -> Result<(), Error> {
        self.window.write(MESSAGE, bytes)
    }

    /// Takes bytes that the other side left.
    ///
    /// # Errors
    /// There is no room for so many.
    pub fn get<const N: usize>(&self) -> Result<[u8; N], Error> {
        let mut bytes = [0; N];
        self.window.read(MESSAGE, &mut bytes)?;
        Ok(bytes)
    }

    /// Gives it up.
    ///
    /// # Errors
    /// [`Error::BadHandle`].
    pub fn close(self) -> Result<(), Error> {
        drop(self.window);
        self.region.close()
    }
}
