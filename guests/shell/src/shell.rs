// SPDX-License-Identifier: BSD-2-Clause
//! What all sessions share: the ways to other guests, what was deployed, and what runs in the background.

use alloc::{
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
    string::{String, ToString as _},
    vec::Vec,
};
use core::{cell::RefCell, time::Duration};

use userland::{
    Handle, Pid,
    handle::Capability,
    init::Init,
    net::Net,
    process::{self, Process},
    shm::Region,
    start::Start,
    time::timeout,
};

use crate::{
    commands::{deploy::Services, processes::is_alive},
    failure::Failure,
    files::Files,
};

/// How long to wait for another guest to be there.
const PATIENCE: Duration = Duration::from_secs(5);

/// See the module.
pub struct Shell {
    /// What the guest was told at its start.
    pub start: Start,
    net: RefCell<Option<Net>>,
    files: RefCell<Option<Rc<Files>>>,
    /// What was deployed.
    pub services: Services,
    /// The processes that it has started and that may run.
    pub children: RefCell<BTreeMap<Pid, Handle>>,
    /// What `revoke` has taken from whom, and `restore` has not given back: completion offers it.
    pub taken: RefCell<BTreeSet<(String, String)>>,
}

impl Shell {
    /// Of this guest.
    pub fn new(start: Start) -> Rc<Self> {
        Rc::new(Self {
            start,
            net: RefCell::default(),
            files: RefCell::default(),
            services: Services::default(),
            children: RefCell::default(),
            taken: RefCell::default(),
        })
    }

    /// A capability in one of its slots.
    pub fn capability<T: Capability>(&self, slot: &str) -> Result<T, Failure> {
        self.start
            .capability(slot)
            .ok_or_else(|| Failure::new(format_args!("this shell has no slot `{slot}`")))
    }

    /// The process of this name that the shell has started, if one runs.
    pub fn child(&self, name: &str) -> Option<Process> {
        let alive = process::children()
            .filter_map(Result::ok)
            .filter(|child| child.name == name && is_alive(child.state));
        let pid = alive.last()?.pid;
        let handle = self.children.borrow().get(&pid).copied();
        handle.map(Process::from_handle)
    }

    /// The names of the processes that the shell has started and that run.
    pub fn children_names(&self) -> Vec<String> {
        process::children()
            .filter_map(Result::ok)
            .filter(|child| is_alive(child.state))
            .map(|child| child.name.to_string())
            .collect()
    }

    fn door(&self, slot: &str, what: &str) -> Result<Region, Failure> {
        self.start.region(slot).ok_or_else(|| {
            Failure::new(format_args!(
                "the spec does not connect this shell with {what}: there is no slot `{slot}`"
            ))
        })
    }

    /// The network.
    pub async fn net(&self) -> Result<Net, Failure> {
        if let Some(net) = &*self.net.borrow() {
            return Ok(net.clone());
        }
        let door = self.door("net", "the network")?;
        let options = userland::net::Options::named(self.start.name());
        let net = timeout(PATIENCE, Net::at(&door, options)).await??;
        *self.net.borrow_mut() = Some(net.clone());
        Ok(net)
    }

    /// The files.
    pub async fn files(&self) -> Result<Rc<Files>, Failure> {
        if let Some(files) = &*self.files.borrow() {
            return Ok(files.clone());
        }
        let door = self.door("fs", "a disk")?;
        let options = userland::fs::Options::named(self.start.name());
        let fs = timeout(PATIENCE, userland::fs::Fs::at(&door, options)).await??;
        let files = Rc::new(Files::new(fs).await?);
        *self.files.borrow_mut() = Some(files.clone());
        Ok(files)
    }

    /// Init. Each command has a connection of its own: so it finds the one that is there.
    pub async fn init(&self) -> Result<Init, Failure> {
        let door = self.door("init", "a supervisor")?;
        Ok(Init::at(&door, self.start.name()).await?)
    }
}
