// SPDX-License-Identifier: BSD-2-Clause
//! Every misuse of every hostcall, each by a guest of its own.

use drill::{Fault, Verdict, ensure, misuse::cases};
use userland::{
    Limits,
    handle::Capability as _,
    process::{Command, Module, Outcome},
};

use crate::{
    Scenario,
    warden::{BITS, Warden},
};

pub const SCENARIOS: &[(&str, Scenario)] = &[("misuse", misuse), ("table-growth", table_growth)];

fn misuse(warden: &mut Warden) -> Verdict {
    let module = warden.module();
    let cases = cases();
    ensure!(cases.len() > 190, "there are only {} cases", cases.len());
    for (number, case) in cases.iter().enumerate() {
        let number = alloc::format!("{number}");
        let process = Command::module(&module)
            .arg("misuse")
            .arg(&number)
            .start()?;
        let outcome = process.wait()?;
        let report = process.report()?.text;
        let wanted = alloc::format!("misuse of a hostcall: {}\n", case.reason);
        if outcome != Outcome::Failed || !report.starts_with(&wanted) {
            return Err(Fault::new(alloc::format!("{case}: {outcome}: {report}")));
        }
        process.close()?;
    }
    Ok(())
}

/// A module that grows its table until it is refused, and exits with the size.
fn table_growth(_: &mut Warden) -> Verdict {
    for elements in [1, 10, 1000] {
        let limits = Limits {
            table_elements: elements,
            ..Limits::DEFAULT
        };
        let module = Module::new("table", BITS).limits(limits);
        let process = Command::module(&module).start()?;
        let outcome = process.wait()?;
        let wanted = Outcome::Exited(userland::exit::ExitCode(elements));
        ensure!(
            outcome == wanted,
            "{outcome}, where {elements} may be: {}",
            process.report()?.text
        );
    }
    Ok(())
}
