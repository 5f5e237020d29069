// SPDX-License-Identifier: BSD-2-Clause
//! Pipelines: each command of one is a task, and a channel is between one and the next.

use alloc::{
    format,
    rc::Rc,
    string::{String, ToString as _},
    vec::Vec,
};
use core::cell::Cell;

use shell_language::{COMMANDS, Command, Join, Part, Pipeline, Redirect, Word, nearest, resolve};
use userland::{
    fs::OpenOptions,
    future::{Either, select},
    task::{JoinHandle, spawn},
};

use crate::{
    commands::{self, Call},
    failure::{About as _, Done, Failure},
    session::Session,
    stream::{Above, Pipe, Sink, Source},
};

/// Most bytes of the words of a pipeline, with what variables hold.
const MAX_EXPANDED: usize = 64 << 10;

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
    let mut rest = pipelines.as_slice();
    while !rest.is_empty() {
        // Those that depend on each other, up to what always runs.
        let others = rest.iter().skip(1);
        let len = 1 + others.take_while(|one| one.join != Join::Then).count();
        let (list, behind) = rest.split_at_checked(len).unwrap_or((rest, &[]));
        rest = behind;
        if list.last().is_some_and(|last| last.background) {
            in_background(session, line, list.to_vec()).await;
            continue;
        }
        // Boxed: the futures of the commands are large.
        let run = alloc::boxed::Box::pin(run_list(session, list, true));
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

async fn in_background(session: &Rc<Session>, line: &str, list: Vec<Pipeline>) {
    if !session.jobs.has_room() {
        session.succeeded.set(false);
        session.say("there are too many jobs\n").await;
        return;
    }
    let from = list.first().map_or(0, |first| first.span.0);
    let to = list.last().map_or(0, |last| last.span.1);
    let text = String::from(line.get(from..to).unwrap_or_default());
    let worker = session.clone();
    let outcome = Rc::new(Cell::new(None));
    let told = outcome.clone();
    let handle = spawn(async move {
        let succeeded = run_list(&worker, &list, false).await;
        told.set(Some(succeeded));
        succeeded
    });
    let number = session.jobs.add(&text, handle, outcome);
    session.succeeded.set(true);
    session.say(&format!("%{number}\n")).await;
}

/// Runs pipelines that depend on each other; answers whether the last that ran succeeded.
async fn run_list(session: &Rc<Session>, list: &[Pipeline], foreground: bool) -> bool {
    let mut succeeded = session.succeeded.get();
    for (n, pipeline) in list.iter().enumerate() {
        let runs = match pipeline.join {
            _ if n == 0 => true,
            Join::Then => true,
            Join::And => succeeded,
            Join::Or => !succeeded,
        };
        if runs {
            succeeded = run(session, pipeline, foreground, succeeded).await;
        }
        if session.leaving.get() {
            break;
        }
    }
    succeeded
}

/// Runs a pipeline to its end, behind what succeeded or did not; answers whether its last command succeeded.
async fn run(session: &Rc<Session>, pipeline: &Pipeline, foreground: bool, before: bool) -> bool {
    let say = async |text: String| {
        if foreground {
            session.say(&text).await;
        } else {
            session.say_above(&text).await;
        }
    };
    let mut stages = match start(session, pipeline, foreground, before).await {
        Ok(stages) => stages,
        Err(failure) => {
            say(format!("{failure}\n")).await;
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
            Err(Failure::Said(text)) => say(format!("{name}: {text}\n")).await,
            Err(Failure::Misused(text)) => {
                let usage = shell_language::command(name).map_or(String::new(), Command::line);
                say(format!("{name}: {text}\nusage: {usage}\n")).await;
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
    succeeded: bool,
) -> Result<Stages, Failure> {
    let variable = |name: &str| match name {
        "?" => u8::from(!succeeded).to_string(),
        name => {
            let variables = session.variables.borrow();
            variables.get(name).cloned().unwrap_or_default()
        }
    };
    let mut room = MAX_EXPANDED;
    let mut expand = |word: &Word| {
        let mut text = String::new();
        for part in &word.parts {
            let held;
            let more = match part {
                Part::Text(text) => text,
                Part::Variable(name) => {
                    held = variable(name);
                    &held
                }
            };
            let left = room.checked_sub(more.len());
            room = left.ok_or_else(|| Failure::new("the line is too long with its variables"))?;
            text += more;
        }
        Ok::<_, Failure>(text)
    };
    let mut calls = Vec::new();
    let mut before = if foreground {
        Source::Keys(session.clone())
    } else {
        Source::Nothing
    };
    for (n, call) in pipeline.calls.iter().enumerate() {
        let words: Result<Vec<_>, _> = call.words.iter().map(&mut expand).collect();
        let mut words = words?.into_iter();
        let name = words.next().unwrap_or_default();
        if shell_language::command(&name).is_none() {
            return Err(unknown(&name));
        }
        let is_last = n + 1 == pipeline.calls.len();
        let (next, mut output) = if is_last {
            let screen = if foreground {
                Sink::Screen(session.clone())
            } else {
                Sink::Above(Above::new(session.clone()))
            };
            (Source::Nothing, screen)
        } else {
            Pipe::make()?
        };
        let mut input = core::mem::replace(&mut before, next);
        if let Some(file) = &call.input {
            let path = expand(file)?;
            input = open(session, &path).await?;
        }
        if let Some(Redirect { to, append }) = &call.output {
            let path = expand(to)?;
            output = create(session, &path, *append).await?;
        }
        calls.push(Call {
            session: session.clone(),
            name,
            args: words.collect(),
            input,
            output,
            foreground,
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
