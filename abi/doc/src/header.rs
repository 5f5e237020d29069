// SPDX-License-Identifier: BSD-2-Clause
//! The C header.

use std::fmt::Write as _;

use atoll_abi::{
    CONSTANTS, Error, Form, Group, Hostcall, Param,
    describe::{Constant, Shape, Type},
    mailbox, message,
};

use crate::{
    calls::{RIGHTS, module, of_group},
    layout::Layout,
    start::START,
    text::{lower, number, upper, wrapped},
};

const WIDTH: usize = 96;

/// The text of `abi/include/atoll.h`.
pub fn header() -> String {
    let mut out = String::from(TOP);
    section(&mut out, "Constants");
    for constant in CONSTANTS {
        define(&mut out, "ATOLL_", constant);
    }
    section(&mut out, "The wake mailbox: offsets are in bytes");
    for constant in mailbox::CONSTANTS {
        define(&mut out, "ATOLL_MAILBOX_", constant);
    }
    section(&mut out, "Numbers");
    errors(&mut out);
    rights_and_groups(&mut out);
    for ty in message::NUMBERED {
        numbered(&mut out, ty);
    }
    out.push_str(CODEC);
    section(
        &mut out,
        "Messages, in postcard: a struct is its fields one after the other, a choice its place in the list (varint) and what it carries",
    );
    for ty in message::MESSAGES.iter().chain(START) {
        layout(&mut out, ty);
    }
    for group in Group::ALL {
        let needs = match group.grant() {
            Some(grant) => format!("{}: needs the grant {grant}", module(*group)),
            None => format!("{}: every guest may", module(*group)),
        };
        section(&mut out, &needs);
        for call in of_group(*group) {
            import(&mut out, call);
        }
    }
    out.push_str(BOTTOM);
    out
}

const TOP: &str = "\
/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The hostcalls of an Atoll process server, for guests in C and C++ (wasm32).
 *
 * A call answers a value from 0 up, or the negated number of an atoll_error. Scalar calls take
 * numbers. Message calls take the address and length of a request in postcard and the address of
 * ATOLL_MAX_REPLY bytes, and answer the reply's length. A guest links a call only if it is granted
 * the call's group. A pointer outside the memory, or a request that does not decode, ends the guest.
 *
 * Made by `atoll abi --header` from the table in abi/src/table.rs. docs/hostcalls.md says the same
 * for reading.
 */
#ifndef ATOLL_H
#define ATOLL_H

#include <stdint.h>

#ifdef __cplusplus
extern \"C\" {
#endif

#ifdef __wasm__
#define ATOLL_IMPORT(module, name) __attribute__((import_module(module), import_name(name)))
#else
#define ATOLL_IMPORT(module, name)
#endif

/** A capability: an index into the guest's table and a generation. Never 0. */
typedef uint32_t atoll_handle;
/** A process: its place in the server and a generation. Never 0. */
typedef uint32_t atoll_pid;
/** A set of atoll_right. */
typedef uint32_t atoll_rights;
/** A set of atoll_group. */
typedef uint32_t atoll_groups;
/** A timer that is set. */
typedef uint64_t atoll_timer;
";

const CODEC: &str = "
/* ---- Numbers and texts of messages */

/** Appends a varint at `at`; answers the end of it, or 0 if it does not fit before `end` or `at` is 0. */
static inline uint8_t *atoll_put_number(uint8_t *at, const uint8_t *end, uint64_t number)
{
    do {
        if (!at || at == end)
            return 0;
        *at++ = (uint8_t)((number & 0x7f) | (number > 0x7f ? 0x80 : 0));
        number >>= 7;
    } while (number != 0);
    return at;
}

/** Appends the length of some bytes and the bytes, as atoll_put_number. */
static inline uint8_t *atoll_put_text(uint8_t *at, const uint8_t *end, const char *text, uint32_t len)
{
    uint32_t i;
    at = atoll_put_number(at, end, len);
    if (!at || (uint64_t)(end - at) < len)
        return 0;
    for (i = 0; i < len; i++)
        *at++ = (uint8_t)text[i];
    return at;
}

