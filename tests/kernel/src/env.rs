// SPDX-License-Identifier: BSD-2-Clause
//! What a test has to work with: memory and slots that are taken back afterwards, a region of the
//! address space, threads.

use alloc::boxed::Box;

use sel4::{
    AbsoluteCPtr, BootInfoPtr, CNodeCapData, CPtr, Cap, CapRights, CapType,
    CapTypeForObjectOfFixedSize, Error, FrameObjectType, ObjectBlueprint, UserContext,
    VmAttributes, Word, cap, init_thread::slot,
};

use crate::{
    machine::{self, Window},
    outcome::Outcome,
};

/// Bytes of a page.
pub const PAGE: usize = FrameObjectType::GRANULE.bytes();
/// Memory of one test, as a power of two.
const ARENA_BITS: usize = 21;
/// Where tests map pages. Nothing else is there.
const REGION: usize = 0x80_0000_0000;
/// Priority of the thread that runs the tests; others may be above or below it.
pub const PRIORITY: Word = 100;
const STACK_PAGES: usize = 8;

/// Ordinary memory without instruction fetch.
pub fn data() -> VmAttributes {
    VmAttributes::DEFAULT | VmAttributes::EXECUTE_NEVER
}

/// A thread that a test made.
#[derive(Clone, Copy)]
pub struct Thread {
    /// The thread.
    pub tcb: cap::Tcb,
    /// Signalled when its function has returned.
    pub done: cap::Notification,
}

impl Thread {
    /// Waits for its function to return.
    pub fn join(&self) {
        self.done.wait();
    }
}

/// The resources of the running test.
pub struct Env<'a> {
    /// The machine.
    pub bootinfo: &'a BootInfoPtr,
    /// Untyped memory that all objects of the test are made of.
    pub arena: cap::Untyped,
    /// Memory of what outlives tests.
    pool: cap::Untyped,
    first_slot: usize,
    next_slot: usize,
    first_page: usize,
    next_page: usize,
}

impl<'a> Env<'a> {
    /// Takes memory out of the smallest untyped that is large enough: the kernel clears all of one when
    /// it is first used.
    pub fn new(bootinfo: &'a BootInfoPtr) -> Self {
        let list = bootinfo.untyped_list();
        let range = bootinfo.kernel_untyped_range();
        let fits = |index: &usize| list[*index].size_bits() > ARENA_BITS;
        let index = range
            .filter(fits)
            .min_by_key(|index| list[*index].size_bits());
        let pool = bootinfo.untyped().index(index.expect("no memory")).cap();
        let first = bootinfo.empty().start();
        let mut env = Self {
            bootinfo,
            arena: pool,
            pool,
            first_slot: first,
            next_slot: first,
            first_page: REGION,
            next_page: REGION,
        };
        let arena = env.make(&ObjectBlueprint::Untyped {
            size_bits: ARENA_BITS,
        });
        env.arena = arena.expect("no arena").cast();
        env.first_slot = env.next_slot;
        slot::TCB
            .cap()
            .tcb_set_priority(slot::TCB.cap(), PRIORITY)
            .expect("own priority");
        env
    }

    /// Does something whose objects outlive the tests.
    ///
    /// # Panics
    /// When it fails.
    pub fn keep<T>(&mut self, make: impl FnOnce(&mut Self) -> sel4::Result<T>) -> T {
        let arena = self.arena;
        self.arena = self.pool;
        let made = make(self).expect("a lasting object");
        self.arena = arena;
        self.first_slot = self.next_slot;
        self.first_page = self.next_page;
        made
    }

    /// Takes back everything that the test made, which stops its threads, too.
    pub fn clean_up(&mut self) -> Outcome {
        self.slot_of(self.arena).revoke()?;
        self.next_slot = self.first_slot;
        self.next_page = self.first_page;
        Ok(())
    }

    /// The slot of a capability of the root task.
    pub fn slot_of<T: CapType>(&self, cap: Cap<T>) -> AbsoluteCPtr {
        slot::CNODE.cap().absolute_cptr(cap)
    }

    /// The slot that was filled last.
    pub fn last_made(&self) -> AbsoluteCPtr {
        slot::CNODE
            .cap()
            .absolute_cptr(CPtr::from_bits(self.next_slot as Word - 1))
    }

    /// An empty slot.
    pub fn empty_slot(&mut self) -> AbsoluteCPtr {
        let slot = CPtr::from_bits(self.next_slot as Word);
        self.next_slot += 1;
        slot::CNODE.cap().absolute_cptr(slot)
    }

    /// Makes an object out of the arena.
    pub fn make(&mut self, blueprint: &ObjectBlueprint) -> sel4::Result<cap::Unspecified> {
        self.make_of(self.arena, blueprint)
    }

    /// Makes an object out of other memory.
    pub fn make_of(
        &mut self,
        untyped: cap::Untyped,
        blueprint: &ObjectBlueprint,
    ) -> sel4::Result<cap::Unspecified> {
        let index = self.next_slot;
        let root = slot::CNODE.cap().absolute_cptr_for_self();
        untyped.untyped_retype(blueprint, &root, index, 1)?;
        self.next_slot += 1;
        Ok(CPtr::from_bits(index as Word).cast())
    }

    /// Makes an object of the capability's kind.
    pub fn new_object<T: CapTypeForObjectOfFixedSize>(&mut self) -> sel4::Result<Cap<T>> {
        self.make(&T::object_blueprint()).map(|cap| cap.downcast())
    }

