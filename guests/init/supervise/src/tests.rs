// SPDX-License-Identifier: BSD-2-Clause
//! The supervisor against members that fail whenever they like.

mod anything;
mod arguments;

use alloc::{format, vec::Vec};

use atoll_abi::init::Condition;

use crate::{Action, End, Failure, Policy, Supervisor};

fn policy(arguments: &[&str]) -> Policy {
    Policy::parse(arguments.iter().copied()).unwrap_or_else(|error| panic!("{error}"))
}

fn supervisor(arguments: &[&str]) -> Supervisor {
    Supervisor::new(policy(arguments))
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
    has_left: bool,
}

impl World {
    fn new(arguments: &[&str]) -> Self {
        Self::of(supervisor(arguments))
    }

    fn of(supervisor: Supervisor) -> Self {
        let mut world = Self {
            supervisor,
            now: 1_000_000,
            log: Vec::new(),
            ending: Vec::new(),
            has_given_up: false,
            is_off: false,
            has_left: false,
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
                    Action::Leave => self.has_left = true,
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
fn who_cannot_be_started_is_tried_once_a_second_at_last() {
    let mut supervisor = supervisor(&["group all one_for_one 60000/60s", "a"]);
    let (mut now, mut tries) = (1_000_000, 0);
    while now < 1_060_000 {
        match supervisor.next(now) {
            Some(Action::Start(id)) => {
                tries += 1;
                supervisor.ended(id, End::Failed, "it could not be started", now);
            }
            other => {
                assert_eq!(other, None);
                now = supervisor.wakes_at(now).unwrap();
            }
        }
    }
    assert!((60..80).contains(&tries), "{tries}");
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
fn it_is_known_which_groups_have_failed() {
    let mut world = World::new(&[
        "group outer one_for_one 1/10s temporary",
        "group inner one_for_one 0/10s in outer",
        "a in inner",
    ]);
    let (outer, inner) = (world.id("outer"), world.id("inner"));
    let escalates = Failure::Escalates {
        group: inner,
        to: outer,
    };
    world.ends("a", End::Failed);
    assert_eq!(world.supervisor.take_failures(), [escalates]);
    world.ends("a", End::Failed);
    let failures = [escalates, Failure::GivenUp(outer)];
    assert_eq!(world.supervisor.take_failures(), failures);
    assert_eq!(world.supervisor.take_failures(), []);
}

#[test]
fn one_that_is_below_another_leaves_nobody_behind() {
    let arguments = ["group all one_for_one 1/10s", "a", "b after a", "c"];
    let mut world = World::of(Supervisor::below_another(policy(&arguments)));
    assert_eq!(world.take_log(), "+a +b +c");
    world.ends("b", End::Failed);
    assert_eq!(world.take_log(), "+b");
    world.ends("b", End::Failed);
    assert_eq!(world.take_log(), "-c -a");
    assert!(world.has_given_up);

    let mut world = World::of(Supervisor::below_another(policy(&arguments)));
    world.take_log();
    world.supervisor.leave();
    assert!(world.supervisor.start(1).is_err());
    world.rest();
    assert_eq!(world.take_log(), "-c -b -a");
    assert!(world.has_left && !world.has_given_up);
}

#[test]
fn what_runs_goes_on_when_the_one_at_the_top_gives_up() {
    let mut world = World::new(&["group all one_for_one 0/10s", "a", "b"]);
    world.take_log();
    world.ends("b", End::Failed);
    assert!(world.has_given_up && world.supervisor.has_given_up());
    assert_eq!(world.take_log(), "");
}

#[test]
fn who_waits_for_one_that_does_not_come_is_known() {
    let arguments = [
        "late manual",
        "once temporary",
        "a after late",
        "b after once",
        "c after a",
    ];
    let mut world = World::new(&arguments);
    assert_eq!(world.take_log(), "+late +once +b".replace("+late ", ""));
    let [a, b, c, late, once] = ["a", "b", "c", "late", "once"].map(|name| world.id(name));
    let waits = |world: &World| [a, b, c].map(|id| world.supervisor.waits_for(id));
    // Who waits for one that waits will see it come with that one.
    assert_eq!(waits(&world), [Some(late), None, None]);
    world.supervisor.start(late).unwrap();
    world.rest();
    assert_eq!(world.take_log(), "+late +a +c");
    assert_eq!(waits(&world), [None; 3]);
    // What it was to do is not done.
    world.ends("once", End::Failed);
    world.ends("b", End::Failed);
    assert_eq!(world.take_log(), "");
    assert_eq!(waits(&world), [None, Some(once), None]);
    world.supervisor.start(once).unwrap();
    world.rest();
    assert_eq!(world.take_log(), "+once +b");
    world.ends("once", End::Well);
    world.ends("b", End::Failed);
    assert_eq!(world.take_log(), "+b");
}

#[test]
fn everything_can_be_ended_while_a_group_starts_again() {
    let mut world = World::new(&["group g one_for_all 9/10s", "a,b,c in g", "d"]);
    world.take_log();
    let b = world.id("b");
    // The others are asked to stop, of whom one has.
    world.supervisor.ended(b, End::Failed, "ended", world.now);
    let (a, c) = (world.id("a"), world.id("c"));
    let stop = Some(Action::Stop(c, 2000));
    assert_eq!(world.supervisor.next(world.now), stop);
    world.supervisor.shut_down();
    assert_eq!(
        world.supervisor.next(world.now),
        Some(Action::Stop(world.id("d"), 2000))
    );
    world.ends("d", End::Well);
    assert_eq!(world.supervisor.next(world.now), None);
    world.ends("c", End::Failed);
    assert_eq!(world.take_log(), "-a");
    assert!(world.is_off);
    for id in [a, b, c] {
        assert_eq!(world.supervisor.condition(id), Condition::Down);
    }
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
