// SPDX-License-Identifier: BSD-2-Clause
//! What goes where, decided and checked before anything is overwritten.
//!
//! ```text
//! RAM base   kernel   [device tree]   user image      loader   payload
//! 0x40000000 ------------------------------------->|  0x44000000 --->
//! ```
//!
//! Everything that is written lies before the loader's image, the payload behind it: no byte of the
//! payload is overwritten before it has been copied, in whatever order that happens.

use boot_image::loader::{HEADER_BYTES, Header, MAGIC};
use core::fmt;
use core::ops::Range;

/// Bytes of a page.
pub const PAGE: u64 = 4096;
/// What one entry of a level 1 translation table maps.
pub const BLOCK: u64 = 1 << 30;

/// First word of the mailbox at the start of a kernel that asks the loader for the end of RAM:
/// the bytes `sE4LRAM1`. The end of RAM goes into the word behind it. Kernels without it read the
/// device tree themselves.
const MAILBOX_MAGIC: [u8; 8] = *b"sE4LRAM1";

/// The memory that the machine and the loader have.
#[derive(Clone, Debug)]
pub struct Machine {
    /// RAM.
    pub ram: Range<u64>,
    /// The loader's own image, stack included; the payload starts where it ends.
    pub loader: Range<u64>,
    /// Bytes of the device tree.
    pub device_tree: u64,
}

/// Where things go, and how the kernel is entered. All addresses are physical but for the two entry
/// points.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Length of the payload in bytes, header included.
    pub payload: u64,
    /// Where the kernel learns the size of RAM.
    pub ram: RamInfo,
    /// Where the user image goes.
    pub user: Range<u64>,
    /// Difference between the user image's physical and virtual addresses.
    pub offset: u64,
    /// Entry of the kernel's level 1 table in which its entry point lies.
    pub window_index: usize,
    /// The physical block that this entry maps.
    pub window_block: u64,
}

/// The two ways in which kernels learn what RAM there is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RamInfo {
    /// The end of RAM is stored at this physical address.
    Mailbox(u64),
    /// The device tree is moved here.
    DeviceTree(Range<u64>),
}

/// Why the payload cannot be booted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// The header does not decode or has another magic number.
    NoPayload,
    /// The header names no kernel.
    NoKernel,
    /// A size or an address overflows, or a region has more bytes than memory.
    Malformed,
    /// The payload ends behind the end of RAM (both given).
    PayloadBeyondRam(u64, u64),
    /// A kernel's segment lies at these addresses: outside RAM, or in the loader's way.
    KernelMisplaced(u64, u64),
    /// Kernel and user image would end at the first address, which is behind the second one.
    UserImageTooLarge(u64, u64),
    /// The kernel's entry point is not in the top 512 GiB.
    EntryMisplaced(u64),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::NoPayload => f.write_str("nothing to boot: no payload follows the loader"),
            Self::NoKernel => f.write_str("the payload has no kernel"),
            Self::Malformed => f.write_str("the payload's header is inconsistent"),
            Self::PayloadBeyondRam(end, ram) => {
                write!(
                    f,
                    "the boot image ends at {end:#x}, but RAM ends at {ram:#x}: give the machine more memory"
                )
            }
            Self::KernelMisplaced(start, end) => {
                write!(
                    f,
                    "the kernel's segment {start:#x}..{end:#x} is outside RAM or in the loader's place"
                )
            }
            Self::UserImageTooLarge(end, limit) => {
                write!(
                    f,
                    "kernel and user image end at {end:#x}, but must end before the loader at {limit:#x}"
                )
            }
            Self::EntryMisplaced(entry) => {
                write!(
                    f,
                    "the kernel's entry point {entry:#x} is not in the top 512 GiB of addresses"
                )
            }
        }
    }
}

/// Decodes the payload's header from the payload's first bytes.
///
/// # Errors
/// [`Error::NoPayload`].
pub fn header(payload: &[u8]) -> Result<Header, Error> {
    let bytes = payload.get(..HEADER_BYTES).ok_or(Error::NoPayload)?;
    match postcard::from_bytes::<Header>(bytes) {
        Ok(header) if header.magic == MAGIC => Ok(header),
        _ => Err(Error::NoPayload),
    }
}

