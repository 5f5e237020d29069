// SPDX-License-Identifier: BSD-2-Clause
//! The buffer through which a thread and the kernel exchange what does not fit in registers.

use core::slice;

use crate::{AbsoluteCPtr, CPtr, CPtrBits, CPtrWithDepth, Word, sys};

/// A thread's IPC buffer. It must not cross a page; the kernel wants it aligned to its size of 1024
/// bytes (which 5.0.0 as released checks wrongly; this project's kernel is corrected).
#[derive(Debug)]
#[repr(transparent)]
pub struct IpcBuffer(sys::seL4_IPCBuffer);

impl IpcBuffer {
    /// The kernel's view of the buffer.
    pub const fn inner(&self) -> &sys::seL4_IPCBuffer {
        &self.0
    }

    /// The kernel's view of the buffer.
    pub const fn inner_mut(&mut self) -> &mut sys::seL4_IPCBuffer {
        &mut self.0
    }

    /// The words of the message.
    pub const fn msg_regs(&self) -> &[Word] {
        &self.0.msg
    }

    /// The words of the message.
    pub const fn msg_regs_mut(&mut self) -> &mut [Word] {
        &mut self.0.msg
    }

    /// The bytes of the message.
    pub const fn msg_bytes(&self) -> &[u8] {
        let words = self.msg_regs();
        // SAFETY: Same memory, same lifetime; every word consists of initialised bytes, and a byte has
        // no alignment to violate.
        unsafe { slice::from_raw_parts(words.as_ptr().cast(), size_of_val(words)) }
    }

    /// The bytes of the message.
    pub const fn msg_bytes_mut(&mut self) -> &mut [u8] {
        let words = self.msg_regs_mut();
        // SAFETY: As in `msg_bytes`, borrowed exclusively; any bytes make valid words.
        unsafe { slice::from_raw_parts_mut(words.as_mut_ptr().cast(), size_of_val(words)) }
    }

    /// A word that the kernel leaves alone.
    pub const fn user_data(&self) -> Word {
        self.0.userData
    }

    /// Sets the word that the kernel leaves alone.
    pub const fn set_user_data(&mut self, data: Word) {
        self.0.userData = data;
    }

    /// Capabilities to send, or the badges of unwrapped ones received.
    pub const fn caps_or_badges(&self) -> &[Word] {
        &self.0.caps_or_badges
    }

    /// Capabilities to send, or the badges of unwrapped ones received.
    pub const fn caps_or_badges_mut(&mut self) -> &mut [Word] {
        &mut self.0.caps_or_badges
    }

    /// Where a received capability is put.
    pub const fn recv_slot(&self) -> AbsoluteCPtr {
        AbsoluteCPtr::new(
            CPtr::from_bits(self.0.receiveCNode).cast(),
            CPtrWithDepth::from_bits_with_depth(self.0.receiveIndex, self.0.receiveDepth as usize),
        )
    }

    /// Sets where a received capability is put.
    pub const fn set_recv_slot(&mut self, slot: &AbsoluteCPtr) {
        self.0.receiveCNode = slot.root().bits();
        self.0.receiveIndex = slot.path().bits();
        self.0.receiveDepth = slot.path().depth() as CPtrBits;
    }
}
