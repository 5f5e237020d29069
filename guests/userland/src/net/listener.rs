// SPDX-License-Identifier: BSD-2-Clause
//! Listening for TCP connections.

use atoll_abi::net::{Listener, Local, Reply, Request};

use super::{Error, Net, TcpStream};
use crate::task::{JoinHandle, spawn};

/// Takes TCP connections. To drop it ends that; connections that were accepted go on. See the example of
/// [`net`](crate::net).
pub struct TcpListener {
    net: Net,
    listener: Listener,
    local: Local,
    /// The connection that is waited for. It is there, or comes, also when who waited has gone.
    next: Option<JoinHandle<Result<TcpStream, Error>>>,
}

/// Connections that wait to be accepted, where nothing else is said.
const BACKLOG: u16 = 16;

impl TcpListener {
    /// Listens at a port of all addresses, or of one: a number is a port, and a
    /// [`SocketAddr`](core::net::SocketAddr) both. Port 0 is one that the net guest chooses. Up to 16 connections
    /// wait to be accepted.
    ///
    /// ```no_run
    /// # use core::net::SocketAddr;
    /// # use userland::{info, net::{Error, Net, TcpListener}};
    /// async fn listen(net: &Net, at: SocketAddr) -> Result<(), Error> {
    ///     let web = TcpListener::bind(net, 80).await?;
    ///     let admin = TcpListener::bind(net, at).await?;
    ///     info!("listening at {} and {}", web.local(), admin.local());
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn bind(net: &Net, local: impl Into<Local>) -> Result<Self, Error> {
        Self::bind_with_backlog(net, local, BACKLOG).await
    }

    /// As [`TcpListener::bind`], with so many connections that wait to be accepted. The net guest may allow fewer.
    ///
    /// ```no_run
    /// # use userland::net::{Error, Net, TcpListener};
    /// async fn listen(net: &Net) -> Result<TcpListener, Error> {
    ///     TcpListener::bind_with_backlog(net, 80, 64).await
    /// }
    /// ```
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn bind_with_backlog(
        net: &Net,
        local: impl Into<Local>,
        backlog: u16,
    ) -> Result<Self, Error> {
        let local = local.into();
        match net.ask_anew(&Request::Listen { local, backlog }).await? {
            Reply::Listening { listener, local } => Ok(Self {
                net: net.clone(),
                listener,
                local,
                next: None,
            }),
            _ => Err(Error::Unexpected),
        }
    }

    /// Where it listens. See the example of [`TcpListener::bind`].
    pub const fn local(&self) -> Local {
        self.local
    }

    /// Waits for a connection. When this guest has as many connections as it may, waits until one is closed. See the
    /// example of [`net`](crate::net).
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn accept(&mut self) -> Result<TcpStream, Error> {
        let next = self
            .next
            .get_or_insert_with(|| spawn(accept(self.net.clone(), self.listener)));
        let accepted = next.await;
        self.next = None;
        accepted.unwrap_or(Err(Error::Gone))
    }
}

async fn accept(net: Net, listener: Listener) -> Result<TcpStream, Error> {
    let lease = net.lease(true).await?;
    let buffer = lease.id();
    TcpStream::open(lease, &Request::Accept { listener, buffer }).await
}

impl Drop for TcpListener {
    fn drop(&mut self) {
        if let Some(next) = self.next.take() {
            next.cancel();
        }
        let (net, listener) = (self.net.clone(), self.listener);
        spawn(async move {
            // When the net guest is gone, so is the listener.
            let _ = net.shared.ask(&Request::Unlisten { listener }).await;
        });
    }
}
