// SPDX-License-Identifier: BSD-2-Clause
//! A system made of guests in WebAssembly text, or of those that the build made.

use std::{
    env, fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use capdl::{
    blob::{Kind, ObjectId, Reader},
    language::{Options, compile},
};
use ed25519_dalek::SigningKey;
use wasm_archive::{Archive, Writer};
use wasm_server_core::{Outcome, Server};
use wasm_server_host::Host;
use wasmtime::Engine;

/// A guest that the build made: `ATOLL_GUESTS` says where, or it is where Cargo puts guests.
pub fn built(name: &str) -> Vec<u8> {
    let folder = env::var_os("ATOLL_GUESTS").map_or_else(
        || Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("wasm32-unknown-unknown/guest"),
        PathBuf::from,
    );
    let file = folder.join(name).with_extension("wasm");
    let wasm = fs::read(&file);
    wasm.unwrap_or_else(|error| panic!("{}: {error}; `make unit-tests` builds it", file.display()))
}

/// What it is compiled to here.
pub fn compiled(name: &str, wasm: &[u8]) -> Vec<u8> {
    let engine = Engine::new(&wasm_engine::compiler_config(None).unwrap()).unwrap();
    let module = engine.precompile_module(wasm);
    module.unwrap_or_else(|error| panic!("{name}: {error:#}"))
}

/// The key that everything is signed with.
pub fn key() -> SigningKey {
    SigningKey::from_bytes(&[7; 32])
}

/// One guest of the spec, with a module of its own.
pub struct Guest {
    name: String,
    module: Vec<u8>,
    params: String,
    caps: String,
    bits: u8,
    stack: &'static str,
}

impl Guest {
    pub fn new(name: &str, text: &str) -> Self {
        let wasm = wat::parse_str(text).unwrap_or_else(|error| panic!("{name}: {error}"));
        Self::of_wasm(name, &wasm)
    }

    /// One that the build made, under the same name.
    pub fn built(name: &str) -> Self {
        Self::built_as(name, name)
    }

    /// One that the build made, under another name.
    pub fn built_as(name: &str, module: &str) -> Self {
        Self::of_wasm(name, &built(module))
    }

    /// With so much stack.
    pub fn stack(mut self, stack: &'static str) -> Self {
        self.stack = stack;
        self
    }

    fn of_wasm(name: &str, wasm: &[u8]) -> Self {
        let module = compiled(name, wasm);
        Self {
            name: name.into(),
            module,
            params: String::new(),
            caps: String::new(),
            bits: 20,
            stack: "64k",
        }
    }

    /// With this argument.
    pub fn arg(mut self, arg: &str) -> Self {
        self.params += &format!(", args: [\"{arg}\"]");
        self
    }

    /// With these parameters besides.
    pub fn params(mut self, params: &str) -> Self {
        self.params += &format!(", {params}");
        self
    }

    /// With `1 << bits` bytes of memory.
    pub fn memory(mut self, bits: u8) -> Self {
        self.bits = bits;
        self
    }

    /// Holds the service that there is.
    pub fn door(mut self) -> Self {
        self.caps += " door: door (RWG)";
        self
    }

    /// Holds the service that there is, in this slot.
    pub fn service(mut self, slot: &str) -> Self {
        self.caps += &format!(" {slot}: door (RWG) ");
        self
    }

    pub fn grants(mut self, groups: &[&str]) -> Self {
        self.caps += &groups.join(" ");
        self
    }

    /// Holds the channel that all guests share.
    pub fn link(mut self) -> Self {
        self.caps += " link: link (RW)";
        self
    }

    /// Holds this guest, with every right.
    pub fn guest(mut self, name: &str) -> Self {
        self.caps += &format!(" {name}: {name} (RWG) ");
        self
    }

    pub fn deadline(mut self, milliseconds: u32) -> Self {
        self.params += &format!(", deadline: {milliseconds}ms");
        self
    }

    pub fn on_demand(mut self) -> Self {
        self.params += ", start: demand";
        self
    }
}

/// How many seconds a test that can take any time is to take, if `ATOLL_SOAK` says.
pub fn soak() -> Option<u64> {
    let seconds = env::var("ATOLL_SOAK").ok()?;
    Some(seconds.parse().expect("ATOLL_SOAK is a number of seconds"))
}

/// A system that has run.
pub struct System {
    server: Arc<Server<Host>>,
    log: Arc<Mutex<String>>,
}

impl System {
    /// Runs these guests until none is left, or for a long time.
    pub fn run(guests: impl IntoIterator<Item = Guest>) -> Self {
        Self::run_typing(guests, &[])
    }

    /// The same, with this typed at the console.
    pub fn run_typing(guests: impl IntoIterator<Item = Guest>, typed: &[u8]) -> Self {
        let key = key();
        let mut archive = Writer::new();
        let mut objects = String::new();
        let mut caps = String::new();
        for guest in guests {
            let Guest {
                name,
                module,
                params,
                caps: held,
                bits,
                stack,
            } = guest;
            objects += &format!(
                "{name} = wasm_guest (server: server, module: \"{name}\", prio: 100, stack: {stack}{params})\n\
                 ut_{name} = ut ({bits} bits)\n"
            );
            caps += &format!("{name} {{ memory: ut_{name} {held} }}\n");
            archive.add(&name, module).unwrap();
        }
        let door = if caps.contains(": door (") {
            "door = service\n"
        } else {
            ""
        };
        let text = format!(
            "arch aarch64\nobjects {{\nserver = wasm_server (prio: 200, heap: 8M)\npool = ut (22 bits)\n\
             link = channel (64k)\nut_link = ut (17 bits)\n{door}{objects}}}\n\
             caps {{\nserver {{ memory: pool }}\nlink {{ memory: ut_link }}\n{caps}}}\n"
        );
        let blob = compile(
            "test.cdl",
            &text,
            &Options::default(),
            key.verifying_key().as_bytes(),
        )
        .unwrap_or_else(|report| panic!("{}", report.render(false)));
        let blob: &'static [u8] = Box::leak(blob.into_boxed_slice());
        let archive: &'static [u8] = Box::leak(archive.finish(&key).unwrap().into_boxed_slice());

        let spec = Reader::new(blob).unwrap();
        let archive = Archive::open(archive, &spec.archive_key).unwrap();
        let id = spec
            .iter()
            .find(|(_, o)| matches!(o.kind, Kind::WasmServer(_)))
            .map(|(id, _)| id);
        let log = Arc::new(Mutex::new(String::new()));
        let sink = log.clone();
        let host = Host::new(&spec, move |line| {
            *sink.lock().unwrap() += &format!("{line}\n")
        });
        host.type_in(typed);
        let server = Server::new(host, &spec, id.unwrap_or(ObjectId(0)), archive).unwrap();
        server.boot();
        let service = server.clone();
        thread::spawn(move || service.serve());
        // As long as several of those that soak may take, and a minute.
        let patience = Duration::from_secs(60 + 5 * soak().unwrap_or(0));
        let deadline = Instant::now() + patience;
        while !server.is_idle() {
            assert!(
                Instant::now() < deadline,
                "still running:\n{}",
                log.lock().unwrap()
            );
            thread::sleep(Duration::from_millis(5));
        }
        Self { server, log }
    }

    /// How a guest ended.
    pub fn outcome(&self, name: &str) -> Outcome {
        self.server
            .outcome(name)
            .unwrap_or_else(|| panic!("{name} did not run:\n{}", self.log()))
    }

    /// Whether a guest was started at all.
    pub fn started(&self, name: &str) -> bool {
        self.server.outcome(name).is_some()
    }

    /// What was written to the console.
    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }
}
