// SPDX-License-Identifier: BSD-2-Clause
//! What talks at the console. Its first argument says which:
//!
//! | argument | does |
//! |---|---|
//! | `user` | asks for lines at the terminal, says what it heard, and does what they say |
//! | `raw` | waits for keys, and says which |
//! | `flood=N` | so many lines of the log, numbered |
//! | `writer=N` | so many lines at the terminal, numbered |
//! | `levels` | a line of each level, and what would steer a terminal |
//! | `keeper=N` | starts the guest `terminal`, and ends it so often in the midst of things |
//! | `hung` | becomes the printer of the log, and prints nothing |
//! | `reader` | reads the log, and says how much it has seen |
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::{boxed::Box, format, string::String};
use core::{error::Error, time::Duration};

use userland::{
    Level,
    console::{self, Mode, Terminal},
    debug, error, info,
    logs::{self, Printer},
    process::Command,
    start::Start,
    task::Event,
    time::{sleep, timeout},
    warn,
};

/// The slot of the channel with the console guest.
const DOOR: &str = "tty";
/// How long a console guest lives.
const LIFE: Duration = Duration::from_millis(150);

type Result<T> = core::result::Result<T, Box<dyn Error>>;

#[userland::entrypoint]
async fn main(start: Start) -> Result<()> {
    let role = start.args().next().unwrap_or_default();
    let (role, count) = role.split_once('=').unwrap_or((role, "0"));
    let count: u32 = count.parse()?;
    match role {
        "user" => user(start.name()).await,
        "raw" => raw().await,
        "flood" => flood(count).await,
        "writer" => writer(count).await,
        "levels" => levels(),
        "keeper" => keeper(count).await,
        "hung" => hung().await,
        "reader" => reader().await,
        other => Err(format!("the argument `{other}` is none").into()),
    }
}

async fn user(name: &str) -> Result<()> {
    let terminal = Terminal::open(DOOR).await?;
    info!("is `{}` for the console", terminal.name());
    loop {
        terminal.write(format!("{name}> ")).await?;
        let Some(line) = terminal.read_line().await? else {
            info!("heard the end");
            continue;
        };
        let line = String::from_utf8_lossy(&line).into_owned();
        info!("heard `{line}`");
        let (word, rest) = line.split_once(' ').unwrap_or((&line, ""));
        let done = match word {
            "front" => terminal.foreground(Some(rest)).await,
            "view" => {
                let level = Level::from_number(rest.parse().unwrap_or(u32::MAX));
                terminal.view(level, None).await
            }
            "say" => terminal.write(format!("\x1b[31m{rest}\x1b[0m\n")).await,
            "status" => {
                let status = terminal.status().await?;
                let foreground = status.foreground.unwrap_or_default();
                info!(
                    "{} clients, {foreground} in front, {} lost",
                    status.clients.len(),
                    status.lost
                );
                Ok(())
            }
            _ => Ok(()),
        };
        if let Err(error) = done {
            info!("refused: {error}");
        }
    }
}

async fn raw() -> Result<()> {
    let terminal = Terminal::open(DOOR).await?;
    // In the background nobody is asked whether he may.
    info!("in front: {:?}", terminal.foreground(None).await.err());
    terminal.set_mode(Mode::Raw).await?;
    terminal.write("\x1b[2Jhalf a line, ").await?;
    terminal.write("and the rest\nkeys: ").await?;
    loop {
        let keys = terminal.read().await?;
        info!("keys {:?}", keys.as_deref().unwrap_or_default());
    }
}

async fn flood(count: u32) -> Result<()> {
    for n in 1..=count {
        info!("line {n} of {count}, which is as long as lines are");
        if n % 50 == 0 {
            // Others of this priority, and below, have their turn.
            sleep(Duration::from_millis(1)).await;
        }
    }
    Ok(())
}

async fn writer(count: u32) -> Result<()> {
    let terminal = Terminal::open(DOOR).await?;
    for n in 1..=count {
        terminal.write(format!("written {n} of {count}\n")).await?;
    }
    info!("has written {count}");
    Ok(())
}

fn levels() -> Result<()> {
    error!("this is an error\nof two lines");
    warn!("this is a warning");
    info!("this is news, \x1b[2J\x07and steers nothing");
    debug!("this is a detail");
    console::write("text as \x1b[31mit is\nin two lines\n")?;
    Ok(())
}

async fn keeper(count: u32) -> Result<()> {
    let command = Command::guest("terminal");
    for n in 1..=count {
        let terminal = command.spawn()?;
        sleep(LIFE).await;
        terminal.stop(Duration::ZERO).await?;
        terminal.close()?;
        info!("has ended the console guest for the {n}. time");
    }
    let terminal = command.spawn()?;
    info!("leaves the console guest alone");
    let outcome = terminal.wait().await?;
    Err(format!("the console guest {outcome}").into())
}

async fn hung() -> Result<()> {
    let printer = Printer::new()?;
    info!("prints from {} on", printer.begin() + 1);
    info!("prints nothing");
    sleep(Duration::from_secs(5)).await;
    info!("acknowledges: {:?}", printer.acknowledge(u64::MAX).err());
    Ok(())
}

async fn reader() -> Result<()> {
    info!("printing: {:?}", Printer::new().err());
    let news = Event::new();
    logs::watch(news.task())?;
    let (mut seen, mut lines, mut lost) = (0, 0_u32, 0);
    loop {
        for entry in logs::entries(seen) {
            let entry = entry?;
            lost += entry.number - seen - 1;
            seen = entry.number;
            lines += 1;
        }
        if timeout(Duration::from_secs(2), news.wait()).await.is_err() {
            break;
        }
    }
    info!("has read {lines} entries, {lost} were lost");
    Ok(())
}
