// SPDX-License-Identifier: BSD-2-Clause
//! What a crash left in the log: transactions that were committed and may not be in their places.

use alloc::{collections::BTreeMap, vec, vec::Vec};

use zerocopy::FromBytes;

use crate::{
    Disk, DiskError, MountError,
    journal::{
        Journal,
        format::{
            COMMIT, COMMIT_CHECKSUM, Checksums, Commit, DESCRIPTOR, ESCAPED, HEADER, Header, LAST,
            MAGIC, REVOKE, word,
        },
    },
    store::Device,
};

/// A copy in the log.
#[derive(Clone, Copy, Debug)]
struct Copy {
    /// The block that it is of.
    block: u64,
    /// Where in the log it is.
    at: u32,
    is_escaped: bool,
}

/// What is to be put in its place.
#[derive(Debug, Default)]
pub(crate) struct Found {
    copies: BTreeMap<u64, Copy>,
}

impl Found {
    /// The blocks that there are copies of.
    pub(crate) fn blocks(&self) -> impl ExactSizeIterator<Item = u64> {
        self.copies.keys().copied()
    }

    pub(crate) fn has(&self, block: u64) -> bool {
        self.copies.contains_key(&block)
    }
}

/// A transaction that was not read to its end.
#[derive(Default)]
struct Transaction {
    copies: Vec<Copy>,
    revoked: Vec<u64>,
    /// The checksum of the first kind, of all descriptors and copies.
    sum: u32,
}

/// Reads the log, no further than once round.
struct Reader<'a, D> {
    journal: &'a Journal,
    device: &'a mut Device<D>,
    at: u32,
    left: u32,
    block: Vec<u8>,
}

impl Journal {
    /// What the log has, and takes note of where it ends. It ends where a block is none of the next transaction's, has
    /// a wrong checksum or makes no sense.
    pub(crate) fn find<D: Disk>(&mut self, device: &mut Device<D>) -> Result<Found, MountError> {
        let start = self.superblock().map_or(0, |it| it.start.get());
        if start == 0 {
            return Ok(Found::default());
        }
        let mut reader = Reader {
            journal: self,
            device,
            at: start,
            left: self.ring.len(),
            block: vec![0; self.block_size],
        };
        let mut sequence = self.sequence;
        let mut committed = Vec::new();
        // The last transaction that has a record of a block forbids older copies, and its own.
        let mut revoked = BTreeMap::new();
        while let Some(transaction) = reader.transaction(sequence)? {
            committed.extend(transaction.copies.into_iter().map(|copy| (sequence, copy)));
            revoked.extend(transaction.revoked.iter().map(|block| (*block, sequence)));
            sequence = sequence.wrapping_add(1);
        }
        let first = self.sequence;
        let is_revoked = |number: u32, block| {
            // Numbers may begin again at 0 in between.
            let age = |number: u32| number.wrapping_sub(first);
            revoked
                .get(&block)
                .is_some_and(|by: &u32| age(*by) >= age(number))
        };
        let copies = committed
            .into_iter()
            .filter(|(number, copy)| !is_revoked(*number, copy.block));
        let found = Found {
            copies: copies.map(|(_, copy)| (copy.block, copy)).collect(),
        };
        // What was begun there must not be taken for what will be.
        self.sequence = sequence.wrapping_add(1);
        self.is_stale = true;
        Ok(found)
    }

    /// Reads one of the copies that were found.
    pub(crate) fn read_copy<D: Disk>(
        &self,
        device: &mut Device<D>,
        found: &Found,
        block: u64,
        into: &mut [u8],
    ) -> Result<(), DiskError> {
        let Some(copy) = found.copies.get(&block) else {
            return Ok(());
        };
        device.read(self.ring.block(copy.at), into)?;
        if copy.is_escaped
            && let Some(magic) = into.first_chunk_mut()
        {
            *magic = MAGIC.to_be_bytes();
        }
        Ok(())
    }
}

