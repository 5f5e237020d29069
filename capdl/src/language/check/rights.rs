// SPDX-License-Identifier: BSD-2-Clause
//! The rights of capabilities.

use super::Checker;
use crate::blob::Rights;
use crate::language::ast::{CapEntry, Param, ParamKind};
use crate::language::diagnostic::Diagnostic;
use crate::language::model::Kind;
use crate::language::span::Span;

impl Checker<'_> {
    /// The rights of a capability, compared with what its object can do.
    pub(super) fn rights(&mut self, target: usize, entry: &CapEntry) -> Rights {
        let mut rights = Rights::default();
        let mut given: Option<Span> = None;
        let complaints = self.diagnostics.len();
        for param in &entry.params {
            match rights_of(param) {
                Some(more) => {
                    rights.read |= more.read;
                    rights.write |= more.write;
                    rights.grant |= more.grant;
                    rights.grant_reply |= more.grant_reply;
                    given = Some(given.map_or(param.span, |span| span.to(param.span)));
                }
                None => self.cap_param(target, param),
            }
        }

        let kind = &self.objects[target].kind;
        let what = kind.describe();
        let name = &entry.target.name.value;
        let span = given.unwrap_or(entry.target.span);
        let wrong = match (kind, given) {
            (Kind::Frame { .. } | Kind::Channel { .. }, None) => Some((
                format!("this capability to {what} allows nothing"),
                format!("add rights: `{name} (R)` or `{name} (RW)`"),
            )),
            (Kind::Service, None) => Some((
                format!("this capability to {what} allows nothing"),
                format!("add rights: `{name} (R)` to look it up, `{name} (W)` to provide it"),
            )),
            (Kind::VirtioDevice(_), None) => Some((
                format!("this capability to {what} allows nothing"),
                format!("add rights: `{name} (RW)` to drive it, `{name} (R)` to look at it"),
            )),
            (Kind::VirtioDevice(_), _) if rights.grant || rights.grant_reply => Some((
                "on a virtio device there are only the rights R and W".into(),
                "R looks at it, RW drives it; it cannot be shared".into(),
            )),
            (Kind::VirtioDevice(_), _) if !rights.read => Some((
                "a virtio device cannot be driven without being looked at".into(),
                "write `(RW)`".into(),
            )),
            (Kind::Frame { .. }, _) if rights.grant || rights.grant_reply => Some((
                "on a frame there are only the rights R and W".into(),
                "write `(R)` or `(RW)`".into(),
            )),
            (Kind::Frame { .. }, _) if !rights.read => Some((
                "a frame cannot be written without being read".into(),
                "write `(RW)`".into(),
            )),
            (Kind::Channel { .. }, _) if rights.grant_reply => Some((
                "on a channel there are only the rights R, W and G".into(),
                "R reads, W writes, G shares it with others".into(),
            )),
            (Kind::Service, _) if rights.grant_reply => Some((
                "on a service there are only the rights R, W and G".into(),
                "R looks it up, W provides it, G shares it with others".into(),
            )),
            (Kind::Channel { .. } | Kind::Service, _) if !rights.read && !rights.write => Some((
                format!("the right to share {what} needs one to share"),
                "add R or W".into(),
            )),
            (Kind::Untyped { .. } | Kind::Irq { .. }, Some(_)) => Some((
                format!("there are no rights on {what}"),
                format!("write `{name}` alone"),
            )),
            _ => None,
        };
        // Rights that were written wrongly are not missing as well.
        if let Some((message, help)) = wrong
            && self.diagnostics.len() == complaints
        {
            self.push(Diagnostic::new(span, message, help));
        }
        rights
    }

    /// A parameter that is not rights.
    fn cap_param(&mut self, target: usize, param: &Param) {
        const NAMED: [&str; 8] = [
            "masked",
            "guard",
            "guard_size",
            "asid",
            "core",
            "mapping",
            "target",
            "irq",
        ];
        const FLAGS: [&str; 4] = ["cached", "uncached", "reply", "master_reply"];
        let name = match &param.kind {
            ParamKind::Named(name, _) => &*name.value,
            ParamKind::Flag(name) => name,
            ParamKind::Bits(_) | ParamKind::Quantity(_) | ParamKind::Pci(_) => "",
        };
        let letters = "the rights are R (read), W (write) and G (grant), as in `(RW)`";
        let (message, help) = if name == "badge" {
            let what = self.objects[target].kind.describe();
            let message = format!("a capability to {what} has no badge");
            (message, "leave the badge out")
        } else if NAMED.contains(&name) || FLAGS.contains(&name) {
            (format!("`{name}` is not supported yet"), letters)
        } else {
            ("this is no parameter of a capability".into(), letters)
        };
        self.push(Diagnostic::new(param.span, message, help));
    }
}

/// The rights that a parameter stands for, if it is letters for rights.
fn rights_of(param: &Param) -> Option<Rights> {
    let ParamKind::Flag(letters) = &param.kind else {
        return None;
    };
    let mut rights = Rights::default();
    for letter in letters.chars() {
        match letter {
            'R' => rights.read = true,
            'W' => rights.write = true,
            'G' | 'X' => rights.grant = true,
            'P' => rights.grant_reply = true,
            _ => return None,
        }
    }
    Some(rights)
}
