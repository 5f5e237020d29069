// SPDX-License-Identifier: BSD-2-Clause
//! Processes: what runs, and what init makes of it.

use alloc::{
    format,
    string::{String, ToString as _},
    vec::Vec,
};
use core::{fmt::Write as _, time::Duration};

use shell_language::{Align, Size, Table, nearest};
use userland::{
    Error, Pid, ProcessState,
    init::{Condition, Health, Restart, Strategy, What},
    introspect::{self, processes},
    process::{ProcessEntry, ProcessInfo},
};

use super::Call;
use crate::failure::{Done, Failure};

/// The state in a word.
pub const fn state(state: ProcessState) -> &'static str {
    match state {
        ProcessState::Created => "created",
        ProcessState::Starting => "starting",
        ProcessState::Running => "running",
        ProcessState::Blocked => "waits",
        ProcessState::Stopping => "stopping",
        ProcessState::Stopped => "stopped",
        ProcessState::Failed => "failed",
    }
}

/// Every process.
pub fn all() -> Result<Vec<ProcessEntry>, Failure> {
    Ok(processes().collect::<Result<_, Error>>()?)
}

/// The process that somebody means: by its name, the last one if there are several, or by its number.
pub fn find(what: &str) -> Result<ProcessEntry, Failure> {
    let all = all()?;
    let number = what.parse().ok().map(Pid);
    let found = all
        .iter()
        .rfind(|p| p.name == what || Some(p.pid) == number);
    found.cloned().ok_or_else(|| {
        let names = all.iter().map(|process| process.name.as_str());
        Failure::new(match nearest(what, names) {
            Some(near) => format!("there is no process `{what}`; did you mean `{near}`?"),
            None => format!("there is no process `{what}`"),
        })
    })
}

/// Module and version.
fn module(module: &str, version: &str) -> String {
    match version {
        "" => module.to_string(),
        version => format!("{module}@{version}"),
    }
}

pub async fn ps(mut call: Call) -> Done {
    if let Some(what) = call.at_most_one()? {
        let found = find(&what)?;
        let info = introspect::process(found.pid)?;
        return call.output.print(&details(&info)).await;
    }
    let mut table = Table::new(&[
        ("PID", Align::Right),
        ("NAME", Align::Left),
        ("MODULE", Align::Left),
        ("STATE", Align::Left),
        ("PRIO", Align::Right),
        ("MEMORY", Align::Right),
        ("BUDGET", Align::Right),
        ("CAPS", Align::Right),
        ("WAKES", Align::Right),
        ("BUSY", Align::Right),
    ]);
    for process in all()? {
        let Ok(info) = introspect::process(process.pid) else {
            // It has ended meanwhile, and is forgotten.
            continue;
        };
        let usage = &info.usage;
        table.row([
            process.pid.0.to_string(),
            process.name.to_string(),
            module(&process.module, &process.version),
            match info.exit {
                Some(code) => format!("exited {code}"),
                None => state(process.state).to_string(),
            },
            info.prio.to_string(),
            Size(usage.spent).to_string(),
            Size(usage.budget).to_string(),
            usage.handles.to_string(),
            usage.wakes.to_string(),
            format!("{:#}", shell_language::Duration(usage.runnable)),
        ]);
    }
    call.output.print(&table.to_string()).await
}

