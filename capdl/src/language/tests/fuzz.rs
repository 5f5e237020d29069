// SPDX-License-Identifier: BSD-2-Clause
//! Tries text after text, for a second, or for as many as `ATOLL_FUZZ_SECONDS` in the environment says. All of a
//! text follows from its number, and the numbers from `ATOLL_FUZZ_SEED`; a text that fails is made smaller, and
//! tried again with `ATOLL_FUZZ_RUN=number`.

use std::cell::Cell;
use std::env;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use super::generate::{self, Choices};
use super::{grammar, try_text};

fn number(name: &str) -> Option<u64> {
    let value = env::var(name).ok()?;
    let number = value.parse();
    Some(number.unwrap_or_else(|_| panic!("{name} is no number: {value}")))
}

/// The text with this number; whether it fits the grammar.
fn one(number: u64, generate: fn(&mut Choices<'_>) -> String) -> bool {
    let mut seed = [0; 32];
    seed[..8].copy_from_slice(&number.to_le_bytes());
    let config = Config {
        failure_persistence: None,
        max_shrink_iters: 20_000,
        ..Config::default()
    };
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &seed);
    let mut runner = TestRunner::new_with_rng(config, rng);
    let choices = prop::collection::vec(any::<u8>(), 0..400);
    let choices = choices.new_tree(&mut runner).expect("choices");
    let fits = Cell::new(false);
    let result = runner.run_one(choices, |choices| {
        let text = generate(&mut Choices::new(&choices));
        let start = Instant::now();
        fits.set(try_text(&text));
        // Far more than it takes, as other work goes on beside.
        let limit = Duration::from_secs(2) + text.len() as u32 * Duration::from_micros(100);
        assert!(start.elapsed() < limit, "too slow: {text}");
        Ok(())
    });
    if let Err(error) = result {
        panic!("ATOLL_FUZZ_RUN={number}: {error}");
    }
    fits.get()
}

/// Tries texts; of those at least so many in a hundred must fit the grammar, and no more.
fn fuzz(generate: fn(&mut Choices<'_>) -> String, fitting: std::ops::RangeInclusive<u64>) {
    if let Some(number) = number("ATOLL_FUZZ_RUN") {
        one(number, generate);
        return;
    }
    let time = Duration::from_secs(number("ATOLL_FUZZ_SECONDS").unwrap_or(1));
    let (start, mut runs, mut fits) = (Instant::now(), 0_u64, 0);
    let mut seed = number("ATOLL_FUZZ_SEED").unwrap_or(1);
    while start.elapsed() < time || runs < 50 {
        // SplitMix64's step: numbers that are far apart.
        seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        fits += u64::from(one(seed, generate));
        runs += 1;
    }
    std::eprintln!("{runs} texts, {fits} that fit the grammar");
    assert!(fitting.contains(&(fits * 100 / runs)), "{fits} of {runs}");
}

#[test]
fn fuzz_specs_that_fit() {
    fuzz(generate::fitting, 100..=100);
}

#[test]
fn fuzz_the_grammar_of_the_book() {
    fuzz(grammar::sentence, 100..=100);
}

#[test]
fn fuzz_damaged_specs() {
    fuzz(generate::damaged, 1..=60);
}

#[test]
fn fuzz_tokens() {
    fuzz(generate::soup, 0..=20);
}
