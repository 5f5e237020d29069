// SPDX-License-Identifier: BSD-2-Clause
//! The console guest, as a client reaches it.

use alloc::{rc::Rc, vec::Vec};
use core::{
    cell::{Cell, RefCell},
    fmt,
    time::Duration,
};

pub use atoll_abi::console::{Error as Reason, Mode, SWITCH, Status, VIEW};
use atoll_abi::{
    console::{Answer, Bytes, MAX_BYTES, MAX_MESSAGE, Reply, Request, VERSION},
    message::Name,
};

use console_row::Row;

use crate::{
    Level,
    rpc::{self, CallError, Client, ConnectError},
    shm::Region,
    start::Start,
};

/// How long a console guest that ended gets to be there again.
const PATIENCE: Duration = Duration::from_secs(30);

/// Why the console cannot be used.
///
/// ```
/// use userland::console::{Error, Reason};
///
/// /// Whether somebody else would have been allowed to.
/// fn is_refusal(error: Error) -> bool {
///     error == Error::Refused(Reason::NotAllowed)
/// }
/// # assert!(!is_refusal(Error::NoDoor));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// This guest has no channel of this name.
    NoDoor,
    /// There is no console guest.
    Connect(ConnectError),
    /// The call came to nothing.
    Call(CallError),
    /// The console guest says no.
    Refused(Reason),
    /// It answers something else than was asked.
    Unexpected,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoDoor => f.write_str("this guest has no channel with the console guest"),
            Self::Connect(error) => write!(f, "the console guest: {error}"),
            Self::Call(error) => write!(f, "the console guest: {error}"),
            Self::Refused(reason) => reason.fmt(f),
            Self::Unexpected => f.write_str("the console guest answers something else"),
        }
    }
}

impl core::error::Error for Error {}

impl From<ConnectError> for Error {
    fn from(error: ConnectError) -> Self {
        Self::Connect(error)
    }
}

/// A terminal: this guest's part of the console. A clone is the same. Needs the grants `shared_memory`, `wake` and
/// `time`.
///
/// When the console guest is started again, calls that are under way go on with the next one: it is told the mode
/// again, and the line that this guest had not finished. What was written at that moment may be shown twice. What was
/// typed comes once, if the console guest can keep it (see `docs/console.md`).
///
/// ```no_run
/// use userland::console::{Error, Terminal};
///
/// async fn greet() -> Result<(), Error> {
///     let terminal = Terminal::open("console_door").await?;
///     terminal.write("Who is there? ").await?;
///     while let Some(line) = terminal.read_line().await? {
///         terminal.write(&format!("Hello {}\n", String::from_utf8_lossy(&line))).await?;
///     }
///     Ok(())
/// }
/// ```
#[derive(Clone)]
pub struct Terminal {
    shared: Rc<Shared>,
}

struct Shared {
    client: Client<Request, Answer>,
    mode: Cell<Mode>,
    /// What was written behind the last end of a line.
    row: RefCell<Row>,
    /// The number of the last piece of input that has come; none: it is the first console guest that says what was.
    taken: Cell<Option<u64>>,
    /// Counts the connections with the console guest: what it was told before, it does not know any more.
    connection: Cell<u32>,
    /// The one that has begun with a greeting, and knows the mode; and the one that knows the line.
    greeted: Cell<Option<u32>>,
    redrawn: Cell<Option<u32>>,
    name: RefCell<Name>,
}

impl Terminal {
    /// Connects to the console guest: this guest's slot of this name is a channel with it. See the example of
    /// [`Terminal`].
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn open(slot: &str) -> Result<Self, Error> {
        let start = Start::read().map_err(|_| Error::NoDoor)?;
        let door = start.region(slot).ok_or(Error::NoDoor)?;
        Self::at(&door, start.name()).await
    }

    /// Connects to the console guest through this channel, under this name.
    ///
    /// ```no_run
    /// use userland::{console::{Error, Terminal}, start::Start};
    ///
    /// async fn open(start: &Start) -> Result<Terminal, Error> {
    ///     let door = start.region("console_door").ok_or(Error::NoDoor)?;
    ///     Terminal::at(&door, start.name()).await
    /// }
    /// ```
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn at(door: &Region, name: &str) -> Result<Self, Error> {
        let options = rpc::Options::named(name)
            .longest(MAX_MESSAGE)
            .patience(PATIENCE);
        let terminal = Self::over(Client::connect(door, options).await?);
        terminal.ready().await?;
        Ok(terminal)
    }

