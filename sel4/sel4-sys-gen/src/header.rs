// SPDX-License-Identifier: BSD-2-Clause
//! Constants and structs out of libsel4's C headers: enumerators, object-like macros with integer
//! values, and `typedef struct` bodies whose members are words, bytes or structs known before.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
};

use crate::{
    error::{Error, Result},
    expression::Scope,
};

/// Macros and enumerators of these prefixes are public: they are the kernel's interface.
const PREFIXES: [&str; 2] = ["seL4_", "SEL4_"];

/// What the headers declared so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Headers {
    enums: BTreeSet<String>,
    enumerators: Vec<(String, i128)>,
    structs: Vec<Struct>,
}

#[derive(Clone, Debug)]
struct Struct {
    name: String,
    packed: bool,
    /// Rust member declarations.
    members: Vec<(String, String)>,
}

impl Headers {
    /// Adds the declarations of a preprocessed header. `structs` names the structs to take; others
    /// are passed over.
    pub(crate) fn parse(
        &mut self,
        source: &str,
        structs: &[&str],
        scope: &mut Scope,
    ) -> Result<()> {
        let mut rest = source;
        while let Some(at) = rest.find('{') {
            let head = rest[..at].rsplit([';', '}']).next().unwrap_or_default();
            let words: Vec<&str> = head.split_whitespace().collect();
            let close =
                matching_brace(&rest[at..]).ok_or_else(|| Error::new("unbalanced braces"))? + at;
            let body = &rest[at + 1..close];
            let tail = rest[close + 1..].split(';').next().unwrap_or_default();
            if words.contains(&"enum") {
                self.enumeration(body, tail, words.contains(&"typedef"), scope)?;
            } else if words.contains(&"typedef") && words.contains(&"struct") {
                self.structure(body, tail, structs, scope)?;
            }
            rest = &rest[close + 1..];
        }
        Ok(())
    }

    fn enumeration(
        &mut self,
        body: &str,
        tail: &str,
        is_type: bool,
        scope: &mut Scope,
    ) -> Result<()> {
        let mut value = 0;
        for item in body
            .split(',')
            .map(str::trim)
            .filter(|item| !item.is_empty())
        {
            // An enumerator that only makes the compiler choose a word for the type.
            if let Some(forced) = item.strip_prefix("SEL4_FORCE_LONG_ENUM(") {
                self.enums
                    .insert(forced.trim_end_matches(')').trim().to_owned());
                continue;
            }
            let name = match item.split_once('=') {
                Some((name, expression)) => {
                    value = scope.evaluate(expression)?;
                    name.trim()
                }
                None => item,
            };
            self.enumerators.push((name.to_owned(), value));
            scope.constants.insert(name.to_owned(), value);
            value += 1;
        }
        if is_type && !tail.trim().is_empty() {
            self.enums.insert(tail.trim().to_owned());
        }
        Ok(())
    }

    fn structure(&mut self, body: &str, tail: &str, wanted: &[&str], scope: &Scope) -> Result<()> {
        let packed = tail.split_whitespace().any(|word| word == "SEL4_PACKED");
        let tail = tail.replace("SEL4_PACKED", "");
        let name = tail
            .split("__attribute__")
            .next()
            .unwrap_or_default()
            .trim()
            .to_owned();
        if !wanted.contains(&name.as_str()) {
            return Ok(());
        }
        let mut members = Vec::new();
        for member in body
            .split(';')
            .map(str::trim)
            .filter(|member| !member.is_empty())
        {
            let at = |error: Error| error.at(format_args!("struct {name}, member `{member}`"));
            let (ty, declarator) = member
                .split_once(char::is_whitespace)
                .ok_or_else(|| at(Error::new("has no type")))?;
            let (pointers, ty) = (ty.matches('*').count(), ty.trim_end_matches('*'));
            let declarator = declarator.trim();
            let pointers = pointers + declarator.matches('*').count();
            let declarator = declarator.trim_start_matches(['*', ' ']);
            let ty = ty.strip_suffix("_t").unwrap_or(ty);
            let ty = format!("{}{ty}", "*mut ".repeat(pointers));
            let (field, ty) = match declarator.split_once('[') {
                Some((field, length)) => {
                    let length = scope.evaluate(length.trim_end_matches(']')).map_err(at)?;
                    (field, format!("[{ty}; {length}]"))
                }
                None => (declarator, ty),
            };
            members.push((field.trim().to_owned(), ty));
        }
        self.structs.push(Struct {
            name,
            packed,
            members,
        });
        Ok(())
    }

