// SPDX-License-Identifier: BSD-2-Clause
//! Disks that fail: what was asked for is not done then, and all else is.

use std::println;

use crate::tests::{
    disk::{Fault, FaultyDisk, Request},
    fs::{Rig, number, steps::Run},
    tools::mke2fs,
};

/// Does something while requests of a kind fail, `count` from the one after `after` on. Whether any did.
fn run(image: &[u8], seed: u64, request: Request, after: u64, count: u64) -> bool {
    let mut run = Run::new(image.to_vec(), seed);
    run.can_fail = true;
    for _ in 0..150 {
        run.step();
    }
    run.rig.fs.settle().unwrap();
    // Nothing is cached, and not much will be.
    run.model.release_all();
    run.rig = Rig::mount_with(FaultyDisk::new(run.rig.disk.image()), 16).unwrap();
    // After a flush that failed, nobody knows what of the last contents is there.
    run.is_vague = request == Request::Flush;
    run.rig.disk.fail(Fault {
        request,
        after,
        count,
    });
    for _ in 0..60 {
        run.step();
    }
    let has_failed = !run.rig.disk.has_faults();
    run.rig.disk.heal();
    run.finish();
    has_failed
}

#[test]
fn what_fails_is_not_done_and_all_else_is() {
    let all = number("ATOLL_SOAK").is_some();
    for (seed, options) in [
        (1, "-b 1024 -N 96"),
        (2, "-b 4096 -N 256 -O ^metadata_csum"),
    ] {
        let image = mke2fs(options, 16 * 1024);
        for request in [Request::Read, Request::Write, Request::Flush] {
            let stride = match request {
                _ if all => 1,
                Request::Read => 3,
                Request::Write => 29,
                Request::Flush => 2,
            };
            let mut after = 0;
            while run(&image, seed, request, after, 1) {
                run(&image, seed, request, after, 4);
                after += stride;
            }
            println!("{options}: {after} times {request:?}");
            assert!(after > 10);
        }
    }
}
