// SPDX-License-Identifier: BSD-2-Clause
//! Commands that need nobody else, and the keys of the line.

use system_tests::session::User;

/// Whether this is a whole line of what is shown.
pub fn has_line(shown: &str, wanted: &str) -> bool {
    shown.lines().any(|line| line == wanted)
}

pub fn processes(user: &mut User<'_>) {
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

/// The keys of the line, mistakes, and what holds from line to line.
pub fn lines(user: &mut User<'_>) {
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
    assert!(has_line(&user.enters("echo one"), "one"));
    user.types(b"\x1b[A");
    assert!(has_line(&user.enters("echo one"), "one"));
    user.types(b"\x12\"the");
    user.sees("(search) \"the: echo");
    let shown = user.enters("echo \"the ${name}\" '$name'");
    assert!(has_line(&shown, "the reef $name"), "{shown}");
    user.expect("history", &["false && echo no"]);
    // Completion: a command, a process and one of its slots, a file.
    user.types(b"upt\t");
    user.sees("uptime");
    user.enters("uptime ");
    user.types(b"revoke ht\t");
    user.sees("revoke http");
    user.types(b"n\t");
    user.sees("net");
    user.types(b"\x15cat /po\t");
    user.sees("/poem");
    assert!(has_line(&user.enters("cat /poem "), "another line"));
    user.types(b"h\t\t");
    user.sees("head");
    user.sees("history");
    user.types(b"\x03");
    user.sees("^C\n");
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
    user.run("log -f warn | head -n 1 > /warned &");
}

pub fn files(user: &mut User<'_>) {
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
pub fn text(user: &mut User<'_>) {
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
