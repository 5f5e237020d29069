// SPDX-License-Identifier: BSD-2-Clause
//! Process ids, of which no two in a system are the same: in the low bits a place in a program's table, above it the
//! generation, then the number of the program.

/// Bits of the place.
pub const INDEX_BITS: u32 = 10;
/// Bits of the generation, which is never 0.
pub const GENERATION_BITS: u32 = 18;
/// Bits of the generation that are the life of the program: those of one do not meet those of the one before.
const LIFE_BITS: u32 = 3;

/// The id with these parts, each as far as it has bits.
pub const fn of(program: u8, generation: u32, index: u32) -> u32 {
    let generation = generation & ((1 << GENERATION_BITS) - 1);
    let index = index & ((1 << INDEX_BITS) - 1);
    (program as u32) << (INDEX_BITS + GENERATION_BITS) | generation << INDEX_BITS | index
}

/// The program that a process is one of.
pub const fn program(pid: u32) -> u8 {
    (pid >> (INDEX_BITS + GENERATION_BITS)) as u8
}

/// What the generations of a program's life begin behind.
pub const fn before(life: u8) -> u32 {
    let life = life as u32 & ((1 << LIFE_BITS) - 1);
    life << (GENERATION_BITS - LIFE_BITS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MAX_PROGRAMS;

    #[test]
    fn no_two_are_the_same() {
        let mut seen = std::collections::BTreeSet::new();
        for number in 0..MAX_PROGRAMS as u8 {
            for life in 0..1 << LIFE_BITS {
                let pid = of(number, before(life) + 1, 0);
                assert!(pid != 0 && program(pid) == number && seen.insert(pid));
            }
        }
    }
}
