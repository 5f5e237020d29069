// SPDX-License-Identifier: BSD-2-Clause
//! The shell, as a user at the serial line and behind a TCP connection has it: every command, pipes, the keys of the
//! line, what is taken away while it is used, and a service that is replaced under load.
#![forbid(unsafe_code)]

use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

use system_tests::build::{Build, Kernel};
use system_tests::clients::{curl, serve_http, try_curl};
use system_tests::devices::{Devices, Forward, Net};
use system_tests::disks::{check_file_system, make_file_system, read_file, replay_journal};
use system_tests::machine::{Config, Machine};
use system_tests::scratch::Scratch;
use system_tests::session::{Connection, Seat, User};
use system_tests::spec;

const GUESTS: &[&str] = &["asker", "fs", "http-server", "init", "net", "shell"];

/// What is booted.
struct System {
    scratch: Scratch,
    image: PathBuf,
    disk: PathBuf,
}

impl System {
    /// The image, and a disk with files and signed modules.
    fn new() -> Self {
        let scratch = Scratch::new();
        let built = Build::from_env();
        let build = built.clone().with_archive_of(&scratch, GUESTS);
        let tree = scratch.path("tree");
        fs::create_dir_all(tree.join("modules")).expect("a directory");
        fs::write(tree.join("poem"), "one line\nanother line\nthe last\n").expect("a file");
        let service = built.guests.join("deployed.wasm");
        for version in ["1", "2", "4"] {
            let out = tree.join(format!("modules/service-{version}.module"));
            let arguments: [PathBuf; 11] = [
                "module".into(),
                service.clone(),
                "--name".into(),
                "service".into(),
                "--version".into(),
                version.into(),
                "--keys".into(),
                scratch.path("keys"),
                "--out".into(),
                out,
                format!("--cache={}", scratch.path("aot").display()).into(),
            ];
            let output = built.atoll(arguments);
            assert!(output.status.success(), "{output:?}");
        }
        let mut altered = fs::read(tree.join("modules/service-2.module")).expect("a module");
        let middle = altered.len() / 2;
        altered[middle] ^= 4;
        fs::write(tree.join("modules/altered.module"), altered).expect("a file");
        let disk = scratch.path("disk.img");
        make_file_system(&disk, "32M", &["-d", &tree.display().to_string()]);
        let image = scratch.path("shell.elf");
        build.image(Kernel::Release, &spec::test_path("shell.cdl"), &image);
        Self {
            scratch,
            image,
            disk,
        }
    }

    fn boot(&self) -> Machine {
        let config = Config {
            devices: Devices {
                net: Some(Net::User(&[
                    Forward::Tcp(80),
                    Forward::Tcp(2323),
                    Forward::Tcp(4000),
                ])),
                disk: Some(self.disk.clone().into()),
                ..Devices::default()
            },
            ..Config::default()
        };
        Machine::boot(&self.image, config).expect("QEMU")
    }
}

#[test]
fn a_user_behind_a_connection() {
    let system = System::new();
    let machine = system.boot();
    machine.expect("http: serving at *:80", 900);
    machine.expect("shell: sessions over TCP at port 2323", 900);
    let port = machine.host_port(Forward::Tcp(2323));
    let mut user = User::new(Seat::Tcp(Connection::new(port)));
    processes(&mut user);
    lines(&mut user);
    files(&mut user);
    text(&mut user);
    over_tcp(&machine);
    network(&mut user, &machine);
    rules(&mut user, &machine);
    supervision(&mut user, &machine);
    children(&mut user);
    deployment(&mut user, &machine);
    user.expect("ps shell", &["may call    processes"]);
    assert!(!machine.text().contains("panicked"), "{}", machine.text());
    user.expect("echo kept > /kept", &[]);
    user.types(b"shutdown\r");
    let (status, _) = machine.expect_end(120);
    assert!(status.success(), "{status}");
    replay_journal(&system.disk);
    check_file_system(&system.disk);
    let kept = read_file(&system.disk, "/dir/copy");
    assert_eq!(
        kept.as_deref(),
        Some(&b"one line\nanother line\nthe last\n"[..])
    );
    drop(system.scratch);
}

