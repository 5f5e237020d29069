// SPDX-License-Identifier: BSD-2-Clause
//! The server: its processes, and what they share.

use alloc::{
    collections::{BTreeMap, btree_map::Entry},
    format,
    string::String,
    sync::Arc,
    vec::Vec,
};
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use atoll_abi::{
    Error, Pid, Rights,
    message::{Event, ProcessEntry, ProcessInfo, ProcessList, SystemInfo, Usage},
};
use capdl::blob::{Kind, ObjectId, REGISTER_BYTES, Reader, Start, VIRTIO_SLOT};
use wasm_archive::Archive;
use wasm_state::alarm::{Alarm, Alarms, Full, Queue};

use crate::{
    Guest, Lock,
    description::Description,
    device::Device,
    entropy::Generator,
    grant::{Grant, Holder, Registry},
    guest::uncount,
    logs::Logs,
    modules::Modules,
    place::Place,
    platform::{Home, Platform, Woken},
    process::{Outcome, Process, Processes},
    region::{Region, Sleepers},
    resource::Resource,
    service::Service,
};

/// Bytes of the server's heap that stay free: what a hostcall allocates in a few small pieces finds room.
const HEAP_RESERVE: u64 = 128 * 1024;

/// Why a server cannot be set up; the text is for people.
pub type SetupError = String;

/// A process server.
pub struct Server<P: Platform> {
    pub(crate) platform: P,
    pub(crate) registry: Lock<P, Registry<P>>,
    pub(crate) random: Lock<P, Generator>,
    pub(crate) logs: Lock<P, Logs>,
    pub(crate) alarms: Alarms<Lock<P, Queue<Due<P>>>>,
    pub(crate) modules: Modules<P>,
    pub(crate) places: Vec<Arc<Place<P>>>,
    pub(crate) processes: Lock<P, Processes<P>>,
    /// The channels, services, devices and guests of the spec that guests hold.
    pub(crate) objects: BTreeMap<ObjectId, Arc<Grant<P>>>,
    /// Those regions of the spec that other programs hold, too, with the signal of each.
    shared: Vec<(u32, Arc<Region<P>>)>,
    /// Bytes of the heap that are spoken for by modules that are being loaded.
    pub(crate) heap_shares: AtomicU64,
    /// A guest's thread has finished since the service thread last looked.
    pub(crate) ended: AtomicBool,
    /// A device may still write to memory that a guest had: none is used again.
    pub(crate) quarantine: AtomicBool,
    /// Guests that have ended since, with all their memory.
    pub(crate) quarantined: Lock<P, Vec<Arc<Guest<P>>>>,
}

/// What an alarm does.
pub(crate) enum Due<P: Platform> {
    /// Wakes a guest that waits with a deadline.
    Wake(<P::Home as Home>::Waker),
    /// Puts a task into a guest's mailbox.
    Task(Pid, u32),
    /// Cuts what was taken up with this process's token.
    Expire(Pid, Arc<Grant<P>>),
    /// Ends a guest that has run for too long.
    Deadline(Pid),
    /// Ends a guest that was asked to stop.
    Stop(Pid),
    /// Looks whether the printer of the log prints.
    Printer,
}

impl<P: Platform> Due<P> {
    /// Whose timer it is, if it counts as one.
    pub const fn timer_of(&self) -> Option<Pid> {
        match self {
            Self::Task(pid, _) | Self::Expire(pid, _) => Some(*pid),
            _ => None,
        }
    }

    pub fn is_expiry_of(&self, grant: &Arc<Grant<P>>) -> bool {
        matches!(self, Self::Expire(_, other) if Arc::ptr_eq(other, grant))
    }
}

impl<P: Platform> Server<P> {
    /// Sets up the server that object `id` of the spec describes. Nothing runs yet.
    ///
    /// # Errors
    /// What is wrong with the spec or missing, for people.
    pub fn new(
        platform: P,
        spec: &Reader<'_>,
        id: ObjectId,
        archive: Archive<'static>,
    ) -> Result<Arc<Self>, SetupError> {
        let mut places = Vec::new();
        let mut objects = BTreeMap::new();
        let mut shared = Vec::new();
        let mut registry = Registry::new();
        for (object, described) in spec.iter() {
            if let Some(description) = Description::of(spec, &described, id)? {
                places.push(Arc::new(Place::new(object, places.len(), description)));
            }
        }
        for place in &places {
            for cap in &place.description.caps {
                if let Entry::Vacant(entry) = objects.entry(cap.target) {
                    let guest = places.iter().find(|place| place.object == cap.target);
                    let resource = match guest {
                        Some(guest) => Resource::Guest(guest.clone()),
                        None => make(&platform, spec, cap.target)?,
                    };
                    if let Resource::Region(region) = &resource
                        && let Some(signal) = region.signal()
                    {
                        shared.push((signal, region.clone()));
                    }
                    let root = registry.root(resource, Rights::ALL, Holder::Spec);
                    entry.insert(root.map_err(|error| format!("{}: {error}", spec.file))?);
                }
            }
        }
        let mut random = Generator::new(&[
            &platform.now().to_le_bytes(),
            &platform.cycles().to_le_bytes(),
            &spec.archive_key,
        ]);
        // What tokens are made of says nothing of what guests get, nor the other way round.
        let random = random.fork();
        let program = platform.program();
        let alarms = Alarms::new(Lock::<P, _>::new(Queue::new()));
        // For the printer of the log, and the one before it.
        let reserved = alarms.reserve(2);
        reserved.map_err(|_| format!("{}: the server's heap is full", spec.file))?;
        Ok(Arc::new(Self {
            platform,
            registry: Lock::<P, _>::new(registry),
            random: Lock::<P, _>::new(random),
            logs: Lock::<P, _>::new(Logs::new()),
            alarms,
            modules: Modules::new(archive, spec.archive_key),
            places,
            processes: Lock::<P, _>::new(Processes::new(program)),
            objects,
            shared,
            heap_shares: AtomicU64::new(0),
            ended: AtomicBool::new(false),
            quarantine: AtomicBool::new(false),
            quarantined: Lock::<P, _>::new(Vec::new()),
        }))
    }

