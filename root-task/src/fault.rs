// SPDX-License-Identifier: BSD-2-Clause
//! What a fault of a server means, in words.

use core::fmt;

/// An access that the MMU refused.
#[derive(Clone, Copy, Debug)]
pub struct MemoryFault {
    /// The address.
    pub addr: u64,
    /// An instruction fetch, rather than a load or store.
    pub fetch: bool,
    /// Syndrome (`ESR_EL1`; Arm ARM, D19.2.37, ISS encoding for an exception from a Data Abort).
    pub fsr: u64,
}

impl fmt::Display for MemoryFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // WnR tells a write from a read; for fetches it is not defined.
        let access = match (self.fetch, self.fsr >> 6 & 1) {
            (true, _) => "instruction fetch from",
            (false, 0) => "read from",
            (false, _) => "write to",
        };
        let why = match self.fsr >> 2 & 0xf {
            0 => ", which no address space has",
            1 => ", where nothing is mapped",
            3 => ", which the page's rights forbid",
            4 => ", which the bus refused",
            8 => ", which is not aligned",
            _ => "",
        };
        write!(
            f,
            "{access} {:#x}{why} (syndrome {:#x})",
            self.addr, self.fsr
        )
    }
}

/// An instruction that raised an exception of its own.
#[derive(Clone, Copy, Debug)]
pub struct Instruction(
    /// Its encoding.
    pub u32,
);

impl fmt::Display for Instruction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            brk if brk & 0xffe0_001f == 0xd420_0000 => write!(f, "brk #{:#x}", brk >> 5 & 0xffff),
            udf if udf >> 16 == 0 => write!(f, "udf #{udf:#x}"),
            mrs if mrs & 0xfff0_0000 == 0xd530_0000 => {
                f.write_str("mrs of a register that only the kernel may read")
            }
            msr if msr & 0xfff0_0000 == 0xd510_0000 => {
                f.write_str("msr to a register that only the kernel may write")
            }
            other => write!(f, "instruction {other:#010x}"),
        }
    }
}

/// Follows the frame pointers of a thread (AAPCS64, 6.2.3: each frame record is the caller's frame
/// pointer and the return address), calling `frame` with each return address.
///
/// `read` gives the 64-bit word at an address, if it can. Ends at a record that does not lie above the
/// last one, so a broken chain cannot make it loop.
pub fn backtrace(
    fp: u64,
    limit: usize,
    mut read: impl FnMut(u64) -> Option<u64>,
    mut frame: impl FnMut(u64),
) {
    let mut fp = fp;
    for _ in 0..limit {
        if fp == 0 || !fp.is_multiple_of(16) {
            return;
        }
        let (Some(next), Some(ret)) = (read(fp), fp.checked_add(8).and_then(&mut read)) else {
            return;
        };
        if ret == 0 {
            return;
        }
        frame(ret);
        if next <= fp {
            return;
        }
        fp = next;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(fault: MemoryFault) -> String {
        fault.to_string()
    }

    #[test]
    fn words_for_syndromes() {
        let write = MemoryFault {
            addr: 0x10,
            fetch: false,
            fsr: 0x9200_0046,
        };
        assert_eq!(
            text(write),
            "write to 0x10, where nothing is mapped (syndrome 0x92000046)"
        );
        let read_only = MemoryFault {
            addr: 0x4012_0000,
            fetch: false,
            fsr: 0x9200_004f,
        };
        assert_eq!(
            text(read_only),
            "write to 0x40120000, which the page's rights forbid (syndrome 0x9200004f)"
        );
        let fetch = MemoryFault {
            addr: 0x8000_0000,
            fetch: true,
            fsr: 0x8200_000f,
        };
        assert_eq!(
            text(fetch),
            "instruction fetch from 0x80000000, which the page's rights forbid (syndrome 0x8200000f)"
        );
        let misaligned = MemoryFault {
            addr: 3,
            fetch: false,
            fsr: 0x9200_0021,
        };
        assert_eq!(
            text(misaligned),
            "read from 0x3, which is not aligned (syndrome 0x92000021)"
        );
    }

    #[test]
    fn words_for_instructions() {
        assert_eq!(Instruction(0xd420_0020).to_string(), "brk #0x1");
        assert_eq!(Instruction(0x0000_c11f).to_string(), "udf #0xc11f");
        assert_eq!(
            Instruction(0xd53b_9d00 & 0xfff0_ffff | 0x0008_0000).to_string(),
            "mrs of a register that only the kernel may read"
        );
        assert_eq!(
            Instruction(0xd65f_03c0).to_string(),
            "instruction 0xd65f03c0"
        );
    }

    #[test]
    fn backtrace_follows_records() {
        let stack = [
            (0x1000, 0x1040),
            (0x1008, 0xa),
            (0x1040, 0x1080),
            (0x1048, 0xb),
            (0x1080, 0),
            (0x1088, 0xc),
        ];
        let read = |at| stack.iter().find(|word| word.0 == at).map(|word| word.1);
        let mut frames = Vec::new();
        backtrace(0x1000, 10, read, |ret| frames.push(ret));
        assert_eq!(frames, [0xa, 0xb, 0xc]);
    }

    #[test]
    fn backtrace_ends_on_broken_chains() {
        let count = |fp, next: u64| {
            let mut frames = 0;
            let read = |at: u64| Some(if at.is_multiple_of(16) { next } else { 0xa });
            backtrace(fp, 10, read, |_| frames += 1);
            frames
        };
        assert_eq!(count(0x1000, 0x1000), 1);
        assert_eq!(count(0x1000, 0x10), 1);
        assert_eq!(count(0x1001, 0x2000), 0);
        assert_eq!(count(!15, 0), 1);
        assert_eq!(count(0, 0x2000), 0);
        let mut frames = 0;
        backtrace(16, 10, |at| Some(at + 16), |_| frames += 1);
        assert_eq!(frames, 10);
    }
}
