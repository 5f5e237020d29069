// SPDX-License-Identifier: BSD-2-Clause
//! The ends of processes: asked for, forced, at any moment; and what is told of them.

use alloc::vec::Vec;
use core::time::Duration;

use drill::{Fault, Verdict, ensure, refused};
use userland::{
    Error, Limits, ProcessState, Rights,
    exit::ExitCode,
    handle::{Capability as _, Event},
    introspect,
    process::{Command, Module, Outcome, Process},
    time::Instant,
};

use crate::{Scenario, actor::Actor, warden::Warden};

pub const SCENARIOS: &[(&str, Scenario)] = &[
    ("exit-codes", exit_codes),
    ("demand-guest", demand_guest),
    ("reports", reports),
    ("stop-polite", stop_polite),
    ("stop-after-grace", stop_after_grace),
    ("stop-at-once", stop_at_once),
    ("stop-while-starting", stop_while_starting),
    ("stop-in-hostcalls", stop_in_hostcalls),
    ("deadline", deadline),
    ("children-end-with-parent", children_end),
    ("onlooker", onlooker),
    ("stale-pids", stale_pids),
];

use ProcessState::{Created, Failed, Running, Starting, Stopped, Stopping};

/// The states it went through, each no earlier than the one before.
fn states(process: &Process) -> Verdict<Vec<ProcessState>> {
    let changes = process.events(0)?.changes;
    let in_turn = changes.windows(2).all(|pair| pair[0].at <= pair[1].at);
    ensure!(in_turn, "times run backwards: {changes:?}");
    ensure!(
        process.events(99)?.changes.is_empty(),
        "more than there are"
    );
    Ok(changes.iter().map(|change| change.state).collect())
}

fn exit_codes(warden: &mut Warden) -> Verdict {
    for code in [0, 1, 255, 256, u32::MAX] {
        let word = alloc::format!("{code}");
        let actor = warden.actor("exit", &[&word])?;
        actor.exits(code)?;
        ensure!(
            actor.process.report()?.text.is_empty(),
            "a report of an exit"
        );
        let info = actor.process.info()?;
        ensure!(info.exit == Some(code) && info.state == Stopped, "{info:?}");
        let states = states(&actor.process)?;
        ensure!(
            states == [Created, Starting, Running, Stopped],
            "{states:?}"
        );
        actor.close()?;
    }
    Ok(())
}

/// A guest of the spec: there is one at a time.
fn demand_guest(_: &mut Warden) -> Verdict {
    let start = |role: &str| Command::guest("lodger").arg(role).start();
    for _ in 0..3 {
        let lodger = start("sleep")?;
        refused(start("sleep"), Error::Busy)?;
        lodger.stop(Duration::ZERO)?;
        ensure!(lodger.wait()? == Outcome::Failed, "it ended well");
        lodger.close()?;
    }
    let lodger = Command::guest("lodger").start()?;
    let outcome = lodger.wait()?;
    // The arguments of the spec.
    ensure!(outcome == Outcome::Exited(ExitCode(7)), "{outcome}");
    Ok(())
}

fn reports(warden: &mut Warden) -> Verdict {
    let actor = warden.actor("divide", &[])?;
    actor.fails("trap: integer division by zero\n")?;
    let report = actor.process.report()?.text;
    let has_place = report.lines().any(|line| {
        let line = line.trim_start();
        line.starts_with("at hostile!")
            && line.contains("divide_by_zero + 0x")
            && line.contains("(wasm offset 0x")
    });
    ensure!(has_place, "{report}");
    ensure!(
        report
            .lines()
            .skip(1)
            .all(|line| line.contains("at hostile!")),
        "{report}"
    );
    let module = warden.module().name("actor");
    let actor = warden.actor_with(&module, "panic", &[], |_| ())?;
    actor.fails("panic: as actor was told, at ")?;
    ensure!(
        actor.process.info()?.exit.is_none(),
        "an exit code of a failure"
    );
    let states = states(&actor.process)?;
    ensure!(states == [Created, Starting, Running, Failed], "{states:?}");
    Ok(())
}

fn stop_polite(warden: &mut Warden) -> Verdict {
    let actor = warden.actor("polite", &[])?;
    actor.until(warden, 1)?;
    let asked = Instant::now();
    actor.process.stop(Duration::from_secs(10))?;
    actor.exits(5)?;
    ensure!(
        asked.elapsed() < Duration::from_secs(1),
        "it took {:?}",
        asked.elapsed()
    );
    let states = states(&actor.process)?;
    ensure!(
        states == [Created, Starting, Running, Stopping, Stopped],
        "{states:?}"
    );
    Ok(())
}

fn stop_after_grace(warden: &mut Warden) -> Verdict {
    const GRACE: Duration = Duration::from_millis(30);
    for role in ["spin", "sleep"] {
        let actor = warden.actor(role, &[])?;
        actor.until(warden, 1)?;
        let asked = Instant::now();
        // To be asked again does not end it any later than the last said.
        actor.process.stop(Duration::from_secs(60))?;
        actor.process.stop(GRACE)?;
        actor.fails("it was asked to stop, and did not in time")?;
        let took = asked.elapsed();
        ensure!(
            took >= GRACE && took < 20 * GRACE,
            "{role}: it took {took:?}"
        );
        let states = states(&actor.process)?;
        ensure!(
            states == [Created, Starting, Running, Stopping, Failed],
            "{states:?}"
        );
        actor.close()?;
    }
    Ok(())
}

