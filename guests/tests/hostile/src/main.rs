// SPDX-License-Identifier: BSD-2-Clause
//! Breaks the rules, as its first argument says. One role is one promise of the server; the guest ends with
//! code 0 if the promise held, as far as it can see that, and says otherwise what was seen.
#![no_std]
#![no_main]
#![deny(unsafe_code)]

extern crate alloc;

mod call;
mod ends;
mod given;
mod keeper;
mod leaver;
mod limits;
mod misuse;
mod numbers;
mod services;
mod stage;
mod timers;
mod tokens;
mod windows;

use drill::{Fault, Verdict};
use stage::Stage;
use userland::exit::ExitCode;

type Role = fn(&mut Stage) -> Verdict<ExitCode>;

/// A role that ends well or says why not.
macro_rules! roles {
    ($($name:literal => $role:path,)+) => {
        &[$(($name, |stage| $role(stage).map(|()| ExitCode::SUCCESS))),+]
    };
}

const ROLES: &[(&str, Role)] = roles! {
    "misuse" => misuse::one,
    "lengths" => misuse::lengths,

    "guessed-handles" => numbers::guessed_handles,
    "stale-handles" => numbers::stale_handles,
    "wrong-kinds" => numbers::wrong_kinds,
    "rights" => numbers::rights,

    "limit-handles" => limits::handles,
    "limit-timers" => limits::timers,
    "limit-regions" => limits::regions,
    "limit-windows" => limits::windows,
    "limit-children" => limits::children,
    "limit-tokens" => limits::tokens,
    "memory" => limits::memory,
    "recursion" => limits::recursion,
    "more-than-own" => limits::more_than_own,

    "timers-in-order" => timers::in_order,
    "timers-cancelled" => timers::cancelled,
    "timers-guessed" => timers::guessed,

    "tokens" => tokens::counted_and_withdrawn,
    "tokens-guessed" => tokens::guessed,
    "tokens-expire" => tokens::expire,

    "detach" => windows::detach,
    "revoked" => windows::revoked,
    "owner" => windows::owner,
    "leaver" => leaver::leave,
    "ringer" => leaver::ring,
    "giver" => windows::giver,
    "taker" => windows::taker,

    "flood" => given::flood,
    "gifted" => given::gifted,
    "restricted" => given::restricted,
    "inmate" => given::inmate,
    "onlooker" => given::onlooker,
    "grinder" => given::grinder,
    "hoard" => given::hoard,
    "litter" => windows::litter,
    "breach" => windows::breach,

    "provide" => services::provide,
    "stand-by" => services::stand_by,
    "no-provider" => services::no_provider,

    "keeper" => keeper::keeper,
    "starter" => keeper::starter,

    "sleep" => ends::sleep,
    "spin" => ends::spin,
    "await" => ends::await_child,
    "parent" => ends::parent,
    "divide" => ends::divide,
    "panic" => ends::panic,
};

#[userland::entrypoint]
fn main() -> Result<ExitCode, Fault> {
    let mut stage = Stage::enter()?;
    let wanted = stage.word(0);
    if wanted == "exit" {
        return stage.number(1).map(ExitCode);
    }
    if wanted == "polite" {
        return ends::polite(&mut stage);
    }
    if wanted == "told" {
        return keeper::told(&mut stage);
    }
    match ROLES.iter().find(|(name, _)| *name == wanted) {
        Some((_, role)) => role(&mut stage),
        None => Err(Fault::new(alloc::format!("no role `{wanted}`"))),
    }
}
