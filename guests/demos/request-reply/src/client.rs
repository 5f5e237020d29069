// SPDX-License-Identifier: BSD-2-Clause
//! Who asks.

use alloc::{boxed::Box, format};
use core::{error::Error, time::Duration};

use userland::{
    future::join3,
    info,
    rpc::{CallError, Client, Options, Refusal},
    shm::Region,
    start::Start,
    time::{Instant, interval},
};

use crate::{Answer, Question};

const SUMS: u32 = 1000;
const PATIENT_SUMS: u32 = 200;

pub async fn run(start: &Start, door: &Region) -> Result<(), Box<dyn Error>> {
    let client = Client::connect(door, Options::named(start.name())).await?;
    info!("connected to generation {}", client.generation());
    sums(&client).await?;
    let nothing = client.call(&Question::Divide(1, 0)).await?;
    info!("1 / 0 = {nothing:?}");

    // Several questions at once: they are answered as soon as each of them can be.
    let begin = Instant::now();
    let ask = async |milliseconds| {
        let answer = client.call(&Question::Wait(milliseconds)).await;
        info!("answered after {milliseconds} ms");
        answer
    };
    let (a, b, c) = join3(ask(30), ask(10), ask(20)).await;
    a?;
    b?;
    c?;
    info!("all three within {} ms", begin.elapsed().as_millis());

    // Who does not want to wait so long cancels the call.
    let patience = Duration::from_millis(20);
    let begin = Instant::now();
    match client.call(&Question::Wait(60_000)).within(patience).await {
        // Here or at the service, where the deadline is known, too.
        Err(CallError::TimedOut | CallError::Refused(Refusal::Late)) => {
            info!("gave up after {} ms", begin.elapsed().as_millis());
        }
        other => return Err(format!("{other:?} before a minute is over").into()),
    }

    // When the service fails, the call ends, and another service can be there at the same door.
    match client.call(&Question::Fail).await {
        Err(CallError::Disconnected) => info!("the service is gone"),
        other => return Err(format!("{other:?} of a service that fails").into()),
    }
    info!("connected to generation {}", client.reconnect().await?);
    sums(&client).await
}

/// One question after the other.
async fn sums(client: &Client<Question, Answer>) -> Result<(), Box<dyn Error>> {
    for n in 0..SUMS {
        let sum = client.call(&Question::Add(n, n)).await?;
        check(n, sum)?;
    }
    info!("{SUMS} sums are right");
    Ok(())
}

/// One question each millisecond. One that the service does not answer before it ends is asked again.
pub async fn patient(start: &Start, door: &Region) -> Result<(), Box<dyn Error>> {
    let client = Client::connect(door, Options::named(start.name())).await?;
    let mut again = 0;
    let mut ticks = interval(Duration::from_millis(1));
    for n in 0..PATIENT_SUMS {
        ticks.tick().await;
        let sum = loop {
            match client.call(&Question::Add(n, n)).await {
                Err(CallError::Disconnected) => client.reconnect().await?,
                sum => break sum?,
            };
            again += 1;
        };
        check(n, sum)?;
    }
    let generation = client.generation();
    info!("{PATIENT_SUMS} sums are right, {again} asked again, at last of generation {generation}");
    Ok(())
}

fn check(n: u32, sum: Answer) -> Result<(), Box<dyn Error>> {
    if sum == Some(2 * n) {
        Ok(())
    } else {
        Err(format!("{n} + {n} = {sum:?}").into())
    }
}
