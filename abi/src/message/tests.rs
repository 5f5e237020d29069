// SPDX-License-Identifier: BSD-2-Clause
//! Every message fits into what it travels in.

use super::*;
use crate::{MAX_REPLY, MAX_REQUEST};

fn name() -> Name {
    Name::try_from("abcdefghijklmnopqrstuvwxyz012345").unwrap()
}

fn text() -> Text {
    let mut text = Text::new();
    while text.push('x').is_ok() {}
    text
}

fn fill<T: Clone, const N: usize>(value: &T) -> Vec<T, N> {
    let mut all = Vec::new();
    while all.push(value.clone()).is_ok() {}
    all
}

fn len(value: &impl serde::Serialize) -> usize {
    let mut buffer = [0; 8192];
    postcard::to_slice(value, &mut buffer).unwrap().len()
}

#[test]
fn the_longest_messages_fit() {
    let give = Give {
        name: name(),
        handle: Handle(u32::MAX),
        rights: Rights::ALL,
    };
    let most = u32::MAX;
    let limits = Limits {
        handles: most,
        timers: most,
        regions: most,
        windows: most,
        children: most,
        tokens: most,
        table_elements: most,
        modules: most,
    };
    let start = StartRequest {
        program: Program::Module(ModuleRequest {
            module: Code::Archive(name()),
            name: name(),
            memory_bits: u8::MAX,
            stack: most,
            prio: u8::MAX,
            groups: Groups::from_bits(most),
            limits: limits.clone(),
            deadline_ms: Some(most),
        }),
        args: fill(&text()),
        env: fill(&text()),
        gives: fill(&give),
        session: Some(Handle(most)),
    };
    assert!(len(&start) <= MAX_REQUEST as usize);
    let list = ProcessList {
        processes: fill(&ProcessEntry {
            pid: Pid(most),
            name: name(),
            module: name(),
            version: name(),
            state: ProcessState::Failed,
        }),
    };
    assert!(len(&list) <= MAX_REPLY as usize);
    let holdings = Holdings {
        holdings: fill(&Holding {
            handle: Handle(most),
            kind: Kind::Service,
            rights: Rights::ALL,
            resource: most,
            name: name(),
            by: Some(Pid(most)),
            bytes: most,
        }),
    };
    assert!(len(&holdings) <= MAX_REPLY as usize);
    let log = LogEntries {
        entries: fill(&LogEntry {
            number: u64::MAX,
            time: u64::MAX,
            pid: Pid(most),
            name: name(),
            level: Some(Level::Debug),
            is_first: true,
            has_more: true,
            text: fill(&b'x'),
        }),
    };
    assert!(len(&log) <= MAX_REPLY as usize);
    let mut report = Report {
        text: String::new(),
    };
    while report.text.push('x').is_ok() {}
    assert!(len(&report) <= MAX_REPLY as usize);
    let info = ProcessInfo {
        pid: Pid(most),
        parent: Some(Pid(most)),
        name: name(),
        module: name(),
        version: name(),
        loader: Some(Pid(most)),
        session: name(),
        state: ProcessState::Failed,
        exit: Some(most),
        prio: u8::MAX,
        groups: Groups::from_bits(most),
        limits,
        usage: Usage {
            budget: u64::MAX,
            spent: u64::MAX,
            memory: u64::MAX,
            handles: most,
            timers: most,
            regions: most,
            windows: most,
            children: most,
            tokens: most,
            wakes: u64::MAX,
            modules: most,
            runnable: u64::MAX,
        },
    };
    assert!(len(&info) <= MAX_REPLY as usize);
}
