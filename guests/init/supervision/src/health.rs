// SPDX-License-Identifier: BSD-2-Clause
//! Asks a guest for its health, for as long as it runs.

use alloc::rc::Rc;
use core::time::Duration;

use userland::{Pid, health::Probe, time::sleep, warn};

use crate::keeper::Keeper;

/// How many times as long the first answer may take: the guest has to begin first.
const FIRST: u32 = 10;

/// How a guest is, as far as it was asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pulse {
    /// It has not answered yet.
    #[default]
    Unknown,
    /// It answered in time.
    Well,
}

/// Asks until the process ends, or does not answer.
pub async fn watch(keeper: Rc<Keeper>, id: usize, pid: Pid, within: Duration) {
    let probe = Probe::new().and_then(|probe| {
        keeper.give_probe(id, &probe)?;
        Ok(probe)
    });
    let mut probe = match probe {
        Ok(probe) => probe,
        Err(error) => {
            // One that has ended meanwhile needs none.
            if keeper.runs(id, pid) {
                warn!("{} is not asked for its health: {error}", keeper.name(id));
            }
            return;
        }
    };
    let mut patience = within.saturating_mul(FIRST);
    while keeper.runs(id, pid) {
        match probe.ask(patience).await {
            Ok(true) => keeper.has_answered(id, pid),
            Ok(false) => {
                keeper.hangs(id, pid, patience);
                break;
            }
            Err(_) => break,
        }
        patience = within;
        sleep(within / 2).await;
    }
    let _ = probe.close();
}
