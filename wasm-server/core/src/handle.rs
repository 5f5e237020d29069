// SPDX-License-Identifier: BSD-2-Clause
//! The table of a guest's handles.

use alloc::{collections::VecDeque, vec::Vec};

use atoll_abi::{Error, Handle};

/// Bits of a handle that are the index; the rest is the generation.
const INDEX_BITS: u32 = 12;
const INDEX_MASK: u32 = (1 << INDEX_BITS) - 1;

struct Entry<T> {
    /// Starts at 1, so that no handle is 0; wraps past 0.
    generation: u32,
    value: Option<T>,
}

/// Values under handles that go stale when the value is removed.
pub(crate) struct HandleTable<T> {
    entries: Vec<Entry<T>>,
    /// The free entry that was freed first is used first, so that a generation lasts.
    free: VecDeque<u32>,
    limit: u32,
    /// Nothing is put into it any more.
    is_closed: bool,
}

impl<T> HandleTable<T> {
    /// A table that holds at most this many values.
    pub fn new(limit: u32) -> Self {
        Self {
            entries: Vec::new(),
            free: VecDeque::new(),
            limit: limit.min(INDEX_MASK),
            is_closed: false,
        }
    }

    /// Has it take nothing any more: its guest has ended.
    pub fn close(&mut self) {
        self.is_closed = true;
    }

    /// Puts the value that `make` makes for its handle into a free entry. Nothing changes if it makes
    /// none.
    ///
    /// # Errors
    /// `Ended` if it is closed, `TooManyHandles` if it is full, `TooMany` if the server has no memory for a
    /// larger one, or what `make` answers.
    pub fn insert_with(
        &mut self,
        make: impl FnOnce(Handle) -> Result<T, Error>,
    ) -> Result<Handle, Error> {
        if self.is_closed {
            return Err(Error::Ended);
        }
        if self.free.is_empty() {
            self.grow()?;
        }
        let index = *self.free.front().ok_or(Error::TooManyHandles)?;
        let entry = self
            .entries
            .get_mut(index as usize)
            .ok_or(Error::TooManyHandles)?;
        let handle = Handle(entry.generation << INDEX_BITS | index);
        entry.value = Some(make(handle)?);
        self.free.pop_front();
        Ok(handle)
    }

    fn grow(&mut self) -> Result<(), Error> {
        let index = self.entries.len() as u32;
        if index >= self.limit {
            return Err(Error::TooManyHandles);
        }
        self.entries.try_reserve(1).map_err(|_| Error::TooMany)?;
        // So that giving an entry back never allocates.
        self.free
            .try_reserve(self.entries.len() + 1)
            .map_err(|_| Error::TooMany)?;
        self.entries.push(Entry {
            generation: 1,
            value: None,
        });
        self.free.push_back(index);
        Ok(())
    }

    /// The value of a handle.
    ///
    /// # Errors
    /// `BadHandle` if it never was one or is stale.
    pub fn get(&self, handle: Handle) -> Result<&T, Error> {
        match self.entries.get((handle.0 & INDEX_MASK) as usize) {
            Some(Entry {
                generation,
                value: Some(value),
            }) if *generation == handle.0 >> INDEX_BITS => Ok(value),
            _ => Err(Error::BadHandle),
        }
    }

    /// As [`Self::get`].
    pub fn get_mut(&mut self, handle: Handle) -> Result<&mut T, Error> {
        match self.entries.get_mut((handle.0 & INDEX_MASK) as usize) {
            Some(Entry {
                generation,
                value: Some(value),
            }) if *generation == handle.0 >> INDEX_BITS => Ok(value),
            _ => Err(Error::BadHandle),
        }
    }

