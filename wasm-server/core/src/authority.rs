// SPDX-License-Identifier: BSD-2-Clause
//! Who holds what: capabilities are given, found by tokens, and taken back.
//!
//! Nothing here holds a lock while it tells a guest of what it lost: the registry names those to be told
//! one at a time.

use alloc::{sync::Arc, vec::Vec};
use core::sync::atomic::Ordering;

use atoll_abi::{
    Error, Handle, PAGE, Pid, Rights,
    message::{self, Event, HandleInfo, Holdings, Name, Notice, Token},
};

use wasm_state::registry::{Holder, SECRET_BYTES, Shared};

use crate::{
    Guest,
    grant::{Grant, Holder as Held, Victim},
    guest::{Holding, count, uncount},
    handle::HandleTable,
    platform::{Home, Platform},
    process::Process,
    region::Region,
    resource::Resource,
    server::{Due, Server},
    service::{Provider, Service},
};

/// How a guest comes by a capability.
pub(crate) struct Receipt {
    /// The name it is given under, or empty.
    pub name: Name,
    /// Who gives it, if a process does.
    pub by: Option<Pid>,
    /// Whether the guest is to be told.
    pub is_news: bool,
}

impl Receipt {
    /// The guest asked for it.
    pub const ASKED: Self = Self {
        name: Name::new(),
        by: None,
        is_news: false,
    };
}

impl<P: Platform> Guest<P> {
    /// Gives the guest a capability: `make` makes the grant, for the holder that it is told.
    ///
    /// # Errors
    /// `NotEntitled` by its session, `TooManyHandles`, and those of `make`.
    pub(crate) fn receive(
        &self,
        receipt: Receipt,
        resource: &Resource<P>,
        rights: Rights,
        make: impl FnOnce(Held<P>) -> Result<Arc<Grant<P>>, Error>,
    ) -> Result<Handle, Error> {
        if let Some(session) = &self.process.session
            && !session.allows(resource, rights)
        {
            return Err(Error::NotEntitled);
        }
        self.server.room()?;
        let news = receipt.is_news.then(|| (self.next_news(), Event::Granted));
        let region = resource.region().ok();
        // First, so that who loses it again at once is counted.
        region.map_or(Ok(()), |region| region.note_holder(self.pid()))?;
        let inserted = self.handles.lock().insert_with(|handle| {
            Ok(Holding {
                grant: make(Held::Guest(self.pid(), handle))?,
                name: receipt.name,
                by: receipt.by,
                news,
            })
        });
        let handle = inserted.inspect_err(|_| {
            if let Some(region) = region.filter(|region| region.forget_holder(self.pid())) {
                region.tell_of_departure();
            }
        })?;
        if receipt.is_news {
            self.announce();
        }
        Ok(handle)
    }

    /// Gives the guest a capability derived from another.
    pub(crate) fn receive_from(
        &self,
        receipt: Receipt,
        source: &Grant<P>,
        rights: Rights,
    ) -> Result<Handle, Error> {
        self.receive(receipt, &source.resource, rights, |holder| {
            self.server.registry.lock().derive(source, rights, holder)
        })
    }

    /// Gives the guest something new that it made, with every right.
    pub(crate) fn receive_new(&self, resource: Resource<P>) -> Result<Handle, Error> {
        self.receive(Receipt::ASKED, &resource.clone(), Rights::ALL, |holder| {
            self.server
                .registry
                .lock()
                .root(resource, Rights::ALL, holder)
        })
    }

    /// Gives the guest a process of a guest of the spec, below a capability for that and with its rights.
    pub(crate) fn receive_process(
        &self,
        source: &Grant<P>,
        process: &Arc<Process<P>>,
    ) -> Result<Handle, Error> {
        // Whoever may hold the guest's capability may hold this.
        self.receive(Receipt::ASKED, &source.resource, source.rights, |holder| {
            let mut registry = self.server.registry.lock();
            let number = match process.number.load(Ordering::Relaxed) {
                0 => registry.new_number(),
                known => known,
            };
            process.number.store(number, Ordering::Relaxed);
            let resource = (Resource::Process(process.clone()), number);
            registry.derive_other(source, resource, source.rights, holder)
        })
    }

    /// A capability of this guest for the guest of the spec with this name, with the right to write.
    ///
    /// # Errors
    /// `NotFound` if it has none for it, `Denied` if none has the right.
    pub(crate) fn grant_to_start(&self, name: &str) -> Result<Arc<Grant<P>>, Error> {
        let mut refusal = Error::NotFound;
        let handles = self.handles.lock();
        for (_, holding) in handles.iter() {
            let grant = &holding.grant;
            let is_it =
                matches!(&grant.resource, Resource::Guest(place) if place.description.name == name);
            if !is_it || grant.lost().is_some() {
                continue;
            }
            match grant.allowing(Rights::WRITE) {
                Ok(_) => return Ok(grant.clone()),
                Err(error) => refusal = error,
            }
        }
        Err(refusal)
    }

