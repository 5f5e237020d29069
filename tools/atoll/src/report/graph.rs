// SPDX-License-Identifier: BSD-2-Clause
//! Which box of the picture stands in which column, and in which order.
//!
//! Devices, guests and links (channels, services, and the like) are a graph whose edges are capabilities: each joins a guest with
//! a device or a link. Devices that guests hold are in column 0, and everything else in the column of its distance
//! from them, so guests are in odd columns, links in even ones, and every edge joins neighbouring columns: there is
//! a gutter between these, and no box in the gutter. Where there is no device to count from, one guest of those that
//! are connected is put into column 1.
//!
//! Every server has a band across all columns, with its guests and the links between them. Links between guests of
//! several servers, and native tasks with what they share, are in a band between two of these.

use std::collections::VecDeque;

use super::model::{Facts, LinkKind};

/// What a node stands for, with its index in the [`Facts`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Node {
    /// A device.
    Device(usize),
    /// A guest.
    Guest(usize),
    /// A native task.
    Task(usize),
    /// A channel, a service, or the like.
    Link(usize),
}

/// A guest's capability to a device or a link.
#[derive(Clone, Debug)]
pub struct Edge {
    /// The node of the guest.
    pub guest: usize,
    /// The other node.
    pub other: usize,
    /// The guest's name for it.
    pub slot: String,
    /// Letters.
    pub rights: String,
    /// Letters, and what else there is to it.
    pub about: String,
}

/// See the module.
#[derive(Debug)]
pub struct Graph {
    /// The nodes: devices, guests, links.
    pub nodes: Vec<Node>,
    /// The edges.
    pub edges: Vec<Edge>,
    /// The column of each node; none: it is connected with nothing.
    pub column: Vec<Option<usize>>,
    /// The band of each node: that of server `i` is `bands[i]`.
    pub band: Vec<usize>,
    /// The band of each server.
    pub bands: Vec<usize>,
    /// How many bands there are.
    pub band_count: usize,
    /// The nodes of each band and column, from the top.
    pub cells: Vec<Vec<Vec<usize>>>,
}

/// How often the columns are sorted by their neighbours, there and back.
const SWEEPS: usize = 12;

impl Graph {
    /// Of a system.
    pub fn new(facts: &Facts) -> Self {
        let mut nodes: Vec<_> = (0..facts.devices.len()).map(Node::Device).collect();
        let guests = nodes.len();
        nodes.extend((0..facts.guests.len()).map(Node::Guest));
        nodes.extend((0..facts.tasks.len()).map(Node::Task));
        let links = nodes.len();
        nodes.extend((0..facts.links.len()).map(Node::Link));

        let guest = |name: &str| {
            let names = facts.guests.iter().map(|guest| &guest.name);
            let mut names = names.chain(facts.tasks.iter().map(|task| &task.name));
            names
                .position(|one| one == name)
                .map(|index| guests + index)
        };
        let mut edges = Vec::new();
        let devices = facts.devices.iter().map(|device| &device.holders);
        let others = devices
            .enumerate()
            .chain((links..).zip(facts.links.iter().map(|link| &link.holders)));
        for (other, holders) in others {
            for holder in holders {
                edges.extend(guest(&holder.holder).map(|guest| Edge {
                    guest,
                    other,
                    slot: holder.slot.clone(),
                    rights: holder.rights.clone(),
                    about: match &*holder.data {
                        "" => holder.rights.clone(),
                        data => format!("{}, {data}", holder.rights),
                    },
                }));
            }
        }
        let mut graph = Self {
            column: vec![None; nodes.len()],
            band: vec![0; nodes.len()],
            nodes,
            edges,
            bands: Vec::new(),
            band_count: 0,
            cells: Vec::new(),
        };
        graph.find_columns(facts);
        graph.find_bands(facts);
        graph.find_order();
        graph
    }

