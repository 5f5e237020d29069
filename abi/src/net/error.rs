// SPDX-License-Identifier: BSD-2-Clause
//! Why the net guest does not do what was asked.

use crate::service_error::service_errors;

service_errors! {
    /// Why the net guest does not do what was asked, or why a connection has ended.
    "the net guest";
    /// The client's rules, which the net guest's arguments say, do not allow it. The log names the rule.
    NotAllowed = 1, "no rule of the net guest's arguments allows it; its log names the one that is missing";
    /// Another socket has this port.
    AddressInUse = 2, "another socket has this port";
    /// The interface has no such address.
    AddressNotAvailable = 3, "the interface has no such address";
    /// The peer does not listen there.
    Refused = 4, "the peer refused the connection";
    /// The peer has reset the connection.
    Reset = 5, "the peer reset the connection";
    /// The peer has not answered for too long.
    TimedOut = 6, "the peer did not answer in time";
    /// There is no way to this address: no router, or no address of this family.
    Unreachable = 7, "there is no route to this address";
    /// The interface has no address yet.
    NotConfigured = 8, "the interface has no address yet";
    /// The name servers know no such address of this name.
    NameNotFound = 9, "the name has no such address";
    /// There is no name server, or none has answered.
    NoNameServer = 10, "no name server has answered";
    /// The name cannot be one.
    BadName = 11, "this cannot be a name";
    /// The client has no such buffer, or it is not in a state for this.
    BadBuffer = 12, "no such buffer, or one that is not free";
    /// The token is none, or what it is for cannot be a buffer: pages from `MIN_BUFFER_PAGES` to `MAX_BUFFER_PAGES`, to read and to write, two pipes in it.
    UnsuitableBuffer = 13, "the region cannot be a buffer";
    /// The client has as many buffers as it may.
    TooManyBuffers = 14, "the limit of buffers is reached";
    /// The client has no such listening socket.
    BadListener = 15, "no such listening socket";
    /// The client has as many listening sockets as it may.
    TooManyListeners = 16, "the limit of listening sockets is reached";
    /// All sockets of the net guest are in use.
    TooManySockets = 17, "all sockets of the net guest are in use";
    /// An argument is outside what the request takes: a port of 0, a multicast address, a payload that is too long.
    InvalidArgument = 18, "invalid argument";
    /// The client has ended it itself.
    Aborted = 19, "it was ended by this guest";
    /// The listening socket was closed meanwhile.
    Closed = 20, "the listening socket was closed";
    /// The client speaks another version, or has not said which.
    OtherVersion = 21, "the net guest speaks another version of the protocol";
    /// The net guest's memory does not suffice.
    NoMemory = 22, "the net guest has no memory left";
    /// The client is no administrator: the net guest's arguments do not say `admin` of it.
    NotAdministrator = 23, "only a client of which the net guest's arguments say `admin` may do this";
    /// There is no such client, or it has no such rule.
    NoRule = 24, "there is no such rule";
    /// The net guest has no network device: it was taken from it, or not given yet. When it is there, connections of before go on, unless they have timed out.
    NoDevice = 25, "the net guest has no network device at present";
}
