// SPDX-License-Identifier: BSD-2-Clause
//! What good modules are good for.

use core::time::Duration;

use drill::{Verdict, ensure, refused};
use userland::{
    Error, Group, Groups,
    handle::Capability as _,
    introspect,
    module::Loaded,
    process::{self, Command, Module, Outcome},
};

use crate::stage::{BITS, Stage, ends, exits};

/// A module runs, with all that a child can have, and is seen with name and version.
pub async fn loads(stage: &Stage) -> Verdict {
    // Once, for what the first child leaves: a part of the budget that is kept for the next.
    let loaded = Loaded::load(&stage.files.hostile)?;
    exits(stage.command(&loaded, "exit", "0").start()?, 0)?;
    loaded.close()?;
    let before = stage.used()?;
    let loaded = Loaded::load(&stage.files.hostile)?;
    let info = loaded.info()?;
    ensure!(
        info.name == "hostile" && info.version == "7.0" && info.loader == stage.pid(),
        "{info:?}"
    );
    let with = stage.used()?;
    let file = stage.files.hostile.len() as u64;
    let paid = with.memory - before.memory;
    ensure!(
        info.memory >= file && paid >= info.memory && paid < info.memory + (64 << 10),
        "{paid} of the budget for {} of memory and {file} of a file",
        info.memory
    );
    ensure!(with.modules == before.modules + 1, "{with:?}");
    // What the server reckons with.
    let heap = with.heap - before.heap;
    ensure!(heap < info.memory / 4, "{heap} of the server's heap");
    userland::info!("{file} bytes take {paid} of the budget, and {heap} of the server's heap");

    let child = stage.command(&loaded, "sleep", "").start()?;
    let about = child.info()?;
    ensure!(
        about.module == "hostile"
            && about.version == "7.0"
            && about.loader == Some(stage.pid())
            && about.name == "child",
        "{about:?}"
    );
    let events = child.events(0)?;
    ensure!(
        events.module == "hostile" && events.version == "7.0" && !events.changes.is_empty(),
        "{events:?}"
    );
    for mut list in [
        alloc::boxed::Box::new(introspect::processes())
            as alloc::boxed::Box<dyn Iterator<Item = _>>,
        alloc::boxed::Box::new(process::children()),
    ] {
        let listed = list
            .any(|entry| entry.is_ok_and(|entry| entry.pid == about.pid && entry.version == "7.0"));
        ensure!(listed, "it is in no list");
    }
    child.stop(Duration::ZERO)?;
    ends(child, Outcome::Failed)?;

    exits(stage.command(&loaded, "exit", "9").start()?, 9)?;
    // A report names the module.
    let child = stage.command(&loaded, "litter", "trap").start()?;
    child.wait()?;
    let report = child.report()?.text;
    ensure!(report.contains("at hostile!"), "{report}");
    child.close()?;
    loaded.close()?;
    let after = stage.used()?;
    ensure!(
        after.memory <= before.memory + (64 << 10),
        "{after:?}, {before:?}"
    );
    ensure!(after.modules == before.modules, "{after:?}");
    Ok(())
}

/// What it imports and is not granted, it does not get.
pub async fn grants(stage: &Stage) -> Verdict {
    let loaded = Loaded::load(&stage.files.hostile)?;
    let groups = stage.start.groups();
    let less = groups.without(Groups::NONE.with(Group::Sessions));
    let start = stage.command_with(&loaded, less, 0, "exit", "0").start();
    refused(start, Error::BadModule)?;
    exits(stage.command(&loaded, "exit", "0").start()?, 0)?;
    // Nor is a handle of something else a module, nor one of another module of use.
    let service: userland::singleton::Service = stage.given("service")?;
    let other = Loaded::from_handle(service.handle());
    refused(stage.command(&other, "exit", "0").start(), Error::WrongKind)?;
    refused(other.info(), Error::WrongKind)?;
    loaded.close()?;
    let gone = Loaded::from_handle(userland::Handle(0));
    refused(stage.command(&gone, "exit", "0").start(), Error::BadHandle)
}

/// With another size of stack it is there once more.
pub async fn stacks(stage: &Stage) -> Verdict {
    const OTHER: u32 = 128 << 10;
    let loaded = Loaded::load(&stage.files.hostile)?;
    let once = loaded.info()?.memory;
    for _ in 0..2 {
        for stack in [0, OTHER] {
            let groups = stage.start.groups();
            let child = stage.command_with(&loaded, groups, stack, "exit", "3");
            exits(child.start()?, 3)?;
        }
    }
    // So is a module of the archive.
    for stack in [64 << 10, OTHER, 64 << 10] {
        let module = Module::new("hostile", BITS)
            .groups(stage.start.groups())
            .stack(stack)
            .limits(stage.limits());
        exits(Command::module(&module).args(["exit", "3"]).start()?, 3)?;
    }
    let twice = loaded.info()?.memory;
    ensure!(twice == 2 * once, "{twice}, where {once} was");
    Ok(loaded.close()?)
}

/// Closed while it runs, it is gone with the last who runs it.
pub async fn closed(stage: &Stage) -> Verdict {
    let before = stage.used()?;
    let loaded = Loaded::load(&stage.files.hostile)?;
    let memory = loaded.info()?.memory;
    let one = stage.command(&loaded, "spin", "").start()?;
    let other = stage.command(&loaded, "sleep", "").start()?;
    let handle = loaded.handle();
    loaded.close()?;
    let again = Loaded::from_handle(handle);
    refused(stage.command(&again, "exit", "0").start(), Error::BadHandle)?;
    one.stop(Duration::ZERO)?;
    ends(one, Outcome::Failed)?;
    let with_one = stage.used()?;
    ensure!(with_one.modules == before.modules + 1, "{with_one:?}");
    ensure!(with_one.memory >= before.memory + memory, "{with_one:?}");
    other.stop(Duration::ZERO)?;
    ends(other, Outcome::Failed)?;
    let after = stage.used()?;
    ensure!(after.modules == before.modules, "{after:?}");
    ensure!(
        after.memory + memory <= with_one.memory,
        "{after:?} after {with_one:?}"
    );
    Ok(())
}
