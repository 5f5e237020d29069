// SPDX-License-Identifier: BSD-2-Clause
//! The parts of sections: one method for each part of the grammar.

use super::inline::Inline;
use super::layout::Item;
use super::print::{Printer, Separator};
use crate::language::ast::{
    CapDecl, CapEntry, CapRef, Covered, Derivation, DomainItem, IrqMapping, NameRef, ObjectDecl,
    Param, ParamKind, Place, Range, Value, ValueKind,
};
use crate::language::lexer::TokenKind;

/// Units that are moved to their number.
const UNITS: [&str; 5] = ["k", "M", "G", "ms", "s"];

impl<'a> Printer<'a> {
    /// `path = kind (params) { covered }`
    pub(super) fn object(&mut self, object: &ObjectDecl, item: &mut Item<'a>) {
        let mut head = Inline::new();
        for (i, name) in object.path.iter().enumerate() {
            if i > 0 {
                self.closing(&mut head);
            }
            self.name(name, &mut head);
        }
        item.head = Some(head);
        let rest = &mut item.rest;
        self.token(rest);
        rest.space();
        self.token(rest);
        self.params(&object.params, rest);
        let Some(covers) = &object.covers else { return };
        rest.space();
        self.braces(
            item,
            covers.objects.len(),
            Separator::Comma,
            false,
            |p, i, item| {
                match &covers.objects[i] {
                    Covered::Decl(object) => p.object(object, item),
                    Covered::Ref(name) => p.name(name, &mut item.rest),
                }
                p.source.leave_out(',');
            },
        );
    }

    /// `owner { caps }`, `name = (owner, slot)`
    pub(super) fn cap_decl(&mut self, decl: &CapDecl, item: &mut Item<'a>) {
        let mut head = Inline::new();
        match decl {
            CapDecl::Holder(name, entries) => {
                self.name(name, &mut head);
                item.head = Some(head);
                self.braces(
                    item,
                    entries.len(),
                    Separator::Spaces,
                    true,
                    |p, i, item| {
                        p.cap(&entries[i], item);
                        p.source.leave_out(';');
                    },
                );
            }
            CapDecl::Name(name) => {
                self.token(&mut head);
                item.head = Some(head);
                self.token(&mut item.rest);
                item.rest.space();
                self.place(&name.place, &mut item.rest);
            }
        }
    }

    /// `slot: name = target (params) - child_of parent`
    fn cap(&mut self, cap: &CapEntry, item: &mut Item<'a>) {
        if cap.slot.is_some() {
            let mut head = Inline::new();
            self.token(&mut head);
            self.closing(&mut head);
            item.head = Some(head);
        }
        let rest = &mut item.rest;
        if let Some(name) = &cap.name {
            self.name(name, rest);
            rest.space();
            self.token(rest);
            rest.space();
        }
        if cap.copy {
            self.token(rest);
            rest.tight();
        }
        self.name(&cap.target, rest);
        if cap.copy {
            self.closing(rest);
        }
        self.params(&cap.params, rest);
        if let Some(parent) = &cap.parent {
            rest.space();
            self.token(rest);
            rest.space();
            self.token(rest);
            rest.space();
            self.cap_ref(&parent.of, rest);
        }
    }

    /// `number: irq`
    pub(super) fn irq(&mut self, mapping: &IrqMapping, item: &mut Item<'a>) {
        if mapping.number.is_some() {
            let mut head = Inline::new();
            self.token(&mut head);
            self.closing(&mut head);
            item.head = Some(head);
        }
        self.name(&mapping.irq, &mut item.rest);
        self.source.leave_out(';');
    }

    /// `cap { caps }`
    pub(super) fn derivation(&mut self, derivation: &Derivation, item: &mut Item<'a>) {
        self.cap_ref(&derivation.cap, &mut item.rest);
        if let Some(children) = &derivation.children {
            item.rest.space();
            self.braces(
                item,
                children.len(),
                Separator::Spaces,
                false,
                |p, i, item| {
                    p.derivation(&children[i], item);
                },
            );
        }
        self.source.leave_out(';');
    }

    /// `schedule: […]` and so on.
    pub(super) fn domain_item(&mut self, entry: &DomainItem, item: &mut Item<'a>) {
        let rest = &mut item.rest;
        self.token(rest);
        self.closing(rest);
        rest.space();
        let DomainItem::Schedule(turns) = entry else {
            return self.token(rest);
        };
        self.list(turns, rest, |p, turn, out| {
            p.opened(out);
            p.token(out);
            p.comma(out);
            p.token(out);
            if turn.unit.is_some() {
                out.space();
                p.token(out);
            }
            p.closed(out);
        });
    }

    // ---- Parts of those

