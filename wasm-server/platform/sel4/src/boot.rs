// SPDX-License-Identifier: BSD-2-Clause
//! From the root task's handoff to a running server.

use alloc::{boxed::Box, format, string::String, sync::Arc};
use core::{arch::naked_asm, ptr, slice};

use capdl::blob::{BlobError, Kind, ObjectId, Reader};
use lock_api::Mutex;
use sel4::{CNodeCapData, CPtr, IpcBuffer, ObjectBlueprint, UserContext, cap};
use sel4_tls::{ThreadStart, TlsImage, set_thread_pointer};
use wasm_archive::Archive;
use wasm_handoff::{Handoff, Range, slot};
use wasm_server_core::{Server, platform::Failure};

use crate::{
    console, cspace, fault, heap,
    lock::WordLock,
    platform::{Sel4, is_slot},
    pool,
    shared::Page,
    vspace,
};

/// Bytes of a page for a thread's IPC buffer and thread-local storage, and of the buffer in it.
const CONTROL_BYTES: usize = 4096;
pub const IPC_BUFFER_BYTES: usize = 1024;
/// Pages of stack of a thread of the server itself.
const SERVICE_STACK_PAGES: usize = 8;
/// Address space of a thread of the server itself, the page behind its stack that stays unmapped
/// included.
#[cfg(feature = "bench")]
pub const SERVICE_THREAD_BYTES: usize = (3 + SERVICE_STACK_PAGES) * CONTROL_BYTES;

/// The first thread's thread-local storage; the kernel and the handoff know nothing of it.
#[repr(align(64))]
struct Block([u8; CONTROL_BYTES - IPC_BUFFER_BYTES]);
static FIRST_TLS: Mutex<WordLock, Block> = Mutex::new(Block([0; CONTROL_BYTES - IPC_BUFFER_BYTES]));

/// The first instructions: x0, x1 and x2 are the handoff's address and length and the address of the
/// IPC buffer (see `wasm-handoff`); the stack is there.
#[unsafe(naked)]
#[unsafe(no_mangle)]
unsafe extern "C" fn _start() -> ! {
    // A frame pointer and return address of 0 end backtraces.
    naked_asm!("mov x29, xzr", "mov x30, xzr", "b {}", sym start)
}

/// Fills in the thread-local storage of a new thread in its control page; answers its thread pointer.
///
/// # Safety
/// `block` starts `CONTROL_BYTES - IPC_BUFFER_BYTES` writable bytes, aligned to 64, that are the
/// thread's alone for as long as it lives.
pub unsafe fn thread_storage(block: *mut u8) -> usize {
    let image = match TlsImage::of_program() {
        Ok(image) => image,
        Err(error) => panic!("thread-local storage: {error}"),
    };
    let layout = image.layout();
    assert!(
        layout.size() <= CONTROL_BYTES - IPC_BUFFER_BYTES && layout.align() <= 64,
        "thread-local storage outgrew a thread's control page"
    );
    // SAFETY: the caller's promise, and it fits.
    unsafe { image.initialize(block) }
}

/// The same for a thread whose storage ends at `end`, a multiple of 64, in its stack's last page; answers
/// the address of the storage, too, where the stack ends.
///
/// # Safety
/// As [`thread_storage`].
pub unsafe fn thread_storage_below(end: usize) -> (usize, usize) {
    let size = match TlsImage::of_program() {
        Ok(image) => image.layout().size(),
        Err(error) => panic!("thread-local storage: {error}"),
    };
    let block = end - size.next_multiple_of(64);
    // SAFETY: the caller's promise.
    let thread_pointer = unsafe { thread_storage(ptr::with_exposed_provenance_mut(block)) };
    (thread_pointer, block)
}

extern "C" fn start(handoff: usize, len: usize, ipc_buffer: usize) -> ! {
    // Leaked: the first thread never ends.
    let tls = &raw mut lock_api::MutexGuard::leak(FIRST_TLS.lock()).0;
    // SAFETY: only this thread takes the block, once, and no thread-local variable was touched yet.
    unsafe { set_thread_pointer(thread_storage(tls.cast())) };
    begin(handoff, len, ipc_buffer)
}