/** Takes a varint from `at`; answers what is behind it, or 0 if it does not end before `end`. */
static inline const uint8_t *atoll_get_number(const uint8_t *at, const uint8_t *end, uint64_t *number)
{
    unsigned shift = 0;
    *number = 0;
    while (at && at != end && shift < 64) {
        uint8_t byte = *at++;
        *number |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80)
            return at;
        shift += 7;
    }
    return 0;
}
";

const BOTTOM: &str = "\
#ifdef __cplusplus
}
#endif

#endif
";

fn section(out: &mut String, title: &str) {
    if !out.ends_with("\n\n") {
        out.push('\n');
    }
    match &*wrapped(title, WIDTH - 10) {
        [line] => {
            let _ = writeln!(out, "/* ---- {line} */");
        }
        lines => {
            let _ = writeln!(out, "/* ---- {} */", lines.join("\n *      "));
        }
    }
    out.push('\n');
}

/// A comment for what follows.
fn comment(out: &mut String, indent: &str, text: &str) {
    match &*wrapped(text, WIDTH - indent.len()) {
        [] => {}
        [line] => {
            let _ = writeln!(out, "{indent}/** {line} */");
        }
        lines => {
            let _ = writeln!(out, "{indent}/**");
            for line in lines {
                let _ = writeln!(out, "{indent} * {line}");
            }
            let _ = writeln!(out, "{indent} */");
        }
    }
}

fn define(out: &mut String, prefix: &str, constant: &Constant) {
    comment(out, "", constant.doc);
    let bits = if constant.value > u64::from(u32::MAX) {
        64
    } else {
        32
    };
    let _ = writeln!(
        out,
        "#define {prefix}{} UINT{bits}_C({})",
        constant.name,
        number(constant.value)
    );
}

/// An enumeration: name, value and comment of each enumerator.
fn enumeration(
    out: &mut String,
    name: &str,
    values: impl Iterator<Item = (String, u64, Option<String>)>,
) {
    let _ = writeln!(out, "enum atoll_{name} {{");
    for (value_name, value, doc) in values {
        comment(out, "    ", doc.as_deref().unwrap_or_default());
        let _ = writeln!(out, "    {value_name} = {value},");
    }
    out.push_str("};\n\n");
}

fn errors(out: &mut String) {
    comment(
        out,
        "",
        "Why a call refused. The numbers are stable. 0 is no error.",
    );
    let values = Error::ALL.iter().map(|error| {
        let name = format!("ATOLL_ERROR_{}", upper(error.name()));
        (
            name,
            u64::from(error.number()),
            Some(sentence(&error.to_string())),
        )
    });
    enumeration(out, "error", values);
    comment(
        out,
        "",
        "The error of an answer, a number of atoll_error; 0 if it is a value.",
    );
    out.push_str(
        "static inline uint32_t atoll_error_of(int64_t answer)\n{\n    \
         return answer < 0 ? (uint32_t)-answer : 0;\n}\n\n",
    );
    comment(out, "", "An error in words.");
    out.push_str("static inline const char *atoll_error_text(uint32_t error)\n{\n    switch (error) {\n    case 0: return \"no error\";\n");
    for error in Error::ALL {
        let _ = writeln!(
            out,
            "    case ATOLL_ERROR_{}: return \"{error}\";",
            upper(error.name())
        );
    }
    out.push_str("    default: return \"unknown error\";\n    }\n}\n\n");
}

fn rights_and_groups(out: &mut String) {
    comment(out, "", "What a handle allows: bits of atoll_rights.");
    let rights = RIGHTS.iter().map(|(name, right, doc)| {
        let name = format!("ATOLL_RIGHT_{name}");
        (name, u64::from(right.bits()), Some((*doc).into()))
    });
    enumeration(out, "right", rights);
    comment(
        out,
        "",
        "Groups of hostcalls that are granted: bits of atoll_groups.",
    );
    let gated = Group::ALL.iter().filter_map(|group| {
        let grant = group.grant()?;
        let name = format!("ATOLL_GROUP_{}", grant.to_ascii_uppercase());
        let bits = atoll_abi::Groups::NONE.with(*group).bits();
        Some((
            name,
            u64::from(bits),
            Some(format!("The calls of {}.", module(*group))),
        ))
    });
    enumeration(out, "group", gated);
}

