// SPDX-License-Identifier: BSD-2-Clause
//! Where a session is: at the console, or behind a TCP connection.

use alloc::{rc::Rc, vec::Vec};
use core::{
    cell::{Cell, RefCell},
    future::poll_fn,
    task::{Poll, Waker},
    time::Duration,
};

use atoll_abi::console::{Answer, Bytes, MAX_BYTES, MAX_MESSAGE, Mode, Reply, Request, VERSION};
use shell_line::{Heard, Telnet};
use userland::{
    net::{ReadHalf, TcpStream, WriteHalf},
    rpc::{Client, Options},
    shm::Region,
    start::Start,
    task::{JoinHandle, spawn},
    time::{sleep, timeout},
    warn,
};

use crate::failure::{Done, Failure};

/// How long to wait for the console guest, and how long before it is asked again.
const PATIENCE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(200);
/// How long a connection that is left has to take what was shown last.
const FAREWELL: Duration = Duration::from_secs(5);

/// The console guest, as this client of it knows it.
pub struct Console {
    client: Client<Request, Answer>,
}

impl Console {
    async fn ask(&self, request: &Request) -> Result<Reply, Failure> {
        Ok(self.client.call(request).await??)
    }

    /// Begins: every key is to come at once.
    async fn begin(&self) -> Done {
        self.ask(&Request::Hello { version: VERSION }).await?;
        self.ask(&Request::SetMode { mode: Mode::Raw }).await?;
        Ok(())
    }

    /// Asks, and if the console guest was started again, begins anew with that one.
    pub async fn request(&self, request: &Request) -> Result<Reply, Failure> {
        loop {
            match self.client.call(request).await {
                Ok(answer) => return Ok(answer?),
                Err(_) if !self.client.is_connected() => {}
                Err(error) => return Err(error.into()),
            }
            while self.client.reconnect().await.is_err() || self.begin().await.is_err() {
                sleep(PAUSE).await;
            }
        }
    }
}

/// A terminal.
pub struct Terminal {
    input: Input,
    output: Rc<Output>,
}

enum Input {
    Console(Rc<Console>),
    Tcp(ReadHalf, Telnet),
}

/// Where a session is shown.
pub enum Output {
    /// The console guest.
    Console(Rc<Console>),
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

impl Terminal {
    /// The console.
    pub async fn console(start: &Start, door: &Region) -> Result<Self, Failure> {
        let options = Options::named(start.name())
            .longest(MAX_MESSAGE)
            .patience(PATIENCE);
        let client = loop {
            match Client::connect(door, options.clone()).await {
                Ok(client) => break client,
                Err(error) => warn!("the console guest is not there: {error}"),
            }
        };
        let console = Rc::new(Console { client });
        console.begin().await?;
        Ok(Self {
            input: Input::Console(console.clone()),
            output: Rc::new(Output::Console(console)),
        })
    }

    /// What is behind a connection.
    pub fn tcp(stream: TcpStream) -> Self {
        let (read, write) = stream.into_split();
        Self {
            input: Input::Tcp(read, Telnet::new()),
            output: Rc::new(Output::Tcp(Outbox::new(write))),
        }
    }

    /// Where it is shown.
    pub fn output(&self) -> Rc<Output> {
        self.output.clone()
    }

