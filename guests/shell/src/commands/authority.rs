// SPDX-License-Identifier: BSD-2-Clause
//! Who holds what, and what is given and taken.

use alloc::{
    collections::BTreeMap,
    format,
    string::{String, ToString as _},
    vec::Vec,
};

use shell_language::{Align, Size, Table};
use userland::{
    Error, Rights,
    handle::Capability as _,
    introspect::{self, Holding, Kind},
    net::Rule,
    process::ProcessEntry,
    shm::Region,
};

use super::{Call, processes};
use crate::{
    failure::{Done, Failure},
    shell::Shell,
};

const fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Region => "region",
        Kind::Process => "process",
        Kind::Session => "session",
        Kind::Service => "service",
        Kind::Device => "device",
        Kind::Module => "module",
        Kind::Registers => "registers",
        Kind::Guest => "guest",
    }
}

fn rights(rights: Rights) -> String {
    let letters = [
        (Rights::READ, 'r'),
        (Rights::WRITE, 'w'),
        (Rights::GRANT, 'g'),
    ];
    letters
        .into_iter()
        .map(|(right, letter)| if rights.contains(right) { letter } else { '-' })
        .collect()
}

/// What every process holds.
type Held = Vec<(ProcessEntry, Vec<Holding>)>;

fn held() -> Result<Held, Failure> {
    let mut all = Vec::new();
    for process in processes::all()? {
        match introspect::holdings(process.pid).collect::<Result<_, Error>>() {
            Ok(holdings) => all.push((process, holdings)),
            // It has ended, and holds nothing.
            Err(Error::NotFound) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(all)
}

pub async fn caps(mut call: Call) -> Done {
    let only = match call.at_most_one()? {
        None => None,
        Some(what) => Some(processes::find(&what)?.pid),
    };
    let all = held()?;
    let mut names = BTreeMap::new();
    let mut holders: BTreeMap<u32, Vec<String>> = BTreeMap::new();
    for (process, holdings) in &all {
        names.insert(process.pid.0, process.name.to_string());
        for holding in holdings {
            let others = holders.entry(holding.resource).or_default();
            let name = process.name.to_string();
            if !others.contains(&name) {
                others.push(name);
            }
        }
    }
    let mut table = Table::new(&[
        ("PROCESS", Align::Left),
        ("SLOT", Align::Left),
        ("KIND", Align::Left),
        ("RIGHTS", Align::Left),
        ("NUMBER", Align::Right),
        ("SIZE", Align::Right),
        ("FROM", Align::Left),
        ("WITH", Align::Left),
    ]);
    for (process, holdings) in &all {
        if only.is_some_and(|pid| pid != process.pid) {
            continue;
        }
        for holding in holdings {
            let from = match holding.by {
                Some(by) => names
                    .get(&by.0)
                    .cloned()
                    .unwrap_or_else(|| by.0.to_string()),
                // What has a name was given by somebody.
                None if !holding.name.is_empty() => "spec".into(),
                None => "itself".into(),
            };
            let others: Vec<String> = holders
                .get(&holding.resource)
                .into_iter()
                .flatten()
                .filter(|other| other.as_str() != process.name)
                .cloned()
                .collect();
            table.row([
                process.name.to_string(),
                if holding.name.is_empty() {
                    "-".into()
                } else {
                    holding.name.to_string()
                },
                kind(holding.kind).into(),
                rights(holding.rights),
                holding.resource.to_string(),
                if holding.bytes > 0 {
                    Size(holding.bytes.into()).to_string()
                } else {
                    "-".into()
                },
                from,
                if others.is_empty() {
                    "-".into()
                } else {
                    others.join(" ")
                },
            ]);
        }
    }
    call.output.print(&table.to_string()).await
}

/// `revoke` and `restore`.
pub async fn revoke(mut call: Call) -> Done {
    let restores = call.name == "restore";
    let [member, slot] = call.exactly()?;
    // A process that this shell started.
    if let Some(process) = call.session.shell.child(&member) {
        if restores {
            return Err(Failure::new("only init restores what it took; see `grant`"));
        }
        return Ok(process.take(&slot)?);
    }
    let init = call.session.shell.init().await?;
    let taken = &call.session.shell.taken;
    if restores {
        init.restore(&member, &slot).await?;
        taken.borrow_mut().remove(&(member, slot));
    } else {
        init.revoke(&member, &slot).await?;
        let mut taken = taken.borrow_mut();
        if taken.len() < MAX_TAKEN {
            taken.insert((member, slot));
        }
    }
    Ok(())
}

/// Most of what was taken that is kept for completion.
const MAX_TAKEN: usize = 256;

pub async fn grant(mut call: Call) -> Done {
    let args = core::mem::take(&mut call.args);
    let (who, slot, rest) = match args.as_slice() {
        [who, slot, rest @ ..] if rest.len() <= 2 => (who, slot, rest),
        _ => {
            return Err(Failure::Misused(
                "it takes a process and a slot of this shell".into(),
            ));
        }
    };
    let mut given = slot.as_str();
    let mut rights = Rights::READ;
    for arg in rest {
        match arg.as_str() {
            "r" => rights = Rights::READ,
            "rw" => rights = Rights::READ_WRITE,
            "rwg" => rights = Rights::ALL,
            other => given = other,
        }
    }
    let capability: Region = call.session.shell.capability(slot)?;
    if !capability.rights()?.contains(Rights::GRANT) {
        return Err(Failure::new(format!(
            "this shell may not give `{slot}` away: its spec gives it without G"
        )));
    }
    if let Some(process) = call.session.shell.child(who) {
        return Ok(process.grant(given, &capability, rights)?);
    }
    let init = call.session.shell.init().await?;
    Ok(init.give(who, given, &capability, rights).await?)
}

pub async fn rules(mut call: Call) -> Done {
    let only = call.at_most_one()?;
    let mut all = Vec::new();
    let mut refusal = None;
    for service in Service::ALL {
        match service.rules(&call.session.shell).await {
            Ok(rules) => all.extend(rules.into_iter().map(|rule| (service, rule))),
            Err(failure) => refusal = Some(failure),
        }
    }
    // Of a service of which this shell is no administrator, it shows nothing; of none, why.
    if let Some(failure) = refusal.filter(|_| all.is_empty()) {
        return Err(failure);
    }
    let mut table = Table::new(&[
        ("SERVICE", Align::Left),
        ("CLIENT", Align::Left),
        ("RULE", Align::Right),
        ("ALLOWS", Align::Left),
        ("NOW", Align::Left),
    ]);
    for (service, rule) in all {
        if only
            .as_ref()
            .is_some_and(|only| rule.client != only.as_str())
        {
            continue;
        }
        table.row([
            service.name().to_string(),
            rule.client.to_string(),
            rule.number.to_string(),
            rule.text.to_string(),
            if rule.is_withdrawn {
                "withdrawn"
            } else {
                "holds"
            }
            .into(),
        ]);
    }
    if let Some(client) = only.filter(|_| table.is_empty()) {
        return Err(Failure::new(format!(
            "the network has no client `{client}`"
        )));
    }
    call.output.print(&table.to_string()).await
}

/// A guest with rules for its clients.
#[derive(Clone, Copy)]
pub enum Service {
    /// The network.
    Net,
    /// The disk.
    Fs,
}

impl Service {
    const ALL: [Self; 2] = [Self::Net, Self::Fs];

    const fn name(self) -> &'static str {
        match self {
            Self::Net => "net",
            Self::Fs => "fs",
        }
    }

    /// The one of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.name() == name)
    }

    /// The rules of all its clients.
    pub async fn rules(self, shell: &Shell) -> Result<Vec<Rule>, Failure> {
        Ok(match self {
            Self::Net => shell.net().await?.rules().await?,
            Self::Fs => shell.files().await?.fs.rules().await?,
        })
    }
}

/// `forbid` and `allow`.
pub async fn rule(mut call: Call) -> Done {
    let forbids = call.name == "forbid";
    let args = core::mem::take(&mut call.args);
    let (service, client, number) = match args.as_slice() {
        [client, number] => (Service::Net, client, number),
        [service, client, number] => {
            let unknown = || Failure::Misused(format!("`{service}` is neither `net` nor `fs`"));
            (Service::named(service).ok_or_else(unknown)?, client, number)
        }
        _ => {
            return Err(Failure::Misused(
                "it takes a client and the number of a rule".into(),
            ));
        }
    };
    let number = number
        .parse()
        .map_err(|_| Failure::Misused(format!("`{number}` is no number of a rule")))?;
    let shell = &call.session.shell;
    match (service, forbids) {
        (Service::Net, true) => shell.net().await?.withdraw_rule(client, number).await?,
        (Service::Net, false) => shell.net().await?.restore_rule(client, number).await?,
        (Service::Fs, true) => {
            let files = shell.files().await?;
            files.fs.withdraw_rule(client, number).await?;
        }
        (Service::Fs, false) => {
            let files = shell.files().await?;
            files.fs.restore_rule(client, number).await?;
        }
    }
    Ok(())
}
