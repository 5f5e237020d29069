// SPDX-License-Identifier: BSD-2-Clause
//! Whatever happens, in whatever order.

use alloc::{format, vec, vec::Vec};

use atoll_abi::init::Condition;
use proptest::prelude::*;

use super::{policy, supervisor};
use crate::{Action, End, Kind, Supervisor};

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

fn happens() -> impl Strategy<Value = Happens> {
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
proptest! {
    /// Whatever happens: nobody is started whom others have to run before, nobody twice; no group is
    /// started again more often than it may; when it ends, all is as it is to be; and everything can be ended.
    #[test]
    fn whatever_happens(events in proptest::collection::vec(happens(), 0..200), groups in 0..27usize, is_below: bool, is_calm: bool) {
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
        let mut supervisor = match is_below {
            true => Supervisor::below_another(policy(&arguments)),
            false => supervisor(&arguments),
        };
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
                        assert!(!is_below || runs.iter().all(|runs| !runs), "somebody is left");
                        *has_given_up = true;
                        return true;
                    }
                    Some(Action::SwitchOff | Action::Leave) => {
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
            if !is_calm {
                break;
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
            if is_calm && is_guest(&supervisor, id) {
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
        match is_below {
            true => supervisor.leave(),
            false => supervisor.shut_down(),
        }
        for _ in 0..1000 {
            steps(&mut supervisor, &mut runs, &mut asked, now, 1000, &mut has_given_up);
            // In the midst of something else, one that is before others may be on its way already.
            let Some(id) = (0..nodes).rev().find(|id| asked[*id]) else { break };
            // In reverse order: nobody behind it runs any more.
            prop_assert!(!is_calm || runs[id + 1..].iter().all(|runs| !runs));
            (runs[id], asked[id]) = (false, false);
            supervisor.ended(id, End::Failed, "", now);
        }
        prop_assert!(runs.iter().all(|runs| !runs), "somebody runs");
    }
}