fn numbered(out: &mut String, ty: &Type) {
    let Shape::Numbered(values) = ty.shape else {
        return;
    };
    comment(out, "", ty.doc);
    let prefix = format!("ATOLL_{}_", upper(ty.name));
    let values = values.iter().map(|value| {
        let name = format!("{prefix}{}", upper(value.name));
        (name, value.value, Some(value.doc.to_owned()))
    });
    enumeration(out, &lower(ty.name), values);
}

/// The layout of a message, as a comment.
fn layout(out: &mut String, ty: &Type) {
    let (word, fields) = match ty.shape {
        Shape::Struct(fields) => ("struct", fields),
        Shape::Choice(fields) => ("choice", fields),
        Shape::Numbered(_) => return,
    };
    out.push_str("/*\n");
    for line in wrapped(&format!("{word} {}: {}", ty.name, ty.doc), WIDTH) {
        let _ = writeln!(out, " * {line}");
    }
    for (place, field) in fields.iter().enumerate() {
        let encoded =
            Layout::of(field.ty).map_or_else(|| field.ty.to_owned(), |layout| layout.to_string());
        let place = if word == "choice" {
            format!("{place} ")
        } else {
            String::new()
        };
        let text = format!("{place}{}: {encoded}. {}", field.name, field.doc);
        for (index, line) in wrapped(&text, WIDTH - 8).iter().enumerate() {
            let indent = if index == 0 { "    " } else { "        " };
            let _ = writeln!(out, " *{indent}{line}");
        }
    }
    out.push_str(" */\n\n");
}

fn import(out: &mut String, call: &Hostcall) {
    let (doc, params) = match call.form {
        Form::Scalar { params, answer } => {
            let answers = match answer {
                "()" => String::new(),
                answer => format!(" Answers: {answer}."),
            };
            let params: Vec<_> = params.iter().map(|param| c_param(call, param)).collect();
            let params = if params.is_empty() {
                "void".into()
            } else {
                params.join(", ")
            };
            (format!("{}{answers}", call.doc), params)
        }
        Form::Message { request, reply } => {
            let words = |ty| Layout::of(ty).map_or_else(|| ty.into(), |layout| layout.to_string());
            let doc = format!(
                "{} Request: {}. Reply: {}.",
                call.doc,
                words(request),
                words(reply)
            );
            (
                doc,
                "const void *request, uint32_t len, void *reply".to_owned(),
            )
        }
    };
    comment(out, "", &doc);
    let room = call.module.rsplit("::").next().unwrap_or_default();
    let _ = writeln!(
        out,
        "ATOLL_IMPORT(\"{}\", \"{}\")\nint64_t atoll_{room}_{}({params});\n",
        call.module, call.name, call.name
    );
}

/// A parameter of a scalar call in C. Addresses are pointers, which have 32 bits in wasm32.
fn c_param(call: &Hostcall, param: &Param) -> String {
    let ty = match (param.ty, param.name) {
        ("u32", "text" | "message") => return format!("const void *{}", param.name),
        ("u32", "buffer") if call.name == "write" => return format!("const void *{}", param.name),
        ("u32", "buffer" | "mailbox" | "address") => return format!("void *{}", param.name),
        ("u64", _) => "uint64_t",
        ("Handle", _) => "atoll_handle",
        ("Pid", _) => "atoll_pid",
        ("Rights", _) => "atoll_rights",
        ("Groups", _) => "atoll_groups",
        ("TimerId", _) => "atoll_timer",
        _ => "uint32_t",
    };
    format!("{ty} {}", param.name)
}

/// With a capital letter and a full stop.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|first| first.to_ascii_uppercase());
    first.into_iter().chain(letters).chain(['.']).collect()
}