fn processes(user: &mut User<'_>) {
    user.expect("ps", &["PID", "net", "http-server", "waits", "running"]);
    user.expect(
        "ps http",
        &["http is process", "module", "http-server", "handles"],
    );
    user.expect("ps htpt", &["did you mean `http`?"]);
    let top = user.expect("top -n 1 -s 1", &["BUSY%", "FILL", "the server's heap"]);
    assert!(
        top.lines()
            .any(|line| line.contains("shell") && line.contains('%')),
        "{top}"
    );
    // A live one, until a key ends it.
    user.types(b"top -s 1\r");
    user.sees("the last 1.");
    user.types(b"mq");
    user.prompt();
    let caps = user.expect(
        "caps",
        &["PROCESS", "counter", "service", "rwg", "spec", "device"],
    );
    // Both ends of a channel are shown with each other.
    let doors = caps
        .lines()
        .filter(|line| line.contains("region") && line.contains("http"));
    assert!(
        doors
            .clone()
            .any(|line| line.starts_with("net") && line.ends_with("http")),
        "{caps}"
    );
    assert!(
        doors
            .clone()
            .any(|line| line.starts_with("http") && line.ends_with("net")),
        "{caps}"
    );
    user.expect("caps shell | grep ledger", &["rwg"]);
    user.expect("uptime", &["up "]);
    user.expect("free", &["server's heap"]);
    user.expect("tree", &["net", "permanent", "up"]);
}

/// What init does for the shell: guests end and start, and lose what they hold while they use it.
fn supervision(user: &mut User<'_>, machine: &Machine) {
    let url = format!("http://127.0.0.1:{}/", machine.host_port(Forward::Tcp(80)));
    user.expect("stop http", &[]);
    user.expect("tree | grep http", &["down"]);
    assert!(!try_curl(["--max-time", "5", url.as_str()]).status.success());
    user.expect("start http", &[]);
    user.expect("restart http", &[]);
    user.expect("tree | grep http", &["up"]);
    let again = [
        "--retry",
        "9",
        "--retry-delay",
        "1",
        "--retry-all-errors",
        url.as_str(),
    ];
    curl(again);
    user.expect("stop htp", &["no member of this name"]);
    // The door to the network, which it is asked through when it is started again.
    user.expect("caps http | grep spec", &["net"]);
    user.expect("revoke http net", &[]);
    assert!(!user.run("caps http | grep spec").contains(" net "));
    user.expect("stop http", &[]);
    user.expect("revoke http nothing", &["revoke: "]);
    user.expect("restore http net", &[]);
    user.expect("start http", &[]);
    user.expect("caps http | grep spec", &["net"]);
    curl(again);
    user.expect("grant http ledger book rw", &[]);
    user.expect("caps http | grep book", &["rw-", "init"]);
    // Files, from a guest that is started again while they are used.
    user.expect("restart fs", &[]);
    user.expect("cat poem", &["another line"]);
}

/// The keys of the line, mistakes, and what holds from line to line.
fn lines(user: &mut User<'_>) {
    user.expect(
        "help",
        &["Processes", "Authority", "revoke", "Tab completes"],
    );
    user.expect("help deploy", &["SERVICE FILE", "stands by"]);
    user.expect("hepl", &["did you mean `help`?"]);
    user.expect("echo 'x", &["     ^ this quote is not closed"]);
    user.expect("ping", &["usage: ping"]);
    user.expect("echo $?", &["1\n"]);
    user.expect("set name=reef", &[]);
    user.expect("echo \"the ${name}\" '$name'", &["the reef $name\n"]);
    user.expect("false && echo no || echo yes # why", &["yes\n"]);
    user.expect("false; true && echo both", &["both\n"]);
    // A mistake is corrected in the line, and the history brings it back.
    user.types(b"eho one\x01\x1b[Cc");
    user.types(b"\r");
    let shown = user.prompt();
    assert!(shown.ends_with("one\n"), "{shown:?}");
    user.types(b"\x1b[A");
    user.types(b"\r");
    assert!(user.prompt().ends_with("one\n"));
    user.types(b"\x12\"the");
    user.sees("(search) \"the: echo");
    user.types(b"\r");
    assert!(user.prompt().contains("the reef $name\n"));
    user.expect("history", &["false && echo no"]);
    // Completion: a command, a process and one of its slots, a file.
    user.types(b"upt\t");
    user.sees("uptime");
    user.types(b"\r");
    user.prompt();
    user.types(b"revoke ht\t");
    user.sees("revoke http");
    user.types(b"n\t");
    user.sees("net");
    user.types(b"\x15cat /po\t");
    user.sees("/poem");
    user.types(b"\r");
    assert!(user.prompt().contains("another line"));
    user.types(b"h\t\t");
    user.sees("head");
    user.sees("history");
    user.types(b"\x03");
    user.prompt();
    // What runs is interrupted, or goes on behind.
    user.types(b"sleep 1000\r");
    user.sees("sleep 1000");
    std::thread::sleep(std::time::Duration::from_millis(500));
    user.types(b"\x03");
    user.sees("^C\n");
    user.prompt();
    user.expect("sleep 1000 &", &["%1"]);
    user.expect("jobs", &["%1  running  sleep 1000"]);
    user.expect("stop %1", &[]);
    user.expect("stop %1", &["there is no such job"]);
    user.expect("sleep 0.2 & fg", &["%1", "sleep 0.2"]);
    user.expect("time sleep 0.1", &["sleep took"]);
    user.expect("log -n 100", &["http: serving at *:80", "net: "]);
    user.expect("log -n 1 info http", &["http: "]);
    user.types(b"log -f warn | head -n 1 > /warned &\r");
    user.prompt();
}

