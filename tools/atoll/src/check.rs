// SPDX-License-Identifier: BSD-2-Clause
//! `atoll check`: whether a spec is right, what it describes, and what an object in it is.

use std::fmt::Write as _;
use std::path::PathBuf;

use anstyle::{AnsiColor, Style};
use thiserror::Error;

use crate::report::{Facts, LinkKind, bytes, counts};
use crate::spec::{Source, SpecError};

const GOOD: Style = AnsiColor::Green.on_default().bold();
const WARNING: Style = AnsiColor::Yellow.on_default().bold();
const NAME: Style = Style::new().bold();

/// `atoll check`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  atoll check my.cdl                         whether it is right, and what it describes
  atoll check my.cdl --modules target/…/guest  also, whether guests may call what they import
  atoll check my.cdl --explain pool          what `pool` is, and who holds it

What is wrong goes to standard error, with exit status 1. NO_COLOR=1 and CLICOLOR_FORCE=1 decide on colors.")]
pub struct Check {
    /// The spec, capDL text
    spec: PathBuf,
    /// Directory of the .wasm files, to compare what guests name and import
    #[arg(long, value_name = "DIR")]
    modules: Option<PathBuf>,
    /// Memory of the machine, such as 512M or 1G, to compare what all objects take
    #[arg(long, value_name = "SIZE", value_parser = size)]
    memory: Option<u64>,
    /// Say what an object is, where it is declared, and who holds it with which rights
    #[arg(long, value_name = "OBJECT")]
    explain: Option<String>,
}

/// Why a spec was not checked.
#[derive(Debug, Error)]
pub enum CheckError {
    /// The spec was refused.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// It has no such object.
    #[error("{spec} has no object `{name}`{}", hint(nearest))]
    NoObject {
        /// The spec.
        spec: String,
        /// What was asked for.
        name: String,
        /// What may have been meant.
        nearest: Option<String>,
    },
}

fn hint(nearest: &Option<String>) -> String {
    match nearest {
        Some(name) => format!("; did you mean `{name}`?"),
        None => "; `atoll report` lists them".into(),
    }
}

/// Bytes in `512M` or `1G`.
fn size(text: &str) -> Result<u64, String> {
    let (number, shift) = match text.strip_suffix('G') {
        Some(number) => (number, 30),
        None => (text.strip_suffix('M').unwrap_or_default(), 20),
    };
    let number: Option<u64> = number.parse().ok();
    let bytes = number.and_then(|number| number.checked_mul(1 << shift));
    bytes.ok_or_else(|| "write a size as in 512M or 1G".into())
}

/// Checks a spec and says so.
///
/// # Errors
/// See [`CheckError`].
pub fn run(args: &Check) -> Result<(), CheckError> {
    let source = Source::read(&args.spec, args.modules.as_deref())?.on_machine(args.memory);
    let facts = source.facts()?;
    match &args.explain {
        Some(name) => anstream::print!("{}", explain(&facts, name)?),
        None => {
            anstream::eprintln!("{}: {GOOD}no errors{GOOD:#}", args.spec.display());
            anstream::print!("{}", summary(&facts));
        }
    }
    Ok(())
}

/// What the spec describes, and what is odd about it.
fn summary(facts: &Facts) -> String {
    let mut out = String::new();
    // Writing to a string does not fail.
    let _ = writeln!(out, "{}", counts(facts));
    for server in &facts.servers {
        let guests = facts.guests.iter();
        let guests: Vec<_> = guests.filter(|one| one.server == server.name).collect();
        let budgets: u64 = guests.iter().map(|guest| guest.budget.bytes).sum();
        let _ = writeln!(
            out,
            "  {NAME}{}{NAME:#} of {} about and {} of untyped memory, with {} whose budgets are {}",
            server.name,
            bytes(server.made_of),
            bytes(server.memory),
            crate::report::count(guests.len(), "guest"),
            bytes(budgets),
        );
    }
    for warning in warnings(facts) {
        let _ = writeln!(out, "{WARNING}warning{WARNING:#}: {warning}");
    }
    out
}

