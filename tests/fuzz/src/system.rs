// SPDX-License-Identifier: BSD-2-Clause
//! One run of one input, and what must hold in it and after it.

use std::{
    collections::BTreeSet,
    fmt, fs, panic,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use atoll_abi::Error;
use capdl::{
    blob::{Kind, ObjectId, Reader},
    language::{Options, compile},
};
use ed25519_dalek::SigningKey;
use wasm_archive::Archive;
use wasm_server_core::{Outcome, Server, platform::Platform as _};
use wasm_server_host::Host;

use crate::{
    calls::CALLS,
    guests,
    script::{GUESTS, Input, program},
};

/// A run that takes this long hangs: every guest has a deadline far below.
const HANG: Duration = Duration::from_secs(20);
/// Grants that are there without any guest: two channels, a service and two guests.
const ROOTS: u32 = 5;
/// Ends of a guest that a script can bring about.
const ALLOWED: &[&str] = &[
    "misuse of a hostcall: ",
    "trap: out of bounds memory access",
    "panic: ",
    "ended: ",
    "did not start: ",
];

/// What panicked, on any thread.
static PANICS: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Something that a run did for the first time, or not.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Feature {
    /// A call answered so: the error, or from 128 how long the number was.
    Answer(u8, u8),
    /// The same, after this other call with this answer.
    Pair(u8, u8, u8),
    /// A guest ended so.
    End(String),
}

impl Feature {
    /// Whether an input is kept for good that alone has it.
    pub const fn lasts(&self) -> bool {
        !matches!(self, Self::Pair(..))
    }
}

impl fmt::Display for Feature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |call: u8| CALLS.get(usize::from(call)).map_or("?", |call| &call.name);
        match self {
            Self::Answer(call, answer) => match answer.checked_sub(128) {
                Some(bits) => write!(f, "{}: up to {bits} bits", name(*call)),
                None => match Error::from_number((*answer).into()) {
                    Some(error) => write!(f, "{}: {error}", name(*call)),
                    None => write!(f, "{}: error {answer}", name(*call)),
                },
            },
            Self::Pair(before, call, answer) => {
                let answer = Self::Answer(*call, *answer);
                write!(f, "{answer}, after {}", name(*before))
            }
            Self::End(why) => f.write_str(why),
        }
    }
}

/// What a run had of it.
pub type Features = BTreeSet<Feature>;

/// Runs inputs.
pub struct Runner {
    key: SigningKey,
    archive: &'static [u8],
    prints: bool,
    files: Option<usize>,
}

impl Runner {
    /// Compiles the guests. From now on a panic of any thread is a failure of the run.
    ///
    /// # Errors
    /// The guests do not compile.
    pub fn new(prints: bool) -> Result<Self, String> {
        let key = SigningKey::from_bytes(&[7; 32]);
        let archive = guests::archive(&key).map_err(|error| format!("{error:#}"))?;
        panic::set_hook(Box::new(|panic| {
            let name = thread::current().name().unwrap_or("?").to_owned();
            let mut panics = PANICS.lock().unwrap_or_else(PoisonError::into_inner);
            panics.push(format!("thread {name}: {panic}"));
        }));
        Ok(Self {
            key,
            archive: Box::leak(archive.into_boxed_slice()),
            prints,
            files: None,
        })
    }

    /// Runs an input in a server of its own.
    ///
    /// # Errors
    /// What did not hold. Threads may be left over then, so nothing is to be run any more.
    pub fn run(&mut self, input: &Input) -> Result<Features, String> {
        let features = self.serve(input)?;
        // Every region is a file here; nobody else opens any.
        let files = fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
        match *self.files.get_or_insert(files) {
            before if before == files => Ok(features),
            before => Err(format!(
                "{before} files were open before, {files} are: regions leak"
            )),
        }
    }

    fn serve(&self, input: &Input) -> Result<Features, String> {
        let blob = compile(
            "fuzz.cdl",
            &spec(input),
            &Options::default(),
            self.key.verifying_key().as_bytes(),
        )
        .map_err(|report| report.render(false))?;
        let spec = Reader::new(&blob).map_err(|error| format!("{error:?}"))?;
        let archive = Archive::open(self.archive, &spec.archive_key)
            .map_err(|error| format!("the archive: {error}"))?;
        let id = spec
            .iter()
            .find(|(_, object)| matches!(object.kind, Kind::WasmServer(_)))
            .map_or(ObjectId(0), |(id, _)| id);
        let console = Arc::new(Mutex::new(Vec::new()));
        let sink = console.clone();
        let prints = self.prints;
        let host = Host::new(&spec, move |line| {
            if prints {
                eprintln!("{line}");
            }
            let mut console = sink.lock().unwrap_or_else(PoisonError::into_inner);
            console.push(line.to_owned());
        });
        let server = Server::new(host, &spec, id, archive)?;
        server.boot();
        let stop = Arc::new(AtomicBool::new(false));
        let service = thread::Builder::new()
            .name("service".into())
            .spawn({
                let (server, stop) = (server.clone(), stop.clone());
                move || {
                    while !stop.load(Ordering::Acquire) {
                        server.serve_once();
                    }
                }
            })
            .map_err(|error| error.to_string())?;
        let result = await_end(&server);
        if result.is_ok() {
            stop.store(true, Ordering::Release);
            server.platform().nudge();
            let _ = service.join();
        }
        check_panics()?;
        result?;
        check_empty(&server)?;
        let mut features = Features::new();
        check_outcomes(&server, &mut features)?;
        let console = console.lock().unwrap_or_else(PoisonError::into_inner);
        note_answers(&console, &mut features);
        Ok(features)
    }
}

