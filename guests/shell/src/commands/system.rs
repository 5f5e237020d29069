// SPDX-License-Identifier: BSD-2-Clause
//! The shell itself and the system.

use alloc::{
    format,
    string::{String, ToString as _},
};
use core::{fmt::Write as _, time::Duration};

use shell_language::{COMMANDS, SECTIONS, Size, command};
use userland::{
    Error,
    introspect::{self, Kind},
    process::ProcessInfo,
};

use super::{Call, processes};
use crate::{
    failure::{Done, Failure},
    pipeline::unknown,
};

pub async fn help(mut call: Call) -> Done {
    let args = core::mem::take(&mut call.args);
    let mut out = String::new();
    match args.as_slice() {
        // It goes into a terminal of 24 rows and 80 columns.
        [] => {
            for section in SECTIONS {
                let mut line = format!("{:<17}", section.heading());
                for command in COMMANDS.iter().filter(|c| c.section == section) {
                    if line.len() + command.name.len() > 77 {
                        out += &line;
                        line = format!("\n{:17}", "");
                    }
                    line += " ";
                    line += command.name;
                }
                out += &line;
                out.push('\n');
            }
            out.push_str(
                "\n\
                 `help COMMAND` tells more about one, `help all` a little about all.\n\
                 a | b, a > file, a >> file, a < file, a && b, a || b, a ; b, a &, # comment,\n\
                 'quotes', \"quotes with $name\". Tab completes, arrows and ^R bring lines back,\n\
                 ^C ends what runs. ^] is the console's and passes the keyboard on, ^\\ chooses\n\
                 which lines of the log it shows.\n",
            );
        }
        [all] if all == "all" => {
            for section in SECTIONS {
                // Writing to a string does not fail.
                let _ = writeln!(out, "{}", section.heading());
                for command in COMMANDS.iter().filter(|c| c.section == section) {
                    let _ = writeln!(out, "  {:<9} {}", command.name, command.brief);
                }
            }
        }
        [name] => {
            let found = command(name).ok_or_else(|| unknown(name))?;
            let _ = writeln!(out, "{}", found.line());
            let _ = writeln!(out, "{}.", found.brief);
            if !found.details.is_empty() {
                let _ = writeln!(out, "{}", found.details);
            }
        }
        _ => return Err(Failure::Misused("it takes one command".into())),
    }
    call.output.print(&out).await
}

pub async fn jobs(mut call: Call) -> Done {
    call.nothing()?;
    for line in call.session.jobs.list() {
        call.output.print(&line).await?;
    }
    Ok(())
}

/// `fg`
pub async fn foreground(mut call: Call) -> Done {
    let args = core::mem::take(&mut call.args);
    let number = match args.as_slice() {
        [] => None,
        [text] => {
            let number = text.trim_start_matches('%').parse();
            Some(number.map_err(|_| Failure::Misused(format!("`{text}` is no job")))?)
        }
        _ => return Err(Failure::Misused("it takes one job".into())),
    };
    let job = call.session.jobs.take(number);
    let (text, handle) = job.ok_or_else(|| Failure::new("there is no such job"))?;
    call.output.line(&text).await?;
    /// Ends with who waits for it.
    struct Waited(userland::task::JoinHandle<bool>);
    impl Drop for Waited {
        fn drop(&mut self) {
            self.0.cancel();
        }
    }
    let mut waited = Waited(handle);
    match (&mut waited.0).await {
        Ok(true) => Ok(()),
        Ok(false) | Err(_) => Err(Failure::Quiet),
    }
}

pub async fn uptime(mut call: Call) -> Done {
    call.nothing()?;
    let uptime = introspect::system()?.uptime;
    let text = format!("up {}", shell_language::Duration(uptime));
    call.output.line(&text).await
}

