// SPDX-License-Identifier: BSD-2-Clause
//! Who is connected.

use alloc::{rc::Rc, string::String, vec::Vec};
use core::{
    cell::{Cell, RefCell},
    net::SocketAddr,
};

use http1::site;
use userland::time::Instant;

/// Those who are connected, and what they had so far.
pub struct Visitors {
    begin: Instant,
    served: Cell<u64>,
    peers: RefCell<Vec<SocketAddr>>,
}

impl Visitors {
    /// Nobody.
    pub fn new() -> Self {
        Self {
            begin: Instant::now(),
            served: Cell::new(0),
            peers: RefCell::default(),
        }
    }

    /// Somebody comes, and stays until the answer is dropped.
    pub fn enter(self: &Rc<Self>, peer: SocketAddr) -> Visit {
        self.peers.borrow_mut().push(peer);
        Visit {
            visitors: self.clone(),
            peer,
        }
    }

    /// Counts a request.
    pub fn count(&self) {
        self.served.set(self.served.get() + 1);
    }

    /// The page, as it is now.
    pub fn page(&self) -> String {
        site::page(
            self.begin.elapsed(),
            self.served.get(),
            &self.peers.borrow(),
        )
    }
}

/// Somebody is connected.
pub struct Visit {
    visitors: Rc<Visitors>,
    peer: SocketAddr,
}

impl Drop for Visit {
    fn drop(&mut self) {
        let mut peers = self.visitors.peers.borrow_mut();
        if let Some(place) = peers.iter().position(|peer| *peer == self.peer) {
            peers.swap_remove(place);
        }
    }
}