    /// With this connection.
    fn over(client: Client<Request, Answer>) -> Self {
        Self {
            shared: Rc::new(Shared {
                client,
                mode: Cell::default(),
                row: RefCell::default(),
                taken: Cell::new(None),
                connection: Cell::new(0),
                greeted: Cell::new(None),
                redrawn: Cell::new(None),
                name: RefCell::default(),
            }),
        }
    }

    /// What the console guest calls this one: the name of its own slot.
    ///
    /// ```no_run
    /// # use userland::console::Terminal;
    /// async fn is_in_front(terminal: &Terminal) -> bool {
    ///     let status = terminal.status().await;
    ///     status.is_ok_and(|it| it.foreground.as_deref() == Some(terminal.name().as_str()))
    /// }
    /// ```
    pub fn name(&self) -> Name {
        self.shared.name.borrow().clone()
    }

    /// Writes; returns when it is at the device. UTF-8 and, in the foreground, the sequences of a VT100.
    /// In the background, lines are shown when they are whole. See the example of [`Terminal`].
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn write(&self, bytes: impl AsRef<[u8]>) -> Result<(), Error> {
        for part in parts(bytes.as_ref()) {
            let request = Request::Write {
                bytes: Bytes::from_slice(part).unwrap_or_default(),
            };
            self.ask_for_done(&request).await?;
            self.shared.row.borrow_mut().extend(part);
        }
        Ok(())
    }

    /// Waits for input: in lines one with its newline, raw what has come. None: the end of the input, Ctrl-D on an empty
    /// line. Ctrl-C gives the line up, and comes as the byte 3 by itself. One at a time.
    ///
    /// ```no_run
    /// use userland::console::{Error, Mode, Terminal};
    ///
    /// /// Waits for any key.
    /// async fn pause(terminal: &Terminal) -> Result<(), Error> {
    ///     terminal.set_mode(Mode::Raw).await?;
    ///     terminal.write("-- more --").await?;
    ///     terminal.read().await?;
    ///     terminal.set_mode(Mode::Line).await
    /// }
    /// ```
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn read(&self) -> Result<Option<Bytes>, Error> {
        let shared = &*self.shared;
        loop {
            self.ready().await?;
            let after = shared.taken.get().unwrap_or_default();
            let reply = match self.say(&Request::Read { after }).await {
                Err(Error::Call(CallError::Disconnected)) => continue,
                other => other?,
            };
            let Reply::Input { number, bytes } = reply else {
                return Err(Error::Unexpected);
            };
            shared.taken.set(Some(number));
            if shared.mode.get() == Mode::Line {
                shared.row.borrow_mut().clear();
            }
            return Ok(Some(bytes).filter(|bytes| !bytes.is_empty()));
        }
    }

    /// Waits for a line, and takes its newline off. None: the end of the input, or Ctrl-C. See the example of
    /// [`Terminal`].
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn read_line(&self) -> Result<Option<Vec<u8>>, Error> {
        let line = self.read().await?.filter(|line| line[..] != [3]);
        Ok(line.map(|line| line.strip_suffix(b"\n").unwrap_or(&line).to_vec()))
    }

    /// Sets how input comes. See the example of [`Terminal::read`].
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn set_mode(&self, mode: Mode) -> Result<(), Error> {
        self.shared.mode.set(mode);
        self.ask_for_done(&Request::SetMode { mode }).await
    }

    /// Puts a client into the foreground, by its name for the console guest; none: this one.
    ///
    /// ```no_run
    /// # use userland::console::{Error, Terminal};
    /// async fn hand_over(terminal: &Terminal) -> Result<(), Error> {
    ///     terminal.foreground(Some("top")).await
    /// }
    /// ```
    ///
    /// # Errors
    /// [`Reason::NotAllowed`], [`Reason::NoClient`]; see [`Error`].
    pub async fn foreground(&self, client: Option<&str>) -> Result<(), Error> {
        let client = client.map(name).transpose()?;
        self.ask_for_done(&Request::Foreground { client }).await
    }

    /// Says which lines of the log are shown: those at least as urgent, none for none; of one process, or of all.
    ///
    /// ```no_run
    /// # use userland::{Level, console::{Error, Terminal}};
    /// async fn only_what_is_wrong(terminal: &Terminal) -> Result<(), Error> {
    ///     terminal.view(Some(Level::Warn), None).await
    /// }
    /// ```
    ///
    /// # Errors
    /// [`Reason::NotAllowed`]; see [`Error`].
    pub async fn view(&self, level: Option<Level>, process: Option<&str>) -> Result<(), Error> {
        let process = process.map(name).transpose()?;
        self.ask_for_done(&Request::View { level, process }).await
    }

