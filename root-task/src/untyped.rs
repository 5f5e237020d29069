// SPDX-License-Identifier: BSD-2-Clause
//! Which untyped an object comes from.
//!
//! The kernel zeroes the whole of an untyped at its first Retype, so memory that has not been used
//! is expensive to take the first bytes of, and everything else in it is then cheap. Hence buddies:
//! an untyped is split into halves until a piece has the size that is wanted, and each request takes
//! the piece that costs the least zeroing, then the smallest.

use heapless::Vec;

use crate::problem::Problem;

/// Most free pieces at a time; the kernel's list alone may have 230.
pub const MAX_BLOCKS: usize = 512;

/// Smallest untyped of the kernel (`seL4_MinUntypedBits`).
pub const MIN_BITS: u8 = 4;

/// A free untyped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    /// Slot of its capability in the root task's CNode.
    pub slot: usize,
    /// Physical address.
    pub paddr: u64,
    /// log2 of its bytes.
    pub bits: u8,
    /// Not memory but registers: never zeroed, and good for frames and untypeds only.
    pub device: bool,
    /// Its first Retype will zero it.
    pub dirty: bool,
}

/// What the taker does with an untyped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Makes objects in it now.
    Retype,
    /// Hands it on as it is; whoever gets it pays for the zeroing.
    HandOn,
}

/// The system call behind [`Pool`].
pub trait Split {
    /// Makes both halves of an untyped; returns the slots of the lower and the upper one.
    ///
    /// # Errors
    /// The kernel's, or [`Problem::NoSlots`].
    fn split(&mut self, block: &Block) -> Result<[usize; 2], Problem>;
}

/// The free memory.
#[derive(Clone, Debug, Default)]
pub struct Pool {
    blocks: Vec<Block, MAX_BLOCKS>,
}

impl Pool {
    /// Adds a free untyped.
    ///
    /// # Errors
    /// [`Problem::TooManyPieces`]
    pub fn add(&mut self, block: Block) -> Result<(), Problem> {
        self.blocks.push(block).map_err(|_| Problem::TooManyPieces)
    }

    /// Takes memory of `2^bits` bytes.
    ///
    /// # Errors
    /// [`Problem::NoMemory`], or those of the splitting.
    pub fn take(
        &mut self,
        bits: u8,
        purpose: Purpose,
        kernel: &mut impl Split,
    ) -> Result<Block, Problem> {
        let bits = bits.max(MIN_BITS);
        let zeroing = |block: &Block| match purpose {
            _ if !block.dirty => 0,
            Purpose::HandOn if block.bits == bits => 0,
            _ => 1u64 << block.bits,
        };
        let best = (self.blocks.iter().enumerate())
            .filter(|(_, block)| !block.device && block.bits >= bits)
            .min_by_key(|(_, block)| (zeroing(block), block.bits));
        match best {
            Some((index, block)) => {
                let paddr = block.paddr;
                self.split_to(index, paddr, bits, kernel)
            }
            None => Err(Problem::NoMemory {
                bits,
                largest: self.largest(),
            }),
        }
    }

    /// Takes the `2^bits` bytes at a physical address, be they memory or a device.
    ///
    /// # Errors
    /// [`Problem::NoMemoryAt`], or those of the splitting.
    pub fn take_at(
        &mut self,
        paddr: u64,
        bits: u8,
        kernel: &mut impl Split,
    ) -> Result<Block, Problem> {
        let missing = Problem::NoMemoryAt { paddr, bits };
        if !(MIN_BITS..64).contains(&bits) || paddr & ((1 << bits) - 1) != 0 {
            return Err(missing);
        }
        let holds = |block: &Block| {
            block.bits >= bits && paddr.wrapping_sub(block.paddr) >> block.bits == 0
        };
        let index = self.blocks.iter().position(holds).ok_or(missing)?;
        self.split_to(index, paddr, bits, kernel)
    }

    /// Everything that was not taken: memory, then devices, the largest first.
    pub fn into_left(mut self) -> Vec<Block, MAX_BLOCKS> {
        self.blocks.sort_unstable_by_key(|block| {
            (block.device, core::cmp::Reverse(block.bits), block.paddr)
        });
        self.blocks
    }

    /// Bytes of memory, which devices are not.
    pub fn bytes(&self) -> u64 {
        let memory = self.blocks.iter().filter(|block| !block.device);
        memory.map(|block| 1u64 << block.bits).sum()
    }

    /// log2 of the bytes of the largest piece of memory.
    pub fn largest(&self) -> Option<u8> {
        self.blocks
            .iter()
            .filter(|block| !block.device)
            .map(|block| block.bits)
            .max()
    }

