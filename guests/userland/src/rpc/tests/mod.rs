// SPDX-License-Identifier: BSD-2-Clause
//! Clients and a service that are made up, and met already.

mod calls;
mod hostile;

use alloc::{boxed::Box, rc::Rc, vec::Vec};
use core::{
    cell::{Cell, RefCell},
    future::Future,
    time::Duration,
};

use serde::{Serialize, de::DeserializeOwned};

use super::{
    knock::Link,
    owned::Owned,
    server::{Hall, Limits},
    wire::{REQUEST, layout},
    *,
};
use crate::{
    PAGE, Pid,
    channel::{Reader, Strength, Writer},
    fake::World,
    handle::Capability as _,
    shm::Region,
    task::block_on,
    time::sleep,
};

/// The process that serves.
const SERVICE: u32 = 1;

/// A service, and who comes to it.
struct Scene<H> {
    world: World,
    hall: Rc<Hall>,
    /// The region of the door that they come through, if that counts.
    door: Cell<Option<u32>>,
    work: Rc<H>,
}

impl<H, F> Scene<H>
where
    H: Fn(u32, Caller) -> F + 'static,
    F: Future<Output = Option<u64>> + 'static,
{
    fn new(limits: Limits, work: H) -> Self {
        Self {
            world: World::new(),
            hall: Rc::new(Hall::new(limits, Pid(SERVICE))),
            door: Cell::new(None),
            work: Rc::new(work),
        }
    }

    fn owned(&self, region: u32, pid: u32) -> Owned {
        Owned(Region::from_handle(self.world.handle(region, pid)))
    }

    /// Hands a region in, as this process.
    fn hand_in(&self, region: u32, pid: u32) -> bool {
        let place = self.world.place(region, SERVICE);
        let owned = self.owned(region, SERVICE);
        let connection = self.hall.welcome(&place, owned, Pid(pid), 7);
        let is_in = connection.is_some();
        if let Some(connection) = connection {
            let door = self.door.get().map(|door| self.world.handle(door, SERVICE));
            self.hall
                .begin::<u32, u64, _, _>(connection, door, &self.work);
        }
        is_in
    }

    /// A client's process comes.
    fn try_client(&self, pid: u32) -> Result<Client<u32, u64>, ConnectError> {
        let region = self.world.region(PAGE);
        let place = self.world.place(region, pid);
        let owned = self.owned(region, pid);
        let mut link = Link::over(&place, owned, Pid(SERVICE), "client").unwrap();
        self.hand_in(region, pid);
        let welcome = link.try_welcome().unwrap()?;
        assert_eq!(welcome.generation, 7);
        Ok(Client::over(link, welcome.limit as usize))
    }

    fn client(&self, pid: u32) -> Client<u32, u64> {
        self.try_client(pid).unwrap()
    }

    /// A client that writes what it likes.
    fn raw_client(&self, pid: u32) -> (Writer, Reader, u32) {
        let region = self.world.region(PAGE);
        let place = self.world.place(region, pid);
        let (half, config) = layout(PAGE);
        let requests = place.channel(0, half, Some(&config)).unwrap();
        let replies = place.channel(half, half, Some(&config)).unwrap();
        let writer = requests.writer(Strength::Strong, "raw").unwrap();
        let reader = replies.reader(Strength::Strong, "raw").unwrap();
        assert!(self.hand_in(region, pid));
        (writer, reader, region)
    }
}

/// A client of the process with this id, and a service behind it: for the tests of what stands on this. The second
/// is to be called at the end of the service.
pub(crate) fn meet<Q, R, F>(
    world: &World,
    pid: u32,
    work: impl Fn(Q, Caller) -> F + 'static,
) -> (Client<Q, R>, Box<dyn FnOnce()>)
where
    Q: Serialize + DeserializeOwned + 'static,
    R: Serialize + DeserializeOwned + 'static,
    F: Future<Output = Option<R>> + 'static,
{
    let limits = Limits {
        calls: 64,
        ..Limits::default()
    };
    let hall = Rc::new(Hall::new(limits, Pid(SERVICE)));
    let region = world.region(PAGE);
    let owned = |pid| Owned(Region::from_handle(world.handle(region, pid)));
    let mut link = Link::over(&world.place(region, pid), owned(pid), Pid(SERVICE), "").unwrap();
    let place = world.place(region, SERVICE);
    let connection = hall.welcome(&place, owned(SERVICE), Pid(pid), 1).unwrap();
    hall.begin(connection, None, &Rc::new(work));
    let welcome = link.try_welcome().unwrap().unwrap();
    let client = Client::over(link, welcome.limit as usize);
    (client, Box::new(move || hall.close_all()))
}

/// What the service of most tests does: waits as many milliseconds, and answers the square.
async fn square(number: u32, _: Caller) -> Option<u64> {
    if number > 0 {
        sleep(Duration::from_millis(number.into())).await;
    }
    Some(u64::from(number).pow(2))
}
