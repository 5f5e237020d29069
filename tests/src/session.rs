// SPDX-License-Identifier: BSD-2-Clause
//! A user at the shell: types lines, and reads what comes back.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::machine::{LIMIT, Machine};

/// What the shell's prompt ends with when nothing is typed behind it: then the row is cleared.
const PROMPT: &str = "> \u{1b}[K";

/// Columns of a terminal behind a connection: each line is in one row, whole.
const COLUMNS: u16 = 500;
/// Columns at the serial line, where nobody says how many there are.
const SERIAL_COLUMNS: u16 = 80;

/// Where a user sits.
#[derive(Debug)]
pub enum Seat<'a> {
    /// At the serial line, where lines of the log come between.
    Serial(&'a Machine),
    /// Behind a connection.
    Tcp(Connection),
}

/// A connection with a session, and all that came from it.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    heard: Arc<Mutex<Heard>>,
}

/// What came from a connection.
#[derive(Debug, Default)]
struct Heard {
    text: String,
    /// Nothing more comes.
    over: bool,
}

impl Connection {
    /// Connects to this port of the host.
    ///
    /// # Panics
    /// Nobody listens there.
    #[track_caller]
    pub fn new(port: u16) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).expect("somebody who listens");
        let heard = Arc::new(Mutex::new(Heard::default()));
        let mut reader = stream.try_clone().expect("a second handle");
        let hears = heard.clone();
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(len @ 1..) = reader.read(&mut bytes) {
                let more = String::from_utf8_lossy(&bytes[..len]).replace('\r', "");
                hears.lock().expect("no panic").text.push_str(&more);
            }
            hears.lock().expect("no panic").over = true;
        });
        Self { stream, heard }
    }
}

/// A user, and how much of what came back he has read.
#[derive(Debug)]
pub struct User<'a> {
    seat: Seat<'a>,
    read: usize,
}

impl<'a> User<'a> {
    /// Sits down where the shell waits for a line.
    #[track_caller]
    pub fn new(seat: Seat<'a>) -> Self {
        let mut user = Self { seat, read: 0 };
        if let Seat::Tcp(_) = &user.seat {
            // RFC 1073.
            let [high, low] = COLUMNS.to_be_bytes();
            user.types(&[255, 250, 31, high, low, 0, 50, 255, 240]);
        }
        user.until("the first prompt", |text| {
            text.find(PROMPT).map(|at| at + PROMPT.len())
        });
        user
    }

    /// Sits down wherever it is.
    pub const fn here(seat: Seat<'a>) -> Self {
        Self { seat, read: 0 }
    }

    /// Somebody behind a connection with something else than a shell.
    #[track_caller]
    pub fn new_connection(port: u16) -> User<'static> {
        User {
            seat: Seat::Tcp(Connection::new(port)),
            read: 0,
        }
    }

    /// All that came so far.
    pub fn text(&self) -> String {
        match &self.seat {
            Seat::Serial(machine) => machine.text(),
            Seat::Tcp(connection) => connection.heard.lock().expect("no panic").text.clone(),
        }
    }

    /// Types these bytes.
    #[track_caller]
    pub fn types(&mut self, bytes: &[u8]) {
        match &mut self.seat {
            Seat::Serial(machine) => {
                // Ctrl-A is QEMU's own, unless it is typed twice.
                let twice = |byte: &u8| std::iter::repeat_n(*byte, 1 + usize::from(*byte == 1));
                let keys: Vec<u8> = bytes.iter().flat_map(twice).collect();
                machine.type_keys(&keys);
            }
            Seat::Tcp(connection) => connection.stream.write_all(bytes).expect("a session"),
        }
    }

    /// Waits until `look` finds where something ends in what was not read; answers that, and has read it then.
    ///
    /// # Panics
    /// It does not come.
    #[track_caller]
    pub fn until(&mut self, what: &str, look: impl Fn(&str) -> Option<usize>) -> String {
        let read = self.read;
        let find = |text: &str| {
            let rest = text.get(read..)?;
            look(rest).map(|end| rest[..end].to_owned())
        };
        let found = match &self.seat {
            Seat::Serial(machine) => machine.wait(what, LIMIT, find).ok(),
            Seat::Tcp(connection) => {
                let deadline = Instant::now() + LIMIT;
                loop {
                    let heard = connection.heard.lock().expect("no panic");
                    let found = find(&heard.text);
                    if found.is_some() || heard.over || Instant::now() > deadline {
                        break found;
                    }
                    drop(heard);
                    std::thread::sleep(Duration::from_millis(5));
                }
            }
        };
        let rest = || self.text().get(read..).unwrap_or_default().to_owned();
        let found = found.unwrap_or_else(|| panic!("no {what} in {:?}", rest()));
        self.read += found.len();
        found
    }

    /// Waits for a text; answers what came with it.
    #[track_caller]
    pub fn sees(&mut self, wanted: &str) -> String {
        self.until(wanted, |text| text.find(wanted).map(|at| at + wanted.len()))
    }

    /// Waits until the shell waits for a line; answers what came before.
    #[track_caller]
    pub fn prompt(&mut self) -> String {
        let text = self.sees(PROMPT);
        let end = text.rfind('\n').map_or(0, |end| end + 1);
        text[..end].to_owned()
    }

    /// Has a line done; answers what came of it.
    #[track_caller]
    pub fn run(&mut self, line: &str) -> String {
        self.types(line.as_bytes());
        self.enters(line)
    }

    /// Has the line done that is this one by now; answers what came of it.
    #[track_caller]
    pub fn enters(&mut self, line: &str) -> String {
        self.types(b"\r");
        let columns = match &self.seat {
            Seat::Serial(_) => SERIAL_COLUMNS,
            Seat::Tcp(_) => COLUMNS,
        };
        // The prompt behind this: one that was there before may be shown again, when a line of the log came.
        self.until(line, |text| end_of_echo(text, line, columns.into()));
        self.prompt()
    }

    /// Has a line done, and looks for these texts in what comes of it.
    ///
    /// # Panics
    /// One is missing.
    #[track_caller]
    pub fn expect(&mut self, line: &str, wanted: &[&str]) -> String {
        let shown = self.run(line);
        for wanted in wanted {
            assert!(
                shown.contains(wanted),
                "no `{wanted}` in what `{line}` shows:\n{shown}"
            );
        }
        shown
    }
}

/// Where the row ends in which a line is left on the screen, behind a prompt and as far as there is room.
fn end_of_echo(text: &str, line: &str, columns: usize) -> Option<usize> {
    text.match_indices("C\n").find_map(|(at, end)| {
        // The cursor is at the begin of the line, behind the prompt.
        let (row, prompt) = text[..at].rsplit_once("\u{1b}[K\u{1b}[")?;
        let room = columns.checked_sub(prompt.parse::<usize>().ok()? + 1)?;
        let shown: String = line.chars().take(room).collect();
        let is_it = row.ends_with(&format!("> {shown}"));
        is_it.then_some(at + end.len())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_left_on_the_screen() {
        let text = "a:/> ps\u{1b}[K\u{1b}[5C";
        assert_eq!(end_of_echo(text, "ps", 80), None);
        let text = format!("{text}\nmore");
        assert_eq!(end_of_echo(&text, "ps", 80), Some(text.len() - 4));
        assert_eq!(end_of_echo(&text, "caps", 80), None);
    }

    #[test]
    fn a_long_line_has_no_room() {
        let text = "a:/> long l\u{1b}[K\u{1b}[5C\n";
        assert_eq!(end_of_echo(text, "long line", 12), Some(text.len()));
        assert_eq!(end_of_echo(text, "long line", 80), None);
    }
}