    /// `name[ranges]`
    fn name(&mut self, name: &NameRef, out: &mut Inline<'a>) {
        self.token(out);
        if let Some(ranges) = &name.ranges {
            out.tight();
            self.list(ranges, out, Self::range);
        }
    }

    /// `1..3`
    fn range(&mut self, range: &Range, out: &mut Inline<'a>) {
        // `3` and `3..3` are the same, and only the tokens tell.
        if matches!(self.source.peek(), TokenKind::Number(_)) {
            self.token(out);
            if *self.source.peek() != TokenKind::Range {
                return;
            }
            self.closing(out);
        } else {
            self.token(out);
        }
        if range.last.is_some() {
            self.closing(out);
        }
    }

    /// `(owner, slot)` or `name`
    fn cap_ref(&mut self, cap: &CapRef, out: &mut Inline<'a>) {
        match cap {
            CapRef::Place(place) => self.place(place, out),
            CapRef::Name(name) => self.name(name, out),
        }
    }

    /// `(owner, slot)`
    fn place(&mut self, place: &Place, out: &mut Inline<'a>) {
        self.opened(out);
        self.name(&place.owner, out);
        self.comma(out);
        self.token(out);
        self.closed(out);
    }

    /// ` (a, b: c)`, or nothing.
    fn params(&mut self, params: &[Param], out: &mut Inline<'a>) {
        if params.is_empty() {
            self.source.leave_out('(');
            self.source.leave_out(')');
            return;
        }
        out.space();
        self.list(params, out, Self::param);
    }

    fn param(&mut self, param: &Param, out: &mut Inline<'a>) {
        match &param.kind {
            ParamKind::Bits(_) => {
                self.token(out);
                out.space();
                self.token(out);
            }
            ParamKind::Quantity(quantity) => {
                self.token(out);
                if let Some(unit) = &quantity.unit {
                    // Other words could go on the number: `0x1 f`.
                    if !self.source.touches() && !UNITS.contains(&&*unit.value) {
                        out.space();
                        self.token(out);
                    } else {
                        self.closing(out);
                    }
                }
            }
            ParamKind::Named(name, value) => {
                self.token(out);
                self.closing(out);
                out.space();
                match &value.kind {
                    ValueKind::Name(rights)
                        if name.value == "masked" && rights.ranges.is_none() =>
                    {
                        self.rights(&rights.name.value, out);
                    }
                    _ => self.value(value, out),
                }
            }
            ParamKind::Flag(flag) => self.rights(flag, out),
            ParamKind::Pci(_) => {
                self.token(out);
                for _ in 0..4 {
                    self.closing(out);
                }
            }
        }
    }

    /// A word; letters for rights that are written apart are put together.
    fn rights(&mut self, letters: &str, out: &mut Inline<'a>) {
        let mut bytes = self.source.peek_text().len();
        self.token(out);
        while bytes < letters.len() {
            bytes += self.source.peek_text().len();
            // Comments between them stay between them.
            if self.source.notes().next().is_none() {
                out.tight();
            }
            self.token(out);
        }
    }

    fn value(&mut self, value: &Value, out: &mut Inline<'a>) {
        match &value.kind {
            ValueKind::Quantity(quantity) => {
                self.token(out);
                if quantity.unit.is_some() {
                    self.closing(out);
                }
            }
            ValueKind::Text(_) => self.token(out),
            ValueKind::Name(name) => self.name(name, out),
            ValueKind::Sum(name, _) => {
                self.name(name, out);
                out.space();
                self.token(out);
                out.space();
                self.token(out);
            }
            ValueKind::List(values) | ValueKind::Tuple(values) => {
                self.list(values, out, Self::value);
            }
            ValueKind::Record(values) => self.record(values, out),
            ValueKind::Range(range) => self.range(range, out),
        }
    }

    /// Something in parentheses or brackets, with commas between.
    fn list<T>(
        &mut self,
        elements: &[T],
        out: &mut Inline<'a>,
        mut print: impl FnMut(&mut Self, &T, &mut Inline<'a>),
    ) {
        self.opened(out);
        for (i, element) in elements.iter().enumerate() {
            if i > 0 {
                self.comma(out);
            }
            print(self, element, out);
        }
        self.source.leave_out(',');
        self.closed(out);
    }

    /// `{a b}`
    fn record(&mut self, values: &[Value], out: &mut Inline<'a>) {
        self.opened(out);
        for (i, value) in values.iter().enumerate() {
            if i > 0 {
                out.space();
            }
            self.value(value, out);
            self.source.leave_out(',');
        }
        self.closed(out);
    }

    /// A parenthesis, bracket or brace.
    fn opened(&mut self, out: &mut Inline<'a>) {
        self.token(out);
        out.tight();
        out.open();
    }

    /// The one that closes it.
    fn closed(&mut self, out: &mut Inline<'a>) {
        out.close();
        self.closing(out);
    }
}
