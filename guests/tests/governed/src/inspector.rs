// SPDX-License-Identifier: BSD-2-Clause
//! Ends members of a supervisor, and of one under it, and looks who is started again with them. What it does it says
//! as `step: …`, for the test to know what the supervisors say of it.

use alloc::{format, vec::Vec};
use core::{pin::pin, time::Duration};

use drill::{Fault, Verdict, ensure};
use userland::{
    Pid,
    future::{Either, select},
    handle::Capability as _,
    info,
    init::{Condition, Error, Health, Init, Member, Reason, What},
    process::{Command, Guest},
    start::Start,
    time::sleep,
};

use crate::{fault, until};

/// The guests whose processes are looked at; those that init starts, those of `apps`, and init itself.
const NAMES: &[&str] = &[
    "s1",
    "s2",
    "s3",
    "e1",
    "e2",
    "e3",
    "r1",
    "r2",
    "r3",
    "before",
    "i1",
    "i2",
    "behind",
    "d1",
    "d2",
    "always",
    "sometimes",
    "once",
    "heir",
    "apps",
    "mute",
    "slow",
    "x",
    "y",
    "init",
];
/// Those that are not started again after they have ended well, or at all, and one that is started by hand.
const MAY_BE_DOWN: &[&str] = &["sometimes", "once", "mute"];
/// In which nothing more happens, if nothing is to.
const CALM: Duration = Duration::from_millis(150);
/// Between two tries to connect.
const LOOK: Duration = Duration::from_millis(20);

