// SPDX-License-Identifier: BSD-2-Clause
//! The syntax tree to what is laid out, by passing the tokens in their order: the sections, and what the
//! parts of the grammar have in common. `parts` has the others.

use super::inline::{Inline, WIDTH};
use super::layout::{Block, Item, NoteLine};
use super::source::Source;
use crate::language::ast::{File, Section};

/// How many spaces are between what is side by side in braces.
const APART: usize = 2;

/// What goes between the parts of something in braces when they are on one line.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Separator {
    /// Two spaces.
    Spaces,
    /// A comma.
    Comma,
}

/// Prints the tokens of a text in their order.
pub(super) struct Printer<'a> {
    pub(super) source: Source<'a>,
    /// Whether all is to go on one line, and whether that turned out not to be possible.
    flat: bool,
    failed: bool,
}

impl<'a> Printer<'a> {
    pub(super) fn new(source: Source<'a>) -> Self {
        Self {
            source,
            flat: false,
            failed: false,
        }
    }

    /// The sections, and what is behind the last.
    pub(super) fn file(&mut self, file: &File) -> (Vec<Item<'a>>, Vec<NoteLine<'a>>) {
        let mut items = vec![self.item(|p, item| {
            p.token(&mut item.rest);
            item.rest.space();
            p.token(&mut item.rest);
        })];
        for section in &file.sections {
            let mut item = self.item(|p, item| p.section(section, item));
            // Sections are always apart.
            *item.blank_above() = true;
            items.push(item);
        }
        let below = self.note_lines(usize::MAX);
        (items, below)
    }

