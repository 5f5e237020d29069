// SPDX-License-Identifier: BSD-2-Clause
//! Ways that stay below, and ways that do not.

use alloc::{format, string::String, vec::Vec};

use atoll_abi::fs::{Create, Error, Kind, Node, Reply, Request, Rights};
use fs_ext4::{FileSystem, New, ram::RamDisk};
use proptest::prelude::*;

use super::machine::{Client, file_system, way};

/// `/secret` beside the client's `/home`, which has `a/b/c`, a file in each, and links all over the place.
fn home() -> (FileSystem<RamDisk>, Client, Node) {
    let mut fs = file_system();
    let root = fs.root();
    let secret = fs.create(root, b"secret", New::File).unwrap();
    fs.write_bytes(secret, 0, b"secret").unwrap();
    let mut at = fs.create(root, b"home", New::Directory).unwrap();
    let home = at;
    for name in ["a", "b", "c"] {
        at = fs.create(at, name.as_bytes(), New::Directory).unwrap();
        let file = fs.create(at, b"file", New::File).unwrap();
        fs.write_bytes(file, 0, name.as_bytes()).unwrap();
    }
    let links = [
        ("up", ".."),
        ("out", "../secret"),
        ("absolute", "/home/a/file"),
        ("deep", "a/b/c"),
        ("round", "a/b/../../a/b/c/../file"),
        ("over", "a/../../home/a/file"),
        ("self", "self"),
        ("tick", "tock"),
        ("tock", "tick"),
        ("missing", "nothing"),
        ("new", "a/new"),
        ("file", "a/file"),
        ("slash", "a/"),
    ];
    for (name, target) in links {
        fs.create(home, name.as_bytes(), New::Symlink(target.as_bytes()))
            .unwrap();
    }
    let mut client = Client::new(&mut fs, "/home as home all");
    let node = client.root(&mut fs, 0);
    (fs, client, node)
}

#[test]
fn ways_that_stay_below() {
    let (mut fs, mut client, home) = home();
    for (path, text) in [
        ("a/file", "a"),
        ("./a/./file", "a"),
        ("a//b///file", "b"),
        ("a/b/../file", "a"),
        ("a/b/c/../../../a/b/c/file", "c"),
        ("deep/file", "c"),
        ("deep/../file", "b"),
        ("round", "b"),
        ("file", "a"),
        ("slash/file", "a"),
        ("slash/b/file", "b"),
    ] {
        let read = client.get(&mut fs, home, path);
        assert_eq!(read.as_deref(), Ok(text.as_bytes()), "{path}");
    }
}

#[test]
fn ways_that_lead_out_are_refused_wherever_they_do() {
    let (mut fs, mut client, home) = home();
    for path in [
        "..",
        "../secret",
        "a/../../secret",
        "a/b/c/../../../../secret",
        "/secret",
        "/",
        "up",
        "up/secret",
        "out",
        "absolute",
        "over",
        "deep/../../../../secret",
        // It leads out before anyone sees that there is nothing.
        "../nothing",
    ] {
        let all = [
            client.get(&mut fs, home, path).err(),
            client
                .open(&mut fs, home, path, Create::IfMissing, Rights::WRITE)
                .err(),
            client
                .ask(
                    &mut fs,
                    &Request::StatAt {
                        what: way(home, path),
                        follow: true,
                    },
                )
                .err(),
        ];
        assert_eq!(all, [Some(Error::Escapes); 3], "{path}");
    }
    // Of a directory below, that is the one above.
    let a = client
        .open(&mut fs, home, "a", Create::No, Rights::ALL)
        .unwrap();
    assert_eq!(client.get(&mut fs, a, "../a/file"), Err(Error::Escapes));
    assert_eq!(
        client.get(&mut fs, a, "b/../file").as_deref(),
        Ok(&b"a"[..])
    );
}

