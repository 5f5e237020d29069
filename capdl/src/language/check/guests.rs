// SPDX-License-Identifier: BSD-2-Clause
//! What runs: servers, their guests, and native tasks.

use super::Checker;
use super::params::Params;
use crate::blob::{Limits, MAX_STRINGS, Restart, Start};
use crate::language::ast::NameRef;
use crate::language::diagnostic::Diagnostic;
use crate::language::model::{Guest, Kind, Native, Object, Server};
use crate::language::span::{Span, Spanned};

const RESTART: [(&str, Restart); 3] = [
    ("permanent", Restart::Permanent),
    ("transient", Restart::Transient),
    ("temporary", Restart::Temporary),
];
const START: [(&str, Start); 2] = [("boot", Start::Boot), ("demand", Start::Demand)];

/// What to do where there is no server.
pub(super) const DECLARE_SERVER: &str = "declare one: `server = wasm_server (prio: 200)`";
const NAME_SERVER: &str = "name a `wasm_server` object: `server: …`";

/// A field of limits.
type Limit = fn(&mut Limits) -> &mut u32;

/// How much a guest may have: parameter, the least that makes sense, the field.
///
/// Without handles a guest can hold nothing, and hardly any module does without a table.
const LIMITS: [(&str, u32, Limit); 8] = [
    ("handles", 1, |limits| &mut limits.handles),
    ("timers", 0, |limits| &mut limits.timers),
    ("regions", 0, |limits| &mut limits.regions),
    ("windows", 0, |limits| &mut limits.windows),
    ("children", 0, |limits| &mut limits.children),
    ("tokens", 0, |limits| &mut limits.tokens),
    ("table_elements", 1, |limits| &mut limits.table_elements),
    ("modules", 0, |limits| &mut limits.modules),
];

// What a spec does not say.
const SERVER_PRIO: u8 = 200;
const SERVER_HEAP: u32 = 8 << 20;
const GUEST_PRIO: u8 = 100;
const GUEST_STACK: u32 = 64 << 10;
const NATIVE_PRIO: u8 = 100;
const NATIVE_STACK: u32 = 64 << 10;
const NATIVE_HEAP: u32 = 1 << 20;

/// Bytes that a native task's VSpace has for the stack (`native_handoff::vspace::STACK_ROOM`).
const NATIVE_STACK_ROOM: u32 = 0x1ff_0000;

impl Checker<'_> {
    /// Resolves the servers that guests name, or means the only one.
    pub(super) fn find_servers(&mut self) {
        let is_server = |object: &Object| matches!(object.kind, Kind::Server(_));
        let servers: Vec<usize> = (0..self.objects.len())
            .filter(|&id| is_server(&self.objects[id]))
            .collect();
        for (first, name, span) in std::mem::take(&mut self.server_refs) {
            let server = match (name, &servers[..]) {
                (Some(name), _) => self.server_named(name),
                (None, [only]) => Some(*only),
                (None, []) => {
                    let message = "this guest has no process server to run it";
                    self.push(Diagnostic::new(span, message, DECLARE_SERVER));
                    None
                }
                (None, _) => {
                    let message = "there are several process servers that could run this guest";
                    self.push(Diagnostic::new(
                        span,
                        message,
                        "name one of them: `server: …`",
                    ));
                    None
                }
            };
            // All elements of an array were declared with the same parameters.
            let declared = self.objects.get(first).map(|object| object.span);
            for object in self.objects.iter_mut().skip(first) {
                match &mut object.kind {
                    Kind::Guest(guest) if Some(object.span) == declared => guest.server = server,
                    _ => break,
                }
            }
        }
    }

    fn server_named(&mut self, name: &NameRef) -> Option<usize> {
        let found = self.resolve(name)?;
        match found[..] {
            [id] if matches!(self.objects[id].kind, Kind::Server(_)) => Some(id),
            [id] => {
                if !matches!(self.objects[id].kind, Kind::Broken) {
                    let what = self.objects[id].kind.describe();
                    let message = format!("`{}` is {what}, not a process server", name.name.value);
                    let declared = self.objects[id].span;
                    let wrong = Diagnostic::new(name.span, message, NAME_SERVER);
                    self.push(wrong.other(declared, "declared here"));
                }
                None
            }
            _ => {
                let message = "a guest has one process server";
                self.push(Diagnostic::new(name.span, message, NAME_SERVER));
                None
            }
        }
    }
}

