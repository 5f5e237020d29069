// SPDX-License-Identifier: BSD-2-Clause
//! A guest's table of handles.

use alloc::vec::Vec;

use atoll_abi::{Error, Handle};

/// Bits of a handle that are the index; the rest is the generation.
const INDEX_BITS: u32 = 12;
/// Most handles of one guest.
pub(crate) const MAX_HANDLES: usize = 256;

struct Entry<T> {
    /// Starts at 1, so that no handle is 0; wraps past 0.
    generation: u32,
    value: Option<T>,
}

/// Values under handles that go stale when the value is removed.
pub(crate) struct HandleTable<T> {
    entries: Vec<Entry<T>>,
}

impl<T> HandleTable<T> {
    pub const fn new() -> Self {
        Self {
            entries: Vec::new(),
        }
    }

    /// Puts a value into a free entry.
    ///
    /// # Errors
    /// `TooMany` if there is none.
    pub fn insert(&mut self, value: T) -> Result<Handle, Error> {
        let index = match self.entries.iter().position(|e| e.value.is_none()) {
            Some(index) => index,
            None if self.entries.len() < MAX_HANDLES => {
                self.entries.push(Entry {
                    generation: 1,
                    value: None,
                });
                self.entries.len() - 1
            }
            None => return Err(Error::TooMany),
        };
        let entry = &mut self.entries[index];
        entry.value = Some(value);
        Ok(Handle(entry.generation << INDEX_BITS | index as u32))
    }

    /// The value of a handle.
    ///
    /// # Errors
    /// `BadHandle` if it never was one or is stale.
    pub fn get(&self, handle: Handle) -> Result<&T, Error> {
        let entry = self
            .entries
            .get((handle.0 & ((1 << INDEX_BITS) - 1)) as usize)
            .ok_or(Error::BadHandle)?;
        match &entry.value {
            Some(value) if entry.generation == handle.0 >> INDEX_BITS => Ok(value),
            _ => Err(Error::BadHandle),
        }
    }

    /// Takes a value out; its handle is stale from now on.
    ///
    /// # Errors
    /// As [`Self::get`].
    #[cfg(test)]
    pub fn remove(&mut self, handle: Handle) -> Result<T, Error> {
        self.get(handle)?;
        let entry = &mut self.entries[(handle.0 & ((1 << INDEX_BITS) - 1)) as usize];
        entry.generation = (entry.generation + 1) & (u32::MAX >> INDEX_BITS);
        entry.generation = entry.generation.max(1);
        entry.value.take().ok_or(Error::BadHandle)
    }

    /// Every value.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.entries.iter().filter_map(|e| e.value.as_ref())
    }

    /// Takes everything out.
    pub fn clear(&mut self) -> Vec<T> {
        core::mem::take(&mut self.entries)
            .into_iter()
            .filter_map(|e| e.value)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stale_handle_is_refused() {
        let mut table = HandleTable::new();
        let first = table.insert('a').unwrap();
        assert_eq!(table.remove(first), Ok('a'));
        let second = table.insert('b').unwrap();
        assert_ne!(first, second);
        assert_eq!(table.get(first), Err(Error::BadHandle));
        assert_eq!(table.get(second), Ok(&'b'));
    }

    #[test]
    fn no_number_below_the_table_is_a_handle() {
        let mut table = HandleTable::new();
        let real: Vec<_> = (0..4).map(|n| table.insert(n).unwrap()).collect();
        let hits = (0..1 << 16)
            .filter(|&n| table.get(Handle(n)).is_ok())
            .count();
        assert_eq!(hits, real.len());
        assert_eq!(table.get(Handle(0)), Err(Error::BadHandle));
        assert_eq!(table.get(Handle(u32::MAX)), Err(Error::BadHandle));
    }

    #[test]
    fn the_table_is_bounded() {
        let mut table = HandleTable::new();
        for n in 0..MAX_HANDLES {
            table.insert(n).unwrap();
        }
        assert_eq!(table.insert(0), Err(Error::TooMany));
        assert_eq!(table.clear().len(), MAX_HANDLES);
    }
}
