// SPDX-License-Identifier: BSD-2-Clause
//! Requests, rights and limits.

use alloc::{
    format,
    rc::Rc,
    string::{String, ToString as _},
    vec,
    vec::Vec,
};

use atoll_abi::fs::{
    Buffer, Create, Error, MAX_PATH, Node, Place, Reply, Request, Rights, VERSION,
};
use fs_ext4::{FileSystem, Memory as _, New, ram::RamDisk};

use super::machine::{Client, file_system, place, way};
use crate::Refusal;

fn everything() -> (FileSystem<RamDisk>, Client, Node) {
    let mut fs = file_system();
    let mut client = Client::new(&mut fs, "/ all");
    let root = client.root(&mut fs, 0);
    (fs, client, root)
}

#[test]
fn who_does_not_greet_is_not_served() {
    let mut fs = file_system();
    let config = crate::config::Config::parse(["it=/ all"]).unwrap();
    let rules = Rc::new(crate::Rules::new(&config.clients[0]));
    let mut session = crate::Session::new(&config.clients[0], &rules);
    let mut ask = |request: &Request| session.answer(&mut fs, request, |_| None);
    assert_eq!(ask(&Request::Space), Err(Error::OtherVersion));
    let other = Request::Hello {
        version: VERSION + 1,
    };
    assert_eq!(ask(&other), Err(Error::OtherVersion));
    assert_eq!(ask(&Request::Space), Err(Error::OtherVersion));
    let Ok(Reply::Welcome(limits)) = ask(&Request::Hello { version: VERSION }) else {
        panic!("not welcome")
    };
    assert_eq!((limits.roots, limits.open, limits.block), (1, 64, 4096));
    assert!(ask(&Request::Space).is_ok());
}

#[test]
fn files_are_written_read_and_listed() {
    let (mut fs, mut client, root) = everything();
    let dir = Request::CreateDirectory {
        what: way(root, "dir"),
    };
    assert_eq!(client.ask(&mut fs, &dir), Ok(Reply::Done));
    assert_eq!(client.ask(&mut fs, &dir), Err(Error::Exists));
    client.put(&mut fs, root, "dir/one", b"first");
    client.put(&mut fs, root, "dir/two", b"second");
    assert_eq!(
        client.get(&mut fs, root, "dir/two").as_deref(),
        Ok(&b"second"[..])
    );
    let rename = Request::Rename {
        from: way(root, "dir/one"),
        to: way(root, "dir/two"),
    };
    assert_eq!(client.ask(&mut fs, &rename), Ok(Reply::Done));
    assert_eq!(
        client.get(&mut fs, root, "dir/two").as_deref(),
        Ok(&b"first"[..])
    );
    let node = client
        .open(&mut fs, root, "dir", Create::No, Rights::LIST)
        .unwrap();
    assert_eq!(client.list(&mut fs, node, 1000), ["two"]);
}

#[test]
fn appends_go_to_the_end() {
    let (mut fs, mut client, root) = everything();
    let node = client
        .open(&mut fs, root, "log", Create::New, Rights::WRITE)
        .unwrap();
    client.memory.put(0, b"abcdef").unwrap();
    for (at, len, offset) in [(0, 3, 0), (3, 3, 3), (0, 1, 6)] {
        let request = Request::Write {
            node,
            offset: None,
            from: place(at, len),
        };
        let moved = client.ask(&mut fs, &request);
        assert_eq!(moved, Ok(Reply::Moved { offset, len }));
    }
    let read = client.get(&mut fs, root, "log");
    assert_eq!(read.as_deref(), Ok(&b"abcdefa"[..]));
}

#[test]
fn listings_go_on_where_they_ended() {
    let (mut fs, mut client, root) = everything();
    let names: Vec<_> = (0..300).map(|number| format!("file-{number:03}")).collect();
    for name in &names {
        client.put(&mut fs, root, name, b"");
    }
    for room in [16, 100, 4096, 60000] {
        let mut listed = client.list(&mut fs, root, room);
        listed.retain(|name| name != "lost+found");
        assert_eq!(listed, names, "{room}");
    }
    let request = Request::List {
        node: root,
        from: 0,
        to: place(0, 5),
    };
    assert_eq!(client.ask(&mut fs, &request), Err(Error::InvalidArgument));
}

