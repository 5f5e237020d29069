// SPDX-License-Identifier: BSD-2-Clause
//! QEMU's monitor (QMP): questions about a running machine.

use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// How long QEMU may take to start, or to answer.
const LIMIT: Duration = Duration::from_secs(60);

/// The monitor of a machine, which is connected when it is first needed.
#[derive(Debug)]
pub(crate) struct Monitor {
    listener: UnixListener,
    connection: Option<BufReader<UnixStream>>,
}

impl Monitor {
    /// One that QEMU connects to at this path.
    pub(crate) fn new(path: &Path) -> io::Result<Self> {
        let listener = UnixListener::bind(path)?;
        listener.set_nonblocking(true)?;
        Ok(Self {
            listener,
            connection: None,
        })
    }

    /// What QEMU's monitor for people answers to a line.
    ///
    /// # Errors
    /// QEMU does not answer, or answers with an error.
    pub(crate) fn ask(&mut self, line: &str) -> io::Result<String> {
        let arguments = json!({ "command-line": line });
        let answer = self.execute("human-monitor-command", &arguments)?;
        answer
            .as_str()
            .map(str::to_owned)
            .ok_or_else(|| io::Error::other(answer.to_string()))
    }

    /// Writes a range of physical memory to a file.
    ///
    /// # Errors
    /// QEMU does not answer, or answers with an error.
    pub(crate) fn save_memory(&mut self, start: u64, bytes: u64, to: &Path) -> io::Result<()> {
        let arguments = json!({ "val": start, "size": bytes, "filename": to });
        self.execute("pmemsave", &arguments).map(drop)
    }

    fn execute(&mut self, command: &str, arguments: &Value) -> io::Result<Value> {
        let connection = match &mut self.connection {
            Some(connection) => connection,
            none => none.insert(connect(&self.listener)?),
        };
        execute(connection, command, arguments)
    }
}

/// Waits for QEMU, and has it take commands.
fn connect(listener: &UnixListener) -> io::Result<BufReader<UnixStream>> {
    let deadline = Instant::now() + LIMIT;
    let stream = loop {
        match listener.accept() {
            Ok((stream, _)) => break stream,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
        if Instant::now() >= deadline {
            return Err(io::ErrorKind::TimedOut.into());
        }
        thread::sleep(Duration::from_millis(10));
    };
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(LIMIT))?;
    let mut connection = BufReader::new(stream);
    let greeting = message(&mut connection)?;
    if greeting.get("QMP").is_none() {
        return Err(io::Error::other(greeting.to_string()));
    }
    execute(&mut connection, "qmp_capabilities", &json!({}))?;
    Ok(connection)
}

fn execute(
    connection: &mut BufReader<UnixStream>,
    command: &str,
    arguments: &Value,
) -> io::Result<Value> {
    let words = json!({ "execute": command, "arguments": arguments });
    connection
        .get_mut()
        .write_all(format!("{words}\n").as_bytes())?;
    loop {
        let mut answer = message(connection)?;
        if let Some(value) = answer.get_mut("return") {
            return Ok(value.take());
        }
        // An event may come before the answer.
        if answer.get("event").is_none() {
            return Err(io::Error::other(answer.to_string()));
        }
    }
}

fn message(connection: &mut BufReader<UnixStream>) -> io::Result<Value> {
    let mut line = String::new();
    if connection.read_line(&mut line)? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(serde_json::from_str(&line)?)
}