fn files(user: &mut User<'_>) {
    user.expect("pwd", &["/\n"]);
    user.expect("ls", &["modules/\n", "poem\n"]);
    user.expect("ls -l /", &["SIZE", "31", "poem", "d "]);
    user.expect("mkdir -p /dir/deep/er", &[]);
    user.expect("cd dir", &[]);
    user.expect("pwd", &["/dir\n"]);
    user.expect("cp ../poem copy", &[]);
    user.expect("cat copy", &["one line\nanother line\nthe last\n"]);
    user.expect("cp /poem deep", &[]);
    user.expect("mv deep/poem deep/er/moved", &[]);
    user.expect("ls deep deep/er", &["deep:", "er/", "moved"]);
    user.expect("rm deep", &["it is a directory"]);
    user.expect("rm -r deep", &[]);
    user.expect("ls", &["copy\n"]);
    user.expect("cat nothing", &["nothing: "]);
    user.expect("cd copy", &["copy: it is no directory"]);
    user.expect(
        "echo first > log; echo second >> log; cat < log",
        &["first\nsecond\n"],
    );
    user.expect("df", &["free;"]);
    user.expect("cd", &[]);
}

/// Text through channels, one command faster than the other.
fn text(user: &mut User<'_>) {
    user.expect("cat poem | grep line | wc", &["2 4 22\n"]);
    user.expect(
        "grep -c line poem; grep -v line poem",
        &["2\n", "the last\n"],
    );
    user.expect("head -n 1 poem; tail -n 1 poem", &["one line\nthe last\n"]);
    user.expect("cat poem | tee /dir/tee | head -n 1", &["one line\n"]);
    user.expect("wc -l /dir/tee", &["3 /dir/tee\n"]);
    // Far more than a channel takes: who writes waits, and ends when nobody reads any more.
    user.expect("cat modules/service-1.module | head -n 1 | wc -l", &["1\n"]);
    user.expect(
        "cat modules/service-1.module | cat | cat > /dir/copy.module",
        &[],
    );
    user.expect(
        "verify /dir/copy.module",
        &["service 1: the signature is good"],
    );
    user.expect("verify modules/altered.module", &["altered"]);
    user.expect("verify poem", &["poem: "]);
    user.expect("ls | nothing", &["there is no command `nothing`"]);
    // A command reads lines that are typed.
    user.types(b"grep b\r");
    user.sees("grep b");
    user.types(b"abc\rxyz\rb\r\x04");
    let shown = user.prompt();
    assert!(shown.contains("abc\u{1b}[K\nabc\n"), "{shown:?}");
    assert!(!shown.contains("xyz\u{1b}[K\nxyz"), "{shown:?}");
}

fn network(user: &mut User<'_>, machine: &Machine) {
    user.expect("ip", &["link up", "10.0.2.15", "router 10.0.2.2"]);
    user.expect("ping -c 1 10.0.2.2", &["reply 1 after", "1 of 1 answered"]);
    let host = serve_http(IpAddr::V4(Ipv4Addr::LOCALHOST), |path| {
        let body = format!("you asked for {path}\n");
        let len = body.len();
        format!("HTTP/1.1 200 OK\r\nContent-Length: {len}\r\n\r\n{body}").into_bytes()
    });
    user.expect(
        &format!("fetch http://10.0.2.2:{host}/it"),
        &["you asked for /it"],
    );
    user.expect(
        &format!("fetch -o /dir/page http://10.0.2.2:{host}/page"),
        &["bytes"],
    );
    user.expect("cat /dir/page", &["you asked for /page"]);
    user.expect(
        &format!("echo 'GET / HTTP/1.0\\r\\n' | nc 10.0.2.2 {host}"),
        &["HTTP/1"],
    );
    user.expect("fetch wrong", &["fetch: "]);
    user.expect("nc 10.0.2.2 1", &["nc: "]);
    // Somebody connects to it.
    user.types(b"echo from the machine | nc -l 4000\r");
    user.sees("listening at port 4000");
    let mut connection = User::new_connection(machine.host_port(Forward::Tcp(4000)));
    connection.types(b"from the host\n");
    connection.sees("from the machine");
    user.sees("from the host");
    drop(connection);
    user.prompt();
}

