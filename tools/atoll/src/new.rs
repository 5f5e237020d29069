// SPDX-License-Identifier: BSD-2-Clause
//! `atoll new`: a guest of one's own, with a spec that boots it.

use std::env;
use std::path::{Path, PathBuf};

use atoll_abi::message::Name;
use capdl::language::{self, Options};
use thiserror::Error;

use crate::files::{self, FileError};

/// `atoll new`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  atoll new hello2                           guests/hello2 and capdl/specs/hello2.cdl
  atoll new sensor --path guests/demos/sensor
  make new-guest NAME=hello2                 the same from anywhere in the tree

Then: make run SPEC=capdl/specs/hello2.cdl")]
pub struct New {
    /// Its name: lower-case letters, digits, `-` and `_`, a letter first
    name: String,
    /// Its folder, in the tree [default: guests/NAME]
    #[arg(long, value_name = "DIR")]
    path: Option<PathBuf>,
    /// The top folder of the tree [default: the one that this is run in]
    #[arg(long, value_name = "DIR")]
    tree: Option<PathBuf>,
}

/// Why there is no new guest.
#[derive(Debug, Error)]
pub enum NewError {
    /// A file cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// This is not run in a tree.
    #[error("{} is not in a tree of Atoll: no folder above it has guests/userland; name the tree with --tree", .0.display())]
    NoTree(PathBuf),
    /// A name that cannot be a guest's.
    #[error("a guest cannot be called `{0}`: {1}")]
    Name(String, String),
    /// The folder is not one of the tree.
    #[error("{} is not in the tree: --path takes a folder such as guests/NAME", .0.display())]
    Outside(PathBuf),
    /// Something is there.
    #[error("{} is there already; choose another name, or remove it", .0.display())]
    Exists(PathBuf),
    /// The list of packages is not as expected.
    #[error("cannot find `members = [` in {}; add \"{}\" to the workspace by hand", .0.display(), .1)]
    NoMembers(PathBuf, String),
}

/// Where `make` looks for guests: folders of these.
const FOLDERS: [&str; 3] = ["guests", "guests/demos", "guests/bench"];

/// Words of Rust, which Cargo does not take for packages, and crates that every guest has.
const TAKEN: &str = "abstract alloc as async await become box break const continue core crate do dyn else enum \
    extern false final fn for gen if impl in let loop macro match mod move mut override priv proc_macro pub ref \
    return self static std struct super test trait true try type typeof unsafe unsized use virtual where while yield";

/// The guest's package.
const MANIFEST: &str = "\
[package]
name = \"NAME\"
description = \"Says hello and counts seconds\"
version.workspace = true
edition.workspace = true
license.workspace = true
publish = false

[lints]
workspace = true

[dependencies]
userland.workspace = true
";

/// Its program.
const PROGRAM: &str = "\
// SPDX-License-Identifier: BSD-2-Clause
//! Says hello, and counts seconds.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use core::time::Duration;

use userland::{info, start::Start, time::interval};

