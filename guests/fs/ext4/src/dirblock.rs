// SPDX-License-Identifier: BSD-2-Clause
//! Entries in a block of a directory.
//!
//! An entry is the inode's number (4 bytes, none: free), its own length (2), the name's length (1), the kind (1) and the
//! name. Lengths are multiples of four and fill the block, so what is free belongs to the entry before it. Where
//! metadata has checksums, the last twelve bytes look like a free entry and hold the block's.

use crate::{
    Error,
    bytes::{get16, get32, put16, put32},
};

/// Bytes of an entry before its name.
const HEAD: usize = 8;
/// Bytes of what has the checksum.
pub const TAIL: usize = 12;
/// The kind in a checksum's place.
const TAIL_KIND: u8 = 0xde;

/// An entry: where in the block it is, and what is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Raw<'a> {
    pub at: usize,
    /// Bytes up to the next.
    pub len: usize,
    /// None: it is free.
    pub ino: u32,
    pub kind: u8,
    pub name: &'a [u8],
}

impl Raw<'_> {
    const fn used(&self) -> usize {
        if self.ino == 0 {
            0
        } else {
            needed(self.name.len())
        }
    }

    /// How many of its bytes are free.
    pub const fn room(&self) -> usize {
        self.len.saturating_sub(self.used())
    }
}

/// Bytes that an entry needs.
pub const fn needed(name: usize) -> usize {
    (HEAD + name).next_multiple_of(4)
}

/// A length as it is written: 64 KiB do not fit into two bytes.
const fn length(raw: u16) -> usize {
    match raw {
        0 | 0xffff => 1 << 16,
        other => (other & 0xfffc) as usize | ((other & 3) as usize) << 16,
    }
}

const fn raw_length(len: usize) -> u16 {
    if len >= 1 << 16 { 0xffff } else { len as u16 }
}

/// The entry at `at` of the bytes that hold entries. None: it cannot be one.
fn entry(entries: &[u8], at: usize) -> Option<Raw<'_>> {
    let rest = entries.get(at..)?;
    let len = length(get16(rest, 4));
    let name = usize::from(*rest.get(6)?);
    let ino = get32(rest, 0);
    if len < HEAD + 4 || !len.is_multiple_of(4) || len > rest.len() || needed(name) > len {
        return None;
    }
    Some(Raw {
        at,
        len,
        ino,
        kind: *rest.get(7)?,
        name: rest.get(HEAD..HEAD + name)?,
    })
}

/// All entries of a block without the checksum, the free ones too. Ends with an error where one cannot be right.
pub fn entries(entries: &[u8]) -> impl Iterator<Item = Result<Raw<'_>, Error>> {
    let mut at = 0;
    core::iter::from_fn(move || {
        if at >= entries.len() {
            return None;
        }
        let found = entry(entries, at);
        at = found.map_or(entries.len(), |found| at + found.len);
        Some(found.ok_or(Error::Corrupt("an entry of a directory")))
    })
}

fn write(entries: &mut [u8], at: usize, len: usize, ino: u32, kind: u8, name: &[u8]) {
    let Some(rest) = entries.get_mut(at..) else {
        return;
    };
    put32(rest, 0, ino);
    put16(rest, 4, raw_length(len));
    if let [_, _, _, _, _, _, name_len, kind_byte, body @ ..] = rest {
        *name_len = name.len() as u8;
        *kind_byte = kind;
        if let Some(body) = body.get_mut(..name.len()) {
            body.copy_from_slice(name);
        }
    }
}

/// Puts an entry into what is free of the one at `at`.
pub fn insert(block: &mut [u8], at: usize, ino: u32, kind: u8, name: &[u8]) -> Result<(), Error> {
    let found = entry(block, at).ok_or(Error::Corrupt("an entry of a directory"))?;
    let (len, used) = (found.len, found.used());
    if len - used < needed(name.len()) {
        return Err(Error::Corrupt("an entry of a directory"));
    }
    if used > 0
        && let Some(rest) = block.get_mut(at..)
    {
        put16(rest, 4, raw_length(used));
    }
    write(block, at + used, len - used, ino, kind, name);
    Ok(())
}

/// Frees the entry at `at`: the one before gets its bytes.
pub fn remove(block: &mut [u8], at: usize) -> Result<(), Error> {
    let mut before = None;
    let mut len = 0;
    for raw in entries(block) {
        let raw = raw?;
        if raw.at == at {
            len = raw.len;
            break;
        }
        before = Some((raw.at, raw.len));
    }
    if len == 0 {
        return Err(Error::Corrupt("an entry of a directory"));
    }
    match before {
        Some((before, own)) => {
            if let Some(rest) = block.get_mut(before..) {
                put16(rest, 4, raw_length(own + len));
            }
        }
        None => {
            if let Some(rest) = block.get_mut(at..) {
                put32(rest, 0, 0);
            }
        }
    }
    Ok(())
}

/// Lets the entry at `at` be of another inode.
pub fn replace(block: &mut [u8], at: usize, ino: u32, kind: u8) {
    if let Some(rest) = block.get_mut(at..) {
        put32(rest, 0, ino);
        if let Some(byte) = rest.get_mut(7) {
            *byte = kind;
        }
    }
}

