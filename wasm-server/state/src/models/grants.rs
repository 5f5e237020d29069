// SPDX-License-Identifier: BSD-2-Clause
//! Grants that are derived, shared and used while others cut them.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering::Relaxed},
    },
    vec::Vec,
};

use atoll_abi::{
    Error, Pid, Rights,
    message::{Event, Token},
};
use loom::{sync::Mutex, thread};

use super::check;
use crate::{
    dependents::Dependents,
    holders::Holders,
    registry::{Grant, Holder, Registry, Shared},
};

type TestGrant = Arc<Grant<()>>;

/// A window; whether it shows the frames is not loom's, so that looking orders nothing.
#[derive(Clone, Default)]
struct Window {
    shows: Arc<AtomicBool>,
    /// The guest's hostcall has answered: its code may look.
    is_open: Arc<AtomicBool>,
}

/// A server, as far as its grants go. Holders are numbers, which are counted as they are told.
struct Server {
    registry: Mutex<Registry<(), usize>>,
    windows: Dependents<Mutex<Vec<(TestGrant, Window)>>>,
    told: [AtomicU32; 4],
    /// Who holds the thing, by number as a process.
    holders: Mutex<Holders>,
    /// How often those who listen were told that somebody holds it no more.
    departures: AtomicU32,
}

impl Server {
    /// With a grant of holder 0.
    fn new() -> (Arc<Self>, TestGrant) {
        let server = Self {
            registry: Mutex::new(Registry::new()),
            windows: Dependents::new(Mutex::new(Vec::new())),
            told: Default::default(),
            holders: Mutex::default(),
            departures: AtomicU32::new(0),
        };
        let root = server.registry.lock().unwrap().root((), Rights::ALL, 0);
        // Loom runs its threads one at a time on one of the host's.
        #[expect(clippy::arc_with_non_send_sync)]
        let server = Arc::new(server);
        (server, root.unwrap())
    }

    /// As `Guest::receive_from` of the process server.
    fn give(&self, source: &TestGrant, holder: usize) -> TestGrant {
        self.holders
            .lock()
            .unwrap()
            .add(Pid(holder as u32))
            .unwrap();
        self.derive(source, holder).unwrap()
    }

    fn derive(&self, source: &TestGrant, holder: usize) -> Result<TestGrant, Error> {
        let mut registry = self.registry.lock().unwrap();
        registry.derive(source, Rights::ALL, holder)
    }

    /// As `Server::cut` of the process server.
    fn cut(&self, grant: &TestGrant, itself: bool) {
        let mut registry = self.registry.lock().unwrap();
        registry.cut(grant, itself, Event::Revoked);
        drop(registry);
        let mut has_lost_a_holder = false;
        loop {
            let victim = self.registry.lock().unwrap().next_victim(grant);
            let Some(victim) = victim else { break };
            if let Holder::Holds(holder) = victim.holder {
                has_lost_a_holder |= self.holders.lock().unwrap().remove(Pid(holder as u32));
                self.told[holder].fetch_add(1, Relaxed);
            }
        }
        while self
            .windows
            .take_cut(|window| window.shows.store(false, Relaxed))
            .is_some()
        {}
        if has_lost_a_holder {
            self.departures.fetch_add(1, Relaxed);
        }
    }

    /// As `Guest::attach` of the process server.
    fn attach(&self, grant: &TestGrant, window: &Window) -> Result<(), Error> {
        grant.live()?;
        window.shows.store(true, Relaxed);
        self.windows
            .add(grant, window.clone(), 4, Error::TooManyWindows)
            .inspect_err(|_| window.shows.store(false, Relaxed))?;
        window.is_open.store(true, Relaxed);
        Ok(())
    }

    fn told(&self) -> [u32; 4] {
        [0, 1, 2, 3].map(|holder| self.told[holder].load(Relaxed))
    }
}

#[test]
fn no_window_outlives_its_grant() {
    check(4, || {
        let (server, root) = Server::new();
        let grant = server.derive(&root, 1).unwrap();
        let window = Window::default();
        let guest = {
            let (server, grant, window) = (server.clone(), grant.clone(), window.clone());
            thread::spawn(move || server.attach(&grant, &window))
        };
        server.cut(&root, false);
        // What is open when the cut is done shows nothing.
        if window.is_open.load(Relaxed) {
            assert!(!window.shows.load(Relaxed));
        }
        let attached = guest.join().unwrap();
        assert!(!window.shows.load(Relaxed));
        assert!(matches!(attached, Ok(()) | Err(Error::Revoked)));
        assert_eq!(server.told(), [0, 1, 0, 0]);
        assert!(root.live().is_ok());
    });
}