#[userland::entrypoint]
async fn main(start: Start) {
    info!(\"hello, {}\", start.value(\"greet\").unwrap_or(\"whoever reads this\"));
    let mut ticks = interval(Duration::from_secs(1));
    for n in 1..=3 {
        ticks.tick().await;
        info!(\"{n}\");
    }
}
";

/// A system that runs it.
const SPEC: &str = "\
-- SPDX-License-Identifier: BSD-2-Clause
--
-- A system with one guest, `NAME`. capdl/README.md describes the language.

arch aarch64

objects {
  server = wasm_server (prio: 200, heap: 8M)
  pool   = ut (24 bits)                       -- the server's own memory: stacks, tables
  uart   = frame (4k, paddr: 0x09000000)      -- PL011, where the log goes
  timer  = irq                                -- the non-secure physical timer

  NAME    = wasm_guest (server: server, module: \"NAME\", prio: 100, args: [\"greet=world\"])
  ut_NAME = ut (20 bits)                      -- its memory: all that is made for it comes from here
}

caps {
  server { memory: pool  console: uart (RW)  timer: timer }

  -- All that it may do. A module that imports other calls does not get into the image.
  NAME { memory: ut_NAME  wake  time  log }
}

irq maps { 30: timer }
";

/// Makes the guest, and says what to do with it.
///
/// # Errors
/// See [`NewError`]. Nothing is changed then, unless writing fails midway.
pub fn run(args: &New) -> Result<(), NewError> {
    let tree = match &args.tree {
        Some(tree) if is_tree(tree) => tree.clone(),
        Some(tree) => return Err(NewError::NoTree(tree.clone())),
        None => find_tree()?,
    };
    let made = make(&tree, &args.name, args.path.as_deref())?;
    let name = &args.name;
    let folder = made.display();
    println!("{folder}/src/main.rs: what it does");
    println!("capdl/specs/{name}.cdl: a system that runs it, and all that it may do there");
    println!("Cargo.toml: the workspace has it");
    println!();
    println!("make run SPEC=capdl/specs/{name}.cdl       boots it (Ctrl-A X ends it)");
    println!("make report SPEC=capdl/specs/{name}.cdl    tells who holds what");
    let parent = made.parent().unwrap_or(Path::new(""));
    if !FOLDERS.iter().any(|known| parent == Path::new(known)) {
        println!();
        println!(
            "`make` looks for guests in {} only: add `{name}` to GUESTS in the Makefile.",
            FOLDERS.join(", ")
        );
    }
    println!();
    println!("docs/tutorial.md goes on from here.");
    Ok(())
}

/// Makes its files; answers its folder, from the top of the tree.
fn make(tree: &Path, name: &str, path: Option<&Path>) -> Result<PathBuf, NewError> {
    check_name(name)?;
    let folder = folder(tree, name, path)?;
    let spec = SPEC.replace("NAME", name);
    // The language has names of its own, and a layout that depends on the name's length.
    let checked = language::check("spec", &spec, &Options::default());
    let laid_out = checked.and_then(|_| language::format("spec", &spec));
    let spec = laid_out.map_err(|report| {
        let first = report.diagnostics().first();
        let why = first.map_or_else(String::new, |first| format!("in a spec, {}", first.message));
        NewError::Name(name.into(), why)
    })?;
    let lock = files::read(&tree.join("Cargo.lock")).unwrap_or_default();
    let package = format!("\nname = \"{name}\"\n");
    if String::from_utf8_lossy(&lock).contains(&package) {
        let why = "there is a package of that name already";
        return Err(NewError::Name(name.into(), why.into()));
    }
    let spec_file = Path::new("capdl/specs").join(format!("{name}.cdl"));
    for new in [&folder, &spec_file] {
        if tree.join(new).exists() {
            return Err(NewError::Exists(new.clone()));
        }
    }
    let workspace = tree.join("Cargo.toml");
    let manifest = String::from_utf8_lossy(&files::read(&workspace)?).into_owned();
    let member = folder.display().to_string();
    let manifest =
        with_member(&manifest, &member).ok_or(NewError::NoMembers(workspace.clone(), member))?;
    for (file, text) in [
        (folder.join("Cargo.toml"), MANIFEST.replace("NAME", name)),
        (folder.join("src/main.rs"), PROGRAM.to_owned()),
        (spec_file, spec),
    ] {
        files::write(&tree.join(file), text.as_bytes())?;
    }
    files::write(&workspace, manifest.as_bytes())?;
    Ok(folder)
}

fn check_name(name: &str) -> Result<(), NewError> {
    let most = Name::new().capacity();
    let good = |one: u8| matches!(one, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_');
    let why = if name.is_empty() {
        "it needs a name"
    } else if name.len() > most {
        "that is longer than 32 letters"
    } else if !name.starts_with(|first: char| first.is_ascii_lowercase()) {
        "the first letter is to be a lower-case one"
    } else if !name.bytes().all(good) {
        "there are to be lower-case letters, digits, `-` and `_` only"
    } else if TAKEN.split_whitespace().any(|taken| taken == name) {
        "that is a word of Rust"
    } else {
        return Ok(());
    };
    Err(NewError::Name(name.into(), why.into()))
}

/// The guest's folder, from the top of the tree.
fn folder(tree: &Path, name: &str, path: Option<&Path>) -> Result<PathBuf, NewError> {
    let Some(path) = path else {
        return Ok(Path::new("guests").join(name));
    };
    let inside = match path.strip_prefix(tree) {
        Ok(inside) => inside,
        Err(_) if path.is_relative() => path,
        Err(_) => return Err(NewError::Outside(path.into())),
    };
    let plain = inside
        .components()
        .all(|part| matches!(part, std::path::Component::Normal(_)));
    // It is a member of the workspace by this text, and its name is known by its folder.
    let text = inside
        .to_str()
        .filter(|text| !text.contains(['"', '\\', '\n']));
    match text {
        Some(text) if plain && !text.is_empty() => Ok(inside.into()),
        _ => Err(NewError::Outside(path.into())),
    }
}

fn is_tree(path: &Path) -> bool {
    path.join("guests/userland/Cargo.toml").exists()
}

fn find_tree() -> Result<PathBuf, NewError> {
    let here = env::current_dir().unwrap_or_default();
    let mut above = here.ancestors();
    let tree = above.find(|path| is_tree(path)).map(Path::to_owned);
    tree.ok_or(NewError::NoTree(here))
}

/// The workspace's manifest with one more member, in its place by the alphabet.
fn with_member(manifest: &str, member: &str) -> Option<String> {
    let start = manifest.find("\nmembers = [\n")? + "\nmembers = [\n".len();
    let len = manifest[start..].find("\n]")? + 1;
    let list = &manifest[start..start + len];
    let mut at = start;
    for line in list.split_inclusive('\n') {
        let other = line.trim().trim_matches(['"', ',']);
        if other >= member && line.trim().starts_with('"') {
            break;
        }
        at += line.len();
    }
    Some(format!(
        "{}    \"{member}\",\n{}",
        &manifest[..at],
        &manifest[at..]
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::tests::Scratch;
    use std::fs;

    const WORKSPACE: &str = "[workspace]\nmembers = [\n    \"abi\",\n    \"guests/demos/a\",\n    \"guests/userland\",\n    \"tools/atoll\",\n]\nresolver = \"2\"\n";

    fn tree(name: &str) -> Scratch {
        let scratch = Scratch::new(name);
        files::write(&scratch.path("guests/userland/Cargo.toml"), b"").unwrap();
        files::write(&scratch.path("Cargo.toml"), WORKSPACE.as_bytes()).unwrap();
        let lock = b"[[package]]\nname = \"serde\"\nversion = \"1.0.0\"\n";
        files::write(&scratch.path("Cargo.lock"), lock).unwrap();
        scratch
    }

    #[test]
    fn a_guest_is_made() {
        let scratch = tree("new");
        let folder = make(&scratch.path(""), "my-guest", None).unwrap();
        assert_eq!(folder, Path::new("guests/my-guest"));
        let read = |name| String::from_utf8(files::read(&scratch.path(name)).unwrap()).unwrap();
        assert_eq!(
            read("Cargo.toml"),
            WORKSPACE.replace(
                "    \"guests/userland\",\n",
                "    \"guests/my-guest\",\n    \"guests/userland\",\n"
            )
        );
        assert!(read("guests/my-guest/Cargo.toml").starts_with("[package]\nname = \"my-guest\"\n"));
        assert!(read("guests/my-guest/src/main.rs").contains("#[userland::entrypoint]"));
        let spec = read("capdl/specs/my-guest.cdl");
        assert!(
            spec.contains("my-guest { memory: ut_my-guest  wake  time  log }"),
            "{spec}"
        );
        assert!(language::check("my-guest.cdl", &spec, &Options::default()).is_ok());
        assert_eq!(language::format("my-guest.cdl", &spec).unwrap(), spec);

        let again = make(&scratch.path(""), "my-guest", None).unwrap_err();
        assert_eq!(
            again.to_string(),
            "guests/my-guest is there already; choose another name, or remove it"
        );
        let elsewhere = make(&scratch.path(""), "zoo", Some(Path::new("tools/zoo"))).unwrap();
        assert_eq!(elsewhere, Path::new("tools/zoo"));
        assert!(read("Cargo.toml").contains("    \"tools/atoll\",\n    \"tools/zoo\",\n]\n"));
    }

    #[test]
    fn bad_names_are_refused_and_nothing_is_made() {
        let scratch = tree("bad-names");
        for (name, why) in [
            ("", "it needs a name"),
            ("Hello", "the first letter is to be a lower-case one"),
            ("9lives", "the first letter is to be a lower-case one"),
            ("-a", "the first letter is to be a lower-case one"),
            (
                "a/b",
                "there are to be lower-case letters, digits, `-` and `_` only",
            ),
            (
                "a.b",
                "there are to be lower-case letters, digits, `-` and `_` only",
            ),
            (
                "a\"",
                "there are to be lower-case letters, digits, `-` and `_` only",
            ),
            (
                "grün",
                "there are to be lower-case letters, digits, `-` and `_` only",
            ),
            (
                "a-name-that-has-more-than-32-bytes",
                "that is longer than 32 letters",
            ),
            ("loop", "that is a word of Rust"),
            ("serde", "there is a package of that name already"),
            ("log", "in a spec, `log` is a reserved name"),
            ("server", "in a spec, there are two objects named `server`"),
        ] {
            let error = make(&scratch.path(""), name, None).unwrap_err();
            let start = format!("a guest cannot be called `{name}`: {why}");
            assert!(error.to_string().starts_with(&start), "{error}");
        }
        assert_eq!(fs::read_dir(scratch.path("guests")).unwrap().count(), 1);
        assert!(!scratch.path("capdl").exists());
        let manifest = files::read(&scratch.path("Cargo.toml")).unwrap();
        assert_eq!(manifest, WORKSPACE.as_bytes());
    }

    #[test]
    fn bad_folders_are_refused() {
        let scratch = tree("bad-folders");
        for path in ["../a", "/elsewhere/a", "", "a/./../b", "a\"b"] {
            let error = make(&scratch.path(""), "fine", Some(Path::new(path))).unwrap_err();
            assert!(matches!(error, NewError::Outside(_)), "{path}: {error}");
        }
        files::write(&scratch.path("Cargo.toml"), b"[workspace]\n").unwrap();
        let error = make(&scratch.path(""), "fine", None).unwrap_err();
        assert!(matches!(error, NewError::NoMembers(..)), "{error}");
        assert!(!scratch.path("guests/fine").exists());
    }
}
