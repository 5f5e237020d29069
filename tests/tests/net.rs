// SPDX-License-Identifier: BSD-2-Clause
//! The network as others see it: programs of the host talk to guests, and guests to servers of the host.
#![forbid(unsafe_code)]

use std::io::{self, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, TcpStream};
use std::ops::Deref;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use system_tests::build::{Build, Kernel};
use system_tests::clients::{curl, nc, numbered, serve_http, try_curl};
use system_tests::devices::{Devices, Forward, Net};
use system_tests::machine::{Config, LIMIT, Machine, SECONDS};
use system_tests::scratch::Scratch;
use system_tests::spec::{self, SpecText};

/// A machine, and the file it boots.
struct System {
    machine: Machine,
    _files: Scratch,
}

impl Deref for System {
    type Target = Machine;

    fn deref(&self) -> &Machine {
        &self.machine
    }
}

/// Boots a system with a network card.
fn boot(spec: &Path, forwards: &'static [Forward]) -> System {
    let scratch = Scratch::new();
    let image = scratch.path("net.elf");
    Build::from_env().image(Kernel::Release, spec, &image);
    let config = Config {
        devices: Devices {
            net: Some(Net::User(forwards)),
            ..Devices::default()
        },
        ..Config::default()
    };
    System {
        machine: Machine::boot(&image, config).expect("QEMU"),
        _files: scratch,
    }
}

/// The web server, once it has an address.
struct Site {
    _machine: System,
    port: u16,
}

impl Site {
    fn new() -> Self {
        let machine = boot(&spec::demo_path("http"), &[Forward::Tcp(80)]);
        machine.expect("*http: my address is 10.0.2.15", SECONDS);
        let port = machine.host_port(Forward::Tcp(80));
        Self {
            _machine: machine,
            port,
        }
    }

    fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// The status of a request with these options.
    #[track_caller]
    fn status(&self, options: &[&str], path: &str) -> String {
        let url = self.url(path);
        let common = ["--output", "/dev/null", "--write-out", "%{http_code}", &url];
        let printed = curl(common.into_iter().chain(options.iter().copied()));
        String::from_utf8(printed).expect("a number")
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).expect("a connection");
        stream.set_read_timeout(Some(LIMIT)).expect("a timeout");
        stream
    }

    /// What comes back to what is sent as it is, to the end.
    fn exchange(&self, request: &[u8]) -> String {
        let mut stream = self.connect();
        stream.write_all(request).expect("the server reads");
        let mut answer = Vec::new();
        // It may be reset behind the answer.
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// How many are connected, as the page says.
    fn connected(&self) -> usize {
        let page = curl([self.url("/").as_str()]);
        String::from_utf8_lossy(&page).matches("<li>").count()
    }
}

