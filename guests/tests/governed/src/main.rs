// SPDX-License-Identifier: BSD-2-Clause
//! Members of a supervisor, good and bad, and its clients, as the first argument says.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

extern crate alloc;

mod inspector;
mod steward;

use alloc::format;
use core::time::Duration;

use drill::{Fault, Verdict, ensure};
use userland::{
    health, info,
    init::{Error, Init, Reason},
    start::Start,
    task::stopping,
    time::sleep,
};

#[userland::entrypoint]
async fn main(start: Start) -> Verdict {
    match start.args().next() {
        Some("well") => {
            info!("begins");
            health::serve();
            stopping().await;
            info!("ends as it was asked to");
            Ok(())
        }
        // It can be asked for its health, and does not answer.
        Some("mute") => {
            stopping().await;
            Ok(())
        }
        // Asked, it does not answer that it is to stop.
        Some("stubborn") => {
            health::serve();
            loop {
                sleep(Duration::from_secs(60)).await;
            }
        }
        Some("fails") => {
            sleep(Duration::from_millis(50)).await;
            Err(Fault::new("as it was told"))
        }
        Some("hangs") => {
            health::serve();
            sleep(Duration::from_millis(1500)).await;
            loop {
                core::hint::spin_loop();
            }
        }
        Some("steward") => {
            let verdict = steward::run(&start).await;
            if let Err(fault) = &verdict {
                info!("FAILED {fault}");
            }
            verdict
        }
        Some("inspector") => {
            let verdict = inspector::run(&start).await;
            if let Err(fault) = &verdict {
                info!("FAILED {fault}");
            }
            verdict
        }
        Some("viewer") => view(&start).await,
        other => Err(Fault::new(format!("no role {other:?}"))),
    }
}

/// A client that may see, and nothing else.
async fn view(start: &Start) -> Verdict {
    let init = Init::open(start, "init").await.map_err(fault)?;
    ensure!(!init.may_control(), "it may control");
    ensure!(!init.members().await.map_err(fault)?.is_empty(), "nobody");
    for refused in [
        init.start("a").await,
        init.stop("a").await,
        init.restart("a").await,
        init.revoke("a", "link").await,
        init.restore("a", "link").await,
        init.shutdown().await,
    ] {
        ensure!(
            matches!(refused, Err(Error::Init(Reason::NotAllowed))),
            "{refused:?}"
        );
    }
    info!("ok sees, and nothing else");
    Ok(())
}

/// Why a scenario does not hold.
fn fault(error: Error) -> Fault {
    Fault::new(format!("{error}"))
}

/// Waits until something holds.
async fn until(what: &str, mut holds: impl AsyncFnMut() -> Verdict<bool>) -> Verdict {
    for _ in 0..500 {
        if holds().await? {
            return Ok(());
        }
        sleep(Duration::from_millis(20)).await;
    }
    Err(Fault::new(format!("waiting for {what}")))
}
