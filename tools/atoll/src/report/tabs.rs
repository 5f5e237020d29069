// SPDX-License-Identifier: BSD-2-Clause
//! Who controls a guest: on the border of its box. An edge for each would hide all others, as a supervisor holds every guest.

use super::content;
use super::graph::Node;
use super::model::Facts;
use super::scene::{Rect, Shape, Tab};

/// Height of a tab on the border of a box, the size of its text, and the room at its ends.
const TAB: f64 = 14.0;
/// See [`TAB`].
pub const TAB_SIZE: f64 = 10.0;
/// See [`TAB`].
const TAB_INSET: f64 = 7.0;
/// The longest name in a tab, in the width of letters.
const TAB_NAME: f64 = 8.0;
/// Most tabs on a box that name somebody.
const MAX_TABS: usize = 2;
/// The tabs of all boxes, each from the right to the left, as many as go in.
pub fn tabs(facts: &Facts, shapes: &[Shape]) -> Vec<Tab> {
    let mut tabs = Vec::new();
    for shape in shapes {
        let Node::Guest(guest) = shape.node else {
            continue;
        };
        let guest = &facts.guests[guest];
        let mut right = shape.rect.right() - TAB_INSET;
        let least = shape.rect.x + TAB_INSET;
        let mut add = |who: &str, rights: &str, title: String| {
            let w = content::width(&format!("{who} {rights}"), TAB_SIZE) + 2.0 * TAB_INSET;
            if right - w < least {
                return false;
            }
            tabs.push(Tab {
                rect: Rect {
                    x: right - w,
                    y: shape.rect.y - TAB / 2.0,
                    w,
                    h: TAB,
                },
                who: who.into(),
                rights: rights.into(),
                title,
            });
            right -= w + 4.0;
            true
        };
        let holders = &guest.controlled_by;
        for (at, holder) in holders.iter().enumerate() {
            let title = format!(
                "{}.{}: {} ({})",
                holder.holder, holder.slot, guest.name, holder.rights
            );
            let room = TAB_SIZE * TAB_NAME;
            let who = content::cut(&holder.holder, TAB_SIZE, room);
            let others: Vec<_> = holders[at..].iter().map(|one| &*one.holder).collect();
            let is_shown = at < MAX_TABS && add(&who, &holder.rights, title);
            if !is_shown {
                let title = format!("{} hold {}, too", others.join(", "), guest.name);
                add(&format!("+{}", others.len()), "", title);
                break;
            }
        }
    }
    tabs
}
