// SPDX-License-Identifier: BSD-2-Clause
//! Sessions: a bound on what the processes started in one can ever hold. Needs the grant `sessions`.
//!
//! ```ignore
//! let session = Builder::new("visitor").groups(groups).processes(4).hold(&door, Rights::READ).create()?;
//! let visitor = Command::guest("visitor").session(&session).start()?;
//! ```

pub use atoll_abi::message::SessionInfo;
use atoll_abi::{
    Error, Groups, Handle, Rights,
    message::{Entitlement, Name, SessionRequest},
};

use crate::{
    handle::{Capability, capability},
    sys::calls,
    text::bounded,
};

/// A capability for a session. [`Command::session`](crate::process::Command::session) starts a process
/// in it.
#[derive(Debug, PartialEq, Eq)]
pub struct Session {
    handle: Handle,
}

capability!(Session);

impl Session {
    /// Ends every process of the session, and the session: nothing starts in it any more. Needs the
    /// right to write.
    ///
    /// # Errors
    /// [`Error::Denied`], [`Error::Revoked`].
    pub fn end(&self) -> Result<(), Error> {
        calls::session::end(self.handle)
    }

    /// What there is to know of it. Needs the right to read.
    ///
    /// # Errors
    /// [`Error::Denied`], [`Error::Revoked`].
    pub fn info(&self) -> Result<SessionInfo, Error> {
        calls::session::info(&self.handle)
    }
}

/// A session to be. What is wrong with a part of it, [`Builder::create`] reports.
#[derive(Clone, Debug)]
pub struct Builder {
    request: SessionRequest,
    fault: Option<Error>,
}

impl Builder {
    /// A session of this name, for one process at a time that holds nothing but what it makes itself.
    pub fn new(name: &str) -> Self {
        let name = bounded(name);
        Self {
            fault: name.as_ref().err().copied(),
            request: SessionRequest {
                name: name.unwrap_or(Name::new()),
                groups: Groups::NONE,
                processes: 1,
                holds: Default::default(),
            },
        }
    }

    /// The groups of hostcalls that its processes may have, at most this guest's.
    pub fn groups(&mut self, groups: Groups) -> &mut Self {
        self.request.groups = groups;
        self
    }

    /// How many processes may run in it at once.
    pub fn processes(&mut self, processes: u32) -> &mut Self {
        self.request.processes = processes;
        self
    }

    /// Entitles its processes to hold this, with at most these rights. Needs the right to grant.
    pub fn hold(&mut self, capability: &impl Capability, rights: Rights) -> &mut Self {
        let entitlement = Entitlement {
            handle: capability.handle(),
            rights,
        };
        if self.request.holds.push(entitlement).is_err() {
            self.fault = self.fault.or(Some(Error::InvalidArgument));
        }
        self
    }

    /// Makes it, within this guest's own session.
    ///
    /// # Errors
    /// [`Error::Denied`] for a capability without the right to grant, [`Error::NotGranted`] and
    /// [`Error::TooLarge`] for more than this guest may give, [`Error::TooManyHandles`],
    /// [`Error::TooMany`], [`Error::InvalidArgument`] for what does not fit.
    pub fn create(&self) -> Result<Session, Error> {
        match self.fault {
            Some(fault) => Err(fault),
            None => calls::session::create(&self.request).map(Session::from_handle),
        }
    }
}