impl Plan {
    /// Lays out what `header` describes. `kernel_start` gives the first bytes of the kernel's first
    /// region, by their offset in the payload; it is asked only for bytes that are in RAM.
    ///
    /// # Errors
    /// [`Error`], as its variants say.
    pub fn new(
        header: &Header,
        machine: &Machine,
        kernel_start: impl FnOnce(u64) -> [u8; 8],
    ) -> Result<Self, Error> {
        let payload = payload_bytes(header)?;
        let end = add(machine.loader.end, payload)?;
        // The loader's own mapping ends with the first block of RAM.
        let limit = machine.ram.end.min(machine.ram.start.saturating_add(BLOCK));
        if end > limit {
            return Err(Error::PayloadBeyondRam(end, limit));
        }

        let first = header.kernel.first().ok_or(Error::NoKernel)?;
        let mut kernel_end = 0;
        for region in &header.kernel {
            let end = add(region.paddr, region.mem_size)?;
            if region.paddr < machine.ram.start || end > machine.loader.start {
                return Err(Error::KernelMisplaced(region.paddr, end));
            }
            kernel_end = end.max(kernel_end);
        }
        let entry = header.kernel_entry;
        if entry >> 39 != u64::MAX >> 39 {
            return Err(Error::EntryMisplaced(entry));
        }

        let after_kernel = page_up(kernel_end)?;
        let mailbox = first.file_size >= 16 && kernel_start(first.offset) == MAILBOX_MAGIC;
        let (ram, user_start) = if mailbox {
            (RamInfo::Mailbox(first.paddr + 8), after_kernel)
        } else {
            // Later kernels want it between the kernel and the user image.
            let end = add(after_kernel, machine.device_tree)?;
            (RamInfo::DeviceTree(after_kernel..end), page_up(end)?)
        };
        let user_end = add(user_start, header.user.size)?;
        if user_end > machine.loader.start {
            return Err(Error::UserImageTooLarge(user_end, machine.loader.start));
        }
        Ok(Self {
            payload,
            ram,
            user: user_start..user_end,
            offset: user_start.wrapping_sub(header.user.vaddr),
            window_index: (entry >> 30 & 0x1ff) as usize,
            window_block: first.paddr & !(BLOCK - 1),
        })
    }
}

/// Length of the payload: the end of the part that ends last.
fn payload_bytes(header: &Header) -> Result<u64, Error> {
    let user = &header.user;
    if user.size == 0 || !user.size.is_multiple_of(PAGE) || !user.vaddr.is_multiple_of(PAGE) {
        return Err(Error::Malformed);
    }
    let mut length = add(user.offset, user.size)?;
    for region in &header.kernel {
        if region.file_size > region.mem_size {
            return Err(Error::Malformed);
        }
        length = length.max(add(region.offset, region.file_size)?);
    }
    Ok(length.max(HEADER_BYTES as u64))
}

fn add(left: u64, right: u64) -> Result<u64, Error> {
    left.checked_add(right).ok_or(Error::Malformed)
}