/// A rule is withdrawn while it is used.
fn rules(user: &mut User<'_>, machine: &Machine) {
    let port = machine.host_port(Forward::Tcp(80));
    let url = format!("http://127.0.0.1:{port}/");
    curl([url.as_str()]);
    user.expect("rules http", &["tcp listen *:80", "holds"]);
    user.expect("rules", &["admin"]);
    // A connection that is open when the rule goes.
    let mut open = User::new_connection(port);
    open.types(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    open.sees("HTTP/1.1 200");
    user.expect("forbid http 1", &[]);
    user.expect("rules http", &["withdrawn"]);
    let refused = try_curl(["--max-time", "5", url.as_str()]);
    assert!(!refused.status.success(), "{refused:?}");
    machine.expect(
        "http: warning: cannot accept: no rule of the net guest's arguments *",
        900,
    );
    user.expect("forbid http 2", &["there is no such rule"]);
    user.expect("cat /warned", &["http: warning: cannot accept"]);
    user.expect("allow http 1", &[]);
    // The same guest goes on.
    curl(["--retry", "5", "--retry-all-errors", url.as_str()]);
    let ended = machine
        .text()
        .lines()
        .any(|line| line.contains("http: error"));
    assert!(!ended, "{}", machine.text());
}

/// Modules of the image as processes of the shell.
fn children(user: &mut User<'_>) {
    user.expect("run nothing", &["nothing: "]);
    user.expect("run -g wombat asker", &["`wombat` is no group"]);
    user.expect("run asker", &["asker: the module was refused"]);
    user.expect(
        "run -g log,wake,time,shared_memory,singletons asker",
        &["no number"],
    );
}

/// A service is replaced while it is asked, and comes back when the next version fails.
fn deployment(user: &mut User<'_>, machine: &Machine) {
    let asks = "run -g log,wake,time,shared_memory,singletons";
    user.expect(
        "deploy -g log,wake,time,shared_memory,singletons -c counter=service -c ledger -p 1 web modules/service-1.module",
        &["version 1 stands by", "version 1 serves"],
    );
    user.expect(
        &format!("{asks} -c counter=service -c ledger -n asker asker client=0 &"),
        &["%1"],
    );
    machine.expect("asker: * is answered by version 1", 900);
    user.expect("versions", &["web", "modules/service-1.module"]);
    user.expect(
        "deploy web modules/service-2.module",
        &[
            "version 2 stands by",
            "version 1 has ended",
            "version 2 serves",
        ],
    );
    machine.expect("asker: * is answered by version 2", 900);
    user.expect("deploy web modules/altered.module", &["altered"]);
    user.expect(
        "deploy -p 5 web modules/service-4.module",
        &[
            "version 4 stands by",
            "version 4 did not last: ",
            "version 4 was a mistake",
            "version 2 serves again",
        ],
    );
    user.expect("rollback web", &["version 1 stands by", "version 1 serves"]);
    user.expect("versions web", &["kept", "modules/service-2.module"]);
    user.expect("ps", &["service@1", "asker"]);
    user.expect("caps asker", &["ledger", "shell"]);
    // What the shell has given it takes back, while it is used: the asker is told, and ends as it is made to.
    user.expect("revoke asker ledger", &[]);
    user.expect("caps asker | grep ledger", &[]);
    user.expect("stop asker", &[]);
    user.expect("stop web", &[]);
    user.expect("versions", &["web"]);
}

/// Sessions over TCP: several at a time, each with a history and a directory of its own.
fn over_tcp(machine: &Machine) {
    let port = machine.host_port(Forward::Tcp(2323));
    let mut one = User::new(Seat::Tcp(Connection::new(port)));
    let mut other = User::new(Seat::Tcp(Connection::new(port)));
    one.expect("cd /dir", &[]);
    one.expect("pwd", &["/dir\n"]);
    other.expect("pwd", &["/\n"]);
    other.expect("history", &["pwd"]);
    assert!(!other.run("history").contains("cd /dir"));
    one.expect("cat copy | grep another", &["another line"]);
    one.expect("ps | grep shell", &["shell"]);
    // Four at a time, and one is `user`'s.
    let fourth = User::new(Seat::Tcp(Connection::new(port)));
    let mut refused = User::new_connection(port);
    refused.sees("too many sessions: try again later");
    drop(fourth);
    one.types(b"exit\r");
    one.sees("bye");
}
