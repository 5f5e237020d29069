// SPDX-License-Identifier: BSD-2-Clause
//! Where everything of the picture is, in pixels.
//!
//! A gutter between two columns has three parts: next to guests' boxes a strip in which edges are level and have
//! their labels, in the middle the part in which they curve, next to the others a strip for arrow heads. So no edge
//! crosses a box or a label, and no two labels meet, since the ends of edges on a box keep their distance.

use super::content::{self, Lines};
use super::graph::{Graph, Node};
use super::model::Facts;
use super::scene::{Curve, Frame, Line, Rect, Scene, Shape};
use super::tabs::tabs;

/// Around everything.
pub const MARGIN: f64 = 24.0;
/// Where the first band begins: below the picture's title.
const TOP: f64 = 84.0;
/// Width of a guest's box.
pub const GUEST: f64 = 216.0;
/// Width of the box of a link.
pub const LINK: f64 = 150.0;
/// Width of the box of a device.
pub const DEVICE: f64 = 168.0;
/// Between boxes of a column.
const GAP: f64 = 16.0;
/// Between the ends of edges on one side of a box.
const PORT: f64 = 20.0;
/// The strip for labels.
const LABELS: f64 = 54.0;
/// The strip for arrow heads.
const HEADS: f64 = 14.0;
/// From a server's frame to what is in it.
const PAD: f64 = 18.0;
/// Between bands.
const BAND_GAP: f64 = 28.0;
/// Narrowest and widest part of a gutter in which edges curve.
const CURVES: (f64, f64) = (46.0, 260.0);
/// Guests that are connected with nothing, in a row, if there is no reason for another number.
const ALONE: usize = 4;
/// How often boxes are moved towards their neighbours.
const SWEEPS: usize = 9;

/// Lays a system out.
pub fn scene(facts: &Facts) -> Scene {
    let graph = Graph::new(facts);
    let mut layout = Layout::new(facts, &graph);
    layout.heights();
    layout.bands();
    layout.columns();
    layout.finish()
}

struct Layout<'a> {
    facts: &'a Facts,
    graph: &'a Graph,
    shapes: Vec<Shape>,
    headers: Vec<Lines>,
    /// The whole band of each server or of what they share.
    bands: Vec<(f64, f64)>,
    /// Where guests that are connected with nothing begin, in each band.
    alone: Vec<f64>,
    /// How many of them there are in a row.
    per_row: usize,
    /// The left edges and widths of columns.
    xs: Vec<(f64, f64)>,
    frames: (f64, f64),
}

impl<'a> Layout<'a> {
    fn new(facts: &'a Facts, graph: &'a Graph) -> Self {
        let shape = |&node: &Node| {
            let lines = content::lines(facts, node);
            Shape {
                node,
                rect: Rect {
                    w: match node {
                        Node::Device(_) => DEVICE,
                        Node::Guest(_) | Node::Task(_) => GUEST,
                        Node::Link(_) => LINK,
                    },
                    h: lines.height,
                    ..Rect::default()
                },
                lines,
            }
        };
        let servers = facts.servers.iter();
        Self {
            facts,
            graph,
            shapes: graph.nodes.iter().map(shape).collect(),
            headers: servers
                .map(|server| content::server(facts, server))
                .collect(),
            bands: vec![(0.0, 0.0); graph.band_count],
            alone: vec![0.0; graph.band_count],
            per_row: 1,
            xs: Vec::new(),
            frames: (0.0, 0.0),
        }
    }

    /// Whether links are shared by servers: then edges go from band to band, and all boxes keep to the columns.
    fn is_shared(&self) -> bool {
        self.graph.band_count > self.facts.servers.len().max(1)
    }

    /// A box is high enough for its text and for the edges on either side.
    fn heights(&mut self) {
        for node in 0..self.shapes.len() {
            let ends = |right: bool| {
                let sides = self.graph.edges.iter().filter(|edge| {
                    (edge.guest == node || edge.other == node)
                        && self.is_right(edge.guest, edge.other) == (right == (edge.guest == node))
                });
                sides.count()
            };
            let most = ends(true).max(ends(false));
            let rect = &mut self.shapes[node].rect;
            rect.h = rect.h.max(most as f64 * PORT + 4.0);
        }
    }

    /// Whether the other end of an edge is right of the guest.
    fn is_right(&self, guest: usize, other: usize) -> bool {
        self.graph.column[other] > self.graph.column[guest]
    }