/// What runs, by name.
type Running = Vec<(&'static str, Option<Pid>)>;

struct Inspector {
    guests: Vec<(&'static str, Guest)>,
    init: Init,
    apps: Init,
}

pub async fn run(start: &Start) -> Verdict {
    let held = |name: &str| {
        let guest: Option<Guest> = start.capability(name);
        guest.ok_or_else(|| Fault::new(format!("{name} was not given")))
    };
    let mut guests = Vec::new();
    for name in NAMES {
        guests.push((*name, held(name)?));
    }
    let mut it = Inspector {
        guests,
        init: Init::open(start, "door").await.map_err(fault)?,
        apps: Init::open(start, "apps_door").await.map_err(fault)?,
    };
    it.until_all_run(&["mute"]).await?;
    info!("ok all run");
    it.strategies().await?;
    it.kinds().await?;
    it.given_up().await?;
    it.below().await?;
    it.escalation().await?;
    it.interrupted_end().await?;
    info!("step: the end");
    // In the midst of a restart.
    it.kill("e2")?;
    let end = it.init.shutdown().await;
    Err(Fault::new(format!("still here: {end:?}")))
}

impl Inspector {
    async fn strategies(&mut self) -> Verdict {
        self.kills("one_for_one", "s2", &["s2"]).await?;
        self.kills("one_for_all", "e2", &["e1", "e2", "e3"]).await?;
        self.kills("rest_for_one", "r2", &["r2", "r3"]).await?;
        info!("ok strategies");
        Ok(())
    }

    async fn kinds(&mut self) -> Verdict {
        self.kills("permanent failed", "always", &["always"])
            .await?;
        self.asks("permanent ended well", "always", &["always"])
            .await?;
        self.kills("transient failed", "sometimes", &["sometimes"])
            .await?;
        self.asks("transient ended well", "sometimes", &[]).await?;
        ensure!(self.pid("sometimes").is_none(), "it runs");
        let member = self.member("sometimes").await?;
        ensure!(
            member.condition == Condition::Down && member.restarts == 1,
            "{member:?}"
        );
        self.kills("temporary failed", "once", &[]).await?;
        ensure!(self.pid("once").is_none(), "it runs");
        info!("step: temporary by hand");
        self.init.start("once").await.map_err(fault)?;
        self.until_all_run(&["sometimes", "mute"]).await?;
        self.asks("temporary ended well", "once", &[]).await?;
        let member = self.member("once").await?;
        ensure!(
            member.condition == Condition::Down && member.restarts == 0,
            "{member:?}"
        );
        info!("ok kinds");
        Ok(())
    }

    /// A group that is given up takes nobody else with it, and is there again when somebody starts it.
    async fn given_up(&mut self) -> Verdict {
        self.kills("within the intensity", "d1", &["d1"]).await?;
        info!("step: given up");
        self.kill("d1")?;
        self.until_it_is("doomed", Condition::GivenUp).await?;
        until("the other one", async || Ok(self.pid("d2").is_none())).await?;
        for name in ["doomed", "d1", "d2"] {
            let condition = self.member(name).await?.condition;
            ensure!(condition == Condition::GivenUp, "{name}: {condition:?}");
        }
        self.kills("who needs it waits", "heir", &[]).await?;
        let condition = self.member("heir").await?.condition;
        ensure!(condition == Condition::Waiting, "{condition:?}");
        info!("step: started by hand");
        self.init.start("doomed").await.map_err(fault)?;
        self.until_all_run(MAY_BE_DOWN).await?;

        info!("step: mute");
        self.init.start("mute").await.map_err(fault)?;
        self.until_it_is("mute", Condition::GivenUp).await?;
        info!("ok given up");
        Ok(())
    }

    /// The supervisor that is a member.
    async fn below(&mut self) -> Verdict {
        info!("step: asked below");
        let members = self.apps.members().await.map_err(fault)?;
        let names: Vec<&str> = members.iter().map(|member| member.name.as_str()).collect();
        ensure!(names == ["x", "y"], "{names:?}");
        let apps = self.member("apps").await?;
        let is_well = matches!(
            apps.what,
            What::Guest {
                health: Health::Well,
                ..
            }
        );
        ensure!(is_well, "{apps:?}");
        let refused = self.apps.shutdown().await;
        let is_refused = matches!(refused, Err(Error::Init(Reason::NoPowerSwitch)));
        ensure!(is_refused, "{refused:?}");
        let refused = self.init.restart("x").await;
        let is_refused = matches!(refused, Err(Error::Init(Reason::NoMember)));
        ensure!(is_refused, "{refused:?}");
        self.apps.stop("x").await.map_err(fault)?;
        until("y", async || Ok(self.pid("y").is_none())).await?;
        self.apps.start("y").await.map_err(fault)?;
        ensure!(self.pid("x").is_some(), "x is needed");
        self.until_all_run(MAY_BE_DOWN).await?;
        info!("ok asked below");

        // Killed: its members go on, and so does the next one with them.
        self.kills("killed below", "apps", &["apps"]).await?;
        again(&mut self.apps).await?;
        let all = ["apps", "x", "y"];
        let before = self.running();
        info!("step: restarted below");
        self.init.restart("apps").await.map_err(fault)?;
        self.settle("restarted below", before, "apps", &all).await?;
        self.kills("a member below", "x", &["x"]).await?;
        self.kills("gives up below", "x", &all).await?;
        self.kills("again a member below", "x", &["x"]).await?;
        self.kills("gives up below again", "x", &all).await?;
        self.kills("once more a member below", "x", &["x"]).await?;
        // It would be the fourth time.
        info!("step: given up with all below");
        self.kill("x")?;
        self.until_it_is("nest", Condition::GivenUp).await?;
        for name in all {
            ensure!(self.pid(name).is_none(), "{name} is left");
        }
        info!("step: started by hand below");
        self.init.start("apps").await.map_err(fault)?;
        self.until_all_run(MAY_BE_DOWN).await?;
        again(&mut self.apps).await?;
        let members = self.apps.members().await.map_err(fault)?;
        ensure!(members.len() == 2, "{members:?}");
        info!("ok below");
        Ok(())
    }

    /// From a member up to the top, where what runs goes on.
    async fn escalation(&mut self) -> Verdict {
        let (inner, outer) = (["i1", "i2", "behind"], ["before", "i1", "i2", "behind"]);
        self.kills("within the inner intensity", "i1", &["i1"])
            .await?;
        self.kills("the inner one fails", "i1", &inner).await?;
        self.kills("again within it", "i1", &["i1"]).await?;
        self.kills("the outer one fails", "i1", &outer).await?;
        let restarts = (
            self.member("inner").await?.restarts,
            self.member("outer").await?.restarts,
        );
        ensure!(restarts == (2, 2), "{restarts:?}");
        self.kills("once more within it", "i1", &["i1"]).await?;
        self.kills("the inner one fails again", "i1", &inner)
            .await?;
        self.kills("the last time within it", "i1", &["i1"]).await?;
        // What had ended well, or for good, is started by the next init.
        let others = ["init", "i1", "sometimes", "once"];
        self.kills("all fails", "i1", &others).await?;
        again(&mut self.init).await?;
        self.until_all_run(&["mute"]).await?;
        info!("ok escalation");
        Ok(())
    }

    /// Init is ended while it ends the system: the next one has all up again.
    async fn interrupted_end(&mut self) -> Verdict {
        info!("step: an end that is interrupted");
        {
            let mut end = pin!(self.init.shutdown());
            let slow = self.until_it_is("slow", Condition::Stopping);
            match select(end.as_mut(), slow).await {
                Either::First(answer) => ensure!(false, "{answer:?}"),
                Either::Second(verdict) => verdict?,
            }
            self.kill("init")?;
            Command::guest("init").start()?.close()?;
            let answer = end.await;
            ensure!(matches!(answer, Err(Error::Call(_))), "{answer:?}");
        }
        self.init.reconnect().await.map_err(fault)?;
        // Who was asked to end still does.
        sleep(Duration::from_secs(2)).await;
        self.until_all_run(&["mute"]).await?;
        self.until_it_is("slow", Condition::Up).await?;
        info!("ok interrupted");
        Ok(())
    }

    // ---- What is done

    /// Ends a guest by force, and looks who is another then.
    async fn kills(&self, step: &str, victim: &str, others: &[&'static str]) -> Verdict {
        let before = self.running();
        info!("step: {step}");
        self.kill(victim)?;
        self.settle(step, before, victim, others).await
    }

    /// Has a guest end by itself, and looks who is another then.
    async fn asks(&self, step: &str, victim: &str, others: &[&'static str]) -> Verdict {
        let before = self.running();
        info!("step: {step}");
        self.stop(victim, Duration::from_secs(5))?;
        self.settle(step, before, victim, others).await
    }

    fn kill(&self, name: &str) -> Verdict {
        self.stop(name, Duration::ZERO)
    }

    fn stop(&self, name: &str, grace: Duration) -> Verdict {
        let process = self.guest(name)?.process()?;
        process.stop(grace)?;
        process.wait()?;
        process.close()?;
        Ok(())
    }

    // ---- What is seen

    fn guest(&self, name: &str) -> Verdict<&Guest> {
        let found = self.guests.iter().find(|(other, _)| *other == name);
        let found = found.map(|(_, guest)| guest);
        found.ok_or_else(|| Fault::new(format!("no guest {name}")))
    }

    /// The process that runs it.
    fn pid(&self, name: &str) -> Option<Pid> {
        let process = self.guest(name).ok()?.process().ok()?;
        let is_alive = process.is_alive().unwrap_or(false);
        let pid = process.info().ok().map(|info| info.pid);
        let _ = process.close();
        pid.filter(|_| is_alive)
    }

    fn running(&self) -> Running {
        NAMES.iter().map(|name| (*name, self.pid(name))).collect()
    }

    fn all_run(&self, but: &[&str]) -> bool {
        let mut needed = NAMES.iter().filter(|name| !but.contains(name));
        needed.all(|name| self.pid(name).is_some())
    }

    /// Waits until all run, and until those have begun.
    async fn until_all_run(&self, but: &[&str]) -> Verdict {
        until("all", async || Ok(self.all_run(but))).await?;
        sleep(CALM).await;
        Ok(())
    }

    /// Waits until the others run anew; nobody else does, and the victim is down if it is not one of them.
    async fn settle(
        &self,
        step: &str,
        before: Running,
        victim: &str,
        others: &[&'static str],
    ) -> Verdict {
        let is_new = |(name, pid): &(&'static str, Option<Pid>)| {
            let new = self.pid(name);
            new.is_some() && new != *pid
        };
        let meant = |(name, _): &&(&'static str, Option<Pid>)| others.contains(name);
        until(step, async || Ok(before.iter().filter(meant).all(is_new))).await?;
        sleep(CALM).await;
        for (name, pid) in before.iter().filter(|one| !meant(one)) {
            let now = self.pid(name);
            let is_right = match *name == victim {
                true => now.is_none(),
                false => now == *pid,
            };
            ensure!(is_right, "{step}: {name} was {pid:?}, is {now:?}");
        }
        Ok(())
    }

    async fn member(&self, name: &str) -> Verdict<Member> {
        let all = self.init.members().await.map_err(fault)?;
        let found = all.into_iter().find(|member| member.name == name);
        found.ok_or_else(|| Fault::new(format!("no member {name}")))
    }

    async fn until_it_is(&self, name: &str, condition: Condition) -> Verdict {
        until(name, async || {
            Ok(self.member(name).await?.condition == condition)
        })
        .await
    }
}

/// Connects again, with a supervisor that is another process now.
async fn again(supervisor: &mut Init) -> Verdict {
    let mut tries = 0;
    while let Err(error) = supervisor.reconnect().await {
        tries += 1;
        ensure!(tries < 100, "{error}");
        sleep(LOOK).await;
    }
    Ok(())
}
