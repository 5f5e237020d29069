// SPDX-License-Identifier: BSD-2-Clause
//! Tokens to syntax tree, for all of capDL's grammar and what is added to it.

use super::ast::{
    CapDecl, CapEntry, File, IrqMapping, NameRef, ObjectDecl, Param, ParamKind, Quantity, Range,
    Section, Slot, Value, ValueKind,
};
use super::diagnostic::{Diagnostic, nearest};
use super::lexer::{Token, TokenKind, tokens};
use super::span::{Span, Spanned};

type Parsed<T> = Result<T, Diagnostic>;

/// Deepest nesting of braces, brackets and parentheses.
const MAX_DEPTH: usize = 32;

const SECTIONS: [&str; 5] = ["objects", "caps", "irq", "cdt", "domains"];

/// Parses a spec.
///
/// # Errors
/// The first place that does not fit the grammar.
pub fn parse(text: &str) -> Parsed<File> {
    let tokens = tokens(text)?;
    Parser {
        tokens,
        at: 0,
        depth: 0,
    }
    .file()
}

struct Parser {
    /// Ends with [`TokenKind::End`], which is never passed.
    tokens: Vec<Token>,
    at: usize,
    depth: usize,
}

impl Parser {
    fn look(&self, ahead: usize) -> &Token {
        &self.tokens[(self.at + ahead).min(self.tokens.len() - 1)]
    }

    fn peek(&self) -> &TokenKind {
        &self.look(0).kind
    }

    fn span(&self) -> Span {
        self.look(0).span
    }

    /// Place of the token before.
    fn last_span(&self) -> Span {
        self.tokens[self.at.saturating_sub(1)].span
    }

    fn advance(&mut self) {
        self.at = (self.at + 1).min(self.tokens.len() - 1);
    }

    fn is_punctuation(&self, ahead: usize, wanted: char) -> bool {
        self.look(ahead).kind == TokenKind::Punctuation(wanted)
    }

    fn is_word(&self, wanted: &str) -> bool {
        matches!(self.peek(), TokenKind::Name(name) if name == wanted)
    }

    /// Takes the punctuation if it is next.
    fn take(&mut self, wanted: char) -> bool {
        let found = self.is_punctuation(0, wanted);
        if found {
            self.advance();
        }
        found
    }

    /// What is next is not what should be.
    fn expected(&self, wanted: &str) -> Diagnostic {
        let found = match self.peek() {
            TokenKind::Name(name) => format!("`{name}`"),
            TokenKind::Number(_) => "a number".into(),
            TokenKind::Text(_) => "a string".into(),
            TokenKind::Punctuation(c) => format!("`{c}`"),
            TokenKind::Range => "`..`".into(),
            TokenKind::End => "the end of the file".into(),
        };
        Diagnostic::new(self.span(), format!("expected {wanted}, found {found}"))
    }

    fn expect(&mut self, wanted: char) -> Parsed<Span> {
        let span = self.span();
        if self.take(wanted) {
            Ok(span)
        } else {
            Err(self.expected(&format!("`{wanted}`")))
        }
    }

    /// The end of something that was opened; the message for a missing end names the start.
    fn close(&mut self, wanted: char, opened: Span, what: &str) -> Parsed<Span> {
        let wanted_text = format!("{what} or `{wanted}`");
        let span = self.span();
        if self.take(wanted) {
            return Ok(span);
        }
        // Where braces end is seen by their indentation; parentheses and brackets are short.
        let show = wanted != '}' || *self.peek() == TokenKind::End;
        let error = self.expected(&wanted_text);
        Err(if show {
            error.other(opened, "opened here")
        } else {
            error
        })
    }

    /// Runs a parser one level deeper.
    fn nested<T>(&mut self, parser: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        if self.depth == MAX_DEPTH {
            let message = format!("this is nested more than {MAX_DEPTH} levels deep");
            return Err(Diagnostic::new(self.span(), message));
        }
        self.depth += 1;
        let parsed = parser(self);
        self.depth -= 1;
        parsed
    }

