// SPDX-License-Identifier: BSD-2-Clause
//! Where to fetch from.

use core::fmt;

/// An `http` URL (RFC 9110, 4.2.1), without user information.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Url<'a> {
    /// Host and port as they stand there, for the field `Host`.
    pub authority: &'a str,
    /// The host, an address or a name; that of IPv6 without brackets.
    pub host: &'a str,
    /// The port.
    pub port: u16,
    /// The path and what is behind it, without a fragment.
    pub target: &'a str,
}

/// This is no URL that can be fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadUrl;

impl fmt::Display for BadUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("this is no URL as in http://host:port/path")
    }
}

impl core::error::Error for BadUrl {}

impl<'a> Url<'a> {
    /// Of this text.
    ///
    /// # Errors
    /// [`BadUrl`].
    pub fn parse(text: &'a str) -> Result<Self, BadUrl> {
        let rest = text.strip_prefix("http://").ok_or(BadUrl)?;
        let rest = rest.split('#').next().unwrap_or_default();
        let is_good = |byte: u8| byte.is_ascii_graphic();
        if !rest.bytes().all(is_good) {
            return Err(BadUrl);
        }
        let (authority, target) = match rest.find('/') {
            Some(at) => rest.split_at(at),
            None => (rest, "/"),
        };
        let (host, port) = match authority.strip_prefix('[') {
            Some(rest) => {
                let (host, port) = rest.split_once(']').ok_or(BadUrl)?;
                (
                    host,
                    port.strip_prefix(':').or(port.is_empty().then_some("80")),
                )
            }
            None => match authority.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (authority, Some("80")),
            },
        };
        let port = port.and_then(|port| port.parse().ok()).ok_or(BadUrl)?;
        if host.is_empty() || host.contains(['@', '?']) || port == 0 {
            return Err(BadUrl);
        }
        Ok(Self {
            authority,
            host,
            port,
            target,
        })
    }
}
