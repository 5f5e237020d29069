// SPDX-License-Identifier: BSD-2-Clause
//! The kernel's bitfield language (`.bf`): blocks of named bit ranges and tagged unions of blocks.
//!
//! The first field of a block is its most significant one. Only what libsel4's files use is
//! understood: `base`, `block`, `field`, `padding`, `tagged_union`, `tag`.

use std::{
    collections::{BTreeMap, HashMap},
    fmt::Write,
};

use crate::error::{Error, Result};

const WORD_BITS: usize = 64;

#[derive(Clone, Debug, PartialEq, Eq)]
struct Field {
    name: String,
    /// From the least significant bit of the block.
    offset: usize,
    width: usize,
}

#[derive(Clone, Debug)]
struct Block {
    bits: usize,
    /// In the order of the source.
    fields: Vec<Field>,
}

#[derive(Clone, Debug)]
struct Union {
    name: String,
    tag_field: String,
    /// Block names and tag values.
    members: Vec<(String, u64)>,
}

/// The contents of one or more bitfield files.
#[derive(Clone, Debug, Default)]
pub(crate) struct Bitfields {
    blocks: BTreeMap<String, Block>,
    unions: Vec<Union>,
}

impl Bitfields {
    /// Adds the declarations of a preprocessed file.
    pub(crate) fn parse(&mut self, source: &str) -> Result<()> {
        let spaced = source.replace('{', " { ").replace('}', " } ");
        let mut words = spaced.split_whitespace();
        while let Some(word) = words.next() {
            match word {
                "base" => {
                    let base = next(&mut words)?;
                    if base != "64" {
                        return Err(Error::new(format!("base {base} is not 64")));
                    }
                }
                "block" => self.block(&mut words)?,
                "tagged_union" => self.union(&mut words)?,
                other => return Err(Error::new(format!("unknown declaration `{other}`"))),
            }
        }
        Ok(())
    }

