// SPDX-License-Identifier: BSD-2-Clause
//! Large texts take time in proportion, and what is nested too deep is refused.

use std::time::{Duration, Instant};

use super::try_text;

/// How large texts of all sorts are.
const LARGE: usize = 1 << 18;

/// As many times the same as there is room for.
fn repeat(before: &str, what: &str, after: &str) -> String {
    let count = LARGE / what.len();
    [before, &what.repeat(count), after].concat()
}

#[test]
fn what_is_opened_a_million_times_is_refused_at_once() {
    let before = "arch aarch64 objects { a = b (c: ";
    for opening in ["[", "(", "{", "/*", "a = ut {"] {
        let text = [before, &opening.repeat(1 << 20)].concat();
        let start = Instant::now();
        assert!(!try_text(&text), "{opening}");
        let elapsed = start.elapsed();
        assert!(elapsed < Duration::from_secs(20), "{opening}: {elapsed:?}");
    }
}

#[test]
fn large_texts_take_no_minutes() {
    let name = "n".repeat(LARGE / 2);
    let texts = [
        (
            "brackets",
            repeat("arch aarch64 objects { a = b (c: ", "[", ""),
        ),
        (
            "parentheses",
            repeat("arch aarch64 objects { a = b (c: ", "(", ""),
        ),
        (
            "records",
            repeat("arch aarch64 objects { a = b (c: ", "{", ""),
        ),
        ("covers", repeat("arch aarch64 objects {", "a = ut {", "")),
        ("cdt", repeat("arch aarch64 cdt {", "a {", "")),
        ("comments", repeat("arch aarch64 ", "/*", "")),
        ("ends of comments", repeat("arch aarch64 ", "*/", "")),
        ("short comments", repeat("arch aarch64 ", "/**/", "")),
        ("lines of comments", repeat("arch aarch64 ", "--\n", "")),
        (
            "a number",
            repeat("arch aarch64 objects { a = ut (", "9", " bits) }"),
        ),
        (
            "zeros",
            repeat("arch aarch64 objects { a = ut (", "0", "9 bits) }"),
        ),
        (
            "doubtful numbers",
            repeat("arch aarch64 irq maps {", "010: a ", "}"),
        ),
        (
            "a string",
            repeat("arch aarch64 objects { a = b (c: \"", "\\n", "\") }"),
        ),
        (
            "a string without end",
            repeat("arch aarch64 objects { a = b (c: \"", "x", ""),
        ),
        (
            "names",
            format!(
                "arch aarch64 objects {{ {name} = {name} ({name}: {name}) }} caps {{ {name}x {{}} }}"
            ),
        ),
        ("objects", repeat("arch aarch64 objects {", "a = ep ", "}")),
        (
            "unknown types",
            repeat("arch aarch64 objects {", "a = epp ", "}"),
        ),
        (
            "unknown parameters",
            repeat("arch aarch64 objects { a = ut (", "padr: 1, ", ") }"),
        ),
        (
            "unknown names",
            repeat(
                "arch aarch64 objects { b[4000] = ep } caps {",
                "a { memory: c } ",
                "}",
            ),
        ),
        (
            "ranges",
            repeat(
                "arch aarch64 objects { a[4] = ep } caps { a[",
                "0, ",
                "] {} }",
            ),
        ),
        (
            "a large array",
            "arch aarch64 objects { a[0xffffffffffffffff] = ep }".into(),
        ),
        (
            "caps",
            repeat(
                "arch aarch64 objects { a = wasm_guest } caps { a {",
                "log ",
                "} }",
            ),
        ),
        (
            "wide caps",
            repeat("arch aarch64 caps { a {", "s: b (RW) ", "} }"),
        ),
        (
            "values",
            repeat("arch aarch64 objects { a = b (c: [", "d, ", "]) }"),
        ),
        (
            "words",
            repeat(
                "arch aarch64 objects { a = frame (fill: [{",
                "d 1 ",
                "}]) }",
            ),
        ),
        (
            "turns",
            repeat("arch aarch64 domains { schedule: [", "(0, 1), ", "] }"),
        ),
        ("blank lines", repeat("arch aarch64", "\n", "objects {}")),
        ("sections", repeat("arch aarch64 ", "cdt {} ", "")),
    ];
    for (what, text) in texts {
        let start = Instant::now();
        try_text(&text);
        let elapsed = start.elapsed();
        eprintln!("{what}: {elapsed:?}");
        assert!(elapsed < Duration::from_secs(20), "{what}: {elapsed:?}");
    }
}
