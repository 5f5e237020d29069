// SPDX-License-Identifier: BSD-2-Clause
//! The shell: shows what runs and who holds what, starts, stops, grants and revokes, and works with files and the
//! network. It is a guest like any other, and can do what its spec gives it: each command needs some of the slots
//! below, and says which if that is not there.
//!
//! | slot | what for |
//! |---|---|
//! | `console` | the terminal: a channel with the console guest. Without it there are sessions over TCP only |
//! | `init` | start, stop, restart, revoke, restore, grant, tree, shutdown: a channel with a supervisor |
//! | `fs` | files: a channel with the fs guest |
//! | `net` | the network: a channel with the net guest |
//! | others | to be given away: `grant`, `run -c`, `deploy -c` |
//!
//! | argument | says |
//! |---|---|
//! | `listen=PORT` | sessions over TCP at this port, at most four at a time, for anybody who can reach it |
//! | `prompt=TEXT` | what the shell says when it waits for a line; `atoll` if nothing is said |
#![no_std]
#![no_main]
#![forbid(unsafe_code)]
#![deny(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

extern crate alloc;

mod commands;
mod complete;
mod failure;
mod files;
mod jobs;
mod keyboard;
mod outbox;
mod pipeline;
mod session;
mod shell;
mod stream;
mod terminal;

use alloc::rc::Rc;
use core::{convert::Infallible, time::Duration};

use failure::Failure;
use session::Session;
use shell::Shell;
use shell_line::GREETING;
use terminal::Terminal;
use userland::{
    future::select,
    info,
    net::{TcpListener, TcpStream},
    shm::Region,
    start::Start,
    task::{spawn, stopping},
    time::sleep,
    warn,
};

/// Most sessions over TCP at a time.
const MAX_SESSIONS: usize = 4;
/// How long to wait before something is tried again.
const PAUSE: Duration = Duration::from_secs(1);

#[userland::entrypoint]
async fn main(start: Start) -> Result<(), Failure> {
    let port = match start.value("listen").map(str::parse::<u16>) {
        None => None,
        Some(Ok(port)) if port > 0 => Some(port),
        Some(_) => return Err(Failure::new("listen= needs the number of a port")),
    };
    let console = start.region("console");
    let shell = Shell::new(start);
    if let Some(port) = port {
        spawn(listen(shell.clone(), port));
    }
    let Some(console) = console else {
        if port.is_none() {
            return Err(Failure::new(
                "there is no user: let the spec give the shell a channel with the console guest in the slot `console`, \
                 or an argument listen=PORT",
            ));
        }
        stopping().await;
        return Ok(());
    };
    select(sit(&shell, &console), stopping()).await;
    Ok(())
}

/// Sessions at the console, one after the other.
async fn sit(shell: &Rc<Shell>, console: &Region) -> Infallible {
    loop {
        let terminal = Terminal::console(&shell.start, console).await;
        let session = Session::new(shell, terminal.output());
        session.run(terminal).await;
    }
}

/// Sessions for whoever connects to this port.
async fn listen(shell: Rc<Shell>, port: u16) {
    let sessions = Rc::new(());
    loop {
        if let Err(failure) = accept(&shell, port, &sessions).await {
            warn!("sessions over TCP at port {port}: {failure}");
        }
        sleep(PAUSE).await;
    }
}

async fn accept(shell: &Rc<Shell>, port: u16, sessions: &Rc<()>) -> Result<(), Failure> {
    let net = shell.net().await?;
    let mut listener = TcpListener::bind(&net, port).await?;
    info!("sessions over TCP at port {port}");
    loop {
        let mut stream = listener.accept().await?;
        if Rc::strong_count(sessions) > MAX_SESSIONS {
            // Who is refused may be gone before it hears of it.
            let _ = stream
                .write_all(b"too many sessions: try again later\r\n")
                .await;
            continue;
        }
        let (shell, counted) = (shell.clone(), sessions.clone());
        spawn(async move {
            let peer = stream.peer_addr();
            info!("a session of {peer} begins");
            serve(&shell, stream).await;
            info!("the session of {peer} ends");
            drop(counted);
        });
    }
}

async fn serve(shell: &Rc<Shell>, mut stream: TcpStream) {
    if stream.write_all(&GREETING).await.is_err() {
        return;
    }
    let terminal = Terminal::tcp(stream);
    let session = Session::new(shell, terminal.output());
    session.run(terminal).await;
}
