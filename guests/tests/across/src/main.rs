// SPDX-License-Identifier: BSD-2-Clause
//! One end of a channel whose other ends are in another process server, or one that does harm. The first argument
//! says which; the region is in the slot `channel`.
//!
//! * `writer` sends numbered frames, a few at a time, for ever; `reader` checks that none is missing or torn, of
//!   each writer, and says when it sees a new one.
//! * `mortal` waits a little, reserves a frame and spins, until its deadline.
//! * `sends` and `receives` do with values what the first two do with frames.
//! * `asks` and `answers`, one question at a time; `rounds=N`.
//! * `peeks` may only read, and tries to write.
//! * `watches` says who of the writers is there, as often as that changes.
//! * `crashes`, at the time `at=MS`, its server, if that was built for it.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::{boxed::Box, format, string::String, vec::Vec};
use core::{error::Error, hint::spin_loop, time::Duration};

use serde::{Deserialize, Serialize};
use userland::{
    Rights,
    channel::{Channel, Config, Exchange, OpenError, Reader, Strength, WriterId},
    console, info,
    port::{Receiver, Sender},
    shm::Region,
    start::Start,
    task::yield_now,
    time::{Instant, sleep},
    wake::Mailbox,
};

type Verdict = Result<(), Box<dyn Error>>;

const CONFIG: Config = Config::new().frames(64).data(8 << 10);
/// Frames that a writer sends before it sleeps for a while.
const AT_ONCE: u32 = 8;
const PAUSE: Duration = Duration::from_millis(5);
/// Frames between two lines of a reader.
const LINE: u32 = 200;

#[derive(Serialize, Deserialize)]
struct Value {
    number: u32,
    text: String,
}

#[userland::entrypoint]
async fn main(start: Start) -> Verdict {
    let part = start.args().next().unwrap_or_default();
    if part == "crashes" {
        return crashes(&start).await;
    }
    let region = start.region("channel").ok_or("I was given no channel")?;
    match part {
        "asks" => return asks(&start, &region),
        "answers" => return answers(&region),
        "peeks" => return peeks(&region).await,
        _ => {}
    }
    let channel = channel(&region).await?;
    match part {
        "writer" => writes(&start, &channel).await,
        "reader" => reads(&start, &channel).await,
        "mortal" => hangs(&start, &channel).await,
        "sends" => sends(&start, &channel).await,
        "receives" => receives(&start, &channel).await,
        "watches" => watches(&channel).await,
        other => Err(format!("there is no part {other}").into()),
    }
}

/// The channel of all who hold the region; whoever comes first makes it.
async fn channel(region: &Region) -> Result<Channel, OpenError> {
    match Channel::create(region, &CONFIG) {
        Err(OpenError::NotYet) => Channel::opened(region).await,
        other => other,
    }
}

async fn writes(start: &Start, channel: &Channel) -> Verdict {
    let mut writer = channel.writer(Strength::Weak, start.name())?;
    for number in 0.. {
        writer.send(&numbered::frame(number)).await?;
        if number % AT_ONCE == 0 {
            sleep(PAUSE).await;
        }
    }
    Ok(())
}

async fn hangs(start: &Start, channel: &Channel) -> Verdict {
    // The others are there then.
    sleep(Duration::from_millis(100)).await;
    let mut writer = channel.writer(Strength::Weak, start.name())?;
    // Who sleeps is rung when this task waits or yields, which it will not do again.
    yield_now().await;
    let mut reservation = writer.reserve(numbered::LEN as u32).await?;
    let _ = reservation.write(0, b"half a frame");
    info!("hang with half a frame written");
    loop {
        spin_loop();
    }
}

/// The writers that were seen, and the number that each will send next.
#[derive(Default)]
struct Seen(Vec<(WriterId, u32)>);

impl Seen {
    /// Checks a frame's number; answers whether it is the first of its writer.
    fn is_first(&mut self, id: WriterId, number: u32) -> Result<bool, String> {
        match self.0.iter_mut().find(|(known, _)| *known == id) {
            Some((_, next)) if *next == number => {
                *next += 1;
                Ok(false)
            }
            Some((_, next)) => Err(format!("frame {number} in place of {next}")),
            None => {
                self.0.push((id, number + 1));
                Ok(true)
            }
        }
    }
}

