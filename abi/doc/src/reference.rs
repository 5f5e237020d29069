// SPDX-License-Identifier: BSD-2-Clause
//! The reference page.

use std::fmt::Write as _;

use atoll_abi::{
    CONSTANTS, Error, Form, Group, Hostcall,
    describe::{Constant, Shape, Type},
    mailbox, message,
};

use crate::{
    calls::{RIGHTS, errors, module, of_group},
    layout::Layout,
    start::START,
    text::{number, tidy, upper},
};

/// The text of `docs/hostcalls.md`.
pub fn reference() -> String {
    let mut out = String::from(TOP);
    groups(&mut out);
    for group in Group::ALL {
        calls(&mut out, *group);
    }
    out.push_str(MESSAGES);
    for ty in message::MESSAGES.iter().chain(START) {
        described(&mut out, ty);
    }
    out.push_str("## Numbers\n\n");
    for ty in message::NUMBERED {
        described(&mut out, ty);
    }
    rights(&mut out);
    out.push_str("## Errors\n\nThe numbers are stable. A call answers the negated number.\n\n| number | name | meaning |\n|---|---|---|\n");
    for error in Error::ALL {
        let _ = writeln!(out, "| {} | `{}` | {error} |", error.number(), error.name());
    }
    out.push_str("\n## Constants\n\n");
    constants(&mut out, "", CONSTANTS);
    out.push_str("\nThe wake mailbox, `abi/src/mailbox.rs`; offsets are in bytes:\n\n");
    constants(&mut out, "mailbox::", mailbox::CONSTANTS);
    out
}

const TOP: &str = "\
# Hostcalls

What a guest can ask of its server. Guests in Rust use the library ([guests.md](guests.md)), guests in C the
header `abi/include/atoll.h`: there `shm::alloc` is `atoll_shm_alloc`. This page and the header are made from the
table in `abi/src/table.rs`: `atoll abi --reference`, `atoll abi --header`.

A **scalar** call takes numbers, `i32` or `i64` of WebAssembly, and answers an `i64`: a value from 0 up, or the
negated number of an [error](#errors). It is written `name(parameter: type, …) -> type`. A **message** call takes the
address and length of a [message](#messages) and the address of `MAX_REPLY` bytes for the reply, and answers the
reply's length or an error. It is written `name(Request) -> Reply`. Addresses are offsets in the guest's memory.

| type | travels as |
|---|---|
| `u32`, `Handle`, `Pid`, `Rights`, `Groups`, and what is [numbered](#numbers) | `i32`, unsigned |
| `u64`, `TimerId` | `i64`, unsigned |
| `bool` | as an answer 1 if it is so, else 0 |
| `()` | nothing; as an answer 0 |

Misuse, an address outside the memory or a message that does not decode, ends the guest. Everything else that a
call will not do is refused with an error.

";

const MESSAGES: &str = "\
## Messages

Messages are in [postcard](https://postcard.jamesmunns.com/wire-format)'s format. A *varint* has seven bits of an
unsigned number in each byte, the lowest first, and the eighth bit set in each byte but the last. A message is its
fields one after the other; a choice is its place in the list, as a varint, and what it carries.

";

/// Where each group is, and what grants it.
fn groups(out: &mut String) {
    out.push_str("| import module | grant |\n|---|---|\n");
    for group in Group::ALL {
        let module = module(*group);
        let anchor = module.replace(':', "");
        let grant = group
            .grant()
            .map_or("every guest".to_owned(), |grant| format!("`{grant}`"));
        let _ = writeln!(out, "| [`{module}`](#{anchor}) | {grant} |");
    }
    out.push('\n');
}

fn calls(out: &mut String, group: Group) {
    let _ = writeln!(out, "## `{}`\n", module(group));
    match group.grant() {
        Some(grant) => {
            let bits = atoll_abi::Groups::NONE.with(group).bits();
            let _ = writeln!(out, "Needs the grant `{grant}` (`Groups`: {bits:#x}).\n");
        }
        None => out.push_str("Every guest may call these.\n\n"),
    }
    for call in of_group(group) {
        let _ = writeln!(out, "### `{}`\n", signature(call));
        let _ = writeln!(out, "{}\n", call.doc.trim());
        let errors: Vec<_> = errors(call)
            .iter()
            .map(|error| format!("`{}`", error.name()))
            .collect();
        if !errors.is_empty() {
            let _ = writeln!(out, "Errors: {}.\n", errors.join(", "));
        }
    }
}

fn signature(call: &Hostcall) -> String {
    match call.form {
        Form::Scalar { params, answer } => {
            let params: Vec<_> = params
                .iter()
                .map(|param| format!("{}: {}", param.name, tidy(param.ty)))
                .collect();
            format!("{}({}) -> {answer}", call.name, params.join(", "))
        }
        Form::Message { request, reply } => {
            let request = if request == "()" { "" } else { request };
            format!("{}({request}) -> {}", call.name, tidy(reply))
        }
    }
}

fn described(out: &mut String, ty: &Type) {
    let _ = writeln!(out, "### `{}`\n\n{}\n", ty.name, ty.doc.trim());
    match ty.shape {
        Shape::Struct(fields) => {
            out.push_str("| field | type | encoded as | meaning |\n|---|---|---|---|\n");
            for field in fields {
                let _ = writeln!(
                    out,
                    "| `{}` | `{}` | {} | {} |",
                    field.name,
                    tidy(field.ty),
                    encoded(field.ty),
                    field.doc.trim()
                );
            }
        }
        Shape::Choice(fields) => {
            out.push_str("| place | variant | carries | meaning |\n|---|---|---|---|\n");
            for (place, field) in fields.iter().enumerate() {
                let _ = writeln!(
                    out,
                    "| {place} | `{}` | `{}`: {} | {} |",
                    field.name,
                    tidy(field.ty),
                    encoded(field.ty),
                    field.doc.trim()
                );
            }
        }
        Shape::Numbered(values) => {
            out.push_str("| number | name | meaning |\n|---|---|---|\n");
            for value in values {
                let _ = writeln!(
                    out,
                    "| {} | `{}` | {} |",
                    value.value,
                    value.name,
                    value.doc.trim()
                );
            }
        }
    }
    out.push('\n');
}

fn encoded(ty: &str) -> String {
    Layout::of(ty).map_or_else(|| ty.to_owned(), |layout| layout.to_string())
}

fn rights(out: &mut String) {
    out.push_str(
        "### `Rights`\n\nA set: the sum of these.\n\n| number | name | allows to |\n|---|---|---|\n",
    );
    for (name, right, doc) in RIGHTS {
        let _ = writeln!(out, "| {} | `{name}` | {doc} |", right.bits());
    }
    out.push('\n');
}

fn constants(out: &mut String, prefix: &str, constants: &[Constant]) {
    let c_prefix = upper(prefix).replace("::", "_");
    out.push_str("| name | in C | value | meaning |\n|---|---|---|---|\n");
    for constant in constants {
        let _ = writeln!(
            out,
            "| `{prefix}{}` | `ATOLL_{c_prefix}{}` | {} | {} |",
            constant.name,
            constant.name,
            number(constant.value),
            constant.doc.trim()
        );
    }
}
