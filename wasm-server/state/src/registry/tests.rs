// SPDX-License-Identifier: BSD-2-Clause
//! What a registry promises, one caller at a time.

use std::{collections::BTreeMap, vec::Vec};

use proptest::{collection::vec, prelude::*, sample::Index};

use super::*;

type TestRegistry = Registry<u8, usize>;

fn holder_of(victim: &Victim<u8, usize>) -> Option<usize> {
    match victim.holder {
        Holder::Holds(holder) => Some(holder),
        _ => None,
    }
}

#[test]
fn rights_only_shrink() {
    let mut registry = TestRegistry::new();
    let root = registry.root(9, Rights::READ_WRITE, 0).unwrap();
    let read = registry.derive(&root, Rights::READ, 1).unwrap();
    let denied = registry.derive(&read, Rights::WRITE, 2);
    assert_eq!(denied.map(drop), Err(Error::Denied));
    assert_eq!((read.resource, read.number), (9, root.number));
    assert_ne!(
        registry.root(9, Rights::ALL, 3).unwrap().number,
        root.number
    );
    assert!(read.allowing(Rights::READ).is_ok());
    assert_eq!(read.allowing(Rights::ALL).map(drop), Err(Error::Denied));
}

#[test]
fn a_token_is_good_for_as_often_as_it_says() {
    let mut registry = TestRegistry::new();
    let root = registry.root(0, Rights::ALL, 0).unwrap();
    let shared = Shared::new([3; SECRET_BYTES], 2, Pid(5), false);
    let (token, _) = registry.share(&root, Rights::READ, shared).unwrap();
    let (first, spent) = registry.redeem(&token, 1).unwrap();
    assert_eq!((first.rights, spent), (Rights::READ, None));
    let (_, spent) = registry.redeem(&token, 2).unwrap();
    assert_eq!(spent, Some(Pid(5)));
    assert_eq!(registry.redeem(&token, 3).map(drop), Err(Error::BadToken));
    // The spent token goes with the last that was taken up with it.
    registry.cut(&root, false, Event::Expired);
    let told: Vec<_> = core::iter::from_fn(|| registry.next_victim(&root))
        .filter_map(|victim| holder_of(&victim))
        .collect();
    assert_eq!((told.len(), registry.len()), (2, 1));
    assert_eq!(first.lost(), Some(Event::Expired));
}

#[test]
fn no_bit_of_a_token_can_be_changed() {
    let mut registry = TestRegistry::new();
    let root = registry.root(0, Rights::ALL, 0).unwrap();
    let shared = Shared::new([0x5a; SECRET_BYTES], 1, Pid(5), false);
    let (token, grant) = registry.share(&root, Rights::READ, shared).unwrap();
    for bit in 0..128 {
        let mut other = token.clone();
        other.bytes[bit / 8] ^= 1 << (bit % 8);
        assert!(registry.shared(&other).is_err(), "bit {bit}");
    }
    assert!(registry.shared(&token).is_ok());
    registry.spend(&grant);
    assert!(registry.shared(&token).is_err());
    assert_eq!(registry.len(), 1);
}

#[derive(Clone, Debug)]
enum Step {
    Root,
    Derive { from: Index },
    Share { from: Index, uses: u32 },
    Redeem { token: Index },
    Spend { token: Index },
    Cut { top: Index, itself: bool },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        1 => Just(Step::Root),
        6 => any::<Index>().prop_map(|from| Step::Derive { from }),
        3 => (any::<Index>(), 1..3_u32).prop_map(|(from, uses)| Step::Share { from, uses }),
        4 => any::<Index>().prop_map(|token| Step::Redeem { token }),
        1 => any::<Index>().prop_map(|token| Step::Spend { token }),
        2 => (any::<Index>(), any::<bool>()).prop_map(|(top, itself)| Step::Cut { top, itself }),
    ]
}

/// A grant of the model: its parent, and what it is.
struct Known {
    grant: Arc<Grant<u8>>,
    parent: Option<usize>,
    /// None: it is held.
    uses: Option<u32>,
    is_live: bool,
}