/// Has thread-local variables. Apart, because the compiler takes the thread pointer for a constant: inlined, it may
/// be read before it is set.
#[inline(never)]
fn begin(handoff: usize, len: usize, ipc_buffer: usize) -> ! {
    // SAFETY: the root task's promise: this is the first thread's buffer, and nobody else's.
    sel4::set_ipc_buffer(unsafe {
        &mut *ptr::with_exposed_provenance_mut::<IpcBuffer>(ipc_buffer)
    });
    let handoff = Range {
        vaddr: handoff as u64,
        len: len as u64,
    };
    // SAFETY: the root task's promise: mapped for good, and read-only.
    let handoff = unsafe { bytes(handoff) };
    match run(handoff) {
        Ok(never) => match never {},
        Err(why) => panic!("{why}"),
    }
}

/// # Safety
/// The range is mapped, and nobody writes it, for good.
unsafe fn bytes(range: Range) -> &'static [u8] {
    // SAFETY: the caller's promise.
    unsafe {
        slice::from_raw_parts(
            ptr::with_exposed_provenance(range.vaddr as usize),
            range.len as usize,
        )
    }
}

fn run(handoff: &'static [u8]) -> Result<core::convert::Infallible, String> {
    let handoff = read_handoff(handoff)?;
    heap::init(handoff.heap);
    cspace::init(handoff.free_slot);
    // SAFETY: the root task's promise: mapped for good, and read-only.
    let (spec, archive) = unsafe { (bytes(handoff.spec), bytes(handoff.archive)) };
    let spec = Reader::new(spec).map_err(|error| match error {
        BlobError::OtherVersion(version) => {
            format!("the spec is of version {version}, not of this build")
        }
        BlobError::NotASpec | BlobError::Undecodable => "the spec cannot be decoded".into(),
    })?;
    init_console(&handoff, &spec);
    let pool_memory = pool_memory(&handoff, &spec)?;
    cspace::set_pool(pool_memory, handoff.left, handoff.left_count);
    pool::init(pool_memory).map_err(|failure| {
        let place = spec
            .object(ObjectId(handoff.server))
            .map_or(0, |server| server.line);
        format!("{}:{place}: the server's own memory: {failure}", spec.file)
    })?;
    #[cfg(feature = "bench")]
    crate::bench::run(pool_memory).map_err(text)?;
    #[cfg(feature = "bench")]
    crate::bench::net::start(pool_memory, &spec, &handoff)?;
    #[cfg(feature = "bench")]
    crate::bench::disk::start(pool_memory, &spec, &handoff)?;

    let archive = Archive::open(archive, &spec.archive_key)
        .map_err(|error| format!("the module archive was refused: {error}"))?;
    let platform = Sel4::new(&handoff, &spec, pool_memory)?;
    #[cfg(feature = "bench")]
    crate::bench::timer(&platform);
    let server = Server::new(platform, &spec, ObjectId(handoff.server), archive)?;
    // Leaked: the fault thread never ends.
    let forever: &'static Arc<Server<Sel4>> = Box::leak(Box::new(server.clone()));
    start_fault_thread(forever.platform(), pool_memory, &spec, &handoff).map_err(text)?;
    server.boot();
    server.serve()
}

fn text(failure: Failure) -> String {
    format!("{failure}")
}

fn read_handoff(bytes: &[u8]) -> Result<Handoff, &'static str> {
    let (handoff, _): (Handoff, _) =
        postcard::take_from_bytes(bytes).map_err(|_| "the handoff cannot be decoded")?;
    if handoff.magic == wasm_handoff::MAGIC {
        Ok(handoff)
    } else {
        Err("the handoff is none")
    }
}

fn init_console(handoff: &Handoff, spec: &Reader<'_>) {
    let Some(server) = spec.object(ObjectId(handoff.server)) else {
        return;
    };
    let uart = handoff
        .given
        .iter()
        .find(|given| is_slot(&server, "console", ObjectId(given.object)));
    if let Some(uart) = uart {
        // SAFETY: the frame that the spec gives the server as its console, mapped as the handoff says.
        unsafe { console::init(uart.vaddr as usize) };
        if handoff.commons != 0 {
            // SAFETY: the root task has mapped the page there, for good; its words are all that is in it.
            console::share(unsafe { Page::own(handoff.commons as usize) });
        }
    }
}

