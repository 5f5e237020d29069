// SPDX-License-Identifier: BSD-2-Clause
//! Linux as the server's platform.

use std::{fmt, sync::Arc};

use capdl::blob::{Kind, ObjectId, Reader};
use wasm_archive::Verified;
use wasm_server_core::{
    Guest,
    platform::{Failure, HomeParams, Platform},
};
use wasmtime::{Config, Engine, Module};

use crate::{clock::Clock, code, home::HostHome, memory::Memories, space::Region};

/// See [`Platform`].
pub struct Host {
    clock: Arc<Clock>,
    /// log2 of the size of each untyped of the spec.
    budgets: Vec<Option<u8>>,
    console: Box<dyn Fn(&str) + Send + Sync>,
}

impl Host {
    /// For the untypeds of this spec; lines of the console go to `console`.
    pub fn new(spec: &Reader<'_>, console: impl Fn(&str) + Send + Sync + 'static) -> Self {
        let budgets = spec.iter().map(|(_, object)| match object.kind {
            Kind::Untyped { size_bits, .. } => Some(size_bits),
            _ => None,
        });
        Self {
            clock: Arc::new(Clock::new()),
            budgets: budgets.collect(),
            console: Box::new(console),
        }
    }

    fn budget(&self, object: ObjectId) -> Result<usize, Failure> {
        let bits = self.budgets.get(usize::from(object.0)).copied().flatten();
        bits.map(|bits| 1 << bits)
            .ok_or(Failure::Refused("a budget that is no untyped"))
    }
}

impl Platform for Host {
    type Lock = parking_lot::RawMutex;
    type Home = HostHome;
    type Region = Region;

    fn now(&self) -> u64 {
        self.clock.now()
    }

    fn cycles(&self) -> u64 {
        self.clock.now()
    }

    fn arm(&self, deadline: Option<u64>) {
        self.clock.arm(deadline);
    }

    fn nudge(&self) {
        self.clock.nudge();
    }

    fn serve(&self) {
        self.clock.wait();
    }

    fn console(&self, line: fmt::Arguments<'_>) {
        (self.console)(&line.to_string());
    }

    fn configure(&self, config: &mut Config) {
        config.with_host_memory(Arc::new(Memories));
    }

    fn load(&self, engine: &Engine, module: &Verified<'_>) -> wasmtime::Result<Module> {
        code::load(engine, module)
    }

    fn settle(&self, params: HomeParams) -> Result<HostHome, Failure> {
        HostHome::new(self.budget(params.budget)?, params.stack as usize)
    }

    fn launch(&self, guest: Arc<Guest<Self>>) -> Result<(), Failure> {
        let clock = self.clock.clone();
        HostHome::launch(&guest, move || clock.nudge())
    }

    fn evict(&self, guest: &Guest<Self>) {
        guest.home.join();
    }

    fn make_region(&self, budget: ObjectId, bytes: u32) -> Result<Region, Failure> {
        if self.budget(budget)? < bytes as usize {
            return Err(Failure::NoMemory("its pages"));
        }
        Region::new(bytes as usize)
    }
}
