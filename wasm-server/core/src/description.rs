// SPDX-License-Identifier: BSD-2-Clause
//! What the spec says about one guest, owned.

use alloc::{string::String, vec::Vec};

use atoll_abi::{Groups, Limits, Rights, message::Name};
use capdl::blob::{self, Kind, Object, ObjectId, Reader, Restart, Start};

/// A guest of the spec.
#[derive(Debug)]
pub(crate) struct Description {
    /// Its name.
    pub name: Name,
    /// Its place in the text, `file:line`.
    pub place: String,
    /// Name of its module.
    pub module: Name,
    /// Priority of its thread.
    pub prio: u8,
    /// Bytes of native stack for wasm code.
    pub stack: u32,
    /// Milliseconds it may run.
    pub deadline_ms: Option<u32>,
    /// When it starts.
    pub start: Start,
    /// Its turn among the guests that start with the server.
    pub rank: u16,
    /// What happens when it ends.
    pub restart: Restart,
    /// Arguments.
    pub args: Vec<String>,
    /// Environment.
    pub env: Vec<String>,
    /// The untyped everything of it comes from.
    pub budget: ObjectId,
    /// The hostcall groups it is granted.
    pub groups: Groups,
    /// What it may use.
    pub limits: Limits,
    /// The channels, services, devices and guests it holds.
    pub caps: Vec<Cap>,
}

/// A capability in a guest's slot.
#[derive(Debug)]
pub(crate) struct Cap {
    /// Name of the slot.
    pub slot: Name,
    /// The channel, service, device or guest.
    pub target: ObjectId,
    /// What the spec allows.
    pub rights: Rights,
}

impl Description {
    /// The guest that `object` describes; none if it is no guest of `server`.
    ///
    /// # Errors
    /// What is wrong with it, for people.
    pub fn of(
        spec: &Reader<'_>,
        object: &Object<'_>,
        server: ObjectId,
    ) -> Result<Option<Self>, String> {
        let Kind::WasmGuest(guest) = &object.kind else {
            return Ok(None);
        };
        if guest.server != server {
            return Ok(None);
        }
        let place = alloc::format!("{}:{}", spec.file, object.line);
        let name = |text: &str, line: u32| {
            Name::try_from(text)
                .map_err(|_| alloc::format!("{}:{line}: the name {text} is too long", spec.file))
        };
        let mut budget = None;
        let mut caps = Vec::new();
        for cap in &object.caps {
            match spec.object(cap.target).map(|o| o.kind) {
                Some(Kind::Untyped { .. }) => budget = Some(cap.target),
                Some(
                    Kind::Channel { .. }
                    | Kind::Service
                    | Kind::VirtioDevice { .. }
                    | Kind::MmioDevice { .. }
                    | Kind::WasmGuest(_),
                ) => {
                    caps.push(Cap {
                        slot: name(cap.slot, cap.line)?,
                        target: cap.target,
                        rights: rights_of(&cap),
                    });
                }
                _ => {
                    return Err(alloc::format!(
                        "{}:{}: {} has a capability in slot {} that no guest can hold",
                        spec.file,
                        cap.line,
                        object.name,
                        cap.slot
                    ));
                }
            }
        }
        let Some(budget) = budget else {
            return Err(alloc::format!("{place}: {} has no memory", object.name));
        };
        let owned = |strings: &[&str]| strings.iter().map(|&s| String::from(s)).collect();
        Ok(Some(Self {
            name: name(object.name, object.line)?,
            module: name(guest.module, object.line)?,
            place,
            prio: guest.prio,
            stack: guest.stack,
            deadline_ms: guest.deadline_ms,
            start: guest.start,
            rank: guest.rank,
            restart: guest.restart,
            args: owned(&guest.args),
            env: owned(&guest.env),
            budget,
            groups: guest.groups,
            limits: guest.limits.clone(),
            caps,
        }))
    }
}

fn rights_of(cap: &blob::Cap<'_>) -> Rights {
    [
        (cap.rights.read, Rights::READ),
        (cap.rights.write, Rights::WRITE),
        (cap.rights.grant, Rights::GRANT),
    ]
    .into_iter()
    .filter(|(given, _)| *given)
    .fold(Rights::NONE, |all, (_, right)| all.union(right))
}
