// SPDX-License-Identifier: BSD-2-Clause
//! Reading and compiling specs.

use std::env;
use std::io::stderr;
use std::path::{Path, PathBuf};

use capdl::language::model::Object;
use capdl::language::{self, Module, Options, Report};
use thiserror::Error;
use wasm_archive::{Archive, ArchiveError};

use crate::files::{self, FileError};
use crate::wasm::{self, WasmError};

/// Why a spec was not compiled.
#[derive(Debug, Error)]
pub enum SpecError {
    /// It cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// A module cannot be read.
    #[error(transparent)]
    Wasm(#[from] WasmError),
    /// The archive was refused.
    #[error("{}", .0.display())]
    Archive(PathBuf, #[source] ArchiveError),
    /// It is not text.
    #[error("{} is not UTF-8 text", .0.display())]
    NotText(PathBuf),
    /// It is wrong in ways that have been shown.
    #[error("{} has {}", .0.display(), if *.1 == 1 { "an error".into() } else { format!("{} errors", .1) })]
    Wrong(PathBuf, usize),
}

/// The text of a spec, and what it is compared with.
pub struct Source {
    path: PathBuf,
    name: String,
    text: String,
    modules: Option<Vec<Module>>,
    memory: Option<u64>,
}

impl Source {
    /// Reads a spec, and the modules of a directory.
    ///
    /// # Errors
    /// A file cannot be read, or is not what it should be.
    pub fn read(path: &Path, modules: Option<&Path>) -> Result<Self, SpecError> {
        let text =
            String::from_utf8(files::read(path)?).map_err(|_| SpecError::NotText(path.into()))?;
        Ok(Self {
            path: path.into(),
            name: shown_name(path),
            text,
            modules: modules.map(wasm::inspect_directory).transpose()?,
            memory: None,
        })
    }

    /// Compares it with a machine that has so many bytes of memory, too.
    pub fn on_machine(self, memory: Option<u64>) -> Self {
        Self { memory, ..self }
    }

    /// What the spec describes. What is wrong with it is shown on the terminal.
    ///
    /// # Errors
    /// It is wrong.
    pub fn objects(&self) -> Result<Vec<Object>, SpecError> {
        let options = Options {
            modules: self.modules.as_deref(),
            memory: self.memory,
        };
        language::check(&self.name, &self.text, &options)
            .map_err(|report| refuse(&self.path, report))
    }

    /// Its name in what is written about it: relative where possible.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The modules that it is compared with.
    pub fn modules(&self) -> Option<&[Module]> {
        self.modules.as_deref()
    }
}

/// Shows what is wrong.
fn refuse(path: &Path, report: Report) -> SpecError {
    let report = report.in_file(&path.display().to_string());
    eprintln!("{}", report.render(colors()));
    SpecError::Wrong(path.into(), report.diagnostics().len())
}

/// The modules of an archive; what they import is known where the directory has them.
///
/// # Errors
/// The archive is broken or signed with another key, or a module cannot be read.
pub fn modules_of(
    path: &Path,
    archive: &[u8],
    key: &[u8; 32],
    directory: Option<&Path>,
) -> Result<Vec<Module>, SpecError> {
    let archive =
        Archive::open(archive, key).map_err(|error| SpecError::Archive(path.into(), error))?;
    let mut modules = Vec::new();
    for entry in archive.entries() {
        let file = directory.map(|directory| directory.join(format!("{}.wasm", entry.name)));
        modules.push(match file.filter(|file| file.exists()) {
            Some(file) => wasm::inspect(&file, &files::read(&file)?)?,
            None => Module {
                name: entry.name.into(),
                ..Module::default()
            },
        });
    }
    Ok(modules)
}

/// Compiles a spec; shows on the terminal what is wrong with it.
///
/// # Errors
/// See [`SpecError`].
pub fn compile_file(
    path: &Path,
    modules: Option<&[Module]>,
    key: &[u8; 32],
) -> Result<Vec<u8>, SpecError> {
    let source = Source::read(path, None)?;
    let options = Options {
        modules,
        ..Options::default()
    };
    language::compile(&source.name, &source.text, &options, key)
        .map_err(|report| refuse(path, report))
}

/// The name for messages on the target: relative where possible, so that an image does not depend on
/// where it is built.
fn shown_name(path: &Path) -> String {
    let here = env::current_dir().ok();
    let relative = here.and_then(|here| path.strip_prefix(here).ok());
    let shown = match relative {
        Some(relative) => relative,
        None if path.is_absolute() => Path::new(path.file_name().unwrap_or_default()),
        None => path,
    };
    shown.display().to_string()
}

/// Whether to color what goes to standard error: a terminal, NO_COLOR and CLICOLOR_FORCE decide.
pub fn colors() -> bool {
    anstream::AutoStream::choice(&stderr()) != anstream::ColorChoice::Never
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::tests::Scratch;
    use ed25519_dalek::SigningKey;
    use wasm_archive::Writer;

    #[test]
    fn names_do_not_depend_on_the_directory() {
        let here = env::current_dir().unwrap();
        assert_eq!(shown_name(&here.join("specs/a.cdl")), "specs/a.cdl");
        assert_eq!(shown_name(Path::new("specs/a.cdl")), "specs/a.cdl");
        assert_eq!(shown_name(Path::new("/elsewhere/a.cdl")), "a.cdl");
    }

    #[test]
    fn modules_come_from_the_archive_and_imports_from_the_directory() {
        let scratch = Scratch::new("modules");
        let wasm = wat::parse_str("(module (import \"a\" \"b\" (func)) (memory 2))").unwrap();
        std::fs::write(scratch.path("known.wasm"), wasm).unwrap();
        std::fs::write(scratch.path("unused.wasm"), "broken").unwrap();
        let key = SigningKey::from_bytes(&[1; 32]);
        let public = key.verifying_key().to_bytes();
        let mut writer = Writer::new();
        writer.add("known", vec![1]).unwrap();
        writer.add("unknown", vec![2]).unwrap();
        let archive = writer.finish(&key).unwrap();

        let directory = scratch.path("");
        let modules = modules_of(Path::new("a"), &archive, &public, Some(&directory)).unwrap();
        let [known, unknown] = &modules[..] else {
            panic!("{modules:?}")
        };
        assert_eq!((&*known.name, known.memory), ("known", Some(2 << 16)));
        assert_eq!(known.imports.as_ref().map(Vec::len), Some(1));
        assert_eq!((&*unknown.name, &unknown.imports), ("unknown", &None));
        assert!(matches!(
            modules_of(Path::new("a"), &archive, &[0; 32], None),
            Err(SpecError::Archive(_, ArchiveError::OtherKey))
        ));
    }

    #[test]
    fn a_wrong_spec_is_counted() {
        let scratch = Scratch::new("spec");
        let path = scratch.path("a.cdl");
        std::fs::write(
            &path,
            "arch aarch64 objects { a = ut  b = nothing  s = wasm_server }",
        )
        .unwrap();
        let error = compile_file(&path, None, &[0; 32]).unwrap_err();
        assert!(matches!(error, SpecError::Wrong(_, 3)), "{error}");
        std::fs::write(&path, b"\xff").unwrap();
        assert!(matches!(
            compile_file(&path, None, &[0; 32]),
            Err(SpecError::NotText(_))
        ));
    }
}
