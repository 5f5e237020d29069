// SPDX-License-Identifier: BSD-2-Clause
//! Where a session is: at the console, or behind a TCP connection.

use alloc::{rc::Rc, vec, vec::Vec};
use core::time::Duration;

use shell_line::{Heard, Telnet};
use userland::{
    console::{self, Mode},
    future::{Either, select},
    net::{ReadHalf, TcpStream},
    shm::Region,
    start::Start,
    time::sleep,
    warn,
};

use crate::{failure::Done, outbox::Outbox};

/// How long before something is tried again.
const PAUSE: Duration = Duration::from_millis(200);

/// A terminal.
pub struct Terminal {
    input: Input,
    output: Rc<Output>,
}

enum Input {
    Console(console::Terminal),
    Tcp(ReadHalf, Telnet, Rc<Outbox>),
}

/// Where a session is shown.
pub enum Output {
    /// The console guest.
    Console(console::Terminal),
    /// A connection.
    Tcp(Rc<Outbox>),
}

/// What a terminal says.
pub enum Said {
    /// These bytes were typed.
    Typed(Vec<u8>),
    /// It has so many columns and rows.
    Size(u16, u16),
    /// It is gone.
    Gone,
}

async fn raw(start: &Start, door: &Region) -> Result<console::Terminal, console::Error> {
    let console = console::Terminal::at(door, start.name()).await?;
    console.set_mode(Mode::Raw).await?;
    Ok(console)
}

impl Terminal {
    /// The console, where every key is to come at once. Waits until it is there.
    pub async fn console(start: &Start, door: &Region) -> Self {
        let console = loop {
            match raw(start, door).await {
                Ok(console) => break console,
                Err(error) => warn!("{error}"),
            }
            sleep(PAUSE).await;
        };
        Self {
            input: Input::Console(console.clone()),
            output: Rc::new(Output::Console(console)),
        }
    }

    /// What is behind a connection.
    pub fn tcp(stream: TcpStream) -> Self {
        let (read, write) = stream.into_split();
        let outbox = Outbox::new(write);
        Self {
            input: Input::Tcp(read, Telnet::new(), outbox.clone()),
            output: Rc::new(Output::Tcp(outbox)),
        }
    }

    /// Where it is shown.
    pub fn output(&self) -> Rc<Output> {
        self.output.clone()
    }

    /// Waits for what it says.
    pub async fn read(&mut self) -> Vec<Said> {
        match &mut self.input {
            Input::Console(console) => match console.read().await {
                Ok(keys) => vec![Said::Typed(keys.unwrap_or_default().to_vec())],
                Err(error) => {
                    // It may be away for longer than others wait for it.
                    warn!("{error}");
                    sleep(PAUSE).await;
                    Vec::new()
                }
            },
            Input::Tcp(read, telnet, outbox) => {
                let mut bytes = [0; 256];
                // Who takes nothing any more has nothing to say, either.
                let len = match select(read.read(&mut bytes), outbox.broken()).await {
                    Either::First(Ok(len @ 1..)) => len,
                    Either::First(_) | Either::Second(()) => return vec![Said::Gone],
                };
                let mut said = Vec::new();
                let mut typed = Vec::new();
                for byte in bytes.iter().take(len) {
                    match telnet.push(*byte) {
                        Some(Heard::Byte(byte)) => typed.push(byte),
                        Some(Heard::Size(columns, rows)) => said.push(Said::Size(columns, rows)),
                        None => {}
                    }
                }
                said.push(Said::Typed(typed));
                said
            }
        }
    }
}

impl Output {
    /// Shows these bytes.
    pub async fn write(&self, bytes: &[u8]) -> Done {
        match self {
            Self::Console(console) => Ok(console.write(bytes).await?),
            Self::Tcp(outbox) => outbox.put(bytes).await,
        }
    }

    /// Nothing more is shown: waits some time for what is on its way.
    pub async fn finish(&self) {
        if let Self::Tcp(outbox) = self {
            outbox.finish().await;
        }
    }

    /// The console, if it is there.
    pub const fn console(&self) -> Option<&console::Terminal> {
        match self {
            Self::Console(console) => Some(console),
            Self::Tcp(_) => None,
        }
    }
}