    /// Guests, and links held by nobody, that are connected with nothing: in the rows below the others.
    fn loners(&self, band: usize) -> Vec<usize> {
        let loner = |&node: &usize| {
            self.graph.band[node] == band
                && self.graph.column[node].is_none()
                && !matches!(self.shapes[node].node, Node::Device(_))
        };
        (0..self.shapes.len()).filter(loner).collect()
    }

    /// Devices that no guest holds: in the first column, below those of guests.
    fn servers_devices(&self, band: usize) -> Vec<usize> {
        let mine = |&node: &usize| {
            self.graph.band[node] == band
                && self.graph.column[node].is_none()
                && matches!(self.shapes[node].node, Node::Device(_))
        };
        (0..self.shapes.len()).filter(mine).collect()
    }

    /// Moves boxes up and down, band by band.
    fn bands(&mut self) {
        let columns = self.graph.cells.first().map_or(0, Vec::len);
        let most = (0..self.graph.band_count).map(|band| self.loners(band).len());
        let most = most.max().unwrap_or(0);
        self.per_row = if self.is_shared() {
            columns.saturating_sub(1).max(2)
        } else {
            // As many as the columns leave room for, and not so few that it gets tall.
            let room = (columns.saturating_sub(1)) as f64 * (GUEST + LINK) / 2.0
                + columns.saturating_sub(2) as f64 * (LABELS + HEADS + CURVES.0);
            let fit = ((room + GAP) / (GUEST + GAP)) as usize;
            fit.max(ALONE.min(most)).max(1)
        };
        let mut top = TOP;
        for band in 0..self.graph.band_count {
            let server = self.graph.bands.iter().position(|&one| one == band);
            let header = server.map_or(0.0, |server| self.headers[server].height + PAD);
            let start = top + header;
            let bottom = self.connected(band, start);
            let devices = self.servers_devices(band);
            let below = self.graph.cells[band][0].iter().copied();
            let below = below.map(|node| self.shapes[node].rect.bottom() + GAP);
            let mut y = below.fold(top + PAD, f64::max);
            for &device in &devices {
                self.shapes[device].rect.y = y;
                y += self.shapes[device].rect.h + GAP;
            }
            let devices_end = if devices.is_empty() { top } else { y - GAP };
            self.alone[band] = if bottom > start { bottom + PAD } else { start };
            let end = self.rows(band, self.alone[band]).max(bottom);
            let end = end.max(devices_end) + if server.is_some() { PAD } else { 0.0 };
            self.bands[band] = (top, end);
            top = end + BAND_GAP;
        }
    }

    /// Places the connected boxes of a band; answers where they end.
    fn connected(&mut self, band: usize, start: f64) -> f64 {
        let cells = &self.graph.cells[band];
        for cell in cells {
            let mut y = 0.0;
            for &node in cell {
                self.shapes[node].rect.y = y;
                y += self.shapes[node].rect.h + GAP;
            }
        }
        let columns = cells.len();
        for sweep in 0..SWEEPS {
            for step in 0..columns {
                // By the left neighbours from left to right, and back, so that what is in a row is level.
                let (column, beside) = if sweep % 2 == 0 {
                    (step, step.checked_sub(1))
                } else {
                    (columns - 1 - step, Some(columns - step))
                };
                self.settle(band, column, beside);
            }
        }
        let nodes = || cells.iter().flatten().copied();
        let tops = nodes().map(|node| self.shapes[node].rect.y);
        let shift = start - tops.fold(f64::INFINITY, f64::min);
        let mut end = start;
        for node in nodes() {
            let rect = &mut self.shapes[node].rect;
            rect.y = (rect.y + shift).round();
            end = end.max(rect.bottom());
        }
        end
    }

    /// Moves the boxes of a column as near to the middle of their neighbours as their order and distances allow:
    /// isotonic regression, by pooling those that would overlap. Neighbours are those in the column `beside`.
    fn settle(&mut self, band: usize, column: usize, beside: Option<usize>) {
        let cell = &self.graph.cells[band][column];
        // Wanted tops less what must be above; the sum and number of those that move together.
        let mut pools: Vec<(f64, usize)> = Vec::new();
        let mut above = Vec::new();
        let mut height = 0.0;
        for &node in cell {
            let rect = self.shapes[node].rect;
            let near = self.graph.edges.iter().filter_map(|edge| {
                let other = match node {
                    _ if edge.guest == node => edge.other,
                    _ if edge.other == node => edge.guest,
                    _ => return None,
                };
                let same = self.graph.band[other] == band && self.graph.column[other] == beside;
                same.then(|| self.shapes[other].rect.middle())
            });
            let near: Vec<f64> = near.collect();
            let middle = near.iter().sum::<f64>() / near.len() as f64;
            let wanted = if near.is_empty() {
                rect.y
            } else {
                middle - rect.h / 2.0
            };
            above.push(height);
            let mut pool = (wanted - height, 1);
            height += rect.h + GAP;
            while let Some(&(sum, count)) = pools.last()
                && sum / count as f64 >= pool.0 / pool.1 as f64
            {
                pools.pop();
                pool = (pool.0 + sum, pool.1 + count);
            }
            pools.push(pool);
        }
        let tops = pools
            .iter()
            .flat_map(|&(sum, count)| std::iter::repeat_n(sum / count as f64, count));
        for ((&node, top), above) in cell.iter().zip(tops).zip(above) {
            self.shapes[node].rect.y = top + above;
        }
    }