/// One that is held: nobody derives from a token but by taking it up.
fn holder_at(all: &[Known], index: Index) -> usize {
    let at = index.index(all.len());
    (0..=at).rev().find(|at| all[*at].uses.is_none()).unwrap()
}

proptest! {
    /// Whoever is below what is cut is told once, and nobody else.
    #[test]
    fn a_registry_is_a_forest(steps in vec(step(), 0..200)) {
        let mut registry = TestRegistry::new();
        let mut all: Vec<Known> = Vec::new();
        let mut tokens: Vec<(Token, usize)> = Vec::new();
        for step in steps {
            let n = all.len();
            match step {
                Step::Root => {
                    let grant = registry.root(0, Rights::ALL, n).unwrap();
                    all.push(Known { grant, parent: None, uses: None, is_live: true });
                }
                Step::Derive { from } if n > 0 => {
                    let from = holder_at(&all, from);
                    let made = registry.derive(&all[from].grant, Rights::ALL, n);
                    prop_assert_eq!(made.is_ok(), all[from].is_live);
                    if let Ok(grant) = made {
                        all.push(Known { grant, parent: Some(from), uses: None, is_live: true });
                    }
                }
                Step::Share { from, uses } if n > 0 => {
                    let from = holder_at(&all, from);
                    let secret = [n as u8; SECRET_BYTES];
                    let shared = Shared::new(secret, uses, Pid(1), false);
                    let made = registry.share(&all[from].grant, Rights::ALL, shared);
                    prop_assert_eq!(made.is_ok(), all[from].is_live);
                    if let Ok((token, grant)) = made {
                        tokens.push((token, n));
                        all.push(Known { grant, parent: Some(from), uses: Some(uses), is_live: true });
                    }
                }
                Step::Redeem { token } if !tokens.is_empty() => {
                    let (token, at) = &tokens[token.index(tokens.len())];
                    let left = all[*at].uses.unwrap();
                    let made = registry.redeem(token, n);
                    prop_assert_eq!(made.is_ok(), all[*at].is_live && left > 0);
                    if let Ok((grant, spent)) = made {
                        prop_assert_eq!(spent.is_some(), left == 1);
                        all[*at].uses = Some(left - 1);
                        all.push(Known { grant, parent: Some(*at), uses: None, is_live: true });
                    }
                }
                Step::Spend { token } if !tokens.is_empty() => {
                    let at = tokens[token.index(tokens.len())].1;
                    if all[at].is_live && all[at].uses != Some(0) {
                        registry.spend(&all[at].grant);
                        all[at].uses = Some(0);
                    }
                }
                Step::Cut { top, itself } if n > 0 => {
                    let top = top.index(n);
                    let mut told = BTreeMap::new();
                    for at in 0..n {
                        let mut up = Some(at);
                        while up.is_some_and(|up| up != top) {
                            up = up.and_then(|up| all[up].parent);
                        }
                        if up.is_some() && (at != top || itself) && all[at].is_live {
                            all[at].is_live = false;
                            if all[at].uses.is_none() {
                                told.insert(at, ());
                            }
                        }
                    }
                    registry.cut(&all[top].grant, itself, Event::Revoked);
                    while let Some(victim) = registry.next_victim(&all[top].grant) {
                        if let Some(holder) = holder_of(&victim) {
                            prop_assert!(told.remove(&holder).is_some());
                        }
                    }
                    prop_assert!(told.is_empty());
                }
                _ => {}
            }
            // A spent token without anything below it may be gone, and is of no use in any case.
            for known in all.iter().filter(|known| known.uses.is_none()) {
                prop_assert_eq!(known.grant.lost().is_none(), known.is_live);
            }
            let live = all.iter().filter(|known| known.is_live && known.uses != Some(0)).count();
            let spent = all.iter().filter(|known| known.is_live && known.uses == Some(0)).count();
            prop_assert!((live..=live + spent).contains(&registry.len()));
        }
    }
}
