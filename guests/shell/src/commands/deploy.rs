// SPDX-License-Identifier: BSD-2-Clause
//! Services whose versions replace each other while they are asked.
//!
//! A version is a signed module of the disk. The new one is started beside the old one and stands by
//! (`userland::singleton`); then the old one is asked to end, which withdraws and lets the new one take over. What was
//! loaded of the old one is kept: if the new one ends within its probation, or `rollback` says so, the old one is
//! started again from memory.

use alloc::{
    collections::BTreeMap,
    format,
    rc::Rc,
    string::{String, ToString as _},
    vec::Vec,
};
use core::{cell::RefCell, time::Duration};

use shell_language::{Align, Table};
use userland::{
    ProcessState,
    handle::Capability as _,
    module::Loaded,
    process::{Command, Outcome},
    time::{Instant, sleep, timeout},
};

use super::{
    Call, processes,
    run::{GRACE, How, Running, load},
    system::seconds,
};
use crate::{
    failure::{About as _, Done, Failure},
    shell::Shell,
};

/// How long a new version is watched if nothing is said.
const PROBATION: Duration = Duration::from_secs(2);
/// How long a version has to become ready.
const PATIENCE: Duration = Duration::from_secs(10);
/// Versions of a service that are kept.
const MAX_KEPT: usize = 2;
/// Most services.
const MAX_SERVICES: usize = 16;

/// A module that is in memory.
struct Version {
    label: String,
    file: String,
    loaded: Loaded,
}

impl Drop for Version {
    fn drop(&mut self) {
        // It may be lost already.
        let _ = Loaded::from_handle(self.loaded.handle()).close();
    }
}

/// A version that runs.
struct Current {
    version: Rc<Version>,
    running: Running,
}

struct Service {
    how: How,
    probation: Duration,
    current: Option<Current>,
    /// Those before, the last one last.
    before: Vec<Rc<Version>>,
}

/// The services of this shell.
#[derive(Default)]
pub struct Services(RefCell<BTreeMap<String, Service>>);

impl Services {
    /// Their names.
    pub fn names(&self) -> Vec<String> {
        self.0.borrow().keys().cloned().collect()
    }

    /// Takes one out, while something is done with it.
    fn take(&self, name: &str) -> Result<Service, Failure> {
        let service = self.0.borrow_mut().remove(name);
        service.ok_or_else(|| {
            Failure::new(format!(
                "there is no service `{name}`, or it is just replaced"
            ))
        })
    }
}

/// A service that is put back when this goes.
struct Taken<'a> {
    shell: &'a Shell,
    name: String,
    service: Option<Service>,
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        if let Some(service) = self.service.take() {
            let mut all = self.shell.services.0.borrow_mut();
            all.insert(self.name.clone(), service);
        }
    }
}

/// Checks a module.
pub async fn verify(mut call: Call) -> Done {
    let [path] = call.exactly()?;
    let loaded = load(&call.session, &path).await?;
    let info = loaded.info();
    loaded.close()?;
    let info = info?;
    let text = format!(
        "{} {}: the signature is good, {} in memory",
        info.name,
        info.version,
        shell_language::Size(info.memory)
    );
    call.output.line(&text).await
}

/// Starts a version, and waits until it waits for something to do.
async fn start(
    shell: &Rc<Shell>,
    name: &str,
    how: &How,
    version: &Version,
) -> Result<Running, Failure> {
    let mut command = Command::module(&how.module(&version.loaded, name));
    how.give(shell, &mut command)?;
    let running = Running::start(shell, &command)?;
    let deadline = Instant::now() + PATIENCE;
    loop {
        match running.process()?.state()? {
            ProcessState::Blocked => return Ok(running),
            ProcessState::Stopped => return Err(Failure::new("it ended at once")),
            ProcessState::Failed => {
                let report = running.process()?.report()?;
                return Err(Failure::new(report.text));
            }
            _ if Instant::now() >= deadline => return Ok(running),
            _ => sleep(Duration::from_millis(5)).await,
        }
    }
}

/// Ends a version, and waits for that.
async fn end(running: &Running) -> Done {
    running.process()?.stop(GRACE)?;
    running.wait().await?;
    Ok(())
}

