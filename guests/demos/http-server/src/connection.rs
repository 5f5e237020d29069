// SPDX-License-Identifier: BSD-2-Clause
//! One connection: request and answer, one after the other.

use alloc::{format, vec};
use core::time::Duration;

use http1::{
    Head, Length, Limits, Method, Requests, Status, Step,
    site::{self, Answer, PERIOD},
};
use userland::{
    debug,
    net::{Error, TcpStream},
    time::timeout,
};

use crate::{files::Files, visitors::Visitors};

/// What is taken from a client.
const LIMITS: Limits = Limits {
    head: 8 << 10,
    body: 256 << 20,
};

/// Requests of one connection.
const MAX_REQUESTS: u32 = 10_000;

/// How long a client may let the server wait: for a request that it has begun, for the next bytes of a body, and for
/// reading what it asked for.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long a connection stays open without a request.
const IDLE: Duration = Duration::from_secs(120);

/// The bytes of `/bytes/`, and enough of them to begin at any.
const BYTES: [u8; PERIOD + BLOCK] = {
    let mut bytes = [0; PERIOD + BLOCK];
    let mut at = 0;
    while at < bytes.len() {
        bytes[at] = (at % PERIOD) as u8;
        at += 1;
    }
    bytes
};

/// Bytes that are written at a time.
const BLOCK: usize = 4 << 10;

/// Why a connection ends.
pub enum End {
    /// The client has nothing more to ask, or does not hear the answer.
    Quiet,
    /// It asked for something that is answered with this, and with the end.
    Refused(Status),
    /// It is gone, or too slow.
    Lost,
}

impl From<Status> for End {
    fn from(status: Status) -> Self {
        Self::Refused(status)
    }
}

impl From<Error> for End {
    fn from(_: Error) -> Self {
        Self::Lost
    }
}

/// Serves a client until it leaves.
pub async fn serve(stream: TcpStream, visitors: &Visitors, files: Option<&Files>) {
    let peer = stream.peer_addr();
    let mut connection = Connection {
        stream,
        requests: Requests::new(LIMITS),
        visitors,
        files,
        is_answering: false,
    };
    let end = connection.run().await;
    let closed = match end {
        End::Refused(status) if !connection.is_answering => {
            debug!("{peer}: {status}");
            // What the client sends still, the net guest drops.
            let _ = connection
                .send(site::refusal(status, None).as_bytes())
                .await;
            connection.stream.close().await
        }
        End::Quiet => connection.stream.close().await,
        // Half an answer is not to look like a whole one.
        End::Refused(_) | End::Lost => connection.stream.abort().await,
    };
    if let Err(error) = closed {
        debug!("{peer}: {error}");
    }
}

pub struct Connection<'a> {
    stream: TcpStream,
    pub requests: Requests,
    visitors: &'a Visitors,
    files: Option<&'a Files>,
    /// The head of an answer is sent, and its body not yet.
    pub is_answering: bool,
}