    /// The platform.
    pub fn platform(&self) -> &P {
        &self.platform
    }

    /// Starts every guest that starts with the server, in the order that the spec asks for. One that
    /// cannot start is reported; the others start all the same.
    pub fn boot(self: &Arc<Self>) {
        let mut places: Vec<_> = self.places.iter().collect();
        places.sort_by_key(|place| place.description.rank);
        for place in places {
            if place.starts(Start::Boot) {
                // A refusal is in the log.
                let _ = self.start_place(place);
            }
        }
    }

    /// The service thread's work: does what is due, then sleeps, for ever.
    pub fn serve(self: &Arc<Self>) -> ! {
        let mut woken = Woken::DUE;
        loop {
            woken = self.turn(woken);
        }
    }

    /// One turn of [`Self::serve`].
    pub fn serve_once(self: &Arc<Self>) {
        let woken = self.turn(Woken::DUE);
        let mut sleepers = Sleepers::none();
        self.hear(woken.signals, &mut sleepers);
        sleepers.wake();
    }

    /// Does what is due, has the guests here know what other programs have rung, and sleeps; answers what for it is woken
    /// next. Those who only ring across servers are not to wait for a look at the clock.
    fn turn(self: &Arc<Self>, woken: Woken) -> Woken {
        if woken.is_due {
            self.fire_alarms();
            if self.ended.swap(false, Ordering::AcqRel) {
                self.reap();
            }
        }
        // Last, so that those who are to be woken are still there, and the one system call does both.
        let mut sleepers = Sleepers::none();
        self.hear(woken.signals, &mut sleepers);
        sleepers.wake_and_serve(&self.platform)
    }

    /// Has the guests here know what other programs have rung. Those who sleep are added to those who are to be woken.
    fn hear(&self, signals: u32, sleepers: &mut Sleepers<P>) {
        if signals == 0 {
            return;
        }
        for (signal, region) in &self.shared {
            if signal & signals != 0 {
                region.hear(sleepers);
            }
        }
    }

    /// Whether no guest is alive and none will start by itself.
    pub fn is_idle(&self) -> bool {
        let lives =
            |place: &Arc<Place<P>>| place.last().is_some_and(|last| last.outcome().is_none());
        self.processes.lock().iter_from(0).next().is_none() && !self.places.iter().any(lives)
    }

    /// How the last life of a guest of the spec ended, if it has.
    pub fn outcome(&self, name: &str) -> Option<Outcome> {
        self.place_of(name)?.last()?.outcome()
    }

    /// # Errors
    /// `TooMany` if the server's heap is as good as full.
    pub(crate) fn room(&self) -> Result<(), Error> {
        self.room_for(0)
    }

    /// # Errors
    /// `TooMany` if it will be when so many bytes of it are used.
    pub(crate) fn room_for(&self, bytes: u64) -> Result<(), Error> {
        let usage = self.platform.usage();
        let free = usage.heap.saturating_sub(usage.heap_used);
        if usage.heap == 0 || free >= HEAP_RESERVE.min(usage.heap / 4).saturating_add(bytes) {
            Ok(())
        } else {
            Err(Error::TooMany)
        }
    }

    /// The guest with this id, until nothing is left of it.
    ///
    /// # Errors
    /// `NotFound`.
    pub(crate) fn guest(&self, pid: Pid) -> Result<Arc<Guest<P>>, Error> {
        self.process(pid)?.guest().ok_or(Error::NotFound)
    }

    /// The process with this id, until it has ended.
    ///
    /// # Errors
    /// `NotFound`.
    pub(crate) fn process(&self, pid: Pid) -> Result<Arc<Process<P>>, Error> {
        self.processes.lock().get(pid).cloned()
    }

