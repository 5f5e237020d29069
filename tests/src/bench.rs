// SPDX-License-Identifier: BSD-2-Clause
//! The benchmarks: boots an image whose guests measure, reads the results off the log, and compares
//! each with what it stands on.
//!
//! A result is a line `bench NAME VALUE`, from the server itself or in a guest's log. The machine
//! counts instructions for time (see [`Config::counted`]), so the cycle counter counts instructions, and
//! a run is repeated exactly. [`measure`] runs it twice to make sure.

mod disk;
mod net;

use std::fmt::{self, Write};
use std::path::Path;

use serde::Serialize;
use thiserror::Error;

use crate::console::{Entry, Level, entries};
use crate::devices::{Devices, Net};
use crate::machine::{Config, LIMIT, Machine, MachineError};

/// The last line of a run.
const DONE: &str = "done";

/// What is measured, with its unit and the operation that it is compared with.
const BENCHMARKS: [(&str, &str, Option<&str>); 83] = [
    ("boot_to_guest", INSTRUCTIONS, None),
    ("signal_wait_bare", INSTRUCTIONS, None),
    ("signal_wait_joined_bare", INSTRUCTIONS, None),
    ("thread_start_bare", INSTRUCTIONS, None),
    ("thread_stop_bare", INSTRUCTIONS, None),
    ("frame_map_bare", INSTRUCTIONS, None),
    ("frame_unmap_bare", INSTRUCTIONS, None),
    ("timer_bare", INSTRUCTIONS, None),
    ("wake_pingpong", INSTRUCTIONS, Some("signal_wait_bare")),
    (
        "wake_pingpong_separate",
        INSTRUCTIONS,
        Some("signal_wait_bare"),
    ),
    (
        "pingpong_across_servers",
        INSTRUCTIONS,
        Some("signal_wait_bare"),
    ),
    (
        "pingpong_across_servers_separate",
        INSTRUCTIONS,
        Some("signal_wait_bare"),
    ),
    ("request_reply", INSTRUCTIONS, Some("signal_wait_bare")),
    ("request_reply_64b", INSTRUCTIONS, None),
    ("rpc_call", INSTRUCTIONS, Some("signal_wait_bare")),
    ("rpc_call_8", INSTRUCTIONS, None),
    ("rpc_call_8_p99", INSTRUCTIONS, None),
    ("rtrb_64b", INSTRUCTIONS, None),
    ("rtrb_4k", INSTRUCTIONS, None),
    ("channel_16b", INSTRUCTIONS, None),
    ("channel_64b", INSTRUCTIONS, Some("rtrb_64b")),
    ("channel_256b", INSTRUCTIONS, None),
    ("channel_1k", INSTRUCTIONS, None),
    ("channel_4k", INSTRUCTIONS, Some("rtrb_4k")),
    ("channel_16k", INSTRUCTIONS, None),
    ("channel_64k", INSTRUCTIONS, None),
    ("channel_in_place", INSTRUCTIONS, None),
    ("channel_many_1", INSTRUCTIONS, None),
    ("channel_many_2", INSTRUCTIONS, None),
    ("channel_many_4", INSTRUCTIONS, None),
    ("channel_many_8", INSTRUCTIONS, None),
    ("hostcall_scalar", INSTRUCTIONS, None),
    ("hostcall_postcard", INSTRUCTIONS, Some("hostcall_scalar")),
    ("shm_attach_page", INSTRUCTIONS, Some("frame_map_bare")),
    ("timer_set", INSTRUCTIONS, Some("hostcall_scalar")),
    ("timer_cancel", INSTRUCTIONS, Some("hostcall_scalar")),
    ("timer_fire", INSTRUCTIONS, Some("timer_bare")),
    ("virtio_kick", INSTRUCTIONS, Some("hostcall_scalar")),
    ("virtio_kick_further", INSTRUCTIONS, None),
    ("guest_start", INSTRUCTIONS, Some("thread_start_bare")),
    ("guest_stop", INSTRUCTIONS, Some("thread_stop_bare")),
    ("step_start_space", INSTRUCTIONS, None),
    ("step_start_configure", INSTRUCTIONS, None),
    ("step_start_prepare", INSTRUCTIONS, None),
    ("step_start_launch", INSTRUCTIONS, None),
    ("step_start_store", INSTRUCTIONS, None),
    ("step_start_memory", INSTRUCTIONS, None),
    ("step_run", INSTRUCTIONS, None),
    ("step_stop_schedule", INSTRUCTIONS, None),
    ("step_stop_revoke", INSTRUCTIONS, None),
    ("step_stop_place", INSTRUCTIONS, None),
    ("life_leaves_heap", "bytes", None),
    ("life_leaves_slots", "slots", None),
    ("kill_spinner", INSTRUCTIONS, Some("guest_stop")),
    ("net_udp_echo_native", INSTRUCTIONS, None),
    ("net_tcp_stream_native", PER_KIB, None),
    ("net_tcp_send_native", PER_KIB, None),
    ("net_udp_echo", INSTRUCTIONS, Some("net_udp_echo_native")),
    ("net_tcp_stream", PER_KIB, Some("net_tcp_stream_native")),
    ("net_tcp_send", PER_KIB, Some("net_tcp_send_native")),
    ("fs_seq_read_native", PER_MIB, None),
    ("fs_seq_write_native", PER_MIB, None),
    ("fs_random_read_native", INSTRUCTIONS, None),
    ("fs_random_write_native", INSTRUCTIONS, None),
    ("fs_seq_read", PER_MIB, Some("fs_seq_read_native")),
    ("fs_seq_write", PER_MIB, Some("fs_seq_write_native")),
    ("fs_seq_overwrite", PER_MIB, Some("fs_seq_write_native")),
    (
        "fs_random_read",
        INSTRUCTIONS,
        Some("fs_random_read_native"),
    ),
    (
        "fs_random_write",
        INSTRUCTIONS,
        Some("fs_random_write_native"),
    ),
    ("fs_create", INSTRUCTIONS, None),
    ("fs_open", INSTRUCTIONS, None),
    ("fs_stat", INSTRUCTIONS, None),
    ("fs_rename", INSTRUCTIONS, None),
    ("fs_unlink", INSTRUCTIONS, None),
    ("fs_sync", INSTRUCTIONS, None),
    ("fs_seq_read_time_native", TIME_PER_MIB, None),
    ("fs_seq_write_time_native", TIME_PER_MIB, None),
    ("fs_random_read_time_native", TIME, None),
    ("fs_random_write_time_native", TIME, None),
    (
        "fs_seq_read_time",
        TIME_PER_MIB,
        Some("fs_seq_read_time_native"),
    ),
    (
        "fs_seq_write_time",
        TIME_PER_MIB,
        Some("fs_seq_write_time_native"),
    ),
    (
        "fs_random_read_time",
        TIME,
        Some("fs_random_read_time_native"),
    ),
    (
        "fs_random_write_time",
        TIME,
        Some("fs_random_write_time_native"),
    ),
];
// Under Config::counted a nanosecond is an instruction, too.
const INSTRUCTIONS: &str = "instructions";
const PER_KIB: &str = "instr./KiB";
const TIME: &str = "ns";
const TIME_PER_MIB: &str = "ns/MiB";
const PER_MIB: &str = "instr./MiB";

