// SPDX-License-Identifier: BSD-2-Clause
//! The host tool: check, build, module, image, run, abi.
#![forbid(unsafe_code)]

mod abi;
#[cfg(feature = "compiler")]
mod compile;
mod files;
mod image;
#[cfg_attr(
    not(feature = "compiler"),
    allow(dead_code, reason = "only the compiler makes keys")
)]
mod keys;
mod run;
mod spec;
mod wasm;

use std::error::Error;
use std::io::Write as _;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Builds, checks and boots Atoll systems.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Check a spec
    Check(spec::Check),
    /// Compile modules ahead of time and pack them into a signed archive
    #[cfg(feature = "compiler")]
    Build(compile::Build),
    /// Compile one module and sign it, with a version, for guests to load while the system runs
    #[cfg(feature = "compiler")]
    Module(compile::Single),
    /// Put loader, kernel, root task, spec, modules and programs into one bootable ELF file
    Image(Box<image::Image>),
    /// Boot an image in QEMU
    Run(run::Run),
    /// Print the hostcalls as a C header or as a reference page
    Abi(abi::Abi),
}

fn main() -> ExitCode {
    dispatch(Cli::parse().command).unwrap_or_else(|error| {
        report(&*error);
        ExitCode::FAILURE
    })
}

fn dispatch(command: Command) -> Result<ExitCode, Box<dyn Error>> {
    match command {
        Command::Check(args) => spec::run(&args)?,
        #[cfg(feature = "compiler")]
        Command::Build(args) => compile::run(&args)?,
        #[cfg(feature = "compiler")]
        Command::Module(args) => compile::run_single(&args)?,
        Command::Image(args) => image::run(&args)?,
        Command::Run(args) => return Ok(run::run(&args)?),
        Command::Abi(args) => std::io::stdout().write_all(abi::text(&args).as_bytes())?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Says what went wrong and why.
fn report(error: &dyn Error) {
    eprint!("error: {error}");
    let mut source = error.source();
    while let Some(cause) = source {
        eprint!(": {cause}");
        source = cause.source();
    }
    eprintln!();
}
