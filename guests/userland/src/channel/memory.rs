// SPDX-License-Identifier: BSD-2-Clause
//! What a channel's memory is made of: words that are shared, and bytes that are copied. With
//! `--cfg loom` both are loom's, so that models see every access.

#[cfg(not(loom))]
pub(super) use crate::sys::{
    cells::{Cells, Data, Loose, One, Run, Slice},
    shared::Shared as Memory,
};

#[cfg(loom)]
pub(super) use model::{Cells, Data, Loose, One, Run, Slice};

#[cfg(loom)]
mod model {
    use alloc::{sync::Arc, vec::Vec};
    use core::ops::Range;

    use loom::sync::atomic::{AtomicU64, Ordering::Relaxed};

    const WORD: usize = 8;

    /// As `sys::cells::Cells`.
    pub(in super::super) struct Cells<T> {
        all: Arc<[T]>,
        mask: u32,
    }

    impl<T: Default> Cells<T> {
        pub fn zeroed(count: u32) -> Self {
            let all: Vec<T> = (0..count).map(|_| T::default()).collect();
            Self {
                all: all.into(),
                mask: count - 1,
            }
        }

        pub fn one(&self, index: u32) -> One<T> {
            One {
                all: self.all.clone(),
                place: (index & self.mask) as usize,
            }
        }

        pub fn at(&self, index: u32) -> &T {
            &self.all[(index & self.mask) as usize]
        }
    }

    impl<T> Clone for Cells<T> {
        fn clone(&self) -> Self {
            Self {
                all: self.all.clone(),
                mask: self.mask,
            }
        }
    }

    /// As `sys::cells::One`.
    pub(in super::super) struct One<T> {
        all: Arc<[T]>,
        place: usize,
    }

    impl<T> Clone for One<T> {
        fn clone(&self) -> Self {
            Self {
                all: self.all.clone(),
                place: self.place,
            }
        }
    }

    impl<T> One<T> {
        pub fn own(cell: T) -> Self {
            Self {
                all: Arc::new([cell]),
                place: 0,
            }
        }

        pub fn get(&self) -> &T {
            &self.all[self.place]
        }
    }

    /// As `sys::cells::Loose`.
    #[derive(Default)]
    pub(crate) struct Loose(AtomicU64);

    impl Loose {
        pub fn load(&self) -> u64 {
            self.0.load(Relaxed)
        }

        pub fn store(&self, word: u64) {
            self.0.store(word, Relaxed);
        }
    }

    /// As `sys::cells::Run`.
    pub(in super::super) struct Run(Option<(Data, u32, u32)>);

    impl Run {
        pub fn empty() -> Self {
            Self(None)
        }

        pub fn of(data: &Data, position: u32, len: u32) -> Self {
            Self(Some((
                data.clone(),
                position,
                len.min(data.contiguous(position)),
            )))
        }

        pub fn has(&self, len: u32) -> bool {
            len <= self.0.as_ref().map_or(0, |(_, _, left)| *left)
        }

        pub fn take(&mut self, len: u32) -> Option<(u32, Slice)> {
            if !self.has(len) {
                return None;
            }
            let Some((data, position, left)) = &mut self.0 else {
                let data = Data::zeroed(16);
                return data.slice(0, 0).map(|slice| (0, slice));
            };
            let (start, span) = (*position, len.next_multiple_of(16));
            *left = left.saturating_sub(span);
            *position = position.wrapping_add(span);
            data.slice(start, len).map(|slice| (start, slice))
        }
    }

    /// As `sys::cells::Data`; in words, which is as fine as it is copied here.
    #[derive(Clone, Debug)]
    pub(in super::super) struct Data {
        words: Arc<[AtomicU64]>,
    }

    impl Data {
        pub fn zeroed(len: u32) -> Self {
            let words: Vec<_> = (0..len as usize / WORD)
                .map(|_| AtomicU64::default())
                .collect();
            Self {
                words: words.into(),
            }
        }

        fn bytes(&self) -> u32 {
            (self.words.len() * WORD) as u32
        }

        pub fn next_lap(&self, position: u32) -> u32 {
            (position | (self.bytes() - 1)).wrapping_add(1)
        }

        pub fn contiguous(&self, position: u32) -> u32 {
            self.bytes() - (position & (self.bytes() - 1) & !15)
        }

        pub fn slice(&self, position: u32, len: u32) -> Option<Slice> {
            let place = position & (self.bytes() - 1) & !15;
            let words = place as usize / WORD..(place as usize + len as usize).div_ceil(WORD);
            (len <= self.bytes() - place).then_some(Slice {
                data: self.clone(),
                words,
                len,
            })
        }
    }

    /// As `sys::cells::Slice`.
    #[derive(Clone, Debug)]
    pub(in super::super) struct Slice {
        data: Data,
        words: Range<usize>,
        len: u32,
    }

    impl Slice {
        pub fn len(&self) -> u32 {
            self.len
        }

        pub fn truncate(&mut self, len: u32) {
            self.len = self.len.min(len);
        }

        /// Those from an offset on, which is one of a word.
        fn words_from(&self, offset: u32) -> Option<&[AtomicU64]> {
            let offset = offset as usize;
            let words = self.data.words.get(self.words.clone())?;
            offset
                .is_multiple_of(WORD)
                .then(|| words.get(offset / WORD..))?
        }

        pub fn put(&self, bytes: &[u8]) -> Option<()> {
            self.put_at(0, bytes)
        }

        pub fn put_at(&self, offset: u32, bytes: &[u8]) -> Option<()> {
            for (chunk, word) in bytes.chunks(WORD).zip(self.words_from(offset)?) {
                let mut value = [0; WORD];
                value[..chunk.len()].copy_from_slice(chunk);
                word.store(u64::from_ne_bytes(value), Relaxed);
            }
            Some(())
        }

        pub fn get(&self, bytes: &mut [u8]) -> Option<()> {
            self.get_at(0, bytes)
        }

        pub fn get_at(&self, offset: u32, bytes: &mut [u8]) -> Option<()> {
            for (chunk, word) in bytes.chunks_mut(WORD).zip(self.words_from(offset)?) {
                chunk.copy_from_slice(&word.load(Relaxed).to_ne_bytes()[..chunk.len()]);
            }
            Some(())
        }
    }
}
