// SPDX-License-Identifier: BSD-2-Clause
//! A region that is closed with its owner.

use crate::{Pid, handle::Capability as _, shm::Region};

/// A region of a connection. It is to be dropped behind what lies in it.
pub(crate) struct Owned(pub Region);

impl Owned {
    /// Whether a process lives and holds the region, too.
    pub fn is_held_by(&self, pid: Pid) -> bool {
        // Refused when the region is lost.
        self.0.is_held_by(pid).unwrap_or(false)
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        // A handle that was lost is closed, too; there is no other refusal.
        let _ = Region::from_handle(self.0.handle()).close();
    }
}