/// Each request that changes or shows something, and the rights that it needs.
fn demands(dir: Node, file: Node, other: Node) -> Vec<(Request, Rights)> {
    let open = |create, truncate, rights| Request::Open {
        what: way(dir, "new"),
        create,
        truncate,
        rights,
    };
    vec![
        (open(Create::No, false, Rights::READ), Rights::READ),
        (open(Create::No, false, Rights::WRITE), Rights::WRITE),
        (open(Create::No, true, Rights::NONE), Rights::WRITE),
        (open(Create::IfMissing, false, Rights::NONE), Rights::CREATE),
        (
            Request::Read {
                node: file,
                offset: 0,
                to: place(0, 1),
            },
            Rights::READ,
        ),
        (
            Request::Write {
                node: file,
                offset: None,
                from: place(0, 1),
            },
            Rights::WRITE,
        ),
        (Request::Resize { node: file, len: 1 }, Rights::WRITE),
        (
            Request::CreateDirectory {
                what: way(dir, "d"),
            },
            Rights::CREATE,
        ),
        (
            Request::CreateSymlink {
                what: way(dir, "s"),
                target: "t".into(),
            },
            Rights::CREATE,
        ),
        (
            Request::Link {
                from: way(dir, "file"),
                to: way(other, "l"),
            },
            Rights::CREATE,
        ),
        (
            Request::ReadLink {
                what: way(dir, "link"),
            },
            Rights::READ,
        ),
        (
            Request::Rename {
                from: way(dir, "file"),
                to: way(other, "r"),
            },
            Rights::CREATE,
        ),
        (
            Request::Remove {
                what: way(dir, "link"),
                directory: false,
            },
            Rights::CREATE,
        ),
        (
            Request::List {
                node: dir,
                from: 0,
                to: place(0, 1000),
            },
            Rights::LIST,
        ),
    ]
}

#[test]
fn each_right_is_needed_and_suffices() {
    let count = demands(Node(0), Node(0), Node(0)).len();
    for index in 0..count {
        for missing in [true, false] {
            let mut fs = file_system();
            let at = fs.root();
            fs.create(at, b"file", New::File).unwrap();
            fs.create(at, b"link", New::Symlink(b"file")).unwrap();
            let needed = demands(Node(0), Node(0), Node(0))[index].1;
            // All others, or only this one.
            let rights: Vec<_> = Rights::NAMES
                .iter()
                .filter(|(right, _)| (*right == needed) != missing)
                .map(|(_, name)| *name)
                .collect();
            let rights = rights.join(" ");
            let mut client = Client::new(&mut fs, &format!("/ {rights}"));
            let dir = client.root(&mut fs, 0);
            let mine = match missing {
                true => Rights::NAMES
                    .iter()
                    .filter(|(right, _)| *right != needed)
                    .fold(Rights::NONE, |all, (right, _)| all | *right),
                false => needed,
            };
            let file = client.open(&mut fs, dir, "file", Create::No, mine).unwrap();
            let (request, needed) = demands(dir, file, dir).swap_remove(index);
            let answer = client.ask(&mut fs, &request);
            if missing {
                assert_eq!(answer, Err(Error::NotAllowed), "{request:?} with {rights}");
                let refusal = Refusal {
                    root: "/".into(),
                    missing: Some(needed),
                };
                assert_eq!(client.refusal(), Some(refusal));
            } else {
                // Allowed is not found.
                let is_allowed = !matches!(answer, Err(Error::NotAllowed));
                assert!(is_allowed, "{request:?} with {rights}: {answer:?}");
                assert_eq!(client.refusal(), None);
            }
        }
    }
}

#[test]
fn nobody_gets_more_rights_by_opening_moving_or_linking() {
    let mut fs = file_system();
    let at = fs.root();
    for name in ["less", "more"] {
        let dir = fs.create(at, name.as_bytes(), New::Directory).unwrap();
        fs.create(dir, b"file", New::File).unwrap();
        fs.create(dir, b"sub", New::Directory).unwrap();
    }
    let mut client = Client::new(&mut fs, "/less create list read, /more all");
    let less = client.root(&mut fs, 0);
    let more = client.root(&mut fs, 1);
    let open = client.open(&mut fs, less, "file", Create::No, Rights::WRITE);
    assert_eq!(open, Err(Error::NotAllowed));
    let sub = client
        .open(&mut fs, more, "sub", Create::No, Rights::LIST)
        .unwrap();
    let below = client.open(&mut fs, sub, "x", Create::IfMissing, Rights::NONE);
    assert_eq!(below, Err(Error::NotAllowed));
    for request in [
        Request::Rename {
            from: way(less, "file"),
            to: way(more, "mine"),
        },
        Request::Link {
            from: way(less, "file"),
            to: way(more, "mine"),
        },
    ] {
        assert_eq!(client.ask(&mut fs, &request), Err(Error::NotAllowed));
        let refusal = Refusal {
            root: "/less".into(),
            missing: Some(Rights::WRITE),
        };
        assert_eq!(client.refusal(), Some(refusal));
    }
    // The other way it can be moved.
    let request = Request::Rename {
        from: way(more, "file"),
        to: way(less, "theirs"),
    };
    assert_eq!(client.ask(&mut fs, &request), Ok(Reply::Done));
}

