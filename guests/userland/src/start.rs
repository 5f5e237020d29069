// SPDX-License-Identifier: BSD-2-Clause
//! What the guest was told at its start: its name, arguments, environment and capabilities.
//!
//! ```no_run
//! #![no_main]
//!
//! use userland::{Error, info, start::Start};
//!
//! #[userland::entrypoint]
//! fn main(start: Start) -> Result<(), Error> {
//!     let rounds: u32 = start.value("rounds").and_then(|v| v.parse().ok()).unwrap_or(100);
//!     let link = start.region("link").ok_or(Error::NotFound)?;
//!     info!("{} goes {rounds} rounds through {} bytes", start.name(), link.size()?);
//!     Ok(())
//! }
//! ```

use core::cell::Cell;

use atoll_abi::{Error, Groups, Handle, Limits, Params, Pid};

use crate::{handle::Capability, shm::Region, sys::local::local};

/// The start parameters.
///
/// ```no_run
/// use userland::{Error, start::Start};
///
/// /// The name to greet: an argument, a variable of the environment, or nobody's in particular.
/// fn whom(start: &Start) -> &str {
///     start.value("name").or(start.env("USER")).unwrap_or("world")
/// }
/// ```
#[derive(Clone, Debug)]
pub struct Start {
    params: Params,
}

impl Start {
    /// Asks the server.
    ///
    /// ```
    /// use userland::{Error, start::Start};
    ///
    /// fn own_name() -> Result<bool, Error> {
    ///     Ok(Start::read()?.name() == "hello")
    /// }
    /// # assert_eq!(own_name(), Err(Error::NotGranted));
    /// ```
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] if the answer cannot be understood: the server is of another
    /// version.
    pub fn read() -> Result<Self, Error> {
        let len = crate::sys::memory::params(&mut [])?;
        let mut message = alloc::vec![0; len as usize];
        crate::sys::memory::params(&mut message)?;
        Self::decode(&message)
    }

    /// Reads the server's message: a postcard `Params` of `atoll-abi`.
    ///
    /// ```
    /// use userland::{Error, start::Start};
    ///
    /// assert_eq!(Start::decode(&[1, 2, 3]).err(), Some(Error::InvalidArgument));
    /// ```
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] if it is none.
    pub fn decode(message: &[u8]) -> Result<Self, Error> {
        let params = postcard::from_bytes(message).map_err(|_| Error::InvalidArgument)?;
        Ok(Self { params })
    }

    /// The process's id.
    ///
    /// ```no_run
    /// use userland::{info, start::Start};
    ///
    /// fn introduce(start: &Start) {
    ///     info!("{} is process {}, with {:?}", start.name(), start.pid().0, start.groups());
    /// }
    /// ```
    pub fn pid(&self) -> Pid {
        self.params.pid
    }

    /// The groups of hostcalls that it was granted.
    ///
    /// ```no_run
    /// use userland::{Group, start::Start};
    ///
    /// fn can_start_others(start: &Start) -> bool {
    ///     start.groups().contains(Group::Processes)
    /// }
    /// ```
    pub fn groups(&self) -> Groups {
        self.params.groups
    }

    /// What it may use.
    ///
    /// ```no_run
    /// use userland::start::Start;
    ///
    /// fn has_room_for(start: &Start, timers: u32) -> bool {
    ///     timers <= start.limits().timers
    /// }
    /// ```
    pub fn limits(&self) -> &Limits {
        &self.params.limits
    }

    /// The name that the spec or its parent gave it. See the example of [`Start::pid`].
    pub fn name(&self) -> &str {
        &self.params.name
    }

    /// The version of the module that it runs, or nothing.
    ///
    /// ```no_run
    /// use userland::{info, start::Start};
    ///
    /// fn introduce(start: &Start) {
    ///     info!("{}, version {}", start.name(), start.version());
    /// }
    /// ```
    pub fn version(&self) -> &str {
        &self.params.version
    }

    /// The arguments, in the order they were given.
    ///
    /// ```no_run
    /// use userland::start::Start;
    ///
    /// fn is_verbose(start: &Start) -> bool {
    ///     start.args().any(|arg| arg == "verbose")
    /// }
    /// ```
    pub fn args(&self) -> impl Iterator<Item = &str> {
        self.params.args.iter().map(|arg| arg.as_str())
    }

    /// The value of the first argument `key=value`. See the example of [`Start`].
    pub fn value(&self, key: &str) -> Option<&str> {
        self.args().find_map(|arg| value_of(arg, key))
    }

    /// The value of an environment variable. See the example of [`Start`].
    pub fn env(&self, key: &str) -> Option<&str> {
        self.params
            .env
            .iter()
            .find_map(|entry| value_of(entry, key))
    }

    /// The handle in the slot of this name, at the start. What is taken and given back later has another one: see
    /// [`Slot`](crate::handle::Slot).
    ///
    /// ```no_run
    /// use userland::start::Start;
    ///
    /// /// Whether this guest was given a disk, whatever that is.
    /// fn has_disk(start: &Start) -> bool {
    ///     start.handle("disk").is_some()
    /// }
    /// ```
    pub fn handle(&self, slot: &str) -> Option<Handle> {
        let cap = self.params.caps.iter().find(|cap| cap.name == slot)?;
        Some(cap.handle)
    }

    /// The name of the slot that a handle was in.
    pub(crate) fn name_of(&self, handle: Handle) -> Option<&str> {
        let cap = self.params.caps.iter().find(|cap| cap.handle == handle)?;
        Some(cap.name.as_str())
    }

    /// The capability in the slot of this name.
    ///
    /// ```no_run
    /// use userland::{Error, singleton::Service, start::Start};
    ///
    /// fn door(start: &Start) -> Result<Service, Error> {
    ///     start.capability("door").ok_or(Error::NotFound)
    /// }
    /// ```
    pub fn capability<T: Capability>(&self, slot: &str) -> Option<T> {
        self.handle(slot).map(T::from_handle)
    }

    /// The shared region in the slot of this name.
    ///
    /// ```no_run
    /// use userland::{Error, shm::Region, start::Start};
    ///
    /// fn link(start: &Start) -> Result<Region, Error> {
    ///     start.region("link").ok_or(Error::NotFound)
    /// }
    /// ```
    pub fn region(&self, slot: &str) -> Option<Region> {
        self.capability(slot)
    }
}