impl<D: Disk> Reader<'_, D> {
    /// Reads the next block; answers where it was, or nothing where the log has come round.
    fn next(&mut self) -> Result<Option<u32>, DiskError> {
        let Some(left) = self.left.checked_sub(1) else {
            return Ok(None);
        };
        let at = self.at;
        self.left = left;
        self.at = self.journal.ring.after(at, 1);
        self.device
            .read(self.journal.ring.block(at), &mut self.block)?;
        Ok(Some(at))
    }

    /// Reads the transaction with this number, if it is there and whole.
    fn transaction(&mut self, sequence: u32) -> Result<Option<Transaction>, DiskError> {
        let format = self.journal.format;
        let mut transaction = Transaction {
            sum: !0,
            ..Transaction::default()
        };
        while self.next()?.is_some() {
            let Ok((header, _)) = Header::ref_from_prefix(&self.block) else {
                break;
            };
            if header.magic.get() != MAGIC || header.sequence.get() != sequence {
                break;
            }
            let goes_on = match header.kind.get() {
                DESCRIPTOR => {
                    format.is_sealed(&self.block) && self.copies(sequence, &mut transaction)?
                }
                REVOKE => format.is_sealed(&self.block) && self.revoked(&mut transaction),
                COMMIT => return Ok(self.is_commit(&transaction).then_some(transaction)),
                _ => false,
            };
            if !goes_on {
                break;
            }
        }
        Ok(None)
    }

    /// Reads what the descriptor that was just read tells of; answers whether it was there.
    fn copies(&mut self, sequence: u32, transaction: &mut Transaction) -> Result<bool, DiskError> {
        let format = self.journal.format;
        let descriptor = self.block.clone();
        let has_sum = format.checksums == Checksums::V1;
        if has_sum {
            transaction.sum = crc32(transaction.sum, &descriptor);
        }
        let end = descriptor.len().saturating_sub(format.tail());
        let mut tags = descriptor.get(HEADER..end).unwrap_or_default();
        while let Some((tag, size)) = format.tag(tags) {
            let Some(at) = self.next()? else {
                return Ok(false);
            };
            if format.has_tails() && format.of_copy(sequence, &self.block) != tag.checksum {
                return Ok(false);
            }
            if has_sum {
                transaction.sum = crc32(transaction.sum, &self.block);
            }
            transaction.copies.push(Copy {
                block: tag.block,
                at,
                is_escaped: tag.flags & ESCAPED != 0,
            });
            tags = tags.get(size..).unwrap_or_default();
            if tag.flags & LAST != 0 {
                break;
            }
        }
        Ok(true)
    }

    /// Takes the numbers in the revoke block that was just read; answers whether it makes sense.
    fn revoked(&self, transaction: &mut Transaction) -> bool {
        let used = word(&self.block, HEADER).and_then(|used| usize::try_from(used).ok());
        let end = self.block.len().saturating_sub(self.journal.format.tail());
        let Some(used) = used.filter(|used| *used <= end) else {
            return false;
        };
        let Some(numbers) = self.block.get(HEADER + 4..used) else {
            return false;
        };
        if self.journal.format.is_wide {
            let (numbers, _) = numbers.as_chunks();
            let numbers = numbers.iter().map(|bytes| u64::from_be_bytes(*bytes));
            transaction.revoked.extend(numbers);
        } else {
            let (numbers, _) = numbers.as_chunks();
            let numbers = numbers
                .iter()
                .map(|bytes| u64::from(u32::from_be_bytes(*bytes)));
            transaction.revoked.extend(numbers);
        }
        true
    }

    /// Whether the commit block that was just read has the right checksum.
    fn is_commit(&self, transaction: &Transaction) -> bool {
        let Ok((commit, _)) = Commit::ref_from_prefix(&self.block) else {
            return false;
        };
        let sum = commit.checksum.get();
        match self.journal.format.checksums {
            Checksums::None => true,
            // Linux takes one that says that it has none.
            Checksums::V1 => match (commit.checksum_type, commit.checksum_size) {
                (0, 0) => sum == 0,
                (1, 4) => sum == transaction.sum,
                _ => false,
            },
            Checksums::V2 | Checksums::V3 => {
                sum == self.journal.format.of_block(&self.block, COMMIT_CHECKSUM)
            }
        }
    }
}

/// CRC-32 with the highest bit first, of `bytes` after what came to `crc`.
fn crc32(crc: u32, bytes: &[u8]) -> u32 {
    let mut crc = crc;
    for byte in bytes {
        crc ^= u32::from(*byte) << 24;
        for _ in 0..8 {
            crc = (crc << 1) ^ (0x04c1_1db7 * (crc >> 31));
        }
    }
    crc
}