    /// Makes a region out of the guest's budget.
    pub(crate) fn make_region(&self, bytes: u32) -> Result<Handle, Error> {
        self.server.room()?;
        let limit = self.process.limits.regions;
        count(&self.counters.regions, limit, Error::TooManyRegions)?;
        let made = self.home.make_region(bytes).map_err(Error::from);
        let backing = made.inspect_err(|_| uncount(&self.counters.regions))?;
        let session = self.process.session.clone();
        let region = Arc::new(Region::new(backing, bytes, Some(self.pid()), session));
        self.receive_new(Resource::Region(region.clone()))
            .inspect_err(|_| self.free_region(&region))
    }

    /// Gives the frames of a region of this guest back to its budget.
    fn free_region(&self, region: &Region<P>) {
        if let Some(backing) = region.take_backing() {
            if !self.server.quarantine.load(Ordering::Acquire) {
                self.home.free_region(&backing);
            }
            uncount(&self.counters.regions);
        }
    }

    /// Maps a region; answers where.
    pub(crate) fn attach(
        self: &Arc<Self>,
        grant: &Arc<Grant<P>>,
        write: bool,
        grow: impl FnOnce(u64) -> Option<u64>,
    ) -> Result<u32, Error> {
        let region = grant.resource.region()?;
        self.server.room()?;
        let limit = self.process.limits.windows;
        count(&self.counters.windows, limit, Error::TooManyWindows)?;
        // The frames stay until the window is known, so that whoever takes them finds it.
        let backing = region.hold();
        let address = backing
            .as_ref()
            .ok_or(Error::Revoked)
            .and_then(|backing| self.map(backing, region.bytes, write, grow))
            .inspect_err(|_| uncount(&self.counters.windows))?;
        region.add_window(self, address, grant).inspect_err(|_| {
            self.unmap(address, region.bytes);
            self.home.give_up(address);
        })?;
        Ok(address)
    }

    fn map(
        &self,
        backing: &Arc<P::Region>,
        bytes: u32,
        write: bool,
        grow: impl FnOnce(u64) -> Option<u64>,
    ) -> Result<u32, Error> {
        if let Some(address) = self.home.reuse(backing, write) {
            return Ok(address);
        }
        self.home.stage(Some((backing, write)));
        let grown = grow(u64::from(bytes / PAGE));
        self.home.stage(None);
        // The answer is in wasm pages.
        let address = grown.and_then(|pages| pages.checked_mul(u64::from(PAGE)));
        address
            .and_then(|address| u32::try_from(address).ok())
            .ok_or(Error::NoAddressSpace)
    }

    /// Takes the window at this address away, if it is still there; the guest uses it no more.
    pub(crate) fn detach(&self, address: u32) -> Result<(), Error> {
        // The table is not locked while a window goes away, which takes a while.
        let mut place = 0;
        loop {
            let next = {
                let handles = self.handles.lock();
                let next = handles.first_from(place);
                next.map(|(handle, holding)| (handle, holding.grant.clone()))
            };
            let Some((handle, grant)) = next else { break };
            if let Resource::Region(region) = &grant.resource
                && region.remove_window(self, address)
            {
                break;
            }
            place = HandleTable::<Holding<P>>::behind(handle);
        }
        // A window that was taken away keeps its addresses until the guest knows.
        if self.home.give_up(address) {
            Ok(())
        } else {
            Err(Error::NotFound)
        }
    }

    /// Gives a handle up, with all that was derived from it.
    pub(crate) fn close(&self, handle: Handle) -> Result<(), Error> {
        let holding = self.handles.lock().remove(handle)?;
        self.server.cut(&holding.grant, true, Event::Revoked);
        let is_mine =
            |owner: Option<Pid>| owner == Some(self.pid()) && !self.holds(&holding.grant.resource);
        match &holding.grant.resource {
            Resource::Region(region) if is_mine(region.owner) => self.free_region(region),
            Resource::Module(module) if is_mine(Some(module.loader.pid)) => module.close(),
            _ => {}
        }
        Ok(())
    }

    /// Whether it holds this under some handle.
    pub(crate) fn holds(&self, resource: &Resource<P>) -> bool {
        let handles = self.handles.lock();
        handles.iter().any(|(_, holding)| {
            holding.grant.lost().is_none() && holding.grant.resource.is(resource)
        })
    }

