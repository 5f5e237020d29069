// SPDX-License-Identifier: BSD-2-Clause
//! Files of the disk: shown, put there and removed.

use alloc::{format, string::String, vec, vec::Vec};
use core::cell::Cell;

use http1::{
    Head, Length, Method, Status, Step,
    files::{self, Entry},
    site::{self, FILES},
};
use userland::{
    fs::{Dir, Error, File, Fs, Kind, Reason, Rights},
    warn,
};

use crate::connection::{Connection, End};

/// Bytes that are read from a file at a time.
const BLOCK: usize = 16 << 10;

/// The directory that a client of the server sees.
pub struct Files {
    root: Dir,
    /// Names of files that are not whole yet.
    parts: Cell<u64>,
}

/// As a client of the server is told.
fn status(error: Error) -> Status {
    match error {
        Error::Fs(reason) => match reason {
            Reason::NotFound | Reason::NotDirectory | Reason::Stale => Status::NotFound,
            Reason::NotAllowed | Reason::Escapes | Reason::ReadOnly | Reason::WrongKind => {
                Status::Forbidden
            }
            Reason::IsDirectory | Reason::NotEmpty | Reason::Exists => Status::Conflict,
            Reason::BadPath | Reason::TooManySymlinks => Status::BadRequest,
            Reason::NoSpace | Reason::TooLarge => Status::InsufficientStorage,
            Reason::TooManyOpen | Reason::TooManyBuffers | Reason::NoMemory | Reason::NoDevice => {
                Status::Unavailable
            }
            other => {
                warn!("the disk: {other}");
                Status::InternalError
            }
        },
        Error::Connect(_) | Error::Call(_) | Error::Gone => Status::Unavailable,
        other => {
            warn!("the disk: {other}");
            Status::InternalError
        }
    }
}

impl Files {
    /// What the fs guest gives to this one, behind the slot `fs`; none if there is no such slot.
    pub async fn open() -> Result<Option<Self>, Error> {
        let fs = match Fs::open("fs").await {
            Ok(fs) => fs,
            Err(Error::NoDoor) => return Ok(None),
            Err(error) => return Err(error),
        };
        let first = fs.roots().await?.into_iter().next();
        let name = first.ok_or(Error::NoRoot)?.name;
        Ok(Some(Self {
            root: fs.root(&name).await?,
            parts: Cell::new(0),
        }))
    }
}

