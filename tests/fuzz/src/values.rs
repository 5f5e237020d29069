// SPDX-License-Identifier: BSD-2-Clause
//! Numbers and texts that mean something to the server often enough.

use crate::random::Random;

/// log2 of the first generation of a handle, which is 1: the n-th capability of a guest's spec has the
/// handle `4096 + n`, and so has the n-th process.
const FIRST: u64 = 1 << 12;
/// Texts for names of guests, modules, slots and anything else.
const TEXTS: &[&str] = &[
    "d0", "d1", "tiny", "sleep", "spin", "fuzz", "link", "service", "x", "", "K=v",
];
/// Modules that need nothing.
const MODULES: &[&str] = &["tiny", "tiny", "sleep", "sleep", "spin", "fuzz", "none"];
/// Numbers at the edges of something.
const EDGES: &[u64] = &[
    0,
    1,
    0xfff,
    0x1000,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_0000,
    0xffff_fffe,
    0xffff_ffff,
    1 << 32,
    i64::MAX as u64,
    1 << 63,
    u64::MAX,
];
/// Addresses at the ends of pages, of the memory and of what the interpreter has in it.
const EDGE_ADDRESSES: &[u64] = &[
    0x0,
    0x1,
    0x3fff,
    0x7fff,
    0xfc00,
    0xfc01,
    0xffff,
    0x1_0000,
    0x1_ffff,
    0x2_0000,
    0xffff_ffff,
    0xffff_fc00,
];

/// How long ago a handle or another value was answered.
pub fn ago(random: &mut Random) -> u8 {
    random.pick(&[0, 0, 0, 0, 1, 1, 1, 2, 2, 3, 4, 5, 7])
}

/// A handle that a guest of the spec has from its start, or nearly.
pub fn spec_handle(random: &mut Random) -> u64 {
    FIRST + random.pick(&[0, 0, 0, 1, 1, 1, 2, 3])
}

/// A text for a field or parameter of this name.
pub fn text(random: &mut Random, field: &str) -> &'static str {
    match field {
        "module" | "Archive" => random.pick(MODULES),
        "Guest" => random.pick(&["d0", "d1", "d0", "d1", "a", "none"]),
        _ => random.pick(TEXTS),
    }
}

/// A number for a field or parameter of this name and type.
pub fn number(random: &mut Random, name: &str, ty: &str) -> u64 {
    if random.percent(4) {
        return random.pick(EDGES);
    }
    if random.percent(1) {
        return random.next() >> random.below(64);
    }
    match (name, ty) {
        (_, "Rights") => random.pick(&[0, 1, 1, 2, 3, 3, 3, 3, 5, 7, 7, 7]),
        // What every guest needs to run something, and rarely all.
        (_, "Groups") => match random.below(4) {
            0 => 0,
            1 => u64::MAX >> 32,
            2 => 1 << random.below(15),
            _ => random.below(1 << 15) as u64,
        },
        (_, "Pid") => {
            FIRST * (1 + random.below(2) as u64) * random.below(2) as u64 + random.below(8) as u64
        }
        (_, "Level") => random.below(5) as u64,
        ("memory_bits", _) => random.pick(&[16, 16, 16, 17, 18, 15, 22, 40, 41]),
        ("stack", _) => random.pick(&[0, 0, 0, 65536]),
        ("prio", _) => random.pick(&[0, 0, 1, 100, 101]),
        ("deadline_ms", _) => random.pick(&[0, 1, 2, 5]),
        // The clock starts with the server, and its guests end after some milliseconds.
        ("deadline" | "expires" | "at", _) => random.below(8_000_000) as u64,
        ("grace", _) => random.pick(&[0, 1, 100_000, 2_000_000]),
        ("mailbox", _) => random.pick(&[0x100, 0x100, 0x100, 0x200, 0x200, 0x3000]),
        ("buffer" | "bytes" | "text" | "message" | "address", _) => address(random),
        ("len", _) => random.pick(&[0, 1, 5, 64, 511, 512, 513, 1024, 4096, 0x8000]),
        ("offset", _) => random.pick(&[0, 0, 1, 0x100, 0xff00, 0xffff, 0x1_0000]),
        ("pages", _) => random.pick(&[1, 1, 1, 2, 3, 16, 64, 1024, 1025]),
        ("task", _) => random.below(5) as u64,
        // Those of channels, all, none, and one that the other has.
        ("bells", _) => random.pick(&[1, 1, 2, 3, 3, 3, 4, 0, u32::MAX.into()]),
        ("rounds", _) => random.below(0x1_0000) as u64,
        ("uses", _) => random.pick(&[1, 1, 1, 2, 3]),
        ("table_elements" | "handles", _) => random.pick(&[1, 2, 3, 4]),
        _ => random.pick(&[0, 1, 1, 2, 3, 4, 8]),
    }
}

fn address(random: &mut Random) -> u64 {
    if random.percent(6) {
        return random.pick(EDGE_ADDRESSES);
    }
    match random.below(8) {
        // Behind the first page are the windows.
        0 => 0x1_0000 * (1 + random.below(4) as u64) + random.below(0x100) as u64,
        1 => random.below(0x1_0000) as u64,
        _ => 0x3000 + random.below(0x4000) as u64,
    }
}
