// SPDX-License-Identifier: BSD-2-Clause
//! How much of what a server takes, before any of it is made: all of it comes from one untyped, whose
//! size this finds.

use heapless::Vec;
use wasm_handoff::{OWN_BITS, ROOT_BITS, vspace};

use crate::elf::Elf;
use crate::problem::Problem;

/// Bytes of the smallest page.
pub const PAGE: u64 = 4096;
/// Bytes of a large page.
pub const LARGE_PAGE: u64 = 2 << 20;
/// log2 of [`PAGE`].
pub const PAGE_BITS: u8 = 12;
/// log2 of [`LARGE_PAGE`].
pub const LARGE_PAGE_BITS: u8 = 21;
/// log2 of the bytes of a slot.
const SLOT_BITS: usize = 5;

/// Most page tables of one server that the root task makes.
pub const MAX_TABLES: usize = 256;

/// Device and other frames are at least this far apart, so that a stray access hits nothing.
const WINDOW_STEP: u64 = 64 * 1024;

/// log2 of what one entry spans in a table of each level, the VSpace's own first
/// (Arm ARM, D8.2: 4 KiB granule, 48-bit addresses).
const ENTRY_BITS: [u8; 4] = [39, 30, 21, 12];

/// The page tables that a VSpace has below its root.
#[derive(Clone, Debug, Default)]
pub struct Tables {
    made: Vec<(usize, u64), MAX_TABLES>,
}

impl Tables {
    /// Calls `make` with level (1 to 3) and address for each table that is still missing to map pages
    /// of `2^page_bits` in `start..start + len`, the higher levels first.
    ///
    /// # Errors
    /// [`Problem::TooManyTables`], or those of `make`.
    pub fn cover(
        &mut self,
        start: u64,
        len: u64,
        page_bits: u8,
        mut make: impl FnMut(usize, u64) -> Result<(), Problem>,
    ) -> Result<(), Problem> {
        // A table of level n hangs in an entry of level n - 1.
        for (level, &entry_bits) in ENTRY_BITS.iter().enumerate().map(|(i, bits)| (i + 1, bits)) {
            if entry_bits <= page_bits || len == 0 {
                break;
            }
            for index in start >> entry_bits..=(start + len - 1) >> entry_bits {
                let table = (level, index << entry_bits);
                if !self.made.contains(&table) {
                    make(table.0, table.1)?;
                    self.made.push(table).map_err(|_| Problem::TooManyTables)?;
                }
            }
        }
        Ok(())
    }
}

/// A heap, its large pages first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heap {
    /// How many large pages.
    pub large: u64,
    /// How many pages after them.
    pub small: u64,
}

impl Heap {
    /// A heap of at least this many bytes.
    pub fn new(bytes: u32) -> Self {
        let bytes = u64::from(bytes).next_multiple_of(PAGE);
        Self {
            large: bytes / LARGE_PAGE,
            small: bytes % LARGE_PAGE / PAGE,
        }
    }

    /// Its bytes.
    pub fn bytes(self) -> u64 {
        self.large * LARGE_PAGE + self.small * PAGE
    }
}

/// Places frames of `2^bits` bytes each, one after the other.
#[derive(Clone, Copy, Debug)]
pub struct Windows {
    next: u64,
}

impl Default for Windows {
    fn default() -> Self {
        Self {
            next: vspace::DEVICES,
        }
    }
}

impl Windows {
    /// The address for the next frame.
    ///
    /// # Errors
    /// [`Problem::FrameSize`], [`Problem::NoRoom`]
    pub fn place(&mut self, bits: u8) -> Result<u64, Problem> {
        if !matches!(bits, 12 | 21 | 30) {
            return Err(Problem::FrameSize(bits));
        }
        let bytes = 1 << bits;
        let at = self.next.next_multiple_of(WINDOW_STEP.max(bytes));
        if at + bytes > vspace::FREE {
            return Err(Problem::NoRoom {
                what: "this frame",
                bytes,
                room: vspace::FREE.saturating_sub(self.next),
            });
        }
        // The step after a frame keeps the page behind it unmapped.
        self.next = at + bytes + WINDOW_STEP;
        Ok(at)
    }
}

