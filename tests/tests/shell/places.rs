// SPDX-License-Identifier: BSD-2-Clause
//! What there is at the console only, and behind connections only.

use std::io::Write as _;
use std::net::TcpStream;

use system_tests::devices::Forward;
use system_tests::machine::Machine;
use system_tests::session::{Connection, Seat, User};

use crate::looks::has_line;

/// Sessions over TCP: several at a time, each with a history and a directory of its own.
pub fn over_tcp(port: u16) {
    let mut one = User::new(Seat::Tcp(Connection::new(port)));
    let mut other = User::new(Seat::Tcp(Connection::new(port)));
    one.expect("cd /dir", &[]);
    one.expect("pwd", &["/dir\n"]);
    other.expect("pwd", &["/\n"]);
    other.expect("history", &["pwd"]);
    assert!(!other.run("history").contains("cd /dir"));
    one.expect("cat copy | grep another", &["another line"]);
    one.expect("ps | grep shell", &["shell"]);
    // Four at a time, and one is the user's.
    let fourth = User::new(Seat::Tcp(Connection::new(port)));
    let mut refused = User::new_connection(port);
    refused.sees("too many sessions: try again later");
    drop(fourth);
    one.types(b"exit\r");
    one.sees("bye");
}

/// What there is at the console only: a view of the log, and a line that outlives the console guest.
pub fn console(user: &mut User<'_>, machine: &Machine) {
    user.expect(
        "view",
        &["log: debug; 0 lines were lost; PL011, clients: shell"],
    );
    user.expect("view warn", &[]);
    user.expect("view", &["log: warn; "]);
    user.expect("view debug", &[]);
    user.types(b"echo half");
    user.sees("half");
    let port = machine.host_port(Forward::Tcp(2323));
    let mut other = User::new(Seat::Tcp(Connection::new(port)));
    other.expect("view", &["this session is not at the console"]);
    other.expect("restart terminal", &[]);
    user.types(b" and half");
    user.sees("echo half and half");
    assert!(has_line(
        &user.enters("echo half and half"),
        "half and half"
    ));
    user.types(b"sleep 1000\r");
    user.sees("sleep 1000\u{1b}[K");
    other.expect("restart terminal", &[]);
    user.types(b"\x03");
    user.sees("^C\n");
    user.prompt();
    other.types(b"exit\r");
    other.sees("bye");
}

/// Somebody to whom a lot is shown, and who takes nothing of it, for as long as this is there.
pub fn takes_nothing(port: u16) -> TcpStream {
    let mut connection = TcpStream::connect(("127.0.0.1", port)).expect("a session");
    // More than there is room for in all that is between.
    let line = format!("cat{}\r", " modules/service-1.module".repeat(35));
    let typed = connection.write_all(line.repeat(20).as_bytes());
    typed.expect("a session");
    connection
}
