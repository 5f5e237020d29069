// SPDX-License-Identifier: BSD-2-Clause
//! A client that may do everything, and does; at last it ends the system.

use alloc::{format, vec::Vec};
use core::time::Duration;

use drill::{Fault, Verdict, ensure};
use userland::{
    Pid, Rights,
    handle::Capability as _,
    info,
    init::{Condition, Error, Init, Member, Reason, What},
    introspect,
    process::{Command, Guest},
    shm::Region,
    start::Start,
    time::sleep,
};

use crate::{fault, until};

async fn members(init: &Init) -> Verdict<Vec<Member>> {
    init.members().await.map_err(fault)
}

async fn member(init: &Init, name: &str) -> Verdict<Member> {
    let all = members(init).await?;
    let found = all.into_iter().find(|member| member.name == name);
    found.ok_or_else(|| Fault::new(format!("no member {name}")))
}

async fn pid(init: &Init, name: &str) -> Verdict<Pid> {
    match member(init, name).await?.what {
        What::Guest { pid: Some(pid), .. } => Ok(pid),
        other => Err(Fault::new(format!("{name}: {other:?}"))),
    }
}

async fn condition(init: &Init, name: &str) -> Verdict<Condition> {
    Ok(member(init, name).await?.condition)
}

/// Whether a member's process holds something under this name.
async fn holds(init: &Init, name: &str, slot: &str) -> Verdict<bool> {
    let pid = pid(init, name).await?;
    for held in introspect::holdings(pid) {
        if held?.name == slot {
            return Ok(true);
        }
    }
    Ok(false)
}

fn is(answer: Result<(), Error>, reason: Reason) -> Verdict {
    match answer {
        Err(Error::Init(found)) if found == reason => Ok(()),
        other => Err(Fault::new(format!("{other:?}, where {reason:?} was due"))),
    }
}

pub async fn run(start: &Start) -> Verdict {
    let mut init = Init::open(start, "init").await.map_err(fault)?;
    ensure!(init.may_control(), "it may not control");
    let names: Vec<_> = members(&init).await?;
    let names: Vec<(&str, u8)> = names
        .iter()
        .map(|member| (member.name.as_str(), member.depth))
        .collect();
    let tree = [
        ("pair", 0),
        ("a", 1),
        ("b", 1),
        ("top", 0),
        ("hanger", 0),
        ("quitter", 0),
        ("stubborn", 0),
        ("viewer", 0),
        ("steward", 0),
    ];
    ensure!(names == tree, "{names:?}");
    info!("ok tree");

    // Nobody that is stopped here is one that this guest was started after: it would be stopped, too.
    until("all", async || {
        let waits = |member: &Member| member.condition == Condition::Waiting;
        Ok(!members(&init).await?.iter().any(waits))
    })
    .await?;
    // One for all: with `a` comes `b`.
    let before = (
        pid(&init, "a").await?,
        pid(&init, "b").await?,
        pid(&init, "top").await?,
    );
    init.restart("a").await.map_err(fault)?;
    until("b", async || {
        Ok(condition(&init, "b").await? == Condition::Up)
    })
    .await?;
    let after = (
        pid(&init, "a").await?,
        pid(&init, "b").await?,
        pid(&init, "top").await?,
    );
    ensure!(
        before.0 != after.0 && before.1 != after.1 && before.2 == after.2,
        "{before:?} {after:?}"
    );
    info!("ok restart");

    // Who needs a member is stopped with it, and starts it.
    init.stop("a").await.map_err(fault)?;
    until("top", async || {
        Ok(condition(&init, "top").await? == Condition::Down)
    })
    .await?;
    ensure!(
        condition(&init, "b").await? == Condition::Up,
        "b is stopped"
    );
    is(init.stop("a").await, Reason::NotRunning)?;
    init.start("top").await.map_err(fault)?;
    ensure!(condition(&init, "a").await? == Condition::Up, "a is down");
    is(init.start("top").await, Reason::Running)?;
    is(init.start("nobody").await, Reason::NoMember)?;
    info!("ok stop and start");

    // What is taken stays away.
    is(init.restore("top", "link").await, Reason::NotRevoked)?;
    ensure!(holds(&init, "top", "link").await?, "no link");
    init.revoke("top", "link").await.map_err(fault)?;
    is(init.revoke("top", "link").await, Reason::NoSlot)?;
    is(init.revoke("top", "nothing").await, Reason::NoSlot)?;
    is(init.revoke("pair", "link").await, Reason::NoGuest)?;
    ensure!(!holds(&init, "top", "link").await?, "it has the link");
    init.restart("top").await.map_err(fault)?;
    ensure!(!holds(&init, "top", "link").await?, "it has the link again");
    init.restore("top", "link").await.map_err(fault)?;
    ensure!(holds(&init, "top", "link").await?, "no link yet");
    info!("ok revoke and restore");

    // What is given lasts as long as the process.
    let gift = Region::alloc(1)?;
    init.give("top", "gift", &gift, Rights::READ)
        .await
        .map_err(fault)?;
    ensure!(holds(&init, "top", "gift").await?, "no gift");
    init.revoke("top", "gift").await.map_err(fault)?;
    ensure!(!holds(&init, "top", "gift").await?, "it has the gift");
    init.give("top", "gift", &gift, Rights::READ)
        .await
        .map_err(fault)?;
    init.restart("top").await.map_err(fault)?;
    ensure!(!holds(&init, "top", "gift").await?, "it has the gift again");
    gift.close()?;
    info!("ok give");

    // The hanging one was started again, and the one that fails is down for good.
    until("the hanging one", async || {
        Ok(member(&init, "hanger").await?.restarts >= 2)
    })
    .await?;
    let hanger = member(&init, "hanger").await?;
    ensure!(
        hanger.last_end.contains("did not answer"),
        "{}",
        hanger.last_end
    );
    let quitter = member(&init, "quitter").await?;
    ensure!(
        quitter.condition == Condition::Down && quitter.last_end.contains("as it was told"),
        "{quitter:?}"
    );
    info!("ok health");

    // Without init all goes on, and a new one takes them over.
    let before = (
        pid(&init, "a").await?,
        pid(&init, "top").await?,
        pid(&init, "steward").await?,
    );
    let guest: Guest = start
        .capability("init-itself")
        .ok_or_else(|| Fault::new("init-itself was not given"))?;
    let process = guest.process()?;
    process.stop(Duration::ZERO)?;
    process.wait()?;
    process.close()?;
    Command::guest("init").start()?.close()?;
    let mut tries = 0;
    while let Err(error) = init.reconnect().await {
        tries += 1;
        info!("reconnects once more: {error}");
        ensure!(tries < 50, "{error}");
        sleep(Duration::from_millis(20)).await;
    }
    until("those that run already", async || {
        Ok(condition(&init, "top").await? == Condition::Up)
    })
    .await?;
    let after = (
        pid(&init, "a").await?,
        pid(&init, "top").await?,
        pid(&init, "steward").await?,
    );
    ensure!(before == after, "{before:?} {after:?}");
    info!("ok a new init");
    let end = init.shutdown().await;
    Err(Fault::new(format!("still here: {end:?}")))
}
