// SPDX-License-Identifier: BSD-2-Clause
//! The figures of files: what the guest `bench-fs` does with them, and the native task that it is compared with does with
//! sectors. Each is alone in its machine, with a disk that is a file system.
//!
//! Instructions are of a machine that counts them; time it sleeps is not counted, but when the disk is done, the host
//! decides. Times are of a machine that does not, and are the host's.

use std::path::Path;

use super::{BenchError, results};
use crate::devices::Devices;
use crate::disks::{Disk, make_file_system};
use crate::machine::{Config, LIMIT, Machine};
use crate::scratch::Scratch;

/// What the disk has.
const SIZE: &str = "256M";
/// The last line of a run.
const DONE: &str = "done";
/// Times that are kept; what else takes time is of less interest than what it is made of.
const TIMES: [&str; 4] = ["seq_read", "seq_write", "random_read", "random_write"];

/// Measures both; answers lines of results.
///
/// # Errors
/// See [`BenchError`].
pub fn run(image: &Path) -> Result<String, BenchError> {
    let mut text = String::new();
    for slot in [30, 29] {
        for counted in [true, false] {
            let lines = measure(image, slot, counted)?;
            let is_wanted = |line: &&str| {
                let is_time = line.contains("_time");
                let is_kept = TIMES
                    .iter()
                    .any(|name| line.contains(&format!("fs_{name}_")));
                line.starts_with("fs_") && is_time != counted && (counted || is_kept)
            };
            for line in results(&lines).filter(is_wanted) {
                text += &format!("bench {line}\n");
            }
        }
    }
    Ok(text)
}

fn measure(image: &Path, slot: u8, counted: bool) -> Result<String, BenchError> {
    let scratch = Scratch::new();
    let file = scratch.path("disk.img");
    make_file_system(&file, SIZE, &["-b", "4096"]);
    let config = Config {
        counted,
        waits: counted,
        devices: Devices {
            disk: Some(Disk::from(file)),
            disk_slot: Some(slot),
            ..Devices::default()
        },
        ..Config::default()
    };
    let machine =
        Machine::boot(image, config).map_err(|e| BenchError::Machine(e, String::new()))?;
    let done = machine.wait("the figures of files", LIMIT, |text| {
        results(text).any(|line| line == DONE).then_some(())
    });
    let text = machine.end();
    match done {
        Ok(()) => Ok(text),
        Err(error) => Err(BenchError::Machine(error, text)),
    }
}
