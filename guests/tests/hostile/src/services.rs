// SPDX-License-Identifier: BSD-2-Clause
//! Who provides a service, and who must not.

use drill::{Verdict, refused};
use userland::{Error, Rights, shm::Region, singleton::Service};

use crate::stage::Stage;

/// A region that begins with the number that the argument says.
fn offer(stage: &Stage) -> Verdict<Region> {
    let region = Region::alloc(1)?;
    region.write_at(0, &stage.number(1)?.to_le_bytes())?;
    Ok(region)
}

/// Provides, and withdraws when it is told.
pub fn provide(stage: &mut Stage) -> Verdict {
    let door: Service = stage.given("door")?;
    let region = offer(stage)?;
    door.provide(&region, Rights::READ)?;
    refused(door.provide(&region, Rights::READ), Error::Busy)?;
    stage.say(1)?;
    withdraw(stage, &door)
}

/// Provides when the one before is gone.
pub fn stand_by(stage: &mut Stage) -> Verdict {
    let door: Service = stage.given("door")?;
    let region = offer(stage)?;
    refused(door.withdraw(), Error::NotFound)?;
    refused(door.provide(&region, Rights::READ), Error::Busy)?;
    door.stand_by(&region, Rights::READ)?;
    refused(door.stand_by(&region, Rights::READ), Error::Busy)?;
    stage.say(1)?;
    withdraw(stage, &door)
}

fn withdraw(stage: &mut Stage, door: &Service) -> Verdict {
    stage.until(1)?;
    door.withdraw()?;
    refused(door.withdraw(), Error::NotFound)?;
    stage.say(2)?;
    stage.until(2)
}

/// May look it up and not provide it; or, as the argument says, the other way round.
pub fn no_provider(stage: &mut Stage) -> Verdict {
    let door: Service = stage.given("door")?;
    let region = Region::alloc(1)?;
    if stage.word(1) == "write" {
        refused(door.lookup::<Region>(), Error::Denied)?;
        refused(door.generation(), Error::Denied)?;
        return refused(door.watch(crate::stage::BELL), Error::Denied);
    }
    refused(door.provide(&region, Rights::READ), Error::Denied)?;
    refused(door.stand_by(&region, Rights::READ), Error::Denied)?;
    refused(door.withdraw(), Error::Denied)
}
