// SPDX-License-Identifier: BSD-2-Clause
//! Pipelines: each command of one is a task, and a channel is between one and the next.

use alloc::{
    format,
    rc::Rc,
    string::{String, ToString as _},
    vec::Vec,
};

use shell_language::{COMMANDS, Join, Pipeline, Redirect, nearest, resolve};
use userland::{
    fs::OpenOptions,
    future::{Either, select},
    task::{JoinHandle, spawn},
};

use crate::{
    commands::{self, Call},
    failure::{About as _, Done, Failure},
    session::Session,
    stream::{Pipe, Sink, Source},
};

/// The tasks of a pipeline, which end with it.
struct Stages(Vec<(String, JoinHandle<Done>)>);

impl Drop for Stages {
    fn drop(&mut self) {
        for (_, stage) in &self.0 {
            stage.cancel();
        }
    }
}

/// Runs what a line says, one pipeline after the other.
pub async fn run_all(session: &Rc<Session>, line: &str, pipelines: Vec<Pipeline>) {
    for pipeline in pipelines {
        let runs = match pipeline.join {
            Join::Then => true,
            Join::And => session.succeeded.get(),
            Join::Or => !session.succeeded.get(),
        };
        if !runs {
            continue;
        }
        if pipeline.background {
            let (from, to) = pipeline.span;
            let text = line.get(from..to).unwrap_or_default();
            in_background(session, text, pipeline).await;
            continue;
        }
        // Boxed: the futures of the commands are large.
        let run = alloc::boxed::Box::pin(run(session, &pipeline, true));
        match select(run, session.keyboard.interrupt()).await {
            Either::First(succeeded) => session.succeeded.set(succeeded),
            Either::Second(()) => {
                session.succeeded.set(false);
                session.say("^C\n").await;
                return;
            }
        }
        if session.leaving.get() {
            return;
        }
    }
}

async fn in_background(session: &Rc<Session>, text: &str, pipeline: Pipeline) {
    if !session.jobs.has_room() {
        session.succeeded.set(false);
        session.say("there are too many jobs\n").await;
        return;
    }
    let worker = session.clone();
    let handle = spawn(async move { run(&worker, &pipeline, false).await });
    let number = session.jobs.add(text, handle);
    session.succeeded.set(true);
    session.say(&format!("%{number}\n")).await;
}

/// Runs a pipeline to its end; answers whether its last command succeeded.
async fn run(session: &Rc<Session>, pipeline: &Pipeline, foreground: bool) -> bool {
    let mut stages = match start(session, pipeline, foreground).await {
        Ok(stages) => stages,
        Err(failure) => {
            session.say(&format!("{failure}\n")).await;
            return false;
        }
    };
    let mut succeeded = false;
    for (name, stage) in &mut stages.0 {
        let done = stage.await.unwrap_or(Err(Failure::Quiet));
        succeeded = done.is_ok();
        match done {
            // Who has read enough has no use for the rest.
            Ok(()) | Err(Failure::Quiet | Failure::Unread) => {}
            Err(Failure::Said(text)) => session.say(&format!("{name}: {text}\n")).await,
            Err(Failure::Misused(text)) => {
                let usage = shell_language::command(name).map_or("", |command| command.usage);
                session
                    .say(&format!("{name}: {text}\nusage: {name} {usage}\n"))
                    .await;
            }
        }
    }
    succeeded
}

/// Starts the commands of a pipeline.
async fn start(
    session: &Rc<Session>,
    pipeline: &Pipeline,
    foreground: bool,
) -> Result<Stages, Failure> {
    let variable = |name: &str| match name {
        "?" => u8::from(!session.succeeded.get()).to_string(),
        name => {
            let variables = session.variables.borrow();
            variables.get(name).cloned().unwrap_or_default()
        }
    };
    let mut calls = Vec::new();
    let mut before = if foreground {
        Source::Keys(session.clone())
    } else {
        Source::Nothing
    };
    for (n, call) in pipeline.calls.iter().enumerate() {
        let mut words = call.words.iter().map(|word| word.expand(variable));
        let name = words.next().unwrap_or_default();
        if shell_language::command(&name).is_none() {
            return Err(unknown(&name));
        }
        let is_last = n + 1 == pipeline.calls.len();
        let (next, mut output) = if is_last {
            (Source::Nothing, Sink::Screen(session.clone()))
        } else {
            Pipe::make()?
        };
        let mut input = core::mem::replace(&mut before, next);
        if let Some(file) = &call.input {
            let path = file.expand(variable);
            input = open(session, &path).await?;
        }
        if let Some(Redirect { to, append }) = &call.output {
            let path = to.expand(variable);
            output = create(session, &path, *append).await?;
        }
        calls.push(Call {
            session: session.clone(),
            name,
            args: words.collect(),
            input,
            output,
        });
    }
    let stages = calls.into_iter().map(|call| {
        let name = call.name.clone();
        (name, spawn(commands::run(call)))
    });
    Ok(Stages(stages.collect()))
}

/// What to say of a command that there is not.
pub fn unknown(name: &str) -> Failure {
    let names = COMMANDS.iter().map(|command| command.name);
    Failure::new(match nearest(name, names) {
        Some(near) => format!("there is no command `{name}`; did you mean `{near}`?"),
        None => format!("there is no command `{name}`; `help` shows what there is"),
    })
}

/// A file to be read.
pub async fn open(session: &Session, path: &str) -> Result<Source, Failure> {
    let full = resolve(&session.directory.borrow(), path);
    let files = session.shell.files().await?;
    let place = files.place(&full)?;
    let file = place.dir.open(&place.path).await.about(path)?;
    Ok(Source::File(file, 0))
}

/// A file to be written, from its begin or from its end.
pub async fn create(session: &Session, path: &str, append: bool) -> Result<Sink, Failure> {
    let full = resolve(&session.directory.borrow(), path);
    let files = session.shell.files().await?;
    let place = files.place(&full)?;
    if append {
        let options = OpenOptions::new().write().create();
        let file = options.open(place.dir, &place.path).await.about(path)?;
        let len = file.stat().await.about(path)?.len;
        return Ok(Sink::File(file, len));
    }
    let file = place.dir.create(&place.path).await.about(path)?;
    Ok(Sink::File(file, 0))
}
