// SPDX-License-Identifier: BSD-2-Clause
//! The supervisor against members that fail whenever they like.

use alloc::{format, string::ToString, vec, vec::Vec};

use atoll_abi::init::{Condition, Restart, Strategy};
use proptest::prelude::*;

use crate::{Action, End, Kind, Policy, Supervisor};

fn supervisor(arguments: &[&str]) -> Supervisor {
    Supervisor::new(
        Policy::parse(arguments.iter().copied()).unwrap_or_else(|error| panic!("{error}")),
    )
}

/// Members that do what they are told, and what they did.
struct World {
    supervisor: Supervisor,
    now: u64,
    log: Vec<alloc::string::String>,
    /// Asked to stop, and still there.
    ending: Vec<usize>,
    has_given_up: bool,
    is_off: bool,
}

impl World {
    fn new(arguments: &[&str]) -> Self {
        let mut world = Self {
            supervisor: supervisor(arguments),
            now: 1_000_000,
            log: Vec::new(),
            ending: Vec::new(),
            has_given_up: false,
            is_off: false,
        };
        world.settle();
        world
    }

    fn id(&self, name: &str) -> usize {
        self.supervisor
            .policy()
            .find(name)
            .unwrap_or_else(|| panic!("{name}"))
    }

    fn name(&self, id: usize) -> alloc::string::String {
        self.supervisor.policy().nodes[id].name.clone()
    }

    /// Does what is to be done now; those who are asked to stop, do.
    fn settle(&mut self) {
        loop {
            while let Some(action) = self.supervisor.next(self.now) {
                match action {
                    Action::Start(id) => {
                        let line = format!("+{}", self.name(id));
                        self.log.push(line);
                        self.supervisor.runs(id, self.now);
                    }
                    Action::Stop(id, _) => {
                        let line = format!("-{}", self.name(id));
                        self.log.push(line);
                        self.ending.push(id);
                    }
                    Action::GiveUp => {
                        self.has_given_up = true;
                        return;
                    }
                    Action::SwitchOff => self.is_off = true,
                }
            }
            match self.ending.pop() {
                Some(id) => self.supervisor.ended(id, End::Failed, "stopped", self.now),
                None => return,
            }
        }
    }

    /// Lets the time go by until nothing more is to be done.
    fn rest(&mut self) {
        self.settle();
        while let Some(at) = self.supervisor.wakes_at(self.now) {
            self.now = at;
            self.settle();
            if self.has_given_up {
                return;
            }
        }
    }

    fn ends(&mut self, name: &str, end: End) {
        let id = self.id(name);
        self.supervisor.ended(id, end, "ended", self.now);
        self.rest();
    }

    fn take_log(&mut self) -> alloc::string::String {
        core::mem::take(&mut self.log).join(" ")
    }

    fn condition(&self, name: &str) -> Condition {
        self.supervisor.condition(self.id(name))
    }
}

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
        "group base one_for_all",
        "net,fs transient in base",
        "idle manual",
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
        (&["net after fs", "fs after net"], "wait for each other"),
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
        (
            &[
                "group a one_for_one",
                "group b one_for_one",
                "x in a after y",
                "y in b after z",
                "z in a",
            ],
            "wait for each other",
        ),
    ] {
        let error = Policy::parse(arguments.iter().copied())
            .unwrap_err()
            .to_string();
        assert!(error.contains(why), "{error}");
    }
}

#[test]
fn who_is_needed_is_started_first_and_ends_last() {
    let mut world = World::new(&["http after net,fs", "net", "fs", "init=see"]);
    assert_eq!(world.take_log(), "+net +fs +http");
    world.supervisor.shut_down();
    world.rest();
    assert_eq!(world.take_log(), "-http -fs -net");
    assert!(world.is_off);
}

#[test]
fn kinds_of_restart() {
    let mut world = World::new(&[
        "always",
        "if-failed transient",
        "never temporary",
        "late manual",
    ]);
    assert_eq!(world.take_log(), "+always +if-failed +never");
    for (end, log) in [(End::Well, "+always"), (End::Failed, "+always +if-failed")] {
        for name in ["always", "if-failed", "never"] {
            if world.condition(name) == Condition::Up {
                world.ends(name, end);
            }
        }
        if end == End::Well {
            assert_eq!(world.take_log(), log);
            let id = world.id("if-failed");
            world.supervisor.start(id).unwrap();
            world.rest();
            world.take_log();
        } else {
            assert_eq!(world.take_log(), log);
        }
    }
    assert_eq!(world.condition("never"), Condition::Down);
    assert_eq!(world.condition("late"), Condition::Down);
}

#[test]
fn strategies() {
    for (strategy, log) in [
        ("one_for_one", "+b"),
        ("one_for_all", "-c -a +a +b +c"),
        ("rest_for_one", "-c +b +c"),
    ] {
        let group = format!("group g {strategy}");
        let mut world = World::new(&[&group, "a in g", "b in g", "c in g", "d"]);
        assert_eq!(world.take_log(), "+a +b +c +d");
        world.ends("b", End::Failed);
        assert_eq!(world.take_log(), log);
    }
}

