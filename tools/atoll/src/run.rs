// SPDX-License-Identifier: BSD-2-Clause
//! `atoll run`: boots an image in QEMU.

use std::io;
use std::path::PathBuf;
use std::process::{Child, Command, ExitCode, ExitStatus};
use std::thread;
use std::time::{Duration, Instant};

use thiserror::Error;

/// The emulator, from Debian's package `qemu-system-arm`.
const QEMU: &str = "qemu-system-aarch64";

/// What a timeout ends with, as coreutils' `timeout` does.
const TIMED_OUT: u8 = 124;

/// `atoll run`.
#[derive(Debug, clap::Args)]
pub struct Run {
    /// The boot image that `atoll image` made
    image: PathBuf,
    /// Memory of the machine
    #[arg(long, default_value = "512M")]
    memory: String,
    /// Processor of the machine
    #[arg(long, default_value = "cortex-a57")]
    cpu: String,
    /// Count instructions instead of time: every run is the same, to the instruction
    #[arg(long)]
    icount: bool,
    /// End the machine after this many seconds, with exit status 124
    #[arg(long, value_name = "SECONDS")]
    timeout: Option<u64>,
    /// Print the command instead of running it
    #[arg(long)]
    print: bool,
    /// Further arguments for QEMU, behind `--`
    #[arg(last = true)]
    qemu: Vec<String>,
}

/// Why the machine did not run.
#[derive(Debug, Error)]
pub enum RunError {
    /// The image is missing; QEMU's own message for it is hard to understand.
    #[error("there is no image {}; `atoll image` makes one", .0.display())]
    NoImage(PathBuf),
    /// QEMU is not installed.
    #[error("cannot start {QEMU}; on Debian it is in the package `qemu-system-arm`")]
    NoQemu(#[source] io::Error),
    /// Waiting for it failed.
    #[error("cannot wait for {QEMU}")]
    Wait(#[source] io::Error),
}

/// The command line.
fn arguments(args: &Run) -> Vec<String> {
    let mut line: Vec<String> = ["-machine", "virt", "-cpu", &args.cpu, "-m", &args.memory]
        .map(String::from)
        .into();
    // Without -nic none the machine has a network card and needs a boot ROM for it.
    line.extend(["-nographic", "-nic", "none"].map(String::from));
    if args.icount {
        line.extend(["-icount", "shift=0,sleep=off"].map(String::from));
    }
    line.push("-kernel".into());
    line.push(args.image.display().to_string());
    line.extend(args.qemu.iter().cloned());
    line
}

/// Runs the machine; its serial line is our terminal.
///
/// # Errors
/// See [`RunError`]. What the machine does is no error: its exit status becomes ours.
pub fn run(args: &Run) -> Result<ExitCode, RunError> {
    let line = arguments(args);
    if args.print {
        println!("{QEMU} {}", line.join(" "));
        return Ok(ExitCode::SUCCESS);
    }
    if !args.image.is_file() {
        return Err(RunError::NoImage(args.image.clone()));
    }
    eprintln!("Booting {} in QEMU; Ctrl-a x leaves.", args.image.display());
    let mut machine = Command::new(QEMU)
        .args(&line)
        .spawn()
        .map_err(RunError::NoQemu)?;
    let status = match args.timeout {
        None => Some(machine.wait().map_err(RunError::Wait)?),
        Some(seconds) => wait(&mut machine, Duration::from_secs(seconds))?,
    };
    let Some(status) = status else {
        eprintln!("\nThe time is up; QEMU was ended.");
        return Ok(ExitCode::from(TIMED_OUT));
    };
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}

/// Waits for the machine to end by itself, or ends it: then there is no status.
fn wait(machine: &mut Child, limit: Duration) -> Result<Option<ExitStatus>, RunError> {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(status) = machine.try_wait().map_err(RunError::Wait)? {
            return Ok(Some(status));
        }
        if Instant::now() >= deadline {
            machine.kill().map_err(RunError::Wait)?;
            machine.wait().map_err(RunError::Wait)?;
            return Ok(None);
        }
        thread::sleep(Duration::from_millis(50));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        run: Run,
    }

    fn line(args: &[&str]) -> String {
        let all = ["run"].iter().chain(args);
        arguments(&Cli::try_parse_from(all).unwrap().run).join(" ")
    }

    #[test]
    fn defaults_and_options_reach_qemu() {
        assert_eq!(
            line(&["a.elf"]),
            "-machine virt -cpu cortex-a57 -m 512M -nographic -nic none -kernel a.elf"
        );
        assert_eq!(
            line(&["a.elf", "--icount", "--memory", "1G", "--", "-s", "-S"]),
            "-machine virt -cpu cortex-a57 -m 1G -nographic -nic none -icount shift=0,sleep=off \
             -kernel a.elf -s -S"
        );
    }

    #[test]
    fn the_deadline_ends_a_program_that_does_not_end() {
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        assert_eq!(wait(&mut child, Duration::from_millis(100)).unwrap(), None);
        let mut child = Command::new("true").spawn().unwrap();
        assert!(
            wait(&mut child, Duration::from_secs(60))
                .unwrap()
                .unwrap()
                .success()
        );
    }
}
