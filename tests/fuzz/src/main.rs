// SPDX-License-Identifier: BSD-2-Clause
//! The command line of the fuzzer.
#![forbid(unsafe_code)]

use std::{
    path::{Path, PathBuf},
    process::exit,
    time::Duration,
};

use clap::Parser;
use hostcall_fuzz::{
    campaign::{Campaign, Failure},
    corpus,
    system::Runner,
};

/// Fuzzes the hostcalls of the process server, on Linux.
#[derive(Parser)]
struct Options {
    /// How long to run new inputs, after those of the corpus.
    #[arg(long, value_name = "N", default_value_t = 10)]
    seconds: u64,
    /// What the inputs follow from.
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,
    /// Inputs to start from.
    #[arg(long, value_name = "DIR", default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/corpus"))]
    corpus: PathBuf,
    /// Make the corpus anew, of few and small inputs that show all that was seen.
    #[arg(long)]
    save: bool,
    /// List what was seen at the end: the answers of each call, and the ends of guests.
    #[arg(long)]
    list: bool,
    /// Run this input only, with all that is written to the console.
    #[arg(long, value_name = "FILE")]
    replay: Option<PathBuf>,
    /// How often to run the input to replay: threads do not run alike each time.
    #[arg(long, value_name = "N", default_value_t = 1)]
    times: u64,
    /// Where an input goes that fails.
    #[arg(long, value_name = "DIR", default_value = "target/fuzz")]
    crashes: PathBuf,
}

fn main() {
    let options = Options::parse();
    let runner = Runner::new(options.replay.is_some()).unwrap_or_else(|why| fail(&why));
    if let Err(why) = std::fs::create_dir_all(&options.crashes) {
        fail(&format!("{}: {why}", options.crashes.display()));
    }
    let running = options.crashes.join("running.script");
    if running.exists() {
        eprintln!("the last run ended this process: see {}", running.display());
    }
    let mut campaign = Campaign::new(runner, running);
    match work(&options, &mut campaign) {
        Ok(()) => {
            if options.list {
                campaign
                    .features()
                    .for_each(|feature| println!("{feature}"));
            }
            println!("{}", campaign.summary());
        }
        Err(failure) => {
            println!("{}", campaign.summary());
            report(&options.crashes, &failure);
        }
    }
}

fn work(options: &Options, campaign: &mut Campaign) -> Result<(), Failure> {
    if let Some(path) = &options.replay {
        let input = corpus::read(path).unwrap_or_else(|why| fail(&why));
        return (0..options.times).try_for_each(|_| campaign.run(&input).map(drop));
    }
    let inputs = corpus::read_all(&options.corpus).unwrap_or_else(|why| fail(&why));
    for (_, input) in &inputs {
        campaign.run(input)?;
    }
    println!("corpus: {}", campaign.summary());
    campaign.fuzz(options.seed, Duration::from_secs(options.seconds))?;
    if options.save {
        let distilled = campaign.distil()?;
        corpus::replace(&options.corpus, &distilled).unwrap_or_else(|why| fail(&why.to_string()));
    }
    Ok(())
}

fn report(crashes: &Path, failure: &Failure) -> ! {
    match corpus::write(crashes, &failure.input, &failure.why) {
        Ok(path) => fail(&format!(
            "{}\nrun it again with --replay {} --times 100",
            failure.why,
            path.display()
        )),
        Err(error) => fail(&format!(
            "{}\n{error}; the input is\n{}",
            failure.why, failure.input
        )),
    }
}

/// Ends at once: threads of a server that hangs are left.
fn fail(why: &str) -> ! {
    eprintln!("hostcall-fuzz: {why}");
    exit(1)
}