/// Whether the memory of a process is a part of its parent's: a guest of the spec has its own, whoever has started it.
fn is_part(info: &ProcessInfo) -> Result<bool, Failure> {
    let Some(parent) = info.parent else {
        return Ok(false);
    };
    for holding in introspect::holdings(parent) {
        match holding {
            Ok(held) if held.kind == Kind::Guest && held.name == info.name => return Ok(false),
            Ok(_) => {}
            // The starter has ended. A guest does not end with it, and a child does.
            Err(Error::NotFound) => return Ok(false),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(true)
}

pub async fn free(mut call: Call) -> Done {
    call.nothing()?;
    let system = introspect::system()?;
    let (mut budget, mut spent) = (0, 0);
    for process in processes::all()? {
        let Ok(info) = introspect::process(process.pid) else {
            continue;
        };
        // What a child has is a part of what its parent has spent.
        if !is_part(&info)? {
            budget += info.usage.budget;
            spent += info.usage.spent;
        }
    }
    let text = format!(
        "processes: {} of {} spent\nserver's heap: {} of {} used\ncapabilities: {}, slots of the server: {}, timers: {}\n",
        Size(spent),
        Size(budget),
        Size(system.heap_used),
        Size(system.heap),
        system.grants,
        system.slots_used,
        system.timers,
    );
    call.output.print(&text).await
}

/// A time in seconds, as `1.5`.
pub fn seconds(text: &str) -> Result<Duration, Failure> {
    let wrong = || Failure::Misused(format!("`{text}` is no number of seconds"));
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let whole: u64 = whole.parse().map_err(|_| wrong())?;
    let mut nanoseconds = 0;
    let mut unit = 100_000_000;
    for digit in fraction.chars() {
        nanoseconds += digit.to_digit(10).ok_or_else(wrong)? * unit;
        unit /= 10;
    }
    Ok(Duration::new(whole.min(u64::from(u32::MAX)), nanoseconds))
}

pub async fn sleep(mut call: Call) -> Done {
    let [text] = call.exactly()?;
    userland::time::sleep(seconds(&text)?).await;
    Ok(())
}

pub async fn set(mut call: Call) -> Done {
    let args = core::mem::take(&mut call.args);
    if args.is_empty() {
        let variables = call.session.variables.borrow().clone();
        for (name, value) in variables {
            call.output.line(&format!("{name}={value}")).await?;
        }
        return Ok(());
    }
    for arg in &args {
        let is_name = |name: &str| {
            !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        };
        let (name, value) = arg
            .split_once('=')
            .filter(|(name, _)| is_name(name))
            .ok_or_else(|| Failure::Misused(format!("`{arg}` is not NAME=VALUE")))?;
        if value.len() > MAX_VALUE {
            return Err(Failure::new(format!(
                "`{name}` would be longer than {}",
                Size(MAX_VALUE as u64)
            )));
        }
        let mut variables = call.session.variables.borrow_mut();
        if variables.len() >= MAX_VARIABLES && !variables.contains_key(name) {
            return Err(Failure::new("there are too many variables"));
        }
        variables.insert(name.to_string(), value.to_string());
    }
    Ok(())
}

/// Most variables of a session, and most bytes of one.
const MAX_VARIABLES: usize = 64;
/// See [`MAX_VARIABLES`].
const MAX_VALUE: usize = 16 << 10;

pub async fn history(mut call: Call) -> Done {
    call.nothing()?;
    for (n, line) in call.session.history().iter().enumerate() {
        call.output.line(&format!("{:>4}  {line}", n + 1)).await?;
    }
    Ok(())
}

pub async fn clear(mut call: Call) -> Done {
    call.nothing()?;
    call.output.print("\x1b[H\x1b[2J").await
}

pub async fn shutdown(mut call: Call) -> Done {
    call.nothing()?;
    let init = call.session.shell.init().await?;
    Ok(init.shutdown().await?)
}

pub async fn exit(mut call: Call) -> Done {
    call.nothing()?;
    call.session.leaving.set(true);
    Ok(())
}
