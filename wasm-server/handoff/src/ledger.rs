// SPDX-License-Identifier: BSD-2-Clause
//! What a program says to others of a channel that they share, in a page that it writes and the others only read:
//! who of its processes holds it, which bells they listen to, and which it has rung. `wasm_state::ledger` is
//! how these are used.

/// Words of a page.
pub const WORDS: usize = 512;
/// Upper half: how often it has rung, modulo 2^32; lower half: the bells of the last time.
pub const RUNG: usize = 0;
/// The bells that somebody listens to.
pub const LISTENING: usize = 1;
/// How many of the words from [`PIDS`] on may be in use.
pub const USED: usize = 2;
/// From here on ids of the processes that hold the region; 0: none.
pub const PIDS: usize = 3;

/// The value of [`RUNG`].
pub const fn rung(rings: u32, bells: u32) -> u64 {
    (rings as u64) << 32 | bells as u64
}

/// The page of a program that has ended, as the root task leaves it for others and for the next life, when
/// nobody writes it: nobody holds the channel or listens, and every bell was rung once more. The words behind
/// those of the answer are 0; `before` is the first word as it was.
pub const fn cleared(before: u64) -> [u64; PIDS] {
    [
        rung(((before >> 32) as u32).wrapping_add(1), u32::MAX),
        0,
        0,
    ]
}
