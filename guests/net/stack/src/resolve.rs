// SPDX-License-Identifier: BSD-2-Clause
//! Names to addresses.

use alloc::vec::Vec;
use core::{
    net::IpAddr,
    task::{Poll, Waker},
};

use atoll_abi::net::{Error, Family, MAX_RESOLVED};
use smoltcp::{
    iface::{SocketHandle, SocketSet},
    socket::dns,
    time::{Duration, Instant},
    wire::{DnsQueryType, IpAddress},
};

use crate::{Stack, table::Table};

/// A question that is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueryId(u32);

/// Questions at a time, each one or two queries.
const MOST: usize = 64;
/// A failure that takes longer than this is silence: a name server that knows no address says so at once.
const SILENCE: Duration = Duration::from_secs(5);

/// What a query for one kind of address has come to.
enum Query {
    NotAsked,
    Pending(dns::QueryHandle),
    Answered(Vec<IpAddr>),
    Failed,
}

struct Question {
    v4: Query,
    v6: Query,
    since: Instant,
}

pub struct Resolver {
    socket: SocketHandle,
    questions: Table<Question>,
    has_server: bool,
}

impl Resolver {
    pub fn new(sockets: &mut SocketSet<'static>) -> Self {
        Self {
            socket: sockets.add(dns::Socket::new(&[], Vec::new())),
            questions: Table::new(),
            has_server: false,
        }
    }

    /// Asks these name servers from now on.
    pub fn ask(&mut self, sockets: &mut SocketSet<'static>, servers: &[IpAddr]) {
        let servers: Vec<IpAddress> = servers.iter().copied().map(Into::into).collect();
        self.has_server = !servers.is_empty();
        let socket = sockets.get_mut::<dns::Socket<'_>>(self.socket);
        socket.update_servers(&servers);
    }
}

impl Query {
    fn poll(&mut self, socket: &mut dns::Socket<'_>, waker: &Waker) -> bool {
        let Self::Pending(handle) = *self else {
            return true;
        };
        *self = match socket.get_query_result(handle) {
            Ok(addresses) => Self::Answered(addresses.into_iter().map(Into::into).collect()),
            Err(dns::GetQueryResultError::Pending) => {
                socket.register_query_waker(handle, waker);
                return false;
            }
            Err(dns::GetQueryResultError::Failed) => Self::Failed,
        };
        true
    }

    fn cancel(&self, socket: &mut dns::Socket<'_>) {
        if let Self::Pending(handle) = *self {
            socket.cancel_query(handle);
        }
    }

    fn addresses(&self) -> &[IpAddr] {
        match self {
            Self::Answered(addresses) => addresses,
            _ => &[],
        }
    }
}

impl Stack {
    /// Begins to resolve a name.
    ///
    /// # Errors
    /// [`Error::BadName`], [`Error::NoNameServer`], [`Error::TooManySockets`].
    pub fn resolve(&mut self, name: &str, family: Family) -> Result<QueryId, Error> {
        if !is_name(name) {
            return Err(Error::BadName);
        }
        if !self.resolver.has_server {
            return Err(Error::NoNameServer);
        }
        if self.resolver.questions.len() >= MOST {
            return Err(Error::TooManySockets);
        }
        let socket = self
            .sockets
            .get_mut::<dns::Socket<'_>>(self.resolver.socket);
        let mut begin = |wanted: bool, kind| {
            if !wanted {
                return Ok(Query::NotAsked);
            }
            match socket.start_query(self.interface.context(), name, kind) {
                Ok(handle) => Ok(Query::Pending(handle)),
                Err(dns::StartQueryError::NoFreeSlot) => Err(Error::TooManySockets),
                Err(_) => Err(Error::BadName),
            }
        };
        let v4 = begin(family != Family::V6, DnsQueryType::A)?;
        let v6 = match begin(family != Family::V4, DnsQueryType::Aaaa) {
            Ok(v6) => v6,
            Err(error) => {
                v4.cancel(socket);
                return Err(error);
            }
        };
        self.is_dirty = true;
        let since = self.now;
        let question = Question { v4, v6, since };
        Ok(QueryId(self.resolver.questions.insert(question)))
    }

    /// The addresses, those of IPv4 first; the question is forgotten then. The task is woken when there may be some.
    ///
    /// # Errors
    /// [`Error::NameNotFound`], [`Error::NoNameServer`] if none has answered.
    pub fn poll_resolve(
        &mut self,
        id: QueryId,
        waker: &Waker,
    ) -> Poll<Result<heapless::Vec<IpAddr, MAX_RESOLVED>, Error>> {
        let Some(question) = self.resolver.questions.get_mut(id.0) else {
            return Poll::Ready(Err(Error::Aborted));
        };
        let socket = self
            .sockets
            .get_mut::<dns::Socket<'_>>(self.resolver.socket);
        let v4 = question.v4.poll(socket, waker);
        let v6 = question.v6.poll(socket, waker);
        if !(v4 && v6) {
            return Poll::Pending;
        }
        let all = question
            .v4
            .addresses()
            .iter()
            .chain(question.v6.addresses());
        let found: heapless::Vec<_, MAX_RESOLVED> = all.copied().take(MAX_RESOLVED).collect();
        let silent = self.now - question.since >= SILENCE;
        self.resolver.questions.remove(id.0);
        Poll::Ready(match found.is_empty() {
            false => Ok(found),
            true if silent => Err(Error::NoNameServer),
            true => Err(Error::NameNotFound),
        })
    }

    /// Forgets a question.
    pub fn cancel_resolve(&mut self, id: QueryId) {
        if let Some(question) = self.resolver.questions.remove(id.0) {
            let socket = self
                .sockets
                .get_mut::<dns::Socket<'_>>(self.resolver.socket);
            question.v4.cancel(socket);
            question.v6.cancel(socket);
        }
    }
}

/// Whether it can be asked for: labels of letters, digits, hyphens and underscores with dots between them (RFC 1123,
/// 2.1).
fn is_name(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    };
    name.len() <= 253 && name.split('.').all(is_label)
}
