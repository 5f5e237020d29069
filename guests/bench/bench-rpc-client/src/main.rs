// SPDX-License-Identifier: BSD-2-Clause
//! What a request and its reply take between two guests that wait for each other: the side that asks and
//! measures. First one call after the other, then eight tasks that ask at once.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::{boxed::Box, vec::Vec};
use core::error::Error;

use userland::{
    info, introspect,
    rpc::{CallError, Client, Options},
    start::Start,
    task::spawn,
};

const WARM_UP: u64 = 100;
const ROUNDS: u64 = 10_000;
const TASKS: u64 = 8;

#[userland::entrypoint]
async fn main(start: Start) -> Result<(), Box<dyn Error>> {
    let door = start.region("door").ok_or("the spec gives me no door")?;
    let client = Client::connect(&door, Options::named(start.name())).await?;
    rounds(&client, WARM_UP).await?;
    let begin = introspect::cycles();
    rounds(&client, ROUNDS).await?;
    let total = introspect::cycles() - begin;
    info!("bench rpc_call {}", total / ROUNDS);

    let begin = introspect::cycles();
    let tasks: Vec<_> = (0..TASKS)
        .map(|_| spawn(latencies(client.clone(), ROUNDS / TASKS)))
        .collect();
    let mut all = Vec::new();
    for task in tasks {
        all.extend(task.await??);
    }
    let total = introspect::cycles() - begin;
    all.sort_unstable();
    info!("bench rpc_call_8 {}", total / all.len() as u64);
    let p99 = all.get(all.len() * 99 / 100).ok_or("calls")?;
    info!("bench rpc_call_8_p99 {p99}");
    // The server ends at this.
    match client.call(&u64::MAX).await {
        Err(CallError::Disconnected) => Ok(()),
        other => Err(alloc::format!("{other:?} of a server that ends").into()),
    }
}

async fn rounds(client: &Client<u64, u64>, count: u64) -> Result<(), Box<dyn Error>> {
    for number in 0..count {
        if client.call(&number).await? != number + 1 {
            return Err("a wrong answer".into());
        }
    }
    Ok(())
}

/// How long each of so many calls takes.
async fn latencies(client: Client<u64, u64>, count: u64) -> Result<Vec<u64>, CallError> {
    let mut all = Vec::new();
    for number in 0..count {
        let begin = introspect::cycles();
        client.call(&number).await?;
        all.push(introspect::cycles() - begin);
    }
    Ok(all)
}