    /// A page of the processes behind this one for which `is_listed`.
    pub(crate) fn list(&self, after: Pid, is_listed: impl Fn(&Process<P>) -> bool) -> ProcessList {
        let mut list = ProcessList {
            processes: heapless::Vec::new(),
        };
        let mut place = Processes::<P>::behind(after);
        loop {
            // One at a time: no other lock is taken under this one.
            let next = {
                let processes = self.processes.lock();
                let next = processes.iter_from(place).next();
                next.map(|(place, process)| (place, process.clone()))
            };
            let Some((at, process)) = next else { break };
            place = at + 1;
            let entry = ProcessEntry {
                pid: process.pid,
                name: process.name.clone(),
                module: process.module.clone(),
                version: process.version(),
                state: process.state(),
            };
            if is_listed(&process) && list.processes.push(entry).is_err() {
                break;
            }
        }
        list
    }

    pub(crate) fn process_info(&self, process: &Process<P>) -> ProcessInfo {
        let guest = process.guest();
        let exit = match process.outcome() {
            Some(Outcome::Exited(code)) => Some(code),
            _ => None,
        };
        ProcessInfo {
            pid: process.pid,
            parent: process.parent,
            name: process.name.clone(),
            module: process.module.clone(),
            version: process.version(),
            loader: process.loader.as_ref().map(|loader| loader.pid),
            session: process
                .session
                .as_ref()
                .map_or_else(Default::default, |session| session.name.clone()),
            state: process.state(),
            exit,
            prio: process.prio,
            groups: guest.as_ref().map(|g| g.groups()).unwrap_or_default(),
            limits: process.limits.clone(),
            usage: guest.as_ref().map_or(Usage::NONE, |g| g.usage()),
        }
    }

    /// What the server uses.
    pub fn system_info(&self) -> SystemInfo {
        let usage = self.platform.usage();
        SystemInfo {
            uptime: self.platform.now(),
            processes: self.processes.lock().iter_from(0).count() as u32,
            timers: self.alarms.len() as u32,
            grants: self.registry.lock().len() as u32,
            heap: usage.heap,
            heap_used: usage.heap_used,
            slots_used: usage.slots_used,
        }
    }

    // ---- Alarms

    fn fire_alarms(self: &Arc<Self>) {
        while let Some(due) = self
            .alarms
            .fire(|| self.platform.now(), |next| self.platform.arm(next))
        {
            if let Some(guest) = due.timer_of().and_then(|pid| self.guest(pid).ok()) {
                uncount(&guest.counters.timers);
            }
            match due {
                Due::Wake(waker) => P::Home::wake(&waker),
                Due::Task(pid, task) => {
                    if let Ok(guest) = self.guest(pid) {
                        guest.wake_for(task);
                    }
                }
                Due::Expire(_, grant) => self.cut(&grant, true, Event::Expired),
                Due::Deadline(pid) => self.end_late(pid),
                Due::Stop(pid) => self.end_stopped(pid),
                Due::Printer => self.check_printer(),
            }
        }
    }

    /// Sets an alarm, for which there is room.
    pub(crate) fn set_alarm(&self, at: u64, due: Due<P>) -> Result<Alarm, Full> {
        self.alarms.set(at, due, |at| self.platform.arm(Some(at)))
    }
}

/// What an object of the spec is, for the guests that hold it.
fn make<P: Platform>(
    platform: &P,
    spec: &Reader<'_>,
    id: ObjectId,
) -> Result<Resource<P>, SetupError> {
    let object = spec
        .object(id)
        .ok_or("the spec is broken: no such object")?;
    let place = format!("{}:{}: {}", spec.file, object.line, object.name);
    match object.kind {
        Kind::Channel { bytes } => {
            let memory = object.caps.slot("memory");
            let memory = memory.ok_or_else(|| format!("{place} has no memory"))?;
            let (backing, shared) = platform
                .make_channel(id, memory.target, bytes)
                .map_err(|failure| format!("{place}: {failure}"))?;
            let region = Region::of_spec(backing, bytes, shared);
            Ok(Resource::Region(Arc::new(region)))
        }
        Kind::Service => Ok(Resource::Service(Arc::new(Service::new()))),
        Kind::VirtioDevice { frame, offset, irq } => {
            let registers = platform
                .device(frame, offset..offset + VIRTIO_SLOT, irq)
                .map_err(|failure| format!("{place}: {failure}"))?;
            let device = Device::virtio(object.name, registers);
            Ok(Resource::Device(Arc::new(device)))
        }
        Kind::MmioDevice { frame, irq } => {
            let registers = platform
                .device(frame, 0..REGISTER_BYTES, irq)
                .map_err(|failure| format!("{place}: {failure}"))?;
            let device = Device::plain(object.name, registers, REGISTER_BYTES);
            Ok(Resource::Device(Arc::new(device)))
        }
        _ => Err(format!("{place} is nothing that a guest can hold")),
    }
}
