// SPDX-License-Identifier: BSD-2-Clause
//! `atoll image`: puts loader, kernel, root task and all that goes with it into one ELF file.
//!
//! The formats are those of the crate `boot-image`; docs/boot.md shows what is inside what.

pub mod elf;
mod layout;

use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::files::{self, FileError};
use crate::keys::{self, KeyError};
use crate::spec::{self, SpecError};
use elf::{ElfError, Program};

/// `atoll image`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example, as `make image` does it:
  atoll image --spec my.cdl --kernel kernel.elf --loader sel4-loader --root-task root-task \\
    --program wasm-server=wasm-server --archive build/archive.bin --key build/keys/archive.pub --modules wasm --out my.elf")]
pub struct Image {
    /// The loader, an ELF file with the symbol `__payload` behind its last byte
    #[arg(long, value_name = "ELF")]
    loader: PathBuf,
    /// The seL4 kernel
    #[arg(long, value_name = "ELF")]
    kernel: PathBuf,
    /// The root task
    #[arg(long, value_name = "ELF")]
    root_task: PathBuf,
    /// The system's spec, capDL text
    #[arg(long, value_name = "FILE", requires_all = ["archive", "key"])]
    spec: Option<PathBuf>,
    /// Put this file where the compiled spec goes, as it is (for root tasks that are tests)
    #[arg(long, value_name = "FILE", conflicts_with = "spec")]
    raw_spec: Option<PathBuf>,
    /// The signed module archive that `atoll build` made
    #[arg(long, value_name = "FILE")]
    archive: Option<PathBuf>,
    /// The public key that the archive is signed with
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// Directory of the .wasm files, to compare what guests import with what they are granted
    #[arg(long, value_name = "DIR")]
    modules: Option<PathBuf>,
    /// A program that the root task finds by name; can be repeated
    #[arg(long, value_name = "NAME=ELF", value_parser = named_file)]
    program: Vec<(String, PathBuf)>,
    /// A file that the spec fills frames with by name; can be repeated
    #[arg(long, value_name = "NAME=PATH", value_parser = named_file)]
    file: Vec<(String, PathBuf)>,
    /// The boot image
    #[arg(long, value_name = "FILE", default_value = "build/atoll.elf")]
    out: PathBuf,
}

/// Why there is no image.
#[derive(Debug, Error)]
pub enum ImageError {
    /// A file cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// The spec is wrong.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// A program is not what it should be.
    #[error("{}", .0.display())]
    Program(PathBuf, #[source] ElfError),
    /// The loader was linked without the symbol that says where the payload goes.
    #[error("{} has no symbol `__payload`: is it the loader?", .0.display())]
    NoPayloadSymbol(PathBuf),
    /// `__payload` lies inside what is loaded, or not at the start of a page.
    #[error("{} has `__payload` at {addr:#x}, which is not the first page behind its segments", .0.display(), addr = .1)]
    PayloadMisplaced(PathBuf, u64),
    /// The key cannot be read.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// More than the formats have room for.
    #[error("{0}")]
    Limit(String),
    /// Kernel and user image would overwrite the loader that copies them.
    #[error(
        "kernel, root task, archive and programs take {needed} KiB, but there is room for {room} KiB below the loader"
    )]
    TooLarge {
        /// Bytes from the start of the kernel to the end of the user image, in KiB.
        needed: u64,
        /// Bytes from the start of the kernel to the loader, in KiB.
        room: u64,
    },
}

fn named_file(text: &str) -> Result<(String, PathBuf), String> {
    match text.split_once('=') {
        Some((name, file)) if !name.is_empty() && !file.is_empty() => {
            Ok((name.into(), file.into()))
        }
        _ => Err("expected NAME=PATH".into()),
    }
}

/// Makes the image and says how large its parts are.
///
/// # Errors
/// See [`ImageError`].
pub fn run(args: &Image) -> Result<(), ImageError> {
    let archive = args.archive.as_deref().map(files::read).transpose()?;
    let spec = match (&args.spec, &args.raw_spec, &args.archive, &args.key) {
        (Some(path), _, Some(archive_path), Some(key)) => {
            let key = keys::read_public(key)?;
            let archive = archive.as_deref().unwrap_or_default();
            let modules = spec::modules_of(archive_path, archive, &key, args.modules.as_deref())?;
            spec::compile_file(path, Some(&modules), &key)?
        }
        (_, Some(path), ..) => files::read(path)?,
        _ => Vec::new(),
    };

    let loader = files::read(&args.loader)?;
    let kernel = files::read(&args.kernel)?;
    let root_task = files::read(&args.root_task)?;
    let mut programs = Vec::new();
    for (name, path) in &args.program {
        let bytes = files::read(path)?;
        programs.push((
            name.as_str(),
            parse(path, &bytes)?.stripped().map_err(in_file(path))?,
        ));
    }

    let mut others = Vec::new();
    for (name, path) in &args.file {
        others.push((name.as_str(), files::read(path)?));
    }

    let user = layout::user_image(
        &parse(&args.root_task, &root_task)?,
        &args.root_task,
        &spec,
        archive.as_deref().unwrap_or_default(),
        &programs,
        &others,
    )?;
    let kernel = parse(&args.kernel, &kernel)?;
    let loader = parse(&args.loader, &loader)?;
    let image = layout::boot_image(&loader, &args.loader, &kernel, &user)?;
    files::write(&args.out, &image)?;

    let kib = |bytes: usize| bytes.div_ceil(1024);
    eprintln!(
        "{}: {} KiB (root task {}, spec {}, archive {}, programs {}, files {})",
        args.out.display(),
        kib(image.len()),
        kib(user.root_task),
        kib(spec.len()),
        kib(archive.as_deref().map_or(0, <[u8]>::len)),
        kib(programs.iter().map(|(_, bytes)| bytes.len()).sum()),
        kib(others.iter().map(|(_, bytes)| bytes.len()).sum()),
    );
    Ok(())
}

fn parse<'a>(path: &Path, bytes: &'a [u8]) -> Result<Program<'a>, ImageError> {
    Program::parse(bytes).map_err(in_file(path))
}

fn in_file(path: &Path) -> impl FnOnce(ElfError) -> ImageError {
    let path = path.to_owned();
    |error| ImageError::Program(path, error)
}

#[cfg(test)]
mod tests;
