// SPDX-License-Identifier: BSD-2-Clause
//! The tests' unsafe code: raw memory, instructions that have no Rust form, threads.
#![allow(unsafe_code)]

use alloc::{alloc::alloc, boxed::Box};
use core::{
    arch::asm,
    ptr, slice, str,
    sync::atomic::{AtomicUsize, Ordering},
};

use boot_image::root::{HEADER_BYTES, Header, MAGIC};
use sel4::{
    BootInfoPtr, CapRights, FrameObjectType, IpcBuffer, UserContext, VmAttributes, Word, cap,
    init_thread::slot,
};
use sel4_root_task::output;
use sel4_tls::{ThreadStart, TlsImage};

use crate::env::Env;

/// A part of the region where tests map pages. It never holds a Rust object, so whatever happens there
/// breaks no rule of the language; an access where nothing is mapped is a fault of the thread.
#[derive(Clone, Copy, Debug)]
pub struct Window {
    vaddr: usize,
    len: usize,
}

impl Window {
    /// `vaddr..vaddr + len` lies in that region.
    pub fn new(vaddr: usize, len: usize) -> Self {
        Self { vaddr, len }
    }

    /// The first address.
    pub fn vaddr(&self) -> usize {
        self.vaddr
    }

    /// The address after the last.
    pub fn end(&self) -> usize {
        self.vaddr + self.len
    }

    /// Words.
    pub fn words(&self) -> usize {
        self.len / size_of::<Word>()
    }

    fn word(&self, index: usize) -> *mut Word {
        assert!(index < self.words(), "outside the window");
        ptr::with_exposed_provenance_mut(self.vaddr + index * size_of::<Word>())
    }

    /// Reads a word.
    pub fn read(&self, index: usize) -> Word {
        // SAFETY: See `Window`: no Rust object is there.
        unsafe { self.word(index).read_volatile() }
    }

    /// Writes a word.
    pub fn write(&self, index: usize, value: Word) {
        // SAFETY: See `Window`: no Rust object is there.
        unsafe { self.word(index).write_volatile(value) }
    }

    /// Calls the code at the window's start: it must keep to the C calling convention.
    pub fn call(&self) -> Word {
        let code: extern "C" fn() -> Word =
            // SAFETY: An address is a valid function pointer as long as it is not null. The tests put
            // a function of this type there, or expect a fault.
            unsafe { core::mem::transmute(ptr::with_exposed_provenance::<()>(self.vaddr)) };
        code()
    }
}

/// Reads a word at an address that is expected to fault.
pub fn read_at(address: usize) -> Word {
    // SAFETY: A read changes nothing; where nothing is mapped it is a fault of this thread.
    unsafe { ptr::with_exposed_provenance::<Word>(address).read_volatile() }
}

/// The lowest address of the first thread's stack.
pub fn own_stack_bottom() -> usize {
    unsafe extern "C" {
        /// Of the runtime: top, size, guard page.
        static __sel4_root_task__stack_top: [usize; 3];
    }
    // SAFETY: The runtime's symbol, never written; three words (`StackTop`).
    let [top, size, _] = unsafe { (&raw const __sel4_root_task__stack_top).read() };
    top - size
}

/// A breakpoint instruction: a user exception.
pub fn breakpoint() {
    // SAFETY: Only raises an exception; whoever handles it may go on behind it.
    unsafe { asm!("brk #7", options(nomem, nostack)) }
}

/// A system call that the kernel does not have, with x0 = `argument`. Returns what the handler put in x0.
pub fn unknown_syscall(number: i64, argument: Word) -> Word {
    let result;
    // SAFETY: The kernel only passes it on to the fault handler, which changes x0 at most.
    unsafe {
        asm!("svc #0", in("x7") number, inlateout("x0") argument => result, options(nostack));
    }
    result
}

/// Fills d8 to d15 and reads them again after `between`. True if they are unchanged.
pub fn fp_registers_survive(seed: u64, between: impl Fn()) -> bool {
    let mut intact = true;
    for round in 0..4_u64 {
        let value = seed + round;
        // SAFETY: Writes a register that the compiler is told of only as a clobber.
        unsafe { asm!("fmov d8, {0}", "dup v9.2d, {0}", in(reg) value, out("v8") _, out("v9") _) };
        // The callee-saved half of v8 and v9 is kept by compiled code as well as by the kernel.
        let (low, high): (u64, u64);
        // SAFETY: As above; a system call in between may switch to a thread with other values.
        unsafe {
            asm!(
                "fmov d8, {value}",
                "dup v16.2d, {value}",
                "mov x7, {yield_call}",
                "svc #0",
                "fmov {low}, d8",
                "mov {high}, v16.d[1]",
                value = in(reg) value,
                yield_call = in(reg) sel4::sys::syscall_id::Yield,
                low = out(reg) low,
                high = out(reg) high,
                out("x7") _, out("v8") _, out("v16") _,
            );
        }
        intact &= low == value && high == value;
        between();
    }
    intact
}

