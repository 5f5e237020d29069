// SPDX-License-Identifier: BSD-2-Clause

use super::*;

/// What comes of a request with a body in these chunks.
fn chunked(body: &str) -> Vec<Seen> {
    let head = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    let mut seen = read_however(format!("{head}{body}").as_bytes());
    assert!(matches!(seen.remove(0), Seen::Request(_)));
    seen
}

#[test]
fn chunks_of_all_makes() {
    let good = [Seen::Data(b"abc".to_vec()), Seen::End];
    for body in [
        "3\r\nabc\r\n0\r\n\r\n",
        "0003\r\nabc\r\n000\r\n\r\n",
        "1\r\na\r\n2;x;y=z\r\nbc\r\n0;last\r\nA: b\r\nC: d\r\n\r\n",
        "3 \t;x\r\nabc\r\n0\r\n\r\n",
    ] {
        assert_eq!(chunked(body), good, "{body}");
    }
    assert_eq!(chunked("0\r\n\r\n"), [Seen::End]);
}

#[test]
fn what_is_no_chunk_is_refused() {
    let long = format!("3;{}\r\nabc", "x".repeat(300));
    for (body, status) in [
        ("\r\n", Status::BadRequest),
        ("g\r\n", Status::BadRequest),
        ("-1\r\n", Status::BadRequest),
        ("0x3\r\nabc", Status::BadRequest),
        (";x\r\n", Status::BadRequest),
        ("3\nabc", Status::BadRequest),
        ("3 3\r\nabc", Status::BadRequest),
        ("3\rabc", Status::BadRequest),
        ("3;\u{1}\r\n", Status::BadRequest),
        ("10000000000000000\r\n", Status::ContentTooLarge),
        ("3e9\r\n", Status::ContentTooLarge),
        (&long, Status::BadRequest),
    ] {
        assert_eq!(chunked(body), [Seen::Refused(status)], "{body}");
    }
    let missing_end = chunked("3\r\nabcX");
    assert_eq!(missing_end[1], Seen::Refused(Status::BadRequest));
    let folded = format!("0\r\n{}", "A: b\r\n".repeat(2000));
    let bytes = format!("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{folded}");
    let seen = read([bytes.as_bytes()]);
    assert_eq!(seen.last(), Some(&Seen::Refused(Status::HeadersTooLarge)));
}

#[test]
fn chunks_are_bounded_all_together() {
    let chunk = format!("1f4\r\n{}\r\n", "x".repeat(500));
    assert_eq!(
        chunked(&format!("{chunk}{chunk}0\r\n\r\n")).last(),
        Some(&Seen::End)
    );
    let over = chunked(&format!("{chunk}{chunk}1\r\nx\r\n0\r\n\r\n"));
    assert_eq!(over.last(), Some(&Seen::Refused(Status::ContentTooLarge)));
}

#[test]
fn a_body_may_end_with_the_connection_or_not() {
    let mut body = Body::new(Length::UntilClose, 0);
    assert_eq!(body.take(b"abc"), Ok((3, Piece::Data(b"abc"))));
    assert_eq!(body.take(b""), Ok((0, Piece::Nothing)));
    assert!(body.may_end() && !body.is_over());
    let mut body = Body::new(Length::Exactly(4), 0);
    assert_eq!(body.take(b"abc"), Ok((3, Piece::Data(b"abc"))));
    assert!(!body.may_end());
    assert_eq!(body.take(b"defg"), Ok((1, Piece::Data(b"d"))));
    assert!(body.may_end() && body.is_over());
    assert_eq!(body.take(b"efg"), Ok((0, Piece::End)));
}
