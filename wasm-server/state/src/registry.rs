// SPDX-License-Identifier: BSD-2-Clause
//! The registry: every capability there is, each below the one it was derived from.
//!
//! A [`Grant`] is one capability. Whoever holds it keeps it together with its place in the registry, so
//! that using it takes no lock of the registry: that a grant is cut is one atomic word in it. The
//! registry knows the tree, and who is to be told when a part of it is cut.
//!
//! What hangs on a grant (a window, a listener) is kept in [`Dependents`](crate::dependents::Dependents).

use alloc::{sync::Arc, vec::Vec};

use atoll_abi::{
    Error, Pid, Rights,
    message::{Event, Token},
};

use crate::atomic::{AtomicU32, Ordering};

/// Most grants there can be: those of several thousand guests.
const MAX_GRANTS: usize = 1 << 20;
/// Unpredictable bytes of a token; the others are the place of its grant.
pub const SECRET_BYTES: usize = 12;

/// One capability for a resource of type `R`.
#[derive(Debug)]
pub struct Grant<R> {
    /// What it designates.
    pub resource: R,
    /// What it allows.
    pub rights: Rights,
    /// Number of what it designates, the same in all grants for that.
    pub number: u32,
    /// Its place in the registry.
    place: usize,
    /// 0, or how it was lost: an [`Event`].
    lost: AtomicU32,
}

impl<R> Grant<R> {
    /// How it was lost, if it was.
    pub fn lost(&self) -> Option<Event> {
        match self.lost.load(Ordering::Acquire) {
            0 => None,
            number => Event::from_number(number),
        }
    }

    /// # Errors
    /// `Revoked` once it is lost.
    pub fn live(&self) -> Result<&Self, Error> {
        if self.lost.load(Ordering::Acquire) == 0 {
            Ok(self)
        } else {
            Err(Error::Revoked)
        }
    }

    /// # Errors
    /// `Revoked` once it is lost, `Denied` if it lacks one of these rights.
    pub fn allowing(&self, rights: Rights) -> Result<&Self, Error> {
        if self.live()?.rights.contains(rights) {
            Ok(self)
        } else {
            Err(Error::Denied)
        }
    }
}

/// Who has a grant.
#[derive(Debug)]
pub enum Holder<H> {
    /// Somebody.
    Holds(H),
    /// Nobody yet.
    Token(Shared),
    /// Nobody any more: a token that is worthless, above what was taken up with it.
    Spent,
}

/// What is to be known of a token.
#[derive(Debug)]
pub struct Shared {
    secret: [u8; SECRET_BYTES],
    /// How often it can be taken up yet.
    uses: u32,
    /// Who made it.
    pub by: Pid,
    /// Whether an alarm is set for its end.
    pub expires: bool,
}

impl Shared {
    /// A token that can be taken up this often. The secret is nobody's guess.
    pub const fn new(secret: [u8; SECRET_BYTES], uses: u32, by: Pid, expires: bool) -> Self {
        Self {
            secret,
            uses,
            by,
            expires,
        }
    }
}

/// A grant that was cut.
#[derive(Debug)]
pub struct Victim<R, H> {
    /// The grant.
    pub grant: Arc<Grant<R>>,
    /// Who had it.
    pub holder: Holder<H>,
}

#[derive(Debug)]
struct Node<R, H> {
    grant: Arc<Grant<R>>,
    holder: Holder<H>,
    parent: Option<usize>,
    first_child: Option<usize>,
    next: Option<usize>,
    previous: Option<usize>,
}

/// See the module.
#[derive(Debug)]
pub struct Registry<R, H> {
    nodes: Vec<Option<Node<R, H>>>,
    free: Vec<usize>,
    /// The number of the last resource.
    number: u32,
}

impl<R: Clone, H> Registry<R, H> {
    /// Without any grants.
    pub const fn new() -> Self {
        Self {
            nodes: Vec::new(),
            free: Vec::new(),
            number: 0,
        }
    }

