// SPDX-License-Identifier: BSD-2-Clause
//! The hostcalls that are given addresses, as functions of Rust's own types.

use atoll_abi::{Error, Handle, Level, Rights};

use super::{
    calls::{console, device, entropy, entropy_source, guest, log, module, shm, wake},
    shared::Shared,
};
use crate::wake::RING;

/// Address and length of bytes that a hostcall reads.
fn input(bytes: &[u8]) -> (u32, u32) {
    (
        bytes.as_ptr().expose_provenance() as u32,
        bytes.len() as u32,
    )
}

/// Address and length of bytes that a hostcall writes.
fn output(bytes: &mut [u8]) -> (u32, u32) {
    (
        bytes.as_mut_ptr().expose_provenance() as u32,
        bytes.len() as u32,
    )
}

/// Copies the start parameters to the buffer if they fit; answers their length.
pub(crate) fn params(buffer: &mut [u8]) -> Result<u32, Error> {
    let (address, len) = output(buffer);
    // SAFETY: the call writes at most `len` bytes at `address`, and the buffer is ours alone.
    unsafe { guest::params(address, len) }
}

/// Ends the guest.
pub(crate) fn exit(code: u32) -> ! {
    let _ = guest::exit(code);
    ended(code)
}

/// Ends the guest as failed.
pub(crate) fn panic(message: &[u8]) -> ! {
    let (address, len) = input(message);
    // SAFETY: the call reads `len` bytes at `address`.
    let _ = unsafe { guest::panic(address, len) };
    ended(FAILURE)
}

/// The code of a failure, where there is no server that tells it from all codes.
const FAILURE: u32 = 101;

/// Behind a call from which the server does not return.
#[cfg(target_family = "wasm")]
fn ended(_code: u32) -> ! {
    core::arch::wasm32::unreachable()
}

/// Without a server, this program ends.
#[cfg(not(target_family = "wasm"))]
fn ended(code: u32) -> ! {
    std::process::exit(code as i32)
}

/// A window onto the region, whose size is `len`.
pub(crate) fn attach(handle: Handle, rights: Rights, len: u32) -> Result<Shared, Error> {
    let address = shm::attach(handle, rights)?;
    // SAFETY: the server answers the address of as many bytes as the region has, whole pages that were
    // not there before, or were a window that was taken away: so no reference to them exists but to
    // atomics; memory does not shrink, so they stay. The address comes from outside Rust, which counts
    // as exposed. The heap gets its memory by growing it too, behind what is there.
    Ok(unsafe { Shared::new(address as usize, len) })
}

/// Takes the window away.
pub(crate) fn detach(window: &Shared) -> Result<(), Error> {
    // SAFETY: what is there afterwards is still memory, with other content, as it may have at any time.
    unsafe { shm::detach(window.address()) }
}

/// Copies from the region.
pub(crate) fn read(handle: Handle, offset: u32, buffer: &mut [u8]) -> Result<(), Error> {
    let (address, len) = output(buffer);
    // SAFETY: the call writes `len` bytes at `address`, and the buffer is ours alone.
    unsafe { shm::read(handle, offset, address, len) }
}

/// Copies to the region.
pub(crate) fn write(handle: Handle, offset: u32, bytes: &[u8]) -> Result<(), Error> {
    let (address, len) = input(bytes);
    // SAFETY: the call reads `len` bytes at `address`.
    unsafe { shm::write(handle, offset, address, len) }
}

/// Has the server write wakes to the guest's ring.
pub(crate) fn register() -> Result<(), Error> {
    let address = RING.with(|ring| core::ptr::from_ref(ring).expose_provenance() as u32);
    // SAFETY: the ring is a static, says its true capacity and consists of atomics, so the server may
    // write it at any time, and writes nothing else.
    unsafe { wake::register(address) }
}

/// Fills the buffer with unpredictable bytes.
pub(crate) fn fill(buffer: &mut [u8]) -> Result<(), Error> {
    let (address, len) = output(buffer);
    // SAFETY: the call writes `len` bytes at `address`, and the buffer is ours alone.
    unsafe { entropy::fill(address, len) }
}

/// Mixes the bytes into the server's generator.
pub(crate) fn feed(bytes: &[u8]) -> Result<(), Error> {
    let (address, len) = input(bytes);
    // SAFETY: the call reads `len` bytes at `address`.
    unsafe { entropy_source::feed(address, len) }
}

/// Loads a module.
pub(crate) fn load(bytes: &[u8]) -> Result<Handle, Error> {
    let (address, len) = input(bytes);
    // SAFETY: the call reads `len` bytes at `address`.
    unsafe { module::load(address, len) }
}

/// Loads a module from this range of a window.
pub(crate) fn load_window(address: u32, len: u32) -> Result<Handle, Error> {
    // SAFETY: the call reads, and the server does not mind what others write there meanwhile.
    unsafe { module::load(address, len) }
}

/// Writes a line of the log.
pub(crate) fn log(level: Level, line: &[u8]) -> Result<(), Error> {
    let (address, len) = input(line);
    // SAFETY: the call reads `len` bytes at `address`.
    unsafe { log::write(level, address, len) }
}

/// Writes to the console.
pub(crate) fn print(text: &[u8]) -> Result<(), Error> {
    let (address, len) = input(text);
    // SAFETY: the call reads `len` bytes at `address`.
    unsafe { console::write(address, len) }
}

/// Takes what was typed; answers its length.
pub(crate) fn typed(buffer: &mut [u8]) -> Result<u32, Error> {
    let (address, len) = output(buffer);
    // SAFETY: the call writes at most `len` bytes at `address`, and the buffer is ours alone.
    unsafe { console::read(address, len) }
}

/// Resets a virtio device.
pub(crate) fn reset(handle: Handle) -> Result<(), Error> {
    /// The register `Status` (virtio 1.2, 4.2.2), and its width.
    const STATUS: (u32, u32) = (0x070, 4);
    // SAFETY: a status of 0 is no address. It makes the device use less memory, not more.
    unsafe { device::write(handle, STATUS.0, STATUS.1, 0) }
}
