// SPDX-License-Identifier: BSD-2-Clause
//! `atoll::guest`

use alloc::string::ToString;

use atoll_abi::Groups;
use wasmtime::Caller;

use super::{Answer, Text, me};
use crate::{
    context::Context,
    platform::{BadAddress, Home, Platform},
    report::Ending,
};

/// Bytes of the parameters that are copied at once.
const PIECE: usize = 256;

pub(crate) fn params<P: Platform>(
    caller: &mut Caller<'_, Context<P>>,
    buffer: u32,
    len: u32,
) -> Answer<u32> {
    let me = me(caller);
    let whole = me.params().len();
    if whole > len as usize {
        return Ok(whole as u32);
    }
    for start in (0..whole).step_by(PIECE) {
        let mut piece = [0; PIECE];
        let piece = piece
            .get_mut(..PIECE.min(whole - start))
            .unwrap_or_default();
        if let Some(params) = me.params().get(start..start + piece.len()) {
            piece.copy_from_slice(params);
        }
        let address = buffer.checked_add(start as u32).ok_or(BadAddress)?;
        me.home.write(address, piece)?;
    }
    Ok(whole as u32)
}

pub(crate) fn exit<P: Platform>(_: &mut Caller<'_, Context<P>>, code: u32) -> Answer<()> {
    Err(Ending::Exit(code).into())
}

pub(crate) fn panic<P: Platform>(
    caller: &mut Caller<'_, Context<P>>,
    message: u32,
    len: u32,
) -> Answer<()> {
    let text = Text::read(me(caller), message, len)?;
    Err(Ending::Panic(text.whole().to_string()).into())
}

pub(crate) fn groups<P: Platform>(caller: &mut Caller<'_, Context<P>>) -> Answer<Groups> {
    Ok(me(caller).groups())
}
