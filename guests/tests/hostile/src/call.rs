// SPDX-License-Identifier: BSD-2-Clause
//! Hostcalls as no honest guest makes them: with any numbers, and addresses outside.
//!
//! What makes this sound is the page at the end of the memory: it is grown here, nobody else knows it, and
//! every address that these functions hand out is in it or behind it. The server writes nothing
//! elsewhere, whatever becomes of the call.
#![allow(unsafe_code)]

use core::{
    arch::wasm32,
    sync::atomic::{AtomicU32, Ordering},
};

use atoll_abi::{
    Form, Groups, Handle, Level, PAGE, Param, Pid, Rights, TABLE, TimerId, hostcall::Wire,
};
use drill::misuse::{LEN, Place, is_address};
use userland::{Error, handle::Capability as _, raw, shm::Region};

/// A number as a parameter's type.
trait Narrow {
    fn narrow(number: u64) -> Self;
}

impl Narrow for u32 {
    fn narrow(number: u64) -> Self {
        number as Self
    }
}

impl Narrow for u64 {
    fn narrow(number: u64) -> Self {
        number
    }
}

/// The next number as a parameter of type `T`.
fn next<T: Wire<Raw: Narrow>>(numbers: &mut impl Iterator<Item = u64>) -> T::Raw {
    T::Raw::narrow(numbers.next().unwrap_or_default())
}

/// A hostcall with its parameters as numbers.
type Call = unsafe fn(&[u64]) -> i64;

macro_rules! calls {
    ($(group $group:ident $room:ident $module:literal {
        scalar { $($(#[doc = $doc:literal])+ fn $name:ident($($param:ident: $ty:ty),*) -> $answer:ty;)* }
        message { $($(#[doc = $message_doc:literal])+ fn $message:ident($request:ty) -> $reply:ty;)* }
    })+) => {
        /// The hostcalls, in the order of the table.
        const CALLS: &[Call] = &[$(
            $(|numbers| {
                #[allow(unused_mut, unused_variables, reason = "some calls take nothing")]
                let mut numbers = numbers.iter().copied();
                // SAFETY: the caller answers for the addresses.
                unsafe { raw::$room::$name($(next::<$ty>(&mut numbers)),*) }
            },)*
            $(|numbers| {
                let mut numbers = numbers.iter().copied();
                // SAFETY: the caller answers for the addresses.
                unsafe {
                    raw::$room::$message(
                        next::<u32>(&mut numbers),
                        next::<u32>(&mut numbers),
                        next::<u32>(&mut numbers),
                    )
                }
            },)*
        )+];
    };
}

atoll_abi::for_each_hostcall!(calls);

const _: () = assert!(CALLS.len() == TABLE.len());

/// Where the page at the end begins; 0: there is none yet.
static LAST_PAGE: AtomicU32 = AtomicU32::new(0);

/// Where the page at the end of the memory begins.
fn last_page() -> u32 {
    let last = LAST_PAGE.load(Ordering::Relaxed);
    // The heap may have grown behind it.
    let end = wasm32::memory_size(0) as u32 * PAGE;
    if last != 0 && last + PAGE == end {
        return last;
    }
    let pages = wasm32::memory_grow(0, 1);
    assert!(pages != usize::MAX, "the memory does not grow");
    let last = pages as u32 * PAGE;
    LAST_PAGE.store(last, Ordering::Relaxed);
    last
}

fn address(place: Place) -> u32 {
    let last = last_page();
    match place {
        Place::BeforeEnd(bytes) => last + PAGE - bytes.min(PAGE),
        Place::BeforeTop(bytes) => {
            let address = bytes.max(1).wrapping_neg();
            assert!(address >= last, "what is there is somebody's");
            address
        }
    }
}

/// Makes a scalar call with this address and [`LEN`] bytes, and other parameters as `number` says.
pub fn scalar(index: usize, place: Place, number: impl Fn(&Param) -> u64) -> i64 {
    let Form::Scalar { params, .. } = TABLE[index].form else {
        panic!("no scalar call")
    };
    let mut numbers = [0; 4];
    for (param, to) in params.iter().zip(&mut numbers) {
        *to = match param.name {
            name if is_address(name) => address(place).into(),
            "len" => LEN.into(),
            _ => number(param),
        };
    }
    // SAFETY: the address is in or behind the last page, and the server writes nothing before it.
    unsafe { CALLS[index](&numbers) }
}

/// Makes a scalar call that takes no addresses.
pub fn plain(module: &str, name: &str, numbers: &[u64]) -> Result<u64, Error> {
    let is_it = |call: &&atoll_abi::Hostcall| call.module == module && call.name == name;
    let index = TABLE.iter().position(|call| is_it(&call));
    let index = index.unwrap_or_else(|| panic!("no such call"));
    let Form::Scalar { params, .. } = TABLE[index].form else {
        panic!("no scalar call")
    };
    assert!(
        params.iter().all(|param| !is_address(param.name)),
        "an address"
    );
    // SAFETY: without an address the call touches no memory of this guest but its mailbox, and windows,
    // in which nobody has references to anything but atomics.
    atoll_abi::from_wire(unsafe { CALLS[index](numbers) })
}

/// Makes a message call: the request is `len` bytes of `fill`, at the last page's begin if no other
/// place is given, as the reply is to go behind it.
pub fn message(
    index: usize,
    request: Option<Place>,
    len: u32,
    fill: u8,
    reply: Option<Place>,
) -> i64 {
    const REPLY: u32 = 2 * LEN;
    let last = last_page();
    // SAFETY: inside the last page, to which there are no references; it came into being outside of
    // Rust, which counts as exposed.
    unsafe {
        core::ptr::write_bytes(
            core::ptr::with_exposed_provenance_mut::<u8>(last as usize),
            fill,
            REPLY as usize,
        )
    };
    let request = request.map_or(last, address);
    let reply = reply.map_or(last + REPLY, address);
    // SAFETY: the reply is in or behind the last page, and the server writes nothing before it.
    unsafe { CALLS[index](&[request.into(), len.into(), reply.into()]) }
}

/// Makes a window that is for reading, and writes there, with instructions or through a hostcall.
pub fn breach(region: &Region, how: &str) -> Result<(), Error> {
    let numbers = [region.handle().0.into(), Rights::READ.bits().into()];
    let window = plain("atoll::shm", "attach", &numbers)? as u32;
    let place = core::ptr::with_exposed_provenance_mut::<u8>(window as usize);
    // SAFETY: a window onto a page, as the server says; no reference to it exists but this, which does
    // not live on. Written to it is nothing that anybody would see: that ends this guest.
    unsafe {
        match how {
            "store" => place.write_volatile(1),
            "atomic" => drop(AtomicU32::from_ptr(place.cast()).fetch_add(1, Ordering::Relaxed)),
            "fill" => place.write_bytes(1, PAGE as usize),
            "copy" => place.copy_from(
                core::ptr::with_exposed_provenance(last_page() as usize),
                PAGE as usize,
            ),
            "entropy" => drop(raw::entropy::fill(window, 64)),
            "read" => drop(raw::shm::read(region.handle().0, 0, window, PAGE)),
            "params" => drop(raw::guest::params(window, PAGE)),
            "reply" => drop(raw::introspect::system(window, 0, window)),
            _ => drop(raw::console::read(window, 64)),
        }
    }
    Ok(())
}
