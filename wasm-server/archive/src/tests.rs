// SPDX-License-Identifier: BSD-2-Clause
extern crate std;

use std::vec;
use std::vec::Vec;

use ed25519_dalek::{Signer, SigningKey};

use super::*;

const SECRET: [u8; 32] = [7; 32];

fn key() -> SigningKey {
    SigningKey::from_bytes(&SECRET)
}

fn public() -> [u8; 32] {
    key().verifying_key().to_bytes()
}

fn write(modules: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut writer = Writer::new();
    for (name, artifact) in modules {
        writer.add(name, artifact.clone()).unwrap();
    }
    writer.finish(&key()).unwrap()
}

fn sample() -> Vec<u8> {
    write(&[("pong", vec![2; PAGE]), ("ping", vec![1; 300])])
}

/// Everything a reader can ask for.
fn read_all(bytes: &[u8]) -> Result<(), ArchiveError> {
    let archive = Archive::open(bytes, &public())?;
    for name in ["ping", "pong"] {
        archive.module(name)?;
    }
    Ok(())
}

/// Re-signs an archive whose header or table a test has changed.
fn resign(bytes: &mut [u8]) {
    let table_len = u32::from_le_bytes(bytes[12..16].try_into().unwrap()) as usize;
    let signed = HEADER_BYTES + table_len;
    let signature = key().sign(&bytes[..signed]).to_bytes();
    bytes[signed..signed + SIGNATURE_BYTES].copy_from_slice(&signature);
}

#[test]
fn what_was_written_is_read() {
    let bytes = sample();
    let archive = Archive::open(&bytes, &public()).unwrap();
    let entries: Vec<_> = archive
        .entries()
        .map(|e| (e.name, e.offset, e.len))
        .collect();
    assert_eq!(entries, [("ping", 4096, 300), ("pong", 8192, 4096)]);
    let ping = archive.module("ping").unwrap();
    assert_eq!(
        (ping.name(), ping.bytes(), ping.offset()),
        ("ping", &[1; 300][..], 4096)
    );
    assert_eq!(archive.module("pong").unwrap().bytes(), [2; 4096]);
    assert_eq!(
        archive.module("pin").unwrap_err(),
        ArchiveError::NoSuchModule
    );
}

#[test]
fn the_only_module_is_found_without_its_name() {
    let mut writer = Writer::new();
    writer.add_version("ping", "2.1", vec![1; 300]).unwrap();
    let bytes = writer.finish(&key()).unwrap();
    let archive = Archive::open(&bytes, &public()).unwrap();
    let ping = archive.only().unwrap();
    assert_eq!((ping.name(), ping.version()), ("ping", "2.1"));
    assert_eq!(ping.bytes(), [1; 300]);

    for (bytes, count) in [(sample(), 2), (write(&[]), 0)] {
        let archive = Archive::open(&bytes, &public()).unwrap();
        assert_eq!(archive.only().unwrap_err(), ArchiveError::NotOne(count));
    }
}

#[test]
fn order_of_adding_does_not_matter() {
    let other = write(&[("ping", vec![1; 300]), ("pong", vec![2; PAGE])]);
    assert_eq!(sample(), other);
}

#[test]
fn an_empty_archive_and_a_table_of_many_pages_can_be_read() {
    assert_eq!(
        Archive::open(&write(&[]), &public())
            .unwrap()
            .entries()
            .count(),
        0
    );
    let names: Vec<_> = (0..200).map(|i| std::format!("module-{i}")).collect();
    let modules: Vec<_> = names
        .iter()
        .map(|name| (name.as_str(), name.clone().into_bytes()))
        .collect();
    let bytes = write(&modules);
    let archive = Archive::open(&bytes, &public()).unwrap();
    for name in &names {
        assert_eq!(archive.module(name).unwrap().bytes(), name.as_bytes());
    }
}