/// A result.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// What was measured.
    pub name: &'static str,
    /// What is counted.
    pub unit: &'static str,
    /// How much it was.
    pub value: u64,
    /// What it is compared with.
    pub baseline_name: Option<&'static str>,
    /// How much that was.
    pub baseline: Option<u64>,
    /// The quotient of the two.
    pub ratio: Option<f64>,
}

/// Why there are no results.
#[derive(Debug, Error)]
pub enum BenchError {
    /// The machine did not run to its end.
    #[error("the benchmarks did not run to their end: {0}\n{1}")]
    Machine(#[source] MachineError, String),
    /// Something went wrong in the machine.
    #[error("a benchmark failed: {0}")]
    Failed(String),
    /// A result has a name that nothing is known about.
    #[error("`{0}` is no benchmark that is known here")]
    Unknown(String),
    /// A result came twice.
    #[error("`{0}` was measured twice in one run")]
    Twice(&'static str),
    /// A result did not come.
    #[error("`{0}` was not measured")]
    Missing(&'static str),
    /// What it stands on took nothing.
    #[error("`{0}` is 0, and `{1}` is compared with it")]
    NoBaseline(&'static str, &'static str),
    /// Results depend on something that they should not.
    #[error("two runs differ in `{name}`: {first} and {second}")]
    Differ {
        /// In what.
        name: &'static str,
        /// In the first run.
        first: u64,
        /// In the second run.
        second: u64,
    },
}

/// The images that are measured.
#[derive(Clone, Copy, Debug)]
pub struct Images<'a> {
    /// That of the server and of guests among themselves.
    pub main: &'a Path,
    /// That of the network.
    pub net: &'a Path,
    /// That of files.
    pub fs: &'a Path,
    /// That of two servers.
    pub servers: &'a Path,
}

/// Runs the first image and that of two servers twice, with the same results, and once those of the network and of files, whose
/// results are added.
///
/// # Errors
/// See [`BenchError`].
pub fn measure(images: Images<'_>) -> Result<Vec<Row>, BenchError> {
    let more = disk::run(images.fs)? + &net::run(images.net)?;
    // A machine that is ended may be in the midst of a line.
    let once = || {
        let (main, servers) = (run(images.main)?, run(images.servers)?);
        rows(&format!("{main}\n{}\n{more}", across(&servers)))
    };
    let (first, second) = (once()?, once()?);
    compare(&first, &second)?;
    Ok(first)
}

/// What guests of two servers measure: the servers themselves measure what those of the main image do.
fn across(text: &str) -> String {
    let lines = results(text).filter(|line| line.starts_with("pingpong_across_servers"));
    lines.map(|line| format!("bench {line}\n")).collect()
}

/// Compares two runs, row by row.
fn compare(first: &[Row], second: &[Row]) -> Result<(), BenchError> {
    let differ = first
        .iter()
        .zip(second)
        .find(|(first, second)| first.value != second.value);
    match differ {
        None => Ok(()),
        Some((first, second)) => Err(BenchError::Differ {
            name: first.name,
            first: first.value,
            second: second.value,
        }),
    }
}

fn run(image: &Path) -> Result<String, BenchError> {
    let config = Config {
        counted: true,
        devices: Devices {
            net: Some(Net::Silent),
            ..Devices::default()
        },
        ..Config::default()
    };
    let machine =
        Machine::boot(image, config).map_err(|e| BenchError::Machine(e, String::new()))?;
    let done = machine.wait("bench done", LIMIT, |text| {
        results(text).any(|line| line == DONE).then_some(())
    });
    let text = machine.end();
    match done {
        Ok(()) => Ok(text),
        Err(error) => Err(BenchError::Machine(error, text)),
    }
}

/// What follows `bench` in the lines of results.
fn results(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .map(|line| Entry::parse(line).map_or(line, |entry| entry.text))
        .filter_map(|line| line.strip_prefix("bench "))
}

/// The results in what a run printed, in the order of [`BENCHMARKS`].
///
/// # Errors
/// See [`BenchError`].
pub fn rows(text: &str) -> Result<Vec<Row>, BenchError> {
    if let Some(failure) = entries(text).find(|entry| entry.level == Level::Error) {
        let words = format!("{}: {}", failure.guest, failure.text);
        return Err(BenchError::Failed(words));
    }
    let mut values = [None; BENCHMARKS.len()];
    for line in results(text).filter(|line| *line != DONE) {
        let unknown = || BenchError::Unknown(line.into());
        let (name, value) = line.split_once(' ').ok_or_else(unknown)?;
        let value: u64 = value.parse().map_err(|_| unknown())?;
        let place = BENCHMARKS.iter().position(|(known, ..)| *known == name);
        let place = place.ok_or_else(unknown)?;
        if values[place].replace(value).is_some() {
            return Err(BenchError::Twice(BENCHMARKS[place].0));
        }
    }
    let value_of = |name| {
        let place = BENCHMARKS.iter().position(|(known, ..)| *known == name);
        place.and_then(|place| values[place])
    };
    let row =
        |&(name, unit, baseline_name): &(&'static str, &'static str, Option<&'static str>)| {
            let value = value_of(name).ok_or(BenchError::Missing(name))?;
            let baseline = match baseline_name {
                None => None,
                Some(of) => match value_of(of).ok_or(BenchError::Missing(of))? {
                    0 => return Err(BenchError::NoBaseline(of, name)),
                    baseline => Some(baseline),
                },
            };
            Ok(Row {
                name,
                unit,
                value,
                baseline_name,
                baseline,
                ratio: baseline.map(|baseline| quotient(value, baseline)),
            })
        };
    BENCHMARKS.iter().map(row).collect()
}

/// To three decimals.
fn quotient(value: u64, baseline: u64) -> f64 {
    (value as f64 / baseline as f64 * 1000.0).round() / 1000.0
}

/// The results for people.
#[derive(Clone, Copy, Debug)]
pub struct Table<'a>(pub &'a [Row]);

impl fmt::Display for Table<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut line = |cells: [&str; 6]| {
            let [name, value, unit, of, baseline, ratio] = cells;
            let mut text = String::new();
            write!(
                text,
                "{name:<27} {value:>12} {unit:<14} {of:<27} {baseline:>10} {ratio:>7}"
            )?;
            writeln!(f, "{}", text.trim_end())
        };
        line(["benchmark", "value", "unit", "baseline", "value", "ratio"])?;
        for row in self.0 {
            line([
                row.name,
                &grouped(row.value),
                row.unit,
                row.baseline_name.unwrap_or_default(),
                &row.baseline.map(grouped).unwrap_or_default(),
                &row.ratio
                    .map(|ratio| format!("{ratio:.3}"))
                    .unwrap_or_default(),
            ])?;
        }
        Ok(())
    }
}

