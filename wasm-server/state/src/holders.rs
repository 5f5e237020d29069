// SPDX-License-Identifier: BSD-2-Clause
//! Who holds a thing, so that those who are left learn of the last handle of one who is not.

use atoll_abi::{Error, Pid};
use smallvec::SmallVec;

/// Processes with their handles for one thing, counted.
#[derive(Debug, Default)]
pub struct Holders {
    /// In the order of the ids.
    counts: SmallVec<[(Pid, u32); 4]>,
}

impl Holders {
    fn find(&self, pid: Pid) -> Result<usize, usize> {
        self.counts.binary_search_by_key(&pid, |(pid, _)| *pid)
    }

    /// Counts one handle more of a process.
    ///
    /// # Errors
    /// `TooMany` if the server has no memory.
    pub fn add(&mut self, pid: Pid) -> Result<(), Error> {
        match self.find(pid) {
            Ok(place) => {
                if let Some((_, count)) = self.counts.get_mut(place) {
                    *count += 1;
                }
            }
            Err(place) => {
                self.counts.try_reserve(1).map_err(|_| Error::TooMany)?;
                self.counts.insert(place, (pid, 1));
            }
        }
        Ok(())
    }

    /// Counts one less. Answers whether it was the process's last.
    pub fn remove(&mut self, pid: Pid) -> bool {
        let Ok(place) = self.find(pid) else {
            return false;
        };
        match self.counts.get_mut(place) {
            Some((_, count)) if *count > 1 => {
                *count -= 1;
                false
            }
            _ => {
                self.counts.remove(place);
                true
            }
        }
    }

    /// Whether a process has one.
    pub fn contains(&self, pid: Pid) -> bool {
        self.find(pid).is_ok()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::vec::Vec;

    use proptest::{collection::vec, prelude::*};

    use super::*;

    #[test]
    fn who_never_had_one_loses_none() {
        let mut holders = Holders::default();
        holders.add(Pid(2)).unwrap();
        assert!(!holders.remove(Pid(1)));
        assert!(!holders.contains(Pid(1)) && holders.contains(Pid(2)));
        assert!(holders.remove(Pid(2)));
        assert!(!holders.remove(Pid(2)));
    }

    proptest! {
        #[test]
        fn the_last_handle_is_told_from_the_others(
            steps in vec((any::<bool>(), (1..8u32).prop_map(Pid)), 0..80),
        ) {
            let mut holders = Holders::default();
            let mut handles = Vec::new();
            for (adds, pid) in steps {
                if adds {
                    holders.add(pid).unwrap();
                    handles.push(pid);
                } else {
                    let place = handles.iter().position(|other| *other == pid);
                    place.map(|place| handles.swap_remove(place));
                    let was_last = place.is_some() && !handles.contains(&pid);
                    prop_assert_eq!(holders.remove(pid), was_last);
                }
                for pid in (0..9).map(Pid) {
                    prop_assert_eq!(holders.contains(pid), handles.contains(&pid));
                }
            }
        }
    }
}
