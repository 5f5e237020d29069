// SPDX-License-Identifier: BSD-2-Clause
//! Tries the fs guest, as the first argument says:
//!
//! * `promises`: one scenario is one promise, and a line of the log says whether it holds. It starts the fs guest, and
//!   itself again for other clients, and ends them.
//! * `work SEED STEPS`: works on files, and says which steps are durable.
//! * `faults`: reads and writes files of a disk that fails at some places.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

extern crate alloc;

mod bulk;
mod clients;
mod faults;
mod operations;
mod rights;
mod stage;
mod work;

use drill::{Fault, scenarios};
use stage::Stage;
use userland::{exit::ExitCode, start::Start};

#[userland::entrypoint]
async fn main(start: Start) -> Result<ExitCode, Fault> {
    let args: alloc::vec::Vec<_> = start.args().collect();
    match args.as_slice() {
        ["promises"] => promises(start).await,
        ["work", seed, steps] => work::work(number(seed)?, number(steps)?).await,
        ["faults"] => {
            let stage = Stage::new(start);
            let failed = scenarios! { stage:
                "bad-sectors" => faults::bad_sectors,
                "once" => faults::once,
                "goes-on" => faults::goes_on,
            };
            Ok(ExitCode(failed))
        }
        ["read-only"] => faults::read_only().await,
        ["gone"] => faults::gone().await,
        ["client", seed] => clients::client(number(seed)?).await,
        ["reader"] => clients::reader().await,
        ["rubbish", seed] => clients::rubbish(number(seed)?, &start).await,
        _ => Err(Fault::new("it does not know that part")),
    }
}

async fn promises(start: Start) -> Result<ExitCode, Fault> {
    let stage = Stage::new(start);
    stage.start_fs()?;
    let failed = scenarios! { stage:
        "made-by-the-host" => operations::made_by_the_host,
        "operations" => operations::operations,
        "errors" => operations::errors,
        "listings" => operations::listings,
        "open-files-outlive-names" => operations::open_files_outlive_names,
        "bulk" => bulk::bulk,
        "bulk-at-any-place" => bulk::bulk_at_any_place,
        "rights" => rights::rights,
        "no-way-out" => rights::no_way_out,
        "limits" => rights::limits,
        "full" => operations::full,
        "many-clients" => clients::many_clients,
        "killed-while-reading" => clients::killed_while_reading,
        "hostile-clients" => clients::hostile_clients,
        "restart" => clients::restart,
        "killed-while-writing" => clients::killed_while_writing,
        "rest" => Stage::end,
    };
    Ok(ExitCode(failed))
}

fn number(text: &str) -> Result<u32, Fault> {
    text.parse()
        .map_err(|_| Fault::new("an argument is no number"))
}
