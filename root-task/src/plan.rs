// SPDX-License-Identifier: BSD-2-Clause
//! How much of what a program takes, before any of it is made: all of it comes from one untyped, whose
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

/// Most page tables of one program that the root task makes.
pub const MAX_TABLES: usize = 256;

/// Device and other frames are at least this far apart, so that a stray access hits nothing.
const WINDOW_STEP: u64 = 64 * 1024;

/// log2 of what one entry spans in a table of each level, the VSpace's own first
/// (Arm ARM, D8.2: 4 KiB granule, 48-bit addresses).
pub const ENTRY_BITS: [u8; 4] = [39, 30, 21, 12];

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

/// Where a program's parts go in its VSpace, and which CNodes it has. The program itself goes to
/// `program`, which is below everything else.
#[derive(Debug)]
pub struct Layout {
    /// First and last address of the room for the program.
    pub program: (u64, u64),
    /// End of the first thread's stack.
    pub stack_top: u64,
    /// Most bytes of that stack.
    pub stack_room: u64,
    /// The first thread's IPC buffer.
    pub ipc_buffer: u64,
    /// The message from the root task.
    pub handoff: u64,
    /// Pages of it.
    pub handoff_pages: u64,
    /// The heap.
    pub heap: u64,
    /// Frames that the spec gives; the heap ends here.
    pub frames: u64,
    /// End of the room for these frames.
    pub end: u64,
    /// log2 of the slots of each of its CNodes, the largest first.
    pub cnodes: &'static [usize],
}

/// A process server's ([`wasm_handoff`]).
pub const SERVER: Layout = Layout {
    program: (vspace::PROGRAM_START, vspace::PROGRAM_END),
    stack_top: vspace::STACK_TOP,
    stack_room: vspace::STACK_BYTES,
    ipc_buffer: vspace::IPC_BUFFER,
    handoff: vspace::HANDOFF,
    handoff_pages: 1,
    heap: vspace::HEAP,
    frames: vspace::DEVICES,
    end: vspace::FREE,
    cnodes: &[OWN_BITS, ROOT_BITS],
};

/// A native task's ([`native_handoff`]).
pub const TASK: Layout = {
    use native_handoff::vspace;
    Layout {
        program: (vspace::PROGRAM_START, vspace::PROGRAM_END),
        stack_top: vspace::STACK_TOP,
        stack_room: vspace::STACK_ROOM,
        ipc_buffer: vspace::IPC_BUFFER,
        handoff: vspace::HANDOFF,
        handoff_pages: vspace::HANDOFF_PAGES,
        heap: vspace::HEAP,
        frames: vspace::FRAMES,
        end: vspace::FREE,
        cnodes: &[native_handoff::CNODE_BITS],
    }
};

/// Memory of others that is mapped in a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mapped {
    /// A frame of so many bytes, as log2.
    Frame(u8),
    /// So many bytes in pages, as a channel is.
    Pages(u64),
}

impl Mapped {
    /// Its bytes.
    pub const fn bytes(self) -> u64 {
        match self {
            Self::Frame(bits) => 1 << bits,
            Self::Pages(bytes) => bytes,
        }
    }

    /// log2 of the bytes of each of the pages that it is mapped in.
    pub const fn page_bits(self) -> u8 {
        match self {
            Self::Frame(bits) => bits,
            Self::Pages(_) => PAGE_BITS,
        }
    }
}

/// Places what is [`Mapped`], one after the other.
#[derive(Clone, Copy, Debug)]
pub struct Windows {
    next: u64,
    end: u64,
}

impl Windows {
    /// None placed so far.
    pub const fn new(layout: &Layout) -> Self {
        Self {
            next: layout.frames,
            end: layout.end,
        }
    }