/// What no rule forbids, and is rarely meant.
fn warnings(facts: &Facts) -> Vec<String> {
    let mut warnings = Vec::new();
    let mut warn = |line: u32, text: String| {
        warnings.push((line, format!("{}:{line}: {text}", facts.spec)));
    };
    for object in &facts.objects {
        // The others act by themselves, or are of use to what they hold.
        let is_thing = [
            "ut",
            "frame",
            "irq",
            "channel",
            "service",
            "virtio_device",
            "mmio_device",
            "ep",
            "notification",
        ];
        let is_thing = is_thing.contains(&object.kind);
        if object.holders.is_empty() && object.used_by.is_empty() && is_thing {
            warn(
                object.line,
                format!("nobody holds `{}` ({})", object.name, object.what),
            );
        }
    }
    for link in &facts.links {
        let [readers, writers] = ['R', 'W'].map(|right| {
            let holders = link.holders.iter();
            holders
                .filter(|holder| holder.rights.contains(right))
                .count()
        });
        let (kind, name) = (link.kind.name(), &link.name);
        match (link.holders.as_slice(), readers, writers) {
            // What native tasks and the kernel's objects talk through, they may talk through alone.
            _ if !matches!(link.kind, LinkKind::Channel | LinkKind::Service) => {}
            ([], ..) => {}
            // Memory that is there again when its holder was started again.
            ([_], 1, 1) if link.kind == LinkKind::Channel => {}
            ([one], ..) => warn(
                link.line,
                format!("only `{}` holds the {kind} `{name}`", one.holder),
            ),
            (_, 0, _) if link.bytes.is_some() => {
                warn(link.line, format!("nobody may read the channel `{name}`"));
            }
            (_, _, 0) if link.bytes.is_some() => {
                warn(
                    link.line,
                    format!("nobody may write to the channel `{name}`"),
                );
            }
            (_, 0, _) => warn(
                link.line,
                format!("nobody may look up the service `{name}`"),
            ),
            _ => {}
        }
    }
    for guest in &facts.guests {
        let name = &guest.name;
        if guest.groups.is_empty() {
            warn(
                guest.line,
                format!("the guest `{name}` is granted no hostcalls, not even `log`"),
            );
        }
        let taken = guest.budget.stack + guest.budget.linear.unwrap_or(0);
        // What is left has to do for its heap in the server and for page tables.
        if taken > guest.budget.bytes / 8 * 7 {
            warn(
                guest.line,
                format!(
                    "{} of the {} of `{name}` are gone when it starts",
                    bytes(taken),
                    bytes(guest.budget.bytes)
                ),
            );
        }
        let mut servers = facts.servers.iter();
        if guest.groups.contains(&"power")
            && let Some(server) = servers.find(|server| server.name == guest.server)
            && !server.holds.iter().any(|held| held.slot == "power")
        {
            warn(
                guest.line,
                format!(
                    "`{name}` may switch the machine off, and `{}`, which runs it, has no switch: give it one as `power`",
                    server.name
                ),
            );
        }
        let may_start = |other: &crate::report::Guest| {
            let mut held = other.holds.iter();
            other.groups.contains(&"processes")
                && held.any(|held| held.object == *name && held.rights.contains('W'))
        };
        if guest.start == "demand" && !facts.guests.iter().any(may_start) {
            warn(
                guest.line,
                format!(
                    "`{name}` starts on demand, and no guest that is granted `processes` holds it with W"
                ),
            );
        }
    }
    let memory = &facts.memory;
    let sum = memory.untyped + memory.servers;
    if sum > memory.machine {
        warn(
            1,
            format!(
                "all untypeds and servers together are {}, and the machine of `atoll run` has {}",
                bytes(sum),
                bytes(memory.machine)
            ),
        );
    }
    warnings.sort();
    warnings.into_iter().map(|(_, text)| text).collect()
}