/// Makes the calling thread the FPU's owner, with a pattern in all registers that stays there.
pub fn fill_fp_registers() {
    // SAFETY: Clobbers what it says.
    unsafe {
        asm!(
            "dup v0.2d, {0}", "dup v1.2d, {0}", "dup v2.2d, {0}", "dup v3.2d, {0}",
            "dup v4.2d, {0}", "dup v5.2d, {0}", "dup v6.2d, {0}", "dup v7.2d, {0}",
            "dup v16.2d, {0}", "dup v17.2d, {0}", "dup v18.2d, {0}", "dup v19.2d, {0}",
            "dup v20.2d, {0}", "dup v21.2d, {0}", "dup v22.2d, {0}", "dup v23.2d, {0}",
            in(reg) 0x5a5a_5a5a_5a5a_5a5a_u64,
            out("v0") _, out("v1") _, out("v2") _, out("v3") _,
            out("v4") _, out("v5") _, out("v6") _, out("v7") _,
            out("v16") _, out("v17") _, out("v18") _, out("v19") _,
            out("v20") _, out("v21") _, out("v22") _, out("v23") _,
            options(nomem, nostack),
        );
    }
}

/// Revokes `untyped`, makes a page of it in the slot `page`, then uses the FPU.
///
/// Compiled code may use the FPU anywhere, so the three steps are one piece of assembler. Returns the
/// labels of both replies, 0 for success.
pub fn recycle_then_use_fpu(untyped: cap::Untyped, page: sel4::AbsoluteCPtr) -> [Word; 2] {
    use sel4::sys::{invocation_label, seL4_ARM_SmallPageObject, seL4_MessageInfo, syscall_id};
    let root = slot::CNODE.cap().bits();
    sel4::with_ipc_buffer_mut(|buffer| {
        // Retype's fifth and sixth word, and the destination.
        let inner = buffer.inner_mut();
        inner.msg[4] = page.path().bits();
        inner.msg[5] = 1;
        inner.caps_or_badges[0] = root;
        let revoke = seL4_MessageInfo::new(invocation_label::CNodeRevoke, 0, 0, 2).0[0];
        let retype = seL4_MessageInfo::new(invocation_label::UntypedRetype, 0, 1, 6).0[0];
        let (revoked, retyped);
        // SAFETY: Two system calls with the arguments of `seL4_CNode_Revoke` and
        // `seL4_Untyped_Retype`; the untyped memory holds no Rust object. All registers that the
        // kernel or the last instruction change are named.
        unsafe {
            asm!(
                "svc #0",
                "mov {revoked}, x1",
                "mov x0, {untyped}",
                "mov x1, {retype}",
                "mov x2, {page_object}",
                "mov x3, xzr",
                "mov x4, xzr",
                "mov x5, xzr",
                "svc #0",
                "fmov d0, xzr",
                revoked = out(reg) revoked,
                untyped = in(reg) untyped.bits(),
                retype = in(reg) retype,
                page_object = in(reg) seL4_ARM_SmallPageObject,
                in("x7") syscall_id::Call,
                in("x8") ptr::from_mut(inner),
                inlateout("x0") root => _,
                inlateout("x1") revoke => retyped,
                inlateout("x2") untyped.bits() => _,
                inlateout("x3") Word::BITS as Word => _,
                inlateout("x4") 0_u64 => _,
                inlateout("x5") 0_u64 => _,
                out("v0") _,
            );
        }
        [revoked, retyped].map(|info| seL4_MessageInfo([info]).get_label())
    })
}

/// The physical timer of the generic timer (Arm ARM, D12), open to EL0 in this project's kernels.
pub mod timer {
    use core::arch::asm;

    /// Its interrupt: PPI 14.
    pub const IRQ: sel4::Word = 30;

    /// Fires after so many ticks.
    pub fn start(ticks: u64) {
        // SAFETY: Registers of a timer that nobody else uses.
        unsafe {
            asm!("msr cntp_tval_el0, {}", "msr cntp_ctl_el0, {}", "isb", in(reg) ticks, in(reg) 1_u64);
        }
    }

    /// Stops it, and takes the interrupt's level down.
    pub fn stop() {
        // SAFETY: As above.
        unsafe { asm!("msr cntp_ctl_el0, xzr", "isb") }
    }

    /// Ticks since the machine was started.
    pub fn now() -> u64 {
        let now;
        // SAFETY: Reads a counter.
        unsafe { asm!("isb", "mrs {}, cntpct_el0", out(reg) now) }
        now
    }
}

type Body = Box<dyn FnOnce() + Send>;

/// What a new thread needs besides its registers.
struct Start {
    ipc_buffer: usize,
    body: Body,
}

