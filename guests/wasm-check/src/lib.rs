// SPDX-License-Identifier: BSD-2-Clause
//! Reads what matters of a guest's wasm module: what it imports and exports, how large its memory
//! is, the names of its functions and their instructions.
//!
//! The tests look at the guests that were built before (`make guests`).
#![forbid(unsafe_code)]

use std::collections::BTreeMap;

use wasmparser::{
    BinaryReaderError, ExternalKind, KnownCustom, Name, Operator, Parser, Payload, TypeRef,
};

/// A function that the module defines.
#[derive(Clone, Debug, Default)]
pub struct Function {
    /// Its name in the name section, mangled; empty if it has none.
    pub name: String,
    /// Its instructions, by the names of `wasmparser`: `I32AtomicLoad`.
    pub operators: Vec<String>,
    /// The functions that it calls, by their index.
    pub calls: Vec<u32>,
}

/// A module.
#[derive(Clone, Debug, Default)]
pub struct Module {
    /// Imported functions: module and name.
    pub imports: Vec<(String, String)>,
    /// Exported functions, each with its index.
    pub exports: BTreeMap<String, u32>,
    /// Pages that each memory has at first.
    pub memories: Vec<u64>,
    /// Whether a memory is shared in wasm's own sense.
    pub shared: bool,
    /// The functions that it defines; their indices start behind the imports.
    pub functions: Vec<Function>,
}

impl Module {
    /// Reads a module.
    ///
    /// # Errors
    /// It is not wasm, or not one that this crate knows how to read.
    pub fn read(wasm: &[u8]) -> Result<Self, BinaryReaderError> {
        let mut module = Self::default();
        let mut names = BTreeMap::new();
        for payload in Parser::new(0).parse_all(wasm) {
            match payload? {
                Payload::ImportSection(section) => {
                    for import in section.into_imports() {
                        let import = import?;
                        if matches!(import.ty, TypeRef::Func(_)) {
                            let (module_name, name) = (import.module.into(), import.name.into());
                            module.imports.push((module_name, name));
                        }
                    }
                }
                Payload::MemorySection(section) => {
                    for memory in section {
                        let memory = memory?;
                        module.memories.push(memory.initial);
                        module.shared |= memory.shared;
                    }
                }
                Payload::ExportSection(section) => {
                    for export in section {
                        let export = export?;
                        if export.kind == ExternalKind::Func {
                            module.exports.insert(export.name.into(), export.index);
                        }
                    }
                }
                Payload::CodeSectionEntry(body) => {
                    let mut function = Function::default();
                    for operator in body.get_operators_reader()? {
                        let operator = operator?;
                        if let Operator::Call { function_index } = operator {
                            function.calls.push(function_index);
                        }
                        function.operators.push(mnemonic(&operator));
                    }
                    module.functions.push(function);
                }
                Payload::CustomSection(section) => {
                    if let KnownCustom::Name(section) = section.as_known() {
                        for name in section {
                            if let Name::Function(functions) = name? {
                                for naming in functions {
                                    let naming = naming?;
                                    names.insert(naming.index, naming.name.to_owned());
                                }
                            }
                        }
                    }
                }
                _ => {}
            }
        }
        let first = module.imports.len() as u32;
        for (index, function) in (first..).zip(&mut module.functions) {
            function.name = names.remove(&index).unwrap_or_default();
        }
        Ok(module)
    }

    /// The function whose mangled name contains this, and its index.
    pub fn function(&self, part: &str) -> Option<(u32, &Function)> {
        let first = self.imports.len() as u32;
        (first..)
            .zip(&self.functions)
            .find(|(_, function)| function.name.contains(part))
    }

    /// How many instructions have a name that `matches`.
    pub fn count(&self, matches: impl Fn(&str) -> bool) -> usize {
        let operators = self.functions.iter().flat_map(|f| &f.operators);
        operators.filter(|operator| matches(operator)).count()
    }
}

/// `I32Load { memarg: .. }` is `I32Load`.
fn mnemonic(operator: &Operator<'_>) -> String {
    let text = format!("{operator:?}");
    text.split([' ', '(']).next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `(module (import "a" "b" (func)) (memory 2) (func $f (export "f") (drop (i32.atomic.load (i32.const 0))) (call $f)))`
    const MODULE: &[u8] = b"\0asm\x01\0\0\0\
        \x01\x04\x01\x60\0\0\
        \x02\x07\x01\x01a\x01b\0\0\
        \x03\x02\x01\0\
        \x05\x03\x01\0\x02\
        \x07\x05\x01\x01f\0\x01\
        \x0a\x0d\x01\x0b\0\x41\0\xfe\x10\x02\0\x1a\x10\x01\x0b\
        \0\x0b\x04name\x01\x04\x01\x01\x01f";

    #[test]
    fn reads_what_is_there() {
        let module = Module::read(MODULE).unwrap();
        assert_eq!(module.imports, [("a".to_owned(), "b".to_owned())]);
        assert_eq!(module.exports.get("f"), Some(&1));
        assert_eq!(
            (module.memories.as_slice(), module.shared),
            (&[2][..], false)
        );
        let (index, function) = module.function("f").unwrap();
        assert_eq!((index, function.calls.as_slice()), (1, &[1][..]));
        let operators = ["I32Const", "I32AtomicLoad", "Drop", "Call", "End"];
        assert_eq!(function.operators, operators);
        assert_eq!(module.count(|name| name.contains("Atomic")), 1);
    }

    #[test]
    fn refuses_what_is_cut_off() {
        assert!(Module::read(&MODULE[..MODULE.len() - 12]).is_err());
        assert!(Module::read(b"").is_err());
    }
}