#[test]
fn a_web_server_answers_curl() {
    let site = Site::new();
    let page = curl([site.url("/").as_str()]);
    assert!(String::from_utf8_lossy(&page).contains("<h1>Atoll</h1>"));

    // Statuses.
    for (options, path, status) in [
        (&["--head"] as &[&str], "/", "200"),
        (&[], "/nothing", "404"),
        (&["--request", "DELETE"], "/", "405"),
        (&["--data", "x"], "/bytes/5", "405"),
        (&["--http1.0"], "/bytes/5", "200"),
        (
            &["--data", "x", "--header", "Content-Length: 999999999999"],
            "/echo",
            "413",
        ),
    ] {
        assert_eq!(site.status(options, path), status, "{options:?} {path}");
    }
    let long = format!("X-Long: {}", "x".repeat(20_000));
    assert_eq!(site.status(&["--header", &long], "/"), "431");
    for (request, status) in [
        ("nonsense\r\n\r\n", "400"),
        ("GET / HTTP/1.1\r\n\r\n", "400"),
        ("GET / HTTP/3.0\r\nHost: a\r\n\r\n", "505"),
        (
            "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n",
            "501",
        ),
    ] {
        let answer = site.exchange(request.as_bytes());
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{request}: {answer}"
        );
    }
    // Two at once are answered one after the other.
    let both = site.exchange(
        b"GET /bytes/3 HTTP/1.1\r\nHost: a\r\n\r\n\
          GET /nothing HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    );
    let (first, second) = (both.find(" 200 "), both.find(" 404 "));
    assert!(first.is_some() && first < second, "{both}");

    // Large bodies, both ways.
    let wanted = numbered(5_000_000);
    assert!(curl([site.url("/bytes/5000000").as_str()]) == wanted);
    let scratch = Scratch::new();
    let file = scratch.write("upload", &wanted[..3_000_000]);
    let upload = format!("@{}", file.display());
    let echo = site.url("/echo");
    for extra in [&[] as &[&str], &["--header", "Transfer-Encoding: chunked"]] {
        let options = ["--data-binary", &upload, &echo];
        let back = curl(options.into_iter().chain(extra.iter().copied()));
        assert!(
            back == wanted[..3_000_000],
            "{} bytes came back",
            back.len()
        );
    }

    // One connection for several.
    let urls = [site.url("/bytes/10"), site.url("/nothing"), site.url("/")];
    let options = ["--write-out", "\nnew connections: %{num_connects}\n"];
    let printed = curl(urls.iter().map(String::as_str).chain(options));
    let printed = String::from_utf8_lossy(&printed);
    let made: Vec<_> = printed
        .lines()
        .filter_map(|line| line.strip_prefix("new connections: "))
        .collect();
    assert_eq!(made, ["1", "0", "0"], "{printed}");
}

#[test]
fn a_web_server_serves_many_and_slow_ones_and_those_that_leave() {
    let site = Site::new();
    let wanted = numbered(300_000);
    let url = site.url("/bytes/300000");
    thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| assert!(curl([url.as_str()]) == wanted));
        }
    });

    // Who reads slowly keeps nobody waiting.
    thread::scope(|scope| {
        let slow = scope.spawn(|| {
            let begin = Instant::now();
            // More than lies in all the buffers on the way.
            let large = site.url("/bytes/20000000");
            assert!(curl(["--limit-rate", "2M", large.as_str()]) == numbered(20_000_000));
            begin.elapsed()
        });
        thread::sleep(Duration::from_millis(500));
        let mut others = 0;
        while !slow.is_finished() {
            assert!(curl([url.as_str()]) == wanted);
            others += 1;
        }
        let slow = slow.join().expect("curl");
        assert!(
            slow > Duration::from_secs(2) && others > 2,
            "{others} meanwhile, {slow:?}"
        );
    });

    // Those that leave in the midst, and those that say nothing, are gone.
    let silent: Vec<_> = (0..4).map(|_| site.connect()).collect();
    for round in 0..20 {
        let mut stream = site.connect();
        let request = b"GET /bytes/100000000 HTTP/1.1\r\nHost: a\r\n\r\n";
        stream.write_all(request).expect("the server reads");
        let mut some = vec![0; 1000 * round];
        stream.read_exact(&mut some).expect("bytes");
    }
    let mut post = site.connect();
    post.write_all(b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nhalf")
        .expect("the server reads");
    drop(post);
    assert!(site.connected() >= silent.len());
    drop(silent);
    let deadline = Instant::now() + LIMIT;
    while site.connected() > 1 {
        assert!(
            Instant::now() < deadline,
            "{} are connected still",
            site.connected()
        );
        thread::sleep(Duration::from_millis(200));
    }
    assert!(curl([url.as_str()]) == wanted);
}

