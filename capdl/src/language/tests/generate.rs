// SPDX-License-Identifier: BSD-2-Clause
//! Texts that follow from bytes: each byte is a choice, and when there are no more, all ends soon.

use std::fs;
use std::sync::LazyLock;

use super::specs;

/// Words that mean something, numbers and signs.
const TOKENS: &[&str] = &[
    "arch",
    "aarch64",
    "objects",
    "caps",
    "irq",
    "maps",
    "cdt",
    "domains",
    "schedule",
    "index_shift",
    "domain_set_start",
    "no_start",
    "ticks",
    "us",
    "ut",
    "ep",
    "tcb",
    "cnode",
    "frame",
    "channel",
    "service",
    "wasm_server",
    "wasm_guest",
    "virtio_device",
    "mmio_device",
    "registers",
    "bits",
    "k",
    "M",
    "prio",
    "args",
    "module",
    "memory",
    "paddr",
    "fill",
    "masked",
    "badge",
    "asid",
    "mapping",
    "R",
    "RW",
    "child_of",
    "server",
    "a",
    "b",
    "c-d",
    "x.y",
    "é",
    "0",
    "1",
    "7",
    "007",
    "010",
    "0x1f",
    "0o17",
    "64k",
    "300ms",
    "18446744073709551615",
    "18446744073709551616",
    "\"a\"",
    "\"\"",
    "\"\\n\"",
    "\"",
    "{",
    "}",
    "(",
    ")",
    "[",
    "]",
    "<",
    ">",
    ":",
    ";",
    ",",
    ".",
    "..",
    "=",
    "/",
    "-",
    "+",
    "--",
    "/*",
    "*/",
    "\n",
    "\\",
    "$",
    "\u{feff}",
    "\r\n",
];

/// The fixtures and specs, to be damaged.
static SPECS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let specs = specs();
    specs
        .iter()
        .map(|path| fs::read_to_string(path).unwrap())
        .collect()
});

/// Choices.
pub(super) struct Choices<'a>(std::slice::Iter<'a, u8>);

impl<'a> Choices<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes.iter())
    }

    /// Whether there are no more.
    pub(super) fn is_over(&self) -> bool {
        self.0.len() == 0
    }

    /// One of so many; the first, if there are no more choices.
    pub(super) fn one_of(&mut self, count: usize) -> usize {
        let byte = |choices: &mut Self| choices.0.next().map_or(0, |&byte| usize::from(byte));
        let mut number = byte(self);
        if count > 256 {
            number = number << 8 | byte(self);
        }
        number % count.max(1)
    }

    pub(super) fn pick<'t>(&mut self, from: &[&'t str]) -> &'t str {
        from[self.one_of(from.len())]
    }

    /// Whether something is that happens once in so many times.
    fn once_in(&mut self, count: usize) -> bool {
        self.one_of(count) == count - 1
    }
}

/// Any tokens.
pub(super) fn soup(choices: &mut Choices<'_>) -> String {
    let mut text = String::new();
    if !choices.once_in(4) {
        text += "arch aarch64 ";
    }
    while !choices.is_over() {
        text += choices.pick(TOKENS);
        text += choices.pick(&[" ", "", "\n"]);
    }
    text
}

/// A spec with some places changed.
pub(super) fn damaged(choices: &mut Choices<'_>) -> String {
    let mut text = SPECS[choices.one_of(SPECS.len())].clone();
    while !choices.is_over() && !choices.once_in(5) {
        let from = text.floor_char_boundary(choices.one_of(text.len() + 1));
        let to = text.floor_char_boundary(from + choices.one_of(64));
        match choices.one_of(5) {
            0 => text.insert_str(from, choices.pick(TOKENS)),
            1 => text.replace_range(from..to, ""),
            2 => text.insert_str(
                from,
                choices.pick(&[" /* b */ ", " -- l\n", "\n", " ", " /*\n*\n*/ "]),
            ),
            3 => {
                let copied = text[from..to].to_owned();
                text.insert_str(from, &copied);
            }
            _ => text.truncate(text.floor_char_boundary(text.len() - (to - from))),
        }
    }
    text
}

