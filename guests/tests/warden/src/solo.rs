// SPDX-License-Identifier: BSD-2-Clause
//! Roles that see for themselves whether their promise holds.

use core::time::Duration;

use drill::{Verdict, ensure};
use userland::{
    Limits, Rights,
    handle::{Capability as _, Terms},
    process::{Command, Module},
    shm::Region,
    time::{Instant, Timer},
    wake::Task,
};

use crate::{
    actor::Actor,
    warden::{BITS, Warden},
};

/// A role of the hostile guest.
pub struct Role {
    pub name: &'static str,
    limits: Limits,
    bits: u8,
    /// Why it fails, if it is to.
    fails: Option<&'static str>,
}

const fn role(name: &'static str) -> Role {
    Role {
        name,
        limits: Limits::DEFAULT,
        bits: BITS,
        fails: None,
    }
}

impl Role {
    const fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    const fn bits(mut self, bits: u8) -> Self {
        self.bits = bits;
        self
    }

    const fn fails(mut self, reason: &'static str) -> Self {
        self.fails = Some(reason);
        self
    }
}

const LIMITS: Limits = Limits::DEFAULT;

pub const ROLES: &[Role] = &[
    role("lengths").bits(21),
    role("guessed-handles").bits(22),
    role("stale-handles").bits(22),
    role("wrong-kinds"),
    role("rights"),
    role("limit-handles").bits(21).limits(Limits {
        handles: 9,
        ..LIMITS
    }),
    role("limit-timers").limits(Limits {
        timers: 40,
        ..LIMITS
    }),
    role("limit-regions").bits(21).limits(Limits {
        regions: 6,
        ..LIMITS
    }),
    role("limit-windows").bits(21).limits(Limits {
        windows: 8,
        ..LIMITS
    }),
    role("limit-children").bits(23).limits(Limits {
        children: 3,
        ..LIMITS
    }),
    role("limit-tokens").limits(Limits {
        tokens: 12,
        ..LIMITS
    }),
    role("memory").bits(22),
    role("recursion").fails("trap: stack overflow"),
    role("more-than-own").bits(22),
    role("timers-in-order").limits(Limits {
        timers: 4096,
        ..LIMITS
    }),
    role("timers-cancelled"),
    role("timers-guessed"),
    role("tokens"),
    role("tokens-guessed"),
    role("tokens-expire"),
    role("detach").bits(21),
];

/// Has the guest play it, beside a timer and a token of the warden.
pub fn play(warden: &mut Warden, role: &Role) -> Verdict {
    const OWN: Task = Task(77);
    let own = Timer::at(Instant::now() + Duration::from_secs(60), OWN)?;
    let region = Region::alloc(1)?;
    let token = region.share(Terms {
        uses: 2,
        ..Terms::once(Rights::READ)
    })?;
    let module = Module::new("hostile", role.bits)
        .groups(warden.start.groups())
        .limits(role.limits.clone());
    let mut command = Command::module(&module);
    command
        .arg(role.name)
        .give("door", &warden.door, Rights::ALL);
    let actor = Actor::start_told(warden, &mut command, &token.to_bytes())?;
    match role.fails {
        Some(reason) => actor.fails(reason)?,
        None => actor.succeeds()?,
    }
    ensure!(own.cancel().is_ok(), "somebody took the warden's timer");
    token.withdraw()?;
    Ok(())
}
