// SPDX-License-Identifier: BSD-2-Clause
//! One guest: what runs in a process.

use alloc::{format, string::String, sync::Arc};
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use atoll_abi::{
    Error, Group, Groups, Handle, Pid, Rights, TASK_STOP,
    message::{Event, Name, Usage},
};
use wasm_state::{
    mailbox::{Mail, Mailbox, Ring},
    stopwatch::Stopwatch,
};
use wasmtime::{Engine, Store, UpdateDeadline, WasmBacktrace};

use crate::{
    Lock,
    context::Context,
    device::Devices,
    grant::Grant,
    handle::HandleTable,
    loaded::Loader,
    modules::Prepared,
    platform::{Home, Platform},
    process::{Outcome, Process},
    region::{Bells, Sleepers},
    report::{self, Ending},
    server::Server,
    timer::OwnAlarms,
};

/// Why the server ends a guest. In [`Guest::ending`], 0 is none of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Reason {
    /// It ran for longer than its spec allows.
    Deadline = 1,
    /// It was asked to stop and did not, in time.
    Stopped = 2,
    /// Its memory was its parent's, which has ended.
    ParentEnded = 3,
    /// Its session was ended.
    SessionEnded = 4,
    /// The guest that loaded its module, and whose memory that is, has ended.
    LoaderEnded = 5,
}

impl Reason {
    const ALL: [Self; 5] = [
        Self::Deadline,
        Self::Stopped,
        Self::ParentEnded,
        Self::SessionEnded,
        Self::LoaderEnded,
    ];
}

/// A capability in a guest's table.
pub(crate) struct Holding<P: Platform> {
    pub grant: Arc<Grant<P>>,
    /// The name it was given under, or empty.
    pub name: Name,
    /// Who gave it, if a process did.
    pub by: Option<Pid>,
    /// What the guest was not told yet, with the order of it.
    pub news: Option<(u64, Event)>,
}

/// What of its limits a guest has used.
#[derive(Default)]
pub(crate) struct Counters {
    pub timers: AtomicU32,
    pub regions: AtomicU32,
    pub windows: AtomicU32,
    pub children: AtomicU32,
    pub tokens: AtomicU32,
}

/// Counts one more of something.
///
/// # Errors
/// `error` if there are as many as may be.
pub(crate) fn count(counter: &AtomicU32, limit: u32, error: Error) -> Result<(), Error> {
    counter
        .fetch_update(Ordering::AcqRel, Ordering::Acquire, |n| {
            (n < limit).then(|| n + 1)
        })
        .map(drop)
        .map_err(|_| error)
}

/// Counts one less.
pub(crate) fn uncount(counter: &AtomicU32) {
    let _ = counter.fetch_update(Ordering::AcqRel, Ordering::Acquire, |n| n.checked_sub(1));
}

/// What wasmtime keeps for a guest that runs, and what it runs. It is in a place of the platform's, where the
/// platform finds it if the guest is ended in the midst of things ([`Guest::abandon`]).
pub struct Life<P: Platform>(Option<Living<P>>);

struct Living<P: Platform> {
    store: Store<Context<P>>,
    prepared: Arc<Prepared<P>>,
}

impl<P: Platform> Life<P> {
    /// Of a guest that does not run yet.
    pub const fn new() -> Self {
        Self(None)
    }

    /// Gives up what is there.
    pub fn end(&mut self) {
        self.0 = None;
    }
}

impl<P: Platform> Default for Life<P> {
    fn default() -> Self {
        Self::new()
    }
}

/// A guest.
pub struct Guest<P: Platform> {
    /// What the platform keeps for it.
    pub home: P::Home,
    pub(crate) server: Arc<Server<P>>,
    pub(crate) process: Arc<Process<P>>,
    /// What it runs, until nothing of it does any more.
    prepared: Lock<P, Option<Arc<Prepared<P>>>>,
    engine: Engine,
    /// Bytes of native stack that its code may use.
    pub(crate) stack: u32,
    /// As the owner of modules, once it has loaded one.
    pub(crate) loader: Lock<P, Option<Arc<Loader>>>,
    /// Its line of the spec, if it has one.
    place: Option<String>,
    pub(crate) handles: Lock<P, HandleTable<Holding<P>>>,
    pub(crate) counters: Counters,
    params: Lock<P, Arc<[u8]>>,
    groups: AtomicU32,
    /// The order of the last piece of news.
    news: AtomicU32,
    /// Where notices are announced.
    notice_task: Lock<P, Option<u32>>,
    ending: AtomicU32,
    /// It sleeps for something else than wakes.
    sleeps: AtomicBool,
    /// How long its thread was ready to run.
    busy: Stopwatch,
    pub(crate) alarms: Lock<P, OwnAlarms>,
    /// The devices that it drives, and those of them whose interrupts it waits for, a bit each.
    pub(crate) devices: Lock<P, Devices<P>>,
    pub(crate) interrupts: AtomicU32,
    /// Set once, when the thread is done with the guest's code.
    ended: Lock<P, Option<Outcome>>,
    mailbox: Mailbox<Lock<P, Mail<<P::Home as Home>::Words>>>,
}