/// Everything that a server is made of.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Its heap.
    pub heap: Heap,
    /// log2 of the bytes of the untyped that all of it fits in.
    pub bits: u8,
    /// How many objects there are, hence slots for them.
    pub objects: usize,
}

/// Bytes of the parts of the boot image that a server sees.
#[derive(Clone, Copy, Debug)]
pub struct Shared {
    /// Bytes of the compiled spec.
    pub spec: u64,
    /// Bytes of the module archive.
    pub archive: u64,
}

impl Plan {
    /// Plans a server with this program and heap, and with frames of `frame_bits` given to it.
    ///
    /// # Errors
    /// [`Problem::NoRoom`], [`Problem::TooManyTables`], [`Problem::NoServerSlots`],
    /// [`Problem::FrameSize`]
    pub fn new(
        elf: &Elf<'_>,
        heap: u32,
        shared: Shared,
        frame_bits: impl Iterator<Item = u8>,
    ) -> Result<Self, Problem> {
        let heap = Heap::new(heap);
        room(
            "the compiled spec",
            shared.spec,
            vspace::ARCHIVE - vspace::SPEC,
        )?;
        room(
            "the module archive",
            shared.archive,
            vspace::HEAP - vspace::ARCHIVE,
        )?;
        room("its heap", heap.bytes(), vspace::DEVICES - vspace::HEAP)?;
        if shared.spec.div_ceil(PAGE) + shared.archive.div_ceil(PAGE) + 128 > 1 << OWN_BITS {
            return Err(Problem::NoServerSlots);
        }

        let mut tables = 0;
        let mut space = Tables::default();
        let mut cover = |start, len, bits| {
            space.cover(start, len, bits, |_, _| {
                tables += 1;
                Ok(())
            })
        };
        // Stack, IPC buffer and handoff page.
        let mut pages = vspace::STACK_BYTES / PAGE + 2 + heap.small;
        cover(
            vspace::STACK_TOP - vspace::STACK_BYTES,
            vspace::STACK_BYTES,
            PAGE_BITS,
        )?;
        cover(vspace::IPC_BUFFER, PAGE, PAGE_BITS)?;
        cover(vspace::HANDOFF, PAGE, PAGE_BITS)?;
        for segment in &elf.segments {
            pages += segment.pages();
            cover(segment.first_page(), segment.pages() * PAGE, PAGE_BITS)?;
        }
        cover(vspace::SPEC, shared.spec, PAGE_BITS)?;
        cover(vspace::ARCHIVE, shared.archive, PAGE_BITS)?;
        cover(vspace::HEAP, heap.large * LARGE_PAGE, LARGE_PAGE_BITS)?;
        cover(
            vspace::HEAP + heap.large * LARGE_PAGE,
            heap.small * PAGE,
            PAGE_BITS,
        )?;
        let mut windows = Windows::default();
        for bits in frame_bits {
            cover(windows.place(bits)?, 1 << bits, bits)?;
        }

        // One more page of memory for what is smaller than one (TCB, endpoint, notification), one for
        // the VSpace. Made by decreasing size, nothing is lost to alignment.
        let cnodes = (1 << (OWN_BITS + SLOT_BITS)) + (1 << (ROOT_BITS + SLOT_BITS));
        let bytes = heap.large * LARGE_PAGE + cnodes + (pages + tables + 2) * PAGE;
        Ok(Self {
            heap,
            bits: bytes.next_power_of_two().ilog2() as u8,
            // Two CNodes, VSpace, TCB, endpoint and notification besides.
            objects: (heap.large + pages + tables + 6) as usize,
        })
    }
}

