// SPDX-License-Identifier: BSD-2-Clause
//! What is written, before anybody asks what it means.

use super::diagnostic::Diagnostic;
use super::span::{Span, Spanned};

/// A spec.
#[derive(Clone, Debug)]
pub struct File {
    /// `arch NAME`.
    pub arch: Spanned<String>,
    /// The sections, in their order.
    pub sections: Vec<Section>,
    /// What upstream's parser and its manual read differently: it was read as the parser does.
    pub doubts: Vec<Diagnostic>,
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
    /// `cdt { … }`: which capabilities derive from which.
    Cdt(Cdt),
    /// `domains { … }`: when which domain runs.
    Domains(Domains),
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
    pub covers: Option<Covers>,
}

/// `{ objects, names of objects }`
#[derive(Clone, Debug)]
pub struct Covers {
    /// What is in them, in its order.
    pub objects: Vec<Covered>,
    /// The braces and what is between them.
    pub span: Span,
}

/// An object that an untyped covers.
#[derive(Clone, Debug)]
pub enum Covered {
    /// One that is declared here.
    Decl(ObjectDecl),
    /// One that is declared elsewhere.
    Ref(NameRef),
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
    /// `RW`, `cached`; rights that are written apart, `R W`, are put together.
    Flag(String),
    /// `0:3.1`: bus, device and function on PCI.
    Pci([u64; 3]),
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
    /// `(a, b)`
    Tuple(Vec<Value>),
    /// `{a b}`
    Record(Vec<Value>),
    /// `1..3`
    Range(Range),
}

/// A declaration in a `caps` section.
#[derive(Clone, Debug)]
pub enum CapDecl {
    /// `owner { caps }`
    Holder(NameRef, Vec<CapEntry>),
    /// `name = (owner, slot)`
    Name(CapName),
}

/// A name for the capability in a slot.
#[derive(Clone, Debug)]
pub struct CapName {
    /// The name.
    pub name: Spanned<String>,
    /// The slot.
    pub place: Place,
    /// All of it.
    pub span: Span,
}

/// `(owner, slot)`
#[derive(Clone, Debug)]
pub struct Place {
    /// The object that has the slot.
    pub owner: NameRef,
    /// The slot.
    pub slot: Spanned<Slot>,
    /// All of it.
    pub span: Span,
}

/// A capability, wherever it is.
#[derive(Clone, Debug)]
pub enum CapRef {
    /// By its place.
    Place(Place),
    /// By its name.
    Name(NameRef),
}

impl CapRef {
    /// All of it.
    pub fn span(&self) -> Span {
        match self {
            Self::Place(place) => place.span,
            Self::Name(name) => name.span,
        }
    }
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
    /// `- child_of parent`
    pub parent: Option<Parent>,
    /// All of it.
    pub span: Span,
}

/// `- child_of of`
#[derive(Clone, Debug)]
pub struct Parent {
    /// The capability that it derives from.
    pub of: CapRef,
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

/// A `cdt` section.
#[derive(Clone, Debug)]
pub struct Cdt {
    /// What is in it.
    pub trees: Vec<Derivation>,
    /// All of it.
    pub span: Span,
}

/// `cap { caps that derive from it }`
#[derive(Clone, Debug)]
pub struct Derivation {
    /// The capability.
    pub cap: CapRef,
    /// What derives from it; none: there are no braces.
    pub children: Option<Vec<Derivation>>,
}

/// A `domains` section.
#[derive(Clone, Debug)]
pub struct Domains {
    /// What is in it.
    pub items: Vec<DomainItem>,
    /// All of it.
    pub span: Span,
}

/// Something in a `domains` section.
#[derive(Clone, Debug)]
pub enum DomainItem {
    /// `schedule: [(0, 10 us), …]`
    Schedule(Vec<Turn>),
    /// `index_shift: 1`
    IndexShift(Spanned<u64>),
    /// `domain_set_start: 3`; none: `no_start`.
    SetStart(Option<Spanned<u64>>),
}

/// `(domain, duration unit)`
#[derive(Clone, Debug)]
pub struct Turn {
    /// The domain that runs.
    pub domain: Spanned<u64>,
    /// For how long.
    pub duration: Spanned<u64>,
    /// The unit, `ticks` or `us`; none: ticks.
    pub unit: Option<Spanned<String>>,
    /// All of it.
    pub span: Span,
}
