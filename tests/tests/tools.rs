// SPDX-License-Identifier: BSD-2-Clause
//! What people do with the host tool: find out where a server crashed, and make a guest of their own.
#![forbid(unsafe_code)]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use system_tests::build::{Build, Kernel};
use system_tests::console::entries;
use system_tests::machine::{Config, Machine, SECONDS};
use system_tests::scratch::Scratch;
use system_tests::spec::{self, SpecText};

#[test]
fn a_crash_is_symbolized() {
    let scratch = Scratch::new();
    let build = Build::from_env();
    // Too little memory for what the server needs before it has any guest; then some guests that trap.
    let crash =
        SpecText::of_demo("isolation").replace("pool   = ut (24 bits)", "pool   = ut (14 bits)");
    let path = scratch.write("crash.cdl", &crash);
    let image = scratch.path("crash.elf");
    build.image(Kernel::Release, &path, &image);
    let machine = Machine::boot(&image, Config::default()).expect("QEMU");
    machine.expect("root task: server `server` starts again (1 of 5)", SECONDS);
    let mut log = machine.end();
    build.image(Kernel::Release, &spec::demo_path("isolation"), &image);
    let machine = Machine::boot(&image, Config::default()).expect("QEMU");
    machine.expect("oob:     at out-of-bounds!_start*", SECONDS);
    log += &machine.end();
    let path = scratch.write("crash.log", &log);

    let (server, root_task) = (build.server(), build.programs.join("root-task"));
    let option = |name: &str, path: &Path| [name.into(), path.as_os_str().to_owned()];
    let mut arguments = vec!["symbolize".into(), path.into_os_string()];
    arguments.extend(option("--program", &server));
    arguments.extend(option("--root-task", &root_task));
    arguments.extend(option("--modules", &build.guests));
    let output = build.atoll(&arguments);
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).expect("text");

    // Every line of the log is there as it was, in its order.
    let mut lines = text.lines();
    for line in log.lines() {
        assert!(lines.any(|one| one == line), "{line} is missing:\n{text}");
    }
    // A panic of the server: the handler, then what called it, with their files and lines.
    let (_, fault) = text.split_once("faults: brk").expect("a fault");
    let (fault, _) = fault.split_once("starts again").expect("a restart");
    let notes: Vec<&str> = fault.lines().filter(|line| line.contains(".rs:")).collect();
    assert!(
        notes[0].contains("wasm-server/platform/sel4/src/main.rs:"),
        "{text}"
    );
    for wanted in ["panicking.rs:", "wasm-server/platform/sel4/src/boot.rs:"] {
        assert!(
            notes.iter().any(|line| line.contains(wanted)),
            "{wanted}:\n{text}"
        );
    }
    assert!(
        notes
            .iter()
            .any(|line| line.contains("wasm_server::boot::")),
        "{text}"
    );
}

/// As in the tutorial, in a tree of its own: all of this one but what is made.
#[test]
fn a_new_guest_is_built_and_runs() {
    let scratch = Scratch::new();
    let build = Build::from_env();
    let tree = scratch.path("tree");
    let top = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the tree");
    copy_tree(top, &tree);
    let tree_text = tree.display().to_string();
    let output = build.atoll(["new", "newcomer", "--tree", &tree_text]);
    assert!(output.status.success(), "{output:?}");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        said.contains("make run SPEC=capdl/specs/newcomer.cdl"),
        "{said}"
    );

    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let compiled = Command::new(cargo)
        .current_dir(&tree)
        .args([
            "build",
            "--offline",
            "--profile",
            "guest",
            "--target",
            "wasm32-unknown-unknown",
            "-p",
            "newcomer",
        ])
        .args([
            "-Zbuild-std=core,alloc,compiler_builtins",
            "-Zbuild-std-features=compiler-builtins-mem",
        ])
        .env("CARGO_TARGET_DIR", scratch.path("target"))
        .output()
        .expect("cargo");
    assert!(
        compiled.status.success(),
        "{}",
        String::from_utf8_lossy(&compiled.stderr)
    );
    let wasm = scratch.path("target/wasm32-unknown-unknown/guest/newcomer.wasm");
    fs::copy(wasm, scratch.path("newcomer.wasm")).expect("the module");

    let build = build.with_archive_of(&scratch, &["newcomer"]);
    let image = scratch.path("newcomer.elf");
    build.image(
        Kernel::Release,
        &tree.join("capdl/specs/newcomer.cdl"),
        &image,
    );
    let config = Config {
        counted: true,
        ..Config::default()
    };
    let machine = Machine::boot(&image, config).expect("QEMU");
    machine.expect("newcomer: 3", SECONDS);
    let text = machine.end();
    let said = entries(&text).filter(|entry| entry.guest == "newcomer");
    let said: Vec<_> = said.map(|entry| entry.text).take(4).collect();
    assert_eq!(said, ["hello, world", "1", "2", "3"], "{text}");
}

/// The sources of a tree: manifests are copied, since one changes, and folders of packages are linked.
fn copy_tree(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("the tree") {
        let entry = entry.expect("an entry");
        let (path, name) = (entry.path(), entry.file_name());
        match name.to_str() {
            Some("target" | "build" | ".git") => {}
            // Where something new is made.
            Some("guests" | "capdl") => {
                fs::create_dir(to.join(&name)).expect("a folder");
                for part in fs::read_dir(&path).expect("a folder") {
                    let part = part.expect("an entry");
                    link(&part.path(), &to.join(&name).join(part.file_name()));
                }
            }
            Some(_) if path.is_file() => {
                fs::copy(&path, to.join(&name)).expect("a file");
            }
            _ => link(&path, &to.join(&name)),
        }
    }
    let specs = to.join("capdl/specs");
    let original = fs::read_link(&specs).expect("a link");
    fs::remove_file(&specs).expect("a link");
    fs::create_dir(&specs).expect("a folder");
    for spec in fs::read_dir(original).expect("specs") {
        let spec = spec.expect("an entry");
        link(&spec.path(), &specs.join(spec.file_name()));
    }
}

fn link(from: &Path, to: &Path) {
    symlink(from, to).unwrap_or_else(|error| panic!("cannot link {}: {error}", to.display()));
}
