// SPDX-License-Identifier: BSD-2-Clause
//! Questions and answers without tasks: both sides are children.

use core::time::Duration;

use drill::{Verdict, ensure};
use userland::{
    channel::{Exchange, ExchangeError},
    exit::ExitCode,
    handle::Capability as _,
    start::Start,
    time::Instant,
    wake::Mailbox,
};

use crate::stage::{Stage, exits, fault, given, region};

/// Questions that are answered at once.
const QUESTIONS: u32 = 500;
/// Is answered late.
const SLOW: u32 = u32::MAX - 1;
/// Is the last.
const LAST: u32 = u32::MAX;
/// How late.
const DELAY: Duration = Duration::from_millis(20);

/// Each question gets its own answer, also after one that came too late; and who asks learns that the other side
/// has gone.
pub async fn exchange(stage: &Stage) -> Verdict {
    for first in ["asks", "answers"] {
        let region = region(1)?;
        let second = if first == "asks" { "answers" } else { "asks" };
        let first = stage.at_door(first, first, &region)?;
        let second = stage.at_door(second, second, &region)?;
        exits(first, 0).await?;
        exits(second, 0).await?;
        region.close()?;
    }
    Ok(())
}

/// Plays the side that asks.
pub fn asks(start: &Start) -> Verdict<ExitCode> {
    let mut exchange = Exchange::asking(&given(start, "door")?, Mailbox::open()?).map_err(fault)?;
    let mut ask = |question: u32, deadline| {
        let mut answer = [0; 4];
        let len = exchange.ask(&question.to_le_bytes(), &mut answer, deadline)?;
        Ok::<_, ExchangeError>((len, u32::from_le_bytes(answer)))
    };
    for question in 0..QUESTIONS {
        let (len, answer) = ask(question, Instant::NEVER).map_err(fault)?;
        ensure!(
            (len, answer) == (4, question + 1),
            "{answer} to {question}, of {len} bytes"
        );
    }
    let late = ask(SLOW, Instant::now() + DELAY / 4);
    ensure!(late == Err(ExchangeError::TimedOut), "{late:?}");
    let (_, answer) = ask(7, Instant::NEVER).map_err(fault)?;
    ensure!(answer == 8, "{answer} to 7, behind one that was late");
    let long = exchange_too_long(&mut exchange);
    ensure!(long == Err(ExchangeError::TooLong), "{long:?}");
    let mut answer = [0; 4];
    let end = exchange.ask(&LAST.to_le_bytes(), &mut answer, Instant::NEVER);
    ensure!(end == Err(ExchangeError::Closed), "{end:?}");
    Ok(ExitCode::SUCCESS)
}

fn exchange_too_long(exchange: &mut Exchange) -> Result<u32, ExchangeError> {
    exchange.ask(&[0; 32 << 10], &mut [], Instant::NEVER)
}

/// Plays the side that answers.
pub fn answers(start: &Start) -> Verdict<ExitCode> {
    let mut exchange =
        Exchange::answering(&given(start, "door")?, Mailbox::open()?).map_err(fault)?;
    let mut question = [0; 4];
    while exchange
        .next(&mut question, Instant::NEVER)
        .map_err(fault)?
        .is_some()
    {
        let question = u32::from_le_bytes(question);
        match question {
            LAST => break,
            SLOW => {
                // The next question is there before this is over.
                let late = Instant::now() + DELAY;
                while Instant::now() < late {}
            }
            _ => {}
        }
        exchange
            .send(&question.wrapping_add(1).to_le_bytes())
            .map_err(fault)?;
    }
    Ok(ExitCode::SUCCESS)
}