/// A text that fits the grammar.
pub(super) fn fitting(choices: &mut Choices<'_>) -> String {
    let mut spec = Spec {
        choices,
        text: String::new(),
        depth: 0,
    };
    spec.file();
    spec.text
}

struct Spec<'c, 'a> {
    choices: &'c mut Choices<'a>,
    text: String,
    depth: usize,
}

impl Spec<'_, '_> {
    /// A token, behind blanks and comments.
    fn token(&mut self, token: &str) {
        let tight = self.text.ends_with(['{', '(', '[', ',', ':', '=', '<'])
            || "{}()[]:;,=<>/".contains(token);
        let blank = match self.choices.one_of(16) {
            0..8 => " ",
            8 if tight => "",
            8..12 => "\n",
            12 => "\n \n",
            13 => " /* x */ ",
            14 => self
                .choices
                .pick(&[" -- y\n", "\n-- z \n", "\n\n--z\n\n", " -- y\n -- y\n"]),
            _ => self.choices.pick(&[
                " /* a\n * b */",
                "\n/* c */ ",
                " /* a\n b /* c */ */\n",
                " /* d */ /* e */\n",
            ]),
        };
        self.text += blank;
        self.text += token;
    }

    fn tokens(&mut self, tokens: &[&str]) {
        tokens.iter().for_each(|token| self.token(token));
    }

    /// Whether there is one more.
    fn more(&mut self) -> bool {
        !self.choices.is_over() && !self.choices.once_in(4)
    }

    /// Things in braces, perhaps with signs between.
    fn braces(&mut self, sign: &str, mut one: impl FnMut(&mut Self)) {
        self.token("{");
        self.depth += 1;
        while self.more() {
            one(self);
            if !sign.is_empty() && self.choices.once_in(3) {
                self.token(sign);
            }
        }
        self.depth -= 1;
        self.token("}");
    }

    /// Things with commas between.
    fn list(&mut self, open: &str, close: &str, mut one: impl FnMut(&mut Self)) {
        self.token(open);
        self.depth += 1;
        while self.more() {
            one(self);
            if !self.more() {
                break;
            }
            self.token(",");
        }
        self.depth -= 1;
        self.token(close);
    }

    fn file(&mut self) {
        self.tokens(&["arch", "aarch64"]);
        while self.more() {
            match self.choices.one_of(5) {
                0 => {
                    self.token("objects");
                    self.braces(",", Self::object);
                }
                1 => {
                    self.token("caps");
                    self.braces("", Self::cap_decl);
                }
                2 => {
                    self.tokens(&["irq", "maps"]);
                    self.braces(";", |spec| {
                        if spec.choices.once_in(2) {
                            spec.number();
                            spec.token(":");
                        }
                        spec.name_ref();
                    });
                }
                3 => {
                    self.token("cdt");
                    self.braces("", |spec| {
                        spec.cap_ref();
                        spec.children();
                    });
                }
                _ => {
                    self.token("domains");
                    self.braces("", Self::domain_item);
                }
            }
        }
    }

    fn word(&mut self) {
        let word = self
            .choices
            .pick(&["a", "memory", "server", "ut_x", "b-c", "R", "log", "bits"]);
        self.token(word);
    }

    fn number(&mut self) {
        let number = self
            .choices
            .pick(&["0", "1", "42", "007", "010", "0x1F", "0o17"]);
        self.token(number);
    }

    fn range(&mut self) {
        match self.choices.one_of(4) {
            0 => self.number(),
            1 => {
                self.number();
                self.token("..");
                self.number();
            }
            2 => {
                self.number();
                self.token("..");
            }
            _ => {
                self.token("..");
                self.number();
            }
        }
    }

    fn name_ref(&mut self) {
        self.word();
        if self.choices.once_in(4) {
            self.list("[", "]", Self::range);
        }
    }

