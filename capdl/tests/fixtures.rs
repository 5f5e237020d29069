// SPDX-License-Identifier: BSD-2-Clause
//! Every fixture against the text beside it: what an accepted spec compiles to, and what is said
//! about a rejected one.
//!
//! `UPDATE_EXPECT=1 cargo test -p capdl` writes those texts anew; read the difference.
#![forbid(unsafe_code)]

use std::fs;
use std::path::{Path, PathBuf};

use capdl::blob::{CapData, Group, Kind, Limits, Object, Reader, Rights};
use capdl::language::{Import, Module, Options, compile};

const KEY: [u8; 32] = [7; 32];

/// First line of every text, as of every file here.
const HEADER: &str = "-- SPDX-License-Identifier: BSD-2-Clause\n";

fn fixtures(directory: &str) -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join(directory);
    let entries = fs::read_dir(&directory)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut fixtures: Vec<_> = entries
        .filter(|path| path.extension().is_some_and(|e| e == "cdl"))
        .collect();
    fixtures.sort();
    fixtures
}

/// The modules that a fixture names in lines such as `-- module ping: 128k atoll::log/write`.
fn modules(text: &str) -> Option<Vec<Module>> {
    let lines: Vec<_> = text
        .lines()
        .filter_map(|line| line.strip_prefix("-- module "))
        .collect();
    let module = |line: &&str| {
        let (name, rest) = line.split_once(':').unwrap();
        let mut words = rest.split_whitespace().peekable();
        let memory = words.next_if(|word| word.ends_with('k'));
        let memory = memory.map(|word| word.trim_end_matches('k').parse::<u64>().unwrap() << 10);
        let imports = words.map(|word| {
            let (module, name) = word.split_once('/').unwrap();
            Import {
                module: module.into(),
                name: name.into(),
            }
        });
        Module {
            name: name.into(),
            imports: Some(imports.collect()),
            memory,
        }
    };
    (!lines.is_empty()).then(|| lines.iter().map(module).collect())
}

/// The memory of the machine that a fixture names in a line such as `-- machine 64M`.
fn memory(text: &str) -> Option<u64> {
    let mut lines = text.lines();
    let size = lines.find_map(|line| line.strip_prefix("-- machine "))?;
    Some(size.trim_end_matches('M').parse::<u64>().unwrap() << 20)
}

/// Compiles a fixture: a description of the result, or the report.
fn outcome(path: &Path) -> Result<String, String> {
    let text = fs::read_to_string(path).unwrap();
    let file = path.file_name().unwrap().to_str().unwrap();
    let modules = modules(&text);
    let options = Options {
        modules: modules.as_deref(),
        memory: memory(&text),
    };
    let blob = compile(file, &text, &options, &KEY).map_err(|report| report.render(false))?;
    let reader = Reader::new(&blob).expect("a blob that can be read");
    assert_eq!((reader.file, reader.archive_key), (file, KEY));
    let objects: Vec<Object<'_>> = reader.iter().map(|(_, object)| object).collect();
    Ok(objects
        .iter()
        .map(|object| describe(&objects, object))
        .collect())
}

