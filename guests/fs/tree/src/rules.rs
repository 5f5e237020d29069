// SPDX-License-Identifier: BSD-2-Clause
//! What a client may at present: what the arguments say, less what was withdrawn.

use alloc::{borrow::ToOwned as _, string::String, string::ToString as _, vec::Vec};
use core::cell::Cell;

use crate::config::Client;

/// The rules of a client: one for each directory that it begins with, and the last one for an administrator.
#[derive(Debug)]
pub struct Rules {
    rules: Vec<Rule>,
    roots: usize,
}

#[derive(Debug)]
struct Rule {
    text: String,
    is_withdrawn: Cell<bool>,
}

impl Rules {
    /// What the arguments say.
    pub fn new(client: &Client) -> Self {
        let roots = client.roots.iter().map(|root| root.to_string());
        let admin = client.is_admin.then(|| "admin".to_owned());
        let rule = |text| Rule {
            text,
            is_withdrawn: Cell::new(false),
        };
        Self {
            rules: roots.chain(admin).map(rule).collect(),
            roots: client.roots.len(),
        }
    }

    /// Whether the client may see and withdraw the rules of all.
    pub fn is_admin(&self) -> bool {
        let admin = self.rules.get(self.roots);
        admin.is_some_and(|rule| !rule.is_withdrawn.get())
    }

    /// Whether the client may use a directory that it begins with.
    pub(crate) fn allow(&self, root: u32) -> bool {
        let rule = self.rules.get(root as usize);
        rule.is_some_and(|rule| !rule.is_withdrawn.get())
    }

    /// What they say, each with whether it was withdrawn.
    pub fn texts(&self) -> impl Iterator<Item = (&str, bool)> {
        let rules = self.rules.iter();
        rules.map(|rule| (rule.text.as_str(), rule.is_withdrawn.get()))
    }

    /// Withdraws a rule by its number, from 1, or restores it; answers whether there is one.
    pub fn withdraw(&self, number: u16, is_withdrawn: bool) -> bool {
        let place = usize::from(number).checked_sub(1);
        match place.and_then(|place| self.rules.get(place)) {
            Some(rule) => {
                rule.is_withdrawn.set(is_withdrawn);
                true
            }
            None => false,
        }
    }
}