    /// Everything parsed, and the integer macros of `scope` that belong to the interface.
    pub(crate) fn emit(&self, scope: &Scope, out: &mut String) {
        for name in &self.enums {
            let _ = writeln!(
                out,
                "/// An enumeration of the kernel's interface.\npub type {name} = seL4_Word;"
            );
        }
        let mut constants: BTreeMap<&str, i128> = self
            .enumerators
            .iter()
            .map(|(name, value)| (name.as_str(), *value))
            .collect();
        for (name, definition) in &scope.macros {
            if definition.parameter.is_none()
                && PREFIXES.iter().any(|prefix| name.starts_with(prefix))
                && let Ok(value) = scope.evaluate(&definition.body)
            {
                constants.entry(name).or_insert(value);
            }
        }
        for (name, value) in constants {
            // Negative enumerators keep their two's complement, as in C.
            let value = value as u64;
            let _ = writeln!(
                out,
                "/// Of the kernel's headers.\npub const {name}: seL4_Word = {value};"
            );
        }
        for Struct {
            name,
            packed,
            members,
        } in &self.structs
        {
            let repr = if *packed { "C, packed" } else { "C" };
            let _ = writeln!(
                out,
                "/// A structure that kernel and user share.\n#[derive(Clone, Copy, Debug)]\n#[repr({repr})]\npub struct {name} {{"
            );
            for (member, ty) in members {
                let _ = writeln!(out, "    /// Member `{member}`.\n    pub {member}: {ty},");
            }
            out.push_str("}\n");
        }
    }
}

fn matching_brace(text: &str) -> Option<usize> {
    let mut depth = 0;
    for (at, character) in text.char_indices() {
        match character {
            '{' => depth += 1,
            '}' => {
                depth -= 1;
                if depth == 0 {
                    return Some(at);
                }
            }
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::preprocess::{Comments, preprocess};

    fn emit(source: &str, structs: &[&str]) -> Result<String> {
        let mut scope = Scope::default();
        let mut headers = Headers::default();
        let text = preprocess(source, Comments::C, &mut scope)?;
        headers.parse(&text, structs, &mut scope)?;
        let mut out = String::new();
        headers.emit(&scope, &mut out);
        Ok(out)
    }

    #[test]
    fn enumerators_count_on() {
        let out = emit(
            "typedef enum a { seL4_A, seL4_B = 4, seL4_C, SEL4_FORCE_LONG_ENUM(seL4_T), } seL4_E;\nenum { seL4_M = -1 };",
            &[],
        )
        .unwrap();
        for line in [
            "seL4_A: seL4_Word = 0",
            "seL4_C: seL4_Word = 5",
            "type seL4_T",
            "type seL4_E",
            "= 18446744073709551615",
        ] {
            assert!(out.contains(line), "{line}");
        }
    }

    #[test]
    fn macros_and_structs() {
        let out = emit(
            "#define SEL4_BITS 3\n#define OTHER 4\ntypedef struct x_ {\n seL4_Info_t tag;\n seL4_Word msg[SEL4_BITS];\n seL4_B* p;\n} SEL4_PACKED seL4_X;\ntypedef struct { int a; } other;",
            &["seL4_X"],
        )
        .unwrap();
        assert!(out.contains("SEL4_BITS: seL4_Word = 3"));
        assert!(!out.contains("OTHER"));
        assert!(out.contains("#[repr(C, packed)]\npub struct seL4_X"));
        assert!(out.contains("pub tag: seL4_Info,"));
        assert!(out.contains("pub msg: [seL4_Word; 3],"));
        assert!(out.contains("pub p: *mut seL4_B,"));
        assert!(!out.contains("other"));
    }

    #[test]
    fn refuses_unknown_lengths() {
        assert!(emit("typedef struct { seL4_Word a[N]; } seL4_X;", &["seL4_X"]).is_err());
        assert!(emit("enum { seL4_A = unknown };", &[]).is_err());
        assert!(emit("enum { seL4_A", &[]).is_err());
    }
}
