// SPDX-License-Identifier: BSD-2-Clause
//! The log: its last lines, those that come, and which of them the console shows.

use alloc::{
    format,
    string::{String, ToString as _},
    vec::Vec,
};

use userland::{
    Level, MAX_TEXT,
    logs::{self, LogEntry},
    task::Event,
};

use super::Call;
use crate::failure::{Done, Failure};

/// Most lines that are shown of what was.
const MAX_LINES: u64 = 10_000;

const LEVELS: [(&str, Level); 4] = [
    ("error", Level::Error),
    ("warn", Level::Warn),
    ("info", Level::Info),
    ("debug", Level::Debug),
];

fn level(text: &str) -> Option<Level> {
    LEVELS
        .iter()
        .find(|(name, _)| *name == text)
        .map(|(_, level)| *level)
}

/// Which lines are wanted.
struct Filter {
    level: Level,
    process: Option<String>,
}

impl Filter {
    fn of(args: &[String]) -> Result<Self, Failure> {
        let (level, process) = match args {
            [] => (None, None),
            [one] => match level(one) {
                Some(level) => (Some(level), None),
                None => (None, Some(one.clone())),
            },
            [first, process] => {
                let found = level(first).ok_or_else(|| {
                    Failure::Misused(format!("`{first}` is no level: error, warn, info or debug"))
                })?;
                (Some(found), Some(process.clone()))
            }
            _ => return Err(Failure::Misused("it takes a level and a process".into())),
        };
        Ok(Self {
            level: level.unwrap_or(Level::Debug),
            process,
        })
    }

    fn takes(&self, entry: &LogEntry) -> bool {
        let level = entry.level.unwrap_or(Level::Info);
        level as u32 <= self.level as u32
            && self
                .process
                .as_ref()
                .is_none_or(|name| entry.name == name.as_str())
    }
}

/// A line as the console has it. Control characters of whoever wrote it do no harm.
fn line(entry: &LogEntry, text: &[u8]) -> String {
    let micros = entry.time / 1000;
    let (seconds, micros) = (micros / 1_000_000, micros % 1_000_000);
    let mark = match entry.level {
        Some(Level::Error) => "error: ",
        Some(Level::Warn) => "warning: ",
        Some(Level::Debug) => "debug: ",
        Some(Level::Info) | None => "",
    };
    let mark = if entry.is_first { mark } else { "" };
    let text: String = String::from_utf8_lossy(text)
        .chars()
        .map(|char| if char.is_control() { '?' } else { char })
        .collect();
    format!("[{seconds:5}.{micros:06}] {}: {mark}{text}\n", entry.name)
}

/// Lines, of entries that are parts of them.
struct Parts {
    filter: Filter,
    text: Vec<u8>,
    last: u64,
}

impl Parts {
    /// Takes the entries that there are behind the last; answers the lines that they are.
    fn take(&mut self) -> Result<Vec<String>, Failure> {
        let mut lines = Vec::new();
        for entry in logs::entries(self.last) {
            let entry = entry?;
            self.last = entry.number;
            self.text.extend_from_slice(&entry.text);
            if entry.has_more && self.text.len() < MAX_TEXT as usize {
                continue;
            }
            let text = core::mem::take(&mut self.text);
            if self.filter.takes(&entry) {
                lines.push(line(&entry, &text));
            }
        }
        Ok(lines)
    }
}

pub async fn log(mut call: Call) -> Done {
    let options = call.options("fn:")?;
    let filter = Filter::of(&options.args)?;
    let count = options.number('n')?.unwrap_or(20).min(MAX_LINES);
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    // Before the first look: what comes from here on is told.
    let come = Event::new();
    if options.has('f') {
        logs::watch(come.task())?;
    }
    let mut parts = Parts {
        filter,
        text: Vec::new(),
        last: 0,
    };
    let lines = parts.take()?;
    if let Some(process) = &parts.filter.process
        && lines.is_empty()
        && !options.has('f')
        && super::processes::find(process).is_err()
    {
        return Err(Failure::new(format!(
            "the log has no line of `{process}`, and there is no such process"
        )));
    }
    let from = lines.len().saturating_sub(count);
    let shown: String = lines.into_iter().skip(from).collect();
    call.output.print(&shown).await?;
    while options.has('f') {
        come.wait().await;
        let lines: String = parts.take()?.into_iter().collect();
        call.output.print(&lines).await?;
    }
    Ok(())
}

pub async fn view(mut call: Call) -> Done {
    let args = core::mem::take(&mut call.args);
    let session = call.session.clone();
    let console = session.output().console().ok_or_else(|| {
        Failure::new("this session is not at the console; `log` shows lines here")
    })?;
    if args.len() > 2 {
        return Err(Failure::Misused("it takes a level and a process".into()));
    }
    if let Some(first) = args.first() {
        let level = match (first.as_str(), level(first)) {
            ("off", _) => None,
            (_, Some(level)) => Some(level),
            (other, None) => {
                return Err(Failure::Misused(format!(
                    "`{other}` is no level: error, warn, info, debug or off"
                )));
            }
        };
        let process = args.get(1).map(String::as_str);
        return Ok(console.view(level, process).await?);
    }
    let status = console.status().await?;
    let shown = LEVELS
        .iter()
        .find(|(_, level)| Some(*level) == status.level);
    let clients: Vec<String> = status.clients.iter().map(|name| name.to_string()).collect();
    let text = format!(
        "log: {}{}; {} lines were lost; {}, clients: {}\n",
        shown.map_or("off", |(name, _)| name),
        status
            .process
            .map_or(String::new(), |name| format!(" of {name}")),
        status.lost,
        status.device,
        clients.join(" "),
    );
    call.output.print(&text).await
}
