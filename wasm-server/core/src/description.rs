// SPDX-License-Identifier: BSD-2-Clause
//! What the spec says about one guest, owned.

use alloc::{string::String, vec::Vec};

use atoll_abi::Group;
use capdl::blob::{Cap, HostcallGroup, Kind, Object, ObjectId, Reader, Restart, Start, Target};

/// A guest of the spec.
#[derive(Debug)]
pub(crate) struct Description {
    /// Its name.
    pub name: String,
    /// Its place in the text, `file:line`.
    pub place: String,
    /// Name of its module.
    pub module: String,
    /// Priority of its thread.
    pub prio: u8,
    /// Bytes of native stack for wasm code.
    pub stack: u32,
    /// Milliseconds it may run.
    pub deadline_ms: Option<u32>,
    /// When it starts.
    pub start: Start,
    /// What happens when it ends.
    pub restart: Restart,
    /// Arguments.
    pub args: Vec<String>,
    /// Environment.
    pub env: Vec<String>,
    /// The untyped everything of it comes from.
    pub budget: ObjectId,
    /// The hostcall groups it is granted.
    pub groups: Vec<Group>,
    /// The channels it holds.
    pub channels: Vec<ChannelCap>,
}

/// A channel in a guest's slot.
#[derive(Debug)]
pub(crate) struct ChannelCap {
    /// Name of the slot.
    pub slot: String,
    /// The channel.
    pub channel: ObjectId,
    /// What the spec allows.
    pub rights: atoll_abi::Rights,
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
        let mut budget = None;
        let mut groups = Vec::new();
        let mut channels = Vec::new();
        for cap in &object.caps {
            match cap.target {
                Target::Hostcalls(group) => groups.push(group_of(group)),
                Target::Object(id) => match spec.object(id).map(|o| o.kind) {
                    Some(Kind::Untyped { .. }) => budget = Some(id),
                    Some(Kind::Channel { .. }) => {
                        channels.push(ChannelCap {
                            slot: cap.slot.into(),
                            channel: id,
                            rights: rights_of(cap),
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
                },
            }
        }
        let place = alloc::format!("{}:{}", spec.file, object.line);
        let Some(budget) = budget else {
            return Err(alloc::format!("{place}: {} has no memory", object.name));
        };
        let owned = |strings: &[&str]| strings.iter().map(|&s| String::from(s)).collect();
        Ok(Some(Self {
            name: object.name.into(),
            place,
            module: guest.module.into(),
            prio: guest.prio,
            stack: guest.stack,
            deadline_ms: guest.deadline_ms,
            start: guest.start,
            restart: guest.restart,
            args: owned(&guest.args),
            env: owned(&guest.env),
            budget,
            groups,
            channels,
        }))
    }

    /// Whether it may link the calls of a group.
    pub fn grants(&self, group: Group) -> bool {
        group.grant().is_none() || self.groups.contains(&group)
    }
}

const fn group_of(group: HostcallGroup) -> Group {
    match group {
        HostcallGroup::Processes => Group::Processes,
        HostcallGroup::SharedMemory => Group::SharedMemory,
        HostcallGroup::Wake => Group::Wake,
        HostcallGroup::Time => Group::Time,
        HostcallGroup::Log => Group::Log,
        HostcallGroup::Introspect => Group::Introspect,
    }
}

fn rights_of(cap: &Cap<'_>) -> atoll_abi::Rights {
    use atoll_abi::Rights;
    [
        (cap.rights.read, Rights::READ),
        (cap.rights.write, Rights::WRITE),
        (cap.rights.grant, Rights::GRANT),
    ]
    .into_iter()
    .filter(|(given, _)| *given)
    .fold(Rights::NONE, |all, (_, right)| all.union(right))
}