#[test]
fn a_group_that_fails_too_often_is_started_again_by_the_one_around_it() {
    let mut world = World::new(&[
        "group all one_for_one 2/10s",
        "group g one_for_one 2/10s",
        "a in g",
        "b in g",
        "c",
    ]);
    world.take_log();
    for log in ["+a", "+a", "-b +b +a"] {
        world.ends("a", End::Failed);
        assert_eq!(world.take_log(), log);
    }
    for _ in 0..5 {
        world.ends("a", End::Failed);
    }
    assert!(!world.has_given_up);
    world.ends("a", End::Failed);
    assert!(world.has_given_up, "{:?}", world.log);
}

#[test]
fn failures_that_are_long_ago_do_not_count() {
    let mut world = World::new(&["a"]);
    for _ in 0..50 {
        world.ends("a", End::Failed);
        world.now += 2_001;
    }
    assert!(!world.has_given_up);
    assert_eq!(world.condition("a"), Condition::Up);
}

#[test]
fn a_temporary_group_is_given_up_alone() {
    let mut world = World::new(&[
        "group g one_for_one 1/10s temporary",
        "a in g",
        "b in g",
        "c",
    ]);
    world.ends("a", End::Failed);
    world.take_log();
    world.ends("a", End::Failed);
    assert_eq!(world.take_log(), "-b");
    for name in ["g", "a", "b"] {
        assert_eq!(world.condition(name), Condition::GivenUp, "{name}");
    }
    assert_eq!(world.condition("c"), Condition::Up);
    let id = world.id("g");
    world.supervisor.start(id).unwrap();
    world.rest();
    assert_eq!(world.take_log(), "+a +b");
}

#[test]
fn what_was_stopped_stays_so_and_so_does_who_needs_it() {
    let mut world = World::new(&["http after net", "net", "fs"]);
    world.take_log();
    let net = world.id("net");
    world.supervisor.stop(net).unwrap();
    world.rest();
    assert_eq!(world.take_log(), "-http -net");
    assert!(world.supervisor.stop(net).is_err());
    let http = world.id("http");
    world.supervisor.start(http).unwrap();
    world.rest();
    assert_eq!(world.take_log(), "+net +http");
    assert!(world.supervisor.start(http).is_err());
    world.supervisor.restart(net, world.now).unwrap();
    world.rest();
    assert_eq!(world.take_log(), "-net +net");
}

#[test]
fn who_hangs_is_ended_at_once_and_started_again() {
    let mut world = World::new(&["a transient"]);
    world.take_log();
    let id = world.id("a");
    world.supervisor.hangs(id);
    assert!(world.supervisor.is_hung(id));
    assert_eq!(world.supervisor.next(world.now), Some(Action::Stop(id, 0)));
    world.ends("a", End::Failed);
    assert_eq!(world.take_log(), "+a");
    assert_eq!(
        world.supervisor.member(id).map(|member| member.restarts),
        Some(1)
    );
}

#[test]
fn who_is_found_running_is_not_started() {
    let mut supervisor = supervisor(&["b after a", "a"]);
    let (a, b) = (1, 2);
    supervisor.runs(b, 5);
    assert_eq!(supervisor.next(5), Some(Action::Start(a)));
    supervisor.runs(a, 5);
    assert_eq!(supervisor.next(5), None);
}

/// What may happen.
#[derive(Clone, Copy, Debug)]
enum Happens {
    Fails(usize),
    EndsWell(usize),
    Hangs(usize),
    IsFoundRunning(usize),
    StartIsAsked(usize),
    StopIsAsked(usize),
    RestartIsAsked(usize),
    TimePasses(u64),
    OneStep,
}

fn happens() -> impl Strategy_<Value = Happens> {
    let id = 0..12usize;
    prop_oneof![
        id.clone().prop_map(Happens::Fails),
        id.clone().prop_map(Happens::EndsWell),
        id.clone().prop_map(Happens::Hangs),
        id.clone().prop_map(Happens::IsFoundRunning),
        id.clone().prop_map(Happens::StartIsAsked),
        id.clone().prop_map(Happens::StopIsAsked),
        id.prop_map(Happens::RestartIsAsked),
        (0..3000u64).prop_map(Happens::TimePasses),
        Just(Happens::OneStep),
        Just(Happens::OneStep),
        Just(Happens::OneStep),
    ]
}
use proptest::strategy::Strategy as Strategy_;

