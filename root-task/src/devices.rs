// SPDX-License-Identifier: BSD-2-Clause
//! The pages that registers of virtio devices are in, which the root task sees besides the server that
//! holds them: it stops the devices before it takes back the server's memory.

use capdl::blob::{Kind, ObjectId, Reader, VIRTIO_SLOT};
use heapless::Vec;
use root_task::grants::Grants;
use root_task::plan::PAGE_BITS;
use root_task::problem::{Failure, Problem};
use root_task::registers::{self, PATIENCE};

use crate::objects::Objects;
use crate::raw;
use crate::vspace::RootWindows;

/// Every page of such registers.
#[derive(Default)]
pub struct Devices {
    pages: Vec<(ObjectId, raw::RegisterPage), { RootWindows::REGISTER_PAGES }>,
}

impl Devices {
    /// Maps the pages that the spec's devices are in.
    pub fn map(
        spec: &Reader<'static>,
        objects: &Objects,
        windows: RootWindows,
    ) -> Result<Self, Failure> {
        let mut devices = Self::default();
        for (_, object) in spec.iter() {
            let Kind::VirtioDevice { frame, .. } = object.kind else {
                continue;
            };
            devices
                .map_one(spec, objects, windows, frame)
                .map_err(|problem| problem.of(spec.file, &object))?;
        }
        Ok(devices)
    }

    fn map_one(
        &mut self,
        spec: &Reader<'static>,
        objects: &Objects,
        windows: RootWindows,
        frame: ObjectId,
    ) -> Result<(), Problem> {
        if self.pages.iter().any(|(mapped, _)| *mapped == frame) {
            return Ok(());
        }
        let object = spec.object(frame).ok_or(Problem::NoObject(frame.0))?;
        let Kind::Frame {
            size_bits: PAGE_BITS,
            paddr: Some(_),
            ..
        } = object.kind
        else {
            return Err(Problem::WrongKind {
                target: object.name,
                wanted: "a page of registers",
            });
        };
        let window = self.pages.len();
        if window == RootWindows::REGISTER_PAGES {
            return Err(Problem::TooManyRegisterPages(RootWindows::REGISTER_PAGES));
        }
        let page = raw::map_registers(objects.slot(frame)?, window, windows)?;
        // There is room: that has just been asked.
        let _ = self.pages.push((frame, page));
        Ok(())
    }

    /// Stops all devices in the pages that are among these grants.
    ///
    /// # Errors
    /// The first that goes on; the others are stopped.
    pub fn stop(&mut self, spec: &Reader<'static>, grants: &Grants) -> Result<(), Failure> {
        let mut result = Ok(());
        for (frame, page) in &mut self.pages {
            let Some(grant) = grants.iter().find(|grant| grant.object == *frame) else {
                continue;
            };
            if let Err(running) = registers::stop(page, PATIENCE) {
                let problem = Problem::DeviceRuns {
                    page: grant.name,
                    offset: running.slot as u32 * VIRTIO_SLOT,
                    status: running.status,
                };
                result = result.and(Err(grant.failure(spec.file, problem)));
            }
        }
        result
    }
}
