// SPDX-License-Identifier: BSD-2-Clause
//! Lists that the server tells a page at a time.

use atoll_abi::Error;

/// Every entry of a list. `fetch` answers the entries behind the one with this key, none at the end;
/// after an error the list is over.
pub(crate) fn entries<K: Copy, T, P: IntoIterator<Item = T>>(
    first: K,
    key: impl Fn(&T) -> K,
    mut fetch: impl FnMut(K) -> Result<P, Error>,
) -> impl Iterator<Item = Result<T, Error>> {
    let mut after = first;
    let mut page: Option<P::IntoIter> = None;
    let mut over = false;
    core::iter::from_fn(move || {
        if over {
            return None;
        }
        let entry = match page.as_mut().and_then(Iterator::next) {
            Some(entry) => Ok(Some(entry)),
            None => fetch(after).map(|fetched| page.insert(fetched.into_iter()).next()),
        };
        match &entry {
            Ok(Some(entry)) => after = key(entry),
            Ok(None) | Err(_) => over = true,
        }
        entry.transpose()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    /// The numbers from 1 to `last`, three a page.
    fn numbers(last: u32, after: u32) -> Vec<u32> {
        (after + 1..=last).take(3).collect()
    }

    #[test]
    fn goes_through_all_pages() {
        for last in 0..10 {
            let all: Result<Vec<_>, _> =
                entries(0, |number| *number, |after| Ok(numbers(last, after))).collect();
            assert_eq!(all, Ok((1..=last).collect()));
        }
    }

    #[test]
    fn ends_with_an_error() {
        let fetch = |after| match after {
            0 => Ok(numbers(9, 0)),
            _ => Err(Error::NotGranted),
        };
        let found: Vec<_> = entries(0, |number| *number, fetch).collect();
        assert_eq!(found, [Ok(1), Ok(2), Ok(3), Err(Error::NotGranted)]);
    }
}
