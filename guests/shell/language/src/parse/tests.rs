// SPDX-License-Identifier: BSD-2-Clause
//! Lines, and what they come to.

use super::*;
use alloc::{format, string::ToString as _};
use proptest::prelude::*;

/// A line as it was understood.
fn shown(line: &str) -> String {
    let mut out = String::new();
    let value = |name: &str| format!("<{name}>");
    for pipeline in parse(line).unwrap() {
        out += match pipeline.join {
            Join::Then => "; ",
            Join::And => "&& ",
            Join::Or => "|| ",
        };
        for call in &pipeline.calls {
            out += "[";
            for word in &call.words {
                out += &format!("({})", word.expand(value));
            }
            if let Some(input) = &call.input {
                out += &format!("<{}", input.expand(value));
            }
            if let Some(output) = &call.output {
                out += if output.append { ">>" } else { ">" };
                out += &output.to.expand(value);
            }
            out += "]";
        }
        if pipeline.background {
            out += "&";
        }
    }
    out
}

#[test]
fn lines_are_understood() {
    for (line, understood) in [
        ("", ""),
        ("   # nothing", ""),
        ("ls -l", "; [(ls)(-l)]"),
        ("cat a|wc -l", "; [(cat)(a)][(wc)(-l)]"),
        ("a; b ;", "; [(a)]; [(b)]"),
        ("a && b || c", "; [(a)]&& [(b)]|| [(c)]"),
        ("sleep 5 & ps", "; [(sleep)(5)]&; [(ps)]"),
        ("a &", "; [(a)]&"),
        ("cat <in >out", "; [(cat)<in>out]"),
        ("echo x >> 'a b'", "; [(echo)(x)>>a b]"),
        ("> out echo x", "; [(echo)(x)>out]"),
        (
            "echo 'it''s' \"a \\\"b\\\" $x\"",
            "; [(echo)(its)(a \"b\" <x>)]",
        ),
        ("echo $a${b}c $? $ \\$a", "; [(echo)(<a><b>c)(<?>)($)($a)]"),
        ("echo '' \"\"", "; [(echo)()()]"),
        ("echo a#b # c", "; [(echo)(a#b)]"),
        ("echo ü\\ ö", "; [(echo)(ü ö)]"),
    ] {
        assert_eq!(shown(line), understood, "{line}");
    }
}

#[test]
fn mistakes_are_shown_at_their_place() {
    for (line, at, what) in [
        ("echo 'x", 5, "this quote is not closed"),
        ("echo \"x\\", 5, "this quote is not closed"),
        ("echo \\", 5, "a character is missing behind this"),
        ("| wc", 0, "a command is missing here"),
        ("ls | | wc", 5, "a command is missing here"),
        ("ls |", 3, "a command is missing here"),
        ("ls &&", 3, "a command is missing here"),
        ("&& ls", 0, "a command is missing here"),
        (";; ls", 0, "a command is missing here"),
        ("ls >", 4, "the name of a file is missing"),
        ("ls > | x", 5, "the name of a file belongs here"),
        ("ls > a > b", 7, "there is one of these already"),
        ("> x", 3, "a command is missing here"),
        (
            "echo ${x",
            5,
            "a name in braces belongs here, as in ${name}",
        ),
        (
            "echo ${}",
            5,
            "a name in braces belongs here, as in ${name}",
        ),
    ] {
        assert_eq!(parse(line), Err(Mistake { at, what }), "{line}");
    }
    let mistake = parse("echo ü 'x").unwrap_err();
    let explained = "  echo ü 'x\n         ^ this quote is not closed";
    assert_eq!(mistake.explain("echo ü 'x"), explained);
}

#[test]
fn there_are_bounds() {
    assert!(parse(&"x".repeat(MAX_LINE)).is_ok());
    assert!(parse(&"x".repeat(MAX_LINE + 1)).is_err());
    assert!(parse(&"x ".repeat(MAX_WORDS)).is_ok());
    assert!(parse(&"x ".repeat(MAX_WORDS + 1)).is_err());
    assert!(parse(&["x"; MAX_STAGES].join("|")).is_ok());
    assert!(parse(&["x"; MAX_STAGES + 1].join("|")).is_err());
    assert!(parse(&"x;".repeat(MAX_PARTS)).is_ok());
    assert!(parse(&"x;".repeat(MAX_PARTS + 1)).is_err());
}

#[test]
fn the_last_word_is_found() {
    for (line, found) in [
        ("", (0, true, "")),
        ("ca", (0, true, "ca")),
        ("cat ", (4, false, "")),
        ("cat a/b", (4, false, "a/b")),
        ("cat x | gr", (8, true, "gr")),
        ("cat x > o", (8, false, "o")),
        ("cat 'a b", (4, false, "a b")),
        ("a && ", (5, true, "")),
    ] {
        let (at, is_command, word) = found;
        assert_eq!(
            word_begin(line),
            (at, is_command, word.to_string()),
            "{line}"
        );
    }
}

#[test]
fn pipelines_know_where_they_stand() {
    let line = "a b | c ; d > e &";
    let spans = parse(line).unwrap().into_iter();
    let texts: Vec<_> = spans.map(|p| &line[p.span.0..p.span.1]).collect();
    assert_eq!(texts, ["a b | c", "d > e"]);
}

proptest! {
    #[test]
    fn no_line_is_too_odd(line in "([a-c]|[ |&;<>'\"$\\\\#{}?ü]){0,40}") {
        match parse(&line) {
            Ok(pipelines) => for pipeline in pipelines {
                prop_assert!(!pipeline.calls.is_empty());
                prop_assert!(pipeline.calls.iter().all(|call| !call.words.is_empty()));
                prop_assert!(line.get(pipeline.span.0..pipeline.span.1).is_some());
            },
            Err(mistake) => {
                prop_assert!(line.get(mistake.at..).is_some(), "{mistake:?}");
                mistake.explain(&line);
            }
        }
        let (at, _, _) = word_begin(&line);
        prop_assert!(line.get(at..).is_some());
    }

    /// What is in quotes comes out as it was.
    #[test]
    fn quotes_keep_what_is_in_them(text in "[^']{0,20}") {
        let all = parse(&format!("echo '{text}'")).unwrap();
        prop_assert_eq!(all[0].calls[0].words[1].expand(|_| String::new()), text);
    }
}
