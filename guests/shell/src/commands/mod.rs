// SPDX-License-Identifier: BSD-2-Clause
//! The commands, each a task with a source and a sink.

pub mod authority;
pub mod deploy;
mod files;
mod log;
mod network;
pub mod processes;
mod run;
mod system;
mod text;
mod top;

use alloc::{boxed::Box, rc::Rc, string::String, vec::Vec};
use core::{future::Future, pin::Pin};

use shell_language::{Misuse, Options};
use userland::time::Instant;

use crate::{
    failure::{Done, Failure},
    pipeline::unknown,
    session::Session,
    stream::{Sink, Source},
};

/// A command with what it is told, where its bytes come from, and where they go.
pub struct Call {
    /// Whose it is.
    pub session: Rc<Session>,
    /// How it was called.
    pub name: String,
    /// What stands behind it.
    pub args: Vec<String>,
    /// Where its bytes come from.
    pub input: Source,
    /// Where they go.
    pub output: Sink,
    /// Somebody waits for it.
    pub foreground: bool,
}

impl Call {
    /// Takes the arguments apart: see [`Options::parse`].
    fn options(&mut self, known: &str) -> Result<Options, Misuse> {
        Options::parse(core::mem::take(&mut self.args), known)
    }

    /// Exactly these arguments.
    fn exactly<const N: usize>(&mut self) -> Result<[String; N], Failure> {
        let args = core::mem::take(&mut self.args);
        <[String; N]>::try_from(args).map_err(|args| {
            Failure::Misused(match (N, args.as_slice()) {
                (0, [first, ..]) => {
                    alloc::format!("nothing belongs behind it, but there is `{first}`")
                }
                (1, given) => alloc::format!("one word belongs behind it, not {}", given.len()),
                (_, given) => alloc::format!("{N} words belong behind it, not {}", given.len()),
            })
        })
    }

    /// An argument, if there is one.
    fn at_most_one(&mut self) -> Result<Option<String>, Failure> {
        let mut args = core::mem::take(&mut self.args).into_iter();
        let first = args.next();
        match args.next() {
            None => Ok(first),
            Some(second) => Err(Failure::Misused(alloc::format!(
                "one word belongs behind it at most, but there is `{second}`"
            ))),
        }
    }

    /// Says something to the user, wherever its bytes go.
    async fn say(&self, text: &str) {
        if self.foreground {
            self.session.say(text).await;
        } else {
            self.session.say_above(text).await;
        }
    }

    /// No arguments.
    fn nothing(&mut self) -> Done {
        self.exactly::<0>().map(drop)
    }
}

/// Does what a call says.
pub fn run(mut call: Call) -> Pin<Box<dyn Future<Output = Done>>> {
    // `echo` says it.
    let asks = call.args.first().is_some_and(|first| first == "--help");
    if asks && call.name != "echo" && shell_language::command(&call.name).is_some() {
        call.args = alloc::vec![core::mem::replace(&mut call.name, "help".into())];
    }
    match call.name.as_str() {
        "ps" => Box::pin(processes::ps(call)),
        "top" => Box::pin(top::top(call)),
        "tree" => Box::pin(processes::tree(call)),
        "start" | "restart" => Box::pin(processes::start(call)),
        "stop" => Box::pin(processes::stop(call)),
        "run" => Box::pin(run::run(call)),
        "jobs" => Box::pin(system::jobs(call)),
        "fg" => Box::pin(system::foreground(call)),
        "caps" => Box::pin(authority::caps(call)),
        "revoke" | "restore" => Box::pin(authority::revoke(call)),
        "grant" => Box::pin(authority::grant(call)),
        "rules" => Box::pin(authority::rules(call)),
        "forbid" | "allow" => Box::pin(authority::rule(call)),
        "verify" => Box::pin(deploy::verify(call)),
        "deploy" => Box::pin(deploy::deploy(call)),
        "rollback" => Box::pin(deploy::rollback(call)),
        "versions" => Box::pin(deploy::versions(call)),
        "ls" => Box::pin(files::ls(call)),
        "cd" => Box::pin(files::cd(call)),
        "pwd" => Box::pin(files::pwd(call)),
        "cat" => Box::pin(files::cat(call)),
        "cp" => Box::pin(files::cp(call)),
        "mv" => Box::pin(files::mv(call)),
        "rm" => Box::pin(files::rm(call)),
        "mkdir" => Box::pin(files::mkdir(call)),
        "tee" => Box::pin(files::tee(call)),
        "df" => Box::pin(files::df(call)),
        "ip" => Box::pin(network::ip(call)),
        "ping" => Box::pin(network::ping(call)),
        "nc" => Box::pin(network::nc(call)),
        "fetch" => Box::pin(network::fetch(call)),
        "echo" => Box::pin(text::echo(call)),
        "grep" => Box::pin(text::grep(call)),
        "head" => Box::pin(text::head(call)),
        "tail" => Box::pin(text::tail(call)),
        "wc" => Box::pin(text::wc(call)),
        "help" => Box::pin(system::help(call)),
        "log" => Box::pin(log::log(call)),
        "view" => Box::pin(log::view(call)),
        "uptime" => Box::pin(system::uptime(call)),
        "free" => Box::pin(system::free(call)),
        "time" => Box::pin(time(call)),
        "sleep" => Box::pin(system::sleep(call)),
        "set" => Box::pin(system::set(call)),
        "true" => Box::pin(async { Ok(()) }),
        "false" => Box::pin(async { Err(Failure::Quiet) }),
        "history" => Box::pin(system::history(call)),
        "clear" => Box::pin(system::clear(call)),
        "shutdown" => Box::pin(system::shutdown(call)),
        "exit" => Box::pin(system::exit(call)),
        _ => Box::pin(async move { Err(unknown(&call.name)) }),
    }
}

/// Runs a command, and says how long it took.
async fn time(mut call: Call) -> Done {
    if call.args.is_empty() {
        return Err(Failure::Misused("a command belongs behind it".into()));
    }
    call.name = call.args.remove(0);
    let (session, foreground) = (call.session.clone(), call.foreground);
    let name = call.name.clone();
    let begin = Instant::now();
    let done = run(call).await;
    let took = u64::try_from(begin.elapsed().as_nanos()).unwrap_or(u64::MAX);
    let took = shell_language::Duration(took);
    let text = alloc::format!("{name} took {took}\n");
    if foreground {
        session.say(&text).await;
    } else {
        session.say_above(&text).await;
    }
    done
}
