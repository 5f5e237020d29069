// SPDX-License-Identifier: BSD-2-Clause
//! What is in a slot of the guest, while it is taken and given back.

use alloc::string::String;
use core::marker::PhantomData;

use atoll_abi::{
    Error, Handle,
    message::{Event as News, Notice},
};

use super::{
    Capability, Notices,
    notices::{given, is_lost, notices},
};
use crate::{start::Start, sys::calls};

/// A slot of the guest, with what is in it at present. The spec fills it at the start, perhaps; later on who may take it
/// empties it, and fills it again. Needs the grant `wake`.
///
/// ```no_run
/// use userland::{Error, device::Device, future::{Either, select}, handle::Slot, info, start::Start};
///
/// async fn drive(device: Device) -> Error {
///     // As long as it is there.
/// #   Error::Revoked
/// }
///
/// /// Drives a device whenever there is one.
/// async fn run(start: &Start) -> Result<(), Error> {
///     let mut slot = Slot::<Device>::new(start, "rtc")?;
///     loop {
///         let device = slot.filled().await?;
///         let ended = select(drive(device), slot.emptied()).await;
///         if let Either::First(Error::Revoked) = ended {
///             slot.emptied().await?;
///         }
///         info!("the clock is gone: until it comes back");
///     }
/// }
/// ```
#[derive(Debug)]
pub struct Slot<T> {
    name: String,
    notices: Notices,
    handle: Option<Handle>,
    of: PhantomData<fn() -> T>,
}

impl<T: Capability> Slot<T> {
    /// The slot of this name. See the example of [`Slot`].
    ///
    /// # Errors
    /// None that a guest of this version meets.
    pub fn new(start: &Start, name: &str) -> Result<Self, Error> {
        let notices = notices()?;
        let at_start = || start.handle(name).filter(|handle| !is_lost(*handle));
        Ok(Self {
            name: name.into(),
            notices,
            handle: given(name).or_else(at_start),
            of: PhantomData,
        })
    }

    /// Its name.
    ///
    /// ```no_run
    /// # use userland::{device::Device, handle::Slot, info};
    /// fn tell(slot: &Slot<Device>) {
    ///     info!("{} is {}", slot.name(), if slot.get().is_some() { "there" } else { "missing" });
    /// }
    /// ```
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What was in it when it was last waited for. See the example of [`Slot::name`].
    pub fn get(&self) -> Option<T> {
        self.handle.map(T::from_handle)
    }

    /// Waits until there is something in it. It is not looked at: something of another kind shows at the first call.
    /// See the example of [`Slot`].
    ///
    /// # Errors
    /// As [`Notices::next`].
    pub async fn filled(&mut self) -> Result<T, Error> {
        loop {
            if let Some(handle) = self.handle {
                return Ok(T::from_handle(handle));
            }
            let notice = self.notices.next().await?;
            self.note(&notice);
        }
    }

    /// Waits until what is in it is lost, and answers why; at once, if nothing is in it. The handle of what was lost is
    /// closed. See the example of [`Slot`].
    ///
    /// # Errors
    /// As [`Notices::next`].
    pub async fn emptied(&mut self) -> Result<News, Error> {
        let mut why = News::Revoked;
        while self.handle.is_some() {
            let notice = self.notices.next().await?;
            why = self.note(&notice).unwrap_or(why);
        }
        Ok(why)
    }

    /// Takes note of what has happened; answers what, if it is that the slot was emptied.
    fn note(&mut self, notice: &Notice) -> Option<News> {
        match notice.event {
            News::Granted if notice.name == self.name.as_str() => {
                self.handle = Some(notice.handle);
                None
            }
            News::Granted => None,
            lost if self.handle == Some(notice.handle) => {
                self.handle = None;
                // Its place in the table is of no use.
                let _ = calls::handle::close(notice.handle);
                Some(lost)
            }
            _ => None,
        }
    }
}

/// What is in the slot now that a handle was in at the start: another one, if that was taken and given back.
pub(crate) fn renewed(handle: Handle) -> Handle {
    if !is_lost(handle) {
        return handle;
    }
    let Ok(start) = Start::read() else {
        return handle;
    };
    let now = start.name_of(handle).and_then(given);
    if now.is_some() {
        // Nobody looks behind it any more; it may be closed.
        let _ = calls::handle::close(handle);
    }
    now.unwrap_or(handle)
}