/// The first of some guests, the server that they name, and where.
pub(super) type ServerRef<'a> = (usize, Option<&'a NameRef>, Span);

/// A server.
pub(super) fn server(params: &mut Params<'_, '_>) -> Server {
    Server {
        prio: params.priority(SERVER_PRIO).value,
        heap: params.bytes("heap", 1 << 20, SERVER_HEAP).value,
        restart: params.choice("restart", &RESTART, Restart::Permanent),
    }
}

/// A native task.
pub(super) fn native(params: &mut Params<'_, '_>) -> Option<Native> {
    let program = params.text("program");
    if !params.has("program") {
        params.missing("this task has no program", "name it: `program: \"…\"`");
    }
    let stack = params.bytes("stack", 4 << 10, NATIVE_STACK);
    if stack.value > NATIVE_STACK_ROOM {
        let message = format!("{} bytes are no possible value of `stack`", stack.value);
        let help = format!("there is room for {}k", NATIVE_STACK_ROOM >> 10);
        params.wrong(stack.span, message, help);
    }
    let task = |program, params: &mut Params<'_, '_>| Native {
        program,
        prio: params.priority(NATIVE_PRIO).value,
        stack: stack.value,
        heap: params.bytes("heap", 4 << 10, NATIVE_HEAP).value,
        restart: params.choice("restart", &RESTART, Restart::Permanent),
        args: strings(params.texts("args", MAX_STRINGS)),
    };
    // What else is wrong with it is said as well.
    let task = task(
        program
            .clone()
            .unwrap_or(Spanned::new(String::new(), Span::default())),
        params,
    );
    program.map(|_| task)
}

fn strings(texts: Vec<Spanned<String>>) -> Vec<String> {
    texts.into_iter().map(|text| text.value).collect()
}

/// A guest.
pub(super) fn guest(params: &mut Params<'_, '_>) -> Option<Guest> {
    let module = params.text("module");
    if !params.has("module") {
        params.missing("this guest has no module", "name it: `module: \"…\"`");
    }
    let prio = params.priority(GUEST_PRIO);
    let stack = params.bytes("stack", 16 << 10, GUEST_STACK);
    let deadline_ms = params.milliseconds("deadline");
    let start = params.choice("start", &START, Start::Boot);
    let restart = params.choice("restart", &RESTART, Restart::Temporary);
    let args = params.texts("args", MAX_STRINGS);
    let env = params.texts("env", MAX_STRINGS);
    for entry in &env {
        if entry
            .value
            .split_once('=')
            .is_none_or(|(key, _)| key.is_empty())
        {
            let message = "this is no entry of an environment";
            params.wrong(entry.span, message, "write `\"NAME=value\"`");
        }
    }
    let mut limits = Limits::DEFAULT;
    let mut most = Limits::MOST;
    let mut handles = None;
    for (name, least, field) in LIMITS {
        if let Some(limit) = params.limit(name, least..=*field(&mut most)) {
            *field(&mut limits) = limit.value;
            if name == "handles" {
                handles = Some(limit.span);
            }
        }
    }
    Some(Guest {
        server: None,
        module: module?,
        prio,
        stack,
        deadline_ms,
        start,
        after: Vec::new(),
        rank: 0,
        restart,
        groups: Vec::new(),
        limits,
        handles,
        args: strings(args),
        env: strings(env),
    })
}