impl<P: Platform> Guest<P> {
    /// Puts a guest together, which holds nothing; nothing runs yet.
    pub(crate) fn new(
        server: Arc<Server<P>>,
        process: Arc<Process<P>>,
        prepared: Arc<Prepared<P>>,
        home: P::Home,
        groups: Groups,
        place: Option<String>,
    ) -> Self {
        Self {
            home,
            server,
            engine: prepared.engine.clone(),
            stack: prepared.stack,
            prepared: Lock::<P, _>::new(Some(prepared)),
            loader: Lock::<P, _>::new(None),
            place,
            handles: Lock::<P, _>::new(HandleTable::new(process.limits.handles)),
            process,
            counters: Counters::default(),
            params: Lock::<P, _>::new(Arc::from([])),
            groups: AtomicU32::new(groups.bits()),
            news: AtomicU32::new(0),
            notice_task: Lock::<P, _>::new(None),
            ending: AtomicU32::new(0),
            sleeps: AtomicBool::new(false),
            busy: Stopwatch::new(),
            alarms: Lock::<P, _>::new(OwnAlarms::default()),
            devices: Lock::<P, _>::new(Devices::<P>::new()),
            interrupts: AtomicU32::new(0),
            ended: Lock::<P, _>::new(None),
            mailbox: Mailbox::new(Lock::<P, _>::new(Mail::default())),
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.process.name
    }

    pub(crate) fn pid(&self) -> Pid {
        self.process.pid
    }

    /// Runs the guest to its end, on its own thread. Afterwards the platform drops its reference, has
    /// [`Home::finished`] say so, and nudges the service thread.
    pub fn run(self: &Arc<Self>, life: &mut Life<P>) {
        let outcome = self.home.charged(|| match self.execute(life) {
            Ok(()) => Outcome::Exited(0),
            Err(error) => {
                P::Home::uncharged(|| report::outcome(&error, self.process.module.as_str()))
            }
        });
        self.finish(outcome);
    }

    /// Ends the guest from within a hostcall or one of wasmtime's own functions that its code called,
    /// without returning to it: its thread touched a page of its memory in a way that the page's rights
    /// forbid, where no trap can be taken. The platform ends the [`Life`]. The thread holds no lock there
    /// (see [`Home`]).
    pub fn abandon(&self, why: &str) {
        self.finish(Outcome::Failed(why.into()));
    }

    fn finish(&self, outcome: Outcome) {
        // Whoever would wake it from here on finds no mailbox.
        self.mailbox.close();
        self.ended.lock().get_or_insert(outcome);
        self.server.note_ended();
    }

    fn execute(self: &Arc<Self>, life: &mut Life<P>) -> wasmtime::Result<()> {
        self.busy.go_on(self.server.platform.ticks());
        let result = self.execute_in(life);
        life.end();
        result
    }

    fn execute_in(self: &Arc<Self>, life: &mut Life<P>) -> wasmtime::Result<()> {
        let Some(prepared) = self.prepared.lock().clone() else {
            return Ok(());
        };
        let Living { store, prepared } = life.0.insert(Living {
            store: Store::try_new(&self.engine, Context::new(self.clone()))?,
            prepared,
        });
        store.data_mut().no_frames = Some(WasmBacktrace::capture(&*store));
        store.limiter(|context| context);
        store.epoch_deadline_callback(|context| match context.data().guest.ending() {
            Some(reason) => Err(Ending::Ended(reason).into()),
            None => Ok(UpdateDeadline::Continue(1)),
        });
        store.set_epoch_deadline(1);
        // Its end may have come before this thread did: the epoch that was to say so has passed.
        self.check_ending()?;
        P::Home::uncharged(|| self.server.note_starting(&self.process));
        let instance = prepared.instance.instantiate(&mut *store);
        let instance = instance.map_err(|error| self.did_not_start(error))?;
        let start = instance.get_typed_func::<(), ()>(&mut *store, "_start");
        let start = start.map_err(|error| self.did_not_start(error))?;
        P::Home::uncharged(|| self.server.note_running(&self.process));
        start.call(store, ())
    }

    /// Why none of its code ran, with the spec's line.
    fn did_not_start(&self, error: wasmtime::Error) -> wasmtime::Error {
        match &self.place {
            Some(place) => error.context(format!("did not start ({place})")),
            None => error.context("did not start"),
        }
    }

    /// Has the guest end as soon as its thread gets to it: at the next loop or call in wasm, or at
    /// once if it sleeps. The first reason is the one.
    pub(crate) fn end(&self, reason: Reason) {
        let _ = self
            .ending
            .compare_exchange(0, reason as u32, Ordering::AcqRel, Ordering::Relaxed);
        self.engine.increment_epoch();
        P::Home::wake(&self.home.waker());
    }

    pub(crate) fn ending(&self) -> Option<Reason> {
        match self.ending.load(Ordering::Acquire) {
            0 => None,
            ending => Reason::ALL
                .into_iter()
                .find(|reason| *reason as u32 == ending),
        }
    }

    /// Ends a blocking hostcall if the guest is to end.
    #[inline]
    pub(crate) fn check_ending(&self) -> Result<(), Ending> {
        self.ending()
            .map_or(Ok(()), |reason| Err(Ending::Ended(reason)))
    }

    /// The outcome, once the thread is done with the guest's code.
    pub(crate) fn ended(&self) -> Option<Outcome> {
        self.ended.lock().clone()
    }

    /// Nothing runs its code any more.
    pub(crate) fn give_up_code(&self) {
        let prepared = self.prepared.lock().take();
        drop(prepared);
    }

    /// Whether its thread is not done with the guest's code.
    pub(crate) fn is_alive(&self) -> bool {
        self.ended.lock().is_none()
    }

    /// Whether it may call a group now.
    pub(crate) fn may_call(&self, group: Group) -> bool {
        self.groups().contains(group)
    }

    pub(crate) fn groups(&self) -> Groups {
        Groups::from_bits(self.groups.load(Ordering::Relaxed))
    }

    /// Takes groups away.
    pub(crate) fn restrict(&self, groups: Groups) {
        self.groups.fetch_and(!groups.bits(), Ordering::Relaxed);
    }

    pub(crate) fn set_params(&self, params: Arc<[u8]>) {
        *self.params.lock() = params;
    }

    /// The start parameters.
    pub(crate) fn params(&self) -> Arc<[u8]> {
        self.params.lock().clone()
    }

    // ---- Capabilities

    /// A capability of it that was not lost.
    ///
    /// # Errors
    /// `BadHandle`, `Revoked`.
    pub(crate) fn grant(&self, handle: Handle) -> Result<Arc<Grant<P>>, Error> {
        let handles = self.handles.lock();
        let holding = handles.get(handle)?;
        holding.grant.live()?;
        Ok(holding.grant.clone())
    }

    /// As [`Self::grant`], with these rights at least.
    ///
    /// # Errors
    /// `BadHandle`, `Revoked`, `Denied`.
    pub(crate) fn grant_allowing(
        &self,
        handle: Handle,
        rights: Rights,
    ) -> Result<Arc<Grant<P>>, Error> {
        let handles = self.handles.lock();
        let holding = handles.get(handle)?;
        holding.grant.allowing(rights)?;
        Ok(holding.grant.clone())
    }

    /// The order of a piece of news.
    pub(crate) fn next_news(&self) -> u64 {
        u64::from(self.news.fetch_add(1, Ordering::Relaxed))
    }

    pub(crate) fn set_notice_task(&self, task: u32) {
        *self.notice_task.lock() = Some(task);
    }

    /// Says in the mailbox that there is news.
    pub(crate) fn announce(&self) {
        let task = *self.notice_task.lock();
        if let Some(task) = task {
            self.wake_for(task);
        }
    }

    // ---- Sleep and wake

    /// Rings some of the bells of a region: see [`Region::ring`](crate::region::Region::ring).
    ///
    /// # Errors
    /// `BadHandle`, `Revoked`, `Denied`, `WrongKind`.
    #[inline]
    pub(crate) fn ring(
        &self,
        handle: Handle,
        bells: Bells,
        sleepers: &mut Sleepers<P>,
    ) -> Result<(), Error> {
        let handles = self.handles.lock();
        let grant = &handles.get(handle)?.grant;
        let region = grant.allowing(Rights::WRITE)?.resource.region()?;
        region.ring(self, bells, sleepers);
        Ok(())
    }

    /// Puts a wake into the mailbox; answers whether the guest sleeps and has to be woken.
    #[must_use = "the guest is to be woken"]
    #[inline]
    pub(crate) fn put_wake(&self, task: u32) -> bool {
        self.mailbox.put(task)
    }

    /// Puts a wake into the mailbox, and wakes the guest if it sleeps. No lock is held.
    pub(crate) fn wake_for(&self, task: u32) {
        if self.put_wake(task) {
            P::Home::wake(&self.home.waker());
        }
    }

    /// Says in the mailbox that it is to stop.
    pub(crate) fn ask_to_stop(&self) {
        self.wake_for(TASK_STOP);
    }

    /// See [`Mailbox::register`].
    pub(crate) fn register_mailbox(
        &self,
        address: u32,
    ) -> Result<Ring<<P::Home as Home>::Words>, Ending> {
        let ring = Ring::new(address, |address, len| {
            self.home.private_words(address, len)
        })
        .map_err(|_| Ending::Misuse("what it registers is no mailbox"))?;
        self.mailbox.register(ring.clone());
        Ok(ring)
    }

    /// See [`Mailbox::wait`]; `keep_waiting` is asked before each sleep. Others are woken first, with the first
    /// sleep if there is one.
    #[inline]
    pub(crate) fn wait_for_wakes(
        &self,
        ring: &Ring<<P::Home as Home>::Words>,
        others: &mut Sleepers<P>,
        mut keep_waiting: impl FnMut() -> Result<bool, Ending>,
    ) -> Result<u32, Ending> {
        let pending = self.mailbox.wait(ring, || {
            let sleep = keep_waiting()?;
            if sleep {
                self.busy.pause(self.server.platform.ticks());
                let interrupts = others.wake_and_park(&self.home);
                self.busy.go_on(self.server.platform.ticks());
                self.note_interrupts(interrupts);
            }
            Ok(sleep)
        });
        others.wake();
        pending
    }

    /// Sleeps until woken, or without cause. Only on the guest's own thread.
    pub(crate) fn sleep(&self) {
        self.sleeps.store(true, Ordering::Relaxed);
        self.busy.pause(self.server.platform.ticks());
        let interrupts = self.home.park();
        self.busy.go_on(self.server.platform.ticks());
        self.sleeps.store(false, Ordering::Relaxed);
        self.note_interrupts(interrupts);
    }

    /// Whether it sleeps in a hostcall; for show.
    pub(crate) fn sleeps(&self) -> bool {
        self.mailbox.is_parked() || self.sleeps.load(Ordering::Relaxed)
    }

    /// Takes a window of its away. No device uses the frames any more when this returns.
    pub(crate) fn unmap(&self, address: u32, bytes: u32) {
        self.home.unmap(address, bytes);
        self.stop_dma(address, bytes);
        uncount(&self.counters.windows);
    }

    /// Whether it has neither handles, windows nor timers.
    pub(crate) fn has_nothing(&self) -> bool {
        let usage = self.usage();
        (usage.handles, usage.windows, usage.timers) == (0, 0, 0)
    }

    pub(crate) fn usage(&self) -> Usage {
        let platform = &self.server.platform;
        let memory = self.home.memory_usage();
        let load = |counter: &AtomicU32| counter.load(Ordering::Relaxed);
        Usage {
            budget: memory.budget,
            spent: memory.spent,
            memory: self.home.size(),
            handles: self.handles.lock().len() as u32,
            timers: load(&self.counters.timers),
            regions: load(&self.counters.regions),
            windows: load(&self.counters.windows),
            children: load(&self.counters.children),
            tokens: load(&self.counters.tokens),
            wakes: self.mailbox.puts(),
            modules: self.modules(),
            runnable: platform.nanoseconds(self.busy.ticks(|| platform.ticks())),
        }
    }
}