    /// Takes a value out; its handle is stale from now on.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub fn remove(&mut self, handle: Handle) -> Result<T, Error> {
        self.get(handle)?;
        let index = handle.0 & INDEX_MASK;
        let entry = self
            .entries
            .get_mut(index as usize)
            .ok_or(Error::BadHandle)?;
        entry.generation = ((entry.generation + 1) & (u32::MAX >> INDEX_BITS)).max(1);
        let value = entry.value.take().ok_or(Error::BadHandle)?;
        self.free.push_back(index);
        Ok(value)
    }

    /// Values in the table.
    pub fn len(&self) -> usize {
        self.entries.len() - self.free.len()
    }

    /// Every value under its handle, in the order of the table.
    pub fn iter(&self) -> impl Iterator<Item = (Handle, &T)> {
        self.entries.iter().zip(0..).filter_map(|(entry, index)| {
            let handle = Handle(entry.generation << INDEX_BITS | index);
            Some((handle, entry.value.as_ref()?))
        })
    }

    /// As [`Self::iter`].
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (Handle, &mut T)> {
        self.entries
            .iter_mut()
            .zip(0..)
            .filter_map(|(entry, index)| {
                let handle = Handle(entry.generation << INDEX_BITS | index);
                Some((handle, entry.value.as_mut()?))
            })
    }

    /// The first value from this place of the table on, which is counted from 0.
    pub fn first_from(&self, index: u32) -> Option<(Handle, &T)> {
        let entries = self.entries.get(index as usize..)?;
        entries.iter().zip(index..).find_map(|(entry, index)| {
            let handle = Handle(entry.generation << INDEX_BITS | index);
            Some((handle, entry.value.as_ref()?))
        })
    }

    /// The place of the table behind a handle's.
    pub const fn behind(handle: Handle) -> u32 {
        if handle.0 == 0 {
            0
        } else {
            (handle.0 & INDEX_MASK) + 1
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn insert<T>(table: &mut HandleTable<T>, value: T) -> Result<Handle, Error> {
        table.insert_with(|_| Ok(value))
    }

    #[test]
    fn a_stale_handle_is_refused() {
        let mut table = HandleTable::new(4);
        let first = insert(&mut table, 'a').unwrap();
        assert_eq!(table.remove(first), Ok('a'));
        assert_eq!(table.remove(first), Err(Error::BadHandle));
        let second = insert(&mut table, 'b').unwrap();
        assert_ne!(first, second);
        assert_eq!(table.get(first), Err(Error::BadHandle));
        assert_eq!(table.get(second), Ok(&'b'));
    }

    #[test]
    fn no_other_number_is_a_handle() {
        let mut table = HandleTable::new(8);
        let real: Vec<_> = (0..4).map(|n| insert(&mut table, n).unwrap()).collect();
        let hits = (0..1 << 16)
            .filter(|&n| table.get(Handle(n)).is_ok())
            .count();
        assert_eq!(hits, real.len());
        assert_eq!(table.get(Handle(0)), Err(Error::BadHandle));
        assert_eq!(table.get(Handle(u32::MAX)), Err(Error::BadHandle));
    }

    #[test]
    fn the_table_is_bounded_and_reuses_its_entries_in_turn() {
        let mut table = HandleTable::new(3);
        let all: Vec<_> = (0..3).map(|n| insert(&mut table, n).unwrap()).collect();
        assert_eq!(insert(&mut table, 9), Err(Error::TooManyHandles));
        table.remove(all[2]).unwrap();
        table.remove(all[0]).unwrap();
        assert_eq!(table.len(), 1);
        let again = insert(&mut table, 9).unwrap();
        assert_eq!(again.0 & INDEX_MASK, 2);
        assert_eq!(table.first_from(0), Some((all[1], &1)));
        assert_eq!(
            table.first_from(HandleTable::<u32>::behind(all[1])),
            Some((again, &9))
        );
    }

    #[test]
    fn a_closed_table_takes_nothing_and_gives_back() {
        let mut table = HandleTable::new(2);
        let first = insert(&mut table, 'a').unwrap();
        table.close();
        assert_eq!(insert(&mut table, 'b'), Err(Error::Ended));
        assert_eq!(table.remove(first), Ok('a'));
        assert_eq!(insert(&mut table, 'b'), Err(Error::Ended));
    }

    #[test]
    fn what_is_not_made_takes_no_entry() {
        let mut table = HandleTable::<u32>::new(1);
        assert_eq!(
            table.insert_with(|_| Err(Error::Denied)),
            Err(Error::Denied)
        );
        assert_eq!(table.len(), 0);
        assert!(insert(&mut table, 1).is_ok());
    }
}