/// The process's id.
///
/// # Errors
/// As [`Start::read`].
pub(crate) fn pid() -> Result<Pid, Error> {
    local! {
        /// The id, once somebody has asked.
        static PID: Cell<Option<Pid>> = Cell::new(None);
    }
    if let Some(pid) = PID.with(Cell::get) {
        return Ok(pid);
    }
    let pid = Start::read()?.pid();
    PID.with(|known| known.set(Some(pid)));
    Ok(pid)
}

/// The groups of hostcalls that this guest may call now: those of its start, less those that were taken
/// away since.
///
/// ```
/// use userland::{Error, Group, start};
///
/// fn can_still_log() -> Result<bool, Error> {
///     Ok(start::groups_now()?.contains(Group::Log))
/// }
/// # assert_eq!(can_still_log(), Err(Error::NotGranted));
/// ```
///
/// # Errors
/// None that a guest of this version meets.
pub fn groups_now() -> Result<Groups, Error> {
    crate::sys::calls::guest::groups()
}

fn value_of<'a>(entry: &'a str, key: &str) -> Option<&'a str> {
    let (name, value) = entry.split_once('=')?;
    (name == key).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use atoll_abi::{Cap, Group};

    fn message() -> Vec<u8> {
        let params = Params {
            pid: Pid(5),
            name: "ping".into(),
            args: ["verbose", "rounds=10", "rounds=20", "to=a=b"]
                .map(Into::into)
                .into(),
            env: ["HOME=/", "EMPTY="].map(Into::into).into(),
            caps: [("link", 7), ("other", 9)]
                .map(|(name, handle)| Cap {
                    name: name.into(),
                    handle: Handle(handle),
                })
                .into(),
            groups: Groups::NONE.with(Group::Wake),
            limits: Limits::DEFAULT,
            version: "2".into(),
        };
        postcard::to_allocvec(&params).unwrap()
    }

    #[test]
    fn finds_by_name() {
        let start = Start::decode(&message()).unwrap();
        assert_eq!((start.pid(), start.name()), (Pid(5), "ping"));
        assert!(start.groups().contains(Group::Wake) && !start.groups().contains(Group::Time));
        assert_eq!(start.limits(), &Limits::DEFAULT);
        assert_eq!(start.args().count(), 4);
        assert_eq!(start.value("rounds"), Some("10"));
        assert_eq!(start.value("to"), Some("a=b"));
        assert_eq!(start.value("verbose"), None);
        assert_eq!(start.value("round"), None);
        assert_eq!(start.env("HOME"), Some("/"));
        assert_eq!(start.env("EMPTY"), Some(""));
        assert_eq!(start.env("PATH"), None);
        assert_eq!(start.handle("other"), Some(Handle(9)));
        assert_eq!(start.handle("third"), None);
    }

    #[test]
    fn refuses_what_is_cut_off() {
        let message = message();
        for len in 0..message.len() {
            let cut = Start::decode(&message[..len]).map(|start| start.params);
            assert_eq!(cut, Err(Error::InvalidArgument), "{len} bytes");
        }
    }
}
