// SPDX-License-Identifier: BSD-2-Clause
//! `atoll run`: boots an image in QEMU.

mod forward;

use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, ExitStatus};
use std::thread;
use std::time::{Duration, Instant};

use thiserror::Error;

use forward::{Forward, PortError};

/// The emulator, from Debian's package `qemu-system-arm`.
const QEMU: &str = "qemu-system-aarch64";

/// What a timeout ends with, as coreutils' `timeout` does.
const TIMED_OUT: u8 = 124;

/// `atoll run`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  atoll run build/atoll.elf --net --forward 8080:80         a network, and its port 80 at this host's 8080
  atoll run build/atoll.elf --disk atoll-disk.img --rng     a disk and random bytes
  atoll run build/atoll.elf --icount --timeout 60           the same run each time, for a minute at most
  atoll run build/atoll.elf --print -- -d int               only the command, with an argument for QEMU")]
pub struct Run {
    /// The boot image that `atoll image` made
    image: PathBuf,
    /// Memory of the machine
    #[arg(long, default_value = "512M")]
    memory: String,
    /// Processor of the machine
    #[arg(long, default_value = "cortex-a57")]
    cpu: String,
    /// Give it a network: virtio in slot 31, with QEMU's own DHCP, name server and gateway
    #[arg(long)]
    net: bool,
    /// Have a port of this host lead to one of the machine; again for more. Without it the first free
    /// port from 8080 on leads to port 80
    #[arg(long, value_name = "HOSTPORT:PORT[/udp]", requires = "net")]
    forward: Vec<Forward>,
    /// Address of this host that these ports are at
    #[arg(
        long,
        value_name = "ADDRESS",
        default_value = "127.0.0.1",
        requires = "net"
    )]
    listen: IpAddr,
    /// Give it a disk: virtio in slot 30, with the contents of this file
    #[arg(long, value_name = "FILE")]
    disk: Option<PathBuf>,
    /// Give it a source of random bytes: virtio in slot 29
    #[arg(long)]
    rng: bool,
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
    /// The disk is missing.
    #[error("there is no disk {}; `truncate --size 64M {}` makes an empty one", .0.display(), .0.display())]
    NoDisk(PathBuf),
    /// A port cannot be forwarded.
    #[error(transparent)]
    Port(#[from] PortError),
    /// QEMU is not installed.
    #[error("cannot start {QEMU}; on Debian it is in the package `qemu-system-arm`")]
    NoQemu(#[source] io::Error),
    /// Waiting for it failed.
    #[error("cannot wait for {QEMU}")]
    Wait(#[source] io::Error),
}

/// The command line.
fn arguments(args: &Run, forwards: &[Forward]) -> Vec<String> {
    let mut line: Vec<String> = ["-machine", "virt", "-cpu", &args.cpu, "-m", &args.memory]
        .map(String::from)
        .into();
    let mut add = |option: &str, value: String| line.extend([option.into(), value]);
    // Version 2 of virtio over MMIO, which QEMU has by another name for reasons of age.
    add("-global", "virtio-mmio.force-legacy=false".into());
    if args.net {
        let forwards = forwards.iter().map(|forward| forward.option(args.listen));
        add(
            "-netdev",
            format!("user,id=net{}", forwards.collect::<String>()),
        );
        let device = "virtio-net-device,netdev=net,bus=virtio-mmio-bus.31";
        add("-device", device.into());
    } else {
        // Else QEMU adds a network card of its choice, which needs a boot ROM.
        add("-nic", "none".into());
    }
    if let Some(disk) = &args.disk {
        add(
            "-drive",
            format!("if=none,id=disk,format=raw,file={}", value(disk)),
        );
        let device = "virtio-blk-device,drive=disk,bus=virtio-mmio-bus.30";
        add("-device", device.into());
    }
    if args.rng {
        add("-object", "rng-builtin,id=rng".into());
        let device = "virtio-rng-device,rng=rng,bus=virtio-mmio-bus.29";
        add("-device", device.into());
    }
    line.push("-nographic".into());
    if args.icount {
        line.extend(["-icount", "shift=0,sleep=off"].map(String::from));
    }
    line.push("-kernel".into());
    line.push(args.image.display().to_string());
    line.extend(args.qemu.iter().cloned());
    line
}

/// A path as a value in one of QEMU's lists, where commas separate.
fn value(path: &Path) -> String {
    path.display().to_string().replace(',', ",,")
}

/// Runs the machine; its serial line is our terminal.
///
/// # Errors
/// See [`RunError`]. What the machine does is no error: its exit status becomes ours.
pub fn run(args: &Run) -> Result<ExitCode, RunError> {
    let forwards = if args.net {
        forward::choose(&args.forward, args.listen)?
    } else {
        Vec::new()
    };
    let line = arguments(args, &forwards);
    if args.print {
        println!("{QEMU} {}", line.join(" "));
        return Ok(ExitCode::SUCCESS);
    }
    if !args.image.is_file() {
        return Err(RunError::NoImage(args.image.clone()));
    }
    if let Some(disk) = args.disk.as_ref().filter(|disk| !disk.exists()) {
        return Err(RunError::NoDisk(disk.clone()));
    }
    eprintln!("Booting {} in QEMU; Ctrl-a x leaves.", args.image.display());
    for forward in &forwards {
        eprintln!("{}", forward.describe(args.listen));
    }
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
        let run = Cli::try_parse_from(all).unwrap().run;
        arguments(&run, &run.forward).join(" ")
    }

    const MACHINE: &str =
        "-machine virt -cpu cortex-a57 -m 512M -global virtio-mmio.force-legacy=false";

    #[test]
    fn defaults_and_options_reach_qemu() {
        assert_eq!(
            line(&["a.elf"]),
            format!("{MACHINE} -nic none -nographic -kernel a.elf")
        );
        assert_eq!(
            line(&["a.elf", "--icount", "--memory", "1G", "--", "-s", "-S"]),
            "-machine virt -cpu cortex-a57 -m 1G -global virtio-mmio.force-legacy=false -nic none \
             -nographic -icount shift=0,sleep=off -kernel a.elf -s -S"
        );
    }

    #[test]
    fn devices_are_in_their_slots() {
        let net = [
            "a.elf",
            "--net",
            "--forward",
            "80:8000",
            "--forward",
            "7007:7/udp",
        ];
        assert_eq!(
            line(&net),
            format!(
                "{MACHINE} -netdev \
                 user,id=net,hostfwd=tcp:127.0.0.1:80-:8000,hostfwd=udp:127.0.0.1:7007-:7 \
                 -device virtio-net-device,netdev=net,bus=virtio-mmio-bus.31 -nographic -kernel a.elf"
            )
        );
        assert_eq!(
            line(&["a.elf", "--rng", "--disk", "a,b.img"]),
            format!(
                "{MACHINE} -nic none -drive if=none,id=disk,format=raw,file=a,,b.img \
                 -device virtio-blk-device,drive=disk,bus=virtio-mmio-bus.30 \
                 -object rng-builtin,id=rng \
                 -device virtio-rng-device,rng=rng,bus=virtio-mmio-bus.29 -nographic -kernel a.elf"
            )
        );
    }

    #[test]
    fn ports_need_a_network() {
        for args in [["--forward", "80:80"], ["--listen", "0.0.0.0"]] {
            let all = ["run", "a.elf"].iter().chain(&args);
            let Err(error) = Cli::try_parse_from(all) else {
                panic!("{args:?} was accepted")
            };
            assert!(error.to_string().contains("--net"), "{error}");
        }
    }

    #[test]
    fn a_disk_that_is_missing_is_no_machine() {
        let image = std::env::current_exe().unwrap().display().to_string();
        let args = ["run", &image, "--disk", "/nowhere/disk.img"];
        let error = run(&Cli::try_parse_from(args).unwrap().run).unwrap_err();
        assert_eq!(
            error.to_string(),
            "there is no disk /nowhere/disk.img; `truncate --size 64M /nowhere/disk.img` makes an empty one"
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