fn room(what: &'static str, bytes: u64, room: u64) -> Result<(), Problem> {
    if bytes > room {
        Err(Problem::NoRoom { what, bytes, room })
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::elf::{Access, Segment};

    fn program(size: u64) -> Elf<'static> {
        let mut segments = Vec::new();
        segments
            .push(Segment {
                vaddr: 0x20_0000,
                size,
                data: &[],
                access: Access::Execute,
            })
            .unwrap();
        Elf {
            entry: 0x20_0000,
            segments,
        }
    }

    #[test]
    fn tables_are_made_once_from_the_top() {
        let mut tables = Tables::default();
        let mut made = std::vec::Vec::new();
        let mut cover = |start, len, bits| {
            made.clear();
            tables
                .cover(start, len, bits, |level, at| {
                    made.push((level, at));
                    Ok(())
                })
                .unwrap();
            made.clone()
        };
        assert_eq!(cover(0x20_0000, PAGE, 12), [(1, 0), (2, 0), (3, 0x20_0000)]);
        assert_eq!(cover(0x20_1000, PAGE, 12), []);
        assert_eq!(cover(0x3f_f000, 2 * PAGE, 12), [(3, 0x40_0000)]);
        assert_eq!(cover(0x8000_0000, 2 * LARGE_PAGE, 21), [(2, 0x8000_0000)]);
        assert_eq!(cover(1 << 39, 1 << 30, 30), [(1, 1 << 39)]);
        assert_eq!(cover(0x9000_0000, 0, 12), []);
    }

    #[test]
    fn heap_prefers_large_pages() {
        assert_eq!(Heap::new(8 << 20), Heap { large: 4, small: 0 });
        assert_eq!(Heap::new((2 << 20) + 1), Heap { large: 1, small: 1 });
        assert_eq!(Heap::new(0), Heap { large: 0, small: 0 });
        assert_eq!(Heap::new(u32::MAX).bytes(), 1 << 32);
    }

    #[test]
    fn windows_leave_guards() {
        let mut windows = Windows::default();
        let first = windows.place(12).unwrap();
        let second = windows.place(12).unwrap();
        let large = windows.place(21).unwrap();
        assert_eq!(first, vspace::DEVICES);
        assert!(second >= first + 2 * PAGE && large >= second + 2 * PAGE);
        assert_eq!((second % WINDOW_STEP, large % LARGE_PAGE), (0, 0));
        assert_eq!(windows.place(16), Err(Problem::FrameSize(16)));
        while windows.place(30).is_ok() {}
        assert!(matches!(windows.place(30), Err(Problem::NoRoom { .. })));
    }

    #[test]
    fn counts_everything() {
        let shared = Shared {
            spec: 2 * PAGE,
            archive: 3 * PAGE,
        };
        let plan = Plan::new(&program(10 * PAGE), 4 << 20, shared, [12].into_iter()).unwrap();
        // Pages: 10 of the program, 16 of stack, IPC buffer, handoff. Tables: one of level 1; of
        // level 2 for program, stack, heap and devices; of level 3 for program, stack, spec, archive
        // and devices.
        assert_eq!(plan.objects, 2 + 28 + 10 + 6);
        // 4 MiB of heap and 512 KiB of CNode.
        assert_eq!(plan.bits, 23);
    }

    #[test]
    fn refuses_what_has_no_room() {
        let plan = |spec, archive| {
            Plan::new(
                &program(PAGE),
                4096,
                Shared { spec, archive },
                [].into_iter(),
            )
            .unwrap_err()
        };
        assert!(matches!(
            plan(1 << 30, 0),
            Problem::NoRoom {
                what: "the compiled spec",
                ..
            }
        ));
        assert!(matches!(
            plan(0, 1 << 30),
            Problem::NoRoom {
                what: "the module archive",
                ..
            }
        ));
        assert_eq!(plan(0, 64 << 20), Problem::NoServerSlots);
        let huge = Plan::new(
            &program(1 << 30),
            4096,
            Shared {
                spec: 0,
                archive: 0,
            },
            [].into_iter(),
        );
        assert_eq!(huge.unwrap_err(), Problem::TooManyTables);
    }
}
