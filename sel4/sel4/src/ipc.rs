// SPDX-License-Identifier: BSD-2-Clause
//! Sending and receiving.
//!
//! The first four words of a message travel in registers, the others in the IPC buffer. The plain
//! functions copy those four from and to the buffer; the `_with_mrs` functions take and return them.

use core::array;

use crate::{
    Badge, Cap, CapType, InvocationContext, IpcBuffer, MessageInfo, NUM_FAST_MESSAGE_REGISTERS,
    NoExplicitInvocationContext, Word, cap, sys,
};

/// The words that travel in registers.
type FastWords = [Word; NUM_FAST_MESSAGE_REGISTERS];

/// What comes with the badge of a notification: nothing, without MCS.
pub type WaitMessageInfo = ();

/// What `recv_with_mrs` returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecvWithMRs {
    /// Description of the message.
    pub info: MessageInfo,
    /// Badge of the sender's capability.
    pub badge: Badge,
    /// First words of the message.
    pub msg: FastWords,
}

/// What `call_with_mrs` returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallWithMRs {
    /// Description of the reply.
    pub info: MessageInfo,
    /// First words of the reply.
    pub msg: FastWords,
}

/// What can be sent in registers alone.
pub trait FastMessages {
    /// The words, filled up with zeros.
    fn fast_words(self) -> FastWords;
}

impl<const N: usize> FastMessages for [Word; N] {
    fn fast_words(self) -> FastWords {
        const { assert!(N <= NUM_FAST_MESSAGE_REGISTERS) };
        array::from_fn(|index| self.get(index).copied().unwrap_or(0))
    }
}

impl FastMessages for &[Word] {
    /// # Panics
    /// For more than four words.
    fn fast_words(self) -> FastWords {
        assert!(
            self.len() <= NUM_FAST_MESSAGE_REGISTERS,
            "message does not fit in registers"
        );
        array::from_fn(|index| self.get(index).copied().unwrap_or(0))
    }
}

/// What a receive needs to know about replying: nothing, without MCS.
pub trait ConveysReplyAuthority {
    /// The authority to reply.
    fn into_reply_authority(self) -> ImplicitReplyAuthority;
}

impl ConveysReplyAuthority for () {
    fn into_reply_authority(self) -> ImplicitReplyAuthority {
        ImplicitReplyAuthority::default()
    }
}

/// The calling thread's authority to answer its last caller.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ImplicitReplyAuthority<C = NoExplicitInvocationContext> {
    invocation_context: C,
}

impl<C> ImplicitReplyAuthority<C> {
    /// With a context.
    pub const fn new(invocation_context: C) -> Self {
        Self { invocation_context }
    }
}

impl<C: InvocationContext> ImplicitReplyAuthority<C> {
    /// Answers the last caller.
    pub fn reply(mut self, info: MessageInfo) {
        self.invocation_context
            .with_context(|buffer| reply(buffer, info));
    }
}

impl<C: InvocationContext> ConveysReplyAuthority for ImplicitReplyAuthority<C> {
    fn into_reply_authority(self) -> ImplicitReplyAuthority {
        ImplicitReplyAuthority::default()
    }
}

fn outgoing(buffer: &IpcBuffer) -> FastWords {
    let [a, b, c, d, ..] = buffer.inner().msg;
    [a, b, c, d]
}

fn incoming(buffer: &mut IpcBuffer, words: &FastWords) {
    let [a, b, c, d, ..] = &mut buffer.inner_mut().msg;
    [*a, *b, *c, *d] = *words;
}

/// Answers the calling thread's last caller.
#[inline]
pub fn reply(ipc_buffer: &mut IpcBuffer, info: MessageInfo) {
    let words = outgoing(ipc_buffer);
    sys::syscalls::reply(info.into_inner(), words, ipc_buffer.inner_mut());
}

/// Gives the rest of the time slice to threads of the same priority.
#[inline]
pub fn r#yield() {
    sys::syscalls::yield_now();
}

impl<T: CapType, C: InvocationContext> Cap<T, C> {
    /// Sends, and blocks until the message is taken.
    #[inline]
    pub fn send(self, info: MessageInfo) {
        self.invoke(|cptr, buffer| {
            let words = outgoing(buffer);
            sys::syscalls::send(cptr.bits(), info.into_inner(), words, buffer.inner_mut());
        });
    }

    /// Sends if a receiver waits, else drops the message.
    #[inline]
    pub fn nb_send(self, info: MessageInfo) {
        self.invoke(|cptr, buffer| {
            let words = outgoing(buffer);
            sys::syscalls::nb_send(cptr.bits(), info.into_inner(), words, buffer.inner_mut());
        });
    }