fn details(info: &ProcessInfo) -> String {
    let mut out = String::new();
    let number = |pid: Option<Pid>| pid.map_or("-".into(), |pid| pid.0.to_string());
    let usage = &info.usage;
    let limits = &info.limits;
    let groups: Vec<&str> = info
        .groups
        .iter()
        .filter_map(|group| group.grant())
        .collect();
    // Writing to a string does not fail.
    let _ = writeln!(out, "{} is process {}", info.name, info.pid.0);
    for (what, text) in [
        ("module", module(&info.module, &info.version)),
        ("state", state(info.state).to_string()),
        (
            "exit code",
            info.exit.map_or("-".into(), |code| code.to_string()),
        ),
        ("started by", number(info.parent)),
        ("loaded by", number(info.loader)),
        (
            "session",
            if info.session.is_empty() {
                "-".into()
            } else {
                info.session.to_string()
            },
        ),
        ("priority", info.prio.to_string()),
        ("may call", groups.join(" ")),
        (
            "memory",
            format!(
                "{} of {}, {} of it linear",
                Size(usage.spent),
                Size(usage.budget),
                Size(usage.memory)
            ),
        ),
        (
            "handles",
            format!("{} of {}", usage.handles, limits.handles),
        ),
        ("timers", format!("{} of {}", usage.timers, limits.timers)),
        (
            "regions",
            format!("{} of {}", usage.regions, limits.regions),
        ),
        (
            "windows",
            format!("{} of {}", usage.windows, limits.windows),
        ),
        (
            "children",
            format!("{} of {}", usage.children, limits.children),
        ),
        ("tokens", format!("{} of {}", usage.tokens, limits.tokens)),
        (
            "modules",
            format!("{} of {}", usage.modules, limits.modules),
        ),
        ("wakes", usage.wakes.to_string()),
        ("busy", shell_language::Duration(usage.runnable).to_string()),
    ] {
        let _ = writeln!(out, "  {what:<11} {text}");
    }
    out
}

pub async fn tree(mut call: Call) -> Done {
    call.nothing()?;
    let mut table = Table::new(&[
        ("NAME", Align::Left),
        ("STATE", Align::Left),
        ("PID", Align::Right),
        ("HEALTH", Align::Left),
        ("RESTART", Align::Left),
        ("TIMES", Align::Right),
        ("LAST END", Align::Left),
    ]);
    let init = call.session.shell.init().await?;
    for member in init.members().await? {
        let indent = "  ".repeat(usize::from(member.depth));
        let (pid, health, restart) = match &member.what {
            What::Guest { pid, health, .. } => (
                pid.map_or("-".into(), |pid| pid.0.to_string()),
                match health {
                    Health::Unwatched => "-",
                    Health::Unknown => "?",
                    Health::Well => "well",
                    Health::Hung => "hung",
                }
                .to_string(),
                match member.restart {
                    Restart::Permanent => "permanent",
                    Restart::Transient => "transient",
                    Restart::Temporary => "temporary",
                }
                .to_string(),
            ),
            What::Group {
                strategy,
                most,
                within_ms,
            } => (
                String::new(),
                String::new(),
                format!(
                    "{} {most}/{}s",
                    match strategy {
                        Strategy::OneForOne => "one_for_one",
                        Strategy::OneForAll => "one_for_all",
                        Strategy::RestForOne => "rest_for_one",
                    },
                    within_ms / 1000
                ),
            ),
        };
        table.row([
            format!("{indent}{}", member.name),
            match member.condition {
                Condition::Waiting => "waiting",
                Condition::Up => "up",
                Condition::Stopping => "stopping",
                Condition::Down => "down",
                Condition::GivenUp => "given up",
            }
            .to_string(),
            pid,
            health,
            restart,
            member.restarts.to_string(),
            member.last_end.to_string(),
        ]);
    }
    call.output.print(&table.to_string()).await
}

/// `start` and `restart`.
pub async fn start(mut call: Call) -> Done {
    let restarts = call.name == "restart";
    let [name] = call.exactly()?;
    let init = call.session.shell.init().await?;
    if restarts {
        Ok(init.restart(&name).await?)
    } else {
        Ok(init.start(&name).await?)
    }
}

pub async fn stop(mut call: Call) -> Done {
    let [name] = call.exactly()?;
    if let Some(number) = name.strip_prefix('%') {
        let number = number.parse().ok();
        let job = number.and_then(|number| call.session.jobs.take(Some(number)));
        let (_, handle) = job.ok_or_else(|| Failure::new("there is no such job"))?;
        handle.cancel();
        return Ok(());
    }
    // What this shell started it ends itself.
    if let Some(process) = call.session.shell.child(&name) {
        process.stop(Duration::from_secs(2))?;
        return Ok(());
    }
    if name == call.session.shell.start.name() {
        return Err(Failure::new(
            "that is this shell, and nobody would be here to start it again: see `restart` and `exit`",
        ));
    }
    let init = call.session.shell.init().await?;
    Ok(init.stop(&name).await?)
}

/// Whether it has not ended.
pub const fn is_alive(state: ProcessState) -> bool {
    !matches!(state, ProcessState::Stopped | ProcessState::Failed)
}