    fn section(&mut self, section: &Section, item: &mut Item<'a>) {
        self.token(&mut item.rest);
        item.rest.space();
        match section {
            Section::Objects(objects) => {
                let print = |p: &mut Self, i: usize, item: &mut Item<'a>| {
                    p.object(&objects[i], item);
                    p.source.leave_out(',');
                };
                self.braces(item, objects.len(), Separator::Spaces, false, print);
            }
            Section::Caps(decls) => {
                let print =
                    |p: &mut Self, i: usize, item: &mut Item<'a>| p.cap_decl(&decls[i], item);
                self.braces(item, decls.len(), Separator::Spaces, false, print);
            }
            Section::IrqMaps(mappings) => {
                self.token(&mut item.rest);
                item.rest.space();
                let print = |p: &mut Self, i: usize, item: &mut Item<'a>| p.irq(&mappings[i], item);
                self.braces(item, mappings.len(), Separator::Spaces, true, print);
            }
            Section::Cdt(cdt) => {
                let print =
                    |p: &mut Self, i: usize, item: &mut Item<'a>| p.derivation(&cdt.trees[i], item);
                self.braces(item, cdt.trees.len(), Separator::Spaces, false, print);
            }
            Section::Domains(domains) => {
                let print = |p: &mut Self, i: usize, item: &mut Item<'a>| {
                    p.domain_item(&domains.items[i], item)
                };
                self.braces(item, domains.items.len(), Separator::Spaces, false, print);
            }
        }
    }

    // ---- What is on lines of its own

    /// Something on a line of its own, with the comments around it.
    fn item(&mut self, print: impl FnOnce(&mut Self, &mut Item<'a>)) -> Item<'a> {
        // Comments that are on the line of the first token stay there.
        let notes: Vec<_> = self.source.notes().collect();
        let mut above = notes.len();
        if self.source.newlines() == 0 {
            while above > 0 && !notes[above - 1].hard {
                above -= 1;
                if notes[above].newlines > 0 {
                    break;
                }
            }
        }
        let newlines = notes
            .get(above)
            .map_or(self.source.newlines(), |note| note.newlines);
        let mut item = Item::new();
        item.above = self.note_lines(above);
        item.blank = newlines > 1;
        print(self, &mut item);
        if item.head.as_ref().is_some_and(Inline::is_hard)
            && let Some(mut head) = item.head.take()
        {
            head.space();
            head.append(item.rest);
            item.rest = head;
        }
        item.behind = self.source.take_trailing();
        item
    }

    /// The next comments, each on a line of its own.
    fn note_lines(&mut self, count: usize) -> Vec<NoteLine<'a>> {
        let mut lines: Vec<NoteLine<'a>> = Vec::new();
        for note in self.source.take_notes(count) {
            match lines.last_mut() {
                Some(line) if note.newlines == 0 => line.notes.push(note),
                _ => lines.push(NoteLine {
                    notes: vec![note],
                    blank: note.newlines > 1,
                }),
            }
        }
        lines
    }

    /// `{ … }`: on one line, on several that hang, or each part on lines of its own.
    pub(super) fn braces(
        &mut self,
        item: &mut Item<'a>,
        count: usize,
        separator: Separator,
        hanging: bool,
        mut print: impl FnMut(&mut Self, usize, &mut Item<'a>),
    ) {
        let columns = item.head.as_ref().map_or(0, |head| head.columns() + 1) + item.rest.columns();
        let most = if hanging { usize::MAX } else { WIDTH };
        let lines = self.source.opens_lines() || self.source.must_break(most);
        if self.flat {
            self.failed |= lines;
            self.side_by_side(&mut item.rest, count, separator, &mut print);
            return;
        }
        if !lines {
            let place = self.source.place();
            let mut inline = Inline::new();
            self.flat = !hanging;
            self.side_by_side(&mut inline, count, separator, &mut print);
            self.flat = false;
            let failed = std::mem::take(&mut self.failed);
            if hanging || (!failed && columns + 1 + inline.columns() <= WIDTH) {
                item.rest.append(inline);
                return;
            }
            self.source.go_back(place);
        }
        self.token(&mut item.rest);
        let behind = self.source.take_trailing();
        let mut items: Vec<_> = (0..count)
            .map(|i| self.item(|p, item| print(p, i, item)))
            .collect();
        let mut below = self.note_lines(usize::MAX);
        if let Some(first) = items.first_mut() {
            *first.blank_above() = false;
        } else if let Some(first) = below.first_mut() {
            first.blank = false;
        }
        self.source.advance();
        item.block = Some(Block {
            behind,
            items,
            below,
        });
    }

    /// `{ … }` on one line, or on several that hang.
    fn side_by_side(
        &mut self,
        out: &mut Inline<'a>,
        count: usize,
        separator: Separator,
        print: &mut impl FnMut(&mut Self, usize, &mut Item<'a>),
    ) {
        self.token(out);
        if count == 0 && self.source.notes().next().is_none() {
            self.closing(out);
            return;
        }
        out.space();
        out.open();
        let mut had_slot = false;
        for i in 0..count {
            let mut part = Item::new();
            print(self, i, &mut part);
            let groups = had_slot && part.head.is_none();
            had_slot = part.head.is_some();
            if i > 0 && separator == Separator::Comma {
                out.tight();
                out.text(",");
                out.soft(1, false);
            } else if i > 0 {
                // Groups of hostcalls go below the slots when there is no room for both.
                out.soft(APART, groups);
            }
            if let Some(head) = part.head {
                out.append(head);
                out.space();
            }
            out.append(part.rest);
        }
        for note in self.source.take_notes(usize::MAX) {
            out.note(note);
        }
        out.close();
        out.space();
        self.token(out);
    }

    // ---- Tokens

    /// The next token, behind the comments before it.
    pub(super) fn token(&mut self, out: &mut Inline<'a>) {
        for note in self.source.take_notes(usize::MAX) {
            out.note(note);
        }
        out.text(self.source.advance());
    }

    /// The next token, to which no blank leads.
    pub(super) fn closing(&mut self, out: &mut Inline<'a>) {
        for note in self.source.take_notes(usize::MAX) {
            out.note(note);
        }
        out.tight();
        out.text(self.source.advance());
    }

    /// `,` between two things in parentheses or brackets; what ends a line follows it.
    pub(super) fn comma(&mut self, out: &mut Inline<'a>) {
        let soft = self.source.notes().take_while(|note| !note.hard).count();
        for note in self.source.take_notes(soft) {
            out.note(note);
        }
        let hard = self.source.take_notes(usize::MAX);
        out.tight();
        out.text(self.source.advance());
        for note in hard {
            out.note(note);
        }
        out.soft(1, false);
    }
}