    /// Grants there are.
    pub fn len(&self) -> usize {
        self.nodes.len() - self.free.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A grant that comes from no other.
    ///
    /// # Errors
    /// `TooMany`.
    pub fn root(&mut self, resource: R, rights: Rights, holder: H) -> Result<Arc<Grant<R>>, Error> {
        let number = self.new_number();
        self.insert(None, (resource, number), rights, Holder::Holds(holder))
    }

    /// A grant below `source`.
    ///
    /// # Errors
    /// `Revoked` if the source is cut, `Denied` if it lacks one of the rights, `TooMany`.
    pub fn derive(
        &mut self,
        source: &Grant<R>,
        rights: Rights,
        holder: H,
    ) -> Result<Arc<Grant<R>>, Error> {
        let resource = (source.resource.clone(), source.number);
        self.below(source, resource, rights, Holder::Holds(holder))
    }

    /// A grant below `source` for something else that the source stands for: it goes with the source. The number is
    /// [one](Self::new_number) that all grants for that have.
    ///
    /// # Errors
    /// As [`Self::derive`].
    pub fn derive_other(
        &mut self,
        source: &Grant<R>,
        resource: (R, u32),
        rights: Rights,
        holder: H,
    ) -> Result<Arc<Grant<R>>, Error> {
        self.below(source, resource, rights, Holder::Holds(holder))
    }

    /// A number for a resource that there are no grants for yet.
    pub fn new_number(&mut self) -> u32 {
        self.number = self.number.wrapping_add(1);
        self.number
    }

    fn below(
        &mut self,
        source: &Grant<R>,
        resource: (R, u32),
        rights: Rights,
        holder: Holder<H>,
    ) -> Result<Arc<Grant<R>>, Error> {
        // Under the registry's lock: who cuts the source afterwards finds the new grant below it.
        source.allowing(rights)?;
        // A spent token is not lost, but may be gone.
        let is_there = self
            .node(source.place)
            .is_some_and(|node| core::ptr::eq(&*node.grant, source));
        if !is_there {
            return Err(Error::Revoked);
        }
        self.insert(Some(source.place), resource, rights, holder)
    }

    /// A token for a grant.
    ///
    /// # Errors
    /// As [`Self::derive`].
    pub fn share(
        &mut self,
        source: &Grant<R>,
        rights: Rights,
        shared: Shared,
    ) -> Result<(Token, Arc<Grant<R>>), Error> {
        let secret = shared.secret;
        let resource = (source.resource.clone(), source.number);
        let grant = self.below(source, resource, rights, Holder::Token(shared))?;
        let mut bytes = [0; 16];
        let (head, tail) = bytes.split_at_mut(SECRET_BYTES);
        head.copy_from_slice(&secret);
        tail.copy_from_slice(&(grant.place as u32).to_le_bytes());
        Ok((Token { bytes }, grant))
    }

    /// The grant that a token is.
    ///
    /// # Errors
    /// `BadToken`.
    pub fn shared(&self, token: &Token) -> Result<(&Arc<Grant<R>>, &Shared), Error> {
        let (head, tail) = token.bytes.split_at(SECRET_BYTES);
        let place = tail.try_into().map(u32::from_le_bytes).unwrap_or(u32::MAX);
        match self.node(place as usize) {
            Some(Node {
                grant,
                holder: Holder::Token(shared),
                ..
            }) if equal(&shared.secret, head) && grant.lost().is_none() => Ok((grant, shared)),
            _ => Err(Error::BadToken),
        }
    }

    /// Takes a token up for `holder`. Answers the grant, and who made the token if it is spent now.
    ///
    /// # Errors
    /// `BadToken`, `TooMany`.
    pub fn redeem(
        &mut self,
        token: &Token,
        holder: H,
    ) -> Result<(Arc<Grant<R>>, Option<Pid>), Error> {
        let (source, shared) = self.shared(token)?;
        let (source, by, uses) = (source.clone(), shared.by, shared.uses);
        let grant = self.derive(&source, source.rights, holder)?;
        let spent = uses <= 1;
        if let Some(node) = self.node_mut(source.place) {
            if spent {
                node.holder = Holder::Spent;
            } else if let Holder::Token(shared) = &mut node.holder {
                shared.uses = uses - 1;
            }
        }
        Ok((grant, spent.then_some(by)))
    }

    /// Makes a token worthless. What was taken up with it stays.
    pub fn spend(&mut self, grant: &Grant<R>) {
        let Some(node) = self.node_mut(grant.place) else {
            return;
        };
        node.holder = Holder::Spent;
        self.prune(grant.place);
    }

    /// Cuts a grant and all below it, or only what is below: from here on none of them is of use to
    /// anybody. Who holds them is told one by one, with [`Self::next_victim`].
    pub fn cut(&mut self, grant: &Arc<Grant<R>>, itself: bool, event: Event) {
        let top = grant.place;
        if !self.has(grant) {
            return;
        }
        let mut place = top;
        loop {
            let Some(node) = self.node(place) else {
                return;
            };
            if place != top || itself {
                // The first reason is the one.
                let _ = node.grant.lost.compare_exchange(
                    0,
                    event.number(),
                    Ordering::AcqRel,
                    Ordering::Relaxed,
                );
            }
            match self.following(place, top) {
                Some(next) => place = next,
                None => return,
            }
        }
    }

    /// Takes a grant out that is cut, has none below it, and is `grant` or below it.
    pub fn next_victim(&mut self, grant: &Arc<Grant<R>>) -> Option<Victim<R, H>> {
        if !self.has(grant) {
            return None;
        }
        let mut place = grant.place;
        while let Some(child) = self.node(place)?.first_child {
            place = child;
        }
        self.node(place)?.grant.lost()?;
        let node = self.remove(place)?;
        if let Some(parent) = node.parent {
            self.prune_up_to(parent, grant.place);
        }
        Some(Victim {
            grant: node.grant,
            holder: node.holder,
        })
    }

    /// What comes after a node within a subtree: first the children, then the siblings.
    fn following(&self, place: usize, top: usize) -> Option<usize> {
        let mut node = self.node(place)?;
        if node.first_child.is_some() {
            return node.first_child;
        }
        let mut place = place;
        while place != top {
            if node.next.is_some() {
                return node.next;
            }
            place = node.parent?;
            node = self.node(place)?;
        }
        None
    }

    /// Takes a spent token out that has nothing below it, and those above it likewise.
    fn prune(&mut self, place: usize) {
        self.prune_up_to(place, usize::MAX);
    }

    /// As [`Self::prune`], but leaves `end` alone.
    fn prune_up_to(&mut self, mut place: usize, end: usize) {
        while place != end
            && let Some(node) = self.node(place)
            && matches!(node.holder, Holder::Spent)
            && node.first_child.is_none()
        {
            let parent = node.parent;
            self.remove(place);
            match parent {
                Some(parent) => place = parent,
                None => return,
            }
        }
    }

    fn insert(
        &mut self,
        parent: Option<usize>,
        (resource, number): (R, u32),
        rights: Rights,
        holder: Holder<H>,
    ) -> Result<Arc<Grant<R>>, Error> {
        let place = match self.free.pop() {
            Some(place) => place,
            None if self.nodes.len() < MAX_GRANTS => {
                self.nodes.try_reserve(1).map_err(|_| Error::TooMany)?;
                // So that giving a place back never allocates.
                let places = self.nodes.len() + 1 - self.free.len();
                self.free.try_reserve(places).map_err(|_| Error::TooMany)?;
                self.nodes.push(None);
                self.nodes.len() - 1
            }
            None => return Err(Error::TooMany),
        };
        let grant = Arc::new(Grant {
            resource,
            rights,
            number,
            place,
            lost: AtomicU32::new(0),
        });
        let next = parent.and_then(|parent| {
            let parent = self.node_mut(parent)?;
            parent.first_child.replace(place)
        });
        if let Some(next) = next
            && let Some(node) = self.node_mut(next)
        {
            node.previous = Some(place);
        }
        if let Some(slot) = self.nodes.get_mut(place) {
            *slot = Some(Node {
                grant: grant.clone(),
                holder,
                parent,
                first_child: None,
                next,
                previous: None,
            });
        }
        Ok(grant)
    }

    /// Takes a node without children out.
    fn remove(&mut self, place: usize) -> Option<Node<R, H>> {
        let node = self.nodes.get_mut(place)?.take()?;
        match (node.previous, node.parent) {
            (Some(previous), _) => {
                if let Some(previous) = self.node_mut(previous) {
                    previous.next = node.next;
                }
            }
            (None, Some(parent)) => {
                if let Some(parent) = self.node_mut(parent) {
                    parent.first_child = node.next;
                }
            }
            (None, None) => {}
        }
        if let Some(next) = node.next.and_then(|next| self.node_mut(next)) {
            next.previous = node.previous;
        }
        self.free.push(place);
        Some(node)
    }

    /// Whether this grant is still at its place.
    fn has(&self, grant: &Arc<Grant<R>>) -> bool {
        self.node(grant.place)
            .is_some_and(|node| Arc::ptr_eq(&node.grant, grant))
    }

    fn node(&self, place: usize) -> Option<&Node<R, H>> {
        self.nodes.get(place)?.as_ref()
    }

    fn node_mut(&mut self, place: usize) -> Option<&mut Node<R, H>> {
        self.nodes.get_mut(place)?.as_mut()
    }
}

impl<R: Clone, H> Default for Registry<R, H> {
    fn default() -> Self {
        Self::new()
    }
}

/// Compares without telling by its time where the first difference is.
fn equal(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |all, (a, b)| all | (a ^ b)) == 0
}

#[cfg(all(test, not(loom)))]
mod tests;
