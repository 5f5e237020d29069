// SPDX-License-Identifier: BSD-2-Clause
//! Ports that nobody asked for by number.

/// The first one of those that are for this (RFC 6335, 6).
const FIRST: u16 = 49152;
const COUNT: u16 = u16::MAX - FIRST + 1;

/// Goes through them from an unpredictable one on (RFC 6056, 3.3.3).
#[derive(Debug)]
pub struct Ports {
    next: u16,
}

impl Ports {
    pub const fn new(seed: u64) -> Self {
        Self {
            next: (seed % COUNT as u64) as u16,
        }
    }

    /// The next one that is not used, if there is one.
    pub fn pick(&mut self, is_used: impl Fn(u16) -> bool) -> Option<u16> {
        for _ in 0..COUNT {
            let port = FIRST + self.next;
            self.next = (self.next + 1) % COUNT;
            if !is_used(port) {
                return Some(port);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_once_and_then_none() {
        let mut ports = Ports::new(u64::MAX);
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..COUNT {
            let port = ports.pick(|port| seen.contains(&port)).unwrap();
            assert!(port >= FIRST && seen.insert(port));
        }
        assert_eq!(ports.pick(|port| seen.contains(&port)), None);
    }
}
