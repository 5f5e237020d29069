// SPDX-License-Identifier: BSD-2-Clause
//! How the types of messages are encoded.

use std::fmt;

use atoll_abi::{describe::Type, message};

use crate::{start::START, text::tidy};

/// A type as it is written in the description of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Layout {
    /// Nothing at all.
    Nothing,
    /// One byte.
    Byte,
    /// One byte, 0 or 1.
    Truth,
    /// A number: this type's.
    Varint(&'static str),
    /// So many bytes.
    Bytes(usize),
    /// Bytes of UTF-8, at most so many, behind their number.
    Text(Option<usize>),
    /// Some of these, at most so many, behind their number.
    List(Box<Self>, Option<usize>),
    /// One or none.
    Maybe(Box<Self>),
    /// One of the numbers of this type.
    Numbered(&'static str),
    /// Another message.
    Message(&'static str),
}

impl Layout {
    /// The layout of a Rust type; none if it is not one that messages have.
    pub(crate) fn of(ty: &str) -> Option<Self> {
        Self::parse(&tidy(ty))
    }

    fn parse(ty: &str) -> Option<Self> {
        let ty = ty.trim();
        if let Some(inner) = within(ty, "Option<", ">") {
            return Some(Self::Maybe(Box::new(Self::parse(inner)?)));
        }
        if let Some(inner) = within(ty, "Vec<", ">") {
            let (item, most) = match inner.rsplit_once(',') {
                Some((item, most)) => (item, Some(size(most)?)),
                None => (inner, None),
            };
            return Some(Self::List(Box::new(Self::parse(item)?), most));
        }
        if let Some(inner) = within(ty, "String<", ">") {
            return Some(Self::Text(Some(size(inner)?)));
        }
        if let Some(inner) = within(ty, "[", "]") {
            let (item, count) = inner.split_once(';')?;
            return (item.trim() == "u8").then_some(Self::Bytes(size(count)?));
        }
        Some(match ty {
            "()" => Self::Nothing,
            "u8" => Self::Byte,
            "bool" => Self::Truth,
            "String" => Self::Text(None),
            "Name" => Self::Text(Some(message::Name::new().capacity())),
            "Text" => Self::Text(Some(message::Text::new().capacity())),
            _ => match NUMBERS.iter().find(|name| **name == ty) {
                Some(name) => Self::Varint(name),
                None => named(message::NUMBERED, ty)
                    .map(Self::Numbered)
                    .or_else(|| named(message::MESSAGES, ty).map(Self::Message))
                    .or_else(|| named(START, ty).map(Self::Message))?,
            },
        })
    }
}

/// Types that travel as a number.
const NUMBERS: &[&str] = &["u32", "u64", "Handle", "Pid", "Rights", "Groups", "TimerId"];

fn named(types: &[Type], name: &str) -> Option<&'static str> {
    types.iter().find(|ty| ty.name == name).map(|ty| ty.name)
}

fn within<'a>(text: &'a str, before: &str, behind: &str) -> Option<&'a str> {
    text.strip_prefix(before)?.strip_suffix(behind)
}

/// The size that a type names.
fn size(text: &str) -> Option<usize> {
    match text.trim() {
        "MAX_STRINGS" => Some(message::MAX_STRINGS),
        "MAX_GIVES" => Some(message::MAX_GIVES),
        "MAX_LIST" => Some(message::MAX_LIST),
        "MAX_PROCESSES" => Some(message::MAX_PROCESSES),
        "MAX_LOG" => Some(message::MAX_LOG),
        "LOG_BYTES" => Some(message::LOG_BYTES),
        digits => digits.parse().ok(),
    }
}

impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => f.write_str("nothing"),
            Self::Byte => f.write_str("byte"),
            Self::Truth => f.write_str("byte, 0 or 1"),
            Self::Varint("u32" | "u64") => f.write_str("varint"),
            Self::Varint(name) => write!(f, "varint ({name})"),
            Self::Bytes(count) => write!(f, "{count} bytes"),
            Self::Text(Some(most)) => write!(f, "varint length up to {most}, UTF-8"),
            Self::Text(None) => f.write_str("varint length, UTF-8"),
            Self::List(item, Some(most)) => write!(f, "varint count up to {most}, each {item}"),
            Self::List(item, None) => write!(f, "varint count, each {item}"),
            Self::Maybe(item) => write!(f, "byte 0, or byte 1 and {item}"),
            Self::Numbered(name) => write!(f, "varint ({name})"),
            Self::Message(name) => f.write_str(name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use atoll_abi::{Form, TABLE, describe::Shape};

    #[test]
    fn every_type_of_a_message_has_a_layout() {
        let fields = message::MESSAGES
            .iter()
            .chain(START)
            .flat_map(|message| match message.shape {
                Shape::Struct(fields) | Shape::Choice(fields) => fields,
                Shape::Numbered(_) => &[],
            })
            .map(|field| field.ty);
        let calls = TABLE.iter().flat_map(|call| match call.form {
            Form::Message { request, reply } => vec![request, reply],
            Form::Scalar { .. } => vec![],
        });
        for ty in fields.chain(calls) {
            assert!(Layout::of(ty).is_some(), "{ty}");
        }
    }

    #[test]
    fn layouts_in_words() {
        let words = |ty| Layout::of(ty).map(|layout| layout.to_string());
        let expected = "byte 0, or byte 1 and varint count up to 16, each Give";
        assert_eq!(
            words("Option<Vec<Give, MAX_GIVES>>").as_deref(),
            Some(expected)
        );
        assert_eq!(words("[u8; 16]").as_deref(), Some("16 bytes"));
        assert_eq!(
            words("Name").as_deref(),
            Some("varint length up to 32, UTF-8")
        );
        assert_eq!(words("f32"), None);
    }

    /// Serde counts variants, the ABI numbers them.
    #[test]
    fn numbers_are_places() {
        for ty in message::NUMBERED {
            let Shape::Numbered(values) = ty.shape else {
                panic!("{}", ty.name)
            };
            for (place, value) in values.iter().enumerate() {
                assert_eq!(value.value, place as u64, "{} {}", ty.name, value.name);
            }
        }
    }
}
