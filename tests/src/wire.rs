// SPDX-License-Identifier: BSD-2-Clause
//! A wire between a machine's network device and the test: Ethernet frames, without their checksums.

use std::io;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

/// The longest frame that is taken.
const LONGEST: usize = 65_550;
/// How long QEMU may take to start.
const START: Duration = Duration::from_secs(60);

/// The test's end of the wire. No frame is lost on it: whoever sends waits while the other end cannot take more.
/// A device whose driver posts no buffers takes none.
#[derive(Debug)]
pub struct Wire {
    socket: UnixDatagram,
    machine: PathBuf,
}

impl Wire {
    /// A wire from the test's end to the machine's, which QEMU makes when it starts.
    pub(crate) fn new(test: &Path, machine: &Path) -> io::Result<Self> {
        Ok(Self {
            socket: UnixDatagram::bind(test)?,
            machine: machine.into(),
        })
    }

    /// Sends a frame. Says whether the machine took it within the time.
    ///
    /// # Errors
    /// The machine is gone, or did not start.
    pub fn send(&self, frame: &[u8], limit: Duration) -> io::Result<bool> {
        self.connect()?;
        self.socket.set_write_timeout(Some(limit))?;
        match self.socket.send(frame) {
            Ok(_) => Ok(true),
            Err(error) if is_late(&error) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Takes the next frame that the machine sends, if there is one within the time.
    ///
    /// # Errors
    /// The system's, for a socket.
    pub fn receive(&self, limit: Duration) -> io::Result<Option<Vec<u8>>> {
        self.socket.set_read_timeout(Some(limit))?;
        let mut frame = vec![0; LONGEST];
        match self.socket.recv(&mut frame) {
            Ok(len) => {
                frame.truncate(len);
                Ok(Some(frame))
            }
            Err(error) if is_late(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The same wire for another thread, to send and to receive at one time.
    ///
    /// # Errors
    /// The system's, for a socket.
    pub fn try_clone(&self) -> io::Result<Self> {
        Ok(Self {
            socket: self.socket.try_clone()?,
            machine: self.machine.clone(),
        })
    }

    /// Connects the machine's end, if that is not done. A connected socket takes from nobody else.
    fn connect(&self) -> io::Result<()> {
        let deadline = Instant::now() + START;
        while self.socket.peer_addr().is_err() {
            match self.socket.connect(&self.machine) {
                Ok(()) => break,
                Err(error) if Instant::now() >= deadline => return Err(error),
                Err(_) => thread::sleep(Duration::from_millis(10)),
            }
        }
        Ok(())
    }
}

fn is_late(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
    )
}