async fn reads(start: &Start, channel: &Channel) -> Verdict {
    let mut reader: Reader = channel.reader(Strength::Strong, start.name())?;
    let mut seen = Seen::default();
    let mut count = 0;
    while let Some(frame) = reader.next().await? {
        let mut bytes = [0; numbered::LEN];
        frame.read(&mut bytes).ok_or("a frame is too short")?;
        let number = numbered::number(&bytes)?;
        let id = frame.writer();
        if seen.is_first(id, number)? {
            let name = channel.writer_of(id).map(|end| end.name);
            let name = name.unwrap_or_else(|| "one that is gone".into());
            info!("sees {name}, generation {}", id.generation());
        }
        count += 1;
        if count % LINE == 0 {
            info!("{count} frames of {} writers", seen.0.len());
        }
    }
    Err("the channel is closed".into())
}

async fn sends(start: &Start, channel: &Channel) -> Verdict {
    let mut sender = Sender::new(channel, Strength::Weak, start.name())?;
    for number in 0.. {
        let text = format!("value {number} of {}", start.name());
        sender.send(&Value { number, text }).await?;
        if number % AT_ONCE == 0 {
            sleep(PAUSE).await;
        }
    }
    Ok(())
}

async fn receives(start: &Start, channel: &Channel) -> Verdict {
    let mut receiver = Receiver::<Value>::new(channel, Strength::Strong, start.name())?;
    let mut next = None;
    while let Some(message) = receiver.receive().await? {
        let sender = receiver.sender_of(&message).ok_or("a value of nobody's")?;
        let Value { number, text } = &message.value;
        if *text != format!("value {number} of {}", sender.name) {
            return Err(format!("{text:?} by {}", sender.name).into());
        }
        if next.is_some_and(|next| next != *number) && *number != 0 {
            return Err(format!("value {number} in place of {next:?}").into());
        }
        next = Some(number + 1);
        if number % LINE == LINE - 1 {
            info!("{} values of {}", number + 1, sender.name);
        }
    }
    Err("the channel is closed".into())
}

fn asks(start: &Start, region: &Region) -> Verdict {
    let rounds: u32 = start.value("rounds").unwrap_or("1000").parse()?;
    let mut exchange = Exchange::asking(region, Mailbox::open()?)?;
    let begin = Instant::now();
    for round in 0..rounds {
        let mut answer = [0; numbered::LEN];
        let deadline = Instant::now() + Duration::from_secs(5);
        let len = exchange.ask(&numbered::frame(round), &mut answer, deadline)?;
        if len as usize != numbered::LEN || numbered::number(&answer)? != round + 1 {
            return Err(format!("the answer to {round} is wrong").into());
        }
    }
    let each = begin.elapsed().as_nanos() / u128::from(rounds);
    info!("{rounds} questions, {each} ns each");
    Ok(())
}

fn answers(region: &Region) -> Verdict {
    let mut exchange = Exchange::answering(region, Mailbox::open()?)?;
    let mut question = [0; numbered::LEN];
    loop {
        if exchange.next(&mut question, Instant::NEVER)?.is_none() {
            info!("nobody asks any more");
            return Ok(());
        }
        let number = numbered::number(&question)?;
        exchange.send(&numbered::frame(number + 1))?;
    }
}

async fn peeks(region: &Region) -> Verdict {
    if region.attach(Rights::READ_WRITE).is_ok() {
        return Err("a region to be read was attached to be written".into());
    }
    if region.write_at(0, &[1]).is_ok() {
        return Err("a region to be read was written by the server".into());
    }
    let window = region.attach(Rights::READ)?;
    let mut first = [0; 4];
    while first == [0; 4] {
        window.read(0, &mut first)?;
        sleep(PAUSE).await;
    }
    info!("reads what others write, and cannot write");
    Ok(())
}

async fn watches(channel: &Channel) -> Verdict {
    let (mut seen, mut last) = (0, Vec::new());
    loop {
        let mut now: Vec<_> = channel
            .writers()
            .into_iter()
            .map(|end| (end.name, end.generation))
            .collect();
        now.sort();
        if now != last {
            let names: Vec<_> = now.iter().map(|(name, _)| name.as_str()).collect();
            info!("writers: {}", names.join(" "));
            last = now;
        }
        channel.changed(&mut seen).await;
    }
}

async fn crashes(start: &Start) -> Verdict {
    let at: u64 = start.value("at").unwrap_or("1000").parse()?;
    let now = Instant::now();
    let at = Instant::from_nanoseconds(at * 1_000_000);
    if now > at {
        info!("the server has crashed before");
        return Ok(());
    }
    sleep(at - now).await;
    console::write("\u{2020}")?;
    Err("the server goes on".into())
}
