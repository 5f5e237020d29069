// SPDX-License-Identifier: BSD-2-Clause
//! Shared memory. Needs the grant `shared_memory`.
//!
//! A [`Region`] is memory that several guests can hold. One that holds it with the right to grant
//! makes a [`Token`](crate::handle::Token) and hands it to another (through a region that both have, say),
//! which accepts it. A [`Window`] is where a guest sees a region in its own memory. Nothing is copied: what one
//! writes, the others see.
//!
//! Others may write at any time. So a window gives atomics and copies, never references to plain
//! memory, and what is read from one is an allegation until it is checked. A doorbell comes with each
//! region: see [`wake`](crate::wake). See the examples of [`Region`] and [`Window`].

use core::sync::atomic::{AtomicU32, Ordering};

use atoll_abi::MAX_TRANSFER;
use atoll_abi::{Error, Handle, Pid, Rights};

use crate::{
    handle::Capability as _,
    sys::{calls, memory},
};
use crate::{handle::capability, sys::shared::Shared};

/// A capability for a shared region.
///
/// ```no_run
/// use userland::{Error, Rights, process::{Child, Command}, shm::Region};
///
/// /// Gives a child something to read.
/// fn reader() -> Result<Child, Error> {
///     let region = Region::alloc(1)?;
///     region.write_at(0, b"once upon a time")?;
///     Command::guest("reader").give("story", &region, Rights::READ).spawn()
/// }
/// ```
#[derive(Debug, PartialEq, Eq)]
pub struct Region {
    handle: Handle,
}

capability!(Region);

impl Region {
    /// Makes a region of so many [`PAGE`](crate::PAGE)s, zeroed, out of the guest's memory budget.
    /// This guest has every right to it. When it closes the region or ends, the region is gone.
    /// See the example of [`Region`].
    ///
    /// # Errors
    /// [`Error::NoMemory`], [`Error::TooManyRegions`], [`Error::TooManyHandles`], [`Error::TooMany`], or
    /// [`Error::InvalidArgument`] for no pages or more than `atoll_abi::MAX_REGION_PAGES`.
    pub fn alloc(pages: u32) -> Result<Self, Error> {
        calls::shm::alloc(pages).map(Self::from_handle)
    }

    /// Makes a window onto the region, with the right to read and perhaps to write.
    /// See the example of [`Window`].
    ///
    /// # Errors
    /// [`Error::Denied`] for rights that the handle has not, [`Error::NoAddressSpace`] when the guest's
    /// memory cannot grow by as much, [`Error::TooManyWindows`], [`Error::TooMany`], [`Error::Revoked`],
    /// [`Error::InvalidArgument`] for rights without the one to read or with the one to grant.
    pub fn attach(&self, rights: Rights) -> Result<Window, Error> {
        let len = self.size()?;
        let shared = memory::attach(self.handle, rights, len)?;
        Ok(Window::new(shared, rights))
    }

    /// Bytes of the region.
    ///
    /// ```no_run
    /// use userland::{Error, PAGE, shm::Region};
    ///
    /// fn pages(region: &Region) -> Result<u32, Error> {
    ///     Ok(region.size()? / PAGE)
    /// }
    /// ```
    ///
    /// # Errors
    /// [`Error::BadHandle`], [`Error::Revoked`].
    pub fn size(&self) -> Result<u32, Error> {
        calls::shm::size(self.handle)
    }

    /// Whether this process holds the region, too; false once it has ended, or has lost its last handle
    /// and its windows: then it writes there no more. Who listens to the region is woken when that
    /// changes (see [`wake`](crate::wake)). Needs the right to read.
    ///
    /// ```no_run
    /// use userland::{Error, process::Process, shm::Region};
    ///
    /// /// Whether somebody is still there to read what is written.
    /// fn has_reader(region: &Region, reader: &Process) -> Result<bool, Error> {
    ///     region.is_held_by(reader.info()?.pid)
    /// }
    /// ```
    ///
    /// # Errors
    /// [`Error::Denied`], [`Error::Revoked`].
    pub fn is_held_by(&self, process: Pid) -> Result<bool, Error> {
        calls::shm::holds(self.handle, process)
    }

    /// Copies out of the region, without a window. Needs the right to read.
    ///
    /// ```no_run
    /// use userland::{Error, shm::Region};
    ///
    /// fn first_bytes(region: &Region) -> Result<[u8; 16], Error> {
    ///     let mut bytes = [0; 16];
    ///     region.read_at(0, &mut bytes)?;
    ///     Ok(bytes)
    /// }
    /// ```
    ///
    /// # Errors
    /// [`Error::Denied`], [`Error::OutOfRange`], [`Error::Revoked`].
    pub fn read_at(&self, offset: u32, buffer: &mut [u8]) -> Result<(), Error> {
        let mut at = offset;
        for piece in buffer.chunks_mut(MAX_TRANSFER as usize) {
            memory::read(self.handle, at, piece)?;
            at = at.saturating_add(MAX_TRANSFER);
        }
        Ok(())
    }