    /// Everything that the guest holds, and all that others have from it. Its thread has finished.
    pub(crate) fn dispose(&self) {
        let mut place = 0;
        loop {
            let holding = {
                let mut handles = self.handles.lock();
                let next = handles.first_from(place).map(|(handle, _)| handle);
                match next.and_then(|handle| Some((handle, handles.remove(handle).ok()?))) {
                    Some((handle, holding)) => {
                        place = HandleTable::<Holding<P>>::behind(handle);
                        holding
                    }
                    // What it was given meanwhile may be in front.
                    None if place > 0 => {
                        place = 0;
                        continue;
                    }
                    None => {
                        // Whoever is about to give it something finds that it has ended.
                        handles.close();
                        return;
                    }
                }
            };
            self.server.cut(&holding.grant, true, Event::SourceExited);
            match &holding.grant.resource {
                Resource::Region(region) if region.owner == Some(self.pid()) => {
                    // Waits for those who map it or copy, and find that they may not.
                    region.take_backing();
                }
                Resource::Module(module) if module.loader.pid == self.pid() => module.close(),
                _ => {}
            }
        }
    }

    /// Takes the oldest piece of news.
    pub(crate) fn take_news(&self) -> Option<Notice> {
        let mut handles = self.handles.lock();
        let (handle, holding) = handles
            .iter_mut()
            .filter(|(_, holding)| holding.news.is_some())
            .min_by_key(|(_, holding)| holding.news.map(|(order, _)| order))?;
        let (_, event) = holding.news.take()?;
        Some(Notice {
            handle,
            kind: holding.grant.resource.kind(),
            event,
            name: holding.name.clone(),
        })
    }

    pub(crate) fn handle_info(&self, handle: Handle) -> Result<HandleInfo, Error> {
        let handles = self.handles.lock();
        let grant = &handles.get(handle)?.grant;
        Ok(HandleInfo {
            kind: grant.resource.kind(),
            rights: grant.rights,
            lost: grant.lost(),
        })
    }
}

impl<P: Platform> Guest<P> {
    /// What it holds behind a handle, as much as a page takes.
    pub(crate) fn holdings(&self, after: Handle) -> Holdings {
        let mut page = Holdings {
            holdings: heapless::Vec::new(),
        };
        let handles = self.handles.lock();
        let mut place = HandleTable::<Holding<P>>::behind(after);
        while let Some((handle, holding)) = handles.first_from(place) {
            place = HandleTable::<Holding<P>>::behind(handle);
            let entry = message::Holding {
                handle,
                kind: holding.grant.resource.kind(),
                rights: holding.grant.rights,
                resource: holding.grant.number,
                name: holding.name.clone(),
                by: holding.by,
                bytes: (holding.grant.resource.region()).map_or(0, |region| region.bytes),
            };
            if holding.grant.lost().is_none() && page.holdings.push(entry).is_err() {
                break;
            }
        }
        page
    }
}

impl<P: Platform> Server<P> {
    /// Makes a token. If it expires, so does what is taken up with it.
    pub(crate) fn share(
        &self,
        guest: &Guest<P>,
        source: &Grant<P>,
        rights: Rights,
        uses: u32,
        expires: Option<u64>,
    ) -> Result<Token, Error> {
        self.room()?;
        let limit = guest.process.limits.tokens;
        count(&guest.counters.tokens, limit, Error::TooManyTokens)?;
        let made = {
            let mut secret = [0; SECRET_BYTES];
            self.random.lock().fill(&mut secret);
            let shared = Shared::new(secret, uses, guest.pid(), expires.is_some());
            self.registry.lock().share(source, rights, shared)
        };
        let (token, grant) = made.inspect_err(|_| uncount(&guest.counters.tokens))?;
        if let Some(at) = expires {
            // The timer counts until then, or until the token is cut.
            let due = Due::Expire(guest.pid(), grant.clone());
            guest
                .set_timer(at, due)
                .inspect_err(|_| self.cut(&grant, true, Event::Revoked))?;
        }
        Ok(token)
    }

    /// Takes a token up.
    pub(crate) fn accept(&self, guest: &Guest<P>, token: &Token) -> Result<Handle, Error> {
        let source = {
            let registry = self.registry.lock();
            let (grant, shared) = registry.shared(token)?;
            (grant.clone(), shared.by)
        };
        let (source, by) = source;
        let receipt = Receipt {
            by: Some(by),
            ..Receipt::ASKED
        };
        let mut spent_by = None;
        let handle = guest.receive(receipt, &source.resource, source.rights, |holder| {
            let (grant, spent) = self.registry.lock().redeem(token, holder)?;
            spent_by = spent;
            Ok(grant)
        })?;
        self.uncount_token(spent_by);
        Ok(handle)
    }

    /// Makes a token worthless that the guest made.
    pub(crate) fn withdraw_token(&self, guest: &Guest<P>, token: &Token) -> Result<(), Error> {
        let mut registry = self.registry.lock();
        let (grant, shared) = registry.shared(token)?;
        if shared.by != guest.pid() {
            return Err(Error::BadToken);
        }
        let grant = grant.clone();
        registry.spend(&grant);
        drop(registry);
        uncount(&guest.counters.tokens);
        Ok(())
    }

