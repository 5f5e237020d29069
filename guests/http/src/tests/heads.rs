// SPDX-License-Identifier: BSD-2-Clause

use super::*;

fn only(request: &str) -> Head {
    match read_however(request.as_bytes()).first() {
        Some(Seen::Request(head)) => head.clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn connections_go_on_as_the_version_and_the_client_say() {
    for (request, goes_on) in [
        ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", true),
        (
            "GET / HTTP/1.1\r\nHost: a\r\nConnection: x, Close\r\n\r\n",
            false,
        ),
        ("GET / HTTP/1.0\r\n\r\n", false),
        ("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", true),
    ] {
        assert_eq!(only(request).keeps_alive, goes_on, "{request}");
    }
}

#[test]
fn lines_may_end_without_a_carriage_return() {
    assert_eq!(only("GET / HTTP/1.1\nHost: a\n\n").target, "/");
}

#[test]
fn a_target_may_name_the_host() {
    for (target, path) in [("http://a:80/b?c", "/b?c"), ("http://a", "/"), ("*", "*")] {
        let request = format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(only(&request).target, path);
    }
}

#[test]
fn equal_lengths_are_one_length() {
    let head =
        only("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0, 0\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(head.length, Length::Exactly(0));
}

#[test]
fn what_is_no_request_is_refused() {
    let bad = Status::BadRequest;
    for (lines, status) in [
        ("GET / HTTP/1.1", bad),
        ("GET / HTTP/1.1|Host: a|Host: a", bad),
        ("GET /", bad),
        ("GET / FTP/1.1|Host: a", bad),
        ("GET / HTTP/2.0|Host: a", Status::VersionNotSupported),
        ("GET / HTTP/1.7|Host: a", Status::VersionNotSupported),
        ("GET / HTTP/1.1|Host: a|no colon", bad),
        ("GET / HTTP/1.1|Host: a|name : x", bad),
        ("GET / HTTP/1.1|Host: a| folded", bad),
        ("G\u{1}T / HTTP/1.1|Host: a", bad),
        ("POST / HTTP/1.1|Host: a|Content-Length: -1", bad),
        ("POST / HTTP/1.1|Host: a|Content-Length: +1", bad),
        ("POST / HTTP/1.1|Host: a|Content-Length: 1x", bad),
        ("POST / HTTP/1.1|Host: a|Content-Length:", bad),
        ("POST / HTTP/1.1|Host: a|Content-Length: 1, 2", bad),
        (
            "POST / HTTP/1.1|Host: a|Content-Length: 1|Content-Length: 2",
            bad,
        ),
        (
            "POST / HTTP/1.1|Host: a|Content-Length: 18446744073709551616",
            bad,
        ),
        (
            "POST / HTTP/1.1|Host: a|Content-Length: 3|Transfer-Encoding: chunked",
            bad,
        ),
        ("POST / HTTP/1.0|Transfer-Encoding: chunked", bad),
        (
            "POST / HTTP/1.1|Host: a|Transfer-Encoding: gzip",
            Status::NotImplemented,
        ),
        (
            "POST / HTTP/1.1|Host: a|Transfer-Encoding: gzip, chunked",
            Status::NotImplemented,
        ),
        (
            "POST / HTTP/1.1|Host: a|Transfer-Encoding: chunked, chunked",
            Status::NotImplemented,
        ),
        (
            "POST / HTTP/1.1|Host: a|Content-Length: 1001",
            Status::ContentTooLarge,
        ),
    ] {
        let request = lines.replace('|', "\r\n") + "\r\n\r\n";
        assert_eq!(refusal_of(&request), Some(status), "{request}");
    }
}

#[test]
fn heads_are_bounded() {
    let long = "x".repeat(300);
    let request = format!("GET /{long} HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(refusal_of(&request), Some(Status::UriTooLong));
    let request = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {long}\r\n\r\n");
    assert_eq!(refusal_of(&request), Some(Status::HeadersTooLarge));
    let many = "a:\r\n".repeat(LIMITS.head / 4);
    let request = format!("GET / HTTP/1.1\r\nHost: a\r\n{many}\r\n");
    assert_eq!(refusal_of(&request), Some(Status::HeadersTooLarge));
    // One that is as long as it may be.
    let start = "GET / HTTP/1.1\r\nHost: ";
    let host = "h".repeat(LIMITS.head - start.len() - 4);
    let request = format!("{start}{host}\r\n\r\n");
    assert_eq!(request.len(), LIMITS.head);
    assert_eq!(only(&request).target, "/");
    let request = format!("{start}h{host}\r\n\r\n");
    assert_eq!(refusal_of(&request), Some(Status::HeadersTooLarge));
}

#[test]
fn fields_are_counted() {
    let mut requests = Requests::new(Limits {
        head: 4096,
        body: 0,
    });
    requests.feed(b"GET / HTTP/1.1\r\nHost: a\r\n");
    requests.feed("a: b\r\n".repeat(64).as_bytes());
    requests.feed(b"\r\n");
    assert_eq!(requests.step(), Err(Status::HeadersTooLarge));
}

#[test]
fn places_of_the_site() {
    use site::{Answer, route};

    let refused = |status| Answer::Refusal(status);
    for (method, target, answer) in [
        (Method::Get, "/", Answer::Page),
        (Method::Head, "/?x=y", Answer::Page),
        (Method::Get, "/bytes/0", Answer::Bytes(0)),
        (Method::Get, "/bytes/4294967296", Answer::Bytes(1 << 32)),
        (Method::Get, "/bytes/4294967297", refused(Status::NotFound)),
        (Method::Get, "/bytes/-1", refused(Status::NotFound)),
        (Method::Get, "/bytes/", refused(Status::NotFound)),
        (Method::Post, "/bytes/1", refused(Status::MethodNotAllowed)),
        (Method::Post, "/echo", Answer::Echo),
        (Method::Get, "/echo", refused(Status::MethodNotAllowed)),
        (Method::Other, "/", refused(Status::MethodNotAllowed)),
        (Method::Get, "/../etc", refused(Status::NotFound)),
        (Method::Get, "/files/", Answer::File),
        (Method::Head, "/files/a?b", Answer::File),
        (Method::Put, "/files/a/b", Answer::File),
        (Method::Delete, "/files/a", Answer::File),
        (Method::Post, "/files/a", refused(Status::MethodNotAllowed)),
        (Method::Put, "/", refused(Status::MethodNotAllowed)),
        (Method::Get, "/files", refused(Status::NotFound)),
        (Method::Other, "*", refused(Status::NotFound)),
    ] {
        assert_eq!(route(&head(method, target)), answer, "{method:?} {target}");
    }
}

#[test]
fn refusals_are_responses() {
    for status in [Status::BadRequest, Status::MethodNotAllowed] {
        let request = head(Method::Other, "/echo");
        for request in [None, Some(&request)] {
            let text = site::refusal(status, request);
            let response = Response::parse(text.as_bytes()).unwrap().unwrap();
            assert_eq!(response.code, status.code());
            let body = text.len() - response.head;
            assert_eq!(response.length, Length::Exactly(body as u64));
            assert_eq!(text.contains("Connection: close"), request.is_none());
        }
    }
    let request = head(Method::Other, "/echo");
    assert!(site::refusal(Status::MethodNotAllowed, Some(&request)).contains("Allow: POST\r\n"));
    let request = head(Method::Head, "/x");
    assert!(site::refusal(Status::NotFound, Some(&request)).ends_with("\r\n\r\n"));
}

#[test]
fn who_is_sent_elsewhere_is_told_where() {
    let text = site::moved("/files/a/", &head(Method::Get, "/files/a"));
    let response = Response::parse(text.as_bytes()).unwrap().unwrap();
    assert_eq!((response.code, response.length), (301, Length::Exactly(0)));
    assert!(text.contains("\r\nLocation: /files/a/\r\n"), "{text}");
}