    fn block<'a>(&mut self, words: &mut impl Iterator<Item = &'a str>) -> Result<()> {
        let name = next(words)?.to_owned();
        expect(words, "{")?;
        let mut layout: Vec<(Option<String>, usize)> = Vec::new();
        loop {
            match next(words)? {
                "}" => break,
                "field" => {
                    let field = next(words)?.to_owned();
                    layout.push((Some(field), width(words)?));
                }
                "padding" => layout.push((None, width(words)?)),
                other => return Err(Error::new(format!("block {name}: unknown item `{other}`"))),
            }
        }
        let bits: usize = layout.iter().map(|(_, width)| width).sum();
        if bits == 0 || !bits.is_multiple_of(WORD_BITS) {
            return Err(Error::new(format!(
                "block {name} has {bits} bits, not a multiple of {WORD_BITS}"
            )));
        }
        let mut fields = Vec::new();
        let mut offset = bits;
        for (field, width) in layout {
            offset -= width;
            let Some(field) = field else { continue };
            if width == 0 || offset / WORD_BITS != (offset + width - 1) / WORD_BITS {
                return Err(Error::new(format!(
                    "block {name}: field {field} does not lie in one word"
                )));
            }
            fields.push(Field {
                name: field,
                offset,
                width,
            });
        }
        self.blocks.insert(name, Block { bits, fields });
        Ok(())
    }

    fn union<'a>(&mut self, words: &mut impl Iterator<Item = &'a str>) -> Result<()> {
        let name = next(words)?.to_owned();
        let tag_field = next(words)?.to_owned();
        expect(words, "{")?;
        let mut members = Vec::new();
        loop {
            match next(words)? {
                "}" => break,
                "tag" => {
                    let block = next(words)?.to_owned();
                    let value = next(words)?;
                    let value = value
                        .parse()
                        .map_err(|_| Error::new(format!("`{value}` is not a tag value")))?;
                    members.push((block, value));
                }
                other => return Err(Error::new(format!("union {name}: unknown item `{other}`"))),
            }
        }
        self.unions.push(Union {
            name,
            tag_field,
            members,
        });
        Ok(())
    }

    /// Whether a block or a tagged union of this name exists.
    pub(crate) fn contains(&self, name: &str) -> bool {
        self.blocks.contains_key(name) || self.unions.iter().any(|union| union.name == name)
    }

    /// One struct over an array of words for each block and union. The blocks of a union are named
    /// after it, and their constructors set the tag.
    pub(crate) fn emit(&self, out: &mut String) -> Result<()> {
        let mut tagged = HashMap::new();
        for union in &self.unions {
            for (block, value) in &union.members {
                tagged.insert(block.as_str(), (union, *value));
            }
            self.emit_union(union, out)?;
        }
        for (name, block) in &self.blocks {
            match tagged.get(name.as_str()) {
                Some((union, value)) => {
                    let name = format!("{}_{name}", union.name);
                    emit_block(&name, block, Some((&union.tag_field, *value)), out);
                    let _ = writeln!(
                        out,
                        "impl From<{name}> for {union} {{ fn from(block: {name}) -> Self {{ Self(block.0) }} }}",
                        union = union.name
                    );
                }
                None => emit_block(name, block, None, out),
            }
        }
        Ok(())
    }

    fn emit_union(&self, union: &Union, out: &mut String) -> Result<()> {
        let Union {
            name,
            tag_field,
            members,
        } = union;
        let block = |member: &str| {
            self.blocks
                .get(member)
                .ok_or_else(|| Error::new(format!("union {name}: no block {member}")))
        };
        let (first, _) = members
            .first()
            .ok_or_else(|| Error::new(format!("union {name} is empty")))?;
        let bits = block(first)?.bits;
        let tag = |member: &str| -> Result<Field> {
            let block = block(member)?;
            let tag = block.fields.iter().find(|field| field.name == *tag_field);
            let tag =
                tag.ok_or_else(|| Error::new(format!("block {member} has no field {tag_field}")))?;
            if block.bits != bits {
                return Err(Error::new(format!(
                    "union {name}: block {member} differs in size"
                )));
            }
            Ok(tag.clone())
        };
        let place = tag(first)?;
        for (member, _) in members {
            if tag(member)? != place {
                return Err(Error::new(format!(
                    "union {name}: the tag of {member} is elsewhere"
                )));
            }
        }
        let words = bits / WORD_BITS;
        let _ = writeln!(
            out,
            "/// Tagged union; `{tag_field}` tells which block it holds.\n\
             #[derive(Clone, Copy, Debug, PartialEq, Eq)]\n#[repr(transparent)]\npub struct {name}(pub [u64; {words}]);\n\
             impl {name} {{\n    /// The tag.\n    #[inline]\n    pub const fn tag(&self) -> u64 {{ {} }}\n}}",
            read(&place)
        );
        for (member, value) in members {
            let _ = writeln!(
                out,
                "/// Tag of [`{name}_{member}`].\npub const {name}_tag_{member}: u64 = {value};"
            );
        }
        Ok(())
    }
}

fn next<'a>(words: &mut impl Iterator<Item = &'a str>) -> Result<&'a str> {
    words
        .next()
        .ok_or_else(|| Error::new("unexpected end of file"))
}

fn expect<'a>(words: &mut impl Iterator<Item = &'a str>, symbol: &str) -> Result<()> {
    match next(words)? {
        word if word == symbol => Ok(()),
        word => Err(Error::new(format!("expected `{symbol}`, found `{word}`"))),
    }
}

fn width<'a>(words: &mut impl Iterator<Item = &'a str>) -> Result<usize> {
    let word = next(words)?;
    word.parse()
        .map_err(|_| Error::new(format!("`{word}` is not a width")))
}

fn mask(field: &Field) -> u64 {
    u64::MAX >> (WORD_BITS - field.width)
}

fn read(field: &Field) -> String {
    format!(
        "self.0[{}] >> {} & {:#x}",
        field.offset / WORD_BITS,
        field.offset % WORD_BITS,
        mask(field)
    )
}

