// SPDX-License-Identifier: BSD-2-Clause
//! Modules that the guest has as bytes, from a file for example. Needs the grant `modules`.
//!
//! The host tool writes a module for this with `atoll module`: compiled, signed, with a name and a version.
//! What is altered, signed by somebody else, or made for another version of the server is refused.
//!
//! ```no_run
//! use userland::{Error, info, module::Loaded, process::{Child, Command, Module}};
//!
//! fn run(file: &[u8]) -> Result<Child, Error> {
//!     let loaded = Loaded::load(file)?;
//!     let about = loaded.info()?;
//!     info!("{} {} takes {} bytes", about.name, about.version, about.memory);
//!     Command::module(&Module::loaded(&loaded, &about.name, 20)).spawn()
//! }
//! ```

pub use atoll_abi::message::ModuleInfo;
use atoll_abi::{Error, Handle, message::Kind};

use crate::{
    handle::Capability,
    shm::Window,
    sys::{calls, memory},
};

/// A module that was loaded, in memory of the guest that loaded it. When that guest closes it, nothing more
/// starts from it, and the memory comes back when the last process that runs it has ended. When that guest
/// ends, those processes do.
///
/// ```no_run
/// use userland::{Error, handle::Capability, module::Loaded, process::{Command, Module, Process}};
///
/// /// Starts version 2 of a program; the module goes when the process does.
/// fn once(file: &[u8]) -> Result<Process, Error> {
///     let loaded = Loaded::load(file)?;
///     let process = Command::module(&Module::loaded(&loaded, "job", 20)).start()?;
///     loaded.close()?;
///     Ok(process)
/// }
/// ```
#[derive(Debug, PartialEq, Eq)]
pub struct Loaded {
    handle: Handle,
}

impl Capability for Loaded {
    const KIND: Kind = Kind::Module;

    fn from_handle(handle: Handle) -> Self {
        Self { handle }
    }

    fn handle(&self) -> Handle {
        self.handle
    }
}

impl Loaded {
    /// Loads a module: the whole of what `atoll module` wrote. The bytes are copied, and used no more
    /// afterwards. See the example of [`Loaded`].
    ///
    /// # Errors
    /// [`Error::NotAModule`] for what is not signed at all, [`Error::Altered`], [`Error::CutShort`],
    /// [`Error::OtherKey`] for one that is signed with a key that the image does not trust,
    /// [`Error::OtherCompiler`] for one of another version of the host tool or for another machine,
    /// [`Error::BadModule`] if it imports what no hostcall is, [`Error::TooLong`] for more than
    /// [`MAX_MODULE`](atoll_abi::MAX_MODULE) bytes, [`Error::NoMemory`], [`Error::TooManyModules`],
    /// [`Error::TooManyHandles`], [`Error::TooMany`].
    pub fn load(bytes: &[u8]) -> Result<Self, Error> {
        memory::load(bytes).map(|handle| Self { handle })
    }

    /// As [`Loaded::load`], from a window. Others may write it meanwhile: what is checked is what was copied.
    ///
    /// ```no_run
    /// use userland::{Error, module::Loaded, shm::Window};
    ///
    /// fn load(file: &Window, len: u32) -> Result<Loaded, Error> {
    ///     Loaded::load_from(file, 0, len)
    /// }
    /// ```
    ///
    /// # Errors
    /// As [`Loaded::load`], and [`Error::InvalidArgument`] for a range that is not in the window.
    pub fn load_from(window: &Window, offset: u32, len: u32) -> Result<Self, Error> {
        let address = window.place(offset, len)?;
        memory::load_window(address, len).map(|handle| Self { handle })
    }

    /// What there is to know of it. Needs the right to read. See the example of [`module`](crate::module).
    ///
    /// # Errors
    /// [`Error::Denied`], [`Error::Revoked`].
    pub fn info(&self) -> Result<ModuleInfo, Error> {
        calls::module::info(&self.handle)
    }
}
