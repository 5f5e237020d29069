// SPDX-License-Identifier: BSD-2-Clause
//! What is at an address of a program, or at an offset of a module.

use std::env;
use std::fmt;
use std::ops::Range;

use addr2line::Context;
use addr2line::gimli::{Dwarf, EndianSlice, LittleEndian, SectionId};
use object::{Object as _, ObjectSection as _, ObjectSymbol as _, SymbolKind};
use thiserror::Error;
use wasmparser::{Parser, Payload};

type Bytes<'a> = EndianSlice<'a, LittleEndian>;

/// Why a file has no code.
#[derive(Debug, Error)]
pub enum CodeError {
    /// It is no ELF file.
    #[error("it is no ELF file")]
    Elf(#[from] object::Error),
    /// Its debug information is damaged.
    #[error("its debug information is damaged")]
    Dwarf(#[from] addr2line::gimli::Error),
    /// It is no module.
    #[error("it is no WebAssembly module")]
    Wasm(#[from] wasmparser::BinaryReaderError),
}

/// Code, with what is known about it.
pub struct Code<'a> {
    /// Where it is.
    text: Vec<Range<u64>>,
    context: Context<Bytes<'a>>,
    /// First address, bytes and name of each function, by address.
    functions: Vec<(u64, u64, &'a str)>,
    /// What addresses of the debug information are less than those asked for.
    skew: u64,
}

/// A function and a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The function.
    pub function: Option<String>,
    /// The file.
    pub file: Option<String>,
    /// The line.
    pub line: Option<u32>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            self.function
                .as_deref()
                .unwrap_or("a function without a name"),
        )?;
        if let Some(file) = &self.file {
            write!(f, " at {file}")?;
            if let Some(line) = self.line {
                write!(f, ":{line}")?;
            }
        }
        Ok(())
    }
}

impl<'a> Code<'a> {
    /// Of a program.
    ///
    /// # Errors
    /// It is none.
    pub fn elf(bytes: &'a [u8]) -> Result<Self, CodeError> {
        let file = object::File::parse(bytes)?;
        let text = file.sections().filter(|section| {
            matches!(section.kind(), object::SectionKind::Text) && section.size() > 0
        });
        let text = text.map(|section| section.address()..section.address() + section.size());
        let mut functions: Vec<_> = file
            .symbols()
            .filter(|symbol| symbol.kind() == SymbolKind::Text && symbol.is_definition())
            .filter_map(|symbol| Some((symbol.address(), symbol.size(), symbol.name().ok()?)))
            .collect();
        functions.sort_unstable();
        let dwarf = Dwarf::load(|id: SectionId| {
            let section = file.section_by_name(id.name());
            let data = section.map_or(Ok(&[][..]), |section| section.data());
            Ok::<_, object::Error>(EndianSlice::new(data?, LittleEndian))
        })?;
        Ok(Self {
            text: text.collect(),
            context: Context::from_dwarf(dwarf)?,
            functions,
            skew: 0,
        })
    }

    /// Of a module, whose debug information counts from the start of the code section
    /// (WebAssembly tool conventions, "DWARF for WebAssembly").
    ///
    /// # Errors
    /// It is none.
    pub fn wasm(bytes: &'a [u8]) -> Result<Self, CodeError> {
        let mut sections: Vec<(&str, &[u8])> = Vec::new();
        let mut code = 0..0;
        for payload in Parser::new(0).parse_all(bytes) {
            match payload? {
                Payload::CodeSectionStart { range, .. } => code = range,
                Payload::CustomSection(section) if section.name().starts_with(".debug_") => {
                    sections.push((section.name(), section.data()));
                }
                _ => {}
            }
        }
        let dwarf = Dwarf::load(|id: SectionId| {
            let section = sections.iter().find(|(name, _)| *name == id.name());
            let data = section.map_or(&[][..], |(_, data)| data);
            Ok::<_, CodeError>(EndianSlice::new(data, LittleEndian))
        })?;
        let code = code.start as u64..code.end as u64;
        Ok(Self {
            skew: code.start,
            text: vec![code],
            context: Context::from_dwarf(dwarf)?,
            functions: Vec::new(),
        })
    }

