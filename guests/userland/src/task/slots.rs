// SPDX-License-Identifier: BSD-2-Clause
//! Values behind numbers of 32 bits, which can travel through the wake mailbox.

use alloc::vec::Vec;
use core::mem::replace;

/// Values by key: the place of a value in its low half, and in its high half how often the place has
/// changed hands, so that the key of a value that is gone is not taken for that of the one in its place.
/// No key is `u32::MAX`.
#[derive(Debug)]
pub(crate) struct Slots<T> {
    places: Vec<Place<T>>,
    /// The place that was left last.
    free: Option<u16>,
}

#[derive(Debug)]
struct Place<T> {
    generation: u16,
    content: Content<T>,
}

#[derive(Debug)]
enum Content<T> {
    Used(T),
    Free { next: Option<u16> },
}

/// The most values there can be.
pub(crate) const MAX: usize = u16::MAX as usize;

const fn key(index: u16, generation: u16) -> u32 {
    (generation as u32) << 16 | index as u32
}

const fn parts(key: u32) -> (u16, u16) {
    (key as u16, (key >> 16) as u16)
}

impl<T> Slots<T> {
    pub(crate) const fn new() -> Self {
        Self {
            places: Vec::new(),
            free: None,
        }
    }

    /// Keeps a value; its key, or none if there are [`MAX`].
    pub(crate) fn insert(&mut self, value: T) -> Option<u32> {
        if let Some(index) = self.free
            && let Some(place) = self.places.get_mut(usize::from(index))
        {
            if let Content::Free { next } = replace(&mut place.content, Content::Used(value)) {
                self.free = next;
            }
            return Some(key(index, place.generation));
        }
        let index = u16::try_from(self.places.len())
            .ok()
            .filter(|index| usize::from(*index) < MAX)?;
        self.places.push(Place {
            generation: 0,
            content: Content::Used(value),
        });
        Some(key(index, 0))
    }

    /// The value with this key, unless it is gone.
    #[inline]
    pub(crate) fn get_mut(&mut self, key: u32) -> Option<&mut T> {
        let (index, generation) = parts(key);
        match self.places.get_mut(usize::from(index))? {
            Place {
                generation: present,
                content: Content::Used(value),
            } if *present == generation => Some(value),
            _ => None,
        }
    }

    /// Takes out the value with this key, unless it is gone.
    pub(crate) fn remove(&mut self, key: u32) -> Option<T> {
        self.get_mut(key)?;
        let (index, generation) = parts(key);
        let place = self.places.get_mut(usize::from(index))?;
        place.generation = generation.wrapping_add(1);
        let next = self.free.replace(index);
        match replace(&mut place.content, Content::Free { next }) {
            Content::Used(value) => Some(value),
            Content::Free { .. } => None,
        }
    }

    /// All values.
    pub(crate) fn values_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.places
            .iter_mut()
            .filter_map(|place| match &mut place.content {
                Content::Used(value) => Some(value),
                Content::Free { .. } => None,
            })
    }

    /// The keys of all values.
    pub(crate) fn keys(&self) -> impl Iterator<Item = u32> {
        (0..=u16::MAX)
            .zip(&self.places)
            .filter(|(_, place)| matches!(place.content, Content::Used(_)))
            .map(|(index, place)| key(index, place.generation))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_key_is_worth_nothing_once_its_value_is_gone() {
        let mut slots = Slots::new();
        let first = slots.insert("first").unwrap();
        assert_eq!(slots.remove(first), Some("first"));
        let second = slots.insert("second").unwrap();
        assert_eq!(parts(first).0, parts(second).0, "the place is used again");
        assert_eq!(slots.get_mut(first), None);
        assert_eq!(slots.remove(first), None);
        assert_eq!(slots.get_mut(second), Some(&mut "second"));
    }

    #[test]
    fn it_is_full_before_the_key_that_stands_for_a_stop() {
        let mut slots = Slots::new();
        for _ in 0..MAX {
            assert_ne!(slots.insert(()).unwrap() as u16, u16::MAX);
        }
        assert_eq!(slots.insert(()), None);
        slots.remove(7).unwrap();
        assert!(slots.insert(()).is_some());
        assert_eq!(slots.insert(()), None);
    }

    proptest! {
        /// Against a map: each step inserts, removes or looks up what was there once.
        #[test]
        fn does_as_a_map_does(steps in prop::collection::vec((0..3, any::<prop::sample::Index>()), 0..200)) {
            let mut slots = Slots::new();
            let mut model = HashMap::new();
            let mut keys = Vec::new();
            for (number, (step, index)) in (0..).zip(steps) {
                if step == 0 || keys.is_empty() {
                    let key = slots.insert(number).unwrap();
                    prop_assert!(model.insert(key, number).is_none());
                    keys.push(key);
                } else {
                    let key = *index.get(&keys);
                    if step == 1 {
                        prop_assert_eq!(slots.remove(key), model.remove(&key));
                    } else {
                        prop_assert_eq!(slots.get_mut(key).copied(), model.get(&key).copied());
                    }
                }
                let mut present: Vec<_> = slots.keys().collect();
                let mut expected: Vec<_> = model.keys().copied().collect();
                present.sort_unstable();
                expected.sort_unstable();
                prop_assert_eq!(present, expected);
            }
        }
    }
}
