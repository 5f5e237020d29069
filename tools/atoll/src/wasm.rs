// SPDX-License-Identifier: BSD-2-Clause
//! Reading WebAssembly modules: what they import, and what a guest must not contain.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use capdl::language::{Import, Module};
use thiserror::Error;
use wasmparser::{
    BinaryReaderError, KnownCustom, Name, NameSectionReader, Operator, Parser, Payload, TypeRef,
};

use crate::files::{self, FileError};

/// Why a module was refused.
#[derive(Debug, Error)]
pub enum WasmError {
    /// It cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// Not a module, or a broken one.
    #[error("{} is not a valid WebAssembly module", .0.display())]
    Malformed(PathBuf, #[source] BinaryReaderError),
    /// A component in place of a core module.
    #[error("{} is a component; guests are core modules", .0.display())]
    Component(PathBuf),
    /// Windows onto regions need memories that the server can grow for one guest alone.
    #[error("{} has a shared memory; link without `--shared-memory`: regions are shared with `atoll::shm`", .0.display())]
    SharedMemory(PathBuf),
    /// The server would have to end itself when it came to this instruction.
    #[error(
        "{}: function {function} contains `{instruction}` (at offset {offset:#x}), which guests cannot use: \
         they sleep and wake each other with `atoll::wake`",
        path.display()
    )]
    WaitOrNotify {
        /// The module.
        path: PathBuf,
        /// Name or index of the function.
        function: String,
        /// The instruction.
        instruction: &'static str,
        /// Where in the file.
        offset: usize,
    },
}

