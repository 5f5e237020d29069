// SPDX-License-Identifier: BSD-2-Clause
//! Things with numbers that are not used again soon: who holds a number of what is gone finds nothing.

use alloc::collections::BTreeMap;

#[derive(Debug)]
pub struct Table<T> {
    entries: BTreeMap<u32, T>,
    next: u32,
}

impl<T> Table<T> {
    pub const fn new() -> Self {
        Self {
            entries: BTreeMap::new(),
            next: 0,
        }
    }

    pub fn insert(&mut self, value: T) -> u32 {
        while self.entries.contains_key(&self.next) {
            self.next = self.next.wrapping_add(1);
        }
        let number = self.next;
        self.next = number.wrapping_add(1);
        self.entries.insert(number, value);
        number
    }

    pub fn get(&self, number: u32) -> Option<&T> {
        self.entries.get(&number)
    }

    pub fn get_mut(&mut self, number: u32) -> Option<&mut T> {
        self.entries.get_mut(&number)
    }

    pub fn remove(&mut self, number: u32) -> Option<T> {
        self.entries.remove(&number)
    }

    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn iter(&self) -> impl Iterator<Item = (u32, &T)> {
        self.entries.iter().map(|(number, value)| (*number, value))
    }

    pub fn iter_mut(&mut self) -> impl Iterator<Item = (u32, &mut T)> {
        let entries = self.entries.iter_mut();
        entries.map(|(number, value)| (*number, value))
    }
}