/// One line for an object and one for each of its capabilities, each with its line in the text.
fn describe(objects: &[Object<'_>], object: &Object<'_>) -> String {
    let name = |id: capdl::blob::ObjectId| objects[usize::from(id.0)].name;
    let kind = match &object.kind {
        Kind::WasmGuest(guest) => format!(
            "guest of {}: module {:?} prio {} stack {} deadline {:?} {:?}{} {:?} args {:?} env {:?}{}",
            name(guest.server),
            guest.module,
            guest.prio,
            guest.stack,
            guest.deadline_ms,
            guest.start,
            match guest.rank {
                0 => String::new(),
                rank => format!(" in turn {rank}"),
            },
            guest.restart,
            guest.args,
            guest.env,
            limits(&guest.limits),
        ),
        other => format!("{other:?}"),
    };
    let within = match object.within {
        Some(untyped) => format!(" in {}", name(untyped)),
        None => String::new(),
    };
    let mut text = format!("{}: {}{within} = {kind}\n", object.line, object.name);
    if let Kind::WasmGuest(guest) = &object.kind {
        let groups: Vec<_> = guest.groups.iter().filter_map(Group::grant).collect();
        if !groups.is_empty() {
            text += &format!("  granted {}\n", groups.join(" "));
        }
    }
    for cap in &object.caps {
        let target = name(cap.target);
        let Rights {
            read,
            write,
            grant,
            grant_reply,
        } = cap.rights;
        let letters = [(read, 'R'), (write, 'W'), (grant, 'G'), (grant_reply, 'P')];
        let rights: String = letters
            .iter()
            .filter(|(given, _)| *given)
            .map(|(_, letter)| letter)
            .collect();
        let data = match cap.data {
            CapData::None => String::new(),
            data => format!(" {data:?}"),
        };
        text += &format!("  {}: {}: {target} ({rights}){data}\n", cap.line, cap.slot);
    }
    text
}

/// The limits, each with the name of its parameter.
fn named(limits: &Limits) -> [(&'static str, u32); 8] {
    [
        ("handles", limits.handles),
        ("timers", limits.timers),
        ("regions", limits.regions),
        ("windows", limits.windows),
        ("children", limits.children),
        ("tokens", limits.tokens),
        ("table_elements", limits.table_elements),
        ("modules", limits.modules),
    ]
}

/// The limits that are not as they are where the text says nothing.
fn limits(limits: &Limits) -> String {
    let given = named(limits).into_iter().zip(named(&Limits::DEFAULT));
    given
        .filter(|(limit, default)| limit != default)
        .map(|((name, value), _)| format!(" {name} {value}"))
        .collect()
}

/// Compares with the text beside the fixture.
fn compare(path: &Path, found: &str, wrong: &mut Vec<String>) {
    let expected = path.with_extension("expect");
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        fs::write(&expected, format!("{HEADER}{found}")).unwrap();
    }
    let expected = fs::read_to_string(&expected).unwrap_or_default();
    let expected = expected.strip_prefix(HEADER).unwrap_or_default();
    if expected != found {
        wrong.push(format!(
            "{}:\n--- expected\n{expected}--- found\n{found}",
            path.display()
        ));
    }
}

#[test]
fn accepted() {
    let mut wrong = Vec::new();
    let fixtures = fixtures("fixtures/accepted");
    assert!(fixtures.len() > 10);
    for path in fixtures {
        match outcome(&path) {
            Ok(found) => compare(&path, &found, &mut wrong),
            Err(report) => wrong.push(format!("{} was rejected:\n{report}", path.display())),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn rejected() {
    let mut wrong = Vec::new();
    let fixtures = fixtures("fixtures/rejected");
    assert!(fixtures.len() > 80);
    for path in fixtures {
        match outcome(&path) {
            Ok(found) => wrong.push(format!("{} was accepted:\n{found}", path.display())),
            Err(report) => compare(&path, &report, &mut wrong),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Every message is followed by what to do about it, on a line of its own.
#[test]
fn every_message_has_a_hint() {
    let mut messages = 0;
    for path in fixtures("fixtures/rejected") {
        let report = format!("\n{}", outcome(&path).unwrap_err());
        for message in report.split("\nerror: ").skip(1) {
            let hint = message
                .lines()
                .filter_map(|line| line.trim_start().strip_prefix("= help: "))
                .filter(|hint| !hint.trim().is_empty());
            assert_eq!(hint.count(), 1, "{}: {message}", path.display());
            messages += 1;
        }
    }
    assert!(messages > 200, "{messages} messages");
}

#[test]
fn the_specs_of_this_repository_are_accepted() {
    let specs = fixtures("specs");
    assert!(!specs.is_empty());
    for path in specs {
        if let Err(report) = outcome(&path) {
            panic!("{report}");
        }
    }
}

/// The page that describes the language has its first example, its groups and its limits right.
#[test]
fn the_readme_is_right() {
    let page = include_str!("../README.md");
    let example = page.split("```").nth(1).unwrap();
    let options = Options::default();
    if let Err(report) = compile("README.md", example, &options, &KEY) {
        panic!("{}", report.render(false));
    }
    for group in Group::ALL.iter().filter_map(|group| group.grant()) {
        assert!(page.contains(&format!("`{group}`")), "{group}");
    }
    for ((name, default), (_, most)) in named(&Limits::DEFAULT).iter().zip(named(&Limits::MOST)) {
        let row = format!("| `{name}: N` | {default} | ");
        let row = page
            .lines()
            .find(|line| line.starts_with(&row))
            .expect(name);
        assert!(row.contains(&format!("to {most}")), "{row}");
    }
}

/// Text that is cut, or lacks a few characters, is compiled or refused like any other: with a report
/// whose places are in the text.
#[test]
fn damaged_text_is_an_error_at_worst() {
    let directories = ["fixtures/accepted", "fixtures/rejected", "specs"];
    let mut reports = 0;
    for path in directories.into_iter().flat_map(fixtures) {
        let text = fs::read_to_string(&path).unwrap();
        let modules = modules(&text);
        let options = Options {
            modules: modules.as_deref(),
            memory: memory(&text),
        };
        let places: Vec<_> = text.char_indices().map(|(at, _)| at).collect();
        for (step, &at) in places.iter().enumerate().step_by(13) {
            let behind = places
                .get(step + 1 + step % 3)
                .copied()
                .unwrap_or(text.len());
            let damaged = [
                text[..at].to_owned(),
                format!("{}{}", &text[..at], &text[behind..]),
            ];
            for text in damaged {
                if let Err(report) = compile("damaged.cdl", &text, &options, &KEY) {
                    assert!(!report.diagnostics().is_empty());
                    for diagnostic in report.diagnostics() {
                        assert!(
                            text.get(diagnostic.span.range()).is_some(),
                            "{diagnostic:?}"
                        );
                    }
                    assert!(report.render(false).contains("damaged.cdl:"));
                    reports += 1;
                }
            }
        }
    }
    assert!(reports > 1000);
}