#[test]
fn what_nc_sends_comes_back() {
    let ports = &[
        Forward::Tcp(7),
        Forward::Udp(7),
        Forward::Tcp(9),
        Forward::Tcp(19),
    ];
    let machine = boot(&spec::demo_path("net-echo"), ports);
    machine.expect("*echo: echoing at *:7", SECONDS);
    machine.expect("*meter: ready", SECONDS);
    machine.expect("*net: *10.0.2.15*", SECONDS);
    let port = |forward| machine.host_port(forward).to_string();
    let (tcp, udp) = (port(Forward::Tcp(7)), port(Forward::Udp(7)));

    // -N ends nc's direction at the end of its input; what comes back after that is read, too.
    let sent = numbered(1_000_000);
    assert!(nc(&["-N", "127.0.0.1", &tcp], &sent) == sent);
    machine.expect("*echo: *has had 1000000 bytes back", SECONDS);
    for len in [1, 500, 1400] {
        let sent = numbered(len);
        let back = nc(&["-u", "-w", "2", "127.0.0.1", &udp], &sent);
        assert!(
            back == sent,
            "{len} bytes were sent, {} came back",
            back.len()
        );
    }

    // How much goes through. No more is asked for than that something does.
    let made = receive(machine.host_port(Forward::Tcp(19)));
    let taken = send(machine.host_port(Forward::Tcp(9)));
    println!("throughput: {made:.2} MB/s from the machine, {taken:.2} MB/s to it");
    assert!(made > 0.0 && taken > 0.0);
    // Who made bytes hears that nobody wants them, and the others go on.
    machine.expect("*meter: *bytes made*", SECONDS);
    machine.expect("*meter: *bytes taken*", SECONDS);
    assert_eq!(
        nc(&["-N", "127.0.0.1", &tcp], b"still there"),
        b"still there"
    );
}

/// How long throughput is measured.
const MEASURED: Duration = Duration::from_secs(5);

fn rate(bytes: usize, begin: Instant) -> f64 {
    bytes as f64 / 1e6 / begin.elapsed().as_secs_f64()
}

/// Megabytes per second from the machine.
fn receive(port: u16) -> f64 {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("a connection");
    let (mut bytes, mut count) = (vec![0; 1 << 16], 0);
    let begin = Instant::now();
    while begin.elapsed() < MEASURED {
        let len = stream.read(&mut bytes).expect("bytes");
        assert_ne!(len, 0, "the guest has ended the connection");
        count += len;
    }
    rate(count, begin)
}

/// Megabytes per second to the machine.
fn send(port: u16) -> f64 {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("a connection");
    let (bytes, mut count) = (vec![7; 1 << 16], 0);
    let begin = Instant::now();
    while begin.elapsed() < MEASURED {
        stream.write_all(&bytes).expect("the guest reads");
        count += bytes.len();
    }
    // All of it is there when the guest ends the connection, too.
    stream.shutdown(Shutdown::Write).expect("a connection");
    let end = stream.read(&mut [0]);
    assert!(
        matches!(end, Ok(0))
            || end.is_err_and(|error| error.kind() == io::ErrorKind::ConnectionReset)
    );
    rate(count, begin)
}

/// What the host serves.
fn answer(path: &str) -> Vec<u8> {
    let body = match path {
        "/large" => numbered(2_000_000),
        "/hello" => b"hello from the host\n".to_vec(),
        "/endless" => return b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nshort".to_vec(),
        "/chunked" => {
            return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
                     5\r\nhello\r\n1;x\r\n!\r\n0\r\n\r\n"
                .to_vec();
        }
        _ => return b"HTTP/1.0 404 Not Found\r\n\r\nno".to_vec(),
    };
    let mut answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
    let mut bytes = std::mem::take(&mut answer).into_bytes();
    bytes.extend(body);
    bytes
}

