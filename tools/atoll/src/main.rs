// SPDX-License-Identifier: BSD-2-Clause
//! The host tool: check, build, image, run.
#![forbid(unsafe_code)]

mod files;
mod image;
mod run;

use std::error::Error;
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
    /// Put loader, kernel, root task, spec, modules and programs into one bootable ELF file
    Image(Box<image::Image>),
    /// Boot an image in QEMU
    Run(run::Run),
}

fn main() -> ExitCode {
    let result: Result<ExitCode, Box<dyn Error>> = match Cli::parse().command {
        Command::Image(args) => image::run(&args)
            .map(|()| ExitCode::SUCCESS)
            .map_err(Into::into),
        Command::Run(args) => run::run(&args).map_err(Into::into),
    };
    result.unwrap_or_else(|error| {
        report(&*error);
        ExitCode::FAILURE
    })
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