    /// The address for the next.
    ///
    /// # Errors
    /// [`Problem::FrameSize`], [`Problem::NoRoom`]
    pub fn place(&mut self, mapped: Mapped) -> Result<u64, Problem> {
        let (bytes, align, what) = match mapped {
            Mapped::Frame(bits @ (12 | 21 | 30)) => (1 << bits, 1 << bits, "this frame"),
            Mapped::Frame(bits) => return Err(Problem::FrameSize(bits)),
            Mapped::Pages(bytes) => (bytes, PAGE, "this channel"),
        };
        let at = self.next.next_multiple_of(WINDOW_STEP.max(align));
        if bytes > self.end.saturating_sub(at) {
            return Err(Problem::NoRoom {
                what,
                bytes,
                room: self.end.saturating_sub(self.next),
            });
        }
        // The step after it keeps the page behind it unmapped.
        self.next = at + bytes + WINDOW_STEP;
        Ok(at)
    }
}

/// Everything that a program is made of.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Where its parts go.
    pub layout: &'static Layout,
    /// Bytes of its stack, whole pages.
    pub stack: u64,
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
    /// Plans a process server with this program and heap, and with `windows` onto what it is given.
    ///
    /// # Errors
    /// [`Problem::NoSlotsIn`], those of [`Plan::new`]
    pub fn server(
        elf: &Elf<'_>,
        heap: u32,
        shared: Shared,
        windows: impl Iterator<Item = Mapped>,
    ) -> Result<Self, Problem> {
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
        if shared.spec.div_ceil(PAGE) + shared.archive.div_ceil(PAGE) + 128 > 1 << OWN_BITS {
            return Err(Problem::NoSlotsIn(OWN_BITS));
        }
        let images = [
            (vspace::SPEC, shared.spec),
            (vspace::ARCHIVE, shared.archive),
        ];
        let (stack, heap) = (vspace::STACK_BYTES, Heap::new(heap));
        Self::new(&SERVER, elf, stack, heap, &images, windows)
    }

    /// Plans a native task with this program, stack and heap, and with `windows` onto what it is given.
    ///
    /// # Errors
    /// Those of [`Plan::new`]
    pub fn task(
        elf: &Elf<'_>,
        stack: u32,
        heap: u32,
        windows: impl Iterator<Item = Mapped>,
    ) -> Result<Self, Problem> {
        Self::new(&TASK, elf, stack.into(), Heap::new(heap), &[], windows)
    }

    /// Plans a program with a stack of these bytes, a heap, tables for the addresses and bytes of `mapped`, where
    /// frames of others will be mapped, and with `windows` onto what it is given.
    ///
    /// # Errors
    /// [`Problem::NoRoom`], [`Problem::TooManyTables`], [`Problem::FrameSize`]
    fn new(
        layout: &'static Layout,
        elf: &Elf<'_>,
        stack: u64,
        heap: Heap,
        mapped: &[(u64, u64)],
        windows: impl Iterator<Item = Mapped>,
    ) -> Result<Self, Problem> {
        let stack = stack.next_multiple_of(PAGE);
        room("its stack", stack, layout.stack_room)?;
        room("its heap", heap.bytes(), layout.frames - layout.heap)?;

        let mut tables = 0;
        let mut space = Tables::default();
        let mut cover = |start, len, bits| {
            space.cover(start, len, bits, |_, _| {
                tables += 1;
                Ok(())
            })
        };
        // The IPC buffer besides.
        let mut pages = stack / PAGE + layout.handoff_pages + 1 + heap.small;
        cover(layout.stack_top - stack, stack, PAGE_BITS)?;
        cover(layout.ipc_buffer, PAGE, PAGE_BITS)?;
        cover(layout.handoff, layout.handoff_pages * PAGE, PAGE_BITS)?;
        for segment in &elf.segments {
            pages += segment.pages();
            cover(segment.first_page(), segment.pages() * PAGE, PAGE_BITS)?;
        }
        for &(start, len) in mapped {
            cover(start, len, PAGE_BITS)?;
        }
        cover(layout.heap, heap.large * LARGE_PAGE, LARGE_PAGE_BITS)?;
        cover(
            layout.heap + heap.large * LARGE_PAGE,
            heap.small * PAGE,
            PAGE_BITS,
        )?;
        let mut places = Windows::new(layout);
        for mapped in windows {
            cover(places.place(mapped)?, mapped.bytes(), mapped.page_bits())?;
        }

        // One more page of memory for what is smaller than one (TCB, endpoint, notification), one for
        // the VSpace. Made by decreasing size, nothing is lost to alignment.
        let cnodes: u64 = layout
            .cnodes
            .iter()
            .map(|bits| 1 << (bits + SLOT_BITS))
            .sum();
        let bytes = heap.large * LARGE_PAGE + cnodes + (pages + tables + 2) * PAGE;
        Ok(Self {
            layout,
            stack,
            heap,
            bits: bytes.next_power_of_two().ilog2() as u8,
            // VSpace, TCB, endpoint and notification besides.
            objects: (heap.large + pages + tables) as usize + layout.cnodes.len() + 4,
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
        let mut windows = Windows::new(&SERVER);
        let first = windows.place(Mapped::Frame(12)).unwrap();
        let second = windows.place(Mapped::Frame(12)).unwrap();
        let large = windows.place(Mapped::Frame(21)).unwrap();
        let pages = windows.place(Mapped::Pages(5 * PAGE)).unwrap();
        let last = windows.place(Mapped::Frame(12)).unwrap();
        assert_eq!(first, vspace::DEVICES);
        assert!(second >= first + 2 * PAGE && large >= second + 2 * PAGE);
        assert_eq!((second % WINDOW_STEP, large % LARGE_PAGE), (0, 0));
        assert!(pages > large + LARGE_PAGE && last > pages + 5 * PAGE);
        assert_eq!(pages % WINDOW_STEP, 0);
        let odd = windows.place(Mapped::Frame(16));
        assert_eq!(odd, Err(Problem::FrameSize(16)));
        while windows.place(Mapped::Frame(30)).is_ok() {}
        for large in [Mapped::Frame(30), Mapped::Pages(u64::MAX - PAGE)] {
            assert!(matches!(windows.place(large), Err(Problem::NoRoom { .. })));
        }
    }

    #[test]
    fn counts_everything() {
        let shared = Shared {
            spec: 2 * PAGE,
            archive: 3 * PAGE,
        };
        let frame = [Mapped::Frame(12)];
        let plan = Plan::server(&program(10 * PAGE), 4 << 20, shared, frame.into_iter()).unwrap();
        // Pages: 10 of the program, 16 of stack, IPC buffer, handoff. Tables: one of level 1; of
        // level 2 for program, stack, heap and devices; of level 3 for program, stack, spec, archive
        // and devices.
        assert_eq!(plan.objects, 2 + 28 + 10 + 6);
        // 4 MiB of heap and 512 KiB of CNode.
        assert_eq!(plan.bits, 23);
    }

    #[test]
    fn counts_what_a_task_is_made_of() {
        let plan = Plan::task(&program(PAGE), 10_000, 8192, [].into_iter()).unwrap();
        // Pages: program, 3 of stack, IPC buffer, 4 of handoff, 2 of heap. Tables: one of level 1; of level 2
        // for program, stack and heap; of level 3 for program, stack, what is behind it, and heap.
        assert_eq!((plan.stack, plan.objects), (3 * PAGE, 11 + 8 + 1 + 4));
        // 32 KiB of CNode besides.
        assert_eq!(plan.bits, 17);
        // A channel is mapped where it lies in others: it takes tables, here one of level 2 and two of level 3.
        let channel = [Mapped::Pages(LARGE_PAGE + PAGE)];
        let with = Plan::task(&program(PAGE), 10_000, 8192, channel.into_iter()).unwrap();
        assert_eq!(with.objects, plan.objects + 3);
        let no_room = |stack, heap| {
            let plan = Plan::task(&program(PAGE), stack, heap, [].into_iter());
            plan.unwrap_err().to_string()
        };
        assert_eq!(
            no_room(64 << 20, 0),
            "needs 67108864 bytes for its stack; its VSpace has 33488896 for that"
        );
    }

    #[test]
    fn refuses_what_has_no_room() {
        let plan = |spec, archive| {
            Plan::server(
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
        assert_eq!(plan(0, 64 << 20), Problem::NoSlotsIn(OWN_BITS));
        let huge = Plan::server(
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