fn page_up(address: u64) -> Result<u64, Error> {
    address
        .checked_next_multiple_of(PAGE)
        .ok_or(Error::Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use boot_image::loader::{Region, UserImage};

    const ENTRY: u64 = 0xffff_ff80_0000_2c80;

    fn machine() -> Machine {
        Machine {
            ram: 0x4000_0000..0x5000_0000,
            loader: 0x4400_0000..0x4401_0000,
            device_tree: 0x10_0000,
        }
    }

    fn image() -> Header {
        let kernel = Region {
            paddr: 0x4000_0000,
            offset: 0x1000,
            file_size: 0x2_4654,
            mem_size: 0x22_e001,
        };
        Header {
            magic: MAGIC,
            kernel_entry: ENTRY,
            kernel: heapless::Vec::from_slice(&[kernel]).unwrap(),
            user: UserImage {
                vaddr: 0x20_0000,
                entry: 0x20_1000,
                offset: 0x2_6000,
                size: 0x10_0000,
            },
        }
    }

    fn plan(header: &Header) -> Result<Plan, Error> {
        Plan::new(header, &machine(), |_| MAILBOX_MAGIC)
    }

    #[test]
    fn puts_the_user_image_behind_a_kernel_with_mailbox() {
        let plan = plan(&image()).unwrap();
        assert_eq!(plan.ram, RamInfo::Mailbox(0x4000_0008));
        assert_eq!(plan.user, 0x4022_f000..0x4032_f000);
        assert_eq!(plan.offset, 0x4002_f000);
        assert_eq!(plan.payload, 0x12_6000);
        assert_eq!((plan.window_index, plan.window_block), (0, 0x4000_0000));
    }

    #[test]
    fn moves_the_device_tree_for_other_kernels() {
        let mut header = image();
        header.kernel_entry = 0xffff_ff80_4000_0000;
        let plan = Plan::new(&header, &machine(), |_| [0; 8]).unwrap();
        assert_eq!(plan.ram, RamInfo::DeviceTree(0x4022_f000..0x4032_f000));
        assert_eq!(plan.user.start, 0x4032_f000);
        assert_eq!((plan.window_index, plan.window_block), (1, 0x4000_0000));
    }

    #[test]
    fn virtual_addresses_above_physical_ones_wrap() {
        let mut header = image();
        header.user.vaddr = 0x1_0000_0000;
        assert_eq!(
            plan(&header).unwrap().offset,
            0x4022_f000_u64.wrapping_sub(0x1_0000_0000)
        );
    }

    #[test]
    fn the_loader_bounds_what_is_copied() {
        let room = 0x4400_0000 - 0x4022_f000;
        let mut header = image();
        header.user.size = room;
        assert!(plan(&header).is_ok());
        header.user.size = room + PAGE;
        assert_eq!(
            plan(&header),
            Err(Error::UserImageTooLarge(0x4400_1000, 0x4400_0000))
        );
        header = image();
        header.kernel[0].paddr = 0x4400_0000;
        assert!(matches!(plan(&header), Err(Error::KernelMisplaced(..))));
        header.kernel[0].paddr = 0x3fff_f000;
        assert!(matches!(plan(&header), Err(Error::KernelMisplaced(..))));
    }

    #[test]
    fn the_payload_has_to_be_in_ram() {
        let mut header = image();
        header.kernel[0].offset = 0x0bff_0000 - 0x2_4654;
        assert!(plan(&header).is_ok());
        header.kernel[0].offset += 1;
        assert_eq!(
            plan(&header),
            Err(Error::PayloadBeyondRam(0x5000_0001, 0x5000_0000))
        );
    }

    #[test]
    fn refuses_nonsense() {
        type Change = fn(&mut Header);
        let changes: [(Change, Error); 8] = [
            (|header| header.kernel.clear(), Error::NoKernel),
            (|header| header.kernel[0].mem_size = 1, Error::Malformed),
            (
                |header| header.kernel[0].offset = u64::MAX,
                Error::Malformed,
            ),
            (|header| header.user.offset = u64::MAX - 1, Error::Malformed),
            (|header| header.user.size = 0, Error::Malformed),
            (|header| header.user.size = 100, Error::Malformed),
            (|header| header.user.vaddr = 1, Error::Malformed),
            (
                |header| header.kernel_entry = 0x4000_0000,
                Error::EntryMisplaced(0x4000_0000),
            ),
        ];
        for (change, error) in changes {
            let mut header = image();
            change(&mut header);
            assert_eq!(plan(&header), Err(error));
        }
    }

    #[test]
    fn knows_a_payload_by_its_magic() {
        let mut bytes = [0; HEADER_BYTES];
        assert_eq!(header(&bytes).err(), Some(Error::NoPayload));
        postcard::to_slice(&image(), &mut bytes).unwrap();
        assert_eq!(header(&bytes).unwrap().kernel_entry, ENTRY);
        assert_eq!(header(&bytes[1..]).err(), Some(Error::NoPayload));
        bytes[0] ^= 1;
        assert_eq!(header(&bytes).err(), Some(Error::NoPayload));
    }
}