    fn name(&mut self, what: &str) -> Parsed<Spanned<String>> {
        let TokenKind::Name(name) = self.peek() else {
            return Err(self.expected(what));
        };
        let name = Spanned::new(name.clone(), self.span());
        self.advance();
        Ok(name)
    }

    fn number(&mut self, what: &str) -> Parsed<Spanned<u64>> {
        let TokenKind::Number(number) = *self.peek() else {
            return Err(self.expected(what));
        };
        let number = Spanned::new(number, self.span());
        self.advance();
        Ok(number)
    }

    fn file(mut self) -> Parsed<File> {
        if !self.is_word("arch") {
            return Err(self
                .expected("`arch`")
                .help("a spec starts with `arch aarch64`"));
        }
        self.advance();
        let arch = self.name("the name of an architecture")?;
        let mut sections = Vec::new();
        while *self.peek() != TokenKind::End {
            sections.push(self.section()?);
        }
        Ok(File { arch, sections })
    }

    fn section(&mut self) -> Parsed<Section> {
        let keyword = match self.peek() {
            TokenKind::Name(name) => name.clone(),
            _ => String::new(),
        };
        let start = self.span();
        match &*keyword {
            "objects" => {
                self.advance();
                self.objects().map(Section::Objects)
            }
            "caps" => {
                self.advance();
                self.caps().map(Section::Caps)
            }
            "irq" => {
                self.advance();
                if !self.is_word("maps") {
                    return Err(self
                        .expected("`maps`")
                        .help("the section is `irq maps { … }`"));
                }
                self.advance();
                self.irq_maps().map(Section::IrqMaps)
            }
            "cdt" | "domains" => {
                self.advance();
                self.skip_braces()?;
                let span = start.to(self.last_span());
                Ok(if keyword == "cdt" {
                    Section::Cdt(span)
                } else {
                    Section::Domains(span)
                })
            }
            _ => Err(self
                .expected("a section")
                .help("the sections are `objects`, `caps`, `irq maps`, `cdt` and `domains`")
                .suggest(nearest(&keyword, SECTIONS))),
        }
    }

    /// Everything up to the brace that closes the next one.
    fn skip_braces(&mut self) -> Parsed<()> {
        let opened = self.expect('{')?;
        let mut depth = 1usize;
        while depth > 0 {
            match self.peek() {
                TokenKind::Punctuation('{') => depth += 1,
                TokenKind::Punctuation('}') => depth -= 1,
                TokenKind::End => return Err(self.expected("`}`").other(opened, "opened here")),
                _ => {}
            }
            self.advance();
        }
        Ok(())
    }

    fn objects(&mut self) -> Parsed<Vec<ObjectDecl>> {
        let opened = self.expect('{')?;
        let mut objects = Vec::new();
        while let TokenKind::Name(_) = self.peek() {
            let path = self.path()?;
            objects.push(self.object(path)?);
            self.take(',');
        }
        if self.is_punctuation(0, ';') {
            let help = "between objects there are commas, or nothing";
            return Err(self.expected("an object or `}`").help(help));
        }
        self.close('}', opened, "an object")?;
        Ok(objects)
    }

    /// `a/b[3]`
    fn path(&mut self) -> Parsed<Vec<NameRef>> {
        let mut path = vec![self.name_ref("a name")?];
        while self.take('/') {
            path.push(self.name_ref("a name")?);
        }
        Ok(path)
    }

    /// What follows the name of an object.
    fn object(&mut self, path: Vec<NameRef>) -> Parsed<ObjectDecl> {
        self.expect('=')?;
        let kind = self.name("an object type")?;
        let params = self.params()?;
        let opened = self.span();
        let (covers, covered) = if self.is_punctuation(0, '{') {
            let covered = self.nested(Self::covered)?;
            (Some(opened.to(self.last_span())), covered)
        } else {
            (None, Vec::new())
        };
        Ok(ObjectDecl {
            path,
            kind,
            params,
            covers,
            covered,
        })
    }