impl Connection<'_> {
    async fn run(&mut self) -> End {
        for count in 1..=MAX_REQUESTS {
            match self.next(count == MAX_REQUESTS).await {
                Ok(true) => {}
                Ok(false) => return End::Quiet,
                Err(end) => return end,
            }
        }
        End::Quiet
    }

    /// Answers the next request; whether there may be another one.
    async fn next(&mut self, is_last: bool) -> Result<bool, End> {
        let mut head = self.head().await?;
        head.keeps_alive &= !is_last;
        self.visitors.count();
        match site::route(&head) {
            Answer::Echo => self.echo(&head).await?,
            Answer::File if head.method == Method::Put && self.files.is_some() => {
                self.answer(&head, Answer::File).await?;
            }
            answer => {
                if head.length != Length::None && matches!(answer, Answer::Refusal(_)) {
                    // Not to take all of what is not wanted.
                    head.keeps_alive = false;
                } else {
                    while self.piece().await? {}
                }
                self.answer(&head, answer).await?;
            }
        }
        self.is_answering = false;
        Ok(head.keeps_alive)
    }

    /// The next request.
    async fn head(&mut self) -> Result<Head, End> {
        loop {
            match self.requests.step()? {
                Step::Request(head) => return Ok(head),
                Step::More => {
                    let is_idle = self.requests.is_idle();
                    let patience = if is_idle { IDLE } else { PATIENCE };
                    match timeout(patience, self.fill()).await {
                        Ok(Ok(true)) => {}
                        // It has left; half a request is no matter.
                        Ok(Ok(false)) => return Err(End::Quiet),
                        Ok(Err(end)) => return Err(end),
                        Err(_) if is_idle => return Err(End::Quiet),
                        Err(_) => return Err(Status::RequestTimeout.into()),
                    }
                }
                // Of the request before, which has been read to its end.
                Step::Data(_) | Step::End => {}
            }
        }
    }

    /// Reads over the next piece of a body; whether there was one.
    async fn piece(&mut self) -> Result<bool, End> {
        loop {
            match self.requests.step()? {
                Step::Data(_) => return Ok(true),
                Step::End | Step::Request(_) => return Ok(false),
                Step::More => self.more().await?,
            }
        }
    }

    /// Waits for more of a body.
    pub async fn more(&mut self) -> Result<(), End> {
        match timeout(PATIENCE, self.fill()).await {
            Ok(Ok(true)) => Ok(()),
            Ok(Ok(false)) => Err(End::Lost),
            Ok(Err(end)) => Err(end),
            Err(_) => Err(Status::RequestTimeout.into()),
        }
    }

    /// Takes what has come; whether there was more.
    async fn fill(&mut self) -> Result<bool, End> {
        let room = self.requests.room();
        let Some(chunk) = self.stream.chunk().await? else {
            return Ok(false);
        };
        let mut bytes = vec![0; room.min(chunk.len() as usize)];
        // There are as many.
        let _ = chunk.read_at(0, &mut bytes);
        chunk.consume(bytes.len() as u32);
        self.requests.feed(&bytes);
        Ok(true)
    }

    /// Sends all of this, to a client that reads it.
    pub async fn send(&mut self, bytes: &[u8]) -> Result<(), End> {
        send(&mut self.stream, bytes).await
    }

    async fn answer(&mut self, head: &Head, answer: Answer) -> Result<(), End> {
        let has_body = head.method != Method::Head;
        match answer {
            Answer::Page => {
                let page = self.visitors.page();
                let length = Length::Exactly(page.len() as u64);
                let mut answer = site::head(Status::Ok, "text/html", length, Some(head));
                if has_body {
                    answer.push_str(&page);
                }
                self.send(answer.as_bytes()).await
            }
            Answer::Bytes(count) => {
                let length = Length::Exactly(count);
                let kind = "application/octet-stream";
                let answer = site::head(Status::Ok, kind, length, Some(head));
                self.send(answer.as_bytes()).await?;
                self.is_answering = true;
                if has_body {
                    self.bytes(count).await?;
                }
                Ok(())
            }
            Answer::Refusal(status) => {
                let answer = site::refusal(status, Some(head));
                self.send(answer.as_bytes()).await
            }
            Answer::File => match self.files {
                Some(files) => self.file(head, files).await,
                None => {
                    let answer = site::refusal(Status::NotFound, Some(head));
                    self.send(answer.as_bytes()).await
                }
            },
            Answer::Echo => Ok(()),
        }
    }

    /// Writes bytes where the net guest reads them.
    async fn bytes(&mut self, count: u64) -> Result<(), End> {
        let mut at = 0;
        while at < count {
            let wanted = u32::try_from(count - at)
                .unwrap_or(u32::MAX)
                .min(BLOCK as u32);
            let room = timeout(PATIENCE, self.stream.reserve(wanted)).await;
            let mut room = room.map_err(|_| End::Lost)??;
            let phase = (at % PERIOD as u64) as usize;
            let bytes = BYTES.get(phase..phase + room.len() as usize);
            // It is as long: no more was asked for than there is.
            let _ = room.write(0, bytes.unwrap_or_default());
            at += u64::from(room.len());
            room.commit();
        }
        Ok(())
    }

    /// Sends a body back while it comes.
    async fn echo(&mut self, head: &Head) -> Result<(), End> {
        if head.expects_continue && head.length != Length::None {
            self.send(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
        }
        let length = match head.length {
            Length::None => Length::Exactly(0),
            length => length,
        };
        let answer = site::head(Status::Ok, "application/octet-stream", length, Some(head));
        let mut answer = Some(answer);
        let is_chunked = length == Length::Chunked;
        loop {
            // The answer begins with the first bytes: what is wrong with the request may show before.
            match self.requests.step()? {
                Step::Data(bytes) => {
                    if let Some(answer) = answer.take() {
                        send(&mut self.stream, answer.as_bytes()).await?;
                        self.is_answering = true;
                    }
                    if is_chunked {
                        let line = format!("{:x}\r\n", bytes.len());
                        send(&mut self.stream, line.as_bytes()).await?;
                    }
                    send(&mut self.stream, bytes).await?;
                    if is_chunked {
                        send(&mut self.stream, b"\r\n").await?;
                    }
                }
                Step::More => self.more().await?,
                Step::End | Step::Request(_) => break,
            }
        }
        if let Some(answer) = answer {
            self.send(answer.as_bytes()).await?;
        }
        if is_chunked {
            self.send(b"0\r\n\r\n").await?;
        }
        Ok(())
    }
}

/// Sends all of this, to a client that reads it.
async fn send(stream: &mut TcpStream, bytes: &[u8]) -> Result<(), End> {
    let mut rest = bytes;
    while !rest.is_empty() {
        let written = timeout(PATIENCE, stream.write(rest)).await;
        let written = written.map_err(|_| End::Lost)??;
        rest = rest.get(written..).unwrap_or_default();
    }
    Ok(())
}