/// Puts a version in the place of the present one. Says what it does.
async fn replace(call: &mut Call, taken: &mut Taken<'_>, version: Rc<Version>) -> Done {
    let shell = call.session.shell.clone();
    let name = taken.name.clone();
    let Some(service) = &mut taken.service else {
        return Err(Failure::Quiet);
    };
    let label = version.label.clone();
    let running = start(&shell, &name, &service.how, &version)
        .await
        .about(format_args!("version {label}"))?;
    call.output
        .line(&format!("version {label} stands by"))
        .await?;
    let before = service.current.take();
    if let Some(before) = &before {
        end(&before.running).await?;
        call.output
            .line(&format!("version {} has ended", before.version.label))
            .await?;
    }
    let before = before.map(|current| current.version.clone());
    let probation = timeout(service.probation, running.wait()).await;
    let Ok(outcome) = probation else {
        service.current = Some(Current { version, running });
        if let Some(before) = before {
            service.before.push(before);
            if service.before.len() > MAX_KEPT {
                service.before.remove(0);
            }
        }
        return call.output.line(&format!("version {label} serves")).await;
    };
    let why = match outcome? {
        Outcome::Exited(code) => format!("exited with code {}", code.0),
        Outcome::Failed => running.process()?.report()?.text.to_string(),
    };
    drop(running);
    call.output
        .line(&format!("version {label} did not last: {why}"))
        .await?;
    if let Some(before) = before {
        let running = start(&shell, &name, &service.how, &before).await?;
        call.output
            .line(&format!("version {} serves again", before.label))
            .await?;
        service.current = Some(Current {
            version: before,
            running,
        });
    }
    Err(Failure::Quiet)
}

pub async fn deploy(mut call: Call) -> Done {
    let options = call.options("b:g:c:p:")?;
    let [name, path] = options.args.as_slice() else {
        return Err(Failure::Misused(
            "a service and a file belong behind it".into(),
        ));
    };
    let shell = call.session.shell.clone();
    let is_known = shell.services.0.borrow().contains_key(name);
    if !is_known && shell.services.0.borrow().len() >= MAX_SERVICES {
        return Err(Failure::new("there are too many services"));
    }
    let loaded = load(&call.session, path).await?;
    let info = loaded.info()?;
    let version = Rc::new(Version {
        label: info.version.to_string(),
        file: path.clone(),
        loaded,
    });
    let mut service = if is_known {
        shell.services.take(name)?
    } else {
        Service {
            how: How::of(&options)?,
            probation: PROBATION,
            current: None,
            before: Vec::new(),
        }
    };
    let changes = ['b', 'g', 'c'].iter().any(|letter| options.has(*letter));
    let how = if changes {
        How::of(&options)
    } else {
        Ok(service.how.clone())
    };
    let probation = options.value('p').map(seconds).transpose();
    let mut taken = Taken {
        shell: &shell,
        name: name.clone(),
        service: None,
    };
    let said = how.and_then(|how| {
        service.how = how;
        service.probation = probation?.unwrap_or(service.probation);
        Ok(())
    });
    taken.service = Some(service);
    said?;
    let done = replace(&mut call, &mut taken, version).await;
    if let Some(service) = &taken.service
        && service.current.is_none()
        && service.before.is_empty()
    {
        // Nothing has ever run of it.
        taken.service = None;
    }
    done
}

pub async fn rollback(mut call: Call) -> Done {
    let [name] = call.exactly()?;
    let shell = call.session.shell.clone();
    let mut service = shell.services.take(&name)?;
    let before = service.before.pop();
    let mut taken = Taken {
        shell: &shell,
        name,
        service: Some(service),
    };
    let version = before.ok_or_else(|| Failure::new("there is no version before"))?;
    let done = replace(&mut call, &mut taken, version.clone()).await;
    if done.is_err()
        && let Some(service) = &mut taken.service
    {
        // For another try.
        service.before.push(version);
    }
    done
}

pub async fn versions(mut call: Call) -> Done {
    let only = call.at_most_one()?;
    let mut table = Table::new(&[
        ("SERVICE", Align::Left),
        ("VERSION", Align::Left),
        ("STATE", Align::Left),
        ("FILE", Align::Left),
    ]);
    if let Some(name) = &only
        && !call.session.shell.services.0.borrow().contains_key(name)
    {
        return Err(Failure::new(format!("there is no service `{name}`")));
    }
    for (name, service) in call.session.shell.services.0.borrow().iter() {
        if only.as_ref().is_some_and(|only| only != name) {
            continue;
        }
        for version in &service.before {
            table.row([
                name.clone(),
                version.label.clone(),
                "kept".into(),
                version.file.clone(),
            ]);
        }
        if let Some(current) = &service.current {
            let state = current.running.process()?.state()?;
            let state = processes::state(state).to_string();
            let version = &current.version;
            table.row([
                name.clone(),
                version.label.clone(),
                state,
                version.file.clone(),
            ]);
        }
    }
    call.output.print(&table.to_string()).await
}
