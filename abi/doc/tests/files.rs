// SPDX-License-Identifier: BSD-2-Clause
//! The files in the tree are what the generator makes, say everything, and compile.
#![forbid(unsafe_code)]

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use atoll_abi::{
    CONSTANTS, Error, Form, Group, Handle, Rights, TABLE, mailbox,
    message::{MESSAGES, NUMBERED, ShareRequest},
};
use atoll_abi_doc::{header, reference};

fn tree() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn is_current(path: &str, option: &str, made: &str) {
    let found = fs::read_to_string(tree().join(path)).unwrap_or_default();
    assert!(
        found == made,
        "{path} is not what the table says; `atoll abi {option} >{path}` writes it anew"
    );
}

#[test]
fn the_header_is_current() {
    is_current("abi/include/atoll.h", "--header", &header());
}

#[test]
fn the_reference_is_current() {
    is_current("docs/hostcalls.md", "--reference", &reference());
}

#[test]
fn both_say_everything() {
    let (header, reference) = (header(), reference());
    let has = |text: &str, part: &str| assert!(text.contains(part), "{part}");
    for call in TABLE {
        let room = call.module.strip_prefix("atoll::").unwrap();
        let import = format!(
            "ATOLL_IMPORT(\"{}\", \"{}\")\nint64_t atoll_{room}_{}(",
            call.module, call.name, call.name
        );
        has(&header, &import);
        has(&reference, &format!("### `{}(", call.name));
        has(&reference, call.doc.trim());
        if let Form::Scalar { params, .. } = call.form {
            for param in params {
                has(&reference, &format!("{}: {}", param.name, param.ty));
            }
        }
    }
    assert_eq!(header.matches("ATOLL_IMPORT(\"").count(), TABLE.len());
    for group in Group::ALL.iter().filter_map(|group| group.grant()) {
        has(&header, &format!("needs the grant {group} "));
        has(&reference, &format!("Needs the grant `{group}`"));
    }
    for ty in MESSAGES {
        has(&header, &format!(" {}:", ty.name));
        has(&reference, &format!("### `{}`\n", ty.name));
    }
    for ty in NUMBERED {
        has(&reference, &format!("### `{}`\n", ty.name));
    }
    for error in Error::ALL {
        has(&header, &format!(" = {},", error.number()));
        has(
            &reference,
            &format!("| {} | `{}` |", error.number(), error.name()),
        );
    }
    for constant in CONSTANTS.iter().chain(mailbox::CONSTANTS) {
        has(&header, &format!("{} UINT", constant.name));
        has(&reference, &format!("{}` | `ATOLL_", constant.name));
    }
}

/// Runs a compiler on a source that includes the header; answers the program if it makes one.
fn compile(compiler: &str, options: &[&str], source: &str, name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let (input, output) = (folder.join(name), folder.join(name).with_extension("out"));
    fs::write(&input, source).expect("scratch folder");
    let result = Command::new(compiler)
        .args(["-Wall", "-Wextra", "-Wpedantic", "-Werror"])
        .args(options)
        .arg("-I")
        .arg(tree().join("abi/include"))
        .arg("-o")
        .args([&output, &input])
        .output()
        .unwrap_or_else(|error| {
            panic!("{compiler}: {error}; docker/packages.txt names its package")
        });
    let messages = String::from_utf8_lossy(&result.stderr);
    assert!(
        result.status.success(),
        "{compiler} {options:?}: {messages}"
    );
    output
}

const INCLUDE: &str = "#include <atoll.h>\n#include <atoll.h>\n\
    int main(void) { return (int)atoll_error_of(0); }\n";

#[test]
fn the_header_is_c11() {
    compile("gcc", &["-std=c11"], INCLUDE, "c11.c");
}

#[test]
fn the_header_is_cpp17() {
    compile("g++", &["-std=c++17"], INCLUDE, "cpp17.cpp");
}

/// With a compiler for wasm32, if there is one; in any case the text that such a compiler sees.
#[test]
fn the_header_is_c_for_wasm32() {
    let seen = ["-std=c11", "-D__wasm__", "-Wno-attributes", "-c"];
    compile("gcc", &seen, INCLUDE, "wasm32.c");
    if Command::new("clang").arg("--version").output().is_ok() {
        let options = ["--target=wasm32", "-std=c11", "-ffreestanding", "-c"];
        compile("clang", &options, INCLUDE, "clang.c");
    }
}

/// A request that C encodes with the header is the one that Rust encodes.
#[test]
fn c_encodes_what_rust_encodes() {
    let request = ShareRequest {
        handle: Handle(0x1234_5678),
        rights: Rights::READ_WRITE,
        uses: 300,
        expires: Some(u64::MAX - 1),
    };
    let source = r#"
#include <atoll.h>
#include <stdio.h>
int main(void)
{
    uint8_t buffer[64], *at = buffer, *end = buffer + sizeof buffer;
    const uint8_t *from = buffer;
    uint64_t back;
    at = atoll_put_number(at, end, 0x12345678);
    at = atoll_put_number(at, end, ATOLL_RIGHT_READ | ATOLL_RIGHT_WRITE);
    at = atoll_put_number(at, end, 300);
    at = atoll_put_number(at, end, 1);
    at = atoll_put_number(at, end, ATOLL_NEVER - 1);
    if (!at || atoll_put_number(at, at + 1, 300) || atoll_put_number(at, at, 0))
        return 1;
    from = atoll_get_number(from, at, &back);
    if (!from || back != 0x12345678 || atoll_get_number(buffer, buffer + 2, &back))
        return 2;
    for (from = buffer; from != at; from++)
        printf("%02x", *from);
    if (!atoll_put_text(buffer, end, "abc", 3) || buffer[0] != 3 || buffer[3] != 'c')
        return 3;
    return atoll_put_text(buffer, buffer + 3, "abc", 3) ? 4 : 0;
}
"#;
    let program = compile("gcc", &["-std=c11", "-O1"], source, "encode.c");
    let result = Command::new(program).output().expect("the program");
    assert_eq!(result.status.code(), Some(0));
    let expected = postcard::to_allocvec(&request).unwrap();
    let expected: String = expected.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(String::from_utf8_lossy(&result.stdout), expected);
}