/// One object.
fn explain(facts: &Facts, name: &str) -> Result<String, CheckError> {
    let object = facts.object(name).ok_or_else(|| {
        let names = facts.objects.iter().map(|object| &*object.name);
        CheckError::NoObject {
            spec: facts.spec.clone(),
            name: name.into(),
            nearest: capdl::language::nearest(name, names).map(str::to_owned),
        }
    })?;
    let spec = &facts.spec;
    let mut out = String::new();
    // Writing to a string does not fail.
    let _ = writeln!(
        out,
        "{NAME}{name}{NAME:#}: {}, declared at {spec}:{}",
        object.what, object.line
    );
    for holder in &object.holders {
        let rights = match &*holder.rights {
            "" => String::new(),
            rights => format!(" ({rights})"),
        };
        let _ = writeln!(
            out,
            "  held by {NAME}{}{NAME:#} as `{}`{rights}, at {spec}:{}",
            holder.holder, holder.slot, holder.line
        );
    }
    let acts = matches!(object.kind, "wasm_server" | "wasm_guest" | "native_task");
    if object.holders.is_empty() && !acts {
        out += "  held by nobody\n";
    }
    if !object.used_by.is_empty() {
        let verb = match object.kind {
            "wasm_server" => "runs",
            "ut" => "has in it",
            _ => "part of",
        };
        let _ = writeln!(out, "  {verb} {}", object.used_by.join(", "));
    }
    for held in &object.holds {
        let rights = match &*held.rights {
            "" => String::new(),
            rights => format!(" ({rights})"),
        };
        let _ = writeln!(
            out,
            "  holds {NAME}{}{NAME:#} as `{}`{rights}, at {spec}:{}",
            held.object, held.slot, held.line
        );
    }
    if let Some(guest) = facts.guests.iter().find(|guest| guest.name == name) {
        if !guest.groups.is_empty() {
            let _ = writeln!(out, "  may call {}", guest.groups.join(", "));
        }
        for peer in &guest.peers {
            let _ = writeln!(out, "  talks to {} through {}", peer.guest, peer.through);
        }
        for reach in &guest.reaches {
            let through = reach
                .through
                .iter()
                .map(|hop| format!(" through {}", hop.guest));
            let _ = writeln!(
                out,
                "  reaches {}{}",
                reach.device,
                through.collect::<String>()
            );
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::facts;

    const ODD: &str = r#"arch aarch64
objects {
  server = wasm_server
  pool   = ut (24 bits)
  spare  = ut (28 bits)
  more   = ut (28 bits)
  clock  = service
  bell   = notification
  pipe   = channel (64k)
  ut_pipe = ut (17 bits)
  a      = wasm_guest (module: "a", stack: 960k, start: demand)
  ut_a   = ut (20 bits)
  b      = wasm_guest (module: "b")
  ut_b   = ut (20 bits)
}
caps {
  server { memory: pool }
  pipe   { memory: ut_pipe }
  a      { memory: ut_a  clock: clock (W)  in: pipe (R) }
  b      { memory: ut_b  out: pipe (R)  log }
}
"#;

    fn plain(text: &str) -> String {
        anstream::adapter::strip_str(text).to_string()
    }

    #[test]
    fn sizes_of_machines() {
        assert_eq!(size("512M"), Ok(512 << 20));
        assert_eq!(size("1G"), Ok(1 << 30));
        for wrong in ["", "G", "1T", "-1M", "99999999999999G"] {
            assert!(size(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_odd_is_said() {
        let found = plain(&summary(&facts("odd.cdl", ODD)));
        let expected = "\
1 process server, 2 guests, no devices, 1 channel, 1 service; 546.12 MiB of 512 MiB are given away
  server of 16 MiB about and 16 MiB of untyped memory, with 2 guests whose budgets are 2 MiB
warning: odd.cdl:1: all untypeds and servers together are 546.12 MiB, and the machine of `atoll run` has 512 MiB
warning: odd.cdl:5: nobody holds `spare` (256 MiB of untyped memory)
warning: odd.cdl:6: nobody holds `more` (256 MiB of untyped memory)
warning: odd.cdl:7: only `a` holds the service `clock`
warning: odd.cdl:8: nobody holds `bell` (notification)
warning: odd.cdl:9: nobody may write to the channel `pipe`
warning: odd.cdl:11: 960 KiB of the 1 MiB of `a` are gone when it starts
warning: odd.cdl:11: `a` starts on demand, and no guest that is granted `processes` holds it with W
warning: odd.cdl:11: the guest `a` is granted no hostcalls, not even `log`
";
        assert_eq!(found, expected, "{found}");
    }

    #[test]
    fn systems_of_this_repository_are_not_odd() {
        for (file, text) in crate::report::tests::specs() {
            if file.contains("/specs/") {
                let mut warnings = warnings(&facts(&file, &text));
                // The servers that measure drive these themselves.
                warnings.retain(|warning| !warning.contains("nobody holds `native"));
                assert!(warnings.is_empty(), "{warnings:#?}");
            }
        }
    }

    #[test]
    fn objects_are_explained() {
        let facts = facts("odd.cdl", ODD);
        let explain = |name| plain(&explain(&facts, name).unwrap());
        assert_eq!(
            explain("pipe"),
            "pipe: channel of 64 KiB, declared at odd.cdl:9\n  \
               held by a as `in` (R), at odd.cdl:19\n  \
               held by b as `out` (R), at odd.cdl:20\n  \
               holds ut_pipe as `memory`, at odd.cdl:18\n"
        );
        assert_eq!(
            explain("server"),
            "server: process server, declared at odd.cdl:3\n  \
               runs a, b\n  holds pool as `memory`, at odd.cdl:17\n"
        );
        assert!(explain("spare").ends_with("held by nobody\n"));
        assert!(explain("b").contains("  may call log\n"));
    }

    #[test]
    fn the_book_has_an_example() {
        let top = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let read = |name| std::fs::read_to_string(top.join(name)).unwrap();
        let name = "capdl/specs/default.cdl";
        let found = plain(&explain(&facts(name, &read(name)), "http_net").unwrap());
        assert!(
            read("docs/tools.md").contains(&found),
            "docs/tools.md has another than:\n{found}"
        );
    }

    #[test]
    fn what_is_not_there_is_not_explained() {
        let facts = facts("odd.cdl", ODD);
        let message = |name| explain(&facts, name).unwrap_err().to_string();
        assert_eq!(
            message("pip"),
            "odd.cdl has no object `pip`; did you mean `pipe`?"
        );
        assert_eq!(
            message("nothing-like-it"),
            "odd.cdl has no object `nothing-like-it`; `atoll report` lists them"
        );
    }
}