    /// Whether there is code at an address.
    pub fn contains(&self, address: u64) -> bool {
        self.text.iter().any(|range| range.contains(&address))
    }

    /// What is at an address: the innermost of functions that were made into one first.
    pub fn places(&self, address: u64) -> Vec<Place> {
        let Some(probe) = address.checked_sub(self.skew) else {
            return Vec::new();
        };
        let mut places = Vec::new();
        if let Ok(mut frames) = self.context.find_frames(probe).skip_all_loads() {
            while let Ok(Some(frame)) = frames.next() {
                let name = frame
                    .function
                    .as_ref()
                    .and_then(|name| name.raw_name().ok());
                let location = frame.location.as_ref();
                places.push(Place {
                    function: name.map(|name| demangle(&name)),
                    file: location.and_then(|location| location.file).map(short),
                    line: location.and_then(|location| location.line),
                });
            }
        }
        if places.iter().all(|place| place.function.is_none()) {
            let function = self.function(address);
            match places.first_mut() {
                Some(place) => place.function = function,
                None => places.extend(function.map(|function| Place {
                    function: Some(function),
                    file: None,
                    line: None,
                })),
            }
        }
        places
    }

    /// The symbol that an address is in.
    fn function(&self, address: u64) -> Option<String> {
        let behind = self
            .functions
            .partition_point(|&(start, ..)| start <= address);
        let before = self.functions[..behind].iter().rev();
        let mut around = before.filter(|&&(start, size, _)| address - start < size.max(4));
        let &(start, _, name) = around.next()?;
        Some(format!("{} + {:#x}", demangle(name), address - start))
    }
}

/// A name as people write it.
fn demangle(name: &str) -> String {
    format!("{:#}", rustc_demangle::demangle(name))
}

/// A path as people know it: in this tree, in a crate, in Rust's library.
fn short(path: &str) -> String {
    let here = env::current_dir().unwrap_or_default();
    if let Some(rest) = path.strip_prefix(&format!("{}/", here.display())) {
        return rest.to_owned();
    }
    if let Some((_, rest)) = path.split_once("/registry/src/")
        && let Some((_, rest)) = rest.split_once('/')
    {
        return rest.to_owned();
    }
    match path.find("/library/") {
        Some(at) if path[..at].contains("rust") => path[at + 1..].to_owned(),
        _ => path.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_short() {
        let here = env::current_dir().unwrap();
        for (path, expected) in [
            (here.join("src/a.rs").display().to_string(), "src/a.rs"),
            (
                "/home/me/.cargo/registry/src/index-1/serde-1.0.0/src/lib.rs".into(),
                "serde-1.0.0/src/lib.rs",
            ),
            (
                "/rustc/abc/library/core/src/panicking.rs".into(),
                "library/core/src/panicking.rs",
            ),
            (
                "/usr/src/rustc-1.96/library/core/src/a.rs".into(),
                "library/core/src/a.rs",
            ),
            ("/elsewhere/a.c".into(), "/elsewhere/a.c"),
        ] {
            assert_eq!(short(&path), expected);
        }
    }

    #[test]
    fn files_that_are_none_are_refused() {
        assert!(matches!(Code::elf(b"no ELF file"), Err(CodeError::Elf(_))));
        assert!(matches!(Code::wasm(b"no module"), Err(CodeError::Wasm(_))));
        let module = wat::parse_str("(module (func))").unwrap();
        for len in 0..module.len() {
            let _ = Code::wasm(&module[..len]);
        }
        assert!(Code::wasm(&module).unwrap().places(u64::MAX).is_empty());
        assert!(Code::wasm(&module).unwrap().places(0).is_empty());
    }
}