    /// How things are.
    ///
    /// ```no_run
    /// # use userland::{console::{Error, Terminal}, info};
    /// async fn show(terminal: &Terminal) -> Result<(), Error> {
    ///     info!("{:?}", terminal.status().await?.clients);
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn status(&self) -> Result<Status, Error> {
        match self.ask(&Request::Status).await? {
            Reply::Status(status) => Ok(status),
            _ => Err(Error::Unexpected),
        }
    }

    async fn ask_for_done(&self, request: &Request) -> Result<(), Error> {
        match self.ask(request).await? {
            Reply::Done => Ok(()),
            _ => Err(Error::Unexpected),
        }
    }

    /// Asks the console guest that there is, until there is an answer.
    async fn ask(&self, request: &Request) -> Result<Reply, Error> {
        loop {
            self.ready().await?;
            match self.say(request).await {
                Err(Error::Call(CallError::Disconnected)) => {}
                other => return other,
            }
        }
    }

    /// Sees to it that there is a connection, and that it knows what one before it was told.
    async fn ready(&self) -> Result<(), Error> {
        let shared = &*self.shared;
        loop {
            if !shared.client.is_connected() {
                // Whoever waits for the connection has counted before it is there.
                shared
                    .connection
                    .set(shared.connection.get().wrapping_add(1));
                shared.client.reconnect().await?;
            }
            let connection = shared.connection.get();
            if shared.greeted.get() == Some(connection) {
                return Ok(());
            }
            match self.greet(connection).await {
                Ok(()) => {
                    shared.greeted.set(Some(connection));
                    return Ok(());
                }
                Err(Error::Call(CallError::Disconnected)) => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Several tasks may do so at once.
    async fn greet(&self, connection: u32) -> Result<(), Error> {
        let shared = &*self.shared;
        let hello = Request::Hello { version: VERSION };
        let Reply::Welcome { name, given } = self.say(&hello).await? else {
            return Err(Error::Unexpected);
        };
        *shared.name.borrow_mut() = name;
        if shared.taken.get().is_none() {
            shared.taken.set(Some(given));
        }
        let mode = shared.mode.get();
        self.say(&Request::SetMode { mode }).await?;
        if shared.redrawn.replace(Some(connection)) != Some(connection) {
            // Half a row is worse than none.
            let row = Some(shared.row.borrow().clone()).filter(|row| !row.is_cut());
            let row = row.unwrap_or_default();
            let bytes = Bytes::from_slice(row.bytes()).unwrap_or_default();
            self.say(&Request::Write { bytes }).await?;
        }
        Ok(())
    }

    async fn say(&self, request: &Request) -> Result<Reply, Error> {
        let answer = self.shared.client.call(request).await;
        answer.map_err(Error::Call)?.map_err(Error::Refused)
    }
}

/// Parts that fit into a request, cut where a character ends, if there are characters.
fn parts(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = bytes;
    core::iter::from_fn(move || {
        let mut len = rest.len().min(MAX_BYTES);
        // A character has at most four bytes.
        for end in (len.saturating_sub(3)..=len).rev() {
            let is_inside = rest.get(end).is_some_and(|byte| byte & 0xc0 == 0x80);
            if !is_inside && end > 0 {
                len = end;
                break;
            }
        }
        let (part, others) = rest.split_at_checked(len)?;
        rest = others;
        Some(part).filter(|part| !part.is_empty())
    })
}

/// A name of a client or a process.
fn name(text: &str) -> Result<Name, Error> {
    Name::try_from(text).map_err(|_| Error::Refused(Reason::NoClient))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_cut_between_characters() {
        let lens = |text: &[u8]| parts(text).map(<[u8]>::len).collect::<Vec<_>>();
        assert_eq!(lens(b""), []);
        assert_eq!(lens(&[b'x'; MAX_BYTES]), [MAX_BYTES]);
        assert_eq!(lens(&[b'x'; MAX_BYTES + 1]), [MAX_BYTES, 1]);
        for before in 0..4 {
            let text = alloc::format!("{}{}", "x".repeat(before), "\u{1f40c}".repeat(600));
            let all: Vec<_> = parts(text.as_bytes()).collect();
            assert!(
                all.iter().all(|part| str::from_utf8(part).is_ok()),
                "{before}"
            );
            assert_eq!(all.concat(), text.as_bytes());
        }
        // What is no text is cut anywhere.
        assert_eq!(lens(&[0x80; MAX_BYTES + 1]), [MAX_BYTES, 1]);
    }
}