#[test]
fn ways_that_lead_nowhere() {
    let (mut fs, mut client, home) = home();
    let name = "n".repeat(256);
    let long = "a/".repeat(600);
    for (path, error) in [
        ("nothing", Error::NotFound),
        ("nothing/file", Error::NotFound),
        ("missing", Error::NotFound),
        ("a/file/file", Error::NotDirectory),
        ("a/file/", Error::NotDirectory),
        ("a/file/..", Error::NotDirectory),
        ("file/", Error::NotDirectory),
        ("self", Error::TooManySymlinks),
        ("tick", Error::TooManySymlinks),
        ("tock/file", Error::TooManySymlinks),
        ("a\0", Error::BadPath),
        (&name, Error::BadPath),
        (&long, Error::BadPath),
        ("a", Error::IsDirectory),
        ("", Error::IsDirectory),
    ] {
        let read = client.get(&mut fs, home, path);
        assert_eq!(read, Err(error), "{path}");
    }
}

#[test]
fn a_link_at_the_end_is_followed_where_that_makes_sense() {
    let (mut fs, mut client, home) = home();
    let kind = |client: &mut Client, fs: &mut _, path, follow| {
        let what = way(home, path);
        match client.ask(fs, &Request::StatAt { what, follow }) {
            Ok(Reply::Stat(stat)) => Ok(stat.kind),
            Err(error) => Err(error),
            Ok(other) => panic!("{other:?}"),
        }
    };
    assert_eq!(kind(&mut client, &mut fs, "deep", false), Ok(Kind::Symlink));
    assert_eq!(
        kind(&mut client, &mut fs, "deep", true),
        Ok(Kind::Directory)
    );
    assert_eq!(
        kind(&mut client, &mut fs, "deep/", false),
        Ok(Kind::Directory)
    );
    assert_eq!(kind(&mut client, &mut fs, "out", false), Ok(Kind::Symlink));
    // A file is made where a link leads.
    client.put(&mut fs, home, "new", b"made");
    let made = client.get(&mut fs, home, "a/new");
    assert_eq!(made.as_deref(), Ok(&b"made"[..]));
    // Not where one is to be new, and removed is the link itself.
    let new = client.open(&mut fs, home, "new", Create::New, Rights::WRITE);
    assert_eq!(new, Err(Error::Exists));
    let remove = Request::Remove {
        what: way(home, "new"),
        directory: false,
    };
    assert_eq!(client.ask(&mut fs, &remove), Ok(Reply::Done));
    assert!(client.get(&mut fs, home, "a/new").is_ok());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Whatever links and paths there are, who has `/home` reads nothing of `/secret`, and changes nothing there.
    #[test]
    fn nobody_gets_out(
        links in prop::collection::vec(("[abc]", prop::collection::vec("[abc]|\\.\\.|\\.|secret|home|", 1..6)), 0..6),
        paths in prop::collection::vec(prop::collection::vec("[abcx]|\\.\\.|\\.|secret|home|up|deep|over", 1..8), 1..40),
    ) {
        let (mut fs, mut client, home) = home();
        let inside = fs.root();
        let (home_ino, _) = fs.lookup(inside, b"home").unwrap();
        let (a, _) = fs.lookup(home_ino, b"a").unwrap();
        for (name, target) in &links {
            let target = target.join("/");
            if !target.is_empty() {
                let _ = fs.create(a, format!("l{name}").as_bytes(), New::Symlink(target.as_bytes()));
            }
        }
        for parts in paths {
            let parts: Vec<String> = parts
                .into_iter()
                .flat_map(|part| match part.as_str() {
                    "x" => alloc::vec!["a".into(), "la".into()],
                    _ => alloc::vec![part],
                })
                .collect();
            let path = parts.join("/");
            if let Ok(read) = client.get(&mut fs, home, &path) {
                prop_assert_ne!(&read[..], b"secret", "{}", path);
            }
            let what = way(home, &path);
            let _ = client.ask(&mut fs, &Request::CreateDirectory { what });
        }
        let mut names = Vec::new();
        fs.entries(inside, 0, &mut |entry| {
            names.push(entry.name.to_vec());
            core::ops::ControlFlow::Continue(())
        }).unwrap();
        names.sort();
        prop_assert_eq!(names, [&b"home"[..], b"lost+found", b"secret"]);
    }
}
