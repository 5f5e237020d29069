// SPDX-License-Identifier: BSD-2-Clause
//! What happens when the program panics: a message with registers and a backtrace, then the thread
//! stops with a breakpoint exception.

use core::{
    arch::asm,
    fmt,
    panic::PanicInfo,
    ptr,
    sync::atomic::{AtomicBool, AtomicPtr, Ordering},
};

use crate::{debug_println, start};

/// Called with the panic in place of the message.
pub type PanicHook = &'static (dyn Fn(&PanicInfo<'_>) + Send + Sync);

/// A [`PanicHook`] by reference, since it is two words.
static HOOK: AtomicPtr<PanicHook> = AtomicPtr::new(ptr::null_mut());

/// Whether a panic is being reported: one that happens meanwhile is not.
static REPORTING: AtomicBool = AtomicBool::new(false);

/// Replaces the message of later panics by a call of `hook`.
pub fn set_hook(hook: PanicHook) {
    static SLOT: Slot = Slot(core::cell::UnsafeCell::new(None));
    struct Slot(core::cell::UnsafeCell<Option<PanicHook>>);
    // SAFETY: `HOOK_SET` lets one caller write, and readers see the value only through `HOOK`, which
    // is stored after the write.
    unsafe impl Sync for Slot {}
    static HOOK_SET: AtomicBool = AtomicBool::new(false);

    assert!(
        !HOOK_SET.swap(true, Ordering::Relaxed),
        "the panic hook can be set only once"
    );
    // SAFETY: This is reached once, and nobody reads before `HOOK` points here.
    let hook = unsafe { (*SLOT.0.get()).insert(hook) };
    HOOK.store(hook, Ordering::Release);
}

/// Frames of a backtrace.
const MAX_FRAMES: usize = 32;

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    if !REPORTING.swap(true, Ordering::Relaxed) {
        let hook = HOOK.load(Ordering::Acquire);
        if hook.is_null() {
            debug_println!("{info}");
            debug_println!("{}", Registers::here());
        } else {
            // SAFETY: What is not null points to the hook that `set_hook` stored for good.
            let hook = unsafe { *hook };
            hook(info);
        }
        REPORTING.store(false, Ordering::Relaxed);
    }
    stop()
}

/// Prints a message and stops the thread.
pub fn abort(message: fmt::Arguments<'_>) -> ! {
    debug_println!("{message}");
    stop()
}

fn stop() -> ! {
    loop {
        // SAFETY: A breakpoint is a user exception: the kernel stops the thread and tells its fault
        // handler, if it has one.
        unsafe { asm!("brk #0", options(nomem, nostack)) }
    }
}

/// The stack pointer and the addresses of the calls that lead here.
#[derive(Clone, Copy, Debug)]
pub struct Registers {
    sp: usize,
    fp: usize,
}

impl Registers {
    /// Those of the calling thread.
    #[inline(always)]
    pub fn here() -> Self {
        let (sp, fp);
        // SAFETY: Reads two registers.
        unsafe {
            asm!("mov {}, sp", "mov {}, x29", out(reg) sp, out(reg) fp, options(nomem, nostack, preserves_flags));
        }
        Self { sp, fp }
    }
}

/// The chain of frames exists only where code is compiled with frame pointers; anything else in x29
/// ends it at once, since frames count only within the first thread's stack, at rising addresses.
impl fmt::Display for Registers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sp {:#x} fp {:#x} backtrace", self.sp, self.fp)?;
        let stack = start::stack_range();
        let mut frame = self.fp;
        let mut lowest = self.sp;
        for _ in 0..MAX_FRAMES {
            let inside = frame >= lowest.max(stack.start) && frame + 16 <= stack.end;
            if !inside || !frame.is_multiple_of(16) {
                break;
            }
            let record = ptr::with_exposed_provenance::<[usize; 2]>(frame);
            // SAFETY: The two words lie within the first thread's stack, above the stack pointer; they
            // are plain memory whatever they hold.
            let [next, return_address] = unsafe { record.read_volatile() };
            if return_address == 0 {
                break;
            }
            // The call instruction, not the one behind it: that may belong to another function, since
            // calls that never return end theirs.
            write!(f, " {:#x}", return_address.wrapping_sub(4))?;
            lowest = frame + 16;
            frame = next;
        }
        Ok(())
    }
}
