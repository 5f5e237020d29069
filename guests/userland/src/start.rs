// SPDX-License-Identifier: BSD-2-Clause
//! What the guest was told at its start: its name, arguments, environment and capabilities.
//!
//! ```ignore
//! let start = Start::read()?;
//! let rounds: u32 = start.value("rounds").and_then(|v| v.parse().ok()).unwrap_or(100);
//! let link = start.region("link").ok_or(Error::NotFound)?;
//! ```

use atoll_abi::{Error, Groups, Handle, Limits, Params, Pid};

use crate::{handle::Capability, shm::Region};

/// The start parameters.
#[derive(Clone, Debug)]
pub struct Start {
    params: Params,
}

impl Start {
    /// Asks the server.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] if the answer cannot be understood: the server is of another
    /// version.
    #[cfg(target_family = "wasm")]
    pub fn read() -> Result<Self, Error> {
        let len = crate::sys::memory::params(&mut [])?;
        let mut message = alloc::vec![0; len as usize];
        crate::sys::memory::params(&mut message)?;
        Self::decode(&message)
    }

    /// Reads the server's message: a postcard `Params` of `atoll-abi`.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] if it is none.
    pub fn decode(message: &[u8]) -> Result<Self, Error> {
        let params = postcard::from_bytes(message).map_err(|_| Error::InvalidArgument)?;
        Ok(Self { params })
    }

    /// The process's id.
    pub fn pid(&self) -> Pid {
        self.params.pid
    }

    /// The groups of hostcalls that it was granted.
    pub fn groups(&self) -> Groups {
        self.params.groups
    }

    /// What it may use.
    pub fn limits(&self) -> &Limits {
        &self.params.limits
    }

    /// The name that the spec or its parent gave it.
    pub fn name(&self) -> &str {
        &self.params.name
    }

    /// The arguments, in the order they were given.
    pub fn args(&self) -> impl Iterator<Item = &str> {
        self.params.args.iter().map(|arg| arg.as_str())
    }

    /// The value of the first argument `key=value`.
    pub fn value(&self, key: &str) -> Option<&str> {
        self.args().find_map(|arg| value_of(arg, key))
    }

    /// The value of an environment variable.
    pub fn env(&self, key: &str) -> Option<&str> {
        self.params
            .env
            .iter()
            .find_map(|entry| value_of(entry, key))
    }

    /// The handle in the slot of this name.
    pub fn handle(&self, slot: &str) -> Option<Handle> {
        let cap = self.params.caps.iter().find(|cap| cap.name == slot)?;
        Some(cap.handle)
    }

    /// The capability in the slot of this name.
    pub fn capability<T: Capability>(&self, slot: &str) -> Option<T> {
        self.handle(slot).map(T::from_handle)
    }

    /// The shared region in the slot of this name.
    pub fn region(&self, slot: &str) -> Option<Region> {
        self.capability(slot)
    }
}

/// The groups of hostcalls that this guest may call now: those of its start, less those that were taken
/// away since.
///
/// # Errors
/// None that a guest of this version meets.
#[cfg(target_family = "wasm")]
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
