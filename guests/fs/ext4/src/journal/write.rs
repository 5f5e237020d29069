// SPDX-License-Identifier: BSD-2-Clause
//! Writing transactions to the log. Who calls flushes between the steps.

use alloc::{borrow::Cow, rc::Rc, vec, vec::Vec};

use zerocopy::{FromBytes, IntoBytes};

use crate::{
    Disk, DiskError,
    journal::{
        Journal,
        format::{
            COMMIT, COMMIT_CHECKSUM, Checksums, Commit, DESCRIPTOR, ESCAPED, Header, LAST, MAGIC,
            SAME_UUID, Tag, UUID,
        },
    },
    store::Device,
};

/// The place and the new bytes of a block.
pub(crate) type Logged = (u64, Rc<[u8]>);

impl Journal {
    /// How many blocks a transaction can have.
    pub(crate) fn capacity(&self) -> usize {
        let tags = self.tags();
        // But one for the commit block: as often as a descriptor and its tags fit, and what the last descriptor can
        // still say.
        let room = self.ring.len() as usize - 1;
        room / (1 + tags) * tags + (room % (1 + tags)).saturating_sub(1)
    }

    /// Whether the log must be emptied before a transaction of `count` blocks.
    pub(crate) fn must_empty(&self, count: usize) -> bool {
        let needed = count + count.div_ceil(self.tags()) + 1;
        self.is_stale || needed > (self.ring.len() - self.live) as usize
    }

    /// Whether the log has anything.
    pub(crate) const fn is_empty(&self) -> bool {
        self.live == 0 && !self.is_stale
    }

    /// Says that the log has nothing. All that was committed is in its place, and the flush behind this is followed by
    /// [`Journal::emptied`].
    pub(crate) fn empty<D: Disk>(&mut self, device: &mut Device<D>) -> Result<(), DiskError> {
        self.write_empty(device)
    }

    /// It has come to stay.
    pub(crate) const fn emptied(&mut self) {
        self.is_stale = false;
        self.live = 0;
    }

    /// Writes the copies of a transaction's blocks, of which there is at least one.
    pub(crate) fn write_copies<D: Disk>(
        &mut self,
        device: &mut Device<D>,
        blocks: &[Logged],
    ) -> Result<(), DiskError> {
        let (format, ring) = (self.format, &self.ring);
        let uuid = self.superblock().map_or([0; UUID], |it| it.uuid);
        let mut batch = device.batch();
        let mut at = self.head;
        for blocks in blocks.chunks(self.tags()) {
            let mut descriptor = self.header(DESCRIPTOR).as_bytes().to_vec();
            let copies: Vec<_> = blocks.iter().map(|(_, bytes)| escape(bytes)).collect();
            for (number, ((block, _), copy)) in blocks.iter().zip(&copies).enumerate() {
                let mut flags = 0;
                for (flag, applies) in [
                    (ESCAPED, matches!(copy, Cow::Owned(_))),
                    (SAME_UUID, number > 0),
                    (LAST, number + 1 == blocks.len()),
                ] {
                    flags |= if applies { flag } else { 0 };
                }
                let tag = Tag {
                    block: *block,
                    flags,
                    checksum: format.of_copy(self.sequence, copy),
                };
                format.put_tag(&tag, &uuid, &mut descriptor);
            }
            descriptor.resize(self.block_size, 0);
            if format.has_tails() {
                let tail = self.block_size - 4;
                let sum = format.of_block(&descriptor, tail);
                descriptor.truncate(tail);
                descriptor.extend(sum.to_be_bytes());
            }
            batch.put(ring.block(at), &descriptor)?;
            at = ring.after(at, 1);
            for copy in &copies {
                batch.put(ring.block(at), copy)?;
                at = ring.after(at, 1);
            }
        }
        batch.finish()?;
        self.written = (blocks.len() + blocks.len().div_ceil(self.tags())) as u32;
        Ok(())
    }

    /// Writes the commit block of what [`Journal::write_copies`] wrote, and that the log begins there. `seconds`: the
    /// time. The flush behind this is followed by [`Journal::committed`].
    pub(crate) fn write_commit<D: Disk>(
        &mut self,
        device: &mut Device<D>,
        seconds: u64,
    ) -> Result<(), DiskError> {
        let sequence = self.sequence;
        let mut block = vec![0; self.block_size];
        let header = self.header(COMMIT);
        if let Ok((commit, _)) = Commit::mut_from_prefix(&mut block) {
            commit.header = header;
            commit.seconds = seconds.into();
        }
        if self.format.checksums == Checksums::V3 {
            let sum = self.format.of_block(&block, COMMIT_CHECKSUM);
            if let Ok((commit, _)) = Commit::mut_from_prefix(&mut block) {
                commit.checksum = sum.into();
            }
        }
        // From here on, a replay may find it.
        self.is_stale = true;
        self.sequence = sequence.wrapping_add(1);
        let place = self.ring.after(self.head, self.written);
        device.write(self.ring.block(place), &block)?;
        self.write_superblock(device, self.head, sequence)
    }

    /// It is durable.
    pub(crate) const fn committed(&mut self) {
        self.is_stale = false;
        self.live = self.written + 1;
        self.head = self.ring.after(self.head, self.live);
    }

    /// How many blocks a descriptor can tell of.
    fn tags(&self) -> usize {
        self.format.tags(self.block_size)
    }

    fn header(&self, kind: u32) -> Header {
        Header {
            magic: MAGIC.into(),
            kind: kind.into(),
            sequence: self.sequence.into(),
        }
    }
}

/// A block as it is in the log: without the number there that its own blocks begin with.
fn escape(bytes: &[u8]) -> Cow<'_, [u8]> {
    if !bytes.starts_with(&MAGIC.to_be_bytes()) {
        return Cow::Borrowed(bytes);
    }
    let mut escaped = bytes.to_vec();
    if let Some(magic) = escaped.first_chunk_mut() {
        *magic = [0; 4];
    }
    Cow::Owned(escaped)
}