    /// Halves a block until the half with `paddr` has `bits`, and takes that.
    fn split_to(
        &mut self,
        index: usize,
        paddr: u64,
        bits: u8,
        kernel: &mut impl Split,
    ) -> Result<Block, Problem> {
        let mut block = self.blocks.swap_remove(index);
        while block.bits > bits {
            // Before the kernel does anything, so that no half is lost.
            if self.blocks.is_full() {
                return Err(Problem::TooManyPieces);
            }
            let [lower, upper] = kernel.split(&block)?;
            let half = block.bits - 1;
            let low = Block {
                slot: lower,
                bits: half,
                dirty: false,
                ..block
            };
            let high = Block {
                slot: upper,
                paddr: block.paddr + (1 << half),
                ..low
            };
            let (wanted, other) = if paddr < high.paddr {
                (low, high)
            } else {
                (high, low)
            };
            self.add(other)?;
            block = wanted;
        }
        Ok(block)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Counts what the kernel would zero.
    #[derive(Default)]
    struct Kernel {
        slots: usize,
        zeroed: u64,
    }

    impl Split for Kernel {
        fn split(&mut self, block: &Block) -> Result<[usize; 2], Problem> {
            self.slots += 2;
            self.zeroed += if block.dirty && !block.device {
                1 << block.bits
            } else {
                0
            };
            Ok([1000 + self.slots, 1001 + self.slots])
        }
    }

    /// Memory as the kernel leaves it: one block of each size.
    fn pool(bits: core::ops::Range<u8>) -> Pool {
        let mut pool = Pool::default();
        for bits in bits {
            let block = Block {
                slot: bits.into(),
                paddr: 1 << bits,
                bits,
                device: false,
                dirty: true,
            };
            pool.add(block).unwrap();
        }
        pool.add(Block {
            slot: 99,
            paddr: 0,
            bits: 40,
            device: true,
            dirty: true,
        })
        .unwrap();
        pool
    }

    #[test]
    fn takes_the_smallest_that_fits() {
        let (mut pool, mut kernel) = (pool(12..24), Kernel::default());
        let block = pool.take(16, Purpose::Retype, &mut kernel).unwrap();
        assert_eq!((block.slot, block.bits, kernel.zeroed), (16, 16, 0));
        // 2^16 is gone now: the next size up is split, and serves until it is used up.
        pool.take(16, Purpose::Retype, &mut kernel).unwrap();
        assert_eq!(kernel.zeroed, 1 << 17);
        pool.take(15, Purpose::Retype, &mut kernel).unwrap();
        pool.take(15, Purpose::Retype, &mut kernel).unwrap();
        assert_eq!(kernel.zeroed, 1 << 17);
    }

    #[test]
    fn hands_on_without_zeroing() {
        let (mut pool, mut kernel) = (pool(12..24), Kernel::default());
        pool.take(22, Purpose::Retype, &mut kernel).unwrap();
        let split = pool.take(10, Purpose::Retype, &mut kernel).unwrap();
        let whole = pool.take(20, Purpose::HandOn, &mut kernel).unwrap();
        assert_eq!((split.bits, whole.slot), (10, 20));
        assert_eq!(kernel.zeroed, 1 << 12);
    }

    #[test]
    fn pieces_never_overlap_and_nothing_is_lost() {
        let (mut pool, mut kernel) = (pool(20..21), Kernel::default());
        let mut taken = std::vec::Vec::new();
        let mut bits = 4;
        while let Ok(block) = pool.take(bits, Purpose::Retype, &mut kernel) {
            taken.push(block);
            bits = if bits == 16 { 4 } else { bits + 1 };
        }
        while let Ok(block) = pool.take(4, Purpose::Retype, &mut kernel) {
            taken.push(block);
        }
        taken.sort_by_key(|block| block.paddr);
        for pair in taken.windows(2) {
            assert_eq!(pair[0].paddr + (1 << pair[0].bits), pair[1].paddr);
        }
        assert_eq!(
            taken.iter().map(|block| 1u64 << block.bits).sum::<u64>(),
            1 << 20
        );
        assert_eq!((pool.largest(), pool.bytes()), (None, 0));
    }

    #[test]
    fn what_is_left_and_what_was_taken_is_all() {
        let (mut pool, mut kernel) = (pool(12..24), Kernel::default());
        let all = pool.bytes();
        let mut taken = 0;
        for bits in [4, 20, 13, 12, 5, 22] {
            let block = pool.take(bits, Purpose::Retype, &mut kernel).unwrap();
            taken += 1u64 << block.bits;
        }
        assert_eq!(pool.bytes(), all - taken);
        let left = pool.into_left();
        assert!(left.is_sorted_by_key(|block| (block.device, core::cmp::Reverse(block.bits))));
        assert!(left.last().unwrap().device);
        let memory = left.iter().filter(|block| !block.device);
        assert_eq!(
            memory.map(|block| 1u64 << block.bits).sum::<u64>(),
            all - taken
        );
    }

    #[test]
    fn finds_physical_addresses() {
        let (mut pool, mut kernel) = (pool(12..24), Kernel::default());
        let uart = pool.take_at(0x0900_0000, 12, &mut kernel).unwrap();
        assert_eq!(
            (uart.paddr, uart.bits, uart.device),
            (0x0900_0000, 12, true)
        );
        let next = pool.take_at(0x0900_1000, 12, &mut kernel).unwrap();
        assert_eq!((next.paddr, next.bits), (0x0900_1000, 12));
        let gone = Problem::NoMemoryAt {
            paddr: 0x0900_0000,
            bits: 12,
        };
        assert_eq!(pool.take_at(0x0900_0000, 12, &mut kernel), Err(gone));
        assert!(pool.take_at(0x0900_2100, 12, &mut kernel).is_err());
        assert!(pool.take_at(1 << 50, 12, &mut kernel).is_err());
        assert!(pool.take_at(0, 64, &mut kernel).is_err());
        assert_eq!(kernel.zeroed, 0);
    }

    #[test]
    fn says_what_is_left() {
        let (mut pool, mut kernel) = (pool(12..24), Kernel::default());
        let refused = Problem::NoMemory {
            bits: 30,
            largest: Some(23),
        };
        assert_eq!(pool.take(30, Purpose::Retype, &mut kernel), Err(refused));
    }
}