#[test]
fn every_flipped_bit_is_refused() {
    let mut bytes = sample();
    assert_eq!(read_all(&bytes), Ok(()));
    let table_len = u32::from_le_bytes(bytes[12..16].try_into().unwrap()) as usize;
    let signed = HEADER_BYTES + table_len + SIGNATURE_BYTES;
    // Every bit up to the end of the signature; behind it a bit here and there, for speed.
    let places = (0..signed * 8).chain((signed * 8..bytes.len() * 8).step_by(487));
    for place in places {
        let (at, bit) = (place / 8, place % 8);
        bytes[at] ^= 1 << bit;
        let error = read_all(&bytes).expect_err("a flipped bit");
        let expected = match at {
            0..8 => error == ArchiveError::NotAnArchive,
            8..12 => matches!(error, ArchiveError::OtherVersion(_)),
            12..16 => matches!(error, ArchiveError::BadSignature | ArchiveError::Truncated),
            16..24 => matches!(error, ArchiveError::Truncated | ArchiveError::TrailingBytes),
            24..56 => error == ArchiveError::OtherKey,
            at if at < signed => error == ArchiveError::BadSignature,
            56..4096 => error == ArchiveError::BadPadding,
            _ => error == ArchiveError::BadHash,
        };
        assert!(expected, "byte {at} bit {bit}: {error:?}");
        bytes[at] ^= 1 << bit;
    }
}

#[test]
fn every_truncation_is_refused() {
    let bytes = sample();
    for len in 0..bytes.len() {
        assert_eq!(
            read_all(&bytes[..len]),
            Err(ArchiveError::Truncated),
            "cut to {len}"
        );
    }
}

#[test]
fn bytes_behind_the_end_are_refused() {
    let mut bytes = sample();
    bytes.push(0);
    assert_eq!(read_all(&bytes), Err(ArchiveError::TrailingBytes));
}

#[test]
fn another_key_is_refused() {
    let other = SigningKey::from_bytes(&[8; 32]);
    let error = Archive::open(&sample(), other.verifying_key().as_bytes()).unwrap_err();
    assert_eq!(error, ArchiveError::OtherKey);

    // Someone else's archive that claims to be signed with our key.
    let mut bytes = sample();
    let table_len = u32::from_le_bytes(bytes[12..16].try_into().unwrap()) as usize;
    let signed = HEADER_BYTES + table_len;
    let forged = other.sign(&bytes[..signed]).to_bytes();
    bytes[signed..signed + SIGNATURE_BYTES].copy_from_slice(&forged);
    assert_eq!(read_all(&bytes), Err(ArchiveError::BadSignature));
}

#[test]
fn a_key_that_is_no_point_is_refused() {
    let no_point = (0..=255u8)
        .map(|first| {
            let mut key = [0x5a; 32];
            key[0] = first;
            key
        })
        .find(|key| VerifyingKey::from_bytes(key).is_err())
        .unwrap();
    let mut bytes = sample();
    bytes[24..56].copy_from_slice(&no_point);
    assert_eq!(
        Archive::open(&bytes, &no_point).unwrap_err(),
        ArchiveError::BadKey
    );
}

#[test]
fn another_version_or_kind_of_file_is_named() {
    let mut bytes = sample();
    bytes[8] = 9;
    assert_eq!(read_all(&bytes), Err(ArchiveError::OtherVersion(9)));
    bytes[0] = 0x7f;
    assert_eq!(read_all(&bytes), Err(ArchiveError::NotAnArchive));
}

#[test]
fn signed_nonsense_is_refused() {
    // Every byte of the table in turn, under a good signature: an error or the same answers.
    let good = sample();
    let table_len = u32::from_le_bytes(good[12..16].try_into().unwrap()) as usize;
    for at in HEADER_BYTES..HEADER_BYTES + table_len {
        for value in [0, 1, 0x7f, 0x80, 0xff] {
            let mut bytes = good.clone();
            bytes[at] = value;
            resign(&mut bytes);
            if let Ok(archive) = Archive::open(&bytes, &public()) {
                for entry in archive.entries() {
                    if let Ok(module) = archive.module(entry.name) {
                        assert_eq!(module.bytes().len() as u64, entry.len);
                    }
                }
            }
        }
    }

    let mut bytes = good.clone();
    bytes[HEADER_BYTES] = 1;
    resign(&mut bytes);
    assert_eq!(
        read_all(&bytes),
        Err(ArchiveError::BadTable),
        "bytes behind the last entry"
    );

    let mut bytes = good;
    bytes[HEADER_BYTES + 2..HEADER_BYTES + 6].copy_from_slice(b"zing");
    resign(&mut bytes);
    assert_eq!(
        read_all(&bytes),
        Err(ArchiveError::BadTable),
        "names out of order"
    );
}

#[test]
fn names_are_needed_and_unique() {
    let mut writer = Writer::new();
    writer.add("a", vec![]).unwrap();
    assert_eq!(
        writer.add("a", vec![]),
        Err(WriteError::Duplicate("a".into()))
    );
    assert_eq!(writer.add("", vec![]), Err(WriteError::NoName));
}