    /// Objects declared in braces; those declared elsewhere and only named here are skipped.
    fn covered(&mut self) -> Parsed<Vec<ObjectDecl>> {
        let opened = self.expect('{')?;
        let mut covered = Vec::new();
        while let TokenKind::Name(_) = self.peek() {
            let path = self.path()?;
            if self.is_punctuation(0, '=') {
                covered.push(self.object(path)?);
            } else if path.len() > 1 {
                return Err(self.expected("`=`"));
            }
            self.take(',');
        }
        self.close('}', opened, "an object")?;
        Ok(covered)
    }

    /// `name`, `name[]`, `name[1, 3..5, 7..]`
    fn name_ref(&mut self, what: &str) -> Parsed<NameRef> {
        let name = self.name(what)?;
        let mut span = name.span;
        let mut ranges = None;
        if self.is_punctuation(0, '[') {
            let opened = self.span();
            self.advance();
            let mut list = Vec::new();
            while !self.is_punctuation(0, ']') {
                list.push(self.range()?);
                if !self.take(',') {
                    break;
                }
            }
            span = span.to(self.close(']', opened, "`,`")?);
            ranges = Some(list);
        }
        Ok(NameRef { name, ranges, span })
    }

    /// `1`, `1..3`, `1..`, `..3`
    fn range(&mut self) -> Parsed<Range> {
        let start = self.span();
        let number = |parser: &mut Self| match *parser.peek() {
            TokenKind::Number(number) => {
                parser.advance();
                Some(number)
            }
            _ => None,
        };
        let first = number(self);
        let last = if *self.peek() == TokenKind::Range {
            self.advance();
            number(self)
        } else if first.is_some() {
            first
        } else {
            return Err(self.expected("a number, a range or `]`"));
        };
        let span = start.to(self.last_span());
        Ok(Range { first, last, span })
    }

    /// `(a, b: c)`, or nothing.
    fn params(&mut self) -> Parsed<Vec<Param>> {
        let opened = self.span();
        let mut params = Vec::new();
        if !self.take('(') {
            return Ok(params);
        }
        while !self.is_punctuation(0, ')') {
            params.push(self.param()?);
            // Rights are single words to capDL's own parser: `(R W)` is `(RW)`.
            while self.is_rights() {
                params.push(self.param()?);
            }
            if !self.take(',') {
                break;
            }
        }
        self.close(')', opened, "`,`")?;
        Ok(params)
    }

    fn is_rights(&self) -> bool {
        matches!(self.peek(), TokenKind::Name(name) if name.chars().all(|c| "RWGXP".contains(c)))
    }

    fn param(&mut self) -> Parsed<Param> {
        let start = self.span();
        let kind = match self.peek().clone() {
            TokenKind::Number(number) => {
                self.advance();
                let unit = match self.peek() {
                    TokenKind::Name(_) => Some(self.name("a unit")?),
                    _ => None,
                };
                match unit {
                    Some(unit) if unit.value == "bits" => ParamKind::Bits(number),
                    unit => ParamKind::Quantity(Quantity { number, unit }),
                }
            }
            TokenKind::Name(name) => {
                let name = Spanned::new(name, start);
                self.advance();
                if self.take(':') {
                    ParamKind::Named(name, self.value()?)
                } else {
                    ParamKind::Flag(name.value)
                }
            }
            _ => return Err(self.expected("a parameter")),
        };
        let span = start.to(self.last_span());
        Ok(Param { kind, span })
    }

