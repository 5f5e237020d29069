// SPDX-License-Identifier: BSD-2-Clause
//! What clients may use, and who may change that.

use alloc::vec::Vec;

use atoll_abi::fs::{Answer, Error, MAX_RULES, Reply, Rule};
use userland::info;

use super::Door;

impl Door {
    fn check_admin(&self) -> Result<(), Error> {
        match self.rules.is_admin() {
            true => Ok(()),
            false => Err(Error::NotAdministrator),
        }
    }

    /// A page of the rules of all.
    pub(super) fn list_rules(&self, after: u16) -> Answer {
        self.check_admin()?;
        let doors = self.doors.0.borrow();
        let all = doors.iter().flat_map(|door| {
            let texts = door.rules.texts().enumerate();
            texts.map(|(n, (text, is_withdrawn))| Rule {
                client: cut(&door.config.name),
                number: u16::try_from(n + 1).unwrap_or(u16::MAX),
                text: cut(text),
                is_withdrawn,
            })
        });
        let page: Vec<Rule> = all.skip(after.into()).take(MAX_RULES as usize).collect();
        Ok(Reply::Rules(page))
    }

    /// Withdraws a rule, or restores it: what the client does next meets that.
    pub(super) fn withdraw(&self, client: &str, rule: u16, is_withdrawn: bool) -> Answer {
        self.check_admin()?;
        let doors = self.doors.0.borrow();
        let door = doors.iter().find(|door| door.config.name == client);
        let door = door.ok_or(Error::NoRule)?;
        if !door.rules.withdraw(rule, is_withdrawn) {
            return Err(Error::NoRule);
        }
        let what = match is_withdrawn {
            true => "withdrawn",
            false => "restored",
        };
        info!("rule {rule} of {client} is {what} by {}", self.config.name);
        Ok(Reply::Done)
    }
}

/// As much of a text as there is room for.
fn cut<const N: usize>(text: &str) -> heapless::String<N> {
    let mut kept = heapless::String::new();
    for char in text.chars() {
        if kept.push(char).is_err() {
            break;
        }
    }
    kept
}
