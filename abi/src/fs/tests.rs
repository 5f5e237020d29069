// SPDX-License-Identifier: BSD-2-Clause

use alloc::{string::String, vec::Vec};

use super::*;

#[test]
fn the_longest_messages_fit() {
    let longest = Path {
        at: Node(u32::MAX),
        path: core::iter::repeat_n('p', MAX_PATH as usize).collect(),
    };
    let request = Request::Rename {
        from: longest.clone(),
        to: longest,
    };
    let mut bytes = [0; MAX_MESSAGE as usize];
    let bytes = postcard::to_slice(&request, &mut bytes).unwrap();
    assert_eq!(postcard::from_bytes::<Request>(bytes).unwrap(), request);
}

#[test]
fn numbers_of_errors_are_distinct_and_read_back() {
    let numbers: Vec<_> = Error::ALL.iter().map(|error| error.number()).collect();
    for (index, &error) in Error::ALL.iter().enumerate() {
        assert_eq!(Error::from_number(error.number()), error);
        assert!(!numbers[..index].contains(&error.number()));
    }
    assert_eq!(Error::from_number(0), Error::Other(0));
}

#[test]
fn rights_have_names() {
    let some = Rights::READ | Rights::LIST;
    assert_eq!(alloc::format!("{some}"), "read list");
    assert_eq!(alloc::format!("{}", Rights::NONE), "nothing");
    let all = Rights::NAMES
        .iter()
        .fold(Rights::NONE, |all, (right, _)| all | *right);
    assert_eq!(all, Rights::ALL);
    // From the wire may come anything.
    let any: Rights = postcard::from_bytes(&[0x85, 0x01]).unwrap();
    assert_eq!(any.intersection(Rights::ALL), Rights::READ | Rights::CREATE);
}

#[test]
fn listings_are_read_back() {
    let name: String = core::iter::repeat_n('n', MAX_NAME as usize).collect();
    let entries = [
        (1, Kind::File, "a"),
        (u32::MAX, Kind::Directory, &name),
        (3, Kind::Symlink, "\u{e4}"),
        (4, Kind::Other, "."),
    ];
    let mut bytes = [0; 512];
    let mut len = 0;
    let listed = |&(inode, kind, name): &(u32, Kind, &'static str)| Listed {
        inode,
        kind,
        name: name.as_bytes(),
    };
    let entries: Vec<_> = entries
        .iter()
        .map(|(inode, kind, name)| (*inode, *kind, &*String::from(*name).leak()))
        .collect();
    for entry in &entries {
        len += listed(entry).put(&mut bytes[len..]).unwrap();
    }
    let read: Vec<_> = Listing(&bytes[..len]).collect();
    let put: Vec<_> = entries.iter().map(listed).collect();
    assert_eq!(read, put);
    // Cut anywhere, what is whole is there and nothing else.
    for cut in 0..len {
        let read: Vec<_> = Listing(&bytes[..cut]).collect();
        assert!(read.len() < put.len() && put.starts_with(&read));
    }
    assert_eq!(listed(&(1, Kind::File, "long")).put(&mut [0; 9]), None);
    assert_eq!(listed(&(1, Kind::File, "")).put(&mut [0; 9]), None);
}
