// SPDX-License-Identifier: BSD-2-Clause
//! What is written, before anybody asks what it means.

use super::span::{Span, Spanned};

/// A spec.
#[derive(Clone, Debug)]
pub struct File {
    /// `arch NAME`.
    pub arch: Spanned<String>,
    /// The sections, in their order.
    pub sections: Vec<Section>,
}

/// A section.
#[derive(Clone, Debug)]
pub enum Section {
    /// `objects { … }`
    Objects(Vec<ObjectDecl>),
    /// `caps { … }`
    Caps(Vec<CapDecl>),
    /// `irq maps { … }`
    IrqMaps(Vec<IrqMapping>),
    /// `cdt { … }`; only its place is kept.
    Cdt(Span),
    /// `domains { … }`; only its place is kept.
    Domains(Span),
}

/// A name, perhaps of an array or of some of its elements.
#[derive(Clone, Debug)]
pub struct NameRef {
    /// The name.
    pub name: Spanned<String>,
    /// What follows in brackets; `[]` is an empty list.
    pub ranges: Option<Vec<Range>>,
    /// All of it.
    pub span: Span,
}

/// Elements of an array; both ends are included.
#[derive(Clone, Copy, Debug)]
pub struct Range {
    /// First element; none: that of the array.
    pub first: Option<u64>,
    /// Last element; none: that of the array.
    pub last: Option<u64>,
    /// Where.
    pub span: Span,
}

/// `path = kind (params) { covered }`
#[derive(Clone, Debug)]
pub struct ObjectDecl {
    /// The name; further parts name the untypeds that cover the object.
    pub path: Vec<NameRef>,
    /// The object type.
    pub kind: Spanned<String>,
    /// The parameters.
    pub params: Vec<Param>,
    /// The braces of an untyped that covers other objects.
    pub covers: Option<Span>,
    /// The objects declared in those braces.
    pub covered: Vec<ObjectDecl>,
}

/// A parameter of an object or capability.
#[derive(Clone, Debug)]
pub struct Param {
    /// What kind of parameter.
    pub kind: ParamKind,
    /// Where.
    pub span: Span,
}

/// The kinds of parameters.
#[derive(Clone, Debug)]
pub enum ParamKind {
    /// `12 bits`
    Bits(u64),
    /// `4k`
    Quantity(Quantity),
    /// `name: value`
    Named(Spanned<String>, Value),
    /// `RW`, `cached`
    Flag(String),
}

/// A number, perhaps with a unit.
#[derive(Clone, Debug)]
pub struct Quantity {
    /// The number.
    pub number: u64,
    /// `k`, `M`, `ms` …
    pub unit: Option<Spanned<String>>,
}

/// A value.
#[derive(Clone, Debug)]
pub struct Value {
    /// What kind of value.
    pub kind: ValueKind,
    /// Where.
    pub span: Span,
}

/// The kinds of values.
#[derive(Clone, Debug)]
pub enum ValueKind {
    /// `4`, `300ms`
    Quantity(Quantity),
    /// `"text"`
    Text(String),
    /// `server`, `frames[3]`, `permanent`
    Name(NameRef),
    /// `registers + 0xe00`
    Sum(NameRef, Spanned<u64>),
    /// `[a, b]`
    List(Vec<Value>),
    /// `(a, b)`; only its place is kept.
    Tuple,
    /// `{a b}`; only its place is kept.
    Record,
}

/// A declaration in a `caps` section.
#[derive(Clone, Debug)]
pub enum CapDecl {
    /// `owner { caps }`
    Holder(NameRef, Vec<CapEntry>),
    /// `name = (owner, slot)`; only its place is kept.
    Name(Span),
}

/// A capability.
#[derive(Clone, Debug)]
pub struct CapEntry {
    /// `slot:`
    pub slot: Option<Spanned<Slot>>,
    /// `name =`
    pub name: Option<NameRef>,
    /// What it designates.
    pub target: NameRef,
    /// Whether `target` was written `<target>`: the name of a capability to copy.
    pub copy: bool,
    /// Its parameters.
    pub params: Vec<Param>,
    /// `- child_of parent`; only its place is kept.
    pub parent: Option<Span>,
    /// All of it.
    pub span: Span,
}

/// A slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Slot {
    /// By number.
    Number(u64),
    /// By name.
    Name(String),
}

/// An entry of `irq maps`.
#[derive(Clone, Debug)]
pub struct IrqMapping {
    /// The number of the interrupt.
    pub number: Option<Spanned<u64>>,
    /// The object.
    pub irq: NameRef,
}