    fn object(&mut self) {
        self.name_ref();
        while self.choices.once_in(8) {
            self.token("/");
            self.name_ref();
        }
        let kind = self.choices.pick(&["ep", "ut", "frame", "wasm_guest"]);
        self.tokens(&["=", kind]);
        self.params();
        if self.depth < 8 && self.choices.once_in(4) {
            self.braces(",", |spec| match spec.choices.one_of(2) {
                0 => spec.name_ref(),
                _ => spec.object(),
            });
        }
    }

    fn params(&mut self) {
        if self.choices.once_in(2) {
            self.list("(", ")", Self::param);
        }
    }

    fn param(&mut self) {
        match self.choices.one_of(6) {
            0 => {
                self.number();
                self.token("bits");
            }
            1 => self.quantity(),
            2 => {
                self.token("masked");
                self.token(":");
                self.tokens(&["R", "W"]);
            }
            3 => self.tokens(&["R", "WG"]),
            4 => self.tokens(&["0", ":", "3", ".", "1"]),
            _ => {
                self.word();
                self.token(":");
                self.value();
            }
        }
    }

    fn quantity(&mut self) {
        let quantity = self.choices.pick(&["4k", "64k", "300ms", "7"]);
        self.token(quantity);
    }

    fn value(&mut self) {
        let kinds = if self.depth < 8 { 8 } else { 5 };
        match self.choices.one_of(kinds) {
            0 => self.quantity(),
            1 => {
                let text = self.choices.pick(&[
                    "\"\"",
                    "\"name\"",
                    "\"a long string that fills much of a line\"",
                ]);
                self.token(text);
            }
            2 => self.name_ref(),
            3 => {
                self.name_ref();
                self.token("+");
                self.number();
            }
            4 => self.range(),
            5 => self.list("[", "]", Self::value),
            6 => self.list("(", ")", Self::value),
            _ => self.braces(",", |spec| match spec.choices.one_of(3) {
                0 => spec.quantity(),
                1 => spec.word(),
                _ => spec.token("\"file\""),
            }),
        }
    }

    fn place(&mut self) {
        self.token("(");
        self.name_ref();
        self.token(",");
        match self.choices.one_of(2) {
            0 => self.number(),
            _ => self.word(),
        }
        self.token(")");
    }

    fn cap_ref(&mut self) {
        match self.choices.one_of(2) {
            0 => self.name_ref(),
            _ => self.place(),
        }
    }

    fn children(&mut self) {
        self.braces(";", |spec| {
            spec.cap_ref();
            if spec.depth < 8 && spec.choices.once_in(3) {
                spec.children();
            }
        });
    }

    fn cap_decl(&mut self) {
        if self.choices.once_in(5) {
            self.word();
            self.token("=");
            self.place();
        } else {
            self.name_ref();
            self.braces(";", Self::cap);
        }
    }

    fn cap(&mut self) {
        match self.choices.one_of(3) {
            0 => {}
            1 => {
                self.number();
                self.token(":");
            }
            _ => {
                self.word();
                self.token(":");
            }
        }
        if self.choices.once_in(5) {
            self.name_ref();
            self.token("=");
        }
        if self.choices.once_in(4) {
            self.token("<");
            self.name_ref();
            self.token(">");
        } else {
            self.name_ref();
        }
        self.params();
        if self.choices.once_in(6) {
            self.tokens(&["-", "child_of"]);
            self.cap_ref();
        }
    }

    fn domain_item(&mut self) {
        match self.choices.one_of(3) {
            0 => {
                self.tokens(&["schedule", ":"]);
                self.list("[", "]", |spec| {
                    spec.token("(");
                    spec.number();
                    spec.token(",");
                    spec.number();
                    let unit = spec.choices.pick(&["", "ticks", "us"]);
                    if !unit.is_empty() {
                        spec.token(unit);
                    }
                    spec.token(")");
                });
            }
            1 => self.tokens(&["index_shift", ":", "3"]),
            _ => {
                let start = self.choices.pick(&["7", "no_start"]);
                self.tokens(&["domain_set_start", ":", start]);
            }
        }
    }
}
