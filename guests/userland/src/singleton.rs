// SPDX-License-Identifier: BSD-2-Clause
//! Services: names that at most one process provides at a time. Needs the grant `singletons`.

use atoll_abi::{Error, Handle, Rights};

use crate::{
    handle::{Capability, capability, of_kind},
    sys::calls,
    wake::Task,
};

/// A capability for a service of the spec: the right to write provides it, the right to read looks it
/// up.
#[derive(Debug, PartialEq, Eq)]
pub struct Service {
    handle: Handle,
}

capability!(Service);

/// What all calls of a service can be refused with: [`Error::Denied`] without the right that they need,
/// [`Error::BadHandle`], [`Error::Revoked`], [`Error::WrongKind`].
impl Service {
    /// Provides it: who looks it up gets a capability derived from `offer`, with these rights. Needs the
    /// right to write, and to grant the offer.
    ///
    /// # Errors
    /// [`Error::Busy`] if somebody does already.
    pub fn provide(&self, offer: &impl Capability, rights: Rights) -> Result<(), Error> {
        calls::singleton::provide(self.handle, offer.handle(), rights)
    }

    /// As [`Service::provide`], from when those who provided it before and stood by earlier are gone.
    ///
    /// # Errors
    /// [`Error::Busy`] if this guest is in line already, [`Error::TooManyListeners`].
    pub fn stand_by(&self, offer: &impl Capability, rights: Rights) -> Result<(), Error> {
        calls::singleton::stand_by(self.handle, offer.handle(), rights)
    }

    /// Provides it no longer, and stands by no longer. What was looked up is taken back, and the next in
    /// line takes over.
    ///
    /// # Errors
    /// [`Error::NotFound`] if this guest did neither.
    pub fn withdraw(&self) -> Result<(), Error> {
        calls::singleton::withdraw(self.handle)
    }

    /// A capability for what its provider offers. Needs the right to read.
    ///
    /// # Errors
    /// [`Error::NotFound`] if nobody provides it, [`Error::WrongKind`] if the offer is no `T`,
    /// [`Error::TooManyHandles`], [`Error::NotEntitled`].
    pub fn lookup<T: Capability>(&self) -> Result<T, Error> {
        of_kind(calls::singleton::lookup(self.handle)?)
    }

    /// How often its provider has changed. Needs the right to read.
    ///
    /// # Errors
    /// See [`Service`].
    pub fn generation(&self) -> Result<u32, Error> {
        calls::singleton::generation(self.handle)
    }

    /// Has `task` put into the mailbox at every change of its provider. Needs the right to read.
    ///
    /// # Errors
    /// [`Error::TooManyListeners`].
    pub fn watch(&self, task: Task) -> Result<(), Error> {
        calls::singleton::watch(self.handle, task.0)
    }
}