/// Registers of a thread that runs `body`, which must not return.
pub fn thread_registers(
    ipc_buffer: &Window,
    stack: &Window,
    body: impl FnOnce() + Send + 'static,
) -> UserContext {
    let image = TlsImage::of_program().expect("own headers");
    // SAFETY: The layout has the two words of the head at least. The block is never freed: a thread
    // that a test's end deletes cannot give anything back.
    let block = unsafe { alloc(image.layout()) };
    assert!(!block.is_null(), "out of heap");
    // SAFETY: The block was allocated with this layout, and for this thread alone.
    let thread_pointer = unsafe { image.initialize(block) };
    let start = Box::new(Start {
        ipc_buffer: ipc_buffer.vaddr(),
        body: Box::new(body),
    });
    let registers = ThreadStart {
        function: thread_main,
        argument: Box::into_raw(start).expose_provenance(),
        stack_top: stack.end(),
        thread_pointer,
    }
    .registers();
    let mut context = UserContext::default();
    *context.pc_mut() = registers.pc;
    *context.sp_mut() = registers.sp;
    for (index, value) in registers.params.into_iter().enumerate() {
        *context.c_param_mut(index) = value;
    }
    context
}

extern "C" fn thread_main(start: usize) -> ! {
    // SAFETY: `thread_registers` leaked the box for this thread alone.
    let start = unsafe { Box::from_raw(ptr::with_exposed_provenance_mut::<Start>(start)) };
    let buffer = ptr::with_exposed_provenance_mut::<IpcBuffer>(start.ipc_buffer);
    // SAFETY: The thread's own IPC buffer, a page to which nobody else forms a reference, mapped until
    // the thread is deleted. All bytes are valid.
    sel4::set_ipc_buffer(unsafe { &mut *buffer });
    (start.body)();
    panic!("a thread was resumed after its end")
}

/// The part `spec` of the payload.
pub fn spec(bootinfo: &BootInfoPtr) -> &'static str {
    unsafe extern "C" {
        static __payload: u8;
    }
    let start = &raw const __payload;
    // The kernel maps the IPC buffer at the page after the image.
    let len = (bootinfo.ipc_buffer().addr()).saturating_sub(start.addr());
    // SAFETY: The kernel has mapped the image, of which these are the last bytes, and nothing of the
    // program is there: the linker script puts the symbol behind everything.
    let payload = unsafe { slice::from_raw_parts(start, len) };
    let header = payload
        .get(..HEADER_BYTES)
        .and_then(|bytes| postcard::from_bytes::<Header>(bytes).ok());
    let Some(header) = header.filter(|header| header.magic == MAGIC) else {
        return "";
    };
    let (offset, len) = (header.spec.offset as usize, header.spec.len as usize);
    payload
        .get(offset..offset + len)
        .and_then(|bytes| str::from_utf8(bytes).ok())
        .expect("spec is no text")
}

/// Physical address of the PL011 of QEMU's `virt` machine.
const UART: usize = 0x0900_0000;
static UART_VADDR: AtomicUsize = AtomicUsize::new(0);

/// Maps the UART: release kernels have no console. Paging structures come from the arena's memory
/// before any test, so they stay.
pub fn start_output(env: &mut Env<'_>) {
    let bootinfo = env.bootinfo;
    let list = bootinfo.untyped_list();
    let is_uart = |index: &usize| {
        list[*index].paddr() == UART && list[*index].size_bits() == FrameObjectType::GRANULE.bits()
    };
    let Some(index) = bootinfo.device_untyped_range().find(is_uart) else {
        return;
    };
    let untyped = bootinfo.untyped().index(index).cap();
    let (page, vaddr) = env.keep(|env| {
        let page = env.make_of(untyped, &FrameObjectType::GRANULE.blueprint())?;
        let page: cap::Granule = page.cast();
        let vaddr = env.reserve(1).vaddr();
        let attributes = VmAttributes::EXECUTE_NEVER;
        env.map(
            page,
            slot::VSPACE.cap(),
            vaddr,
            CapRights::read_write(),
            attributes,
        )?;
        Ok((page, vaddr))
    });
    let _ = page;
    UART_VADDR.store(vaddr, Ordering::Relaxed);
    output::set_output(write);
}

/// PL011 registers (Arm DDI 0183, 3.2): data at 0, flags at 0x18 with bit 5 for a full transmit queue.
fn write(bytes: &[u8]) {
    let base = UART_VADDR.load(Ordering::Relaxed);
    let data = ptr::with_exposed_provenance_mut::<u32>(base);
    let flags = ptr::with_exposed_provenance::<u32>(base + 0x18);
    for byte in bytes {
        // SAFETY: `start_output` mapped the UART's page here, for good, before it named this function.
        unsafe {
            while flags.read_volatile() & (1 << 5) != 0 {}
            data.write_volatile(u32::from(*byte));
        }
    }
}

/// Ends the machine through semihosting (Arm 100863, `SYS_EXIT`), with status 0 or 1. Where there is
/// none, the instruction is a user exception, and the thread stops.
pub fn exit(success: bool) -> ! {
    const SYS_EXIT: u64 = 0x18;
    const APPLICATION_EXIT: u64 = 0x2_0026;
    let block = [APPLICATION_EXIT, u64::from(!success)];
    loop {
        // SAFETY: The host reads the two words, and nothing else happens in this program.
        unsafe { asm!("hlt #0xf000", in("x0") SYS_EXIT, in("x1") block.as_ptr(), options(nostack)) }
    }
}
