// SPDX-License-Identifier: BSD-2-Clause
//! Lines from guest to guest, without a server.

use std::{
    string::{String, ToString as _},
    vec::Vec,
};

use super::{channel::test_sink, collector::Collector, sink::set_sink};
use crate::{
    Level, Pid,
    channel::{Config, Strength, WhenFull},
    fake::World,
    task::{block_on, spawn},
    time::Instant,
};

const SMALL: Config = Config::new().frames(8).data(1 << 10);

fn texts(collector: &mut Collector) -> Vec<String> {
    core::iter::from_fn(|| Some(collector.try_next().unwrap()?.text)).collect()
}

#[test]
fn lines_arrive_with_name_level_and_time() {
    let world = World::new();
    let region = world.region(SMALL.bytes());
    let channel = world.channel(region, 1, &SMALL);
    let mut collector = Collector::over(&channel, Strength::Strong, "logger").unwrap();
    set_sink(test_sink(&world.channel(region, 2, &SMALL), "worker", 2));
    world.now.set(1_234_567_000);
    crate::info!("{} jobs done", 3);
    crate::error!("one\ntwo");
    let entry = collector.try_next().unwrap().unwrap();
    assert_eq!(entry.to_string(), "[    1.234567] worker: 3 jobs done\n");
    assert_eq!(
        (entry.pid, entry.level, entry.lost),
        (Pid(2), Level::Info, 0)
    );
    assert_eq!(entry.time, Instant::from_nanoseconds(1_234_567_000));
    let entry = collector.try_next().unwrap().unwrap();
    assert_eq!(
        entry.to_string(),
        "[    1.234567] worker: error: one\n[    1.234567] worker: two\n"
    );
    assert_eq!(collector.try_next(), Ok(None));
    // Nothing went to the server, and what the guest fails with goes here, too.
    assert_eq!(world.lines.get(), 0);
    crate::log::put_last("the end");
    assert_eq!(texts(&mut collector), ["the end"]);
}

#[test]
fn a_full_channel_has_the_guest_wait_a_while_and_then_no_more() {
    let world = World::new();
    let region = world.region(SMALL.bytes());
    let channel = world.channel(region, 1, &SMALL);
    let mut collector = Collector::over(&channel, Strength::Strong, "").unwrap();
    set_sink(test_sink(&world.channel(region, 2, &SMALL), "worker", 2));
    for n in 0..8 {
        crate::info!("{n}");
    }
    assert_eq!(world.now.get(), 0);
    crate::info!("to the server");
    assert_eq!((world.now.get(), world.lines.get()), (1_000_000_000, 1));
    crate::info!("this too");
    assert_eq!((world.now.get(), world.lines.get()), (1_000_000_000, 2));
    // Without the server they are lost, and counted.
    crate::log::captured::info!("lost");
    crate::log::captured::warn!("lost {}", "too");
    assert_eq!(world.lines.get(), 2);
    assert_eq!(texts(&mut collector).len(), 8);
    crate::info!("again");
    let entry = collector.try_next().unwrap().unwrap();
    assert_eq!((entry.text.as_str(), entry.lost), ("again", 2));
    crate::info!("and again");
    assert_eq!(collector.try_next().unwrap().unwrap().lost, 0);
}

#[test]
fn a_channel_that_drops_says_how_many() {
    let config = SMALL.when_full(WhenFull::Drop);
    let world = World::new();
    let region = world.region(config.bytes());
    let channel = world.channel(region, 1, &config);
    let mut collector = Collector::over(&channel, Strength::Strong, "").unwrap();
    set_sink(test_sink(&world.channel(region, 2, &config), "worker", 2));
    for n in 0..20 {
        crate::info!("{n}");
    }
    assert_eq!((world.now.get(), world.lines.get()), (0, 0));
    assert_eq!(texts(&mut collector).len(), 8);
    crate::info!("last");
    let entry = collector.try_next().unwrap().unwrap();
    assert_eq!((entry.text.as_str(), entry.lost), ("last", 12));
}

#[test]
fn a_writer_that_died_has_said_all() {
    let world = World::new();
    let region = world.region(SMALL.bytes());
    let channel = world.channel(region, 1, &SMALL);
    let mut collector = Collector::over(&channel, Strength::Strong, "").unwrap();
    let lines = block_on(async {
        let waits = spawn(async move {
            let first = collector.next().await.unwrap().unwrap();
            let second = collector.next().await.unwrap().unwrap();
            (first, second)
        });
        crate::task::yield_now().await;
        let mut dying = test_sink(&world.channel(region, 2, &SMALL), "dying", 2);
        dying(Level::Error, "last words").unwrap();
        world.kill(2);
        core::mem::forget(dying);
        let mut next = test_sink(&world.channel(region, 3, &SMALL), "next", 3);
        next(Level::Info, "hello").unwrap();
        waits.await.unwrap()
    });
    let who = [&lines.0, &lines.1].map(|entry| (entry.name.as_str(), entry.pid.0));
    assert_eq!(who, [("dying", 2), ("next", 3)]);
    assert_ne!(lines.0.writer, lines.1.writer);
}

#[test]
fn a_name_is_no_line_of_its_own() {
    let world = World::new();
    let region = world.region(SMALL.bytes());
    let channel = world.channel(region, 1, &SMALL);
    let mut collector = Collector::over(&channel, Strength::Strong, "").unwrap();
    let forged = "x\n[    0.000000] init";
    let mut sink = test_sink(&world.channel(region, 2, &SMALL), forged, 2);
    sink(Level::Info, "hm").unwrap();
    let entry = collector.try_next().unwrap().unwrap();
    assert_eq!(entry.to_string().lines().count(), 1);
    // What is no line at all is skipped.
    let mut writer = channel.writer(Strength::Weak, "").unwrap();
    writer.try_send(b"rubbish").unwrap();
    sink(Level::Info, "more").unwrap();
    assert!(collector.try_next().is_err());
    assert_eq!(texts(&mut collector), ["more"]);
}
