// SPDX-License-Identifier: BSD-2-Clause
//! What arguments say, and how wrong ones are refused.

use alloc::{string::ToString, vec::Vec};

use atoll_abi::init::{Restart, Strategy};

use crate::{Kind, Policy};

#[test]
fn arguments_say_what_is_meant() {
    let policy = Policy::parse([
        "group apps rest_for_one 3/500ms transient in base",
        "http temporary in apps after net,base health=2s stop=500ms",
        "group base one_for_all",
        "net,fs transient",
        "idle manual",
        "shell=control",
        "top=see",
    ]);
    let error = "it is to run after a group that it is in";
    assert!(policy.unwrap_err().to_string().contains(error));
    let policy = Policy::parse([
        "group apps rest_for_one 3/500ms transient",
        "http temporary in apps after net,base health=2s stop=500ms",
        "group base one_for_all; net,fs transient in base ;idle manual",
        "shell=control",
        "top=see",
    ])
    .unwrap();
    let names: Vec<_> = policy
        .nodes
        .iter()
        .map(|node| (&*node.name, node.depth))
        .collect();
    assert_eq!(
        names,
        [
            ("all", 0),
            ("base", 0),
            ("net", 1),
            ("fs", 1),
            ("apps", 0),
            ("http", 1),
            ("idle", 0)
        ]
    );
    let apps = &policy.nodes[4];
    assert_eq!(apps.restart, Restart::Transient);
    let group = Kind::Group {
        strategy: Strategy::RestForOne,
        most: 3,
        within: 500,
    };
    assert_eq!(apps.kind, group);
    let http = &policy.nodes[5];
    assert_eq!((http.after.as_slice(), http.parent), (&[2, 1][..], Some(4)));
    assert!(
        matches!(&http.kind, Kind::Guest(guest) if guest.health == Some(2000) && guest.grace == 500)
    );
    let doors: Vec<_> = policy
        .doors
        .iter()
        .map(|door| (&*door.slot, door.may_control))
        .collect();
    assert_eq!(doors, [("shell", true), ("top", false)]);
}

#[test]
fn wrong_arguments_are_quoted() {
    for (arguments, why) in [
        (
            &["net after fs"][..],
            "the argument `net after fs`: there is no other member `fs`",
        ),
        (&["net after net"], "there is no other member `net`"),
        (&["net", "net"], "there is another `net`"),
        (&["net in apps"], "there is no group `apps`"),
        (&["net", "fs in net"], "there is no group `net`"),
        (
            &["net after fs", "fs after net"],
            "the argument `net after fs`: `net`, `fs` wait for each other",
        ),
        (
            &[
                "first after a",
                "a after b",
                "b",
                "c after d",
                "d after e",
                "e after c",
                "f after c",
            ],
            "the argument `c after d`: `c`, `d`, `e` wait for each other",
        ),
        (&["group a one_for_one in a"], "the group is in itself"),
        (
            &["group a one_for_one in b", "group b one_for_one in a"],
            "the group is in itself",
        ),
        (&["group a sometimes"], "write `one_for_one`"),
        (&["group a one_for_one x/10s"], "so many restarts"),
        (&["net health=2"], "`2` is no time"),
        (&["net health=0s"], "`0s` is no time"),
        (&["net stop=99999999s"], "is no time"),
        (&["net quickly"], "`quickly` says nothing of a guest"),
        (&["net in"], "write a name behind `in`"),
        (&["net manual stop=2s"], "`manual` comes last"),
        (&["shell=all"], "`SLOT=see` or `SLOT=control`"),
        (&["shell=see it"], "`SLOT=see` or `SLOT=control`"),
        (&[""], "it says nothing"),
        (&["net;"], "the argument ``: it says nothing"),
        (&["net; fs quickly"], "the argument `fs quickly`: "),
        (
            &[
                "group a one_for_one",
                "group b one_for_one",
                "x in a after y",
                "y in b after z",
                "z in a",
            ],
            "the argument `group a one_for_one`: `a`, `b` wait for each other",
        ),
    ] {
        let error = Policy::parse(arguments.iter().copied())
            .unwrap_err()
            .to_string();
        assert!(error.contains(why), "{error}");
    }
}
