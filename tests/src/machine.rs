// SPDX-License-Identifier: BSD-2-Clause
//! A machine in QEMU.
//!
//! It ends with its [`Machine`], however a test ends, and when the test's process or thread is killed.
//! A test that fails prints what the machine has printed.

use std::io::{self, Read, Write as _};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use thiserror::Error;

use crate::console::{Console, WaitError};
use crate::devices::{Devices, Ends, Forward};
use crate::pattern;
use crate::wire::Wire;

/// The emulator, from Debian's package `qemu-system-arm`.
const QEMU: &str = "qemu-system-aarch64";
/// Where its memory begins.
const RAM: u64 = 0x4000_0000;
/// Machines at one time: each keeps a processor of the host busy.
const MAX_MACHINES: usize = 2;

/// How long to wait for what must come, in seconds: only who waits in vain waits as long, so it is enough for a
/// host that is many times slower than a developer's.
pub const SECONDS: u64 = 900;
/// The same.
pub const LIMIT: Duration = Duration::from_secs(SECONDS);

/// What machine to make.
#[derive(Clone, Debug)]
pub struct Config {
    /// Memory, as QEMU's `-m`.
    pub memory: &'static str,
    /// Processor, as QEMU's `-cpu`.
    pub cpu: &'static str,
    /// Count instructions for time: every run is the same, to the instruction, and nobody waits for
    /// a machine that sleeps.
    pub counted: bool,
    /// With `counted`: while it sleeps, as much time goes by as for everybody else. What comes from outside is
    /// not late then, and no run is like another.
    pub waits: bool,
    /// Lets user programs end the machine, with an exit status.
    pub semihosting: bool,
    /// What it has beside processor and memory.
    pub devices: Devices,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            memory: "512M",
            cpu: "cortex-a57",
            counted: false,
            waits: false,
            semihosting: false,
            devices: Devices::default(),
        }
    }
}

impl Config {
    fn memory_bytes(&self) -> u64 {
        let digits = self.memory.trim_end_matches(char::is_alphabetic);
        let number: u64 = digits.parse().expect("a size, as 512M or 1G");
        match self.memory.strip_prefix(digits) {
            Some("G") => number << 30,
            _ => number << 20,
        }
    }

    /// QEMU's arguments, but for devices.
    fn arguments(&self, image: &Path) -> Vec<String> {
        let mut line: Vec<String> = ["-machine", "virt", "-cpu", self.cpu, "-m", self.memory]
            .map(String::from)
            .into();
        line.extend(["-nographic", "-no-reboot"].map(String::from));
        if self.counted {
            let sleep = if self.waits { "on" } else { "off" };
            line.extend(["-icount".into(), format!("shift=0,sleep={sleep}")]);
        }
        if self.semihosting {
            let options = "enable=on,target=native,userspace=on";
            line.extend(["-semihosting-config", options].map(String::from));
        }
        line.extend(["-kernel".into(), image.display().to_string()]);
        line
    }
}