impl Connection<'_> {
    /// Answers a request about a file.
    pub async fn file(&mut self, head: &Head, files: &Files) -> Result<(), End> {
        let Some(path) = files::path(&head.target, FILES) else {
            return self.refuse(head, Status::BadRequest).await;
        };
        let done = match head.method {
            Method::Put => return self.put(head, files, &path).await,
            Method::Delete => {
                let removed = match path.strip_suffix('/') {
                    Some(directory) => files.root.remove_dir(directory).await,
                    None => files.root.remove_file(&path).await,
                };
                // What is answered stays.
                match removed {
                    Ok(()) => files.root.sync().await.map(|()| Status::NoContent),
                    Err(error) => Err(error),
                }
            }
            _ => match self.show(head, files, &path).await {
                Ok(shown) => return shown,
                Err(error) => Err(error),
            },
        };
        match done {
            Ok(done) => self.say(head, done).await,
            Err(error) => self.refuse(head, status(error)).await,
        }
    }

    /// Sends a file, or the page of a directory. The outer result is that of the disk, before anything was sent.
    async fn show(
        &mut self,
        head: &Head,
        files: &Files,
        path: &str,
    ) -> Result<Result<(), End>, Error> {
        let stat = files.root.stat(path).await?;
        match stat.kind {
            Kind::Directory if !path.is_empty() && !path.ends_with('/') => {
                let target = head.target.split('?').next().unwrap_or_default();
                let answer = site::moved(&format!("{target}/"), head);
                Ok(self.send(answer.as_bytes()).await)
            }
            Kind::Directory => {
                let index = format!("{path}index.html");
                match files.root.open(&index).await {
                    Ok(file) => self.send_file(head, &index, &file).await,
                    Err(Error::Fs(Reason::NotFound)) => {
                        let page = list(&files.root, path).await?;
                        Ok(self.send_page(head, &page).await)
                    }
                    Err(error) => Err(error),
                }
            }
            _ => {
                let file = files.root.open(path).await?;
                self.send_file(head, path, &file).await
            }
        }
    }

    async fn send_page(&mut self, head: &Head, page: &str) -> Result<(), End> {
        let length = Length::Exactly(page.len() as u64);
        let mut answer = site::head(Status::Ok, "text/html", length, Some(head));
        if head.method != Method::Head {
            answer.push_str(page);
        }
        self.send(answer.as_bytes()).await
    }

    async fn send_file(
        &mut self,
        head: &Head,
        path: &str,
        file: &File,
    ) -> Result<Result<(), End>, Error> {
        let len = file.stat().await?.len;
        let kind = files::content_type(path);
        let answer = site::head(Status::Ok, kind, Length::Exactly(len), Some(head));
        if head.method == Method::Head {
            return Ok(self.send(answer.as_bytes()).await);
        }
        let mut bytes = vec![0; BLOCK];
        // What cannot be read is to be seen before it is said that all is well.
        let mut read = file.read_at(0, &mut bytes).await?;
        Ok(async {
            self.send(answer.as_bytes()).await?;
            self.is_answering = true;
            let mut at = 0;
            while at < len {
                let wanted = usize::try_from(len - at).unwrap_or(read).min(read);
                if wanted == 0 {
                    // It became shorter.
                    return Err(End::Lost);
                }
                self.send(bytes.get(..wanted).unwrap_or_default()).await?;
                at += wanted as u64;
                if at < len {
                    let next = file.read_at(at, &mut bytes).await;
                    read = next.map_err(|_| End::Lost)?;
                }
            }
            Ok(())
        }
        .await)
    }

    /// Puts a body into a file: whole, or not at all.
    async fn put(&mut self, head: &Head, files: &Files, path: &str) -> Result<(), End> {
        let part = format!("{path}.part{}", files.parts.get());
        files.parts.set(files.parts.get() + 1);
        let created = files.root.create(&part).await;
        let file = match created {
            Ok(file) => file,
            Err(error) => return self.refuse_body(head, status(error)).await,
        };
        if head.expects_continue && head.length != Length::None {
            self.send(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
        }
        let taken = self.take(&file).await;
        let kept = match taken {
            Ok(Ok(())) => keep(files, &file, &part, path).await,
            Ok(Err(error)) => Err(error),
            Err(end) => {
                drop(file);
                let _ = files.root.remove_file(&part).await;
                return Err(end);
            }
        };
        match kept {
            Ok(status) => self.say(head, status).await,
            Err(error) => {
                drop(file);
                let _ = files.root.remove_file(&part).await;
                self.refuse_body(head, status(error)).await
            }
        }
    }

    /// Writes what comes to a file; the inner result is that of the disk.
    async fn take(&mut self, file: &File) -> Result<Result<(), Error>, End> {
        let mut bytes = Vec::with_capacity(2 * BLOCK);
        let mut at = 0;
        loop {
            let is_end = match self.requests.step()? {
                Step::Data(data) => {
                    bytes.extend_from_slice(data);
                    false
                }
                Step::More => {
                    self.more().await?;
                    false
                }
                Step::End | Step::Request(_) => true,
            };
            if bytes.len() >= BLOCK || is_end && !bytes.is_empty() {
                if let Err(error) = file.write_at(at, &bytes).await {
                    return Ok(Err(error));
                }
                at += bytes.len() as u64;
                bytes.clear();
            }
            if is_end {
                return Ok(Ok(()));
            }
        }
    }

    /// Says what was done.
    async fn say(&mut self, head: &Head, status: Status) -> Result<(), End> {
        let length = match status {
            Status::NoContent => Length::None,
            _ => Length::Exactly(0),
        };
        let answer = site::head(status, "text/plain", length, Some(head));
        self.send(answer.as_bytes()).await
    }

    async fn refuse(&mut self, head: &Head, status: Status) -> Result<(), End> {
        let answer = site::refusal(status, Some(head));
        self.send(answer.as_bytes()).await
    }

    /// Refuses a request whose body was not read: the connection ends.
    async fn refuse_body(&mut self, head: &Head, status: Status) -> Result<(), End> {
        match head.length {
            Length::None | Length::Exactly(0) => self.refuse(head, status).await,
            _ => Err(End::Refused(status)),
        }
    }
}

/// Gives a file that is whole its name, so that it stays.
async fn keep(files: &Files, file: &File, part: &str, path: &str) -> Result<Status, Error> {
    file.sync().await?;
    let was_there = files.root.stat_link(path).await.is_ok();
    files.root.rename(part, &files.root, path).await?;
    file.sync().await?;
    Ok(match was_there {
        true => Status::NoContent,
        false => Status::Created,
    })
}

/// The page of a directory.
async fn list(root: &Dir, path: &str) -> Result<String, Error> {
    let dir = root.open_dir(path, Rights::LIST).await?;
    let mut entries = dir.entries().await?;
    let mut found = Vec::new();
    while let Some(entry) = entries.next().await? {
        found.push(Entry {
            is_directory: entry.kind == Kind::Directory,
            name: entry.name,
        });
    }
    found.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(files::page(path, &found))
}
