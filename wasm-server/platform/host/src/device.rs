// SPDX-License-Identifier: BSD-2-Clause
//! Devices: there are none on this platform.

use wasm_server_core::platform::{Page, QueueMemory, Registers, Width};

/// A device.
pub enum Device {}

impl Registers for Device {
    fn read(&self, _: u32, _: Width) -> u32 {
        match *self {}
    }

    fn write(&self, _: u32, _: Width, _: u32) {
        match *self {}
    }
}

impl QueueMemory for Device {
    fn physical(&self, _: Page) -> u64 {
        match *self {}
    }

    fn load16(&self, _: Page, _: u32) -> u16 {
        match *self {}
    }

    fn load16_acquire(&self, _: Page, _: u32) -> u16 {
        match *self {}
    }

    fn load64(&self, _: Page, _: u32) -> u64 {
        match *self {}
    }

    fn store16(&self, _: Page, _: u32, _: u16) {
        match *self {}
    }

    fn store16_release(&self, _: Page, _: u32, _: u16) {
        match *self {}
    }

    fn store64(&self, _: Page, _: u32, _: u64) {
        match *self {}
    }
}