#[test]
fn who_loses_both_handles_at_once_has_left_once_and_writes_no_more() {
    check(3, || {
        let (server, root) = Server::new();
        let windows = [Window::default(), Window::default()];
        let grants = [0, 1].map(|n| {
            let grant = server.give(&root, 1);
            server.attach(&grant, &windows[n]).unwrap();
            grant
        });
        let [first, second] = grants;
        let cut = |server: &Server, grant: &TestGrant| {
            server.cut(grant, true);
            // Whoever is told of the departure finds no window, by whichever cut it went.
            if server.departures.load(Relaxed) > 0 {
                assert!(!server.holders.lock().unwrap().contains(Pid(1)));
                let shown = windows.iter().filter(|window| window.shows.load(Relaxed));
                assert_eq!(shown.count(), 0);
            }
        };
        let other = {
            let server = server.clone();
            thread::spawn(move || server.cut(&second, true))
        };
        cut(&server, &first);
        other.join().unwrap();
        assert_eq!(server.departures.load(Relaxed), 1);
        assert_eq!(server.told(), [0, 2, 0, 0]);
    });
}

#[test]
fn who_detaches_and_who_cuts_undo_a_window_once() {
    check(4, || {
        let (server, root) = Server::new();
        let window = Window::default();
        server.attach(&root, &window).unwrap();
        let undone = Arc::new(AtomicU32::new(0));
        let guest = {
            let (server, undone) = (server.clone(), undone.clone());
            thread::spawn(move || {
                let count = |_: &Window| {
                    undone.fetch_add(1, Relaxed);
                };
                server.windows.take(|_, _| true, count).is_some()
            })
        };
        server
            .registry
            .lock()
            .unwrap()
            .cut(&root, true, Event::Revoked);
        let count = |_: &Window| {
            undone.fetch_add(1, Relaxed);
        };
        let cut = server.windows.take_cut(count).is_some();
        let detached = guest.join().unwrap();
        assert!(cut != detached);
        assert_eq!(undone.load(Relaxed), 1);
    });
}

#[test]
fn what_is_derived_while_its_source_is_cut_is_cut_or_refused() {
    check(4, || {
        let (server, root) = Server::new();
        let source = server.derive(&root, 1).unwrap();
        let heir = {
            let (server, source) = (server.clone(), source.clone());
            thread::spawn(move || {
                let child = server.derive(&source, 2)?;
                server
                    .derive(&child, 3)
                    .map(|grandchild| (child, grandchild))
            })
        };
        server.cut(&root, false);
        match heir.join().unwrap() {
            Ok((child, grandchild)) => {
                assert_eq!(child.lost(), Some(Event::Revoked));
                assert_eq!(grandchild.lost(), Some(Event::Revoked));
                assert_eq!(server.told(), [0, 1, 1, 1]);
            }
            Err(error) => {
                assert_eq!(error, Error::Revoked);
                assert!(server.told()[2] <= 1 && server.told()[3] == 0);
            }
        }
        assert_eq!(server.registry.lock().unwrap().len(), 1);
    });
}

#[test]
fn cuts_of_one_within_another_tell_everybody_once() {
    check(3, || {
        let (server, root) = Server::new();
        let outer = server.derive(&root, 1).unwrap();
        let inner = server.derive(&outer, 2).unwrap();
        server.derive(&inner, 3).unwrap();
        let other = {
            let server = server.clone();
            thread::spawn(move || server.cut(&inner, true))
        };
        server.cut(&outer, true);
        other.join().unwrap();
        assert_eq!(server.told(), [0, 1, 1, 1]);
        assert_eq!(server.registry.lock().unwrap().len(), 1);
    });
}

fn share(server: &Server, source: &TestGrant, uses: u32) -> Token {
    let shared = Shared::new([7; 12], uses, Pid(1), false);
    let mut registry = server.registry.lock().unwrap();
    registry.share(source, Rights::READ, shared).unwrap().0
}

#[test]
fn a_token_for_once_is_taken_up_once() {
    check(4, || {
        let (server, root) = Server::new();
        let token = share(&server, &root, 1);
        let takers = [1, 2].map(|holder| {
            let (server, token) = (server.clone(), token.clone());
            thread::spawn(move || {
                let taken = server.registry.lock().unwrap().redeem(&token, holder);
                taken.is_ok()
            })
        });
        let taken = takers.map(|taker| taker.join().unwrap());
        assert!(taken[0] != taken[1]);
    });
}

#[test]
fn what_is_taken_up_while_the_source_is_cut_is_cut_or_refused() {
    check(4, || {
        let (server, root) = Server::new();
        let source = server.derive(&root, 1).unwrap();
        let token = share(&server, &source, 2);
        let taker = {
            let server = server.clone();
            thread::spawn(move || {
                let mut registry = server.registry.lock().unwrap();
                registry.redeem(&token, 2).map(|(grant, _)| grant)
            })
        };
        server.cut(&source, true);
        match taker.join().unwrap() {
            Ok(grant) => assert_eq!(grant.lost(), Some(Event::Revoked)),
            Err(error) => assert_eq!(error, Error::BadToken),
        }
        assert_eq!(server.registry.lock().unwrap().len(), 1);
    });
}