    /// Blocks until a message arrives.
    #[inline]
    pub fn recv(self, reply_authority: impl ConveysReplyAuthority) -> (MessageInfo, Badge) {
        let _ = reply_authority.into_reply_authority();
        self.invoke(|cptr, buffer| {
            let received = sys::syscalls::recv(cptr.bits(), buffer.inner_mut());
            incoming(buffer, &received.mrs);
            (MessageInfo::from_inner(received.info), received.badge)
        })
    }

    /// Takes a message if there is one; otherwise the badge is 0.
    #[inline]
    pub fn nb_recv(self, reply_authority: impl ConveysReplyAuthority) -> (MessageInfo, Badge) {
        let _ = reply_authority.into_reply_authority();
        self.invoke(|cptr, buffer| {
            let received = sys::syscalls::nb_recv(cptr.bits(), buffer.inner_mut());
            incoming(buffer, &received.mrs);
            (MessageInfo::from_inner(received.info), received.badge)
        })
    }

    /// Sends, and blocks until the reply is there.
    #[inline]
    pub fn call(self, info: MessageInfo) -> MessageInfo {
        self.invoke(|cptr, buffer| {
            let words = outgoing(buffer);
            let info = info.into_inner();
            let received = sys::syscalls::call(cptr.bits(), info, words, buffer.inner_mut());
            incoming(buffer, &received.mrs);
            MessageInfo::from_inner(received.info)
        })
    }

    /// Answers the last caller, and blocks until the next message arrives.
    #[inline]
    pub fn reply_recv(
        self,
        info: MessageInfo,
        reply_authority: impl ConveysReplyAuthority,
    ) -> (MessageInfo, Badge) {
        let _ = reply_authority.into_reply_authority();
        self.invoke(|cptr, buffer| {
            let words = outgoing(buffer);
            let info = info.into_inner();
            let received = sys::syscalls::reply_recv(cptr.bits(), info, words, buffer.inner_mut());
            incoming(buffer, &received.mrs);
            (MessageInfo::from_inner(received.info), received.badge)
        })
    }

    /// As [`send`](Self::send), with the first words as an argument.
    #[inline]
    pub fn send_with_mrs<M: FastMessages>(self, info: MessageInfo, messages: M) {
        let words = messages.fast_words();
        self.invoke(|cptr, buffer| {
            sys::syscalls::send(cptr.bits(), info.into_inner(), words, buffer.inner_mut());
        });
    }

    /// As [`recv`](Self::recv), with the first words as a result.
    #[inline]
    pub fn recv_with_mrs(self, reply_authority: impl ConveysReplyAuthority) -> RecvWithMRs {
        let _ = reply_authority.into_reply_authority();
        self.invoke(|cptr, buffer| {
            let received = sys::syscalls::recv(cptr.bits(), buffer.inner_mut());
            RecvWithMRs {
                info: MessageInfo::from_inner(received.info),
                badge: received.badge,
                msg: received.mrs,
            }
        })
    }

    /// As [`call`](Self::call), with the first words as argument and result.
    #[inline]
    pub fn call_with_mrs<M: FastMessages>(self, info: MessageInfo, messages: M) -> CallWithMRs {
        let words = messages.fast_words();
        self.invoke(|cptr, buffer| {
            let info = info.into_inner();
            let received = sys::syscalls::call(cptr.bits(), info, words, buffer.inner_mut());
            CallWithMRs {
                info: MessageInfo::from_inner(received.info),
                msg: received.mrs,
            }
        })
    }
}

/// These need neither the IPC buffer nor a context: a notification has no message.
impl<C> cap::Notification<C> {
    /// Adds the capability's badge to the notification's bits, and wakes a waiter if there is one.
    #[inline(always)]
    pub fn signal(self) {
        sys::syscalls::signal(self.bits());
    }

    /// Blocks until some bits are set, and takes them.
    #[inline(always)]
    pub fn wait(self) -> (WaitMessageInfo, Badge) {
        ((), sys::syscalls::wait(self.bits()))
    }

    /// Signals another, then waits as [`Self::wait`] does: in one system call where the kernel has that.
    #[inline(always)]
    pub fn wait_after_signal<D>(self, other: cap::Notification<D>) -> (WaitMessageInfo, Badge) {
        ((), sys::syscalls::signal_wait(other.bits(), self.bits()))
    }

    /// Takes the bits, 0 if none are set.
    #[inline(always)]
    pub fn poll(self) -> (MessageInfo, Badge) {
        let received = sys::syscalls::poll(self.bits());
        (MessageInfo::from_inner(received.info), received.badge)
    }
}
