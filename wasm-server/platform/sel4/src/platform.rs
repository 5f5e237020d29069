// SPDX-License-Identifier: BSD-2-Clause
//! seL4 as the server's platform.

use alloc::{string::String, sync::Arc, vec::Vec};
use core::{
    fmt,
    ops::Range,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

use capdl::blob::{Kind, ObjectId, Reader};
use lock_api::Mutex;
use sel4::{CapRights, cap};
use wasm_archive::Verified;
use wasm_handoff::{Handoff, Holder, SharedChannel, badge, slot};
use wasm_server_core::{
    Guest,
    platform::{Budget, Failure, HomeParams, Platform, Program, ServerUsage, SharedRegion, Woken},
};
use wasmtime::{Config, Engine, Module};

use crate::{
    account::Account,
    clock,
    code::Code,
    console, cspace, debugger,
    device::Device,
    heap,
    home::Sel4Home,
    image::Image,
    lock::{SpaceLock, WordLock},
    memory::Memories,
    place::Place,
    region::Region,
    shared::{self, Page},
    space::Space,
    steps::{Step, mark},
};

/// Capability to the service thread's notification, badged so that it looks for more than what others have rung.
static NUDGE: AtomicU64 = AtomicU64::new(slot::NOTIFICATION);

/// See [`Platform`].
pub struct Sel4 {
    /// Executable memory.
    pub code: Arc<Code>,
    pool: cap::Untyped,
    timer: Option<cap::IrqHandler>,
    prio: u8,
    untypeds: Vec<Given>,
    frames: Vec<DeviceFrame>,
    irqs: Vec<(ObjectId, cap::IrqHandler)>,
    /// To acknowledge it switches the machine off.
    power: Option<cap::IrqHandler>,
    program: Program,
    shared: Vec<SharedChannel>,
    holders: Vec<Holder>,
    /// By the number of the guest.
    threads: Mutex<SpaceLock, Vec<Option<Thread>>>,
}

/// An untyped that the spec gives to a guest or channel.
struct Given {
    object: ObjectId,
    untyped: cap::Untyped,
    bits: usize,
}

/// A device frame that the spec gives to the server.
struct DeviceFrame {
    object: ObjectId,
    address: usize,
    bytes: usize,
}

/// What the fault thread needs to know about a guest's.
struct Thread {
    tcb: cap::Tcb,
    space: Arc<Space>,
    name: String,
}

impl Sel4 {
    /// Takes up what the root task gave.
    ///
    /// # Errors
    /// What is missing, for people.
    pub fn new(handoff: &Handoff, spec: &Reader<'_>, pool: cap::Untyped) -> Result<Self, String> {
        let id = ObjectId(handoff.server);
        let server = spec
            .object(id)
            .ok_or("the handoff names no object of the spec")?;
        let Kind::WasmServer(params) = &server.kind else {
            return Err("the handoff names no server".into());
        };
        let nudge = cspace::take_own(1).map_err(|failure| alloc::format!("{failure}"))?;
        cspace::path(nudge)
            .mint(
                &cspace::path(slot::NOTIFICATION),
                CapRights::all(),
                badge::NUDGE,
            )
            .map_err(|error| alloc::format!("cannot nudge the service thread: {error}"))?;
        NUDGE.store(nudge, Relaxed);
        let mut timer = None;
        let mut untypeds = Vec::new();
        let mut frames = Vec::new();
        let mut irqs = Vec::new();
        let mut power = None;
        for given in &handoff.given {
            let object = ObjectId(given.object);
            match spec.object(object).map(|o| o.kind) {
                Some(Kind::Untyped { size_bits, .. }) => untypeds.push(Given {
                    object,
                    untyped: cap::Untyped::from_bits(given.cptr),
                    bits: usize::from(size_bits),
                }),
                Some(Kind::Irq { .. }) if is_slot(&server, "timer", object) => {
                    timer = Some(cap::IrqHandler::from_bits(given.cptr));
                }
                Some(Kind::Irq { .. }) if is_slot(&server, "power", object) => {
                    power = Some(cap::IrqHandler::from_bits(given.cptr));
                }
                Some(Kind::Irq { .. }) => {
                    irqs.push((object, cap::IrqHandler::from_bits(given.cptr)));
                }
                Some(Kind::Frame { size_bits, .. }) => frames.push(DeviceFrame {
                    object,
                    address: given.vaddr as usize,
                    bytes: 1 << size_bits,
                }),
                _ => {}
            }
        }
        if let Some(timer) = timer {
            let refused = |error| alloc::format!("cannot receive the timer's interrupt: {error}");
            let badged = cspace::take_own(1).map_err(|failure| alloc::format!("{failure}"))?;
            cspace::path(badged)
                .mint(
                    &cspace::path(slot::NOTIFICATION),
                    CapRights::all(),
                    badge::TIMER,
                )
                .map_err(refused)?;
            timer
                .irq_handler_set_notification(cap::Notification::from_bits(badged))
                .map_err(refused)?;
            timer.irq_handler_ack().map_err(refused)?;
            clock::use_alone();
        } else if handoff.shares_timer {
            // SAFETY: the root task has mapped the page there, for good; its words are all that is in it.
            clock::share(
                unsafe { Page::own(handoff.commons as usize) },
                handoff.program,
            );
        }
        Ok(Self {
            code: Arc::new(Code::new(handoff, pool)),
            pool,
            timer,
            prio: params.prio,
            untypeds,
            frames,
            irqs,
            power,
            program: Program {
                number: handoff.program,
                life: handoff.life,
            },
            shared: handoff.shared.as_slice().into(),
            holders: handoff.holders.as_slice().into(),
            threads: Mutex::new(Vec::new()),
        })
    }

    /// Has the service thread return from its sleep, and look for what is due.
    pub fn nudge_service() {
        cap::Notification::from_bits(NUDGE.load(Relaxed)).signal();
    }

    /// The thread and address space of the guest with this number.
    pub fn thread(&self, number: u64) -> Option<(cap::Tcb, Arc<Space>)> {
        let threads = self.threads.lock();
        let thread = threads.get(number as usize)?.as_ref()?;
        Some((thread.tcb, thread.space.clone()))
    }

    /// The address space that an address is in.
    pub fn space_at(&self, address: usize) -> Option<Arc<Space>> {
        let number = Place::at(address)?;
        let threads = self.threads.lock();
        let thread = threads.get(number)?.as_ref()?;
        Some(thread.space.clone())
    }

    /// The name of the guest with this number.
    pub fn name_of(&self, number: u64) -> String {
        let threads = self.threads.lock();
        match threads.get(number as usize) {
            Some(Some(thread)) => thread.name.clone(),
            _ => "?".into(),
        }
    }

    fn untyped(&self, object: ObjectId) -> Result<&Given, Failure> {
        self.untypeds
            .iter()
            .find(|b| b.object == object)
            .ok_or(Failure::Refused("a budget that it was not given"))
    }
}

/// Whether the object is in this slot of the server.
pub fn is_slot(server: &capdl::blob::Object<'_>, name: &str, object: ObjectId) -> bool {
    server
        .caps
        .iter()
        .any(|cap| cap.slot == name && cap.target == object)
}

impl Platform for Sel4 {
    type Lock = WordLock;
    type Home = Sel4Home;
    type Region = Region;
    type Page = Page;
    type Device = Device;
    type Image = Image;

    fn program(&self) -> Program {
        self.program
    }

    fn now(&self) -> u64 {
        clock::now()
    }

    #[inline]
    fn ticks(&self) -> u64 {
        clock::ticks()
    }

    fn nanoseconds(&self, ticks: u64) -> u64 {
        clock::nanoseconds(ticks)
    }

    fn cycles(&self) -> u64 {
        clock::cycles()
    }

    fn instructions(&self) -> u32 {
        clock::instructions()
    }

    fn arm(&self, deadline: Option<u64>) {
        clock::arm(deadline);
    }

    fn nudge(&self) {
        Self::nudge_service();
    }

    fn serve(&self, wake: Option<&cap::Notification>) -> Woken {
        let own = cap::Notification::from_bits(slot::NOTIFICATION);
        let (_, badge) = match wake {
            Some(guest) => own.wait_after_signal(*guest),
            None => own.wait(),
        };
        if badge & badge::TIMER != 0
            && let Some(timer) = self.timer
        {
            // The line is level triggered: quiet the timer first, or it interrupts again at once.
            clock::arm(None);
            // Cannot fail: the capability was good when the notification was set.
            let _ = timer.irq_handler_ack();
        }
        const DUE: u64 = badge::TIMER | badge::NUDGE;
        Woken {
            signals: (badge & !DUE) as u32,
            // Without a badge it is a nudge from before there was one.
            is_due: badge & DUE != 0 || badge == 0,
        }
    }

    fn console(&self, line: fmt::Arguments<'_>) {
        console::line(line);
    }

    fn configure(&self, config: &mut Config) {
        config
            .with_host_memory(Arc::new(Memories))
            .with_custom_code_memory(Some(self.code.clone()));
    }

    fn load(&self, engine: &Engine, module: &Verified<'_>) -> wasmtime::Result<Module> {
        self.code.load(engine, module)
    }

    fn load_image(
        &self,
        engine: &Engine,
        image: &Arc<Image>,
        module: &Verified<'_>,
    ) -> wasmtime::Result<Module> {
        self.code.load_image(engine, image, module)
    }

    fn settle(&self, params: HomeParams<'_, Sel4Home>) -> Result<Sel4Home, Failure> {
        mark(Step::Settle);
        let place = Place::take(self.pool)?;
        let account = match params.budget {
            Budget::Untyped(object) => {
                let given = self.untyped(object)?;
                Account::new(given.untyped, given.bits, None, place.slots())
            }
            Budget::Part { of, bits } => {
                let bits = usize::from(bits);
                let untyped = of.space.lend(bits)?;
                Account::new(untyped, bits, Some(of.space.clone()), place.slots())
            }
        };
        let highest = self.prio.saturating_sub(1);
        Sel4Home::new(place, account, params.stack, highest, params.prio)
    }

    fn launch(&self, guest: Arc<Guest<Self>>) -> Result<(), Failure> {
        mark(Step::Launch);
        let home = &guest.home;
        let number = home.space.number() as usize;
        let thread = Thread {
            tcb: home.tcb(),
            space: home.space.clone(),
            name: guest.name().into(),
        };
        let mut threads = self.threads.lock();
        if threads.len() <= number {
            threads.resize_with(number + 1, || None);
        }
        threads[number] = Some(thread);
        drop(threads);
        debugger::note(home.space.number(), guest.name());
        home.launch(guest.clone())
    }

    fn evict(&self, guest: &Guest<Self>) {
        #[cfg(feature = "bench")]
        crate::bench::steps::print(guest.name());
        mark(Step::Evict);
        let space = &guest.home.space;
        let thread = self
            .threads
            .lock()
            .get_mut(space.number() as usize)
            .and_then(Option::take);
        space.close();
        debugger::forget(space.number());
        drop(thread);
        mark(Step::Evicted);
    }

    fn make_channel(
        &self,
        channel: ObjectId,
        budget: ObjectId,
        bytes: u32,
    ) -> Result<(Region, Option<SharedRegion<Self>>), Failure> {
        let shared = self.shared.iter().find(|shared| shared.object == channel.0);
        if let Some(channel) = shared {
            let region = Region::of_frames(self.pool, channel, bytes as usize);
            return Ok((region, Some(shared::region(channel, &self.holders))));
        }
        let budget = self.untyped(budget)?.untyped;
        Ok((Region::of_untyped(self.pool, budget, bytes as usize)?, None))
    }

    fn read_region(&self, region: &Region, offset: u32, out: &mut [u8]) -> Result<(), Failure> {
        region.read(offset as usize, out)
    }

    fn write_region(&self, region: &Region, offset: u32, bytes: &[u8]) -> Result<(), Failure> {
        region.write(offset as usize, bytes)
    }

    fn device(
        &self,
        frame: ObjectId,
        registers: Range<u32>,
        irq: ObjectId,
    ) -> Result<Device, Failure> {
        let end = registers.end as usize;
        let frame = self
            .frames
            .iter()
            .find(|given| given.object == frame && given.address != 0 && end <= given.bytes)
            .ok_or(Failure::Refused(
                "its registers, which the server was not given",
            ))?;
        let (_, irq) = self
            .irqs
            .iter()
            .find(|given| given.0 == irq)
            .ok_or(Failure::Refused(
                "its interrupt, which the server was not given",
            ))?;
        let address = frame.address + registers.start as usize;
        // SAFETY: in a page that the root task mapped for good, which the spec says holds the registers of
        // devices, and of those that are no virtio devices that they do not use memory by themselves; a spec that
        // says so of something else has the server write to that, as it may.
        Ok(unsafe { Device::new(address, registers.len() as u32, *irq) })
    }

    fn interrupt(&self, device: &Device, home: &Sel4Home, bit: u32) -> Result<(), Failure> {
        device.interrupt(home.notification(), 1 << bit)
    }

    fn unmask(&self, device: &Device) {
        device.unmask();
    }

    fn power_off(&self) {
        if let Some(power) = self.power {
            // A kernel without the switch answers, and has done nothing.
            let _ = power.irq_handler_ack();
        }
    }

    fn usage(&self) -> ServerUsage {
        let (heap, heap_used) = heap::usage();
        ServerUsage {
            heap,
            heap_used,
            slots_used: cspace::own_taken(),
        }
    }

    fn console_read(&self, out: &mut [u8]) -> usize {
        console::read(out)
    }

    fn console_write(&self, text: &str) {
        // For tests of what becomes of the others; no product has it. Text comes character by character.
        #[cfg(feature = "crash")]
        assert_ne!(text, "\u{2020}", "a guest has asked for it");
        console::write(text);
    }

    fn console_again(&self) {
        console::again();
    }
}