#[test]
fn guests_fetch_from_the_host_as_far_as_their_rules_go() {
    let v4 = serve_http(IpAddr::V4(Ipv4Addr::LOCALHOST), answer);
    let closed = {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        listener.local_addr().expect("an address").port()
    };
    let urls = [
        format!("http://10.0.2.2:{v4}/hello"),
        format!("http://10.0.2.2:{v4}/large"),
        format!("http://10.0.2.2:{v4}/chunked"),
        format!("http://10.0.2.2:{v4}/missing"),
        format!("http://10.0.2.2:{v4}/endless"),
        format!("http://10.0.2.2:{closed}/"),
        "http://10.0.2.2:80/".into(),
        "http://10.0.2.3:8000/".into(),
    ];
    let arguments: Vec<_> = urls.iter().map(|url| format!("{url:?}")).collect();
    let spec =
        SpecText::of_demo("fetch").replace(r#""http://10.0.2.2:8000/""#, &arguments.join(", "));
    let scratch = Scratch::new();
    let machine = boot(&scratch.write("fetch.cdl", spec), &[]);

    machine.expect("*ping: 10.0.2.2 has answered 3 of 3 times", SECONDS);
    machine.expect("*fetch: hello from the host", SECONDS);
    let said = |url: usize, what: &str| {
        machine.expect(&format!("*fetch: *{}: {what}", urls[url]), SECONDS);
    };
    said(0, "status 200, 20 bytes*");
    said(
        1,
        &format!(
            "status 200, 2000000 bytes, sha256 {}",
            sha256(&numbered(2_000_000))
        ),
    );
    said(
        2,
        &format!("status 200, 6 bytes, sha256 {}", sha256(b"hello!")),
    );
    said(3, "status 404, 2 bytes*");
    said(4, "the server stopped after 5 bytes");
    said(5, "the peer refused the connection");
    said(6, "no rule of the net guest's arguments allows it*");
    said(7, "no rule of the net guest's arguments allows it*");
    machine.expect("*net: *tcp connect 10.0.2.2:80*", SECONDS);
    machine.expect("*net: *tcp connect 10.0.2.3:8000*", SECONDS);
}

/// As `sha256sum` of the coreutils says.
fn sha256(bytes: &[u8]) -> String {
    let scratch = Scratch::new();
    let file = scratch.write("bytes", bytes);
    let output = std::process::Command::new("sha256sum").arg(file).output();
    let text = String::from_utf8(output.expect("sha256sum").stdout).expect("text");
    text.split(' ').next().unwrap_or_default().into()
}

/// From the machine to the host by IPv6: fec0::2 is the host's ::1.
#[test]
fn guests_fetch_by_ipv6() {
    let v6 = serve_http(IpAddr::V6(Ipv6Addr::LOCALHOST), answer);
    let spec = SpecText::of_demo("fetch")
        .replace(
            "http://10.0.2.2:8000/",
            &format!("http://[fec0::2]:{v6}/hello"),
        )
        .replace("tcp connect 10.0.2.2:", "tcp connect [fec0::2]:");
    let scratch = Scratch::new();
    let machine = boot(&scratch.write("fetch.cdl", spec), &[]);
    machine.expect("*fetch: hello from the host", SECONDS);
    machine.expect("*fetch: *status 200, 20 bytes*", SECONDS);
}

/// A guest that the server ends in the midst of a transfer takes its connections with it, and nobody else's.
#[test]
fn a_client_that_is_ended_leaves_the_others_alone() {
    let spec = SpecText::of_demo("net-echo").replace(
        r#"module: "net-throughput", prio: 100"#,
        r#"module: "net-throughput", prio: 100, deadline: 8s"#,
    );
    let scratch = Scratch::new();
    let machine = boot(
        &scratch.write("net.cdl", spec),
        &[Forward::Tcp(7), Forward::Tcp(19)],
    );
    machine.expect("*meter: ready", SECONDS);
    machine.expect("*echo: echoing at *:7", SECONDS);
    machine.expect("*net: *10.0.2.15*", SECONDS);
    let port = machine.host_port(Forward::Tcp(19));
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("a connection");
    stream.set_read_timeout(Some(LIMIT)).expect("a timeout");
    let mut bytes = vec![0; 1 << 16];
    // It ends, well or not, and is not for ever silent.
    loop {
        match stream.read(&mut bytes) {
            Ok(0) => break,
            Ok(_) => {}
            Err(error) => {
                assert_eq!(error.kind(), io::ErrorKind::ConnectionReset, "{error}");
                break;
            }
        }
    }
    machine.expect(
        "*meter: error: failed: ended: it ran past the deadline of its spec",
        SECONDS,
    );
    let echo = machine.host_port(Forward::Tcp(7)).to_string();
    let sent = numbered(200_000);
    assert!(nc(&["-N", "127.0.0.1", &echo], &sent) == sent);
    // Nobody listens there any more.
    let gone = try_curl([format!("http://127.0.0.1:{port}/").as_str()]);
    assert!(!gone.status.success());
}