/// Why a machine did not start, or did not do what it should.
#[derive(Debug, Error)]
pub enum MachineError {
    /// `setpriv` or QEMU is not installed, for instance.
    #[error("cannot start {QEMU}")]
    Start(#[source] io::Error),
    /// The test's ends of its devices cannot be made.
    #[error("cannot make the sockets that devices are connected to")]
    Devices(#[source] io::Error),
    /// It did not print what it should.
    #[error("waiting for `{what}`")]
    Wait {
        /// What it should have printed.
        what: String,
        /// Why the wait ended.
        #[source]
        error: WaitError,
    },
}

/// A running machine.
#[derive(Debug)]
pub struct Machine {
    child: Child,
    console: Arc<Console>,
    readers: Vec<JoinHandle<()>>,
    ends: Mutex<Ends>,
    /// Bytes.
    memory: u64,
    // Dropped last.
    _permit: Permit,
}

impl Machine {
    /// Boots an image. Waits while too many machines are running.
    ///
    /// # Errors
    /// QEMU cannot be started.
    pub fn boot(image: &Path, config: Config) -> Result<Self, MachineError> {
        let permit = Permit::take();
        let ends = Ends::new(&config.devices).map_err(MachineError::Devices)?;
        // setpriv has the kernel end QEMU when the thread that calls this ends, if that is not done
        // before; it becomes QEMU, and is no process between.
        let mut child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", QEMU])
            .args(config.arguments(image))
            .args(ends.arguments(&config.devices))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(MachineError::Start)?;
        let console = Arc::new(Console::default());
        let mut readers = Vec::new();
        if let Some(output) = child.stdout.take() {
            // QEMU's end is the end of its output, and that is where the serial line is.
            readers.push(read(output, console.clone(), Console::append, Console::end));
        }
        if let Some(messages) = child.stderr.take() {
            readers.push(read(messages, console.clone(), Console::remark, |_| ()));
        }
        Ok(Self {
            child,
            console,
            readers,
            ends: Mutex::new(ends),
            memory: config.memory_bytes(),
            _permit: permit,
        })
    }

    /// The port at the host's address 127.0.0.1 by which a port of the machine is reached.
    ///
    /// # Panics
    /// QEMU does not say, or the machine has no such forward.
    #[track_caller]
    pub fn host_port(&self, forward: Forward) -> u16 {
        let list = match self.ends().monitor.ask("info usernet") {
            Ok(list) => list,
            Err(error) => panic!("cannot ask {QEMU} for its connections: {error}"),
        };
        match forward.host_port(&list) {
            Some(port) => port,
            None => panic!("{forward} is not forwarded:\n{list}"),
        }
    }

    /// The test's end of the wire to the network device.
    ///
    /// # Panics
    /// The device is not [connected to the test](crate::devices::Net::Wire), or the end has been taken.
    #[track_caller]
    pub fn wire(&self) -> Wire {
        let taken = self.ends().wire.take();
        taken.expect("the machine has a wire, which nobody has taken")
    }

    /// Writes all of its memory to a file, as it is in the midst of whatever it does.
    ///
    /// # Panics
    /// QEMU does not do so.
    #[track_caller]
    pub fn save_memory(&self, to: &Path) {
        let saved = self.ends().monitor.save_memory(RAM, self.memory, to);
        saved.unwrap_or_else(|error| panic!("cannot save the memory of {QEMU}: {error}"));
    }

    /// What QEMU's monitor for people answers to a line.
    ///
    /// # Panics
    /// QEMU does not answer.
    #[track_caller]
    pub fn ask(&self, line: &str) -> String {
        let answer = self.ends().monitor.ask(line);
        answer.unwrap_or_else(|error| panic!("{QEMU} does not answer: {error}"))
    }

    /// A test that fails while it asks leaves them whole.
    fn ends(&self) -> MutexGuard<'_, Ends> {
        self.ends.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Types keys at the machine's serial line. Ctrl-A is QEMU's own.
    ///
    /// # Panics
    /// QEMU has ended.
    #[track_caller]
    pub fn type_keys(&self, keys: &[u8]) {
        let mut line = self.child.stdin.as_ref().expect("QEMU's input is a pipe");
        let typed = line.write_all(keys).and_then(|()| line.flush());
        typed.unwrap_or_else(|error| panic!("cannot type at {QEMU}: {error}"));
    }

    /// What it has printed so far.
    pub fn text(&self) -> String {
        self.console.text()
    }

    /// Waits until `look` finds something in all that the machine has printed; `what` names it.
    ///
    /// # Errors
    /// It is not there when the machine ends or the time is up.
    pub fn wait<T>(
        &self,
        what: &str,
        limit: Duration,
        look: impl FnMut(&str) -> Option<T>,
    ) -> Result<T, MachineError> {
        self.console
            .wait(limit, look)
            .map_err(|error| MachineError::Wait {
                what: what.into(),
                error,
            })
    }

    /// Waits for a line that [matches](pattern::matches), whenever it was printed; answers the first
    /// one. Lines count when they are complete.
    ///
    /// # Panics
    /// It is not there within so many seconds.
    #[track_caller]
    pub fn expect(&self, wanted: &str, seconds: u64) -> String {
        let found = self.wait(wanted, Duration::from_secs(seconds), |text| {
            let complete = text.rfind('\n').map_or("", |end| &text[..end]);
            let line = complete.lines().find(|line| pattern::matches(line, wanted));
            line.map(str::to_owned)
        });
        match found {
            Ok(line) => line,
            Err(error) => panic!("{error}: {}", source(&error)),
        }
    }

    /// Waits for the machine to end by itself; answers its exit status and all that it printed.
    ///
    /// # Panics
    /// It does not, within so many seconds.
    #[track_caller]
    pub fn expect_end(mut self, seconds: u64) -> (ExitStatus, String) {
        let deadline = Instant::now() + Duration::from_secs(seconds);
        loop {
            match self.child.try_wait() {
                Ok(Some(status)) => return (status, self.end()),
                Ok(None) if Instant::now() < deadline => thread::sleep(Duration::from_millis(10)),
                Ok(None) => panic!("the machine did not end within {seconds} s"),
                Err(error) => panic!("cannot wait for {QEMU}: {error}"),
            }
        }
    }

    /// Ends it; answers all that it printed.
    pub fn end(mut self) -> String {
        self.stop();
        self.console.text()
    }

    fn stop(&mut self) {
        // It may have ended by itself: then there is nothing to kill.
        let _ = self.child.kill();
        let _ = self.child.wait();
        for reader in self.readers.drain(..) {
            let _ = reader.join();
        }
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        self.stop();
        if thread::panicking() {
            eprintln!("---- the machine's serial line");
            eprintln!("{}", self.console.text());
            eprintln!("----");
        }
    }
}

fn source(error: &MachineError) -> String {
    std::error::Error::source(error).map_or_else(String::new, ToString::to_string)
}

/// Moves what a pipe carries to the console, to its end.
fn read(
    mut from: impl Read + Send + 'static,
    console: Arc<Console>,
    take: fn(&Console, &[u8]),
    at_end: fn(&Console),
) -> JoinHandle<()> {
    thread::spawn(move || {
        let mut buffer = [0; 4096];
        loop {
            match from.read(&mut buffer) {
                Ok(0) => break,
                Ok(len) => take(&console, &buffer[..len]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        at_end(&console);
    })
}

/// The right to run a machine.
#[derive(Debug)]
struct Permit;

static RUNNING: Mutex<usize> = Mutex::new(0);
static ENDED: Condvar = Condvar::new();

impl Permit {
    fn take() -> Self {
        let running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
        let mut running = ENDED
            .wait_while(running, |running| *running >= MAX_MACHINES)
            .unwrap_or_else(PoisonError::into_inner);
        *running += 1;
        Self
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        *RUNNING.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        ENDED.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::devices::Net;
    use crate::scratch::Scratch;

    #[test]
    fn a_machine_without_an_image_ends_and_says_why() {
        let machine = Machine::boot(Path::new("/nowhere/image.elf"), Config::default()).unwrap();
        let (status, text) = machine.expect_end(60);
        assert!(!status.success());
        assert!(
            text.contains("could not load kernel '/nowhere/image.elf'"),
            "{text}"
        );
    }

    #[test]
    fn waiting_for_a_machine_that_ended_is_an_error() {
        let machine = Machine::boot(Path::new("/nowhere/image.elf"), Config::default()).unwrap();
        let error = machine
            .wait("hello", Duration::from_secs(60), |text| text.find("hello"))
            .unwrap_err();
        assert_eq!(
            format!("{error}: {}", source(&error)),
            "waiting for `hello`: the machine ended before"
        );
    }

    /// QEMU makes the devices before it looks for an image; a wrong option would be what it complains of.
    #[test]
    fn qemu_takes_every_device() {
        for net in [Net::Wire, Net::User(&[Forward::Tcp(80), Forward::Udp(7)])] {
            let scratch = Scratch::new();
            let devices = Devices {
                net: Some(net),
                disk: Some(scratch.write("disk", [0; 4096]).into()),
                rng: true,
                ..Devices::default()
            };
            let config = Config {
                devices,
                ..Config::default()
            };
            let machine = Machine::boot(Path::new("/nowhere/image.elf"), config).unwrap();
            let (_, text) = machine.expect_end(60);
            assert!(text.contains("could not load kernel"), "{text}");
        }
    }

    #[test]
    fn options_reach_qemu() {
        let config = Config {
            memory: "1G",
            counted: true,
            ..Config::default()
        };
        assert_eq!(
            config.arguments(Path::new("a.elf")).join(" "),
            "-machine virt -cpu cortex-a57 -m 1G -nographic -no-reboot \
             -icount shift=0,sleep=off -kernel a.elf"
        );
    }
}
