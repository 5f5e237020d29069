// SPDX-License-Identifier: BSD-2-Clause
//! Ends that wait, in guests that have other tasks.

use crate::{
    channel::{Config, Strength},
    fake::World,
    task::{block_on, spawn, yield_now},
};

/// Nobody waits for a weak reader; it is rung all the same.
#[test]
fn a_writer_that_has_room_for_ever_lets_others_run() {
    const NEWS: Config = Config::new().frames(4).data(1024);
    let world = World::new();
    let region = world.region(NEWS.bytes());
    let (mine, theirs) = (
        world.channel(region, 1, &NEWS),
        world.channel(region, 2, &NEWS),
    );
    let mut reader = theirs.reader(Strength::Weak, "reader").unwrap();
    let mut writer = mine.writer(Strength::Strong, "writer").unwrap();
    block_on(async move {
        let read = spawn(async move { reader.receive(&mut [0; 1]).await });
        yield_now().await;
        assert!(!read.is_finished());
        for _ in 0..1000 {
            writer.send(&[7]).await.unwrap();
        }
        assert!(read.is_finished());
    });
}
