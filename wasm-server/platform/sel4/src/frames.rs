// SPDX-License-Identifier: BSD-2-Clause
//! Where the frames of a guest's linear memory are in the machine, for its devices.

use alloc::{boxed::Box, vec::Vec};

use crate::account::UNIT;

/// Physical addresses, by wasm pages and then by frames; 0: the kernel was not asked yet. There is no
/// memory at 0.
#[derive(Default)]
pub struct Frames(Vec<Option<Box<[u64; UNIT as usize]>>>);

impl Frames {
    /// The address of a frame, if it was noted.
    pub fn get(&self, index: usize, inside: usize) -> Option<u64> {
        let known = *self.0.get(index)?.as_ref()?.get(inside)?;
        (known != 0).then_some(known)
    }

    /// Notes it.
    pub fn set(&mut self, index: usize, inside: usize, physical: u64) {
        if self.0.len() <= index {
            self.0.resize_with(index + 1, || None);
        }
        let unit = self.0.get_mut(index).map(Option::get_or_insert_default);
        if let Some(place) = unit.and_then(|unit| unit.get_mut(inside)) {
            *place = physical;
        }
    }

    /// The page is another's from now on.
    pub fn forget(&mut self, index: usize) {
        if let Some(unit) = self.0.get_mut(index) {
            *unit = None;
        }
    }
}