    fn uncount_token(&self, by: Option<Pid>) {
        if let Some(guest) = by.and_then(|pid| self.guest(pid).ok()) {
            uncount(&guest.counters.tokens);
        }
    }

    /// Cuts a grant and all below it, or only what is below. When this returns, nobody can use any of
    /// them, no window shows what they designate, and whoever held one has been told; and of a region those
    /// who listen to it, if a process has lost its last handle.
    pub(crate) fn cut(&self, grant: &Arc<Grant<P>>, itself: bool, event: Event) {
        self.registry.lock().cut(grant, itself, event);
        let mut has_lost_a_holder = false;
        loop {
            // Not in the condition of the loop, where the lock would be held until its end.
            let victim = self.registry.lock().next_victim(grant);
            let Some(victim) = victim else { break };
            if let (Resource::Region(region), Holder::Holds(Held::Guest(pid, _))) =
                (&grant.resource, &victim.holder)
            {
                has_lost_a_holder |= region.forget_holder(*pid);
            }
            // Below a guest's capability there are those for its processes.
            if let (Resource::Guest(_), Resource::Process(process)) =
                (&grant.resource, &victim.grant.resource)
            {
                self.strip_watchers(&process.watchers);
                process.wake_waiting();
            }
            self.tell(&victim);
        }
        match &grant.resource {
            Resource::Region(region) => {
                region.strip();
                // Those whose grants were cut have been told by that.
                if has_lost_a_holder {
                    region.tell_of_departure();
                }
            }
            Resource::Process(process) => {
                self.strip_watchers(&process.watchers);
                process.wake_waiting();
            }
            Resource::Service(service) => {
                self.strip_watchers(&service.watchers);
                while let Some((provider, was_first)) = service.withdraw(is_cut) {
                    self.cut(&provider.offer, true, event);
                    self.tell_of(service, was_first);
                }
            }
            Resource::Device(device) => {
                let driver = device.driver().and_then(|pid| self.guest(pid).ok());
                if let Some(guest) = driver.filter(|guest| !guest.holds(&grant.resource)) {
                    device.release(&guest);
                    // It may sleep until the device has done something.
                    P::Home::wake(&guest.home.waker());
                }
            }
            Resource::Guest(place) => self.strip_watchers(&place.watchers),
            Resource::Session(_) | Resource::Module(_) => {}
        }
    }

    fn tell(&self, victim: &Victim<P>) {
        match &victim.holder {
            Holder::Holds(Held::Guest(pid, handle)) => {
                let Ok(guest) = self.guest(*pid) else { return };
                let lost = victim.grant.lost();
                let news = lost.map(|event| (guest.next_news(), event));
                let told = guest.handles.lock().get_mut(*handle).is_ok_and(|holding| {
                    let is_it = Arc::ptr_eq(&holding.grant, &victim.grant);
                    if is_it {
                        holding.news = news;
                    }
                    is_it
                });
                if told {
                    guest.announce();
                }
            }
            Holder::Token(shared) => {
                if let Ok(guest) = self.guest(shared.by) {
                    uncount(&guest.counters.tokens);
                    if shared.expires {
                        guest.cancel_timers(|due| due.is_expiry_of(&victim.grant));
                    }
                }
            }
            Holder::Holds(Held::Offer(service)) => {
                let is_it = |provider: &Provider<P>| Arc::ptr_eq(&provider.offer, &victim.grant);
                if let Some((_, was_first)) = service.withdraw(is_it) {
                    self.tell_of(service, was_first);
                }
            }
            Holder::Holds(Held::Spec) | Holder::Spent => {}
        }
    }

    /// Tells those who watch a service, if its provider has changed.
    pub(crate) fn tell_of(&self, service: &Service<P>, has_changed: bool) {
        if has_changed {
            self.tell_all(&service.watchers);
        }
    }

    /// Takes what a guest was given under a name by another, or by the spec if that is `None`.
    pub(crate) fn take(&self, from: &Guest<P>, by: Option<Pid>, name: &Name) -> Result<(), Error> {
        let mut grants: Vec<Arc<Grant<P>>> = Vec::new();
        for (_, holding) in from.handles.lock().iter() {
            if holding.by == by && holding.name == *name && holding.grant.lost().is_none() {
                grants.try_reserve(1).map_err(|_| Error::TooMany)?;
                grants.push(holding.grant.clone());
            }
        }
        for grant in &grants {
            self.cut(grant, true, Event::Revoked);
        }
        if grants.is_empty() {
            Err(Error::NotFound)
        } else {
            Ok(())
        }
    }
}

fn is_cut<P: Platform>(provider: &Provider<P>) -> bool {
    provider.by.lost().is_some() || provider.offer.lost().is_some()
}
