// SPDX-License-Identifier: BSD-2-Clause
//! Little-endian numbers in bytes. Behind the end there are zeros, and what is put there is lost: lengths are checked
//! where a structure is found, not at every field.

pub fn get16(bytes: &[u8], at: usize) -> u16 {
    bytes.get(at..at + 2).map_or(0, |it| {
        u16::from_le_bytes(it.try_into().unwrap_or_default())
    })
}

pub fn get32(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).map_or(0, |it| {
        u32::from_le_bytes(it.try_into().unwrap_or_default())
    })
}

pub fn put16(bytes: &mut [u8], at: usize, value: u16) {
    if let Some(place) = bytes.get_mut(at..at + 2) {
        place.copy_from_slice(&value.to_le_bytes());
    }
}

pub fn put32(bytes: &mut [u8], at: usize, value: u32) {
    if let Some(place) = bytes.get_mut(at..at + 4) {
        place.copy_from_slice(&value.to_le_bytes());
    }
}