/// In groups of three digits.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a run prints: the kernel's figures without a name in front, as those that the server measures, and
    /// for all but some the value 1000.
    fn run() -> String {
        let mut text = String::from("root task: bench.cdl with 9 objects\n");
        for (name, ..) in BENCHMARKS {
            let line = match name {
                "signal_wait_bare" => "bench signal_wait_bare 1650".into(),
                "boot_to_guest" => "[    0.007000] bench: bench boot_to_guest 6999888".into(),
                "wake_pingpong" => "[    0.020000] bench-ping: bench wake_pingpong 1980".into(),
                "guest_stop" => "[    0.030000] bench-start: bench guest_stop 8000".into(),
                _ => format!("[    0.010000] bench-some: bench {name} 1000"),
            };
            text.push_str(&line);
            text.push('\n');
        }
        text + "[    0.040000] bench: bench done\n"
    }

    #[test]
    fn results_are_found_and_compared() {
        let rows = rows(&run()).unwrap();
        assert_eq!(rows.len(), BENCHMARKS.len());
        assert_eq!(across(&run()).lines().count(), 2);
        let wake = Row {
            name: "wake_pingpong",
            unit: "instructions",
            value: 1980,
            baseline_name: Some("signal_wait_bare"),
            baseline: Some(1650),
            ratio: Some(1.2),
        };
        assert!(rows.contains(&wake));
        let table = Table(&rows).to_string();
        let line = table
            .lines()
            .find(|l| l.starts_with("boot_to_guest"))
            .unwrap();
        assert_eq!(
            line.split_whitespace().collect::<Vec<_>>(),
            ["boot_to_guest", "6", "999", "888", "instructions"]
        );
    }

    #[test]
    fn runs_that_differ_are_no_result() {
        let first = rows(&run()).unwrap();
        assert!(compare(&first, &first).is_ok());
        let second = rows(&run().replace("wake_pingpong 1980", "wake_pingpong 1981")).unwrap();
        assert_eq!(
            compare(&first, &second).unwrap_err().to_string(),
            "two runs differ in `wake_pingpong`: 1980 and 1981"
        );
    }

    #[test]
    fn json_has_null_where_nothing_is_compared() {
        let json = serde_json::to_value(rows(&run()).unwrap()).unwrap();
        let first = serde_json::json!({
            "name": "boot_to_guest", "unit": "instructions", "value": 6_999_888,
            "baseline_name": null, "baseline": null, "ratio": null,
        });
        assert_eq!(json[0], first);
    }

    #[test]
    fn a_run_that_is_not_whole_is_no_result() {
        let error = |text: &str| rows(text).unwrap_err().to_string();
        assert_eq!(
            error(&run().replace("bench hostcall_scalar 1000", "no result")),
            "`hostcall_scalar` was not measured"
        );
        assert_eq!(
            error(&run().replace("guest_stop", "guest_start")),
            "`guest_start` was measured twice in one run"
        );
        assert_eq!(
            error(&run().replace("guest_stop", "tea_break")),
            "`tea_break 8000` is no benchmark that is known here"
        );
        assert_eq!(
            error(&format!(
                "{}[    0.050000] bench-ping: error: failed: trap: unreachable\n",
                run()
            )),
            "a benchmark failed: bench-ping: failed: trap: unreachable"
        );
        assert_eq!(
            error(&run().replace("bare 1650", "bare 0")),
            "`signal_wait_bare` is 0, and `wake_pingpong` is compared with it"
        );
    }
}
