// SPDX-License-Identifier: BSD-2-Clause
//! `atoll fmt`: the canonical layout of specs.

use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use capdl::language::format;

use crate::files::{self, FileError};
use crate::spec::{SpecError, colors};

/// `atoll fmt`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  atoll fmt my.cdl                lay it out
  atoll fmt --check specs/*.cdl   whether all are")]
pub struct Fmt {
    /// Change no file; fail if there is one that would change
    #[arg(long)]
    check: bool,
    /// The specs, capDL text; `-` is standard input, laid out on standard output
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

/// Lays the files out and prints the names of those that changed, or would.
///
/// # Errors
/// A file cannot be read or written, or does not fit the grammar; which is found out of all before.
pub fn run(args: &Fmt) -> Result<ExitCode, SpecError> {
    let (mut changed, mut failed) = (false, None);
    for path in &args.files {
        match one(path, args.check) {
            Ok(false) => {}
            Ok(true) => {
                changed = true;
                // Standard output has the spec itself.
                if args.check || path.as_os_str() != "-" {
                    println!("{}", name(path));
                }
            }
            Err(error) => {
                if let Some(earlier) = failed.replace(error) {
                    eprintln!("error: {earlier}");
                }
            }
        }
    }
    match failed {
        Some(error) => Err(error),
        None if args.check && changed => Ok(ExitCode::FAILURE),
        None => Ok(ExitCode::SUCCESS),
    }
}

/// Lays one file out; whether it was not.
fn one(path: &Path, check: bool) -> Result<bool, SpecError> {
    let stdin = path.as_os_str() == "-";
    let bytes = if stdin {
        let mut bytes = Vec::new();
        let read = io::stdin().read_to_end(&mut bytes);
        read.map_err(|error| FileError::new("read", path, error))?;
        bytes
    } else {
        files::read(path)?
    };
    let text = String::from_utf8(bytes).map_err(|_| SpecError::NotText(path.into()))?;
    let laid_out = format(&name(path), &text).map_err(|report| {
        eprintln!("{}", report.render(colors()));
        SpecError::Wrong(path.into(), report.diagnostics().len())
    })?;
    let changed = laid_out != text;
    if stdin && !check {
        let written = io::stdout().write_all(laid_out.as_bytes());
        written.map_err(|error| FileError::new("write", path, error))?;
    } else if changed && !check {
        files::write(path, laid_out.as_bytes())?;
    }
    Ok(changed)
}

/// The name of a file in messages.
fn name(path: &Path) -> String {
    match path.to_str() {
        Some("-") => "<stdin>".into(),
        _ => path.display().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::tests::Scratch;

    const ODD: &str = "arch   aarch64 objects {\na=ep }";
    const LAID_OUT: &str = "arch aarch64\n\nobjects {\n  a = ep\n}\n";

    fn fmt(check: bool, files: &[&Path]) -> Result<bool, SpecError> {
        let files = files.iter().map(|file| file.to_path_buf()).collect();
        let code = run(&Fmt { check, files })?;
        Ok(code == ExitCode::SUCCESS)
    }

    #[test]
    fn files_are_laid_out() {
        let scratch = Scratch::new("fmt");
        let (odd, even) = (scratch.path("odd.cdl"), scratch.path("even.cdl"));
        files::write(&odd, ODD.as_bytes()).unwrap();
        files::write(&even, LAID_OUT.as_bytes()).unwrap();

        assert!(!fmt(true, &[&odd, &even]).unwrap());
        assert_eq!(files::read(&odd).unwrap(), ODD.as_bytes());
        assert!(fmt(true, &[&even]).unwrap());

        assert!(fmt(false, &[&odd, &even]).unwrap());
        for file in [&odd, &even] {
            assert_eq!(files::read(file).unwrap(), LAID_OUT.as_bytes());
        }
        assert!(fmt(true, &[&odd, &even]).unwrap());
    }

    #[test]
    fn what_cannot_be_read_stays_and_the_others_are_laid_out() {
        let scratch = Scratch::new("fmt-wrong");
        let (wrong, odd) = (scratch.path("wrong.cdl"), scratch.path("odd.cdl"));
        files::write(&wrong, b"arch aarch64 objects {").unwrap();
        files::write(&odd, ODD.as_bytes()).unwrap();
        let error = fmt(false, &[&wrong, &odd]).unwrap_err();
        assert!(matches!(error, SpecError::Wrong(_, 1)), "{error}");
        assert_eq!(files::read(&wrong).unwrap(), b"arch aarch64 objects {");
        assert_eq!(files::read(&odd).unwrap(), LAID_OUT.as_bytes());
        let missing = fmt(false, &[&scratch.path("missing.cdl")]);
        assert!(matches!(missing, Err(SpecError::File(_))));
    }
}
