// SPDX-License-Identifier: BSD-2-Clause
//! New inputs, and changed ones.

use crate::{
    calls::{CALLS, Call, Kept, named},
    random::Random,
    script::{Input, Piece, Step, Value},
    shape, values,
};

/// Most steps of a guest.
const MAX_STEPS: usize = 64;

/// An input made from nothing.
pub fn fresh(random: &mut Random) -> Input {
    let mut input = Input::default();
    for script in &mut input.scripts {
        // Without a mailbox hardly anything tells a guest anything.
        if random.percent(90) {
            script.extend(named("wake.register").map(|call| Step {
                call,
                arguments: vec![Value::Number(random.pick(&[0x100, 0x200]))],
                request: Vec::new(),
            }));
        }
        for _ in 0..random.below(30) {
            script.push(step(random));
        }
    }
    input
}

/// One input changed, with parts of another.
pub fn mutate(random: &mut Random, input: &Input, other: &Input) -> Input {
    let mut input = input.clone();
    for _ in 0..=random.below(4) {
        let n = random.below(input.scripts.len());
        let others = &other.scripts[random.below(other.scripts.len())];
        let script = &mut input.scripts[n];
        let at = random.below(script.len() + 1);
        match random.below(8) {
            0 | 1 => script.insert(at, step(random)),
            2 => {
                script.truncate(at);
                script.extend(others.iter().skip(random.below(others.len())).cloned());
            }
            3 => {
                let from = random.below(others.len());
                let some = others.iter().skip(from).take(1 + random.below(6)).cloned();
                let _ = script.splice(at..at, some);
            }
            4 => {
                let end = (at + 1 + random.below(4)).min(script.len());
                let _ = script.drain(at..end);
            }
            5 => {
                if let Some(step) = script.get(at).cloned() {
                    let copies = 1 + random.below(10);
                    let _ = script.splice(at..at, vec![step; copies]);
                }
            }
            _ => {
                if let Some(step) = script.get_mut(at) {
                    change(random, step);
                }
            }
        }
        script.truncate(MAX_STEPS);
    }
    input
}

fn step(random: &mut Random) -> Step {
    let call = loop {
        let call = &CALLS[random.below(CALLS.len())];
        // What ends the guest, or takes all it has, or takes a turn of the clock.
        let rare = matches!(
            &*call.name,
            "guest.exit" | "guest.panic" | "process.restrict" | "session.end" | "own.spin"
        );
        // What the others need to have something to work on.
        let common = call.kept != Kept::Nothing || random.percent(60);
        if common && (!rare || random.percent(5)) {
            break call;
        }
    };
    let arguments = call
        .params
        .iter()
        .map(|param| argument(random, param.name, param.ty));
    let mut step = Step {
        call,
        arguments: arguments.collect(),
        request: call
            .request
            .map_or_else(Vec::new, |ty| shape::request(random, ty)),
    };
    if random.percent(3) {
        change(random, &mut step);
    }
    step
}

fn argument(random: &mut Random, name: &str, ty: &str) -> Value {
    match ty {
        "Handle" if random.percent(70) => Value::Handle(values::ago(random)),
        "Handle" => Value::Number(values::spec_handle(random)),
        "TimerId" if random.percent(80) => Value::Kept(values::ago(random)),
        _ if name == "address" && random.percent(40) => Value::Kept(values::ago(random)),
        _ => Value::Number(values::number(random, name, ty)),
    }
}

/// Changes an argument, or the request: another of its type, or what is none.
fn change(random: &mut Random, step: &mut Step) {
    let Call {
        params, request, ..
    } = step.call;
    if let Some(ty) = request {
        match random.below(8) {
            0 => damage(random, &mut step.request),
            // Raw arguments: where nothing is, and lengths that are none.
            1 => {
                step.arguments = vec![
                    Value::Number(random.pick(&[0x1000, 0x1000, 0xffff, 0xffff_ffff])),
                    random.pick(&[Value::Length, Value::Number(4096), Value::Number(4097)]),
                    Value::Number(random.pick(&[0x2000, 0xfc00, 0xfc01, 0xffff_ffff])),
                ];
            }
            _ => step.request = shape::request(random, ty),
        }
    } else if let Some(n) = random.below(params.len() + 1).checked_sub(1) {
        step.arguments[n] = match random.below(6) {
            0 => Value::Handle(values::ago(random)),
            1 => Value::Kept(values::ago(random)),
            2 => Value::Number(random.next() >> random.below(64)),
            _ => argument(random, params[n].name, params[n].ty),
        };
    }
}

/// Flips, cuts or adds bytes.
fn damage(random: &mut Random, request: &mut Vec<Piece>) {
    let n = random.below(request.len() + 1);
    match request.get_mut(n) {
        Some(Piece::Bytes(bytes)) if !bytes.is_empty() => {
            let at = random.below(bytes.len());
            match random.below(3) {
                0 => bytes.truncate(at),
                1 => bytes[at] ^= 1 << random.below(8),
                _ => bytes[at] = random.pick(&[0x00, 0x7f, 0x80, 0xff]),
            }
        }
        Some(_) => request.truncate(n),
        None => request.push(Piece::Bytes(vec![random.next() as u8; random.below(20)])),
    }
}
