// SPDX-License-Identifier: BSD-2-Clause
//! Clients that mean harm.

use alloc::vec::Vec;
use core::time::Duration;

use drill::{Verdict, ensure};
use userland::{
    channel::{Channel, Strength},
    exit::ExitCode,
    shm::Region,
    start::Start,
    task::yield_now,
    time::sleep,
};

use crate::{
    calls::{Ask, connect, still_serves},
    stage::{Stage, exits, fault, given, kill, region},
};

/// Knocks with tokens that are none, and with what is no hello at all.
pub async fn rubbish(start: &Start) -> Verdict<ExitCode> {
    let door: Region = given(start, "door")?;
    let channel = Channel::opened(&door).await.map_err(fault)?;
    let mut writer = channel.writer(Strength::Weak, "rubbish").map_err(fault)?;
    for n in 0..2000_u32 {
        // A version, a process and a token, as far as it goes.
        let mut hello: Vec<u8> = [1, 2].into();
        hello.extend((0..16).map(|byte| byte ^ n as u8));
        match n % 4 {
            0 => hello.truncate(n as usize % 18),
            1 => hello.extend([0xff; 100]),
            _ => {}
        }
        writer.send(&hello).await.map_err(fault)?;
    }
    Ok(ExitCode(5))
}

/// Asks without reading what is answered, and gives up on most of it.
pub async fn floods(start: &Start) -> Verdict<ExitCode> {
    let door = given(start, "door")?;
    let asker = connect(&door).await?;
    for n in 0..3000_u32 {
        let request = if n % 3 == 0 {
            Ask::Wait(60_000)
        } else {
            Ask::Square(n)
        };
        let mut call = alloc::boxed::Box::pin(asker.call(&request));
        // Sent, and dropped.
        core::future::poll_fn(|cx| {
            let _ = call.as_mut().poll(cx);
            core::task::Poll::Ready(())
        })
        .await;
        drop(call);
        if n % 64 == 0 {
            yield_now().await;
        }
    }
    // It is served yet, like everybody.
    still_serves(&asker).await?;
    Ok(ExitCode(6))
}

/// A door full of nonsense, and a service that lets in who behaves.
pub async fn bad_hellos(stage: &Stage) -> Verdict {
    let door = region(1)?;
    let service = stage.at_door("service", "service", &door)?;
    let before = connect(&door).await?;
    let rubbish = stage.at_door("rubbish", "rubbish", &door)?;
    sleep(Duration::from_millis(1)).await;
    let during = connect(&door).await?;
    still_serves(&before).await?;
    still_serves(&during).await?;
    exits(rubbish, 5).await?;
    still_serves(&before).await?;
    kill(service).await
}

/// Clients that flood their connections, and one that does not.
pub async fn bad_clients(stage: &Stage) -> Verdict {
    let door = region(1)?;
    let service = stage.at_door("service", "service", &door)?;
    let asker = connect(&door).await?;
    let mut others = Vec::new();
    for name in ["flood 1", "flood 2"] {
        others.push(stage.at_door("floods", name, &door)?);
    }
    for _ in 0..20 {
        still_serves(&asker).await?;
        sleep(Duration::from_millis(1)).await;
    }
    for other in others {
        exits(other, 6).await?;
    }
    // What they had begun is dropped.
    sleep(Duration::from_millis(5)).await;
    let waiting = asker.call(&Ask::Waiting).await.map_err(fault)?;
    ensure!(
        waiting == crate::calls::Tell::Number(0),
        "{waiting:?} still wait"
    );
    kill(service).await
}
