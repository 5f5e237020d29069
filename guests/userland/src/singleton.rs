// SPDX-License-Identifier: BSD-2-Clause
//! Services: names that at most one process provides at a time. Needs the grant `singletons`. See the examples
//! of [`Service`], for who provides one, and of [`lookup`], for who uses it.

use atoll_abi::{Error, Handle, Rights};

use crate::{
    handle::{Capability, capability, of_kind},
    sys::calls,
    task,
    wake::Task,
};

/// A capability for what the service's provider offers; waits until there is one. Needs the right to read,
/// and the grant `wake`. A guest watches a service once: one task at a time can wait for it.
///
/// ```no_run
/// use userland::{Error, shm::Region, singleton, start::Start};
///
/// async fn letter_box(start: &Start) -> Result<Region, Error> {
///     let service = start.capability("letters").ok_or(Error::NotFound)?;
///     singleton::lookup(&service).await
/// }
/// ```
///
/// # Errors
/// As [`Service::lookup`], but for [`Error::NotFound`]; and as [`Service::watch`].
pub async fn lookup<T: Capability>(service: &Service) -> Result<T, Error> {
    let changes = task::Event::new();
    let mut watches = false;
    loop {
        match service.lookup() {
            // Whoever provides it between the look and the watch is seen by another look.
            Err(Error::NotFound) if !watches => {
                service.watch(changes.task())?;
                watches = true;
            }
            Err(Error::NotFound) => changes.wait().await,
            found => return found,
        }
    }
}

/// A capability for a service of the spec: the right to write provides it, the right to read looks it
/// up.
///
/// ```no_run
/// use userland::{Error, Rights, shm::Region, singleton::Service, start::Start};
///
/// /// Provides a service, until this guest ends or withdraws it.
/// fn provide(start: &Start, letters: &Region) -> Result<Service, Error> {
///     let service: Service = start.capability("letters").ok_or(Error::NotFound)?;
///     service.provide(letters, Rights::READ_WRITE)?;
///     Ok(service)
/// }
/// ```
#[derive(Debug, PartialEq, Eq)]
pub struct Service {
    handle: Handle,
}

capability!(Service);

/// What all calls of a service can be refused with: [`Error::Denied`] without the right that they need,
/// [`Error::BadHandle`], [`Error::Revoked`], [`Error::WrongKind`].
impl Service {
    /// Provides it: who looks it up gets a capability derived from `offer`, with these rights. Needs the
    /// right to write, and to grant the offer. See the example of [`Service`].
    ///
    /// # Errors
    /// [`Error::Busy`] if somebody does already.
    pub fn provide(&self, offer: &impl Capability, rights: Rights) -> Result<(), Error> {
        calls::singleton::provide(self.handle, offer.handle(), rights)
    }

    /// As [`Service::provide`], from when those who provided it before and stood by earlier are gone.
    ///
    /// ```no_run
    /// use userland::{Error, Rights, shm::Region, singleton::Service};
    ///
    /// /// Takes over when the present provider is gone.
    /// fn second(service: &Service, letters: &Region) -> Result<(), Error> {
    ///     service.stand_by(letters, Rights::READ_WRITE)
    /// }
    /// ```
    ///
    /// # Errors
    /// [`Error::Busy`] if this guest is in line already, [`Error::TooManyListeners`].
    pub fn stand_by(&self, offer: &impl Capability, rights: Rights) -> Result<(), Error> {
        calls::singleton::stand_by(self.handle, offer.handle(), rights)
    }

    /// Provides it no longer, and stands by no longer. What was looked up is taken back, and the next in
    /// line takes over.
    ///
    /// ```no_run
    /// use userland::{Error, info, singleton::Service};
    ///
    /// fn retire(service: &Service) -> Result<(), Error> {
    ///     match service.withdraw() {
    ///         Err(Error::NotFound) => info!("it was not on duty"),
    ///         other => other?,
    ///     }
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    /// [`Error::NotFound`] if this guest did neither.
    pub fn withdraw(&self) -> Result<(), Error> {
        calls::singleton::withdraw(self.handle)
    }

    /// A capability for what its provider offers. Needs the right to read.
    ///
    /// ```no_run
    /// use userland::{Error, shm::Region, singleton::Service};
    ///
    /// /// The provider's region, if there is a provider.
    /// fn letters(service: &Service) -> Result<Option<Region>, Error> {
    ///     match service.lookup() {
    ///         Ok(region) => Ok(Some(region)),
    ///         Err(Error::NotFound) => Ok(None),
    ///         Err(error) => Err(error),
    ///     }
    /// }
    /// ```
    ///
    /// # Errors
    /// [`Error::NotFound`] if nobody provides it, [`Error::WrongKind`] if the offer is no `T`,
    /// [`Error::TooManyHandles`], [`Error::NotEntitled`].
    pub fn lookup<T: Capability>(&self) -> Result<T, Error> {
        of_kind(calls::singleton::lookup(self.handle)?)
    }

    /// How often its provider has changed. Needs the right to read.
    ///
    /// ```no_run
    /// use userland::{Error, singleton::Service};
    ///
    /// /// Whether what was looked up then is still the provider's.
    /// fn is_current(service: &Service, generation_then: u32) -> Result<bool, Error> {
    ///     Ok(service.generation()? == generation_then)
    /// }
    /// ```
    ///
    /// # Errors
    /// See [`Service`].
    pub fn generation(&self) -> Result<u32, Error> {
        calls::singleton::generation(self.handle)
    }

    /// Has `task` put into the mailbox at every change of its provider. Needs the right to read.
    ///
    /// ```no_run
    /// use userland::{Error, singleton::Service, task::Event};
    ///
    /// async fn next_provider(service: &Service) -> Result<(), Error> {
    ///     let changes = Event::new();
    ///     service.watch(changes.task())?;
    ///     changes.wait().await;
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    /// [`Error::TooManyListeners`].
    pub fn watch(&self, task: Task) -> Result<(), Error> {
        calls::singleton::watch(self.handle, task.0)
    }
}