    fn value(&mut self) -> Parsed<Value> {
        let start = self.span();
        let kind = match self.peek().clone() {
            TokenKind::Number(number) => {
                self.advance();
                // A unit follows its number at once; in a record, words follow numbers.
                let touches = self.span().start == start.end;
                let unit = match self.peek() {
                    TokenKind::Name(_) if touches => Some(self.name("a unit")?),
                    _ => None,
                };
                ValueKind::Quantity(Quantity { number, unit })
            }
            TokenKind::Text(text) => {
                self.advance();
                ValueKind::Text(text)
            }
            TokenKind::Name(_) => ValueKind::Name(self.name_ref("a value")?),
            TokenKind::Punctuation('[') => ValueKind::List(self.nested(|p| p.values(']', "`,`"))?),
            TokenKind::Punctuation('(') => {
                self.nested(|p| p.values(')', "`,`"))?;
                ValueKind::Tuple
            }
            TokenKind::Punctuation('{') => {
                self.nested(|p| p.values('}', "a value"))?;
                ValueKind::Record
            }
            _ => return Err(self.expected("a value")),
        };
        let span = start.to(self.last_span());
        Ok(Value { kind, span })
    }

    /// Values with commas between them, in a record also without.
    fn values(&mut self, end: char, what: &str) -> Parsed<Vec<Value>> {
        let opened = self.span();
        self.advance();
        let mut values = Vec::new();
        while !self.is_punctuation(0, end) {
            let stuck = matches!(
                self.peek(),
                TokenKind::End | TokenKind::Punctuation(')' | ']' | '}')
            );
            if stuck {
                break;
            }
            values.push(self.value()?);
            if !self.take(',') && end != '}' {
                break;
            }
        }
        self.close(end, opened, what)?;
        Ok(values)
    }

    fn caps(&mut self) -> Parsed<Vec<CapDecl>> {
        let opened = self.expect('{')?;
        let mut decls = Vec::new();
        while let TokenKind::Name(_) = self.peek() {
            let holder = self.name_ref("a name")?;
            if self.take('=') {
                self.slot_ref()?;
                decls.push(CapDecl::Name(holder.span.to(self.last_span())));
                continue;
            }
            let opened = self.span();
            if !self.take('{') {
                return Err(self
                    .expected("`{`")
                    .other(holder.span, "its capabilities go in braces"));
            }
            let mut entries = Vec::new();
            while matches!(
                self.peek(),
                TokenKind::Name(_) | TokenKind::Number(_) | TokenKind::Punctuation('<')
            ) {
                entries.push(self.cap()?);
                self.take(';');
            }
            self.close('}', opened, "a capability")?;
            decls.push(CapDecl::Holder(holder, entries));
        }
        self.close('}', opened, "the name of an object")?;
        Ok(decls)
    }

    fn cap(&mut self) -> Parsed<CapEntry> {
        let start = self.span();
        let slot = match (self.peek().clone(), self.is_punctuation(1, ':')) {
            (TokenKind::Number(number), _) => Some(Slot::Number(number)),
            (TokenKind::Name(name), true) => Some(Slot::Name(name)),
            _ => None,
        };
        let slot = match slot {
            Some(slot) => {
                self.advance();
                self.expect(':')?;
                Some(Spanned::new(slot, start))
            }
            None => None,
        };

        let mut name = None;
        let mut copy = self.take('<');
        let mut target = self.name_ref("the name of an object")?;
        if !copy && self.take('=') {
            name = Some(target);
            copy = self.take('<');
            target = self.name_ref("the name of an object")?;
        }
        if copy {
            self.expect('>')?;
        }
        let params = self.params()?;
        let parent = self.span();
        let parent = if self.take('-') {
            if !self.is_word("child_of") {
                return Err(self.expected("`child_of`"));
            }
            self.advance();
            if self.is_punctuation(0, '(') {
                self.slot_ref()?;
            } else {
                self.name_ref("the name of a capability")?;
            }
            Some(parent.to(self.last_span()))
        } else {
            None
        };
        Ok(CapEntry {
            slot,
            name,
            target,
            copy,
            params,
            parent,
            span: start.to(self.last_span()),
        })
    }

    /// `(object, slot)`
    fn slot_ref(&mut self) -> Parsed<()> {
        self.expect('(')?;
        self.name_ref("the name of an object")?;
        self.expect(',')?;
        match self.peek() {
            TokenKind::Name(_) | TokenKind::Number(_) => self.advance(),
            _ => return Err(self.expected("a slot")),
        }
        self.expect(')')?;
        Ok(())
    }