    /// Copies into the region, without a window. Needs the right to write. See the example of [`Region`].
    ///
    /// # Errors
    /// As [`Region::read_at`].
    pub fn write_at(&self, offset: u32, bytes: &[u8]) -> Result<(), Error> {
        let mut at = offset;
        for piece in bytes.chunks(MAX_TRANSFER as usize) {
            memory::write(self.handle, at, piece)?;
            at = at.saturating_add(MAX_TRANSFER);
        }
        Ok(())
    }
}

/// A window onto a region. It is taken away when this is dropped.
///
/// Offsets are in bytes from its begin. One that is not inside, or not aligned as the access needs,
/// is refused with [`Error::InvalidArgument`]; writing through a window without the right to, with
/// [`Error::Denied`]. After the region was revoked the window shows memory of this guest alone.
///
/// ```no_run
/// use core::sync::atomic::Ordering;
/// use userland::{Error, Rights, shm::Region};
///
/// /// Writes a message for others that see the region: first its bytes, then its length.
/// fn publish(region: &Region, message: &[u8]) -> Result<(), Error> {
///     let window = region.attach(Rights::READ_WRITE)?;
///     if message.len() as u32 > window.len() - 4 {
///         return Err(Error::TooLarge);
///     }
///     window.write(4, message)?;
///     window.store(0, message.len() as u32, Ordering::Release)?;
///     window.detach()
/// }
///
/// /// Reads it. What others write is an allegation: the length may be any.
/// fn message(region: &Region, buffer: &mut [u8]) -> Result<usize, Error> {
///     let window = region.attach(Rights::READ)?;
///     let len = window.load(0, Ordering::Acquire)? as usize;
///     let bytes = buffer.get_mut(..len).ok_or(Error::OutOfRange)?;
///     window.read(4, bytes)?;
///     Ok(len)
/// }
/// ```
#[derive(Debug)]
pub struct Window {
    shared: Shared,
    rights: Rights,
}

impl Window {
    pub(crate) const fn new(shared: Shared, rights: Rights) -> Self {
        Self { shared, rights }
    }

    /// The memory it shows. It stays memory when the window is gone, but not this.
    pub(crate) const fn shared(&self) -> Shared {
        self.shared
    }

    /// Bytes it shows. See the example of [`Window`].
    #[expect(clippy::len_without_is_empty, reason = "a region has a page at least")]
    pub const fn len(&self) -> u32 {
        self.shared.len()
    }

    /// The word at this offset, a multiple of 4, to be read and written.
    ///
    /// ```no_run
    /// use core::sync::atomic::Ordering;
    /// use userland::{Error, shm::Window};
    ///
    /// /// Counts; so may others, at the same time.
    /// fn count(window: &Window) -> Result<u32, Error> {
    ///     Ok(window.word(8)?.fetch_add(1, Ordering::Relaxed) + 1)
    /// }
    /// ```
    ///
    /// # Errors
    /// See [`Window`].
    pub fn word(&self, offset: u32) -> Result<&AtomicU32, Error> {
        self.check_writable()?;
        self.shared.word(offset).ok_or(Error::InvalidArgument)
    }

    /// Reads the word at this offset, a multiple of 4. See the example of [`Window`].
    ///
    /// # Errors
    /// See [`Window`].
    pub fn load(&self, offset: u32, order: Ordering) -> Result<u32, Error> {
        let word = self.shared.word(offset).ok_or(Error::InvalidArgument)?;
        Ok(word.load(order))
    }

    /// Writes the word at this offset, a multiple of 4. See the example of [`Window`].
    ///
    /// # Errors
    /// See [`Window`].
    pub fn store(&self, offset: u32, value: u32, order: Ordering) -> Result<(), Error> {
        self.word(offset)?.store(value, order);
        Ok(())
    }

    /// The address of `len` bytes at this offset: for a device that reads them there.
    ///
    /// ```no_run
    /// # use userland::{Error, shm::Window};
    /// fn second_page(window: &Window) -> Result<u32, Error> {
    ///     window.place(4096, 4096)
    /// }
    /// ```
    ///
    /// # Errors
    /// See [`Window`].
    pub fn place(&self, offset: u32, len: u32) -> Result<u32, Error> {
        let address = self.shared.range(offset, len);
        Ok(address.ok_or(Error::InvalidArgument)? as u32)
    }

    /// As [`Window::place`], for a device that writes them there. See the example of [`Window::place`].
    ///
    /// # Errors
    /// See [`Window`].
    pub fn place_to_write(&self, offset: u32, len: u32) -> Result<u32, Error> {
        self.check_writable()?;
        self.place(offset, len)
    }

