// SPDX-License-Identifier: BSD-2-Clause
//! The values of parameters.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use super::kinds::{KindInfo, Positional};
use crate::language::ast::{NameRef, Param, ParamKind, Quantity, Value, ValueKind};
use crate::language::diagnostic::{Diagnostic, nearest};
use crate::language::span::{Span, Spanned};

/// What to do about something that is there twice.
pub(super) const ONE_OF_THEM: &str = "remove one of them";

/// The parameters of one object, while they are taken out one by one.
pub struct Params<'a, 'c> {
    /// Where complaints go.
    diagnostics: &'c mut Vec<Diagnostic>,
    /// Where the object type is written, for parameters that are missing.
    kind_span: Span,
    named: BTreeMap<&'a str, &'a Value>,
    /// Parameters that others were probably meant to be: they are not missing.
    meant: Vec<&'static str>,
    positional: Option<&'a Param>,
    /// The words that stand alone.
    flags: BTreeMap<&'a str, Span>,
}

impl<'a, 'c> Params<'a, 'c> {
    /// Sorts parameters out; complains about those that the kind does not have.
    pub fn new(
        kind: &KindInfo,
        kind_span: Span,
        params: &'a [Param],
        diagnostics: &'c mut Vec<Diagnostic>,
    ) -> Self {
        let mut named: BTreeMap<&'a str, &'a Value> = BTreeMap::new();
        let mut seen: BTreeMap<&'a str, Span> = BTreeMap::new();
        let mut meant = Vec::new();
        let mut positional: Option<&'a Param> = None;
        let mut flags = BTreeMap::new();
        for param in params {
            let name = match &param.kind {
                ParamKind::Named(name, _) => &*name.value,
                ParamKind::Flag(name) => name,
                ParamKind::Bits(_) | ParamKind::Quantity(_) | ParamKind::Pci(_)
                    if kind.positional == Positional::None =>
                {
                    let message = format!("`{}` has no size", kind.name);
                    diagnostics.push(Diagnostic::new(param.span, message, known(kind)));
                    continue;
                }
                ParamKind::Bits(_) | ParamKind::Quantity(_) | ParamKind::Pci(_) => {
                    if let Some(first) = positional {
                        let message = "this object has two sizes";
                        let twice = Diagnostic::new(param.span, message, ONE_OF_THEM);
                        diagnostics.push(twice.other(first.span, "the first one"));
                    }
                    positional = Some(param);
                    continue;
                }
            };
            if kind.flags.contains(&name) && matches!(param.kind, ParamKind::Flag(_)) {
                flags.insert(name, param.span);
                continue;
            }
            if kind.planned.contains(&name) {
                let message = format!("`{name}` is not supported yet");
                diagnostics.push(Diagnostic::new(param.span, message, known(kind)));
                continue;
            }
            if !kind.params.contains(&name) {
                let message = format!("`{}` has no parameter `{name}`", kind.name);
                let names = kind.params.iter().chain(kind.flags);
                let suggestion = nearest(name, names.copied());
                meant.extend(suggestion);
                diagnostics
                    .push(Diagnostic::new(param.span, message, known(kind)).suggest(suggestion));
                continue;
            }
            let ParamKind::Named(_, value) = &param.kind else {
                let message = format!("`{name}` needs a value");
                let help = format!("write `{name}: …`");
                diagnostics.push(Diagnostic::new(param.span, message, help));
                continue;
            };
            if let Some(&first) = seen.get(name) {
                let message = format!("`{name}` is given twice");
                let twice = Diagnostic::new(param.span, message, ONE_OF_THEM);
                diagnostics.push(twice.other(first, "the first one"));
                continue;
            }
            seen.insert(name, param.span);
            named.insert(name, value);
        }
        Self {
            diagnostics,
            kind_span,
            named,
            meant,
            positional,
            flags,
        }
    }

    /// Where a word stands, if it does.
    pub fn flag(&self, name: &str) -> Option<Span> {
        self.flags.get(name).copied()
    }

    /// Where the size is, if there is one.
    pub fn size(&self) -> Option<Span> {
        self.positional.map(|param| param.span)
    }

