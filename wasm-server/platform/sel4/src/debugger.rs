// SPDX-License-Identifier: BSD-2-Clause
//! What a debugger on the outside looks for: the names of the guests that run, by the numbers of their places
//! (`tools/gdb/atoll.py`). Nothing here reads them.

use core::sync::atomic::{AtomicU64, Ordering};

/// Bytes of a name; a shorter one ends with a zero.
const NAME: usize = 32;
/// Guests in higher places have no name here.
const NOTED: usize = 256;

type Name = [AtomicU64; NAME / 8];

/// The names; all zeros: nobody.
#[used]
#[unsafe(no_mangle)]
static ATOLL_GUESTS: [Name; NOTED] = [const { [const { AtomicU64::new(0) }; NAME / 8] }; NOTED];

/// Notes who is in a place.
pub fn note(number: u64, name: &str) {
    let Some(noted) = ATOLL_GUESTS.get(number as usize) else {
        return;
    };
    let mut bytes = [0; NAME];
    for (byte, from) in bytes.iter_mut().zip(name.bytes()) {
        *byte = from;
    }
    for (word, bytes) in noted.iter().zip(bytes.chunks_exact(8)) {
        let mut raw = [0; 8];
        raw.copy_from_slice(bytes);
        word.store(u64::from_le_bytes(raw), Ordering::Relaxed);
    }
}

/// Nobody is there any more.
pub fn forget(number: u64) {
    note(number, "");
}