    /// A copy of a capability.
    pub fn copy<T: CapType>(&mut self, cap: Cap<T>, rights: CapRights) -> sel4::Result<Cap<T>> {
        let slot = self.empty_slot();
        slot.copy(&self.slot_of(cap), rights)?;
        Ok(CPtr::from_bits(slot.path().bits()).cast())
    }

    /// A copy of a capability with a badge.
    pub fn mint<T: CapType>(&mut self, cap: Cap<T>, badge: Word) -> sel4::Result<Cap<T>> {
        let slot = self.empty_slot();
        slot.mint(&self.slot_of(cap), CapRights::all(), badge)?;
        Ok(CPtr::from_bits(slot.path().bits()).cast())
    }

    /// The capability in a slot.
    pub fn in_slot<T: CapType>(&self, slot: AbsoluteCPtr) -> Cap<T> {
        CPtr::from_bits(slot.path().bits()).cast()
    }

    /// Addresses of `pages` pages of the region that nothing is mapped at.
    pub fn reserve(&mut self, pages: usize) -> Window {
        let vaddr = self.next_page;
        // One page stays free, so that running off the end is a fault.
        self.next_page += (pages + 1) * PAGE;
        Window::new(vaddr, pages * PAGE)
    }

    /// Maps a page in an address space, and the paging structures that it needs.
    pub fn map(
        &mut self,
        page: cap::Granule,
        vspace: cap::VSpace,
        vaddr: usize,
        rights: CapRights,
        attributes: VmAttributes,
    ) -> sel4::Result<()> {
        while let Err(error) = page.frame_map(vspace, vaddr, rights, attributes) {
            let missing = match error {
                Error::FailedLookup => sel4_ext::missing_translation_table(),
                _ => None,
            };
            let table = missing.ok_or(error)?;
            let cap = self.make(&table.blueprint())?;
            cap.cast::<sel4::cap_type::UnspecifiedIntermediateTranslationTable>()
                .generic_intermediate_translation_table_map(
                    table,
                    vspace,
                    vaddr,
                    VmAttributes::DEFAULT,
                )?;
        }
        Ok(())
    }

    /// A new page, mapped for reading and writing in the tests' own address space.
    pub fn page(&mut self) -> sel4::Result<(cap::Granule, Window)> {
        let page: cap::Granule = self.new_object()?;
        let window = self.reserve(1);
        self.map(
            page,
            slot::VSPACE.cap(),
            window.vaddr(),
            CapRights::read_write(),
            data(),
        )?;
        Ok((page, window))
    }

    /// A thread that runs `function`, without a fault handler.
    pub fn spawn(
        &mut self,
        priority: Word,
        function: impl FnOnce() + Send + 'static,
    ) -> Outcome<Thread> {
        self.spawn_with(priority, None, function)
    }

    /// A thread that runs `function`. Its faults go to `fault_ep`.
    pub fn spawn_with(
        &mut self,
        priority: Word,
        fault_ep: Option<cap::Endpoint>,
        function: impl FnOnce() + Send + 'static,
    ) -> Outcome<Thread> {
        let (thread, mut registers) = self.prepare(priority, fault_ep, function)?;
        thread.tcb.tcb_write_all_registers(true, &mut registers)?;
        Ok(thread)
    }

    /// A thread in a TCB that the test made itself.
    pub fn spawn_on(
        &mut self,
        tcb: cap::Tcb,
        priority: Word,
        function: impl FnOnce() + Send + 'static,
    ) -> Outcome<Thread> {
        let (thread, mut registers) = self.prepare_on(tcb, priority, None, function)?;
        thread.tcb.tcb_write_all_registers(true, &mut registers)?;
        Ok(thread)
    }

    /// A thread that has everything but registers; with these it runs `function`.
    pub fn prepare(
        &mut self,
        priority: Word,
        fault_ep: Option<cap::Endpoint>,
        function: impl FnOnce() + Send + 'static,
    ) -> Outcome<(Thread, UserContext)> {
        let tcb = self.new_object()?;
        self.prepare_on(tcb, priority, fault_ep, function)
    }

    fn prepare_on(
        &mut self,
        tcb: cap::Tcb,
        priority: Word,
        fault_ep: Option<cap::Endpoint>,
        function: impl FnOnce() + Send + 'static,
    ) -> Outcome<(Thread, UserContext)> {
        let thread = Thread {
            tcb,
            done: self.new_object()?,
        };
        let (buffer_page, buffer) = self.page()?;
        let stack = self.reserve(STACK_PAGES);
        for index in 0..STACK_PAGES {
            let page: cap::Granule = self.new_object()?;
            let vaddr = stack.vaddr() + index * PAGE;
            self.map(
                page,
                slot::VSPACE.cap(),
                vaddr,
                CapRights::read_write(),
                data(),
            )?;
        }
        thread.tcb.tcb_configure(
            fault_ep.map_or(CPtr::from_bits(0), |ep| ep.cptr()),
            slot::CNODE.cap(),
            CNodeCapData::new(0, 0),
            slot::VSPACE.cap(),
            buffer.vaddr() as Word,
            buffer_page,
        )?;
        thread
            .tcb
            .tcb_set_sched_params(slot::TCB.cap(), priority, priority)?;
        let body = Box::new(move || {
            function();
            thread.done.signal();
            // Nobody resumes it; the test's end deletes it.
            let _ = thread.tcb.tcb_suspend();
        });
        Ok((thread, machine::thread_registers(&buffer, &stack, body)))
    }
}
