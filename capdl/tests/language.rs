// SPDX-License-Identifier: BSD-2-Clause
//! What is laid out, against the text beside it; and that what upstream's examples say fits the grammar.
//!
//! `UPDATE_EXPECT=1 cargo test -p capdl` writes those texts anew; read the difference.
#![forbid(unsafe_code)]

use std::path::{Path, PathBuf};
use std::{env, fs};

use capdl::language::{format, parse};

fn specs(directory: &str) -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join(directory);
    let entries = fs::read_dir(directory).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let specs: Vec<_> = paths
        .filter(|path| path.extension().is_some_and(|e| e == "cdl"))
        .collect();
    assert!(!specs.is_empty());
    specs
}

#[test]
fn layouts() {
    for path in specs("fixtures/format") {
        let text = fs::read_to_string(&path).unwrap();
        let laid_out = format("spec.cdl", &text).unwrap();
        let beside = path.with_extension("expect");
        if env::var_os("UPDATE_EXPECT").is_some() {
            fs::write(&beside, &laid_out).unwrap();
        }
        assert_eq!(
            fs::read_to_string(&beside).unwrap(),
            laid_out,
            "{}",
            path.display()
        );
    }
}

#[test]
fn upstreams_constructs_fit_the_grammar() {
    for path in specs("fixtures/parsed") {
        let text = fs::read_to_string(&path).unwrap();
        if let Err(wrong) = parse(&text) {
            panic!(
                "{}: {wrong:?}: {}",
                path.display(),
                &text[wrong.span.range()]
            );
        }
    }
}
