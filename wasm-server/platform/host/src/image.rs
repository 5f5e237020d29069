// SPDX-License-Identifier: BSD-2-Clause
//! Memory of loaded modules, counted in the loader's budget.

use std::sync::Arc;

use wasm_server_core::platform::{self, Failure};

use crate::space::Space;

/// What budgets are counted in here.
const UNIT: usize = 64 << 10;

/// Memory that is written.
pub struct Blank {
    bytes: Vec<u8>,
    space: Arc<Space>,
}

/// Memory that is written no more.
pub struct Image(Blank);

impl Blank {
    /// So many bytes of this budget.
    pub fn new(space: &Arc<Space>, bytes: usize) -> Result<Self, Failure> {
        space.spend(bytes.next_multiple_of(UNIT))?;
        Ok(Self {
            bytes: vec![0; bytes],
            space: space.clone(),
        })
    }
}

impl Drop for Blank {
    fn drop(&mut self) {
        self.space.earn(self.bytes.len().next_multiple_of(UNIT));
    }
}

impl platform::Blank for Blank {
    type Image = Image;

    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), Failure> {
        let place = self.bytes.get_mut(offset as usize..);
        let place = place.and_then(|rest| rest.get_mut(..bytes.len()));
        place
            .ok_or(Failure::Refused("an offset outside the module"))?
            .copy_from_slice(bytes);
        Ok(())
    }

    fn seal(self) -> Result<Image, Failure> {
        Ok(Image(self))
    }
}

impl platform::Image for Image {
    fn bytes(&self) -> &[u8] {
        &self.0.bytes
    }

    fn memory(&self) -> u64 {
        self.0.bytes.len().next_multiple_of(UNIT) as u64
    }
}
