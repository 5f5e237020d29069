// SPDX-License-Identifier: BSD-2-Clause
//! What could come next.

use alloc::{
    format,
    rc::Rc,
    string::{String, ToString as _},
    vec::Vec,
};

use shell_language::{Argument, COMMANDS, command, resolve, word_begin};
use userland::{fs::Kind, introspect};

use crate::{commands::authority::Service, session::Session};

/// Most candidates.
const MAX_CANDIDATES: usize = 1024;

/// How many characters of the last word there are, and what it could become.
pub async fn complete(session: &Rc<Session>, before: &str) -> (usize, Vec<String>) {
    let (at, is_command, word) = word_begin(before);
    let mut names = if is_command {
        COMMANDS.iter().map(|c| c.name.to_string()).collect()
    } else {
        arguments(session, before.get(..at).unwrap_or_default(), &word).await
    };
    names.retain(|name| name.starts_with(&word));
    names.sort();
    names.dedup();
    names.truncate(MAX_CANDIDATES);
    for name in &mut names {
        let rest = name.get(word.len()..).unwrap_or_default();
        *name = format!("{word}{}", escaped(rest));
    }
    (word.chars().count(), names)
}

/// As it is to be typed.
fn escaped(text: &str) -> String {
    let mut out = String::new();
    for char in text.chars() {
        if " \t|&;<>'\"\\$#".contains(char) {
            out.push('\\');
        }
        out.push(char);
    }
    out
}

async fn arguments(session: &Rc<Session>, before: &str, word: &str) -> Vec<String> {
    // The words of the command that is being typed, those in quotes not taken apart.
    let call = before.rsplit(['|', ';', '&']).next().unwrap_or_default();
    let mut words = call.split_whitespace();
    let mut name = words.next();
    // What `time` runs, if that is there already.
    while name == Some("time")
        && let Some(next) = words.next()
    {
        name = Some(next);
    }
    let argument = name.and_then(command).map(|command| command.argument);
    let argument = if call.trim_end().ends_with(['<', '>']) {
        Some(Argument::File)
    } else {
        argument
    };
    // Words before this one that are no options.
    let mut words = words.filter(|word| !word.starts_with('-'));
    match argument {
        None | Some(Argument::Anything) => Vec::new(),
        Some(Argument::Command) => COMMANDS.iter().map(|c| c.name.to_string()).collect(),
        Some(Argument::Service) => session.shell.services.names(),
        Some(Argument::File) => files(session, word, false).await,
        Some(Argument::Directory) => files(session, word, true).await,
        Some(Argument::Process) => processes(),
        Some(Argument::Job) if word.starts_with('%') => session.jobs.names(),
        Some(Argument::Job) => {
            let mut names = members(session).await;
            names.extend(session.shell.children_names());
            names.extend(session.jobs.names());
            names
        }
        Some(Argument::Guest) => members(session).await,
        Some(Argument::Holding) => match words.next() {
            None => processes(),
            Some(name) => holdings(name),
        },
        Some(Argument::Given) => match (words.next(), words.next()) {
            (None, _) => processes(),
            (Some(_), None) => holdings(session.shell.start.name()),
            _ => Vec::new(),
        },
        Some(Argument::Taken) => {
            let member = words.next().map(String::from);
            let taken = session.shell.taken.borrow();
            let taken = taken.iter().filter_map(|(guest, slot)| match &member {
                None => Some(guest.clone()),
                Some(member) => (guest == member).then(|| slot.clone()),
            });
            taken.collect()
        }
        Some(Argument::Client) => {
            let first = words.next();
            match first.and_then(Service::named) {
                Some(service) => rules(session, service, words.next()).await,
                None => rules(session, Service::Net, first).await,
            }
        }
        Some(Argument::Level) => {
            let levels = ["error", "warn", "info", "debug"];
            let mut names = processes();
            names.extend(levels.map(String::from));
            names
        }
    }
}

/// Guests that the supervisor can start and stop, and groups.
async fn members(session: &Session) -> Vec<String> {
    let Ok(init) = session.shell.init().await else {
        return Vec::new();
    };
    let Ok(members) = init.members().await else {
        return Vec::new();
    };
    members
        .iter()
        .map(|member| member.name.to_string())
        .collect()
}

/// Clients of a service, or the numbers of a client's rules.
async fn rules(session: &Session, service: Service, client: Option<&str>) -> Vec<String> {
    let Ok(rules) = service.rules(&session.shell).await else {
        return Vec::new();
    };
    rules
        .iter()
        .filter_map(|rule| match client {
            None => Some(rule.client.to_string()),
            Some(client) => (rule.client == client).then(|| rule.number.to_string()),
        })
        .collect()
}

fn processes() -> Vec<String> {
    let all = introspect::processes().filter_map(Result::ok);
    all.map(|process| process.name.to_string()).collect()
}

fn holdings(name: &str) -> Vec<String> {
    let mut all = introspect::processes().filter_map(Result::ok);
    let Some(process) = all.find(|process| process.name == name) else {
        return Vec::new();
    };
    introspect::holdings(process.pid)
        .filter_map(Result::ok)
        .map(|holding| holding.name.to_string())
        .filter(|name| !name.is_empty())
        .collect()
}

async fn files(session: &Rc<Session>, word: &str, directories: bool) -> Vec<String> {
    let (directory, _) = word
        .rsplit_once('/')
        .map_or(("", word), |(directory, name)| {
            (word.get(..directory.len() + 1).unwrap_or_default(), name)
        });
    let full = resolve(&session.directory.borrow(), directory);
    let Ok(files) = session.shell.files().await else {
        return Vec::new();
    };
    let mut names: Vec<String> = files
        .mounts_in(&full)
        .iter()
        .map(|name| format!("{directory}{name}/"))
        .collect();
    let Ok(place) = files.place(&full) else {
        return names;
    };
    let Ok(dir) = place.dir.open_dir(&place.path, place.dir.rights()).await else {
        return names;
    };
    let Ok(mut entries) = dir.entries().await else {
        return names;
    };
    while let Ok(Some(entry)) = entries.next().await {
        let is_directory = entry.kind == Kind::Directory;
        if entry.name == "." || entry.name == ".." || (directories && !is_directory) {
            continue;
        }
        let slash = if is_directory { "/" } else { "" };
        names.push(format!("{directory}{}{slash}", entry.name));
        if names.len() >= MAX_CANDIDATES {
            break;
        }
    }
    names
}