proptest! {
    /// Whatever happens: nobody is started whom others have to run before, nobody twice; no group is
    /// started again more often than it may; when it ends, all is as it is to be; and everything can be ended.
    #[test]
    fn whatever_happens(events in proptest::collection::vec(happens(), 0..200), groups in 0..27usize) {
        let strategy = |n: usize| ["one_for_one", "one_for_all", "rest_for_one"][n % 3];
        let arguments = [
            format!("group all {} 4/5s", strategy(groups)),
            format!("group x {} 2/3s", strategy(groups / 3)),
            format!("group y {} 1/1s temporary in x", strategy(groups / 9)),
            "a".into(),
            "b in x after a".into(),
            "c in x after b transient".into(),
            "d in y".into(),
            "e in y after d temporary".into(),
            "f after x".into(),
        ];
        let arguments: Vec<&str> = arguments.iter().map(|argument| &**argument).collect();
        let mut supervisor = supervisor(&arguments);
        let nodes = supervisor.policy().nodes.len();
        let is_guest = |supervisor: &Supervisor, id: usize| {
            matches!(supervisor.policy().nodes.get(id).map(|node| &node.kind), Some(Kind::Guest(_)))
        };
        let mut runs = vec![false; nodes];
        let mut asked = vec![false; nodes];
        let mut now = 1_000_000u64;
        let mut has_given_up = false;
        let steps = |supervisor: &mut Supervisor, runs: &mut Vec<bool>, asked: &mut Vec<bool>, now: u64, most: usize, has_given_up: &mut bool| {
            for _ in 0..most {
                match supervisor.next(now) {
                    Some(Action::Start(id)) => {
                        assert!(!runs[id], "started twice");
                        for &other in &supervisor.policy().nodes[id].after {
                            if is_guest(supervisor, other) {
                                let has_finished = supervisor.condition(other) == Condition::Down;
                                assert!(runs[other] || has_finished, "{id} before {other}");
                            }
                        }
                        runs[id] = true;
                        supervisor.runs(id, now);
                    }
                    Some(Action::Stop(id, _)) => {
                        assert!(runs[id] && !asked[id], "stopped twice");
                        asked[id] = true;
                    }
                    Some(Action::GiveUp) => {
                        *has_given_up = true;
                        return true;
                    }
                    Some(Action::SwitchOff) => {
                        assert!(runs.iter().all(|runs| !runs), "off, and somebody runs");
                        return true;
                    }
                    None => return true,
                }
            }
            false
        };
        for event in events {
            if has_given_up {
                break;
            }
            match event {
                Happens::Fails(id) | Happens::EndsWell(id) if id < nodes && runs[id] => {
                    (runs[id], asked[id]) = (false, false);
                    let end = if matches!(event, Happens::Fails(_)) { End::Failed } else { End::Well };
                    supervisor.ended(id, end, "", now);
                }
                Happens::Hangs(id) if id < nodes && runs[id] => supervisor.hangs(id),
                Happens::IsFoundRunning(id) if is_guest(&supervisor, id) && !runs[id] => {
                    runs[id] = true;
                    supervisor.runs(id, now);
                }
                Happens::StartIsAsked(id) if id < nodes => { let _ = supervisor.start(id); }
                Happens::StopIsAsked(id) if id < nodes => { let _ = supervisor.stop(id); }
                Happens::RestartIsAsked(id) if id < nodes => { let _ = supervisor.restart(id, now); }
                Happens::TimePasses(time) => now += time,
                Happens::OneStep => { steps(&mut supervisor, &mut runs, &mut asked, now, 1, &mut has_given_up); }
                _ => {}
            }
        }
        // All calms down, and everybody does what is asked.
        for _ in 0..1000 {
            if has_given_up {
                return Ok(());
            }
            prop_assert!(steps(&mut supervisor, &mut runs, &mut asked, now, 1000, &mut has_given_up), "no end of it");
            let ending: Vec<usize> = (0..nodes).filter(|id| asked[*id]).collect();
            if let Some(&id) = ending.last() {
                (runs[id], asked[id]) = (false, false);
                supervisor.ended(id, End::Failed, "", now);
                continue;
            }
            match supervisor.wakes_at(now) {
                Some(at) => now = at,
                None => break,
            }
        }
        if has_given_up {
            return Ok(());
        }
        for id in 0..nodes {
            if is_guest(&supervisor, id) {
                let condition = supervisor.condition(id);
                prop_assert_eq!(condition == Condition::Up, runs[id], "{:?}", condition);
                // Who waits, waits for somebody that was stopped or given up.
                if condition == Condition::Waiting {
                    let needs: Vec<usize> = supervisor.policy().nodes.iter()
                        .filter(|_| true)
                        .enumerate()
                        .map(|(other, _)| other)
                        .filter(|other| is_guest(&supervisor, *other) && !runs[*other] && *other != id)
                        .collect();
                    prop_assert!(!needs.is_empty(), "{} waits for nobody", id);
                }
            }
        }
        supervisor.shut_down();
        for _ in 0..1000 {
            steps(&mut supervisor, &mut runs, &mut asked, now, 1000, &mut has_given_up);
            let Some(id) = (0..nodes).rev().find(|id| asked[*id]) else { break };
            // In reverse order: nobody behind it runs any more.
            prop_assert!(runs[id + 1..].iter().all(|runs| !runs));
            (runs[id], asked[id]) = (false, false);
            supervisor.ended(id, End::Failed, "", now);
        }
        prop_assert!(runs.iter().all(|runs| !runs), "somebody runs");
    }
}
