// SPDX-License-Identifier: BSD-2-Clause
//! Sessions: a bound on what the processes started in one can ever hold. Needs the grant `sessions`.
//!
//! ```no_run
//! use userland::{Error, Group, Groups, Rights, process::{Command, Process}, session::Builder, shm::Region};
//!
//! /// Starts a guest that can log and read a region, and that can give no more to those it starts.
//! fn visitor(region: &Region) -> Result<Process, Error> {
//!     let session = Builder::new("visitor")
//!         .groups(Groups::NONE.with(Group::Log))
//!         .processes(4)
//!         .hold(region, Rights::READ)
//!         .create()?;
//!     Command::guest("visitor").session(&session).start()
//! }
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
///
/// ```no_run
/// use userland::{Error, info, session::Session};
///
/// fn close_down(session: &Session) -> Result<(), Error> {
///     info!("{:?}", session.info()?);
///     session.end()
/// }
/// ```
#[derive(Debug, PartialEq, Eq)]
pub struct Session {
    handle: Handle,
}

capability!(Session);

impl Session {
    /// Ends every process of the session, and the session: nothing starts in it any more. Needs the
    /// right to write. See the example of [`Session`].
    ///
    /// # Errors
    /// [`Error::Denied`], [`Error::Revoked`].
    pub fn end(&self) -> Result<(), Error> {
        calls::session::end(self.handle)
    }

    /// What there is to know of it. Needs the right to read. See the example of [`Session`].
    ///
    /// # Errors
    /// [`Error::Denied`], [`Error::Revoked`].
    pub fn info(&self) -> Result<SessionInfo, Error> {
        calls::session::info(&self.handle)
    }
}

/// A session to be. What is wrong with a part of it, [`Builder::create`] reports.
///
/// ```no_run
/// use userland::{Error, Group, Groups, Rights, session::{Builder, Session}, shm::Region};
///
/// fn session(region: &Region) -> Result<Session, Error> {
///     let mut builder = Builder::new("visitor");
///     builder.groups(Groups::NONE.with(Group::Log)).processes(4);
///     builder.hold(region, Rights::READ);
///     builder.create()
/// }
/// ```
#[derive(Clone, Debug)]
pub struct Builder {
    request: SessionRequest,
    fault: Option<Error>,
}

impl Builder {
    /// A session of this name, for one process at a time that holds nothing but what it makes itself.
    /// See the example of [`Builder`].
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
    /// See the example of [`Builder`].
    pub fn groups(&mut self, groups: Groups) -> &mut Self {
        self.request.groups = groups;
        self
    }

    /// How many processes may run in it at once. See the example of [`Builder`].
    pub fn processes(&mut self, processes: u32) -> &mut Self {
        self.request.processes = processes;
        self
    }

    /// Entitles its processes to hold this, with at most these rights. Needs the right to grant.
    /// See the example of [`Builder`].
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

    /// Makes it, within this guest's own session. See the example of [`Builder`].
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
