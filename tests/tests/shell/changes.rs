// SPDX-License-Identifier: BSD-2-Clause
//! Commands that do something to other guests and to the network.

use std::net::{IpAddr, Ipv4Addr};

use system_tests::clients::{curl, serve_http, try_curl};
use system_tests::devices::Forward;
use system_tests::machine::{Machine, SECONDS};
use system_tests::session::User;

/// What init does for the shell: guests end and start, and lose what they hold while they use it.
pub fn supervision(user: &mut User<'_>, machine: &Machine) {
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

pub fn network(user: &mut User<'_>, machine: &Machine) {
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
pub fn rules(user: &mut User<'_>, machine: &Machine) {
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
        SECONDS,
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
pub fn children(user: &mut User<'_>) {
    user.expect("run nothing", &["nothing: "]);
    user.expect("run -g wombat asker", &["`wombat` is no group"]);
    user.expect("run asker", &["asker: the module was refused"]);
    user.expect(
        "run -g log,wake,time,shared_memory,singletons asker",
        &["no number"],
    );
}

/// A service is replaced while it is asked, and comes back when the next version fails.
pub fn deployment(user: &mut User<'_>, machine: &Machine) {
    let asks = "run -g log,wake,time,shared_memory,singletons";
    user.expect(
        "deploy -g log,wake,time,shared_memory,singletons -c counter=service -c ledger -p 1 web modules/service-1.module",
        &["version 1 stands by", "version 1 serves"],
    );
    user.expect(
        &format!("{asks} -c counter=service -c ledger -n asker asker client=0 &"),
        &["%1"],
    );
    machine.expect("asker: * is answered by version 1", SECONDS);
    user.expect("versions", &["web", "modules/service-1.module"]);
    user.expect(
        "deploy web modules/service-2.module",
        &[
            "version 2 stands by",
            "version 1 has ended",
            "version 2 serves",
        ],
    );
    machine.expect("asker: * is answered by version 2", SECONDS);
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