/// The system: guests that run scripts, two of them on demand and one with narrow limits, and two
/// bystanders.
fn spec(input: &Input) -> String {
    let mut objects = String::new();
    let mut caps = String::new();
    for (name, script) in GUESTS.iter().zip(&input.scripts) {
        let more = match *name {
            "c" => {
                "deadline: 12ms, handles: 6, timers: 2, regions: 2, windows: 2, children: 1, tokens: 2, modules: 1"
            }
            "a" | "b" => "deadline: 12ms",
            _ => "deadline: 6ms, start: demand",
        };
        objects += &format!(
            "{name} = wasm_guest (server: server, module: \"fuzz\", prio: 100, stack: 64k, {more}, args: [\"{}\"])\n\
             ut_{name} = ut (21 bits)\n",
            program(script)
        );
        let held: String = GUESTS
            .iter()
            .filter(|other| other.starts_with('d') && *other != name)
            .map(|other| format!("{other}: {other} (RWG) "))
            .collect();
        caps += &format!(
            "{name} {{ memory: ut_{name} link: link (RWG) service: service (RWG) {held}processes shared_memory \
             wake time sessions singletons devices entropy entropy_source log console introspect modules logs power }}\n"
        );
    }
    for name in ["ping", "pong"] {
        objects += &format!(
            "{name} = wasm_guest (server: server, module: \"{name}\", prio: 100, stack: 64k, deadline: 15s)\n\
             ut_{name} = ut (18 bits)\n"
        );
        caps += &format!(
            "{name} {{ memory: ut_{name} calm: calm (RW) shared_memory wake time log }}\n"
        );
    }
    format!(
        "arch aarch64\nobjects {{\nserver = wasm_server (prio: 200, heap: 8M)\npool = ut (22 bits)\n\
         link = channel (64k)\nut_link = ut (17 bits)\ncalm = channel (64k)\nut_calm = ut (17 bits)\n\
         service = service\n{objects}}}\n\
         caps {{\nserver {{ memory: pool }}\nlink {{ memory: ut_link }}\ncalm {{ memory: ut_calm }}\n{caps}}}\n"
    )
}

/// Waits until no guest is left.
fn await_end(server: &Server<Host>) -> Result<(), String> {
    let start = Instant::now();
    while !server.is_idle() {
        // Who panics does not end.
        check_panics()?;
        if start.elapsed() > HANG {
            return Err(format!(
                "guests are left after {HANG:?}: {:?}",
                server.system_info()
            ));
        }
        thread::sleep(Duration::from_micros(100));
    }
    Ok(())
}

fn check_panics() -> Result<(), String> {
    let panics = PANICS.lock().unwrap_or_else(PoisonError::into_inner);
    match panics.first() {
        None => Ok(()),
        Some(panic) => Err(format!("the server panicked: {panic}")),
    }
}

/// Nothing is left of any guest.
fn check_empty(server: &Arc<Server<Host>>) -> Result<(), String> {
    let info = server.system_info();
    if (info.processes, info.timers, info.grants) != (0, 0, ROOTS) {
        return Err(format!(
            "of the guests are left {} processes, {} timers, {} grants",
            info.processes,
            info.timers,
            info.grants.saturating_sub(ROOTS)
        ));
    }
    // Each guest holds the server.
    match Arc::strong_count(server) {
        1 => Ok(()),
        n => Err(format!("{} guests are held by somebody", n - 1)),
    }
}

fn check_outcomes(server: &Server<Host>, features: &mut Features) -> Result<(), String> {
    for name in GUESTS.iter().chain(&["ping", "pong"]) {
        let is_bystander = !GUESTS.contains(name);
        match server.outcome(name) {
            None if is_bystander => return Err(format!("bystander {name} did not start")),
            None | Some(Outcome::Exited(0)) => {}
            Some(Outcome::Exited(_)) if !is_bystander => {
                features.insert(Feature::End("exit".into()));
            }
            Some(Outcome::Failed(why))
                if !is_bystander && ALLOWED.iter().any(|allowed| why.starts_with(allowed)) =>
            {
                features.insert(Feature::End(end(&why)));
            }
            Some(outcome) => return Err(format!("guest {name} {outcome}")),
        }
    }
    Ok(())
}

/// The reason and, if a call was the end, which.
fn end(why: &str) -> String {
    let reason = why.split(['\n', '(']).next().unwrap_or(why);
    let reason = if why.starts_with("panic: ") {
        "panic"
    } else {
        reason
    };
    let call = CALLS
        .iter()
        .find(|call| why.contains(&format!("fuzz!{} ", call.name)));
    format!("{reason} {}", call.map_or("", |call| &call.name))
}

/// Finds the lines that tell of answers.
fn note_answers(console: &[String], features: &mut Features) {
    let mut last = [0; GUESTS.len()];
    for line in console {
        let answer = line.split_once("] ").and_then(|(_, line)| {
            let (guest, letters) = line.split_once(": debug: ~")?;
            let guest = GUESTS.iter().position(|name| *name == guest)?;
            let byte = |at| {
                let nibble = |at: usize| {
                    letters
                        .as_bytes()
                        .get(at)?
                        .checked_sub(b'a')
                        .filter(|n| *n < 16)
                };
                Some(nibble(at)? << 4 | nibble(at + 1)?)
            };
            Some((guest, byte(0)?, byte(2)?))
        });
        if let Some((guest, call, answer)) = answer {
            // Large numbers are addresses and times: one is as good as another.
            let answer = match answer.checked_sub(128) {
                Some(bits) if bits > 8 => 128 + bits.next_multiple_of(8),
                _ => answer,
            };
            features.insert(Feature::Answer(call, answer));
            features.insert(Feature::Pair(last[guest], call, answer));
            last[guest] = call;
        }
    }
}
