// SPDX-License-Identifier: BSD-2-Clause
//! The host tool: from specs and modules to images that run, and what people want to know of them.
#![forbid(unsafe_code)]

mod abi;
mod check;
#[cfg(feature = "compiler")]
mod compile;
mod files;
mod fmt;
mod image;
#[cfg_attr(
    not(feature = "compiler"),
    allow(dead_code, reason = "only the compiler makes keys")
)]
mod keys;
mod new;
mod report;
mod run;
mod spec;
mod symbolize;
mod wasm;

use std::error::Error;
use std::io::Write as _;
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};

/// Builds, checks and boots Atoll systems.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Check a spec, and tell what it describes
    Check(check::Check),
    /// Lay specs out
    Fmt(fmt::Fmt),
    /// Compile modules ahead of time and pack them into a signed archive
    #[cfg(feature = "compiler")]
    Build(compile::Build),
    /// Compile one module and sign it, with a version, for guests to load while the system runs
    #[cfg(feature = "compiler")]
    Module(compile::Single),
    /// Put loader, kernel, root task, spec, modules and programs into one bootable ELF file
    Image(Box<image::Image>),
    /// Tell who holds what: as text, as JSON, as a picture
    Report(report::Report),
    /// Make a guest of your own, with a spec that boots it
    New(new::New),
    /// Boot an image in QEMU
    Run(run::Run),
    /// Tell functions and lines of the addresses in a log
    Symbolize(symbolize::Symbolize),
    /// Print what makes a shell complete this tool's commands and options
    #[command(after_help = "Example:
  atoll completions bash > ~/.local/share/bash-completion/completions/atoll")]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
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
        Command::Check(args) => check::run(&args)?,
        Command::Fmt(args) => return Ok(fmt::run(&args)?),
        #[cfg(feature = "compiler")]
        Command::Build(args) => compile::run(&args)?,
        #[cfg(feature = "compiler")]
        Command::Module(args) => compile::run_single(&args)?,
        Command::Image(args) => image::run(&args)?,
        Command::Report(args) => report::run(&args)?,
        Command::New(args) => new::run(&args)?,
        Command::Symbolize(args) => symbolize::run(&args)?,
        Command::Run(args) => return Ok(run::run(&args)?),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "atoll", &mut script);
            std::io::stdout().write_all(&script)?;
        }
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
