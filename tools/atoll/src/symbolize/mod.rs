// SPDX-License-Identifier: BSD-2-Clause
//! `atoll symbolize`: a log with the functions and lines of the addresses in it.
//!
//! It knows what the root task prints of a server that faults (docs/root-task.md), what debug kernels print of any
//! thread that does, and what the server prints of guests that trap. All else passes through as it is.

mod code;
mod line;

use std::env;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::files::{self, FileError};
use code::{Code, CodeError};
use line::Lines;

/// `atoll symbolize`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  make run | atoll symbolize                  as it comes
  atoll symbolize crash.log                   a log that was kept
  atoll symbolize crash.log --program old/wasm-server --program driver=old/driver --modules old/wasm

The files must be those that the image was made of: after a change, the same address is another function.
Lines of guests take debug information in their .wasm files: `CARGO_PROFILE_GUEST_DEBUG=1 make image`.")]
pub struct Symbolize {
    /// The log [default: standard input]
    log: Option<PathBuf>,
    /// ELF file of the servers, or, with the name of a native task in the spec, of that; again for more [default: the
    /// server that `make` has built]
    #[arg(long = "program", value_name = "[TASK=]FILE")]
    programs: Vec<String>,
    /// ELF file of the root task [default: what `make` has built]
    #[arg(long, value_name = "FILE")]
    root_task: Option<PathBuf>,
    /// ELF file of the kernel [default: the release kernel that `make` has built]
    #[arg(long, value_name = "FILE")]
    kernel: Option<PathBuf>,
    /// Directory of the guests' .wasm files [default: what `make` has built]
    #[arg(long, value_name = "DIR")]
    modules: Option<PathBuf>,
}

/// Why a log is not symbolized.
#[derive(Debug, Error)]
pub enum SymbolizeError {
    /// A file cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// A file has no code.
    #[error("cannot look for functions in {}", .0.display())]
    Code(PathBuf, #[source] CodeError),
    /// Nothing was named, and nothing is there.
    #[error(
        "there is nothing to find functions in, neither {} nor {}; `make image` builds it, or name it with --program",
        .0.display(), .1.display()
    )]
    Nothing(PathBuf, PathBuf),
    /// The log cannot be read.
    #[error("cannot read the log")]
    Read(#[source] io::Error),
    /// The result cannot be written.
    #[error("cannot write the log")]
    Write(#[source] io::Error),
}

/// A file and its bytes.
type Read = (PathBuf, Vec<u8>);

/// Files that addresses are looked up in.
struct Sources {
    programs: Vec<(Option<String>, Read)>,
    root_task: Option<Read>,
    kernel: Option<Read>,
    modules: Vec<Read>,
}

/// Copies the log, with functions and lines.
///
/// # Errors
/// See [`SymbolizeError`]. A reader that has gone is none.
pub fn run(args: &Symbolize) -> Result<(), SymbolizeError> {
    let sources = args.sources()?;
    let lines = sources.lines()?;
    let log: Box<dyn BufRead> = match &args.log {
        Some(path) => {
            let log = File::open(path).map_err(|error| FileError::new("read", path, error))?;
            Box::new(BufReader::new(log))
        }
        None => Box::new(io::stdin().lock()),
    };
    match copy(log, io::stdout().lock(), lines) {
        Err(SymbolizeError::Write(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

fn copy(
    mut log: impl BufRead,
    mut out: impl Write,
    mut lines: Lines<'_>,
) -> Result<(), SymbolizeError> {
    let mut line = Vec::new();
    loop {
        line.clear();
        if log
            .read_until(b'\n', &mut line)
            .map_err(SymbolizeError::Read)?
            == 0
        {
            return Ok(());
        }
        // Whatever it is, it goes on as it came.
        let text = String::from_utf8_lossy(&line);
        let notes = lines.notes(text.trim_end_matches(['\r', '\n']));
        let mut write = || {
            out.write_all(&line)?;
            if !line.ends_with(b"\n") && !notes.is_empty() {
                out.write_all(b"\n")?;
            }
            for note in &notes {
                writeln!(out, "{note}")?;
            }
            out.flush()
        };
        write().map_err(SymbolizeError::Write)?;
    }
}

impl Symbolize {
    fn sources(&self) -> Result<Sources, SymbolizeError> {
        let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| "target".into(), PathBuf::from);
        let programs = target.join("aarch64-unknown-none/image");
        let guests = target.join("wasm32-unknown-unknown/guest");
        let built = |named: &Option<PathBuf>, path: &Path| match named {
            Some(named) => files::read(named).map(|bytes| Some((named.clone(), bytes))),
            None if path.exists() => files::read(path).map(|bytes| Some((path.into(), bytes))),
            None => Ok(None),
        };
        let server = programs.join("wasm-server");
        let mut sources = Sources {
            programs: Vec::new(),
            root_task: built(&self.root_task, &programs.join("root-task"))?,
            kernel: built(
                &self.kernel,
                Path::new("build/kernel/release/bin/kernel.elf"),
            )?,
            modules: Vec::new(),
        };
        for program in &self.programs {
            let (task, file) = match program.split_once('=') {
                Some((task, file)) => (Some(task.to_owned()), file),
                None => (None, &**program),
            };
            let file = PathBuf::from(file);
            let bytes = files::read(&file)?;
            sources.programs.push((task, (file, bytes)));
        }
        if sources.programs.iter().all(|(task, _)| task.is_some()) {
            let server = built(&None, &server)?;
            sources.programs.extend(server.map(|server| (None, server)));
        }
        let modules = match &self.modules {
            Some(named) => Some(named),
            None => guests.is_dir().then_some(&guests),
        };
        if let Some(modules) = modules {
            for path in files::list(modules, "wasm")? {
                let bytes = files::read(&path)?;
                sources.modules.push((path, bytes));
            }
        }
        if sources.programs.is_empty() && sources.modules.is_empty() {
            return Err(SymbolizeError::Nothing(server, guests));
        }
        Ok(sources)
    }
}

impl Sources {
    fn lines<'a>(&'a self) -> Result<Lines<'a>, SymbolizeError> {
        let open = |(path, bytes): &'a Read| {
            Code::elf(bytes).map_err(|error| SymbolizeError::Code(path.clone(), error))
        };
        let modules = self.modules.iter().map(|(path, bytes)| {
            let name = path.file_stem().unwrap_or_default().to_string_lossy();
            (name.into_owned(), &**bytes)
        });
        let mut lines = Lines::default();
        let programs = self.programs.iter();
        let programs = programs.map(|(task, file)| Ok((task.clone(), open(file)?)));
        lines.programs = programs.collect::<Result<_, SymbolizeError>>()?;
        lines.root_task = self.root_task.as_ref().map(open).transpose()?;
        lines.kernel = self.kernel.as_ref().map(open).transpose()?;
        lines.modules = modules.collect();
        Ok(lines)
    }
}
