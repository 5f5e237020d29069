// SPDX-License-Identifier: BSD-2-Clause
//! Running inputs, new and changed ones, and keeping those that show something new.

use std::{
    fs,
    path::PathBuf,
    time::{Duration, Instant},
};

use crate::{
    generate::{fresh, mutate},
    random::Random,
    script::Input,
    system::{Feature, Features, Runner},
};

/// A run in which something did not hold.
#[derive(Debug)]
pub struct Failure {
    /// What was run.
    pub input: Box<Input>,
    /// What did not hold.
    pub why: String,
}

/// What a campaign has seen so far.
pub struct Campaign {
    runner: Runner,
    kept: Vec<Input>,
    seen: Features,
    runs: u64,
    start: Instant,
    /// Where the input that runs is noted, in case that it ends this process.
    running: PathBuf,
}

impl Campaign {
    /// One that has seen nothing.
    pub fn new(runner: Runner, running: PathBuf) -> Self {
        Self {
            runner,
            kept: Vec::new(),
            seen: Features::new(),
            runs: 0,
            start: Instant::now(),
            running,
        }
    }

    fn execute(&mut self, input: &Input) -> Result<Features, Failure> {
        // Best effort: it is of use only if all else fails.
        let _ = fs::write(&self.running, input.to_string());
        self.runs += 1;
        let result = self.runner.run(input).map_err(|why| Failure {
            input: Box::new(input.clone()),
            why,
        });
        let _ = fs::remove_file(&self.running);
        result
    }

    /// Runs an input, and keeps it if it shows something new.
    ///
    /// # Errors
    /// What did not hold.
    pub fn run(&mut self, input: &Input) -> Result<(), Failure> {
        let features = self.execute(input)?;
        if !features.is_subset(&self.seen) {
            self.seen.extend(features);
            self.kept.push(input.clone());
        }
        Ok(())
    }

    /// Runs inputs for this long, those of the seed.
    ///
    /// # Errors
    /// What did not hold.
    pub fn fuzz(&mut self, seed: u64, time: Duration) -> Result<(), Failure> {
        let mut random = Random::new(seed);
        let (start, mut told) = (Instant::now(), Instant::now());
        while start.elapsed() < time {
            // Each has a sequence of its own, so that it does not depend on how the others went.
            let mut random = Random::new(random.next());
            let input = if self.kept.is_empty() || random.percent(30) {
                fresh(&mut random)
            } else {
                let one = &self.kept[random.below(self.kept.len())];
                let other = &self.kept[random.below(self.kept.len())];
                mutate(&mut random, one, other)
            };
            self.run(&input)?;
            if told.elapsed() > Duration::from_secs(10) {
                told = Instant::now();
                eprintln!("{}", self.summary());
            }
        }
        Ok(())
    }

    /// Few and small inputs that show all that is to last: of those that were kept the shortest first,
    /// each less the steps that it does not take.
    ///
    /// # Errors
    /// What did not hold.
    pub fn distil(&mut self) -> Result<Vec<Input>, Failure> {
        let mut shown = Features::new();
        let mut all = self.kept.clone();
        all.sort_by_key(Input::len);
        let mut few = Vec::new();
        for input in all {
            let mut features = self.execute(&input)?;
            features.retain(|feature| feature.lasts() && !shown.contains(feature));
            if !features.is_empty() {
                few.push(self.reduce(input, &features)?);
                shown.extend(features);
            }
        }
        Ok(few)
    }

    /// Leaves out steps for as long as these features stay. Those that the scheduler has a hand in may not
    /// come again.
    fn reduce(&mut self, mut input: Input, wanted: &Features) -> Result<Input, Failure> {
        for script in 0..input.scripts.len() {
            let mut piece = input.scripts[script].len();
            while piece > 0 {
                let mut at = 0;
                while at < input.scripts[script].len() {
                    let mut less = input.clone();
                    let end = (at + piece).min(less.scripts[script].len());
                    let _ = less.scripts[script].drain(at..end);
                    if self.execute(&less)?.is_superset(wanted) {
                        input = less;
                    } else {
                        at += piece;
                    }
                }
                piece /= 2;
            }
        }
        Ok(input)
    }

    /// What was seen that is to last.
    pub fn features(&self) -> impl Iterator<Item = &Feature> {
        self.seen.iter().filter(|feature| feature.lasts())
    }

    /// Speed and reach, for people.
    pub fn summary(&self) -> String {
        let lasting = self.features().count();
        format!(
            "{} runs, {:.0} a second; {lasting} features, {} with pairs; {} inputs kept",
            self.runs,
            self.runs as f64 / self.start.elapsed().as_secs_f64(),
            self.seen.len(),
            self.kept.len()
        )
    }
}