    /// Places the loners of a band from `top` on; answers where they end.
    fn rows(&mut self, band: usize, top: f64) -> f64 {
        let (mut y, mut end) = (top, top);
        for row in self.loners(band).chunks(self.per_row) {
            for &node in row {
                self.shapes[node].rect.y = y;
                end = end.max(self.shapes[node].rect.bottom());
            }
            y = end + GAP;
        }
        end
    }

    /// Places columns, and with them the boxes from left to right.
    fn columns(&mut self) {
        let columns = self.graph.cells.first().map_or(2, Vec::len);
        let has_devices = self
            .shapes
            .iter()
            .any(|shape| matches!(shape.node, Node::Device(_)));
        let driven = self.graph.column.contains(&Some(0));
        let uniform = self.is_shared();
        let mut x = MARGIN;
        for column in 0..columns.max(if uniform { self.per_row + 1 } else { 2 }) {
            let width = match column {
                0 if has_devices => DEVICE,
                0 => 0.0,
                _ if column % 2 == 1 || uniform => GUEST,
                _ => LINK,
            };
            self.xs.push((x, width));
            if column == 0 {
                // The frames of servers begin behind the curves.
                let curves = if driven {
                    HEADS + self.curves(0)
                } else {
                    3.0 * HEADS
                };
                let curves = if has_devices { curves } else { 0.0 };
                self.frames.0 = x + width + curves;
                x = self.frames.0 + PAD + if driven { LABELS } else { 0.0 };
            } else {
                x += width + HEADS + LABELS + self.curves(column);
            }
        }
        let mut right = f64::max(0.0, self.frames.0 + GUEST + 2.0 * PAD);
        for node in 0..self.shapes.len() {
            let column = self.graph.column[node].unwrap_or(0);
            let (left, width) = self.xs[column];
            let rect = &mut self.shapes[node].rect;
            rect.x = left + (width - rect.w) / 2.0;
        }
        for band in 0..self.graph.band_count {
            for (index, &node) in self.loners(band).iter().enumerate() {
                let place = index % self.per_row;
                self.shapes[node].rect.x = if uniform {
                    let (left, width) = self.xs[place + 1];
                    left + (width - self.shapes[node].rect.w) / 2.0
                } else {
                    self.frames.0 + PAD + place as f64 * (GUEST + GAP)
                };
            }
        }
        for shape in &self.shapes {
            right = right.max(shape.rect.right() + PAD);
        }
        self.frames.1 = right;
    }

    /// How wide the part of a gutter is in which edges curve: the taller the steps, the wider.
    fn curves(&self, column: usize) -> f64 {
        let steps = self.graph.edges.iter().filter_map(|edge| {
            let columns = [edge.guest, edge.other].map(|node| self.graph.column[node]);
            let here = columns.into_iter().flatten().min() == Some(column);
            let [a, b] = [edge.guest, edge.other].map(|node| self.shapes[node].rect.middle());
            here.then_some((a - b).abs())
        });
        let tallest = steps.fold(0.0, f64::max);
        (CURVES.0 + tallest * 0.16).min(CURVES.1).round()
    }

    fn finish(self) -> Scene {
        let mut curves = self.edges();
        curves.extend(self.server_edges());
        let frames = self.headers.iter().enumerate().map(|(server, lines)| {
            let (top, bottom) = self.bands[self.graph.bands[server]];
            let rect = Rect {
                x: self.frames.0,
                y: top,
                w: self.frames.1 - self.frames.0,
                h: bottom - top,
            };
            Frame {
                rect,
                header: Rect {
                    x: rect.x + PAD,
                    y: rect.y + PAD / 2.0,
                    w: GUEST,
                    h: lines.height,
                },
                lines: lines.clone(),
            }
        });
        let frames: Vec<_> = frames.collect();
        let bottom = self.bands.last().map_or(TOP, |band| band.1);
        Scene {
            width: self.frames.1 + MARGIN,
            height: bottom,
            frames,
            tabs: tabs(self.facts, &self.shapes),
            shapes: self.shapes,
            curves,
        }
    }

