// SPDX-License-Identifier: BSD-2-Clause
//! Objects that the spec declares inside an untyped: in which order they are made of it, and whether they fit.
//!
//! The kernel makes objects of an untyped from its start to its end, each aligned to its size.

use capdl::blob::ObjectId;

use crate::problem::Problem;
use crate::untyped::MIN_BITS;

/// An object that is to be made of an untyped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// The object.
    pub id: ObjectId,
    /// log2 of its bytes.
    pub bits: u8,
}

/// The untyped that objects are made of.
#[derive(Clone, Copy, Debug)]
pub struct Whole {
    /// Its name.
    pub name: &'static str,
    /// log2 of its bytes.
    pub bits: u8,
}

impl Whole {
    /// Puts parts into the order in which they are made, the largest first so that nothing is lost to alignment,
    /// and checks that there is room for all.
    ///
    /// # Errors
    /// The first object that has no place, and [`Problem::Full`].
    pub fn order(self, parts: &mut [Part]) -> Result<(), (ObjectId, Problem)> {
        parts.sort_unstable_by_key(|part| (core::cmp::Reverse(part.bits), part.id));
        let mut room = 1u64 << self.bits;
        for part in parts {
            let bits = part.bits.max(MIN_BITS);
            room = room.checked_sub(1 << bits).ok_or((
                part.id,
                Problem::Full {
                    untyped: self.name,
                    bits,
                    room,
                },
            ))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    /// The order, or what is wrong with which object, in an untyped of 64 KiB.
    fn order(bits: &[u8]) -> Result<Vec<u16>, (u16, Problem)> {
        let mut parts: Vec<_> = (0..)
            .zip(bits)
            .map(|(id, &bits)| Part {
                id: ObjectId(id),
                bits,
            })
            .collect();
        let whole = Whole {
            name: "ut",
            bits: 16,
        };
        whole
            .order(&mut parts)
            .map_err(|(id, problem)| (id.0, problem))?;
        Ok(parts.iter().map(|part| part.id.0).collect())
    }

    const fn full(bits: u8, room: u64) -> Problem {
        Problem::Full {
            untyped: "ut",
            bits,
            room,
        }
    }

    #[test]
    fn the_largest_is_made_first() {
        assert_eq!(order(&[4, 12, 15, 12]), Ok(vec![2, 1, 3, 0]));
    }

    #[test]
    fn a_full_untyped_is_an_error_with_the_object() {
        assert_eq!(order(&[15, 14, 14]), Ok(vec![0, 1, 2]));
        assert_eq!(order(&[15, 0, 14, 14]), Err((1, full(4, 0))));
        assert_eq!(order(&[15, 14, 13, 14]), Err((2, full(13, 0))));
        assert_eq!(order(&[4, 17]), Err((1, full(17, 1 << 16))));
    }
}