    fn irq_maps(&mut self) -> Parsed<Vec<IrqMapping>> {
        let opened = self.expect('{')?;
        let mut mappings = Vec::new();
        while let TokenKind::Name(_) | TokenKind::Number(_) = self.peek() {
            let number = match self.peek() {
                TokenKind::Number(_) => {
                    let number = self.number("a number")?;
                    self.expect(':')?;
                    Some(number)
                }
                _ => None,
            };
            let irq = self.name_ref("the name of an interrupt")?;
            mappings.push(IrqMapping { number, irq });
            self.take(';');
        }
        self.close('}', opened, "an interrupt")?;
        Ok(mappings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_grammar() {
        let file = parse(
            r#"
            /* everything that upstream's parser takes /* and nests */ */
            arch aarch64
            objects {
              a = ut (20 bits, paddr: 0x80000000) { b = tcb (init: [1, 2], dom: 5), c[4] = ep d[..2] }
              a/e[0] = frame (4k, fill: [{0 4096 CDL_FrameFill_FileData "hello" 0}])
              x = arm_irq (trigger: level, target: 0)
            }
            objects { f = pgd, g = notification }
            caps {
              b { 0x1: f (asid: (0x1, 2)); vspace: f  2: n = g (RW, badge: 7)
                  3: <n> (masked: R) - child_of n  4: <n> - child_of (b, 3)
                  5: a[] 6: c[1, 2..3, ..1, 2..] (R W)  sched_control (core: 0) }
              name = (b, cspace)
            }
            irq maps { 30: x; c[] } cdt { (b, 1) { (b, 2) } } domains { schedule: [(0, 1)] }
            "#,
        )
        .unwrap();
        assert_eq!(file.arch.value, "aarch64");
        assert_eq!(file.sections.len(), 6);
        let Section::Objects(objects) = &file.sections[0] else {
            panic!("{file:?}")
        };
        assert_eq!(objects.len(), 3);
        assert_eq!(objects[0].covered.len(), 2);
        assert_eq!(objects[1].path.len(), 2);
        let Section::Caps(caps) = &file.sections[2] else {
            panic!("{file:?}")
        };
        let CapDecl::Holder(_, entries) = &caps[0] else {
            panic!("{caps:?}")
        };
        assert_eq!(entries.len(), 8);
        assert!(entries[3].copy && entries[3].parent.is_some());
        assert_eq!(entries[6].params.len(), 2);
        assert!(matches!(caps[1], CapDecl::Name(_)));
        let Section::IrqMaps(irqs) = &file.sections[3] else {
            panic!("{file:?}")
        };
        assert_eq!(irqs[0].number.as_ref().map(|n| n.value), Some(30));
        assert!(irqs[1].number.is_none());
    }

    #[test]
    fn spans_name_the_text() {
        let text = "arch aarch64 objects { pool = ut (24 bits, paddr: 0x1000) }";
        let file = parse(text).unwrap();
        let Section::Objects(objects) = &file.sections[0] else {
            panic!("{file:?}")
        };
        let params: Vec<_> = objects[0]
            .params
            .iter()
            .map(|p| &text[p.span.range()])
            .collect();
        assert_eq!(params, ["24 bits", "paddr: 0x1000"]);
    }

    #[test]
    fn nesting_has_a_limit() {
        let deep = format!("arch aarch64 objects {{ a = b (c: {}", "[".repeat(100_000));
        let error = parse(&deep).unwrap_err();
        assert_eq!(error.message, "this is nested more than 32 levels deep");
    }

    #[test]
    fn every_prefix_is_an_error_or_a_spec() {
        let text = include_str!("../../specs/default.cdl");
        for (end, _) in text.char_indices() {
            let _ = parse(&text[..end]);
        }
        parse(text).unwrap();
    }
}
