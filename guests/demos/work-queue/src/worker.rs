// SPDX-License-Identifier: BSD-2-Clause
//! A worker: a process that this guest has started, and the connection to it.

use alloc::{boxed::Box, format, string::String};
use core::{error::Error, mem, time::Duration};

use userland::{
    Group, Groups, Rights,
    handle::Capability as _,
    info,
    process::{Child, Command, Module},
    rpc::{CallError, Client, Options},
    shm::Region,
};

/// What a worker may do, but for its door.
const GROUPS: Groups = Groups::NONE
    .with(Group::SharedMemory)
    .with(Group::Wake)
    .with(Group::Time)
    .with(Group::Log);

/// How long a job may take.
const PATIENCE: Duration = Duration::from_millis(300);

pub struct Worker {
    pub name: String,
    process: Child,
    client: Client<u32, u32>,
    door: Region,
}

impl Worker {
    /// Starts one with a door of its own, and connects to it.
    pub async fn start(name: &str, arg: &str) -> Result<Self, Box<dyn Error>> {
        let door = Region::alloc(1)?;
        let module = Module::new("worker", 20).name(name).groups(GROUPS);
        let process = Command::module(&module)
            .arg(arg)
            .give("door", &door, Rights::READ_WRITE)
            .spawn()?;
        let client = Client::connect(&door, Options::named("queue").longest(64)).await?;
        Ok(Self {
            name: name.into(),
            process,
            client,
            door,
        })
    }

    /// Has it do a job.
    pub async fn ask(&self, job: u32) -> Result<u32, CallError> {
        self.client.call(&job).within(PATIENCE).await
    }

    /// Ends it, and starts another in its place.
    pub async fn replace(&mut self) -> Result<(), Box<dyn Error>> {
        let next = Self::start(&format!("{}-again", self.name), "").await?;
        let failed = mem::replace(self, next);
        Ok(failed.end(Duration::ZERO).await?)
    }

    /// Asks it to stop; after the grace it is ended by force.
    pub async fn end(self, grace: Duration) -> Result<(), userland::Error> {
        let outcome = self.process.stop(grace).await?;
        info!("{} {outcome}", self.name);
        self.process.close()?;
        drop(self.client);
        self.door.close()
    }
}