    /// The value of a parameter.
    pub fn value(&self, name: &str) -> Option<&'a Value> {
        self.named.get(name).copied()
    }

    /// Complains.
    pub fn push(&mut self, diagnostic: Diagnostic) {
        self.diagnostics.push(diagnostic);
    }

    /// A parameter that must be there and is not.
    pub fn missing(&mut self, message: &str, help: &str) {
        self.wrong(self.kind_span, message, help);
    }

    /// A parameter that is not as it should be.
    pub fn wrong(&mut self, span: Span, message: impl Into<String>, help: impl Into<String>) {
        self.push(Diagnostic::new(span, message, help));
    }

    /// The size in bits.
    pub fn bits(&mut self, what: &str, example: &str) -> Option<Spanned<u64>> {
        let help = format!("write its size as in `{example}`");
        match self.positional {
            None => {
                self.missing(&format!("{what} needs a size"), &help);
                None
            }
            Some(param) => match param.kind {
                ParamKind::Bits(bits) => Some(Spanned::new(bits, param.span)),
                _ => {
                    self.wrong(
                        param.span,
                        format!("the size of {what} is given in bits"),
                        help,
                    );
                    None
                }
            },
        }
    }

    /// The size in bytes.
    pub fn bytes_positional(&mut self, what: &str, example: &str) -> Option<Spanned<u64>> {
        let help = format!("write its size as in `{example}`");
        match self.positional {
            None => {
                self.missing(&format!("{what} needs a size"), &help);
                None
            }
            Some(param) => match &param.kind {
                ParamKind::Quantity(quantity) => {
                    let bytes = self.in_bytes(quantity, param.span)?;
                    Some(Spanned::new(bytes, param.span))
                }
                _ => {
                    self.wrong(
                        param.span,
                        format!("the size of {what} is given in bytes"),
                        help,
                    );
                    None
                }
            },
        }
    }

    fn in_bytes(&mut self, quantity: &Quantity, span: Span) -> Option<u64> {
        let unit = quantity.unit.as_ref().map_or("", |unit| &unit.value);
        let Some(shift) = shift(unit) else {
            let message = format!("`{unit}` is no unit of memory");
            self.wrong(span, message, "the units are `k`, `M` and `G`");
            return None;
        };
        let bytes = quantity.number.checked_mul(1 << shift);
        if bytes.is_none() {
            let help = "sizes are less than 16777216G";
            self.wrong(span, "this size does not fit in 64 bits", help);
        }
        bytes
    }

    fn quantity(&mut self, name: &str, what: &str, example: &str) -> Option<(&'a Quantity, Span)> {
        let value = *self.named.get(name)?;
        match &value.kind {
            ValueKind::Quantity(quantity) => Some((quantity, value.span)),
            _ => {
                let message = format!("`{name}` is {what}");
                self.wrong(
                    value.span,
                    message,
                    format!("write `{name}: {example}`, say"),
                );
                None
            }
        }
    }

    /// A number without a unit.
    pub fn number(&mut self, name: &str, example: &str) -> Option<Spanned<u64>> {
        let (quantity, span) = self.quantity(name, "a number", example)?;
        if let Some(unit) = &quantity.unit {
            let message = format!("`{name}` is a number without a unit");
            let shift = shift(&unit.value).unwrap_or(0);
            let number = quantity.number.saturating_mul(1 << shift);
            self.wrong(span, message, format!("write `{name}: {number}`"));
            return None;
        }
        Some(Spanned::new(quantity.number, span))
    }

    /// A priority: 1 to 254, since 0 is the idle thread's and 255 the root task's.
    pub fn priority(&mut self, default: u8) -> Spanned<u8> {
        self.priority_from("prio", 1, default)
    }

    /// A priority, from `least` on.
    pub fn priority_from(&mut self, name: &str, least: u8, default: u8) -> Spanned<u8> {
        let otherwise = Spanned::new(default, self.kind_span);
        let Some(number) = self.number(name, "100") else {
            return otherwise;
        };
        match u8::try_from(number.value) {
            Ok(prio) if (least..=254).contains(&prio) => Spanned::new(prio, number.span),
            _ => {
                let message = format!("there is no priority {} to give", number.value);
                let help = format!("priorities go from {least} to 254");
                self.wrong(number.span, message, help);
                otherwise
            }
        }
    }

    /// A list of at most `most` numbers.
    pub fn numbers(&mut self, name: &str, most: usize) -> Vec<u64> {
        let Some(value) = self.value(name) else {
            return Vec::new();
        };
        let help = format!("write `{name}: [1, 0x20]`, say");
        let ValueKind::List(values) = &value.kind else {
            self.wrong(value.span, format!("`{name}` is a list of numbers"), help);
            return Vec::new();
        };
        if values.len() > most {
            let message = format!("`{name}` has {} entries, {most} are possible", values.len());
            self.wrong(
                value.span,
                message,
                "leave the rest in the memory of the thread",
            );
        }
        let mut numbers = Vec::new();
        for value in values {
            match &value.kind {
                ValueKind::Quantity(Quantity { number, unit: None }) => numbers.push(*number),
                _ => self.wrong(value.span, format!("`{name}` is a list of numbers"), &*help),
            }
        }
        numbers
    }

    /// The name of an object, or a list of such names.
    pub fn objects(&mut self, name: &str) -> Vec<&'a NameRef> {
        let Some(value) = self.value(name) else {
            return Vec::new();
        };
        let values = match &value.kind {
            ValueKind::List(values) => &values[..],
            _ => std::slice::from_ref(value),
        };
        let mut names = Vec::new();
        for value in values {
            match &value.kind {
                ValueKind::Name(name) => names.push(name),
                _ => {
                    let message = format!("`{name}` takes names of objects");
                    let help = format!("write `{name}: …` or `{name}: […, …]`, without quotes");
                    self.wrong(value.span, message, help);
                }
            }
        }
        names
    }

    /// How much a guest may have of something, if the text says so.
    pub fn limit(&mut self, name: &str, bounds: RangeInclusive<u32>) -> Option<Spanned<u32>> {
        let number = self.number(name, &bounds.end().to_string())?;
        match u32::try_from(number.value) {
            Ok(limit) if bounds.contains(&limit) => Some(Spanned::new(limit, number.span)),
            _ => {
                let what = name.replace('_', " ");
                let message = format!("a guest cannot have {} {what}", number.value);
                let help = format!("write a number from {} to {}", bounds.start(), bounds.end());
                self.wrong(number.span, message, help);
                None
            }
        }
    }

    /// A size in bytes, at least `least` and a multiple of 4 KiB.
    pub fn bytes(&mut self, name: &str, least: u32, default: u32) -> Spanned<u32> {
        const PAGE: u64 = 4096;
        let otherwise = Spanned::new(default, self.kind_span);
        let Some((quantity, span)) = self.quantity(name, "a size", "64k") else {
            return otherwise;
        };
        let Some(bytes) = self.in_bytes(quantity, span) else {
            return otherwise;
        };
        match u32::try_from(bytes) {
            Ok(fitting) if fitting >= least && bytes.is_multiple_of(PAGE) => {
                Spanned::new(fitting, span)
            }
            _ => {
                let message = format!("{bytes} bytes are no possible value of `{name}`");
                let least = match least >> 10 {
                    kib if kib.is_multiple_of(1024) => format!("{}M", kib >> 10),
                    kib => format!("{kib}k"),
                };
                let help = format!("it is a multiple of 4k, at least {least} and less than 4G");
                self.wrong(span, message, help);
                otherwise
            }
        }
    }

    /// A duration in milliseconds.
    pub fn milliseconds(&mut self, name: &str) -> Option<u32> {
        let (quantity, span) = self.quantity(name, "a duration", "300ms")?;
        let factor = match quantity.unit.as_ref().map(|unit| &*unit.value) {
            Some("ms") => 1,
            Some("s") => 1000,
            unit => {
                let message = match unit {
                    None => "this duration has no unit".to_owned(),
                    Some(unit) => format!("`{unit}` is no unit of time"),
                };
                self.wrong(span, message, "the units are `ms` and `s`");
                return None;
            }
        };
        let milliseconds = quantity.number.checked_mul(factor);
        match milliseconds.and_then(|ms| u32::try_from(ms).ok()) {
            Some(ms) if ms > 0 => Some(ms),
            _ => {
                let message = format!("`{name}` cannot be as long, or as short, as this");
                self.wrong(span, message, "it goes from 1ms to 49 days");
                None
            }
        }
    }

    /// One of several words.
    pub fn choice<T: Copy>(&mut self, name: &str, choices: &[(&str, T)], default: T) -> T {
        let Some(&value) = self.named.get(name) else {
            return default;
        };
        let word = match &value.kind {
            ValueKind::Name(word) if word.ranges.is_none() => &*word.name.value,
            _ => "",
        };
        if let Some((_, found)) = choices.iter().find(|(choice, _)| *choice == word) {
            return *found;
        }
        let words: Vec<_> = choices
            .iter()
            .map(|(word, _)| format!("`{word}`"))
            .collect();
        let message = format!("this is no value of `{name}`");
        let help = format!("it is one of {}", words.join(", "));
        let suggestion = nearest(word, choices.iter().map(|(choice, _)| *choice));
        self.push(Diagnostic::new(value.span, message, help).suggest(suggestion));
        default
    }

    /// A string.
    pub fn text(&mut self, name: &str) -> Option<Spanned<String>> {
        let value = *self.named.get(name)?;
        self.as_text(name, value)
    }

    /// A list of at most `most` strings.
    pub fn texts(&mut self, name: &str, most: usize) -> Vec<Spanned<String>> {
        let Some(&value) = self.named.get(name) else {
            return Vec::new();
        };
        let ValueKind::List(values) = &value.kind else {
            let message = format!("`{name}` is a list of strings");
            self.wrong(
                value.span,
                message,
                format!("write `{name}: [\"…\", \"…\"]`"),
            );
            return Vec::new();
        };
        if values.len() > most {
            let message = format!("`{name}` has {} entries, {most} are possible", values.len());
            self.wrong(
                value.span,
                message,
                "pass some of them together, in one string",
            );
        }
        values
            .iter()
            .filter_map(|value| self.as_text(name, value))
            .collect()
    }

    fn as_text(&mut self, name: &str, value: &Value) -> Option<Spanned<String>> {
        if let ValueKind::Text(text) = &value.kind {
            return Some(Spanned::new(text.clone(), value.span));
        }
        let help = match &value.kind {
            ValueKind::Name(word) if word.ranges.is_none() => {
                format!("write `\"{}\"`", word.name.value)
            }
            _ => "write it in double quotes".into(),
        };
        self.wrong(value.span, format!("`{name}` takes strings"), help);
        None
    }

    /// The name of an object.
    pub fn object(&mut self, name: &str) -> Option<&'a NameRef> {
        let value = *self.named.get(name)?;
        match &value.kind {
            ValueKind::Name(name) => Some(name),
            _ => {
                let message = format!("`{name}` is the name of an object");
                let help = match &value.kind {
                    ValueKind::Text(text) => format!("write `{name}: {text}`, without quotes"),
                    _ => format!("write `{name}: …` with a name of `objects`"),
                };
                self.wrong(value.span, message, help);
                None
            }
        }
    }

    /// The name of an object and, behind a `+`, a place in it.
    pub fn place(&mut self, name: &str) -> Option<(&'a NameRef, Spanned<u64>)> {
        match &self.named.get(name)?.kind {
            ValueKind::Sum(object, offset) => Some((object, offset.clone())),
            _ => {
                let object = self.object(name)?;
                Some((object, Spanned::new(0, object.span)))
            }
        }
    }

    /// Whether the parameter was given, rightly or wrongly.
    pub fn has(&self, name: &str) -> bool {
        self.named.contains_key(name) || self.meant.contains(&name)
    }
}

/// The power of two that a unit of memory, or none, stands for.
fn shift(unit: &str) -> Option<u32> {
    match unit {
        "" => Some(0),
        "k" => Some(10),
        "M" => Some(20),
        "G" => Some(30),
        _ => None,
    }
}

/// What parameters a kind has.
fn known(kind: &KindInfo) -> String {
    if kind.params.is_empty() {
        return format!("`{}` has no named parameters", kind.name);
    }
    let params: Vec<_> = kind
        .params
        .iter()
        .map(|param| format!("`{param}`"))
        .collect();
    let (noun, verb) = match params.len() {
        1 => ("parameter", "is"),
        _ => ("parameters", "are"),
    };
    let params = params.join(", ");
    format!("the named {noun} of `{}` {verb} {params}", kind.name)
}