    /// Where the edges of each box end: the one whose other end is highest comes first.
    fn edges(&self) -> Vec<Curve> {
        let edges = &self.graph.edges;
        let mut ends = vec![[(0.0, 0.0); 2]; edges.len()];
        for node in 0..self.shapes.len() {
            for right in [false, true] {
                let mut mine: Vec<usize> = (0..edges.len())
                    .filter(|&at| {
                        let edge = &edges[at];
                        (edge.guest == node || edge.other == node)
                            && self.is_right(edge.guest, edge.other)
                                == (right == (edge.guest == node))
                    })
                    .collect();
                mine.sort_by(|&a, &b| {
                    let far = |at: usize| {
                        let edge = &edges[at];
                        let other = if edge.guest == node {
                            edge.other
                        } else {
                            edge.guest
                        };
                        self.shapes[other].rect.middle()
                    };
                    far(a).total_cmp(&far(b)).then(a.cmp(&b))
                });
                let rect = self.shapes[node].rect;
                let first = rect.middle() - (mine.len().saturating_sub(1)) as f64 * PORT / 2.0;
                for (place, at) in mine.into_iter().enumerate() {
                    let x = if right { rect.right() } else { rect.x };
                    let end = usize::from(edges[at].guest != node);
                    ends[at][end] = (x, first + place as f64 * PORT);
                }
            }
        }
        let curve = |(edge, [from, to]): (&super::graph::Edge, [(f64, f64); 2])| {
            let right = self.is_right(edge.guest, edge.other);
            let way = if right { 1.0 } else { -1.0 };
            let (left, width) = self.xs[self.graph.column[edge.other].unwrap_or(0)];
            // Narrow boxes are in the middle of their columns.
            let side = if right { left } else { left + width };
            let width = content::width(&edge.rights, 11.0) + 12.0;
            let near = if right {
                from.0 + 10.0
            } else {
                from.0 - 10.0 - width
            };
            let object = match self.shapes[edge.other].node {
                Node::Device(device) => &self.facts.devices[device].name,
                Node::Link(link) => &self.facts.links[link].name,
                Node::Guest(guest) => &self.facts.guests[guest].name,
                Node::Task(task) => &self.facts.tasks[task].name,
            };
            let holder = match self.shapes[edge.guest].node {
                Node::Guest(guest) => &self.facts.guests[guest].name,
                Node::Task(task) => &self.facts.tasks[task].name,
                _ => object,
            };
            Curve {
                line: match self.shapes[edge.other].node {
                    Node::Link(link) => Line::Link(self.facts.links[link].kind),
                    _ => Line::Device,
                },
                from,
                bend: (from.0 + way * LABELS, from.1),
                straight: (side - way * HEADS, to.1),
                to,
                rights: edge.rights.clone(),
                label: (!edge.rights.is_empty()).then_some(Rect {
                    x: near,
                    y: from.1 - 8.0,
                    w: width,
                    h: 16.0,
                }),
                title: format!("{holder}.{}: {object} ({})", edge.slot, edge.about),
            }
        };
        edges.iter().zip(ends).map(curve).collect()
    }

    /// Level lines from the frames of servers to the devices that they alone hold.
    fn server_edges(&self) -> Vec<Curve> {
        let mut curves = Vec::new();
        for (node, shape) in self.shapes.iter().enumerate() {
            let Node::Device(device) = shape.node else {
                continue;
            };
            if self.graph.column[node].is_some() {
                continue;
            }
            let device = &self.facts.devices[device];
            let held = device.holders.iter().find(|holder| {
                self.facts
                    .servers
                    .iter()
                    .any(|server| server.name == holder.holder)
            });
            if let Some(holder) = held {
                let y = shape.rect.middle();
                let (from, to) = ((self.frames.0, y), (shape.rect.right(), y));
                curves.push(Curve {
                    line: Line::Device,
                    from,
                    bend: from,
                    straight: to,
                    to,
                    rights: holder.rights.clone(),
                    label: None,
                    title: format!(
                        "{}.{}: {} ({})",
                        holder.holder, holder.slot, device.name, holder.rights
                    ),
                });
            }
        }
        curves
    }
}
