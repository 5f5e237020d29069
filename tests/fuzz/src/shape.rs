// SPDX-License-Identifier: BSD-2-Clause
//! Requests: postcard of the type that a call takes, made from the description of that type in the
//! ABI, so that a new message needs nothing here.

use atoll_abi::{
    describe::{Shape, Type},
    message::{MESSAGES, NUMBERED},
};

use crate::{
    random::Random,
    script::{Piece, varint},
    values,
};

/// A request of this type.
pub fn request(random: &mut Random, ty: &str) -> Vec<Piece> {
    let mut out = Pieces::default();
    out.value(random, "", ty);
    let mut pieces = out.pieces;
    if !out.bytes.is_empty() {
        pieces.push(Piece::Bytes(out.bytes));
    }
    pieces
}

#[derive(Default)]
struct Pieces {
    pieces: Vec<Piece>,
    /// What comes behind them.
    bytes: Vec<u8>,
}

impl Pieces {
    fn piece(&mut self, piece: Piece) {
        if !self.bytes.is_empty() {
            self.pieces
                .push(Piece::Bytes(std::mem::take(&mut self.bytes)));
        }
        self.pieces.push(piece);
    }

    fn byte(&mut self, byte: u8) {
        if self.bytes.len() == 255 {
            self.piece(Piece::Bytes(Vec::new()));
        }
        self.bytes.push(byte);
    }

    fn number(&mut self, number: u64) {
        let mut bytes = Vec::new();
        varint(number, &mut bytes);
        bytes.into_iter().for_each(|byte| self.byte(byte));
    }

    fn text(&mut self, text: &str) {
        self.number(text.len() as u64);
        text.bytes().for_each(|byte| self.byte(byte));
    }

    /// A value of a type, for the field of this name.
    fn value(&mut self, random: &mut Random, field: &str, ty: &str) {
        if let Some(inner) = generic(ty, "Option") {
            let some = random.percent(40);
            self.byte(some.into());
            if some {
                self.value(random, field, inner);
            }
        } else if let Some(inner) = generic(ty, "Vec") {
            let inner = inner.split(',').next().unwrap_or(inner).trim();
            let count = random.pick(&[0, 0, 0, 0, 1, 1, 2, 3, 16]);
            self.number(count);
            for _ in 0..count {
                self.value(random, field, inner);
            }
        } else if let Some(described) = described(ty) {
            self.described(random, described);
        } else {
            match ty {
                "()" => {}
                "Handle" => match random.percent(70) {
                    true => self.piece(Piece::Handle(values::ago(random))),
                    false => self.number(values::spec_handle(random)),
                },
                // Of a token.
                "[u8; 16]" => self.piece(Piece::Token(random.below(8) as u8)),
                "bool" => self.byte(random.below(2) as u8),
                "u8" => self.byte(values::number(random, field, ty) as u8),
                "Name" | "Text" => self.text(values::text(random, field)),
                _ if ty.starts_with("String") => self.text(values::text(random, field)),
                _ => self.number(values::number(random, field, ty)),
            }
        }
    }

    fn described(&mut self, random: &mut Random, ty: &Type) {
        match ty.shape {
            Shape::Struct(fields) => {
                for field in fields {
                    self.value(random, field.name, field.ty);
                }
            }
            Shape::Choice(variants) => {
                let n = random.below(variants.len());
                self.number(n as u64);
                if let Some(variant) = variants.get(n).filter(|variant| !variant.ty.is_empty()) {
                    self.value(random, variant.name, variant.ty);
                }
            }
            Shape::Numbered(constants) => self.number(random.below(constants.len()) as u64),
        }
    }
}

fn described(name: &str) -> Option<&'static Type> {
    MESSAGES.iter().chain(NUMBERED).find(|ty| ty.name == name)
}

/// What is in the angle brackets of a generic type.
fn generic<'a>(ty: &'a str, name: &str) -> Option<&'a str> {
    ty.strip_prefix(name)?
        .trim_start()
        .strip_prefix('<')?
        .strip_suffix('>')
        .map(str::trim)
}