    /// Waits for what it says.
    pub async fn read(&mut self) -> Vec<Said> {
        match &mut self.input {
            Input::Console(console) => match console.request(&Request::Read).await {
                Ok(Reply::Input { bytes }) => alloc::vec![Said::Typed(bytes.to_vec())],
                other => {
                    if let Err(failure) = other {
                        warn!("the console: {failure}");
                    }
                    sleep(PAUSE).await;
                    Vec::new()
                }
            },
            Input::Tcp(read, telnet) => {
                let mut bytes = [0; 256];
                let len = read.read(&mut bytes).await.unwrap_or(0);
                if len == 0 {
                    return alloc::vec![Said::Gone];
                }
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
            Self::Console(console) => {
                for piece in pieces(bytes) {
                    let bytes = Bytes::from_slice(piece).unwrap_or_default();
                    console.request(&Request::Write { bytes }).await?;
                }
                Ok(())
            }
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
    pub fn console(&self) -> Option<&Console> {
        match self {
            Self::Console(console) => Some(console),
            Self::Tcp(_) => None,
        }
    }
}

/// Pieces that fit into a request, cut where a character ends.
fn pieces(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = bytes;
    core::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let mut len = rest.len().min(MAX_BYTES);
        if len < rest.len() {
            let is_inside = |len: usize| rest.get(len).is_some_and(|byte| byte & 0xc0 == 0x80);
            let end = (len.saturating_sub(3)..=len)
                .rev()
                .find(|len| !is_inside(*len));
            len = end.filter(|end| *end > 0).unwrap_or(len);
        }
        let (piece, others) = rest.split_at_checked(len)?;
        rest = others;
        Some(piece)
    })
}

/// What is on its way to a connection. A task of its own sends it: whoever writes may be cancelled at any time, and
/// the connection goes on.
pub struct Outbox {
    bytes: RefCell<Vec<u8>>,
    sender: RefCell<Option<Waker>>,
    writers: RefCell<Vec<Waker>>,
    /// Bytes were taken from here that the connection has not taken yet.
    sending: Cell<bool>,
    /// What sends.
    task: Cell<Option<JoinHandle<()>>>,
    /// The connection is gone.
    broken: Cell<bool>,
}

/// Bytes that wait to be sent, from which on writers wait.
const MAX_WAITING: usize = 16 << 10;

impl Outbox {
    fn new(write: WriteHalf) -> Rc<Self> {
        let outbox = Rc::new(Self {
            bytes: RefCell::default(),
            sender: RefCell::default(),
            writers: RefCell::default(),
            sending: Cell::new(false),
            task: Cell::default(),
            broken: Cell::new(false),
        });
        let task = spawn(Self::send(Rc::downgrade(&outbox), write));
        outbox.task.set(Some(task));
        outbox
    }

    /// Sends what there is, until nobody can add to it any more.
    async fn send(outbox: alloc::rc::Weak<Self>, mut write: WriteHalf) {
        loop {
            let bytes = poll_fn(|cx| match outbox.upgrade() {
                None => Poll::Ready(Vec::new()),
                Some(outbox) => {
                    let bytes = core::mem::take(&mut *outbox.bytes.borrow_mut());
                    if bytes.is_empty() {
                        *outbox.sender.borrow_mut() = Some(cx.waker().clone());
                        return Poll::Pending;
                    }
                    outbox.sending.set(true);
                    Poll::Ready(bytes)
                }
            })
            .await;
            if bytes.is_empty() {
                break;
            }
            let sent = write.write_all(&bytes).await;
            let Some(outbox) = outbox.upgrade() else {
                break;
            };
            outbox.sending.set(false);
            outbox.broken.set(sent.is_err());
            let waiting = core::mem::take(&mut *outbox.writers.borrow_mut());
            waiting.into_iter().for_each(Waker::wake);
            if sent.is_err() {
                return;
            }
        }
        write.shutdown();
    }

    /// Waits until all is sent. Of somebody who does not take it the connection ends.
    async fn finish(&self) {
        let sent = poll_fn(|cx| {
            let is_sent = self.bytes.borrow().is_empty() && !self.sending.get();
            if is_sent || self.broken.get() {
                return Poll::Ready(());
            }
            self.writers.borrow_mut().push(cx.waker().clone());
            Poll::Pending
        });
        if timeout(FAREWELL, sent).await.is_err()
            && let Some(task) = self.task.take()
        {
            task.cancel();
        }
    }

    /// Adds bytes, when there is room.
    async fn put(&self, bytes: &[u8]) -> Done {
        poll_fn(|cx| {
            if self.broken.get() {
                return Poll::Ready(Err(Failure::Unread));
            }
            let mut waiting = self.bytes.borrow_mut();
            if waiting.len() < MAX_WAITING {
                waiting.extend_from_slice(bytes);
                let sender = self.sender.borrow_mut().take();
                if let Some(sender) = sender {
                    sender.wake();
                }
                return Poll::Ready(Ok(()));
            }
            self.writers.borrow_mut().push(cx.waker().clone());
            Poll::Pending
        })
        .await
    }
}

impl Drop for Outbox {
    fn drop(&mut self) {
        // It finds that nobody can add anything.
        let sender = self.sender.borrow_mut().take();
        if let Some(sender) = sender {
            sender.wake();
        }
    }
}