/// Name of the module in a file: the file's name without its ending.
pub fn module_name(path: &Path) -> String {
    path.file_stem()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

/// Reads a module's imports and refuses what the server cannot run.
///
/// # Errors
/// See [`WasmError`].
pub fn inspect(path: &Path, bytes: &[u8]) -> Result<Module, WasmError> {
    let malformed = |error| WasmError::Malformed(path.into(), error);
    let mut imports = Vec::new();
    let mut memory = None;
    let mut imported_functions = 0u32;
    let mut body = 0u32;
    // Names come last in the file, so what is found waits for them.
    let mut found: Option<(u32, &'static str, usize)> = None;
    let mut names = HashMap::new();
    for payload in Parser::new(0).parse_all(bytes) {
        match payload.map_err(malformed)? {
            Payload::Version {
                encoding: wasmparser::Encoding::Component,
                ..
            } => return Err(WasmError::Component(path.into())),
            Payload::ImportSection(section) => {
                for import in section.into_imports() {
                    let import = import.map_err(malformed)?;
                    match import.ty {
                        TypeRef::Func(_) | TypeRef::FuncExact(_) => imported_functions += 1,
                        TypeRef::Memory(ty) if ty.shared => {
                            return Err(WasmError::SharedMemory(path.into()));
                        }
                        _ => {}
                    }
                    imports.push(Import {
                        module: import.module.into(),
                        name: import.name.into(),
                    });
                }
            }
            Payload::MemorySection(section) => {
                for ty in section {
                    let ty = ty.map_err(malformed)?;
                    if ty.shared {
                        return Err(WasmError::SharedMemory(path.into()));
                    }
                    memory = Some(
                        ty.initial
                            .saturating_mul(1 << ty.page_size_log2.unwrap_or(16)),
                    );
                }
            }
            Payload::CodeSectionEntry(function) => {
                let mut operators = function.get_operators_reader().map_err(malformed)?;
                while found.is_none() && !operators.eof() {
                    let (operator, offset) = operators.read_with_offset().map_err(malformed)?;
                    if let Some(instruction) = wait_or_notify(&operator) {
                        found = Some((body, instruction, offset));
                    }
                }
                body += 1;
            }
            Payload::CustomSection(section) => {
                if let KnownCustom::Name(section) = section.as_known() {
                    names = function_names(section);
                }
            }
            _ => {}
        }
    }
    if let Some((body, instruction, offset)) = found {
        let index = imported_functions.saturating_add(body);
        let function = names.get(&index).map(|name| format!("`{name}`"));
        return Err(WasmError::WaitOrNotify {
            path: path.into(),
            function: function.unwrap_or_else(|| format!("number {index}")),
            instruction,
            offset,
        });
    }
    Ok(Module {
        name: module_name(path),
        imports: Some(imports),
        memory,
    })
}

fn wait_or_notify(operator: &Operator<'_>) -> Option<&'static str> {
    match operator {
        Operator::MemoryAtomicNotify { .. } => Some("memory.atomic.notify"),
        Operator::MemoryAtomicWait32 { .. } => Some("memory.atomic.wait32"),
        Operator::MemoryAtomicWait64 { .. } => Some("memory.atomic.wait64"),
        _ => None,
    }
}

/// Names by index. A broken name section is no reason to refuse a module.
fn function_names(section: NameSectionReader<'_>) -> HashMap<u32, String> {
    let maps = section
        .into_iter()
        .filter_map(|subsection| match subsection {
            Ok(Name::Function(map)) => Some(map),
            _ => None,
        });
    let namings = maps.flat_map(IntoIterator::into_iter).flatten();
    namings
        .map(|naming| (naming.index, naming.name.to_owned()))
        .collect()
}

/// Inspects all modules of a directory, by name.
///
/// # Errors
/// See [`WasmError`].
pub fn inspect_directory(directory: &Path) -> Result<Vec<Module>, WasmError> {
    let mut modules = Vec::new();
    for path in files::list(directory, "wasm")? {
        let bytes = files::read(&path)?;
        modules.push(inspect(&path, &bytes)?);
    }
    Ok(modules)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inspect_text(text: &str) -> Result<Module, WasmError> {
        let bytes = wat::parse_str(text).unwrap();
        inspect(Path::new("dir/guest.wasm"), &bytes)
    }

    fn message(text: &str) -> String {
        inspect_text(text).unwrap_err().to_string()
    }

    #[test]
    fn imports_and_memory_are_found() {
        let module = inspect_text(
            r#"(module
                (import "atoll::log" "write" (func (param i32 i32 i32) (result i64)))
                (import "env" "table" (table 1 funcref))
                (memory 3)
                (func (drop (i32.atomic.rmw.add (i32.const 0) (i32.const 1)))))"#,
        )
        .unwrap();
        assert_eq!(module.name, "guest");
        assert_eq!(module.memory, Some(3 * 65536));
        let imports: Vec<_> = module
            .imports
            .unwrap()
            .into_iter()
            .map(|i| (i.module, i.name))
            .collect();
        assert_eq!(
            imports,
            [
                ("atoll::log".into(), "write".into()),
                ("env".into(), "table".into())
            ]
        );
    }

    #[test]
    fn wait_and_notify_are_refused_by_function_name() {
        let text = r#"(module (import "a" "b" (func)) (memory 1)
            (func $fine)
            (func $sleeper (drop (memory.atomic.wait32 (i32.const 0) (i32.const 0) (i64.const -1)))))"#;
        let refusal = message(text);
        assert!(
            refusal.starts_with(
                "dir/guest.wasm: function `sleeper` contains `memory.atomic.wait32` (at offset 0x"
            ),
            "{refusal}"
        );
        let unnamed = "(module (import \"a\" \"b\" (func)) (memory 1) (func)
            (func (drop (memory.atomic.notify (i32.const 0) (i32.const 1)))))";
        assert!(message(unnamed).contains("function number 2 contains `memory.atomic.notify`"));
        let wait64 = "(module (memory 1)
            (func (drop (memory.atomic.wait64 (i32.const 0) (i64.const 0) (i64.const -1)))))";
        assert!(message(wait64).contains("`memory.atomic.wait64`"));
    }

    #[test]
    fn shared_memories_are_refused() {
        for text in [
            "(module (memory 1 1 shared))",
            "(module (import \"env\" \"memory\" (memory 1 1 shared)))",
        ] {
            assert!(matches!(
                inspect_text(text),
                Err(WasmError::SharedMemory(_))
            ));
        }
    }

    #[test]
    fn other_files_are_refused() {
        let path = Path::new("guest.wasm");
        assert!(matches!(
            inspect(path, b"\x7fELF"),
            Err(WasmError::Malformed(..))
        ));
        assert!(matches!(inspect(path, b""), Err(WasmError::Malformed(..))));
        let component = b"\0asm\x0d\0\x01\0";
        assert!(matches!(
            inspect(path, component),
            Err(WasmError::Component(_))
        ));
    }

    #[test]
    fn every_truncation_is_an_error_or_a_module() {
        let bytes = wat::parse_str("(module (memory 1) (func $f (drop (i32.load (i32.const 0)))))")
            .unwrap();
        for len in 0..bytes.len() {
            let _ = inspect(Path::new("guest.wasm"), &bytes[..len]);
        }
    }
}
