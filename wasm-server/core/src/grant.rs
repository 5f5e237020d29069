// SPDX-License-Identifier: BSD-2-Clause
//! Capabilities of this server: see [`wasm_state::registry`].

use alloc::{sync::Arc, vec::Vec};

use atoll_abi::{Handle, Pid};
use wasm_state::{dependents, registry};

use crate::{Lock, resource::Resource, service::Service};

/// One capability.
pub(crate) type Grant<P> = registry::Grant<Resource<P>>;
/// All of them.
pub(crate) type Registry<P> = registry::Registry<Resource<P>, Holder<P>>;
/// One that was cut.
pub(crate) type Victim<P> = registry::Victim<Resource<P>, Holder<P>>;
/// What hangs on some of them.
pub(crate) type Dependents<P, T> = dependents::Dependents<Lock<P, Vec<(Arc<Grant<P>>, T)>>>;

/// Who has a grant.
pub(crate) enum Holder<P: crate::platform::Platform> {
    /// The server, on behalf of the spec.
    Spec,
    /// A guest, under a handle.
    Guest(Pid, Handle),
    /// Who provides a service offers it to those who look it up.
    Offer(Arc<Service<P>>),
}
