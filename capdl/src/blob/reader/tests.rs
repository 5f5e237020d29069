// SPDX-License-Identifier: BSD-2-Clause
//! What is written is read; what is broken is refused.

extern crate std;

use std::vec::Vec;

use super::*;
use crate::blob::{
    Cap, CapData, Group, Groups, Kind, Limits, Restart, Rights, Start, WasmGuest, Writer,
};

const GROUPS: Groups = Groups::NONE.with(Group::Time).with(Group::Introspect);
const LIMITS: Limits = Limits {
    children: 3,
    ..Limits::DEFAULT
};

fn cap(target: u16) -> Cap<'static> {
    Cap {
        slot: "memory",
        line: 9,
        target: ObjectId(target),
        rights: Rights::default(),
        data: CapData::Badge(3),
    }
}

/// A spec of `count` untypeds, a guest, a service and a full page table.
fn message(count: u16) -> Vec<u8> {
    let mut writer = Writer::new("a.cdl", &[7; 32], usize::from(count) + 3).unwrap();
    for i in 0..count {
        let kind = Kind::Untyped {
            size_bits: i as u8,
            paddr: Some(1 << 40),
        };
        let place = ("ut", 300 + u32::from(i));
        writer.object(place, Some(ObjectId(0)), kind, [cap(i)]);
    }
    let guest = Kind::WasmGuest(WasmGuest {
        server: ObjectId(1),
        module: "m",
        prio: 100,
        stack: 65536,
        deadline_ms: Some(1 << 20),
        start: Start::Demand,
        rank: 1,
        restart: Restart::Transient,
        groups: GROUPS,
        limits: LIMITS,
        args: heapless::Vec::new(),
        env: heapless::Vec::new(),
    });
    writer.object(("guest", 1000), None, guest, []);
    writer.object(("clock", 1000), None, Kind::Service, []);
    let entries = (0..512).map(cap);
    writer.object(("pt", 1001), None, Kind::PageTable { level: 3 }, entries);
    writer.finish()
}

#[test]
fn reads_what_was_written() {
    let mut bytes = message(40);
    bytes.extend([0; 100]);
    let reader = Reader::new(&bytes).unwrap();
    assert_eq!((reader.file, reader.archive_key), ("a.cdl", [7; 32]));
    assert_eq!(reader.iter().count(), 43);
    for (ObjectId(id), object) in reader.iter().take(40) {
        assert_eq!((object.name, object.line), ("ut", 300 + u32::from(id)));
        assert_eq!(object.within, Some(ObjectId(0)));
        assert_eq!(object.caps.iter().collect::<Vec<_>>(), [cap(id)]);
        assert_eq!(object.caps.slot("memory").map(|cap| cap.badge()), Some(3));
        assert_eq!(object.caps.slot("other"), None);
    }
    let Some(Kind::WasmGuest(guest)) = reader.object(ObjectId(40)).map(|o| o.kind) else {
        panic!("no guest")
    };
    assert_eq!((guest.groups, guest.limits), (GROUPS, LIMITS));
    let service = reader.object(ObjectId(41)).map(|o| o.kind);
    assert!(matches!(service, Some(Kind::Service)));
    let table = reader.object(ObjectId(42)).unwrap();
    assert_eq!(table.caps.iter().count(), 512);
    assert!(reader.object(ObjectId(43)).is_none());
}

#[test]
fn refuses_every_truncation() {
    let bytes = message(3);
    for len in 0..bytes.len() {
        assert!(Reader::new(&bytes[..len]).is_err(), "{len} bytes");
    }
}

#[test]
fn refuses_another_version() {
    let mut bytes = message(1);
    bytes[4] = VERSION as u8 + 1;
    assert_eq!(
        Reader::new(&bytes).err(),
        Some(BlobError::OtherVersion(VERSION + 1))
    );
    bytes[0] = b'X';
    assert_eq!(Reader::new(&bytes).err(), Some(BlobError::NotASpec));
}
