// SPDX-License-Identifier: BSD-2-Clause
//! Who is in the foreground outlives this guest, in a region that it has to itself. No client is asked: it could say
//! what it likes.

use core::cell::RefCell;

use atoll_abi::message::Name;
use userland::shm::Region;

/// Bytes of a name, behind its length.
const BYTES: usize = 33;

/// What is kept in the region.
pub struct Memory {
    region: Option<Region>,
    /// What it says.
    kept: RefCell<Option<Name>>,
}

impl Memory {
    /// The one in this region; none: nothing is kept.
    pub fn new(region: Option<Region>) -> Self {
        let kept = region.as_ref().and_then(read);
        Self {
            region,
            kept: RefCell::new(kept),
        }
    }

    /// Who was in the foreground.
    pub fn foreground(&self) -> Option<Name> {
        self.kept.borrow().clone()
    }

    /// Keeps who is.
    pub fn keep(&self, name: Option<&Name>) {
        if self.kept.borrow().as_ref() == name {
            return;
        }
        *self.kept.borrow_mut() = name.cloned();
        let mut bytes = [0; BYTES];
        if let (Some(name), [len, text @ ..]) = (name, &mut bytes) {
            *len = name.len() as u8;
            for (place, byte) in text.iter_mut().zip(name.bytes()) {
                *place = byte;
            }
        }
        if let Some(region) = &self.region {
            // Without the region, it is not kept.
            let _ = region.write_at(0, &bytes);
        }
    }
}

/// What a life before this one has left.
fn read(region: &Region) -> Option<Name> {
    let mut bytes = [0; BYTES];
    region.read_at(0, &mut bytes).ok()?;
    let [len, text @ ..] = &bytes;
    let name = str::from_utf8(text.get(..usize::from(*len))?).ok()?;
    Name::try_from(name).ok().filter(|name| !name.is_empty())
}
