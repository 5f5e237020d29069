// SPDX-License-Identifier: BSD-2-Clause
//! Takes jobs from producers, and has workers do them, which it starts.
//!
//! Nobody is too fast for it: it holds a few jobs, and leaves the others with those who ask. Nothing is lost: a job
//! that a worker does not finish is given to another. And each job is answered once: to answer one takes it.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

extern crate alloc;

mod worker;

use alloc::boxed::Box;
use core::{cell::Cell, convert::Infallible, error::Error, time::Duration};

use embassy_sync::{blocking_mutex::raw::NoopRawMutex, channel::Channel};
use userland::{
    future::{Either3, select_array, select3},
    info,
    rpc::{Limits, Request, Requests, Server},
    start::Start,
    task::stopping,
};

use worker::Worker;

/// How long a worker may take that is asked to stop.
const GRACE: Duration = Duration::from_secs(1);

/// What the tasks of this guest have in common.
struct Queue {
    /// Jobs that wait for a worker. When there is no room, no more are taken.
    waiting: Channel<NoopRawMutex, Request<u32, u32>, 4>,
    /// Jobs that were taken and are not answered, and the most there ever were.
    inside: Cell<u32>,
    most: Cell<u32>,
    done: Cell<u32>,
}

#[userland::entrypoint]
async fn main(start: Start) -> Result<(), Box<dyn Error>> {
    let door = start.region("door").ok_or("the spec gives me no door")?;
    // A producer can ask for so many at once; its other calls wait with it.
    let limits = Limits {
        calls: 8,
        ..Limits::default()
    };
    let server = Server::open(&door, start.name())?.limits(limits);
    let queue = Queue {
        waiting: Channel::new(),
        inside: Cell::new(0),
        most: Cell::new(0),
        done: Cell::new(0),
    };
    // One of them is not as good as the others.
    let mut workers = [
        Worker::start("worker-a", "hang-at=1").await?,
        Worker::start("worker-b", "").await?,
        Worker::start("worker-c", "").await?,
    ];
    let intake = queue.take_in(server.requests());
    let tending = workers.each_mut().map(|worker| queue.tend(worker));
    match select3(intake, select_array(tending), stopping()).await {
        Either3::First(end) | Either3::Second((end, _)) => match end? {},
        Either3::Third(()) => {}
    }
    for worker in workers {
        worker.end(GRACE).await?;
    }
    let (done, most) = (queue.done.get(), queue.most.get());
    info!("{done} jobs are done, at most {most} were here at a time");
    Ok(())
}

impl Queue {
    /// Takes jobs as long as there is room.
    async fn take_in(&self, mut jobs: Requests<u32, u32>) -> Result<Infallible, Box<dyn Error>> {
        loop {
            let job = jobs.next().await?;
            self.inside.update(|count| count + 1);
            self.most.set(self.most.get().max(self.inside.get()));
            self.waiting.send(job).await;
        }
    }

    /// Has jobs done by a worker, and those that it does not finish by another in its place.
    async fn tend(&self, worker: &mut Worker) -> Result<Infallible, Box<dyn Error>> {
        loop {
            let job = self.waiting.receive().await;
            let mut answer = worker.ask(*job.value()).await;
            if answer.is_err() {
                info!("{} does not finish job {}", worker.name, job.value());
                worker.replace().await?;
                answer = worker.ask(*job.value()).await;
            }
            self.inside.update(|count| count - 1);
            // A job that two workers do not finish is dropped, and so refused.
            if let Ok(answer) = answer {
                job.reply(answer);
                self.done.update(|count| count + 1);
            }
        }
    }
}
