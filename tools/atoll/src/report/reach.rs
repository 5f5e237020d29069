// SPDX-License-Identifier: BSD-2-Clause
//! Who can talk to whom, and who reaches which device through whom. What is said of guests goes for native tasks, too.

use std::collections::VecDeque;

use serde::Serialize;

use super::model::{Facts, Holder, Link, LinkKind};

/// A guest that another can talk to, through one link.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Peer {
    /// The guest.
    pub guest: String,
    /// The link.
    pub through: String,
    /// How.
    pub way: Way,
}

/// How two guests talk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// Over a channel, to the other.
    Sends,
    /// Over a channel, from the other.
    Receives,
    /// Over a channel, both ways.
    Both,
    /// The other provides the service.
    Asks,
    /// The other looks the service up.
    Answers,
}

/// A device that a guest can reach.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Reach {
    /// The device.
    pub device: String,
    /// The rights that whoever holds it has on it.
    pub rights: String,
    /// Through whom, the next one first; none: the guest holds the device.
    pub through: Vec<Hop>,
}

/// A step on the way to a device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Hop {
    /// Through what: a channel, say.
    pub link: String,
    /// The guest at its other end.
    pub guest: String,
}

/// The ways of one guest.
pub struct Ways {
    /// See [`Peer`].
    pub peers: Vec<Peer>,
    /// See [`Reach`].
    pub reaches: Vec<Reach>,
}

/// The ways of every guest, then of every native task, in their order.
pub fn ways(facts: &Facts) -> Vec<Ways> {
    let guests = facts.guests.iter().map(|guest| &*guest.name);
    let tasks = facts.tasks.iter().map(|task| &*task.name);
    let names: Vec<&str> = guests.chain(tasks).collect();
    let peers: Vec<Vec<Peer>> = names.iter().map(|name| peers(facts, name)).collect();
    (0..names.len())
        .map(|guest| Ways {
            reaches: reaches(facts, &names, &peers, guest),
            peers: peers[guest].clone(),
        })
        .collect()
}

fn peers(facts: &Facts, name: &str) -> Vec<Peer> {
    let mut peers = Vec::new();
    for link in &facts.links {
        for mine in link.holders.iter().filter(|mine| mine.holder == name) {
            let others = link.holders.iter().filter(|other| other.holder != name);
            for other in others {
                let peer = way(link, mine, other).map(|way| Peer {
                    guest: other.holder.clone(),
                    through: link.name.clone(),
                    way,
                });
                peers.extend(peer.filter(|peer| !peers.contains(peer)));
            }
        }
    }
    peers
}

fn way(link: &Link, mine: &Holder, other: &Holder) -> Option<Way> {
    let reads = |holder: &Holder| holder.rights.contains('R');
    let writes = |holder: &Holder| holder.rights.contains('W');
    // Who calls through an endpoint has an answer there.
    let calls = |holder: &Holder| link.kind == LinkKind::Endpoint && holder.rights.contains('G');
    let there = writes(mine) && reads(other);
    let back = reads(mine) && writes(other);
    let answered = there && calls(mine) || back && calls(other);
    match (link.kind, there, back) {
        (_, false, false) => None,
        (LinkKind::Service, _, true) => Some(Way::Asks),
        (LinkKind::Service, true, false) => Some(Way::Answers),
        (_, true, true) => Some(Way::Both),
        _ if answered => Some(Way::Both),
        (_, true, false) => Some(Way::Sends),
        (_, false, true) => Some(Way::Receives),
    }
}

/// By breadth first, so that each way is a shortest one.
fn reaches(facts: &Facts, names: &[&str], peers: &[Vec<Peer>], guest: usize) -> Vec<Reach> {
    let mut hops: Vec<Option<Vec<Hop>>> = vec![None; names.len()];
    hops[guest] = Some(Vec::new());
    let mut next = VecDeque::from([guest]);
    let mut reaches: Vec<Reach> = Vec::new();
    while let Some(at) = next.pop_front() {
        let way = hops[at].clone().unwrap_or_default();
        for device in &facts.devices {
            let holder = device.holders.iter().find(|one| one.holder == names[at]);
            let known = reaches.iter().any(|reach| reach.device == device.name);
            if let Some(holder) = holder.filter(|_| !known) {
                reaches.push(Reach {
                    device: device.name.clone(),
                    rights: holder.rights.clone(),
                    through: way.clone(),
                });
            }
        }
        for peer in &peers[at] {
            let Some(to) = names.iter().position(|name| *name == peer.guest) else {
                continue;
            };
            if hops[to].is_none() {
                let mut longer = way.clone();
                longer.push(Hop {
                    link: peer.through.clone(),
                    guest: peer.guest.clone(),
                });
                hops[to] = Some(longer);
                next.push_back(to);
            }
        }
    }
    reaches
}