/// Makes the bytes of a block one free entry.
pub fn clear(entries: &mut [u8]) {
    entries.fill(0);
    let len = entries.len();
    write(entries, 0, len, 0, 0, &[]);
}

/// Makes the bytes of a block the first of a new directory.
pub fn first(entries: &mut [u8], own: u32, parent: u32, kind: u8) {
    entries.fill(0);
    let own_len = needed(1);
    let rest = entries.len().saturating_sub(own_len);
    write(entries, 0, own_len, own, kind, b".");
    write(entries, own_len, rest, parent, kind, b"..");
}

/// Makes the last bytes of a block the place of its checksum.
pub fn set_tail(block: &mut [u8]) {
    let at = block.len().saturating_sub(TAIL);
    if let Some(tail) = block.get_mut(at..) {
        tail.fill(0);
        put16(tail, 4, TAIL as u16);
        if let Some(byte) = tail.get_mut(7) {
            *byte = TAIL_KIND;
        }
    }
}

/// Whether a block ends with a checksum.
pub fn has_tail(block: &[u8]) -> bool {
    let tail = block.get(block.len().saturating_sub(TAIL)..).unwrap_or(&[]);
    get32(tail, 0) == 0
        && usize::from(get16(tail, 4)) == TAIL
        && tail.get(6) == Some(&0)
        && tail.get(7) == Some(&TAIL_KIND)
}

/// Whether it is of a directory's index: the root, which is one entry `.` and one `..` that fills the block, or a node,
/// which is one free entry that does.
pub fn is_index(block: &[u8], is_first: bool) -> bool {
    let first = entry(block, 0);
    if is_first {
        let parent = entry(block, needed(1));
        parent.is_some_and(|it| it.name == b".." && it.at + it.len == block.len())
    } else {
        first.is_some_and(|it| it.ino == 0 && it.len == block.len())
    }
}

/// Makes the bytes for entries of a block of the index: what the index was is free.
pub fn forget_index(entries: &mut [u8], is_first: bool) {
    if !is_first {
        clear(entries);
    } else if let Some(parent) = entries.get_mut(needed(1)..) {
        let len = parent.len();
        put16(parent, 4, raw_length(len));
        if let Some(free) = parent.get_mut(needed(2)..) {
            free.fill(0);
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::{vec, vec::Vec};

    use super::*;

    fn names(block: &[u8]) -> Vec<Vec<u8>> {
        let used = entries(block)
            .map(Result::unwrap)
            .filter(|raw| raw.ino != 0);
        used.map(|raw| raw.name.to_vec()).collect()
    }

    fn add(block: &mut [u8], name: &[u8]) -> bool {
        let room = entries(block)
            .map(Result::unwrap)
            .find(|raw| raw.room() >= needed(name.len()));
        let Some(at) = room.map(|raw| raw.at) else {
            return false;
        };
        insert(block, at, 12, 1, name).unwrap();
        true
    }

    fn at(block: &[u8], name: &[u8]) -> usize {
        entries(block)
            .map(Result::unwrap)
            .find(|raw| raw.ino != 0 && raw.name == name)
            .unwrap()
            .at
    }

    #[test]
    fn entries_come_and_go_and_stay_in_place() {
        let mut block = vec![0; 1024];
        set_tail(&mut block);
        let entries = &mut block[..1024 - TAIL];
        first(entries, 12, 2, 2);
        for name in [&b"a"[..], b"four", b"longer-name"] {
            assert!(add(entries, name));
        }
        let before = at(entries, b"longer-name");
        let gone = at(entries, b"four");
        remove(entries, gone).unwrap();
        assert!(add(entries, b"z"));
        assert_eq!(at(entries, b"z"), gone);
        assert_eq!(at(entries, b"longer-name"), before);
        assert_eq!(
            names(entries),
            [&b"."[..], b"..", b"a", b"z", b"longer-name"]
        );
        assert!(remove(entries, 4).is_err());
        let mut count = 0;
        while add(entries, &[b'x'; 255]) {
            count += 1;
        }
        assert_eq!(count, 3);
        assert!(has_tail(&block));
    }

    #[test]
    fn the_first_entry_of_a_block_can_go() {
        let mut entries = vec![0; 100];
        clear(&mut entries);
        assert!(add(&mut entries, b"one") && add(&mut entries, b"two"));
        remove(&mut entries, 0).unwrap();
        assert_eq!(names(&entries), [b"two"]);
        assert!(add(&mut entries, b"3"));
        assert_eq!(at(&entries, b"3"), 0);
    }

    #[test]
    fn what_cannot_be_an_entry_ends_the_block() {
        let mut block = vec![0; 64];
        clear(&mut block);
        add(&mut block, b"name");
        for (byte, value) in [(4, 3), (4, 200), (4, 0), (6, 60), (4, 8)] {
            let mut block = block.clone();
            block[byte] = value;
            assert!(entries(&block).any(|raw| raw.is_err()), "{byte} {value}");
            assert!(entries(&block).count() < 10);
        }
    }
}
