// SPDX-License-Identifier: BSD-2-Clause
//! The hostcalls: the imports, made from the table in `atoll-abi`, and a safe function for each.

use atoll_abi::{Error, Handle, Level, Pid, Rights, TOKEN_BYTES};

use super::shared::Shared;
use crate::mailbox::Ring;

macro_rules! imports {
    ($(group $group:ident $rust:ident $module:literal {
        $($(#[doc = $doc:literal])+ fn $name:ident($($param:ident: $ty:ty),*) -> $answer:ty;)+
    })+) => {
        $(
            mod $rust {
                use super::*;

                mod import {
                    #[link(wasm_import_module = $module)]
                    unsafe extern "C" {
                        $(pub(super) fn $name($($param: $ty),*) -> i64;)+
                    }
                }

                $(
                    $(#[doc = $doc])+
                    ///
                    /// # Safety
                    /// The call may read and write the bytes at the addresses it is given.
                    #[inline]
                    pub(super) unsafe fn $name($($param: $ty),*) -> Result<$answer, Error> {
                        // SAFETY: the types are those that the server defines the import with,
                        // since both come from one table; the addresses are the caller's to answer for.
                        atoll_abi::from_wire::<$answer>(unsafe { import::$name($($param),*) })
                    }
                )+
            }
        )+
    };
}

atoll_abi::for_each_hostcall!(imports);

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
    // SAFETY: touches no memory.
    let _ = unsafe { guest::exit(code) };
    // The server does not return from it.
    core::arch::wasm32::unreachable()
}

/// Ends the guest as failed.
pub(crate) fn panic(message: &[u8]) -> ! {
    let (address, len) = input(message);
    // SAFETY: the call reads `len` bytes at `address`.
    let _ = unsafe { guest::panic(address, len) };
    // The server does not return from it.
    core::arch::wasm32::unreachable()
}

pub(crate) fn process_start(name: &str) -> Result<Pid, Error> {
    let (address, len) = input(name.as_bytes());
    // SAFETY: the call reads `len` bytes at `address`.
    unsafe { process::start(address, len) }
}

pub(crate) fn process_wait(pid: Pid) -> Result<u64, Error> {
    // SAFETY: touches no memory.
    unsafe { process::wait(pid.0) }
}

pub(crate) fn alloc(pages: u32) -> Result<Handle, Error> {
    // SAFETY: touches no memory; the region is mapped nowhere yet.
    unsafe { shm::alloc(pages) }
}

pub(crate) fn share(
    handle: Handle,
    rights: Rights,
    token: &mut [u8; TOKEN_BYTES],
) -> Result<(), Error> {
    let (address, _) = output(token);
    // SAFETY: the call writes the 16 bytes at `address`, which are ours alone.
    unsafe { shm::share(handle.0, rights.bits(), address) }
}

pub(crate) fn accept(token: &[u8; TOKEN_BYTES]) -> Result<Handle, Error> {
    let (address, _) = input(token);
    // SAFETY: the call reads the 16 bytes at `address`.
    unsafe { shm::accept(address) }
}

/// A window onto the region, whose size is `len`.
pub(crate) fn attach(handle: Handle, rights: Rights, len: u32) -> Result<Shared, Error> {
    // SAFETY: the call touches no memory that the guest has; it adds some.
    let address = unsafe { shm::attach(handle.0, rights.bits()) }?;
    // SAFETY: the server answers the address of as many bytes as the region has, whole pages that were
    // not there before, so no reference to them exists; memory does not shrink, so they stay. The
    // address comes from outside Rust, which counts as exposed. The heap gets its memory by growing
    // it too, behind what is there.
    Ok(unsafe { Shared::new(address as usize, len) })
}

/// Takes the window away.
pub(crate) fn detach(window: &Shared) -> Result<(), Error> {
    // SAFETY: what is there afterwards is still memory, with other content, as it may have at any time.
    unsafe { shm::detach(window.address()) }
}

pub(crate) fn size(handle: Handle) -> Result<u32, Error> {
    // SAFETY: touches no memory.
    unsafe { shm::size(handle.0) }
}

/// Has the server write wakes to this ring.
pub(crate) fn register<const N: usize>(ring: &'static Ring<N>) -> Result<(), Error> {
    let address = core::ptr::from_ref(ring).expose_provenance() as u32;
    // SAFETY: the ring lives for ever, says its true capacity and consists of atomics, so the server
    // may write it at any time, and writes nothing else.
    unsafe { wake::register(address) }
}

pub(crate) fn listen(handle: Handle, task: u32) -> Result<(), Error> {
    // SAFETY: touches no memory.
    unsafe { wake::listen(handle.0, task) }
}

#[inline]
pub(crate) fn notify(handle: Handle) -> Result<(), Error> {
    // SAFETY: touches no memory.
    unsafe { wake::notify(handle.0) }
}

#[inline]
pub(crate) fn wait(deadline: u64) -> Result<u32, Error> {
    // SAFETY: touches no memory but the mailbox.
    unsafe { wake::wait(deadline) }
}

pub(crate) fn now() -> u64 {
    // SAFETY: touches no memory. The call refuses nothing.
    unsafe { time::now() }.unwrap_or_default()
}

/// Writes a line.
pub(crate) fn log(level: Level, line: &[u8]) {
    let (address, len) = input(line);
    // SAFETY: the call reads `len` bytes at `address`. It refuses nothing that a `Level` can name.
    let _ = unsafe { log::write(level as u32, address, len) };
}

#[inline]
pub(crate) fn cycles() -> u64 {
    // SAFETY: touches no memory. The call refuses nothing.
    unsafe { introspect::cycles() }.unwrap_or_default()
}

#[inline]
pub(crate) fn nothing() {
    // SAFETY: touches no memory. The call refuses nothing.
    let _ = unsafe { introspect::nothing() };
}
