// SPDX-License-Identifier: BSD-2-Clause
//! Bad addresses and lengths, to every hostcall.

use alloc::format;

use atoll_abi::{MAX_REQUEST, MAX_TRANSFER};
use drill::{
    Fault, Verdict,
    misuse::{Trick, cases},
    refused,
};
use userland::{Error, Handle, handle::Capability as _, shm::Region};

use crate::{call, stage::Stage};

/// The case that the argument says. The call does not return.
pub fn one(stage: &mut Stage) -> Verdict {
    let number = stage.number(1)? as usize;
    let case = cases().get(number).copied();
    let case = case.ok_or_else(|| Fault::new(format!("there is no case {number}")))?;
    let region = Region::alloc(1)?;
    let whole = |request, reply| call::message(case.index, request, 16, 0, reply);
    let answer = match case.trick {
        Trick::Address(place) => call::scalar(case.index, place, |param| match param.name {
            "handle" => region.handle().0.into(),
            "level" => 2,
            _ => 0,
        }),
        Trick::Request(place) => whole(Some(place), None),
        Trick::Reply(place) => whole(None, Some(place)),
        Trick::TooLong => call::message(case.index, None, MAX_REQUEST + 1, 0, None),
        Trick::Truncated => call::message(case.index, None, 0, 0, None),
        Trick::Garbage => call::message(case.index, None, 64, 0xff, None),
    };
    Err(Fault::new(format!("{case} answered {answer}")))
}

/// What is refused without the guest's end: too much at once, and what is not in the region.
pub fn lengths(_: &mut Stage) -> Verdict {
    let region = Region::alloc(1)?;
    let mut buffer = alloc::vec![0; MAX_TRANSFER as usize];
    for (offset, len) in [
        (1, MAX_TRANSFER),
        (MAX_TRANSFER, 1),
        (u32::MAX, 1),
        (u32::MAX, MAX_TRANSFER),
    ] {
        let piece = &mut buffer[..len as usize];
        refused(region.read_at(offset, piece), Error::OutOfRange)?;
        refused(region.write_at(offset, piece), Error::OutOfRange)?;
    }
    region.read_at(0, &mut buffer)?;
    region.write_at(MAX_TRANSFER, &[])?;
    for pages in [
        0,
        atoll_abi::MAX_REGION_PAGES + 1,
        u32::MAX,
        1 << 16,
        1 << 31,
    ] {
        refused(Region::alloc(pages), Error::InvalidArgument)?;
    }
    // Numbers that are no rights and no level, and more than a call takes.
    let handle = region.handle().0.into();
    for rights in [0, 2, 4, 5, 7, 8, u64::from(u32::MAX)] {
        refused(
            call::plain("atoll::shm", "attach", &[handle, rights]),
            Error::InvalidArgument,
        )?;
    }
    refused(
        call::plain("atoll::shm", "detach", &[u64::from(u32::MAX)]),
        Error::NotFound,
    )?;
    let none = Region::from_handle(Handle(0));
    refused(none.size(), Error::BadHandle)?;
    Ok(())
}
