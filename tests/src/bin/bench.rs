// SPDX-License-Identifier: BSD-2-Clause
//! Runs the benchmarks: `bench IMAGE JSON` boots the image, prints a table and writes the results.
#![forbid(unsafe_code)]

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{env, fs};

use system_tests::bench::{Table, measure};

fn main() -> ExitCode {
    let arguments: Vec<PathBuf> = env::args_os().skip(1).map(PathBuf::from).collect();
    let [image, json] = &*arguments else {
        eprintln!("usage: bench IMAGE JSON");
        return ExitCode::from(2);
    };
    match run(image, json) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(image: &Path, json: &Path) -> Result<(), Box<dyn Error>> {
    let rows = measure(image)?;
    let text = serde_json::to_string_pretty(&rows)? + "\n";
    fs::write(json, text).map_err(|error| format!("cannot write {}: {error}", json.display()))?;
    print!("{}", Table(&rows));
    println!("Two runs gave the same. Also in {}.", json.display());
    Ok(())
}
