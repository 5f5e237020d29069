// SPDX-License-Identifier: BSD-2-Clause
//! Every public item of the library has an example, which is compiled with the tests, or says which item's
//! example shows it.
#![forbid(unsafe_code)]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use syn::{Attribute, Expr, Ident, ImplItem, Item, Lit, Meta, TraitItem, Visibility};

/// What a documented item is called, and what its documentation says.
struct Documented {
    name: String,
    /// The type that it belongs to, by its `impl`.
    owner: Option<String>,
    docs: String,
    file: PathBuf,
}

/// The documentation of an item; none if it is hidden from it.
fn docs(attributes: &[Attribute]) -> Option<String> {
    let mut text = String::new();
    for attribute in attributes {
        match &attribute.meta {
            Meta::NameValue(pair) if pair.path.is_ident("doc") => {
                if let Expr::Lit(literal) = &pair.value
                    && let Lit::Str(line) = &literal.lit
                {
                    text.push_str(&line.value());
                    text.push('\n');
                }
            }
            Meta::List(list)
                if list.path.is_ident("doc") && list.tokens.to_string() == "hidden" =>
            {
                return None;
            }
            _ => {}
        }
    }
    Some(text)
}

fn is_public(visibility: &Visibility) -> bool {
    matches!(visibility, Visibility::Public(_))
}

/// Collects the public items of a file, and of those beside it that it names as modules.
struct Collector {
    found: Vec<Documented>,
    file: PathBuf,
}

impl Collector {
    fn note(&mut self, name: String, attributes: &[Attribute]) {
        if let Some(docs) = docs(attributes) {
            self.found.push(Documented {
                name,
                owner: None,
                docs,
                file: self.file.clone(),
            });
        }
    }

    fn note_of(&mut self, owner: &Ident, name: &Ident, attributes: &[Attribute]) {
        self.note(format!("{owner}::{name}"), attributes);
        if let Some(noted) = self.found.last_mut() {
            noted.owner = Some(owner.to_string());
        }
    }

    fn item(&mut self, item: &Item) {
        match item {
            Item::Fn(item) if is_public(&item.vis) => {
                self.note(item.sig.ident.to_string(), &item.attrs);
            }
            Item::Struct(item) if is_public(&item.vis) => {
                self.note(item.ident.to_string(), &item.attrs);
            }
            Item::Enum(item) if is_public(&item.vis) => {
                self.note(item.ident.to_string(), &item.attrs);
            }
            Item::Const(item) if is_public(&item.vis) => {
                self.note(item.ident.to_string(), &item.attrs);
            }
            Item::Static(item) if is_public(&item.vis) => {
                self.note(item.ident.to_string(), &item.attrs);
            }
            Item::Type(item) if is_public(&item.vis) => {
                self.note(item.ident.to_string(), &item.attrs);
            }
            Item::Trait(item) if is_public(&item.vis) => {
                self.note(item.ident.to_string(), &item.attrs);
                for part in &item.items {
                    match part {
                        TraitItem::Fn(part) => {
                            self.note(format!("{}::{}", item.ident, part.sig.ident), &part.attrs);
                        }
                        TraitItem::Const(part) => {
                            self.note(format!("{}::{}", item.ident, part.ident), &part.attrs);
                        }
                        _ => {}
                    }
                }
            }
            Item::Macro(item) => {
                if let Some(name) = &item.ident
                    && item.attrs.iter().any(|a| a.path().is_ident("macro_export"))
                {
                    self.note(name.to_string(), &item.attrs);
                }
            }
            Item::Impl(item) if item.trait_.is_none() => {
                let syn::Type::Path(owner) = &*item.self_ty else {
                    return;
                };
                let owner = &owner.path.segments[owner.path.segments.len() - 1].ident;
                for part in &item.items {
                    match part {
                        ImplItem::Fn(part) if is_public(&part.vis) => {
                            self.note_of(owner, &part.sig.ident, &part.attrs);
                        }
                        ImplItem::Const(part) if is_public(&part.vis) => {
                            self.note_of(owner, &part.ident, &part.attrs);
                        }
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
}

/// Folders that are left out: tests and models, and the room of unsafe code, which has nothing public but what is
/// for tests of the server.
const LEFT_OUT: &[&str] = &["tests", "models", "sys"];

/// The Rust files below a folder.
fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder of sources") {
        let path = entry.expect("an entry of it").path();
        let name = path.file_stem().unwrap_or_default().to_owned();
        if path.is_dir() {
            if LEFT_OUT.iter().all(|folder| name != *folder) {
                sources(&path, found);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") && name != "tests" {
            found.push(path);
        }
    }
}

fn all() -> Vec<Documented> {
    let mut files = Vec::new();
    sources(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("src"),
        &mut files,
    );
    let mut collector = Collector {
        found: Vec::new(),
        file: PathBuf::new(),
    };
    for file in files {
        let text = fs::read_to_string(&file).expect("a source file");
        let tree =
            syn::parse_file(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        // A module's first words are its page.
        if file.parent().is_some_and(|folder| folder.ends_with("src")) {
            let name = file.file_stem().unwrap_or_default().to_string_lossy();
            collector.file.clone_from(&file);
            if IS_PUBLIC_MODULE.contains(&&*name) {
                collector.note(format!("{name} (module)"), &tree.attrs);
            }
        }
        collector.file = file;
        tree.items.iter().for_each(|item| collector.item(item));
    }
    // What belongs to a type that is not public is not public either.
    let found = collector.found;
    let names: BTreeSet<_> = found.iter().map(|item| item.name.clone()).collect();
    let reachable = |item: &Documented| {
        item.owner
            .as_ref()
            .is_none_or(|owner| names.contains(owner))
    };
    found.into_iter().filter(reachable).collect()
}

/// The modules of the crate that are public, and have a page.
const IS_PUBLIC_MODULE: &[&str] = &[
    "lib",
    "channel",
    "console",
    "device",
    "entropy",
    "entropy_source",
    "exit",
    "fs",
    "future",
    "handle",
    "introspect",
    "log",
    "logs",
    "module",
    "net",
    "port",
    "process",
    "rpc",
    "session",
    "shm",
    "singleton",
    "start",
    "task",
    "time",
    "wake",
];

#[test]
fn every_public_item_has_an_example() {
    let items = all();
    assert!(items.len() > 150, "only {} items are found", items.len());
    let with_example: BTreeSet<_> = items
        .iter()
        .filter(|item| item.docs.contains("```"))
        .map(|item| item.name.trim_end_matches(" (module)"))
        .collect();
    let mut bad = Vec::new();
    for item in &items {
        let refers_to = item
            .docs
            .split("example")
            .skip(1)
            .filter_map(|behind| behind.split("[`").nth(1)?.split(['`', '(']).next());
        let shown = refers_to
            .map(|name| name.trim_start_matches("crate::"))
            .any(|name| {
                let last = name.rsplit("::").next().unwrap_or(name);
                with_example.contains(name) || with_example.contains(last)
            });
        if !item.docs.contains("```") && !shown {
            bad.push(format!("{}: {}", item.file.display(), item.name));
        }
    }
    assert!(bad.is_empty(), "no example:\n{}", bad.join("\n"));
}

/// `ignore` is for code that nobody compiles.
#[test]
fn every_example_is_compiled() {
    for item in all() {
        for fence in ["```ignore", "```text,ignore", "```rust,ignore"] {
            assert!(
                !item.docs.contains(fence),
                "{}: {}",
                item.file.display(),
                item.name
            );
        }
    }
}
