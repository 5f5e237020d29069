// SPDX-License-Identifier: BSD-2-Clause
//! Files as places of a site: names in requests and in pages.

use alloc::{format, string::String, vec::Vec};
use core::fmt::Write as _;

/// The path of a file that a request names: what is behind `prefix` in its target, less a query, with `%XX` decoded
/// (RFC 3986, 2.1). None if it is no UTF-8, or has a zero in it, or is not behind the prefix.
pub fn path(target: &str, prefix: &str) -> Option<String> {
    let path = target.split(['?', '#']).next()?.strip_prefix(prefix)?;
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.bytes();
    while let Some(byte) = rest.next() {
        let byte = match byte {
            b'%' => {
                let mut digit = || char::from(rest.next()?).to_digit(16);
                // Two digits of four bits.
                (digit()? << 4 | digit()?) as u8
            }
            0 => return None,
            other => other,
        };
        if byte == 0 {
            return None;
        }
        bytes.push(byte);
    }
    String::from_utf8(bytes).ok()
}

/// A name as a part of a reference: everything but letters, digits and `-._~` is encoded.
pub fn reference(name: &str) -> String {
    let mut text = String::new();
    for byte in name.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                text.push(char::from(byte));
            }
            // Writing to a string does not fail.
            _ => drop(write!(text, "%{byte:02X}")),
        }
    }
    text
}

/// Text in a page.
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            other => escaped.push(other),
        }
    }
    escaped
}

/// An entry of a directory's page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its name.
    pub name: String,
    /// Whether it is a directory.
    pub is_directory: bool,
}

/// The page of a directory.
pub fn page(path: &str, entries: &[Entry]) -> String {
    let title = escape(path);
    let mut list = String::new();
    for entry in entries {
        let slash = if entry.is_directory { "/" } else { "" };
        let (href, name) = (reference(&entry.name), escape(&entry.name));
        let _ = write!(list, "<li><a href=\"{href}{slash}\">{name}{slash}</a></li>");
    }
    format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>/{title}</title><h1>/{title}</h1>\
         <ul><li><a href=\"..\">..</a></li>{list}</ul></html>\n"
    )
}

/// What a file is likely to be, by the end of its name.
pub fn content_type(path: &str) -> &'static str {
    let end = path.rsplit_once('.').map_or("", |(_, end)| end);
    match end {
        "html" => "text/html",
        "txt" | "md" | "cdl" | "rs" => "text/plain; charset=utf-8",
        "css" => "text/css",
        "js" => "text/javascript",
        "json" => "application/json",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "svg" => "image/svg+xml",
        "wasm" => "application/wasm",
        _ => "application/octet-stream",
    }
}
