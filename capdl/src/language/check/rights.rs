// SPDX-License-Identifier: BSD-2-Clause
//! The rights and the other parameters of capabilities.

use super::Checker;
use super::params::ONE_OF_THEM;
use crate::blob::{CapData, Rights};
use crate::language::ast::{CapEntry, NameRef, Param, ParamKind, Quantity, Value, ValueKind};
use crate::language::diagnostic::{Diagnostic, nearest};
use crate::language::model::{Cap, Kind};
use crate::language::span::{Span, Spanned};

const LETTERS: &str = "the rights are R (read), W (write), G (grant, or X: execute) and P (grant reply), as in `(RW)`";

/// What is wrong, and what to do about it.
type Wrong = (String, String);

/// The parameters of a capability.
#[derive(Default)]
struct Given {
    rights: Rights,
    /// Where the rights are, if there are any.
    at: Option<Span>,
    /// `masked: R`
    mask: Option<Spanned<Rights>>,
    badge: Option<Spanned<u64>>,
    guard: Option<Spanned<u64>>,
    guard_size: Option<Spanned<u64>>,
    /// `uncached` or `cached`
    uncached: Option<Spanned<bool>>,
}

impl Checker<'_> {
    /// The rights of a capability, compared with what its object can do and, for a copy, with those of its source;
    /// and what else there is to it.
    pub(super) fn rights(
        &mut self,
        holder: usize,
        target: usize,
        entry: &CapEntry,
        source: Option<&Cap>,
    ) -> (Rights, CapData) {
        let complaints = self.diagnostics.len();
        let mut given = Given::default();
        for param in &entry.params {
            self.cap_param(target, param, &mut given);
        }
        let named = &entry.target.name.value;
        let (name, rights) = match source {
            None => {
                if let Some(mask) = &given.mask {
                    let message = "only a copy is masked";
                    let help = format!(
                        "write the rights alone: `{named} ({})`",
                        letters(mask.value)
                    );
                    let span = mask.span;
                    self.push(Diagnostic::new(span, message, help));
                }
                (named.clone(), given.rights)
            }
            Some(source) => {
                let rights = self.masked(source, &given, &entry.target);
                given.at = given.mask.as_ref().map(|mask| mask.span);
                (self.objects[target].name.clone(), rights)
            }
        };
        let data = self.data(holder, target, &given, source);
        let wrong = self.wrong_rights(holder, target, rights, &name);
        // Rights that were written wrongly are not missing as well.
        if let Some((message, help)) = wrong
            && self.diagnostics.len() == complaints
        {
            let span = given.at.unwrap_or(entry.target.span);
            self.push(Diagnostic::new(span, message, help));
        }
        (rights, data)
    }

    /// The rights of a copy.
    fn masked(&mut self, source: &Cap, given: &Given, name: &NameRef) -> Rights {
        if let Some(span) = given.at {
            let message = "the rights of a copy are those of its source, or fewer";
            let text = &name.name.value;
            let help = format!("write `<{text}> (masked: {})`", letters(given.rights));
            self.push(Diagnostic::new(span, message, help));
        }
        let Some(mask) = &given.mask else {
            return source.rights;
        };
        let (has, asks) = (source.rights, mask.value);
        let lacks = Rights {
            read: asks.read && !has.read,
            write: asks.write && !has.write,
            grant: asks.grant && !has.grant,
            grant_reply: asks.grant_reply && !has.grant_reply,
        };
        if lacks != Rights::default() {
            let message = format!("`{}` has not the right {}", name.name.value, letters(lacks));
            let help = match has == Rights::default() {
                true => "it has no rights at all: leave the mask out".into(),
                false => format!("its rights are {}", letters(has)),
            };
            let wrong = Diagnostic::new(mask.span, message, help);
            self.push(wrong.other(source.span, "the source"));
            return has;
        }
        asks
    }

    /// What a capability has besides rights.
    fn data(
        &mut self,
        holder: usize,
        target: usize,
        given: &Given,
        source: Option<&Cap>,
    ) -> CapData {
        let kind = &self.objects[target].kind;
        let what = kind.describe();
        let inherited = source.map_or(CapData::None, |source| source.data);
        if let Some(badge) = &given.badge {
            if !matches!(kind, Kind::Endpoint | Kind::Notification) {
                let message = format!("a capability to {what} has no badge");
                self.diagnostics
                    .push(Diagnostic::new(badge.span, message, "leave the badge out"));
            } else if let CapData::Badge(first) = inherited {
                let message = format!("the source of this copy has the badge {first} already");
                let help = "leave the badge out, or copy a capability without one";
                self.diagnostics
                    .push(Diagnostic::new(badge.span, message, help));
            } else if badge.value != 0 {
                return CapData::Badge(badge.value);
            }
        }
        if let Some(span) = [&given.guard, &given.guard_size]
            .into_iter()
            .flatten()
            .map(|it| it.span)
            .next()
        {
            if let Kind::CNode { bits } = *kind {
                return self.guard(bits, given, span);
            }
            let message = format!("a capability to {what} has no guard");
            self.diagnostics
                .push(Diagnostic::new(span, message, "leave the guard out"));
        }
        if let Some(uncached) = &given.uncached {
            let entry = matches!(self.objects[holder].kind, Kind::PageTable { .. });
            if !(entry && matches!(kind, Kind::Frame { .. })) {
                let message = "only a frame in a page table is cached or not";
                let help = "leave it out here: a frame's capability says it where it is mapped";
                self.diagnostics
                    .push(Diagnostic::new(uncached.span, message, help));
            } else if uncached.value {
                return CapData::Uncached;
            } else {
                return CapData::None;
            }
        }
        // A mapping of a mapped frame is one of its own.
        match (inherited, kind) {
            (CapData::Uncached, _)
                if !matches!(self.objects[holder].kind, Kind::PageTable { .. }) =>
            {
                CapData::None
            }
            (inherited, _) => inherited,
        }
    }

    fn guard(&mut self, slots: u8, given: &Given, span: Span) -> CapData {
        let bits = given.guard_size.as_ref().map_or(0, |bits| bits.value);
        let value = given.guard.as_ref().map_or(0, |guard| guard.value);
        // `seL4_CNode_CapData`: 6 bits for the size of the guard, 58 for the guard.
        let most = (64 - u64::from(slots)).min(63);
        if bits > most {
            let message = format!("a guard of {bits} bits is too long");
            let help = format!(
                "addresses have 64 bits, and the slots of this CNode take {slots}: write `guard_size: {most}` or less"
            );
            self.push(Diagnostic::new(span, message, help));
        } else if value >> 58 != 0 {
            let message = format!("guard {value:#x} has more than 58 bits");
            self.push(Diagnostic::new(span, message, "write a shorter one"));
        } else if value >> bits != 0 {
            let message = format!("guard {value:#x} has more than {bits} bits");
            let help = format!("write `guard_size: {}` or more", 64 - value.leading_zeros());
            self.push(Diagnostic::new(span, message, help));
        }
        CapData::Guard {
            bits: bits as u8,
            value,
        }
    }

    /// What is wrong with the rights.
    fn wrong_rights(
        &self,
        holder: usize,
        target: usize,
        rights: Rights,
        name: &str,
    ) -> Option<Wrong> {
        let given = rights != Rights::default();
        let holder = &self.objects[holder].kind;
        let kind = &self.objects[target].kind;
        let what = kind.describe();
        let wrong = |message: &str, help: &str| Some((message.to_owned(), help.to_owned()));
        let nothing =
            |help: String| Some((format!("this capability to {what} allows nothing"), help));
        let grants = rights.grant || rights.grant_reply;
        match kind {
            Kind::Frame { .. } => match holder {
                Kind::PageTable { .. } if rights.grant_reply => wrong(
                    "on a frame in a page table there are only the rights R, W and X",
                    "write `(R)`, `(RW)` or `(RX)`",
                ),
                Kind::PageTable { .. } if rights == Rights::default() => nothing(format!(
                    "add rights: `{name} (R)`, `{name} (RW)` or `{name} (RX)`"
                )),
                Kind::PageTable { .. } if rights.grant && !rights.read => wrong(
                    "a frame cannot be executed without being read",
                    "write `(RX)`",
                ),
                Kind::CNode { .. } if grants => wrong(
                    "on a frame there are only the rights R and W",
                    "write `(R)` or `(RW)`; X is for entries of page tables",
                ),
                Kind::Tcb(_) if !(rights.read && rights.write) || grants => wrong(
                    "an IPC buffer is read and written",
                    &format!("write `{name} (RW)`"),
                ),
                _ if !given => nothing(format!("add rights: `{name} (R)` or `{name} (RW)`")),
                Kind::PageTable { .. } if rights.read => None,
                _ if grants => wrong(
                    "on a frame there are only the rights R and W",
                    "write `(R)` or `(RW)`",
                ),
                _ if !rights.read => wrong(
                    "a frame cannot be written without being read",
                    "write `(RW)`",
                ),
                _ => None,
            },
            Kind::Endpoint => match holder {
                _ if rights.grant_reply && !rights.grant => wrong(
                    "on this kernel an endpoint has no right P of its own",
                    "write G, which a caller needs and which includes P",
                ),
                Kind::CNode { .. } => None,
                Kind::Tcb(_) if !(rights.write && rights.grant) => wrong(
                    "a fault is sent, and answered",
                    &format!("write `{name} (WG)`"),
                ),
                _ if !given => nothing(format!(
                    "add rights: `{name} (R)` to receive, `{name} (W)` to send, `{name} (WG)` to send capabilities and to call"
                )),
                _ if !rights.read && !rights.write => wrong(
                    "the right to grant on an endpoint needs one to send or to receive",
                    "add W or R",
                ),
                _ => None,
            },
            Kind::Notification => match holder {
                _ if grants => wrong(
                    "on a notification there are only the rights R and W",
                    "R waits for it, W signals it",
                ),
                Kind::CNode { .. } => None,
                Kind::Tcb(_) if !rights.read => wrong(
                    "a thread waits for its bound notification",
                    &format!("write `{name} (R)`"),
                ),
                Kind::Irq { .. } if !rights.write => wrong(
                    "an interrupt signals its notification",
                    &format!("write `{name} (W)`"),
                ),
                _ if !given => nothing(format!(
                    "add rights: `{name} (R)` to wait for it, `{name} (W)` to signal it"
                )),
                _ => None,
            },
            Kind::Channel { .. } => match holder {
                _ if !given => nothing(format!("add rights: `{name} (R)` or `{name} (RW)`")),
                Kind::Native(_) if grants => wrong(
                    "a native task cannot share a channel",
                    "write `(R)` or `(RW)`; G is for guests",
                ),
                Kind::Native(_) if !rights.read => wrong(
                    "a native task cannot write a channel without reading it",
                    "write `(RW)`: its frames are mapped",
                ),
                _ if rights.grant_reply => wrong(
                    "on a channel there are only the rights R, W and G",
                    "R reads, W writes, G shares it with others",
                ),
                _ if !rights.read && !rights.write => wrong(
                    "the right to share a channel needs one to share",
                    "add R or W",
                ),
                _ => None,
            },
            Kind::Service if !given => nothing(format!(
                "add rights: `{name} (R)` to look it up, `{name} (W)` to provide it"
            )),
            Kind::Service if rights.grant_reply => wrong(
                "on a service there are only the rights R, W and G",
                "R looks it up, W provides it, G shares it with others",
            ),
            Kind::Service if !rights.read && !rights.write => wrong(
                "the right to share a service needs one to share",
                "add R or W",
            ),
            Kind::VirtioDevice(_) if !given => nothing(format!(
                "add rights: `{name} (RW)` to drive it, `{name} (R)` to look at it"
            )),
            Kind::VirtioDevice(_) if grants => wrong(
                "on a virtio device there are only the rights R and W",
                "R looks at it, RW drives it; it cannot be shared",
            ),
            Kind::VirtioDevice(_) if !rights.read => wrong(
                "a virtio device cannot be driven without being looked at",
                "write `(RW)`",
            ),
            Kind::MmioDevice(_) if !given => nothing(format!("add rights: `{name} (RW)`")),
            Kind::MmioDevice(_) if grants || !rights.read || !rights.write => wrong(
                "on an MMIO device there are only the rights R and W, together",
                "write `(RW)`: such a device may change when a register is read; it cannot be shared",
            ),
            Kind::Guest(_) if !given => nothing(format!(
                "add rights: `{name} (R)` to see it, `{name} (RW)` to start and stop it, `{name} (RWG)` to give it things, too"
            )),
            Kind::Guest(_) if rights.grant_reply => wrong(
                "on a guest there are only the rights R, W and G",
                "R sees it, W starts and stops it, G gives to it and takes from it",
            ),
            Kind::Service
            | Kind::VirtioDevice(_)
            | Kind::MmioDevice(_)
            | Kind::Guest(_)
            | Kind::Broken => None,
            _ if given => Some((
                format!("there are no rights on {what}"),
                format!("write `{name}` alone"),
            )),
            _ => None,
        }
    }

    /// Takes in a parameter.
    fn cap_param(&mut self, target: usize, param: &Param, given: &mut Given) {
        if let ParamKind::Flag(word) = &param.kind
            && let Some(more) = rights_of(word)
        {
            given.rights.read |= more.read;
            given.rights.write |= more.write;
            given.rights.grant |= more.grant;
            given.rights.grant_reply |= more.grant_reply;
            given.at = Some(given.at.map_or(param.span, |span| span.to(param.span)));
            return;
        }
        let place = match &param.kind {
            ParamKind::Flag(word) if word == "cached" || word == "uncached" => {
                let uncached = Spanned::new(word == "uncached", param.span);
                if let Some(first) = given.uncached.replace(uncached) {
                    self.twice(param.span, first.span);
                }
                return;
            }
            ParamKind::Named(name, value) => match &*name.value {
                "masked" => {
                    self.mask(param.span, value, given);
                    return;
                }
                "badge" => &mut given.badge,
                "guard" => &mut given.guard,
                "guard_size" => &mut given.guard_size,
                _ => return self.refused_param(target, param),
            },
            _ => return self.refused_param(target, param),
        };
        let ParamKind::Named(name, value) = &param.kind else {
            return;
        };
        let ValueKind::Quantity(Quantity { number, unit: None }) = &value.kind else {
            let message = format!("`{}` is a number", name.value);
            let help = format!("write `{}: 1`, say", name.value);
            self.push(Diagnostic::new(value.span, message, help));
            return;
        };
        if let Some(first) = place.replace(Spanned::new(*number, param.span)) {
            self.twice(param.span, first.span);
        }
    }

    fn twice(&mut self, span: Span, first: Span) {
        let twice = Diagnostic::new(span, "this is given twice", ONE_OF_THEM);
        self.push(twice.other(first, "the first one"));
    }

    fn mask(&mut self, span: Span, value: &Value, given: &mut Given) {
        let mask = match &value.kind {
            ValueKind::Name(word) => rights_of(&word.name.value),
            _ => None,
        };
        match mask {
            Some(mask) => {
                if let Some(first) = given.mask.replace(Spanned::new(mask, span)) {
                    self.twice(span, first.span);
                }
            }
            None => {
                let message = "a mask is made of rights";
                self.push(Diagnostic::new(value.span, message, LETTERS));
            }
        }
    }

    /// A parameter that no capability has here.
    fn refused_param(&mut self, target: usize, param: &Param) {
        const REFUSED: [(&str, &str, &str); 8] = [
            (
                "asid",
                "address space identifiers are not chosen",
                "leave `asid` out: the root task gives each VSpace the next one",
            ),
            (
                "mapping",
                "a frame is mapped where a page table holds it",
                "leave `mapping` out, and add the frame to the page table",
            ),
            (
                "reply",
                "the kernel makes reply capabilities itself, at each call",
                "name the thread alone",
            ),
            (
                "master_reply",
                "the kernel makes reply capabilities itself, at each call",
                "name the thread alone",
            ),
            (
                "core",
                "this kernel has no scheduling contexts",
                "leave `core` out",
            ),
            (
                "target",
                "this kernel has no capabilities for interrupts between cores",
                "leave `target` out",
            ),
            (
                "irq",
                "this kernel has no capabilities for interrupts between cores",
                "leave `irq` out",
            ),
            (
                "ports",
                "this architecture has no I/O ports",
                "leave `ports` out",
            ),
        ];
        let name = match &param.kind {
            ParamKind::Named(name, _) => &*name.value,
            ParamKind::Flag(name) => name,
            ParamKind::Bits(_) | ParamKind::Quantity(_) | ParamKind::Pci(_) => "",
        };
        if let Some((_, message, help)) = REFUSED.iter().find(|known| known.0 == name) {
            self.push(Diagnostic::new(param.span, *message, *help));
            return;
        }
        let known = [
            "badge",
            "guard",
            "guard_size",
            "masked",
            "cached",
            "uncached",
        ];
        let near = nearest(name, known).filter(|_| !name.is_empty());
        let what = self.objects[target].kind.describe();
        let message = format!("this is no parameter of a capability to {what}");
        self.push(Diagnostic::new(param.span, message, LETTERS).suggest(near));
    }
}

/// The rights that letters stand for, if all are known.
fn rights_of(letters: &str) -> Option<Rights> {
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

/// The letters of rights.
fn letters(rights: Rights) -> String {
    let letters = [
        (rights.read, 'R'),
        (rights.write, 'W'),
        (rights.grant, 'G'),
        (rights.grant_reply, 'P'),
    ];
    let given = letters.iter().filter(|(given, _)| *given);
    given.map(|(_, letter)| letter).collect()
}
