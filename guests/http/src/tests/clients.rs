// SPDX-License-Identifier: BSD-2-Clause

use super::*;

#[test]
fn responses_say_how_long_they_are() {
    for (fields, length) in [
        ("Content-Length: 7\r\n", Length::Exactly(7)),
        ("transfer-encoding: chunked\r\n", Length::Chunked),
        ("", Length::UntilClose),
    ] {
        let text = format!("HTTP/1.1 200 OK\r\n{fields}\r\nbody");
        let head = text.len() - 4;
        for cut in 0..head {
            assert_eq!(Response::parse(&text.as_bytes()[..cut]), Ok(None), "{cut}");
        }
        let expected = Response {
            code: 200,
            length,
            head,
        };
        assert_eq!(Response::parse(text.as_bytes()), Ok(Some(expected)));
    }
    let none = Response::parse(b"HTTP/1.1 204 No Content\r\n\r\n")
        .unwrap()
        .unwrap();
    assert_eq!(none.length, Length::None);
}

#[test]
fn what_is_no_response_is_said_so() {
    for text in [
        "SSH-2.0-x\r\n\r\n",
        "HTTP/1.1 2x0 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
    ] {
        assert_eq!(Response::parse(text.as_bytes()), Err(NoResponse), "{text}");
    }
    let endless = format!("HTTP/1.1 200 OK\r\nX: {}", "x".repeat(20_000));
    assert_eq!(Response::parse(endless.as_bytes()), Err(NoResponse));
}

#[test]
fn urls() {
    let url = |authority, host, port, target| {
        Ok(Url {
            authority,
            host,
            port,
            target,
        })
    };
    for (text, expected) in [
        ("http://a", url("a", "a", 80, "/")),
        ("http://a:8080/b?c#d", url("a:8080", "a", 8080, "/b?c")),
        ("http://[fec0::2]/", url("[fec0::2]", "fec0::2", 80, "/")),
        (
            "http://[fec0::2]:81/x",
            url("[fec0::2]:81", "fec0::2", 81, "/x"),
        ),
    ] {
        assert_eq!(Url::parse(text), expected, "{text}");
    }
    for text in [
        "https://a/",
        "a",
        "http://",
        "http:///x",
        "http://a:0/",
        "http://a:x/",
        "http://a:65536/",
        "http://[a",
        "http://[a]x/",
        "http://u@a/",
        "http://a/ b",
        "http://a/\r\n",
        "http://a?b",
    ] {
        assert_eq!(Url::parse(text), Err(BadUrl), "{text}");
    }
}