    fn neighbours(&self, node: usize) -> impl Iterator<Item = usize> + '_ {
        self.edges.iter().filter_map(move |edge| {
            if edge.guest == node {
                Some(edge.other)
            } else {
                (edge.other == node).then_some(edge.guest)
            }
        })
    }

    /// Breadth first, from all devices that guests hold, then from a guest of what is left.
    fn find_columns(&mut self, facts: &Facts) {
        let devices = (0..self.nodes.len())
            .filter(|&node| matches!(self.nodes[node], Node::Device(_)))
            .filter(|&node| self.neighbours(node).next().is_some());
        let mut next: VecDeque<usize> = devices.collect();
        for &device in &next {
            self.column[device] = Some(0);
        }
        loop {
            while let Some(node) = next.pop_front() {
                let column = self.column[node].map(|column| column + 1);
                for neighbour in self.neighbours(node).collect::<Vec<_>>() {
                    if self.column[neighbour].is_none() {
                        self.column[neighbour] = column;
                        next.push_back(neighbour);
                    }
                }
            }
            let left = (0..self.nodes.len()).filter(|&node| {
                matches!(self.nodes[node], Node::Guest(_) | Node::Task(_))
                    && self.column[node].is_none()
                    && self.neighbours(node).next().is_some()
            });
            // The first that gives most to the others.
            let Some(source) = left.min_by_key(|&node| -self.gives(facts, node)) else {
                break;
            };
            self.column[source] = Some(1);
            next.push_back(source);
        }
    }

    /// How much a guest gives to others, by its links.
    fn gives(&self, facts: &Facts, guest: usize) -> i32 {
        let edges = self.edges.iter().filter(|edge| edge.guest == guest);
        let given = edges.map(|edge| {
            let Node::Link(link) = self.nodes[edge.other] else {
                return 0;
            };
            let [reads, writes] = ['R', 'W'].map(|right| edge.rights.contains(right));
            match facts.links[link].kind {
                LinkKind::Service if writes => 4,
                LinkKind::Service => 0,
                _ if writes && !reads => 2,
                _ if reads && !writes => -2,
                _ => 0,
            }
        });
        given.sum()
    }

    fn find_bands(&mut self, facts: &Facts) {
        let server = |guest: usize| {
            let name = &facts.guests[guest].server;
            let mut servers = facts.servers.iter();
            servers.position(|server| server.name == *name).unwrap_or(0)
        };
        // By servers; a link of several, or of none, is in a band of its own.
        let homes: Vec<Option<usize>> = (0..self.nodes.len())
            .map(|node| match self.nodes[node] {
                Node::Guest(guest) => Some(server(guest)),
                Node::Task(_) => None,
                Node::Link(_) => {
                    let mut homes = self
                        .neighbours(node)
                        .map(|holder| match self.nodes[holder] {
                            Node::Guest(guest) => Some(server(guest)),
                            _ => None,
                        });
                    let first = homes.next()??;
                    homes.all(|home| home == Some(first)).then_some(first)
                }
                Node::Device(device) => {
                    let mut neighbours = self.neighbours(node).peekable();
                    let held = neighbours.peek().is_some();
                    let of_guest = neighbours.find_map(|guest| match self.nodes[guest] {
                        Node::Guest(guest) => Some(server(guest)),
                        _ => None,
                    });
                    if held && of_guest.is_none() {
                        return None;
                    }
                    let mut holders = facts.devices[device].holders.iter();
                    let of_server = holders.find_map(|holder| {
                        let mut servers = facts.servers.iter();
                        servers.position(|server| server.name == holder.holder)
                    });
                    Some(of_guest.or(of_server).unwrap_or(0))
                }
            })
            .collect();
        let shared = homes.contains(&None);
        // The shared band is behind the first server's.
        let band = |home: usize| home + usize::from(shared && home > 0);
        self.bands = (0..facts.servers.len()).map(band).collect();
        self.band_count = facts.servers.len().max(1) + usize::from(shared);
        self.band = homes.iter().map(|home| home.map_or(1, band)).collect();
        for (node, home) in homes.iter().enumerate() {
            let is_link = matches!(self.nodes[node], Node::Link(_));
            if home.is_none() && self.column[node].is_none() && is_link {
                self.column[node] = Some(2);
            }
        }
    }

    fn find_order(&mut self) {
        let columns = self
            .column
            .iter()
            .flatten()
            .max()
            .map_or(2, |last| last + 1);
        self.cells = vec![vec![Vec::new(); columns]; self.band_count];
        let components = self.components();
        for node in 0..self.nodes.len() {
            if let Some(column) = self.column[node] {
                self.cells[self.band[node]][column].push(node);
            }
        }
        for band in &mut self.cells {
            for cell in band {
                cell.sort_by_key(|&node| components[node]);
            }
        }
        for sweep in 0..SWEEPS {
            let forth = sweep % 2 == 0;
            for step in 1..columns {
                let column = if forth { step } else { columns - 1 - step };
                let beside = if forth { column - 1 } else { column + 1 };
                let places = self.places();
                for band in 0..self.band_count {
                    let mut cell = std::mem::take(&mut self.cells[band][column]);
                    let key = |node: usize| {
                        let near: Vec<f64> = self
                            .neighbours(node)
                            .filter(|&other| self.column[other] == Some(beside))
                            .map(|other| places[other])
                            .collect();
                        let mean = near.iter().sum::<f64>() / near.len() as f64;
                        if near.is_empty() { places[node] } else { mean }
                    };
                    cell.sort_by(|&a, &b| {
                        let by_component = components[a].cmp(&components[b]);
                        by_component.then(key(a).total_cmp(&key(b)))
                    });
                    self.cells[band][column] = cell;
                }
            }
        }
    }

    /// Where each node is in its column, from 0 to 1, bands one below the other.
    fn places(&self) -> Vec<f64> {
        let mut places = vec![0.0; self.nodes.len()];
        for (band, columns) in self.cells.iter().enumerate() {
            for cell in columns {
                for (index, &node) in cell.iter().enumerate() {
                    places[node] = band as f64 + (index as f64 + 0.5) / cell.len() as f64;
                }
            }
        }
        places
    }

    /// For each node the first of those that it is connected with, by whatever way.
    fn components(&self) -> Vec<usize> {
        let mut component: Vec<usize> = (0..self.nodes.len()).collect();
        loop {
            let before = component.clone();
            for edge in &self.edges {
                let first = component[edge.guest].min(component[edge.other]);
                component[edge.guest] = first;
                component[edge.other] = first;
            }
            if component == before {
                return component;
            }
        }
    }
}
