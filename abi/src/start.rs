// SPDX-License-Identifier: BSD-2-Clause
//! What a guest is told at its start.

use alloc::{string::String, vec::Vec};

use serde::{Deserialize, Serialize};

use crate::{Groups, Handle, Limits, Pid};

/// The start parameters, as the guest's spec or its parent gave them: a postcard message that
/// `atoll::guest` `params` copies into the guest.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Params {
    /// The process's id.
    pub pid: Pid,
    /// Its name.
    pub name: String,
    /// Arguments.
    pub args: Vec<String>,
    /// Environment, `KEY=value`.
    pub env: Vec<String>,
    /// Capabilities, each under the name of its slot.
    pub caps: Vec<Cap>,
    /// The hostcall groups that it is granted.
    pub groups: Groups,
    /// What it may use.
    pub limits: Limits,
    /// The version of the module that it runs, or empty.
    pub version: String,
}

/// A capability that a guest holds from its start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cap {
    /// The slot's name in the spec, or what the parent called it.
    pub name: String,
    /// The handle.
    pub handle: Handle,
}
