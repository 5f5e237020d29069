// SPDX-License-Identifier: BSD-2-Clause
//! Runs a property on one input after the other, for a second, or for as many as `ATOLL_FUZZ_SECONDS` or
//! `ATOLL_SOAK` in the environment says. All of an input follows from its number, and the numbers from
//! `ATOLL_FUZZ_SEED`; an input that fails is made smaller, and tried again with `ATOLL_FUZZ_RUN=number`.

use std::{
    env,
    time::{Duration, Instant},
};

use proptest::{
    prelude::*,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};

fn number(name: &str) -> Option<u64> {
    let value = env::var(name).ok()?;
    let number = value.parse();
    Some(number.unwrap_or_else(|_| panic!("{name} is no number: {value}")))
}

/// The input with this number.
fn one<S: Strategy>(number: u64, strategy: &S, property: impl Fn(S::Value)) {
    let mut seed = [0; 32];
    seed[..8].copy_from_slice(&number.to_le_bytes());
    let config = Config {
        failure_persistence: None,
        max_shrink_iters: 5_000,
        ..Config::default()
    };
    let mut runner =
        TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &seed));
    let input = strategy.new_tree(&mut runner).expect("an input");
    let result = runner.run_one(input, |input| {
        property(input);
        Ok(())
    });
    if let Err(error) = result {
        panic!("ATOLL_FUZZ_RUN={number}: {error}");
    }
}

/// Whether the property holds.
pub fn fuzz<S: Strategy>(strategy: S, property: impl Fn(S::Value)) {
    if let Some(number) = number("ATOLL_FUZZ_RUN") {
        return one(number, &strategy, property);
    }
    let seconds = number("ATOLL_FUZZ_SECONDS").or_else(|| number("ATOLL_SOAK"));
    let time = Duration::from_secs(seconds.unwrap_or(1));
    let (start, mut runs) = (Instant::now(), 0_u64);
    let mut seed = number("ATOLL_FUZZ_SEED").unwrap_or(1);
    while start.elapsed() < time {
        // SplitMix64's step: numbers that are far apart.
        seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        one(seed, &strategy, &property);
        runs += 1;
    }
    std::eprintln!("{runs} inputs");
}