#[test]
fn what_is_withdrawn_is_refused_to_who_has_it_open_until_it_is_restored() {
    let mut fs = file_system();
    let at = fs.root();
    for name in ["one", "other"] {
        let dir = fs.create(at, name.as_bytes(), New::Directory).unwrap();
        fs.create(dir, b"file", New::File).unwrap();
    }
    let mut client = Client::new(&mut fs, "/one as first all, admin, /other read list");
    let (one, other) = (client.root(&mut fs, 0), client.root(&mut fs, 1));
    let open = |client: &mut Client, fs: &mut FileSystem<RamDisk>, dir| {
        client.open(fs, dir, "file", Create::No, Rights::READ)
    };
    let file = open(&mut client, &mut fs, one).unwrap();
    let texts: Vec<_> = client
        .rules
        .texts()
        .map(|(text, _)| text.to_string())
        .collect();
    assert_eq!(texts, ["/one as first all", "/other read list", "admin"]);
    assert!(client.rules.is_admin());

    assert!(client.rules.withdraw(1, true));
    let stat = Request::Stat { node: file };
    for request in [
        Request::Read {
            node: file,
            offset: 0,
            to: place(0, 10),
        },
        Request::List {
            node: one,
            from: 0,
            to: place(0, 1000),
        },
        Request::Sync { node: file },
        Request::StatAt {
            what: way(one, "file"),
            follow: true,
        },
        stat.clone(),
    ] {
        assert_eq!(
            client.ask(&mut fs, &request),
            Err(Error::NotAllowed),
            "{request:?}"
        );
        let refusal = Refusal {
            root: "first".into(),
            missing: None,
        };
        assert_eq!(client.refusal(), Some(refusal));
    }
    assert_eq!(open(&mut client, &mut fs, one), Err(Error::NotAllowed));
    // The other one is as it was, and what is of no use any more can be closed.
    let others = open(&mut client, &mut fs, other).unwrap();
    let close = Request::Close { node: others };
    assert_eq!(client.ask(&mut fs, &close), Ok(Reply::Done));

    assert!(client.rules.withdraw(1, false));
    assert!(matches!(client.ask(&mut fs, &stat), Ok(Reply::Stat(_))));
    assert!(client.rules.withdraw(3, true));
    assert!(!client.rules.is_admin());
    for number in [0, 4, u16::MAX] {
        assert!(!client.rules.withdraw(number, true), "{number}");
    }
}

#[test]
fn limits_are_kept_and_numbers_are_not_guessed() {
    let mut fs = file_system();
    let mut client = Client::with(&mut fs, &["it=/ all", "it.limits=open 3"]);
    let root = client.root(&mut fs, 0);
    let mut open = Vec::new();
    for number in 0..3 {
        let path = format!("f{number}");
        let node = client.open(&mut fs, root, &path, Create::New, Rights::WRITE);
        open.push(node.unwrap());
    }
    let more = client.open(&mut fs, root, "f0", Create::No, Rights::READ);
    assert_eq!(more, Err(Error::TooManyOpen));
    // One that is refused leaves nothing open.
    let close = |node| Request::Close { node };
    assert_eq!(client.ask(&mut fs, &close(open[1])), Ok(Reply::Done));
    assert_eq!(client.ask(&mut fs, &close(open[1])), Err(Error::BadNode));
    assert_eq!(client.ask(&mut fs, &close(root)), Err(Error::BadNode));
    for _ in 0..10 {
        let missing = client.open(&mut fs, root, "no", Create::No, Rights::READ);
        assert_eq!(missing, Err(Error::NotFound));
    }
    assert!(
        client
            .open(&mut fs, root, "f0", Create::No, Rights::READ)
            .is_ok()
    );
    for node in [Node(1), Node(99), Node(u32::MAX)] {
        if !open.contains(&node) {
            let stat = client.ask(&mut fs, &Request::Stat { node });
            assert_eq!(stat, Err(Error::BadNode));
        }
    }
    let index = 1;
    let root = client.ask(&mut fs, &Request::Root { index });
    assert_eq!(root, Err(Error::NotFound));
}

