// SPDX-License-Identifier: BSD-2-Clause
//! Where a file's contents come from and go to: somebody's memory, or bytes of one's own.

use crate::{DiskError, Error, Memory};

const ZEROS: [u8; 512] = [0; 512];

/// Where contents come from.
#[derive(Debug)]
pub enum Source<'a, M> {
    /// Memory, and where in it they begin.
    Memory(&'a M, u32),
    Bytes(&'a [u8]),
}

impl<M: Memory> Source<'_, M> {
    /// Copies what is at `skip` and behind it.
    pub fn copy(&self, skip: u32, into: &mut [u8]) -> Result<(), Error> {
        let copied = match self {
            Self::Memory(memory, at) => at.checked_add(skip).and_then(|at| memory.get(at, into)),
            Self::Bytes(bytes) => {
                let from = skip as usize;
                let bytes = from
                    .checked_add(into.len())
                    .and_then(|end| bytes.get(from..end));
                bytes.map(|bytes| into.copy_from_slice(bytes))
            }
        };
        copied.ok_or(Error::Disk(DiskError::Memory))
    }
}

/// Where contents go.
#[derive(Debug)]
pub enum Target<'a, M> {
    /// Memory, and where in it they begin.
    Memory(&'a M, u32),
    Bytes(&'a mut [u8]),
}

impl<M: Memory> Target<'_, M> {
    /// Puts bytes at `skip`.
    pub fn put(&mut self, skip: u32, from: &[u8]) -> Result<(), Error> {
        let put = match self {
            Self::Memory(memory, at) => at.checked_add(skip).and_then(|at| memory.put(at, from)),
            Self::Bytes(bytes) => {
                let at = skip as usize;
                let place = at
                    .checked_add(from.len())
                    .and_then(|end| bytes.get_mut(at..end));
                place.map(|place| place.copy_from_slice(from))
            }
        };
        put.ok_or(Error::Disk(DiskError::Memory))
    }

    /// Puts zeros at `skip`.
    pub fn zeros(&mut self, skip: u32, len: u32) -> Result<(), Error> {
        let mut done = 0;
        while done < len {
            let some = (len - done).min(ZEROS.len() as u32);
            self.put(skip + done, ZEROS.get(..some as usize).unwrap_or_default())?;
            done += some;
        }
        Ok(())
    }
}

/// Whether memory has these bytes.
pub fn check<M: Memory>(memory: &M, at: u32, len: u32) -> Result<(), Error> {
    let end = at.checked_add(len).filter(|end| *end <= memory.len());
    end.map(|_| ()).ok_or(Error::Disk(DiskError::Memory))
}
