// SPDX-License-Identifier: BSD-2-Clause
//! Who reads.

use alloc::{boxed::Box, format};
use core::{error::Error, time::Duration};

use userland::{channel::Reader, info, time::sleep};

/// Reads until the channel is closed, and knows of each frame whether it was seen or lost.
pub async fn run(mut reader: Reader, pause: Duration) -> Result<(), Box<dyn Error>> {
    // Whoever comes later begins with a later frame.
    let mut first = None;
    let (mut seen, mut lost) = (0, 0);
    loop {
        let Some(frame) = reader.next().await? else {
            break;
        };
        let mut bytes = [0; numbered::LEN];
        frame.read(&mut bytes).ok_or("a frame is too short")?;
        // Only now it is sure that nobody has written over it meanwhile.
        if frame.release().is_err() {
            continue;
        }
        lost += reader.take_lost();
        let number = numbered::number(&bytes)?;
        let begin = *first.get_or_insert(number - lost);
        if number != begin + seen + lost {
            return Err(format!("frame {number} after {seen} seen and {lost} lost").into());
        }
        seen += 1;
        if !pause.is_zero() {
            sleep(pause).await;
        }
    }
    lost += reader.take_lost();
    let first = first.unwrap_or(0);
    info!(
        "frames from {first} on: {seen} seen, {lost} lost, {} together",
        seen + lost
    );
    Ok(())
}
