// SPDX-License-Identifier: BSD-2-Clause

use alloc::string::ToString as _;

use crate::files::{Entry, content_type, escape, page, path, reference};

#[test]
fn paths_are_decoded_once() {
    for (target, expected) in [
        ("/files/", Some("")),
        ("/files/a/b.txt?x=/y#z", Some("a/b.txt")),
        ("/files/a%20b%2Fc", Some("a b/c")),
        ("/files/%2e%2E/secret", Some("../secret")),
        ("/files/%2541", Some("%41")),
        ("/files/%C3%A4", Some("\u{e4}")),
        ("/files/%C3", None),
        ("/files/%", None),
        ("/files/%4", None),
        ("/files/%+4", None),
        ("/files/%00", None),
        ("/file", None),
    ] {
        assert_eq!(path(target, "/files/").as_deref(), expected, "{target}");
    }
}

#[test]
fn names_come_back_as_they_were() {
    for name in ["plain", "a b", "100%", "<&\"'>", "\u{e4}\u{20ac}", "a?b#c"] {
        let target = alloc::format!("/files/{}", reference(name));
        assert_eq!(path(&target, "/files/").as_deref(), Some(name));
    }
}

#[test]
fn names_are_no_markup() {
    let entry = Entry {
        name: "<b>&\".html".into(),
        is_directory: true,
    };
    let page = page("a<i>", &[entry]);
    assert!(page.contains("<h1>/a&lt;i&gt;</h1>"), "{page}");
    assert!(
        page.contains("<a href=\"%3Cb%3E%26%22.html/\">&lt;b&gt;&amp;&quot;.html/</a>"),
        "{page}"
    );
    assert_eq!(escape("plain").to_string(), "plain");
}

#[test]
fn kinds_of_content() {
    assert_eq!(content_type("a/index.html"), "text/html");
    assert_eq!(content_type("a.b/none"), "application/octet-stream");
    assert_eq!(content_type(""), "application/octet-stream");
}
