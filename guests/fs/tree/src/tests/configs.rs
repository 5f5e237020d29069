// SPDX-License-Identifier: BSD-2-Clause

use alloc::string::ToString as _;

use atoll_abi::fs::Rights;

use crate::config::{Config, Limits, Why};

#[test]
fn what_is_not_said_has_defaults() {
    let config = Config::parse([]).unwrap();
    assert_eq!((config.cache, config.sync), (1024, 5));
    assert!(!config.is_read_only && config.clients.is_empty());
    let config = Config::parse(["a=/ list"]).unwrap();
    let client = &config.clients[0];
    assert_eq!(
        (client.name.as_str(), client.limits),
        ("a", Limits::DEFAULT)
    );
    assert_eq!(client.roots[0].name, "/");
}

#[test]
fn all_that_can_be_said() {
    let args = [
        "read-only",
        "cache=64",
        "sync=1",
        "web = /www read list , /var/log as log write create",
        "web.limits=open 3, buffers 2, connections 9",
        "shell=admin, / all",
        "log=admin",
    ];
    let config = Config::parse(args).unwrap();
    assert!(config.is_read_only);
    assert_eq!((config.cache, config.sync), (64, 1));
    let web = &config.clients[0];
    assert_eq!(web.roots[0].path, "/www");
    assert_eq!(web.roots[0].rights, Rights::READ | Rights::LIST);
    assert_eq!(web.roots[1].name, "log");
    assert_eq!(web.roots[1].rights, Rights::WRITE | Rights::CREATE);
    assert_eq!((web.limits.open, web.limits.buffers), (3, 2));
    assert_eq!(web.limits.connections, 9);
    assert_eq!(config.clients[1].roots[0].rights, Rights::ALL);
    let are_admins = config.clients.iter().map(|client| client.is_admin);
    assert!(are_admins.eq([false, true, true]));
    assert!(config.clients[2].roots.is_empty());
    let texts = web.roots.iter().map(|root| root.to_string());
    assert!(texts.eq(["/www read list", "/var/log as log write create"]));
}

#[test]
fn what_says_nothing_sensible_is_refused_with_what_to_do() {
    let cases: &[(&[&str], Why)] = &[
        (&["web"], Why::NoValue),
        (&["cache=63"], Why::Number(64, 1 << 20)),
        (&["cache=many"], Why::Number(64, 1 << 20)),
        (&["sync=0"], Why::Number(1, 3600)),
        (&["sync=1", "sync=1"], Why::Twice),
        (&["read-only", "read-only"], Why::Twice),
        (&["a=/ all", "a=/ all"], Why::Twice),
        (&["a="], Why::Path),
        (&["a=admin, admin"], Why::Twice),
        (&["a=www read"], Why::Path),
        (&["a=/www/ read"], Why::Path),
        (&["a=//www read"], Why::Path),
        (&["a=/www/../etc read"], Why::Path),
        (&["a=/./www read"], Why::Path),
        (&["a=/www read,"], Why::Path),
        (&["a=/www"], Why::Right),
        (&["a=/www as"], Why::Right),
        (&["a=/www as x"], Why::Right),
        (&["a=/www execute"], Why::Right),
        (&["a=/www read, /www write"], Why::Name),
        (&["a=/b as x read, /c as x write"], Why::Name),
        (&["a.limits=open 3"], Why::NoClient),
        (&["a=/ all", "a.limits=open"], Why::Limits),
        (&["a=/ all", "a.limits=open 0"], Why::Limits),
        (&["a=/ all", "a.limits=open 5000"], Why::Limits),
        (&["a=/ all", "a.limits=wheels 4"], Why::Limits),
        (
            &["a=/ all", "a.limits=open 1", "a.limits=open 1"],
            Why::Twice,
        ),
    ];
    for (args, why) in cases {
        let bad = Config::parse(args.iter().copied()).unwrap_err();
        assert_eq!(bad.why, *why, "{args:?}");
        let text = bad.to_string();
        assert!(
            text.starts_with(&alloc::format!("argument `{}`: ", bad.argument)),
            "{text}"
        );
    }
}