#[test]
fn places_are_inside_a_buffer() {
    let (mut fs, mut client, root) = everything();
    client.put(&mut fs, root, "file", &[7; 100]);
    let node = client
        .open(
            &mut fs,
            root,
            "file",
            Create::No,
            Rights::READ | Rights::WRITE,
        )
        .unwrap();
    let size = client.memory.len();
    let bad = [
        place(size, 1),
        place(size - 1, 2),
        place(0, size + 1),
        place(u32::MAX, 2),
        place(1, u32::MAX),
        Place {
            buffer: Buffer(1),
            at: 0,
            len: 1,
        },
    ];
    for place in bad {
        for request in [
            Request::Read {
                node,
                offset: 0,
                to: place,
            },
            Request::Write {
                node,
                offset: Some(0),
                from: place,
            },
            Request::List {
                node: root,
                from: 0,
                to: place,
            },
        ] {
            assert_eq!(client.ask(&mut fs, &request), Err(Error::BadBuffer));
        }
    }
    // Numbers without an end.
    for offset in [u64::MAX, u64::MAX - 1, 1 << 62] {
        let write = Request::Write {
            node,
            offset: Some(offset),
            from: place(0, 10),
        };
        assert_eq!(client.ask(&mut fs, &write), Err(Error::TooLarge));
        let read = Request::Read {
            node,
            offset,
            to: place(0, 10),
        };
        let nothing = Ok(Reply::Moved { offset, len: 0 });
        assert_eq!(client.ask(&mut fs, &read), nothing);
        let resize = Request::Resize { node, len: offset };
        assert_eq!(client.ask(&mut fs, &resize), Err(Error::TooLarge));
    }
    let nothing = Request::Read {
        node,
        offset: 0,
        to: place(size, 0),
    };
    assert!(client.ask(&mut fs, &nothing).is_ok());
}

#[test]
fn what_is_open_outlives_its_name_and_not_its_client() {
    let (mut fs, mut client, root) = everything();
    let Ok(Reply::Space(before)) = client.ask(&mut fs, &Request::Space) else {
        panic!("no space")
    };
    client.put(&mut fs, root, "file", b"still here");
    let node = client
        .open(&mut fs, root, "file", Create::No, Rights::READ)
        .unwrap();
    let remove = Request::Remove {
        what: way(root, "file"),
        directory: false,
    };
    assert_eq!(client.ask(&mut fs, &remove), Ok(Reply::Done));
    let read = Request::Read {
        node,
        offset: 0,
        to: place(0, 100),
    };
    assert_eq!(
        client.ask(&mut fs, &read),
        Ok(Reply::Moved { offset: 0, len: 10 })
    );
    client.session.end(&mut fs);
    fs.sync().unwrap();
    let after = fs.space().unwrap();
    assert_eq!(after.free_blocks, before.free_blocks);
    assert_eq!(after.free_inodes, before.free_files);
}

#[test]
fn what_can_be_no_target_of_a_link_is_refused() {
    let (mut fs, mut client, root) = everything();
    for target in [
        String::new(),
        "a\0b".into(),
        "x".repeat(MAX_PATH as usize + 1),
    ] {
        let request = Request::CreateSymlink {
            what: way(root, "link"),
            target,
        };
        assert_eq!(client.ask(&mut fs, &request), Err(Error::BadPath));
    }
    let target = "x".repeat(MAX_PATH as usize);
    let request = Request::CreateSymlink {
        what: way(root, "link"),
        target: target.clone(),
    };
    assert_eq!(client.ask(&mut fs, &request), Ok(Reply::Done));
    let what = way(root, "link");
    assert_eq!(
        client.ask(&mut fs, &Request::ReadLink { what }),
        Ok(Reply::Target(target))
    );
}

#[test]
fn what_has_no_name_is_not_made_moved_or_removed() {
    let (mut fs, mut client, root) = everything();
    client.put(&mut fs, root, "file", b"");
    for path in ["", ".", "file/..", "./"] {
        let what = way(root, path);
        let remove = Request::Remove {
            what: what.clone(),
            directory: true,
        };
        let error = match path {
            "file/.." => Error::NotDirectory,
            _ => Error::BadPath,
        };
        assert_eq!(client.ask(&mut fs, &remove), Err(error), "{path}");
        let rename = Request::Rename {
            from: what.clone(),
            to: way(root, "other"),
        };
        assert_eq!(client.ask(&mut fs, &rename), Err(error), "{path}");
    }
    let make = Request::CreateDirectory {
        what: way(root, "."),
    };
    assert_eq!(client.ask(&mut fs, &make), Err(Error::Exists));
    // A slash behind a file's name asks for a directory.
    let open = client.open(&mut fs, root, "no/", Create::IfMissing, Rights::WRITE);
    assert_eq!(open, Err(Error::NotDirectory));
}