fn stop_at_once(warden: &mut Warden) -> Verdict {
    let large = Module::new("hostile", 22)
        .groups(warden.start.groups())
        .limits(Limits::DEFAULT);
    for role in ["spin", "sleep", "await", "polite"] {
        let actor = warden.actor_with(&large, role, &[], |_| ())?;
        actor.until(warden, 1)?;
        warden.rest(Duration::from_millis(3))?;
        let asked = Instant::now();
        actor.kill()?;
        let took = asked.elapsed();
        ensure!(
            took < Duration::from_millis(300),
            "{role}: it took {took:?}"
        );
        // What has ended can be asked to stop.
        actor.process.stop(Duration::ZERO)?;
        actor.process.stop(Duration::from_secs(1))?;
        actor.close()?;
    }
    Ok(())
}

/// At every moment of its start, the first before its first instruction.
fn stop_while_starting(warden: &mut Warden) -> Verdict {
    let mut seen = Vec::new();
    let module = warden.module();
    for moment in 0..60_u32 {
        let mut command = Command::module(&module);
        let process = command.arg("sleep").start()?;
        if moment > 0 {
            warden.rest(Duration::from_micros(20) * moment)?;
        }
        process.stop(Duration::ZERO)?;
        let outcome = process.wait_until(Instant::now() + Duration::from_secs(5))?;
        ensure!(outcome == Outcome::Failed, "{outcome} at {moment}");
        let states = states(&process)?;
        let last = states.iter().rev().nth(2).copied();
        if let Some(last) = last.filter(|last| !seen.contains(last)) {
            seen.push(last);
        }
        ensure!(
            states.first() == Some(&Created) && states.ends_with(&[Stopping, Failed]),
            "{states:?}"
        );
        process.close()?;
    }
    ensure!(
        seen.contains(&Created),
        "none was ended before it ran: {seen:?}"
    );
    Ok(())
}

fn stop_in_hostcalls(warden: &mut Warden) -> Verdict {
    let calls = [
        "read", "write", "fill", "attach", "share", "revoke", "alloc", "timer", "alarm", "log",
        "list", "start", "wait",
    ];
    let module = Module::new("hostile", 22)
        .groups(warden.start.groups())
        .limits(Limits::DEFAULT);
    for call in calls {
        for moment in 0..6_u32 {
            let actor = warden.actor_with(&module, "grinder", &[call], |_| ())?;
            actor.until(warden, 1)?;
            warden.rest(Duration::from_micros(170) * (moment * moment))?;
            let asked = Instant::now();
            let killed = actor.kill();
            killed.map_err(|fault| Fault::new(alloc::format!("{call}: {fault}")))?;
            ensure!(
                asked.elapsed() < Duration::from_millis(500),
                "{call}: {:?}",
                asked.elapsed()
            );
            actor.close()?;
        }
    }
    Ok(())
}

fn deadline(warden: &mut Warden) -> Verdict {
    const DEADLINE: Duration = Duration::from_millis(40);
    let module = warden.module().deadline(DEADLINE);
    for role in ["spin", "sleep"] {
        let began = Instant::now();
        let actor = warden.actor_with(&module, role, &[], |_| ())?;
        actor.fails("it ran past the deadline of its spec")?;
        let took = began.elapsed();
        ensure!(
            took >= DEADLINE && took < 20 * DEADLINE,
            "{role}: it took {took:?}"
        );
        actor.close()?;
    }
    Ok(())
}

/// A guest's end takes its children along, with theirs.
fn children_end(warden: &mut Warden) -> Verdict {
    let before = introspect::system()?.processes;
    let module = Module::new("hostile", 23)
        .groups(warden.start.groups())
        .limits(Limits::DEFAULT);
    for way in ["kill", "stop"] {
        let actor: Actor = warden.actor_with(&module, "parent", &[], |_| ())?;
        actor.until(warden, 1)?;
        let now = introspect::system()?.processes;
        ensure!(now == before + 4, "{now} processes, where {before} were");
        let usage = actor.process.info()?.usage;
        ensure!(usage.children == 3, "{usage:?}");
        match way {
            "kill" => actor.kill()?,
            _ => {
                actor.process.stop(Duration::from_millis(5))?;
                actor.fails("it was asked to stop")?;
            }
        }
        let now = introspect::system()?.processes;
        ensure!(now == before, "{now} processes, where {before} were");
        actor.close()?;
    }
    Ok(())
}

fn onlooker(warden: &mut Warden) -> Verdict {
    let other = warden.actor("sleep", &[])?;
    other.until(warden, 1)?;
    let module = warden.module();
    let actor = warden.actor_with(&module, "onlooker", &[], |command| {
        command.give("other", &other.process, Rights::READ);
    })?;
    actor.until(warden, 1)?;
    actor.process.grant("self", &actor.process, Rights::READ)?;
    actor.until(warden, 2)?;
    warden.until_blocked(&actor.process)?;
    other.process.revoke()?;
    actor.succeeds()?;
    let ended = userland::handle::notice()?.filter(|notice| notice.event != Event::Granted);
    ensure!(ended.is_none(), "{ended:?}");
    Ok(())
}

/// An id of a process that has ended names no other.
fn stale_pids(warden: &mut Warden) -> Verdict {
    let mut seen = Vec::new();
    for _ in 0..10 {
        let actor = warden.actor("exit", &["0"])?;
        let pid = actor.process.info()?.pid;
        actor.succeeds()?;
        ensure!(!seen.contains(&pid), "{pid:?} comes again");
        seen.push(pid);
        let later = warden.actor("sleep", &[])?;
        for pid in &seen {
            refused(introspect::process(*pid), Error::NotFound)?;
            ensure!(
                introspect::holdings(*pid).any(|one| one.is_err()),
                "{pid:?} holds something"
            );
        }
        later.kill()?;
        later.close()?;
        actor.close()?;
    }
    Ok(())
}
