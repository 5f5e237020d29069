// SPDX-License-Identifier: BSD-2-Clause
//! Runs the benchmarks: `bench IMAGE NETWORK FILES SERVERS JSON` boots the images, prints a table and writes the results.
#![forbid(unsafe_code)]

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{env, fs};

use system_tests::bench::{Images, Table, measure};

fn main() -> ExitCode {
    let arguments: Vec<PathBuf> = env::args_os().skip(1).map(PathBuf::from).collect();
    let [main, net, fs, servers, json] = &*arguments else {
        eprintln!("usage: bench IMAGE NETWORK FILES SERVERS JSON");
        return ExitCode::from(2);
    };
    let images = Images {
        main,
        net,
        fs,
        servers,
    };
    match run(images, json) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(images: Images<'_>, json: &Path) -> Result<(), Box<dyn Error>> {
    let rows = measure(images)?;
    let text = serde_json::to_string_pretty(&rows)? + "\n";
    fs::write(json, text).map_err(|error| format!("cannot write {}: {error}", json.display()))?;
    print!("{}", Table(&rows));
    println!(
        "Two runs gave the same, but for those of the network and of files, which depend on the host: by some in a hundred, and \
         times by more. Also in {}.",
        json.display()
    );
    Ok(())
}
