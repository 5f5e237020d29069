// SPDX-License-Identifier: BSD-2-Clause
//! Directories, as they lie in a buffer.
//!
//! Entries one after the other, without gaps. Numbers are little-endian.
//!
//! | bytes | |
//! |---|---|
//! | 4 | number of the file |
//! | 1 | its kind: 0 file, 1 directory, 2 symbolic link, 3 something else |
//! | 1 | bytes of the name, from 1 on |
//! | | the name |

use super::Kind;

/// Bytes before the name.
const HEADER: usize = 6;

/// An entry of a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listed<'a> {
    /// The number of the file.
    pub inode: u32,
    /// What it is.
    pub kind: Kind,
    /// Its name: mostly UTF-8.
    pub name: &'a [u8],
}

impl Listed<'_> {
    /// Puts it where there is room; answers how many bytes it took, or none if there is no room, or the name is empty or
    /// too long.
    pub fn put(&self, room: &mut [u8]) -> Option<usize> {
        let len = u8::try_from(self.name.len()).ok().filter(|len| *len != 0)?;
        let kind = match self.kind {
            Kind::File => 0,
            Kind::Directory => 1,
            Kind::Symlink => 2,
            Kind::Other => 3,
        };
        let whole = HEADER + self.name.len();
        let (header, name) = room.get_mut(..whole)?.split_at_mut_checked(HEADER)?;
        let [a, b, c, d] = self.inode.to_le_bytes();
        header.copy_from_slice(&[a, b, c, d, kind, len]);
        name.copy_from_slice(self.name);
        Some(whole)
    }
}

/// A part of a directory. It ends where what is there is no entry.
#[derive(Clone, Copy, Debug)]
pub struct Listing<'a>(pub &'a [u8]);

impl<'a> Iterator for Listing<'a> {
    type Item = Listed<'a>;

    fn next(&mut self) -> Option<Listed<'a>> {
        let (&[a, b, c, d, kind, len], rest) = self.0.split_first_chunk::<HEADER>()?;
        let kind = match kind {
            0 => Kind::File,
            1 => Kind::Directory,
            2 => Kind::Symlink,
            3 => Kind::Other,
            _ => return None,
        };
        let (name, rest) = rest.split_at_checked(len.into())?;
        if name.is_empty() {
            return None;
        }
        self.0 = rest;
        Some(Listed {
            inode: u32::from_le_bytes([a, b, c, d]),
            kind,
            name,
        })
    }
}
