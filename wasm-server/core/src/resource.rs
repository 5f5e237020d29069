// SPDX-License-Identifier: BSD-2-Clause
//! What capabilities designate.

use alloc::sync::Arc;

use atoll_abi::{Error, message::Kind};

use crate::{
    device::Device, loaded::Loaded, place::Place, platform::Platform, process::Process,
    region::Region, service::Service, session::Session,
};

/// What a capability designates.
pub(crate) enum Resource<P: Platform> {
    Region(Arc<Region<P>>),
    Process(Arc<Process<P>>),
    Session(Arc<Session<P>>),
    Service(Arc<Service<P>>),
    Device(Arc<Device<P>>),
    Module(Arc<Loaded<P>>),
    /// A guest of the spec, whatever process runs it.
    Guest(Arc<Place<P>>),
}

impl<P: Platform> Clone for Resource<P> {
    fn clone(&self) -> Self {
        match self {
            Self::Region(region) => Self::Region(region.clone()),
            Self::Process(process) => Self::Process(process.clone()),
            Self::Session(session) => Self::Session(session.clone()),
            Self::Service(service) => Self::Service(service.clone()),
            Self::Device(device) => Self::Device(device.clone()),
            Self::Module(module) => Self::Module(module.clone()),
            Self::Guest(place) => Self::Guest(place.clone()),
        }
    }
}

impl<P: Platform> Resource<P> {
    pub fn kind(&self) -> Kind {
        match self {
            Self::Region(_) => Kind::Region,
            Self::Process(_) => Kind::Process,
            Self::Session(_) => Kind::Session,
            Self::Service(_) => Kind::Service,
            Self::Device(device) if device.is_plain() => Kind::Registers,
            Self::Device(_) => Kind::Device,
            Self::Module(_) => Kind::Module,
            Self::Guest(_) => Kind::Guest,
        }
    }

    /// Whether both are one.
    pub fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Region(a), Self::Region(b)) => Arc::ptr_eq(a, b),
            (Self::Process(a), Self::Process(b)) => Arc::ptr_eq(a, b),
            (Self::Session(a), Self::Session(b)) => Arc::ptr_eq(a, b),
            (Self::Service(a), Self::Service(b)) => Arc::ptr_eq(a, b),
            (Self::Device(a), Self::Device(b)) => Arc::ptr_eq(a, b),
            (Self::Module(a), Self::Module(b)) => Arc::ptr_eq(a, b),
            (Self::Guest(a), Self::Guest(b)) => Arc::ptr_eq(a, b),
            _ => false,
        }
    }

    /// The session in which it was made, if there is one.
    pub fn made_in(&self) -> Option<&Arc<Session<P>>> {
        match self {
            Self::Region(region) => region.session.as_ref(),
            Self::Process(process) => process.session.as_ref(),
            Self::Session(session) => session.parent.as_ref(),
            Self::Module(module) => module.session.as_ref(),
            Self::Service(_) | Self::Device(_) | Self::Guest(_) => None,
        }
    }

    pub fn region(&self) -> Result<&Arc<Region<P>>, Error> {
        match self {
            Self::Region(region) => Ok(region),
            _ => Err(Error::WrongKind),
        }
    }

    pub fn process(&self) -> Result<&Arc<Process<P>>, Error> {
        match self {
            Self::Process(process) => Ok(process),
            _ => Err(Error::WrongKind),
        }
    }

    pub fn session(&self) -> Result<&Arc<Session<P>>, Error> {
        match self {
            Self::Session(session) => Ok(session),
            _ => Err(Error::WrongKind),
        }
    }

    pub fn device(&self) -> Result<&Arc<Device<P>>, Error> {
        match self {
            Self::Device(device) => Ok(device),
            _ => Err(Error::WrongKind),
        }
    }

    pub fn module(&self) -> Result<&Arc<Loaded<P>>, Error> {
        match self {
            Self::Module(module) => Ok(module),
            _ => Err(Error::WrongKind),
        }
    }

    pub fn guest(&self) -> Result<&Arc<Place<P>>, Error> {
        match self {
            Self::Guest(place) => Ok(place),
            _ => Err(Error::WrongKind),
        }
    }

    pub fn service(&self) -> Result<&Arc<Service<P>>, Error> {
        match self {
            Self::Service(service) => Ok(service),
            _ => Err(Error::WrongKind),
        }
    }
}
