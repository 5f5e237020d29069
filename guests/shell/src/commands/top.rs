// SPDX-License-Identifier: BSD-2-Clause
//! `top`: what is done from one moment to the next.

use alloc::{
    collections::BTreeMap,
    format,
    string::{String, ToString as _},
    vec::Vec,
};
use core::{cell::RefCell, fmt::Write as _, time::Duration};

use shell_language::{Align, Size, Table, clip};
use shell_line::{Key, Keys};
use userland::{
    Pid,
    future::{Either, select},
    introspect::{self, Kind},
    process::ProcessInfo,
    time::{Instant, sleep_until},
};

use super::{Call, processes};
use crate::{
    failure::{Done, Failure},
    stream::Sink,
};

/// The first round of a live one.
const FIRST: Duration = Duration::from_millis(300);

/// What is shown first.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Order {
    Busy,
    Memory,
    Wakes,
}

/// What a process did in a round.
struct Row {
    info: ProcessInfo,
    /// Of ten thousand.
    busy: u64,
    wakes: u64,
    fill: Option<(u64, String)>,
}

/// What was known before.
#[derive(Default)]
struct Before {
    at: Option<Instant>,
    processes: BTreeMap<u32, (u64, u64)>,
}

/// The fullest channel that a process holds: of a hundred, and its name.
fn fullest(pid: Pid) -> Option<(u64, String)> {
    let mut fullest: Option<(u64, String)> = None;
    for holding in introspect::holdings(pid).filter_map(Result::ok) {
        if holding.kind != Kind::Region {
            continue;
        }
        let Ok(fills) = introspect::fill(pid, holding.handle) else {
            continue;
        };
        for fill in fills {
            let share = |n: u32, most: u32| u64::from(n) * 100 / u64::from(most.max(1));
            let full = share(fill.frames, fill.most_frames).max(share(fill.bytes, fill.most_bytes));
            if fullest.as_ref().is_none_or(|(most, _)| full > *most) {
                let name = match holding.name.as_str() {
                    "" => format!("#{}", holding.resource),
                    name => name.to_string(),
                };
                fullest = Some((full, name));
            }
        }
    }
    fullest
}

fn look(before: &mut Before) -> Result<(Vec<Row>, Duration), Failure> {
    let now = Instant::now();
    let round = before.at.map_or(Duration::ZERO, |at| now - at);
    let span = u64::try_from(round.as_nanos()).unwrap_or(u64::MAX).max(1);
    let mut known = BTreeMap::new();
    let mut rows = Vec::new();
    for process in processes::all()? {
        if !processes::is_alive(process.state) {
            continue;
        }
        let Ok(info) = introspect::process(process.pid) else {
            continue;
        };
        let (runnable, wakes) = (info.usage.runnable, info.usage.wakes);
        let first = (before.at.is_none()).then_some((runnable, wakes));
        let (last_runnable, last_wakes) = before
            .processes
            .get(&process.pid.0)
            .copied()
            .or(first)
            .unwrap_or_default();
        known.insert(process.pid.0, (runnable, wakes));
        let busy = runnable.saturating_sub(last_runnable);
        rows.push(Row {
            busy: (u128::from(busy) * 10_000 / u128::from(span)).min(10_000) as u64,
            wakes: wakes.saturating_sub(last_wakes),
            fill: fullest(process.pid),
            info,
        });
    }
    *before = Before {
        at: Some(now),
        processes: known,
    };
    Ok((rows, round))
}

fn show(rows: &mut [Row], round: Duration, order: Order) -> Result<String, Failure> {
    rows.sort_by_key(|row| {
        core::cmp::Reverse(match order {
            Order::Busy => row.busy,
            Order::Memory => row.info.usage.spent,
            Order::Wakes => row.wakes,
        })
    });
    let system = introspect::system()?;
    let mut out = String::new();
    // Writing to a string does not fail.
    let _ = writeln!(
        out,
        "up {:#}, {} processes, {} capabilities, {} timers; the server's heap: {}/{}",
        shell_language::Duration(system.uptime),
        system.processes,
        system.grants,
        system.timers,
        Size(system.heap_used),
        Size(system.heap),
    );
    let _ = writeln!(
        out,
        "the last {:#}: b, m, w sort; q ends",
        shell_language::Duration(u64::try_from(round.as_nanos()).unwrap_or(u64::MAX)),
    );
    let mut table = Table::new(&[
        ("PID", Align::Right),
        ("NAME", Align::Left),
        ("STATE", Align::Left),
        ("PRIO", Align::Right),
        ("BUSY%", Align::Right),
        ("MEMORY", Align::Right),
        ("WAKES", Align::Right),
        ("FILL", Align::Right),
        ("OF", Align::Left),
    ]);
    for row in rows {
        let (fill, of) = row
            .fill
            .as_ref()
            .map_or(("-".to_string(), String::new()), |(full, of)| {
                (format!("{full}%"), of.clone())
            });
        table.row([
            row.info.pid.0.to_string(),
            row.info.name.to_string(),
            processes::state(row.info.state).to_string(),
            row.info.prio.to_string(),
            format!("{}.{:02}", row.busy / 100, row.busy % 100),
            Size(row.info.usage.spent).to_string(),
            row.wakes.to_string(),
            fill,
            of,
        ]);
    }
    let _ = write!(out, "{table}");
    Ok(out)
}

pub async fn top(mut call: Call) -> Done {
    let options = call.options("n:s:")?;
    let rounds = options.number('n')?.unwrap_or(u64::MAX);
    let pause = Duration::from_secs(options.number('s')?.unwrap_or(2).clamp(1, 3600));
    if let [first, ..] = options.args.as_slice() {
        return Err(Failure::Misused(format!(
            "nothing belongs behind it, but there is `{first}`"
        )));
    }
    let live = matches!(call.output, Sink::Screen(_)) && options.number('n')?.is_none();
    let keys = RefCell::new(Keys::new());
    let mut order = Order::Busy;
    let mut before = Before::default();
    look(&mut before)?;
    let mut last = None;
    let mut left = rounds;
    // Somebody who looks on sees something soon.
    let first = if live { pause.min(FIRST) } else { pause };
    let mut next = Instant::now() + first;
    while left > 0 {
        let key = async {
            if live {
                call.session.key(&keys).await
            } else {
                core::future::pending().await
            }
        };
        match select(sleep_until(next), key).await {
            Either::First(()) => {
                last = Some(look(&mut before)?);
                next = Instant::now() + pause;
                left -= 1;
            }
            Either::Second(None | Some(Key::Char('q') | Key::Ctrl('d'))) => return Ok(()),
            // The same again, in another order.
            Either::Second(Some(Key::Char('b'))) => order = Order::Busy,
            Either::Second(Some(Key::Char('m'))) => order = Order::Memory,
            Either::Second(Some(Key::Char('w'))) => order = Order::Wakes,
            Either::Second(Some(_)) => continue,
        }
        let Some((rows, round)) = &mut last else {
            continue;
        };
        let mut text = show(rows, *round, order)?;
        if live {
            // A line that wraps would take the place of another.
            let (columns, rows) = call.session.size();
            let rows = usize::from(rows).saturating_sub(1).max(4);
            let columns = columns.saturating_sub(1);
            let kept = text.lines().take(rows).map(|line| clip(line, columns));
            let lines = kept.map(|line| format!("{line}\x1b[K\n"));
            text = format!("\x1b[H{}\x1b[J", lines.collect::<String>());
        }
        call.output.print(&text).await?;
    }
    Ok(())
}
