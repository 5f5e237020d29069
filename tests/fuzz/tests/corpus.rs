// SPDX-License-Identifier: BSD-2-Clause
//! The corpus, run once.
#![forbid(unsafe_code)]

use std::{env, path::Path};

use hostcall_fuzz::{campaign::Campaign, corpus, script::Input, system::Runner};

#[test]
fn the_corpus_passes_and_is_small() {
    let inputs = corpus::read_all(&Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus")).unwrap();
    assert!((1..200).contains(&inputs.len()));
    let texts = inputs.iter().map(|(_, input)| input.to_string().len());
    assert!(texts.sum::<usize>() < 200 << 10);
    let running = env::temp_dir().join(format!("hostcall-fuzz.{}", std::process::id()));
    let mut campaign = Campaign::new(Runner::new(false).unwrap(), running);
    for (path, input) in inputs {
        let result = campaign.run(&input);
        assert!(
            result.is_ok(),
            "{}: {}",
            path.display(),
            result.unwrap_err().why
        );
    }
}

#[test]
fn a_script_survives_being_written() {
    let text = "guest a\nhandle.share 0a/h1/t0/ff at 4096 len 8192\nguest d1\ntime.at v0 7\n";
    assert_eq!(Input::parse(text).unwrap().to_string(), text);
}