fn emit_block(name: &str, block: &Block, tag: Option<(&str, u64)>, out: &mut String) {
    let words = block.bits / WORD_BITS;
    let parameters: Vec<&Field> = block
        .fields
        .iter()
        .filter(|field| tag.is_none_or(|(tag, _)| tag != field.name))
        .collect();
    let _ = writeln!(
        out,
        "/// Packed words; fields wider than their bits are cut.\n\
         #[derive(Clone, Copy, Debug, PartialEq, Eq)]\n#[repr(transparent)]\npub struct {name}(pub [u64; {words}]);\n\
         impl {name} {{\n    /// All fields, most significant first.\n    #[inline]\n    pub const fn new({}) -> Self {{\n        let mut words = [0u64; {words}];",
        parameters
            .iter()
            .map(|field| format!("{}: u64", snake(&field.name)))
            .collect::<Vec<_>>()
            .join(", ")
    );
    for field in &block.fields {
        let value = match tag {
            Some((tag, value)) if tag == field.name => value.to_string(),
            _ => snake(&field.name),
        };
        let _ = writeln!(
            out,
            "        words[{}] |= ({value} & {:#x}) << {};",
            field.offset / WORD_BITS,
            mask(field),
            field.offset % WORD_BITS
        );
    }
    out.push_str("        Self(words)\n    }\n");
    for field in parameters {
        let _ = writeln!(
            out,
            "    /// The field `{}`, {} bits.\n    #[inline]\n    pub const fn get_{}(&self) -> u64 {{ {} }}",
            field.name,
            field.width,
            snake(&field.name),
            read(field)
        );
    }
    out.push_str("}\n");
}

/// `capAllowGrant` as `cap_allow_grant`; runs of capitals stay one word.
fn snake(name: &str) -> String {
    let mut output = String::new();
    let mut previous_lower = false;
    for character in name.chars() {
        if character.is_ascii_uppercase() && previous_lower {
            output.push('_');
        }
        previous_lower = character.is_ascii_lowercase() || character.is_ascii_digit();
        output.push(character.to_ascii_lowercase());
    }
    output
}

#[cfg(test)]
mod tests {
    use super::*;

    const INFO: &str = "base 64\nblock Info {\n padding 32\n field label 20\n field capsUnwrapped 3\n field extraCaps 2\n field length 7\n}";

    fn parse(source: &str) -> Result<Bitfields> {
        let mut bitfields = Bitfields::default();
        bitfields.parse(source).map(|()| bitfields)
    }

    #[test]
    fn first_field_is_the_most_significant() {
        let bitfields = parse(INFO).unwrap();
        let places: Vec<_> = bitfields.blocks["Info"]
            .fields
            .iter()
            .map(|f| (f.offset, f.width))
            .collect();
        assert_eq!(places, [(12, 20), (9, 3), (7, 2), (0, 7)]);
    }

    #[test]
    fn union_members_carry_their_tag() {
        let source = "block A {\n field kind 1\n field value 63\n}\nblock B { field kind 1 padding 63 }\ntagged_union U kind { tag A 0 tag B 1 }";
        let mut out = String::new();
        parse(source).unwrap().emit(&mut out).unwrap();
        assert!(out.contains("pub struct U_A(pub [u64; 1]);"));
        assert!(out.contains("pub const fn new(value: u64) -> Self"));
        assert!(out.contains("words[0] |= (1 & 0x1) << 63;"));
        assert!(out.contains("pub const U_tag_B: u64 = 1;"));
    }

    #[test]
    fn refuses_bad_layouts() {
        assert!(parse("block A { field a 32 }").is_err());
        assert!(parse("block A { field a 32 field b 64 field c 32 }").is_err());
        assert!(parse("base 32").is_err());
        assert!(parse("block A { field_high a 64 }").is_err());
        assert!(parse("block A { field a").is_err());
        let mut out = String::new();
        assert!(
            parse("tagged_union U kind { tag A 0 }")
                .unwrap()
                .emit(&mut out)
                .is_err()
        );
    }

    #[test]
    fn names_become_snake_case() {
        assert_eq!(snake("capAllowGrant"), "cap_allow_grant");
        assert_eq!(snake("FaultIP"), "fault_ip");
        assert_eq!(snake("MR4"), "mr4");
    }
}
