// SPDX-License-Identifier: BSD-2-Clause
//! What the picture is made of: boxes, frames, lines, and where they are, in pixels.

use super::content::Lines;
use super::graph::Node;
use super::model::LinkKind;

/// A rectangle.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Rect {
    /// Left.
    pub x: f64,
    /// Top.
    pub y: f64,
    /// Width.
    pub w: f64,
    /// Height.
    pub h: f64,
}

/// A box with text.
#[derive(Debug)]
pub struct Shape {
    /// What it stands for.
    pub node: Node,
    /// Where it is.
    pub rect: Rect,
    /// What is written in it.
    pub lines: Lines,
}

/// The frame of a server, around its guests.
#[derive(Debug)]
pub struct Frame {
    /// Where it is.
    pub rect: Rect,
    /// Where its text is.
    pub header: Rect,
    /// What is written there.
    pub lines: Lines,
}

/// What an edge leads to, which decides its color.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line {
    /// A device.
    Device,
    /// A channel, a service, or the like.
    Link(LinkKind),
}

/// A line from whoever holds something to what is held.
#[derive(Debug)]
pub struct Curve {
    /// What it leads to.
    pub line: Line,
    /// The holder's end: at its box.
    pub from: (f64, f64),
    /// Where it begins to curve.
    pub bend: (f64, f64),
    /// Where it no longer does.
    pub straight: (f64, f64),
    /// The other end.
    pub to: (f64, f64),
    /// The rights.
    pub rights: String,
    /// Where the rights are written; none: there are none to write.
    pub label: Option<Rect>,
    /// Holder, slot and object, for who points at it.
    pub title: String,
}

/// A tab on the upper border of a guest's box: who controls it.
#[derive(Debug)]
pub struct Tab {
    /// Where it is.
    pub rect: Rect,
    /// Who controls the guest, and with which rights; or how many others do.
    pub who: String,
    /// The rights; empty: it stands for several holders.
    pub rights: String,
    /// Holder, slot and guest, for who points at it.
    pub title: String,
}

/// The picture.
#[derive(Debug)]
pub struct Scene {
    /// Width.
    pub width: f64,
    /// Height, as far as this goes.
    pub height: f64,
    /// Servers.
    pub frames: Vec<Frame>,
    /// Devices, guests, links.
    pub shapes: Vec<Shape>,
    /// Edges.
    pub curves: Vec<Curve>,
    /// Who controls whom.
    pub tabs: Vec<Tab>,
}

impl Rect {
    /// The right edge.
    pub fn right(&self) -> f64 {
        self.x + self.w
    }

    /// The lower edge.
    pub fn bottom(&self) -> f64 {
        self.y + self.h
    }

    /// The middle, from the top.
    pub fn middle(&self) -> f64 {
        self.y + self.h / 2.0
    }
}
