// SPDX-License-Identifier: BSD-2-Clause
//! Both ends in one guest, which the server does not ring for what it does itself.

use std::vec::Vec;

use super::*;
use crate::{
    fake::World,
    task::{block_on, spawn, yield_now},
};

const PIPE: Config = Config::pipe().frames(2).data(64);
const MANY: Config = Config::new().frames(2).data(64);

#[test]
fn tasks_of_one_guest_wake_each_other() {
    for config in [PIPE, MANY] {
        let world = World::new();
        let channel = world.channel(world.region(config.bytes()), 1, &config);
        let mut reader = channel.reader(Strength::Strong, "reader").unwrap();
        let mut writer = channel.writer(Strength::Strong, "writer").unwrap();
        let received = block_on(async move {
            spawn(async move {
                yield_now().await;
                for i in 0..9 {
                    writer.send(&[i]).await.unwrap();
                }
            });
            let mut received = Vec::new();
            while let Some(frame) = reader.next().await.unwrap() {
                received.extend(frame.to_vec());
            }
            received
        });
        assert!(received.into_iter().eq(0..9));
    }
}

#[test]
fn a_guest_that_closes_a_channel_wakes_its_own_ends() {
    for config in [PIPE, MANY] {
        let world = World::new();
        let channel = world.channel(world.region(config.bytes()), 1, &config);
        let mut reader = channel.reader(Strength::Strong, "reader").unwrap();
        let closed = block_on(async move {
            spawn(async move {
                yield_now().await;
                channel.terminate();
            });
            matches!(reader.next().await, Ok(None))
        });
        assert!(closed);
    }
}
