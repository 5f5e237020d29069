// SPDX-License-Identifier: BSD-2-Clause
//! Works, whoever is killed around it, and says how far it is. Its first argument says at what:
//!
//! * `files`: writes records to a file of its own in the directory `load`, a few at a time, and says how many were
//!   synced.
//! * `ask`: asks the service behind the door `service`, and says how many answers were right.
//! * `answer`: is that service.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::{boxed::Box, format, vec::Vec};
use core::time::Duration;

use load::{RECORD, record};
use serde::{Deserialize, Serialize};
use userland::{
    fs::{self, Dir, File, Fs, OpenOptions},
    future::{Either, select},
    info,
    rpc::{Client, Options, Server},
    start::Start,
    task::stopping,
    time::sleep,
    warn,
};

type Failure = Box<dyn core::error::Error>;

/// Records that are written between two syncs.
const AT_ONCE: u64 = 4;
/// Between two rounds of work: the others work, too.
const PAUSE: Duration = Duration::from_millis(2);
/// Before something is tried again that did not work.
const AGAIN: Duration = Duration::from_millis(5);
/// For an answer: who was killed with the question does not answer.
const PATIENCE: Duration = Duration::from_secs(2);
/// Answers between two lines of the log.
const LINE: u64 = 50;

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Question(u64);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Answer(u64);

const fn answer_to(question: Question) -> Answer {
    Answer(question.0.wrapping_mul(6364136223846793005).rotate_left(17))
}

#[userland::entrypoint]
async fn main(start: Start) -> Result<(), Failure> {
    userland::health::serve();
    match select(work(&start), stopping()).await {
        Either::First(end) => end,
        Either::Second(()) => Ok(()),
    }
}

async fn work(start: &Start) -> Result<(), Failure> {
    match start.args().next() {
        Some("files") => write(start).await,
        Some("ask") => ask(start).await,
        Some("answer") => answer(start).await,
        _ => Err("the first argument is `files`, `ask` or `answer`".into()),
    }
}

/// Writes for ever. A record has its place by its number: to write it again changes nothing.
async fn write(start: &Start) -> Result<(), Failure> {
    let name = start.name();
    let mut synced = None;
    loop {
        if let Err(error) = write_on(name, &mut synced).await {
            warn!("files: {error}");
            sleep(AGAIN).await;
        }
    }
}

/// Writes until something does not work.
async fn write_on(name: &str, synced: &mut Option<u64>) -> Result<(), fs::Error> {
    let fs = Fs::open("fs").await?;
    let dir = fs.root("load").await?;
    let file = open(&dir, name).await?;
    let mut count = match *synced {
        Some(count) => count,
        // It was started again itself: behind what is there whole.
        None => file.stat().await?.len / RECORD as u64,
    };
    loop {
        let records: Vec<u8> = (count..count + AT_ONCE)
            .flat_map(|number| record(name, number))
            .collect();
        file.write_at(count * RECORD as u64, &records).await?;
        file.sync().await?;
        count += AT_ONCE;
        *synced = Some(count);
        info!("synced {count}");
        sleep(PAUSE).await;
    }
}

async fn open(dir: &Dir, name: &str) -> Result<File, fs::Error> {
    let options = OpenOptions::new().read().write().create();
    options.open(dir, &format!("{name}.log")).await
}

/// Asks for ever.
async fn ask(start: &Start) -> Result<(), Failure> {
    let door = start.region("service").ok_or("no door `service`")?;
    let client = loop {
        match Client::<Question, Answer>::connect(&door, Options::named(start.name())).await {
            Ok(client) => break client,
            Err(error) => warn!("service: {error}"),
        }
        sleep(AGAIN).await;
    };
    let mut right = 0_u64;
    loop {
        let question = Question(right);
        match client.call(&question).within(PATIENCE).await {
            Ok(answer) if answer == answer_to(question) => {
                right += 1;
                if right.is_multiple_of(LINE) {
                    info!("answers {right}");
                }
            }
            Ok(answer) => return Err(format!("{question:?} was answered {answer:?}").into()),
            Err(error) => {
                warn!("service: {error}");
                // Nobody is there yet: it is asked again.
                if let Err(error) = client.reconnect().await {
                    warn!("service: {error}");
                }
                sleep(AGAIN).await;
            }
        }
        sleep(PAUSE).await;
    }
}

/// Answers for ever.
async fn answer(start: &Start) -> Result<(), Failure> {
    let door = start.region("service").ok_or("no door `service`")?;
    let server = Server::<Question, Answer>::open(&door, start.name())?;
    server
        .serve(|question, _caller| async move { answer_to(question) })
        .await?;
    Ok(())
}