/// The untyped in the server's slot `memory`.
fn pool_memory(handoff: &Handoff, spec: &Reader<'_>) -> Result<cap::Untyped, String> {
    let server = spec
        .object(ObjectId(handoff.server))
        .ok_or("the handoff names no object of the spec")?;
    handoff
        .given
        .iter()
        .find(|given| is_slot(&server, "memory", ObjectId(given.object)))
        .map(|given| cap::Untyped::from_bits(given.cptr))
        .ok_or_else(|| {
            format!(
                "{}:{}: {} was given no memory",
                spec.file, server.line, server.name
            )
        })
}

/// Makes and starts the fault thread, at the server's own priority, so above every guest.
fn start_fault_thread(
    platform: &'static Sel4,
    pool: cap::Untyped,
    spec: &Reader<'_>,
    handoff: &Handoff,
) -> Result<(), Failure> {
    let prio = match spec.object(ObjectId(handoff.server)).map(|o| o.kind) {
        Some(Kind::WasmServer(server)) => server.prio,
        _ => return Err(Failure::Refused("a server that is none")),
    };
    let argument = ptr::from_ref(platform).expose_provenance();
    start_service_thread(
        pool,
        vspace::SERVICE,
        (prio, 0),
        (cspace::root(), 0),
        fault_thread,
        argument,
    )
}

/// Makes and starts a thread of the server itself. Its IPC buffer is at `control`, where
/// nothing is mapped yet up to the page behind its stack; it has to name it before it sends a message.
/// It can give others a priority up to `highest`. Its CSpace is a CNode with a guard of so many zeros.
pub fn start_service_thread(
    pool: cap::Untyped,
    control: usize,
    (prio, highest): (u8, u8),
    (root, guard_bits): (cap::CNode, usize),
    function: extern "C" fn(usize) -> !,
    argument: usize,
) -> Result<(), Failure> {
    // One page for IPC buffer and thread-local storage, one unmapped, then the stack.
    let stack = control + 2 * CONTROL_BYTES;
    let control_frame = vspace::map_service(pool, control, 1)?;
    vspace::map_service(pool, stack, SERVICE_STACK_PAGES)?;
    let tcb_slot = cspace::take_own(1)?;
    cspace::retype(pool, ObjectBlueprint::Tcb, tcb_slot, 1).map_err(cspace::no_memory)?;
    let tcb = cap::Tcb::from_bits(tcb_slot);
    let refused = |_| Failure::Refused("a thread of the server's own");
    tcb.tcb_configure(
        CPtr::from_bits(slot::ROOT_FAULT_ENDPOINT),
        root,
        CNodeCapData::new(0, guard_bits),
        cap::VSpace::from_bits(slot::VSPACE),
        control as u64,
        cap::Granule::from_bits(control_frame),
    )
    .map_err(refused)?;
    tcb.tcb_set_sched_params(cap::Tcb::from_bits(slot::TCB), highest.into(), prio.into())
        .map_err(refused)?;
    // SAFETY: the page was mapped for this, just now.
    let thread_pointer =
        unsafe { thread_storage(ptr::with_exposed_provenance_mut(control + IPC_BUFFER_BYTES)) };
    let stack_top = stack + SERVICE_STACK_PAGES * CONTROL_BYTES;
    launch(
        tcb,
        &ThreadStart {
            function,
            argument,
            stack_top,
            thread_pointer,
        },
    )
    .map_err(refused)
}

/// Registers that a thread needs, in the order of `seL4_UserContext`: pc, sp, spsr, x0, x1 and x2.
const START_REGISTERS: u64 = 6;

/// Starts a thread whose registers are zero.
pub fn launch(tcb: cap::Tcb, start: &ThreadStart) -> sel4::Result<()> {
    let registers = start.registers();
    let mut context = UserContext::default();
    *context.pc_mut() = registers.pc;
    *context.sp_mut() = registers.sp;
    for (i, value) in registers.params.into_iter().enumerate() {
        *context.c_param_mut(i) = value;
    }
    tcb.tcb_write_registers(true, START_REGISTERS, &mut context)
}

extern "C" fn fault_thread(platform: usize) -> ! {
    // SAFETY: the thread's own IPC buffer, mapped for good.
    sel4::set_ipc_buffer(unsafe {
        &mut *ptr::with_exposed_provenance_mut::<IpcBuffer>(vspace::SERVICE)
    });
    // SAFETY: `start_fault_thread` had a reference to it for good.
    fault::serve(unsafe { &*ptr::with_exposed_provenance::<Sel4>(platform) })
}