    /// Copies bytes out, each by itself and in no order: a word that is stored with release after
    /// they were written, and loaded with acquire before, says that they are there.
    /// See the example of [`Window`].
    ///
    /// # Errors
    /// See [`Window`].
    pub fn read(&self, offset: u32, buffer: &mut [u8]) -> Result<(), Error> {
        let read = self.shared.get(offset, buffer);
        read.ok_or(Error::InvalidArgument)
    }

    /// Copies bytes in, as [`Window::read`] copies them out. See the example of [`Window`].
    ///
    /// # Errors
    /// See [`Window`].
    pub fn write(&self, offset: u32, bytes: &[u8]) -> Result<(), Error> {
        self.check_writable()?;
        let written = self.shared.put(offset, bytes);
        written.ok_or(Error::InvalidArgument)
    }

    /// A store through a read-only window would end the guest.
    fn check_writable(&self) -> Result<(), Error> {
        if self.rights.contains(Rights::WRITE) {
            Ok(())
        } else {
            Err(Error::Denied)
        }
    }
}

impl Window {
    /// Takes it away: as dropping it, but says what became of it. See the example of [`Window`].
    ///
    /// # Errors
    /// None, unless the server is of another version.
    pub fn detach(self) -> Result<(), Error> {
        let detached = memory::detach(&self.shared);
        core::mem::forget(self);
        detached
    }
}

impl Drop for Window {
    fn drop(&mut self) {
        // Not refused: the addresses are a window's until now, lost or not.
        let _ = memory::detach(&self.shared);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static WORDS: [AtomicU32; 4] = [const { AtomicU32::new(0) }; 4];

    #[test]
    fn offsets_are_checked() {
        let window = Window::new(Shared::of(&WORDS), Rights::READ_WRITE);
        assert_eq!(window.len(), 16);
        assert!(window.word(0).is_ok() && window.word(12).is_ok());
        for offset in [1, 2, 3, 13, 16, 20, u32::MAX, u32::MAX - 3] {
            assert_eq!(
                window.word(offset).err(),
                Some(Error::InvalidArgument),
                "{offset}"
            );
            assert_eq!(
                window.load(offset, Ordering::Relaxed),
                Err(Error::InvalidArgument)
            );
        }
        assert_eq!(window.read(0, &mut [0; 17]), Err(Error::InvalidArgument));
        assert_eq!(window.read(16, &mut [0; 1]), Err(Error::InvalidArgument));
        assert_eq!(window.read(16, &mut []), Ok(()));
        assert_eq!(window.write(u32::MAX, &[0; 2]), Err(Error::InvalidArgument));
    }

    #[test]
    fn rights_are_checked() {
        let window = Window::new(Shared::of(&WORDS), Rights::READ);
        assert_eq!(window.word(0).err(), Some(Error::Denied));
        assert_eq!(window.store(0, 1, Ordering::Relaxed), Err(Error::Denied));
        assert_eq!(window.write(0, &[1]), Err(Error::Denied));
        assert!(window.load(0, Ordering::Relaxed).is_ok());
    }

    #[test]
    fn any_bytes_are_copied_and_no_others() {
        let window = Window::new(Shared::leak(256), Rights::READ_WRITE);
        for begin in 0..33_u32 {
            for len in [0, 1, 15, 16, 17, 48, 100, 200] {
                window.write(0, &[0xee; 256]).unwrap();
                let bytes: alloc::vec::Vec<_> = (1..=len).collect();
                window.write(begin, &bytes).unwrap();
                let mut all = [0; 256];
                window.read(0, &mut all).unwrap();
                let (begin, end) = (begin as usize, begin as usize + usize::from(len));
                assert_eq!(all[begin..end], bytes);
                assert!(
                    all[..begin]
                        .iter()
                        .chain(&all[end..])
                        .all(|byte| *byte == 0xee)
                );
                let mut part = alloc::vec![0; bytes.len()];
                window.read(begin as u32, &mut part).unwrap();
                assert_eq!(part, bytes);
            }
        }
    }

    #[test]
    fn bytes_and_words_are_the_same_memory() {
        static WORDS: [AtomicU32; 2] = [const { AtomicU32::new(0) }; 2];
        let window = Window::new(Shared::of(&WORDS), Rights::READ_WRITE);
        window.write(3, &[1, 2, 3]).unwrap();
        let mut bytes = [0; 8];
        window.read(0, &mut bytes).unwrap();
        assert_eq!(bytes, [0, 0, 0, 1, 2, 3, 0, 0]);
        window
            .store(4, u32::from_ne_bytes([9; 4]), Ordering::Release)
            .unwrap();
        window.read(0, &mut bytes).unwrap();
        assert_eq!(bytes, [0, 0, 0, 1, 9, 9, 9, 9]);
    }
}
