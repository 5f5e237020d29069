// SPDX-License-Identifier: BSD-2-Clause
//! Types and numbers that describe themselves, so that the C header and the reference page are made
//! from what the compiler sees.

/// A constant of the ABI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Constant {
    /// Its name.
    pub name: &'static str,
    /// Its value.
    pub value: u64,
    /// What it means.
    pub doc: &'static str,
}

/// A field of a message, or a variant of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// Its name.
    pub name: &'static str,
    /// Its Rust type; for a variant the type of what it carries, or empty.
    pub ty: &'static str,
    /// What it means.
    pub doc: &'static str,
}

/// What a described type is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Fields, encoded one after the other.
    Struct(&'static [Field]),
    /// One of these, encoded as its place in the list and then what it carries.
    Choice(&'static [Field]),
    /// One of these numbers.
    Numbered(&'static [Constant]),
}

/// A described type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Type {
    /// Its name.
    pub name: &'static str,
    /// What it is for.
    pub doc: &'static str,
    /// What it is.
    pub shape: Shape,
}

macro_rules! constants {
    ($($(#[doc = $doc:literal])+ $name:ident: $ty:ty = $value:expr;)+) => {
        $($(#[doc = $doc])+ pub const $name: $ty = $value;)+

        /// Every constant above.
        pub const CONSTANTS: &[$crate::describe::Constant] = &[$(
            $crate::describe::Constant { name: stringify!($name), value: $name as u64, doc: concat!($($doc),+) }
        ),+];
    };
}

macro_rules! numbered {
    ($(#[doc = $doc:literal])+ $name:ident {
        $($(#[doc = $variant_doc:literal])+ $variant:ident = $number:literal,)+
    }) => {
        $(#[doc = $doc])+
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        #[repr(u32)]
        pub enum $name {
            $($(#[doc = $variant_doc])+ $variant = $number,)+
        }

        impl $name {
            /// Description.
            pub const TYPE: $crate::describe::Type = $crate::describe::Type {
                name: stringify!($name),
                doc: concat!($($doc),+),
                shape: $crate::describe::Shape::Numbered(&[$($crate::describe::Constant {
                    name: stringify!($variant),
                    value: $number,
                    doc: concat!($($variant_doc),+),
                }),+]),
            };

            /// The one with this number.
            pub const fn from_number(number: u32) -> Option<Self> {
                match number {
                    $($number => Some(Self::$variant),)+
                    _ => None,
                }
            }

            /// Its number.
            pub const fn number(self) -> u32 {
                self as u32
            }
        }

        impl $crate::hostcall::Wire for $name {
            type Raw = u32;
            fn to_raw(self) -> u32 {
                self.number()
            }
            fn from_raw(raw: u32) -> Option<Self> {
                Self::from_number(raw)
            }
        }

        impl $crate::hostcall::Answer for $name {
            fn to_answer(self) -> u64 {
                u64::from(self.number())
            }
            fn from_answer(answer: u64) -> Option<Self> {
                Self::from_number(u32::try_from(answer).ok()?)
            }
        }
    };
}

macro_rules! messages {
    ($(
        $(#[doc = $doc:literal])+
        $kind:ident $name:ident {
            $($(#[doc = $field_doc:literal])+ $field:ident: $ty:ty,)*
        }
    )+) => {
        $(messages!(@define $kind [$($doc)+] $name {
            $([$($field_doc)+] $field: $ty,)*
        });)+

        /// Every message above.
        pub const MESSAGES: &[$crate::describe::Type] = &[$($name::TYPE),+];
    };
    (@define struct [$($doc:literal)+] $name:ident { $([$($field_doc:literal)+] $field:ident: $ty:ty,)* }) => {
        $(#[doc = $doc])+
        #[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
        pub struct $name {
            $($(#[doc = $field_doc])+ pub $field: $ty,)*
        }

        impl $name {
            /// Description.
            pub const TYPE: $crate::describe::Type = $crate::describe::Type {
                name: stringify!($name),
                doc: concat!($($doc),+),
                shape: $crate::describe::Shape::Struct(&[
                    $($crate::describe::Field { name: stringify!($field), ty: stringify!($ty), doc: concat!($($field_doc),+) }),*
                ]),
            };
        }
    };
    (@define choice [$($doc:literal)+] $name:ident { $([$($field_doc:literal)+] $field:ident: $ty:ty,)* }) => {
        $(#[doc = $doc])+
        #[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
        #[allow(clippy::large_enum_variant, reason = "guests may have no heap to box a variant in")]
        pub enum $name {
            $($(#[doc = $field_doc])+ $field($ty),)*
        }

        impl $name {
            /// Description.
            pub const TYPE: $crate::describe::Type = $crate::describe::Type {
                name: stringify!($name),
                doc: concat!($($doc),+),
                shape: $crate::describe::Shape::Choice(&[
                    $($crate::describe::Field { name: stringify!($field), ty: stringify!($ty), doc: concat!($($field_doc),+) }),*
                ]),
            };
        }
    };
}

pub(crate) use {constants, messages, numbered};
