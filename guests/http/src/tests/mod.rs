// SPDX-License-Identifier: BSD-2-Clause
//! What peers send, good and bad, in pieces of every size.

mod bodies;
mod clients;
mod files;
mod heads;

use alloc::{format, string::String, vec, vec::Vec};

use crate::*;

const LIMITS: Limits = Limits {
    head: 256,
    body: 1000,
};

/// What came of a step, as a value.
#[derive(Clone, Debug, PartialEq)]
enum Seen {
    Request(Head),
    Data(Vec<u8>),
    End,
    Refused(Status),
}

/// What comes of these bytes, in these pieces; bytes of one body together.
fn read<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<Seen> {
    let mut requests = Requests::new(LIMITS);
    let mut seen = Vec::new();
    for piece in pieces {
        for piece in piece.chunks(LIMITS.head) {
            assert!(requests.room() > 0, "or nobody could go on");
            requests.feed(piece);
            loop {
                match requests.step() {
                    Ok(Step::More) => break,
                    Ok(Step::Request(head)) => seen.push(Seen::Request(head)),
                    Ok(Step::Data(bytes)) => match seen.last_mut() {
                        Some(Seen::Data(data)) => data.extend_from_slice(bytes),
                        _ => seen.push(Seen::Data(bytes.to_vec())),
                    },
                    Ok(Step::End) => seen.push(Seen::End),
                    Err(status) => {
                        seen.push(Seen::Refused(status));
                        return seen;
                    }
                }
            }
        }
    }
    seen
}

/// What comes of these bytes, however they are cut in two, and byte by byte.
fn read_however(bytes: &[u8]) -> Vec<Seen> {
    let seen = read([bytes]);
    for cut in 0..=bytes.len() {
        let (first, second) = bytes.split_at(cut);
        assert_eq!(read([first, second]), seen, "cut behind {cut} bytes");
    }
    assert_eq!(read(bytes.chunks(1)), seen, "byte by byte");
    seen
}

fn head(method: Method, target: &str) -> Head {
    Head {
        method,
        target: target.into(),
        is_1_1: true,
        keeps_alive: true,
        length: Length::None,
        expects_continue: false,
    }
}

/// Why this one request is refused.
fn refusal_of(request: &str) -> Option<Status> {
    match read_however(request.as_bytes()).as_slice() {
        [Seen::Refused(status)] => Some(*status),
        _ => None,
    }
}

#[test]
fn requests_follow_one_another() {
    let bytes = b"\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n\
        POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello\
        POST /echo HTTP/1.1\r\nhost: a\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n\
        3\r\nabc\r\n00a; x=\"y\"\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\n\
        HEAD /x?y HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\nGET";
    let seen = read_however(bytes);
    let echo = head(Method::Post, "/echo");
    let expected = [
        Seen::Request(head(Method::Get, "/")),
        Seen::End,
        Seen::Request(Head {
            length: Length::Exactly(5),
            ..echo.clone()
        }),
        Seen::Data(b"hello".to_vec()),
        Seen::End,
        Seen::Request(Head {
            length: Length::Chunked,
            expects_continue: true,
            ..echo
        }),
        Seen::Data(b"abc0123456789".to_vec()),
        Seen::End,
        Seen::Request(Head {
            keeps_alive: false,
            ..head(Method::Head, "/x?y")
        }),
        Seen::End,
    ];
    assert_eq!(seen, expected);
}

#[test]
fn an_idle_connection_is_told_from_one_in_a_request() {
    let mut requests = Requests::new(LIMITS);
    assert!(requests.is_idle());
    requests.feed(b"\r\nG");
    assert_eq!(requests.step(), Ok(Step::More));
    assert!(!requests.is_idle());
    requests.feed(b"ET / HTTP/1.1\r\nHost: a\r\n\r\n\r\n");
    assert!(matches!(requests.step(), Ok(Step::Request(_))));
    assert!(!requests.is_idle());
    assert_eq!(requests.step(), Ok(Step::End));
    assert!(requests.is_idle());
}

mod properties {
    use super::*;
    use proptest::prelude::*;

    /// Something like a request, or not.
    fn lines() -> impl Strategy<Value = String> {
        let line = prop_oneof![
            "(GET|POST|HEAD|X) /[a-z/]{0,8} HTTP/1.[01]",
            Just("Host: a".into()),
            "Content-Length: [0-9]{1,4}",
            Just("Transfer-Encoding: chunked".into()),
            "[0-9a-f]{0,3}",
            "[ -~]{0,30}",
            Just(String::new()),
        ];
        let end = prop_oneof![3 => Just("\r\n"), 1 => Just("\n"), 1 => Just("")];
        prop::collection::vec((line, end), 0..20).prop_map(|lines| {
            lines
                .iter()
                .map(|(line, end)| format!("{line}{end}"))
                .collect()
        })
    }

    proptest! {
        #[test]
        fn the_pieces_do_not_matter(text in lines(), sizes in prop::collection::vec(1..40usize, 1..20)) {
            let bytes = text.as_bytes();
            let whole = read([bytes]);
            let mut pieces = Vec::new();
            let mut rest = bytes;
            for size in sizes.iter().cycle() {
                if rest.is_empty() {
                    break;
                }
                let (piece, behind) = rest.split_at(rest.len().min(*size));
                pieces.push(piece);
                rest = behind;
            }
            prop_assert_eq!(read(pieces), whole);
        }

        #[test]
        fn nothing_that_comes_is_too_much(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
            read(bytes.chunks(7));
        }

        #[test]
        fn a_body_in_chunks_is_what_was_sent(
            chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..50), 0..15),
            piece in 1..60usize,
        ) {
            let mut bytes = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
            for chunk in &chunks {
                bytes.extend_from_slice(format!("{:X}\r\n", chunk.len()).as_bytes());
                bytes.extend_from_slice(chunk);
                bytes.extend_from_slice(b"\r\n");
            }
            bytes.extend_from_slice(b"0\r\n\r\n");
            let mut expected = vec![Seen::Data(chunks.concat()), Seen::End];
            if chunks.is_empty() {
                expected.remove(0);
            }
            prop_assert_eq!(&read(bytes.chunks(piece))[1..], &expected);
        }
    }
}
