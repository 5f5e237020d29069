// SPDX-License-Identifier: BSD-2-Clause
//! Linux as the server's platform.

use std::{collections::VecDeque, fmt, ops::Range, sync::Arc};

use capdl::blob::{Kind, ObjectId, Reader};
use parking_lot::Mutex;
use wasm_archive::Verified;
use wasm_server_core::{
    Guest,
    platform::{
        Budget, Failure, Home, HomeParams, PageWords, Platform, Program, ServerUsage, SharedRegion,
        Woken,
    },
};
use wasmtime::{Config, Engine, Module};

use crate::{
    clock::Clock, code, device::Device, home::HostHome, image::Image, memory::Memories,
    space::Region,
};

/// See [`Platform`].
pub struct Host {
    clock: Arc<Clock>,
    /// log2 of the size of each untyped of the spec.
    budgets: Vec<Option<u8>>,
    /// Channels that guests of several servers hold.
    shared: Vec<ObjectId>,
    console: Box<dyn Fn(&str) + Send + Sync>,
    /// What was typed and not read.
    typed: Mutex<VecDeque<u8>>,
}

impl Host {
    /// For the untypeds of this spec; lines of the console go to `console`, and text
    /// that guests write there as it is.
    pub fn new(spec: &Reader<'_>, console: impl Fn(&str) + Send + Sync + 'static) -> Self {
        let budgets = spec.iter().map(|(_, object)| match object.kind {
            Kind::Untyped { size_bits, .. } => Some(size_bits),
            _ => None,
        });
        Self {
            clock: Arc::new(Clock::new()),
            budgets: budgets.collect(),
            shared: in_several_servers(spec),
            console: Box::new(console),
            typed: Mutex::default(),
        }
    }

    /// Types at the console.
    pub fn type_in(&self, bytes: &[u8]) {
        self.typed.lock().extend(bytes);
    }

    fn budget(&self, object: ObjectId) -> Result<usize, Failure> {
        let bits = self.budgets.get(usize::from(object.0)).copied().flatten();
        bits.map(|bits| 1 << bits)
            .ok_or(Failure::Refused("a budget that is no untyped"))
    }
}

/// The objects that guests of several servers hold.
fn in_several_servers(spec: &Reader<'_>) -> Vec<ObjectId> {
    let mut holders: Vec<(ObjectId, ObjectId)> = Vec::new();
    let mut several = Vec::new();
    for (_, object) in spec.iter() {
        let Kind::WasmGuest(guest) = &object.kind else {
            continue;
        };
        for cap in &object.caps {
            let is_other = |&(target, server)| target == cap.target && server != guest.server;
            if holders.iter().any(is_other) {
                several.push(cap.target);
            }
            holders.push((cap.target, guest.server));
        }
    }
    several
}

/// There is one program, and nobody that it could share pages with.
pub enum NoPage {}

impl PageWords for NoPage {
    fn load(&self, _: usize) -> u64 {
        match *self {}
    }

    fn store(&self, _: usize, _: u64) {
        match *self {}
    }
}

impl Platform for Host {
    type Lock = parking_lot::RawMutex;
    type Home = HostHome;
    type Region = Region;
    type Page = NoPage;
    type Device = Device;
    type Image = Image;

    fn program(&self) -> Program {
        Program::default()
    }

    fn now(&self) -> u64 {
        self.clock.now()
    }

    fn ticks(&self) -> u64 {
        self.clock.now()
    }

    fn nanoseconds(&self, ticks: u64) -> u64 {
        ticks
    }

    fn cycles(&self) -> u64 {
        self.clock.now()
    }

    fn instructions(&self) -> u32 {
        0
    }

    fn arm(&self, deadline: Option<u64>) {
        self.clock.arm(deadline);
    }

    fn nudge(&self) {
        self.clock.nudge();
    }

    fn serve(&self, wake: Option<&<HostHome as Home>::Waker>) -> Woken {
        if let Some(waker) = wake {
            HostHome::wake(waker);
        }
        self.clock.wait();
        Woken::DUE
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

    fn load_image(
        &self,
        engine: &Engine,
        _: &Arc<Image>,
        module: &Verified<'_>,
    ) -> wasmtime::Result<Module> {
        code::load(engine, module)
    }

    fn settle(&self, params: HomeParams<'_, HostHome>) -> Result<HostHome, Failure> {
        let (budget, parent) = match params.budget {
            Budget::Untyped(object) => (self.budget(object)?, None),
            Budget::Part { of, bits } => (1 << bits, Some(of.space.clone())),
        };
        HostHome::new(budget, params.stack as usize, parent)
    }

    fn launch(&self, guest: Arc<Guest<Self>>) -> Result<(), Failure> {
        let clock = self.clock.clone();
        HostHome::launch(&guest, move || clock.nudge())
    }

    fn evict(&self, guest: &Guest<Self>) {
        guest.home.evict();
    }

    fn make_channel(
        &self,
        channel: ObjectId,
        budget: ObjectId,
        bytes: u32,
    ) -> Result<(Region, Option<SharedRegion<Self>>), Failure> {
        if self.shared.contains(&channel) {
            return Err(Failure::Refused(
                "a channel of several servers: this platform has one",
            ));
        }
        if self.budget(budget)? < bytes as usize {
            return Err(Failure::NoMemory("its pages"));
        }
        Ok((Region::new(bytes as usize)?, None))
    }

    fn read_region(&self, region: &Region, offset: u32, out: &mut [u8]) -> Result<(), Failure> {
        region.read(offset.into(), out)
    }

    fn write_region(&self, region: &Region, offset: u32, bytes: &[u8]) -> Result<(), Failure> {
        region.write(offset.into(), bytes)
    }

    fn device(&self, _: ObjectId, _: Range<u32>, _: ObjectId) -> Result<Device, Failure> {
        Err(Failure::Refused("a device: this platform has none"))
    }

    fn interrupt(&self, device: &Device, _: &HostHome, _: u32) -> Result<(), Failure> {
        match *device {}
    }

    fn unmask(&self, device: &Device) {
        match *device {}
    }

    /// Linux bounds what the server uses, and tells nobody.
    fn usage(&self) -> ServerUsage {
        ServerUsage {
            heap: 0,
            heap_used: 0,
            slots_used: 0,
        }
    }

    fn console_read(&self, out: &mut [u8]) -> usize {
        let mut typed = self.typed.lock();
        let count = typed.len().min(out.len());
        for (place, byte) in out.iter_mut().zip(typed.drain(..count)) {
            *place = byte;
        }
        count
    }

    /// The machine is the host's.
    fn power_off(&self) {}

    fn console_write(&self, text: &str) {
        (self.console)(text);
    }

    fn console_again(&self) {}
}
