// SPDX-License-Identifier: BSD-2-Clause
//! The hostcalls, each described once: [`for_each_hostcall`](crate::for_each_hostcall) hands the table
//! to a macro, and the server's linker, the guests' stubs, the reference page and the C header are made
//! from it.

use crate::{Form, Group, Hostcall, Param};

/// Hands the table of hostcalls to the macro `$callback`.
///
/// Each group reads `group Variant room "import module" { scalar { calls } message { calls } }`. A scalar
/// call is `#[doc = "…"] fn name(param: type, …) -> answer;`, a message call
/// `#[doc = "…"] fn name(Request) -> Reply;`. See [`hostcall`](crate::hostcall) for how they travel.
#[macro_export]
macro_rules! for_each_hostcall {
    ($callback:ident) => {
        $callback! {
            group Guest guest "atoll::guest" {
                scalar {
                    /// Copies the start parameters (postcard `Params`) to `buffer` if they fit in `len` bytes, and answers their length either way.
                    fn params(buffer: u32, len: u32) -> u32;
                    /// Ends the guest with this exit code. Does not return.
                    fn exit(code: u32) -> ();
                    /// Ends the guest as failed, with the UTF-8 text of `len` bytes at `message` as the reason. Does not return.
                    fn panic(message: u32, len: u32) -> ();
                    /// The groups it may call now.
                    fn groups() -> Groups;
                }
                message {}
            }
            group Handles handle "atoll::handle" {
                scalar {
                    /// What the handle allows.
                    fn rights(handle: Handle) -> Rights;
                    /// Gives the handle up, and with it all that was derived from it; its windows go away. A region whose maker closes it goes back to the budget.
                    fn close(handle: Handle) -> ();
                    /// Takes back all that was derived from the handle: whoever holds it gets a notice, its windows show private zeros, its waiters wake. The handle itself stays.
                    fn revoke(handle: Handle) -> ();
                    /// Has `task` put into the mailbox whenever there is a notice.
                    fn watch(task: u32) -> ();
                }
                message {
                    /// Makes a token for the handle, with at most its rights. Needs the right to grant.
                    fn share(ShareRequest) -> Token;
                    /// Takes a token up.
                    fn accept(Token) -> Handle;
                    /// Makes a token worthless that the caller made. What was taken up with it stays.
                    fn withdraw(Token) -> ();
                    /// What the handle designates.
                    fn info(Handle) -> HandleInfo;
                    /// Takes the next notice, if there is one: a handle that was given or lost.
                    fn notice(()) -> Option<Notice>;
                }
            }
            group Processes process "atoll::process" {
                scalar {
                    /// Waits until the process has ended and all it held is reclaimed, or the clock reaches `deadline` (all ones: never). Answers its exit code, or 2^32 if it failed. Needs the right to read.
                    fn wait(process: Handle, deadline: u64) -> u64;
                    /// Asks the process to stop (it finds the stop task in its mailbox) and ends it by force when `grace` nanoseconds have passed. Needs the right to write.
                    fn stop(process: Handle, grace: u64) -> ();
                    /// Has `task` put into the mailbox at every change of the process's state, and when the handle is lost; of a guest, at every change of each process that runs it. Needs the right to read.
                    fn watch(process: Handle, task: u32) -> ();
                    /// The state it is in. Needs the right to read.
                    fn state(process: Handle) -> ProcessState;
                    /// Takes hostcall groups away from the process; its calls of them answer `NotGranted` from now on. Needs the right to grant.
                    fn restrict(process: Handle, groups: Groups) -> ();
                    /// A handle for the process that runs a guest of the spec, or ran it last, with the rights of the guest's capability; `NotFound` if none has. It goes with that capability.
                    fn of_guest(guest: Handle) -> Handle;
                }
                message {
                    /// Starts a process. The handle has every right, that of a guest of the spec the rights of the guest's capability; who drops it leaves the process alone.
                    fn start(StartRequest) -> Handle;
                    /// Gives a running process a capability, of which a notice tells it. Needs the right to grant on both.
                    fn grant(GrantRequest) -> ();
                    /// Takes away what the caller gave a process under this name; of a guest, what the spec gives it in this slot, too, until that is restored, however often it is started. Needs the right to grant on the process or the guest.
                    fn take(TakeRequest) -> ();
                    /// Gives a guest back what the spec gives it in a slot and what was taken from it; a notice tells the process that runs it. Needs the right to grant on the guest.
                    fn restore(TakeRequest) -> ();
                    /// What there is to know of a process. Needs the right to read.
                    fn info(Handle) -> ProcessInfo;
                    /// The changes of state behind the n-th. Needs the right to read.
                    fn events(EventsRequest) -> Events;
                    /// Why the process failed: reason and backtrace; empty if it did not. Needs the right to read.
                    fn report(Handle) -> Report;
                    /// The caller's children with ids above this one, in the order of their ids.
                    fn children(Pid) -> ProcessList;
                }
            }
            group SharedMemory shm "atoll::shm" {
                scalar {
                    /// Makes a region of whole wasm pages, zeroed, out of the guest's memory budget; the handle has every right.
                    fn alloc(pages: u32) -> Handle;
                    /// Maps the region into the guest's memory with these rights (read, or read and write); answers the address.
                    fn attach(handle: Handle, rights: Rights) -> u32;
                    /// Takes the window at this address away; the pages read as zero from then on, and are private. Of a window that was lost, it says that the guest knows: its addresses can be used again.
                    fn detach(address: u32) -> ();
                    /// Bytes of the region.
                    fn size(handle: Handle) -> u32;
                    /// Whether this process holds the region, too: false once it has ended, or has lost its last handle and its windows. Needs the right to read.
                    fn holds(handle: Handle, process: Pid) -> bool;
                    /// Copies `len` bytes at `offset` of the region to `buffer`, without a window. Needs the right to read.
                    fn read(handle: Handle, offset: u32, buffer: u32, len: u32) -> ();
                    /// Copies `len` bytes at `buffer` to `offset` of the region, without a window. Needs the right to write.
                    fn write(handle: Handle, offset: u32, buffer: u32, len: u32) -> ();
                }
                message {}
            }
            group Wake wake "atoll::wake" {
                scalar {
                    /// Says where the guest's mailbox is (see `abi::mailbox`). It is empty then, but for the stop task if the guest was asked to stop.
                    fn register(mailbox: u32) -> ();
                    /// Has `task` put into the mailbox whenever somebody else rings one of these bells of the region, a process that held the region no longer does, or the handle is lost. Needs the right to read.
                    fn listen(handle: Handle, task: u32, bells: u32) -> ();
                    /// Takes that back.
                    fn unlisten(handle: Handle) -> ();
                    /// Rings these bells of the region, at least one: wakes every other listener to one of them. Needs the right to write.
                    fn notify(handle: Handle, bells: u32) -> ();
                    /// Sleeps until the mailbox has an id or the monotonic clock reaches `deadline` (nanoseconds; all ones: never); answers the number of ids.
                    fn wait(deadline: u64) -> u32;
                    /// As `notify`, then as `wait`: what a guest does that sends and then sleeps. If the ring is refused, it does not sleep.
                    fn notify_wait(handle: Handle, bells: u32, deadline: u64) -> u32;
                }
                message {}
            }
            group Time time "atoll::time" {
                scalar {
                    /// The monotonic clock: nanoseconds since the machine was switched on.
                    fn now() -> u64;
                    /// Has `task` put into the mailbox when the clock reaches `deadline`.
                    fn at(deadline: u64, task: u32) -> TimerId;
                    /// Takes a timer back; `NotFound` if it has fired.
                    fn cancel(timer: TimerId) -> ();
                }
                message {}
            }
            group Sessions session "atoll::session" {
                scalar {
                    /// Ends every process of the session, and the session; nothing starts in it any more. Needs the right to write.
                    fn end(session: Handle) -> ();
                }
                message {
                    /// Makes a session: a bound on what the processes started in it can ever hold, within the caller's own session.
                    fn create(SessionRequest) -> Handle;
                    /// What there is to know of a session. Needs the right to read.
                    fn info(Handle) -> SessionInfo;
                }
            }
            group Singletons singleton "atoll::singleton" {
                scalar {
                    /// Provides the service: who looks it up gets a capability derived from `offer`, with `rights`. `Busy` if somebody else does. Needs the right to write, and to grant the offer.
                    fn provide(service: Handle, offer: Handle, rights: Rights) -> ();
                    /// As `provide`, from when those who provided before and stood by earlier are gone or have withdrawn.
                    fn stand_by(service: Handle, offer: Handle, rights: Rights) -> ();
                    /// Provides no longer, and stands by no longer: the next in line takes over. What was looked up is taken back.
                    fn withdraw(service: Handle) -> ();
                    /// A capability for what the present provider offers. `NotFound` if there is none. Needs the right to read.
                    fn lookup(service: Handle) -> Handle;
                    /// How often the provider has changed. Needs the right to read.
                    fn generation(service: Handle) -> u32;
                    /// Has `task` put into the mailbox at every change of the provider, and when the handle is lost. Needs the right to read.
                    fn watch(service: Handle, task: u32) -> ();
                }
                message {}
            }
            group Entropy entropy "atoll::entropy" {
                scalar {
                    /// Fills `len` bytes at `buffer` with unpredictable bytes.
                    fn fill(buffer: u32, len: u32) -> ();
                    /// Where they come from.
                    fn source() -> EntropySource;
                }
                message {}
            }
            group Log log "atoll::log" {
                scalar {
                    /// Writes lines of UTF-8 text under the guest's name.
                    fn write(level: Level, text: u32, len: u32) -> ();
                }
                message {}
            }
            group Console console "atoll::console" {
                scalar {
                    /// Writes UTF-8 text as it is, without a name.
                    fn write(text: u32, len: u32) -> ();
                    /// Takes what was typed, at most `len` bytes; answers their number, which may be 0.
                    fn read(buffer: u32, len: u32) -> u32;
                }
                message {}
            }
            group Introspect introspect "atoll::introspect" {
                scalar {
                    /// The processor's cycle counter; instructions, where the machine counts those.
                    fn cycles() -> u64;
                    /// Instructions that the processor has executed for everybody since somebody first asked, modulo 2^32 and without the time it slept; 0 where it does not count them.
                    fn instructions() -> u32;
                    /// Does nothing: what a scalar call costs.
                    fn nothing() -> ();
                }
                message {
                    /// Answers what it gets: what a message call costs.
                    fn echo(Echo) -> Echo;
                    /// The processes with ids above this one, in the order of their ids.
                    fn processes(Pid) -> ProcessList;
                    /// What there is to know of a process.
                    fn process(Pid) -> ProcessInfo;
                    /// What a process holds, behind the handle that it names.
                    fn holdings(HoldingsRequest) -> Holdings;
                    /// How full the channels are in a region that a process holds, without a look at what is in them.
                    fn fill(FillRequest) -> Fills;
                    /// What the server uses.
                    fn system(()) -> SystemInfo;
                }
            }
            group Devices device "atoll::device" {
                scalar {
                    /// Reads `width` bytes (1, 2 or 4) at `offset` of the device's registers, which are laid out as in virtio 1.2, 4.2.2 (MMIO, version 2), or, of one without queues, as the device has them. Needs the right to read; without queues, to write, because to read may change such a device.
                    fn read(device: Handle, offset: u32, width: u32) -> u32;
                    /// Writes `width` bytes there. Addresses of queues, and in descriptors, are addresses in the guest's memory. A status of 0 resets the device: it has stopped to use any memory when this returns. Needs the right to write.
                    fn write(device: Handle, offset: u32, width: u32, value: u32) -> ();
                    /// Hands the device what is available in the queue, as writing `QueueNotify` does. Needs the right to write.
                    fn kick(device: Handle, queue: u32) -> ();
                    /// Answers the interrupt status, acknowledges it, lets the next interrupt come, and brings the used rings in the guest's memory up to date. Without queues it only lets the next interrupt come, and answers 0: the driver has quieted the device before. Needs the right to write.
                    fn ack(device: Handle) -> u32;
                    /// Has `task` put into the mailbox whenever the device interrupts. Until then nobody is told. Needs the right to write.
                    fn listen(device: Handle, task: u32) -> ();
                    /// Sleeps until a used ring that was up to date has something new for this queue, or the clock reaches `deadline` (all ones: never); answers whether it has. For drivers that would poll the ring. Needs the right to write.
                    fn wait(device: Handle, queue: u32, deadline: u64) -> bool;
                }
                message {}
            }
            group EntropySource entropy_source "atoll::entropy_source" {
                scalar {
                    /// Mixes `len` bytes at `bytes`, of a device that has unpredictable ones, into the server's generator. What it was seeded from before stays in it, so no bytes make it worse. Once it was fed 32, `entropy::source` answers `Device`.
                    fn feed(bytes: u32, len: u32) -> ();
                }
                message {}
            }
            group Modules module "atoll::module" {
                scalar {
                    /// Loads the signed module of `len` bytes at `bytes`, as `atoll module` writes it, for processes to run: it is copied into memory of the caller's budget that no guest can write, then checked, then made executable. The handle has every right; `process::start` takes it with the right to read. When the loader closes it, nothing more starts from it, and its memory comes back when the last process that runs it has ended. When the loader ends, those processes do.
                    fn load(bytes: u32, len: u32) -> Handle;
                }
                message {
                    /// What there is to know of a loaded module. Needs the right to read.
                    fn info(Handle) -> ModuleInfo;
                }
            }
            group Logs logs "atoll::logs" {
                scalar {
                    /// Has `task` put into the mailbox whenever there are entries, once until the caller has read the last.
                    fn watch(task: u32) -> ();
                    /// Makes the caller the printer: from now on the server prints nothing itself. Answers the number of the last entry that is printed. `Busy` if another process is the printer. Who ends, is ended, loses the grant, or acknowledges nothing for 3 seconds while there is something to print, is the printer no longer; what it has not acknowledged the server prints.
                    fn print() -> u64;
                    /// Says that the entries up to this number are printed. `NotFound` if the caller is not the printer.
                    fn printed(number: u64) -> ();
                }
                message {
                    /// The entries behind the one with this number, those that are kept.
                    fn read(u64) -> LogEntries;
                }
            }
            group Power power "atoll::power" {
                scalar {
                    /// Switches the machine off, at once and whatever runs; does not return. `NoSwitch` where the kernel cannot.
                    fn off() -> ();
                }
                message {}
            }
        }
    };
}

macro_rules! table {
    ($(group $group:ident $room:ident $module:literal {
        scalar { $($(#[doc = $doc:literal])+ fn $name:ident($($param:ident: $ty:ty),*) -> $answer:ty;)* }
        message { $($(#[doc = $message_doc:literal])+ fn $message:ident($request:ty) -> $reply:ty;)* }
    })+) => {
        /// Every hostcall.
        pub const TABLE: &[Hostcall] = &[$(
            $(Hostcall {
                group: Group::$group,
                module: $module,
                name: stringify!($name),
                form: Form::Scalar {
                    params: &[$(Param { name: stringify!($param), ty: stringify!($ty) }),*],
                    answer: stringify!($answer),
                },
                doc: concat!($($doc),+),
            },)*
            $(Hostcall {
                group: Group::$group,
                module: $module,
                name: stringify!($message),
                form: Form::Message { request: stringify!($request), reply: stringify!($reply) },
                doc: concat!($($message_doc),+),
            },)*
        )+];
    };
}

for_each_hostcall!(table);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique() {
        for (i, a) in TABLE.iter().enumerate() {
            assert!(
                TABLE[..i]
                    .iter()
                    .all(|b| (a.module, a.name) != (b.module, b.name)),
                "{a:?}"
            );
        }
    }

    #[test]
    fn every_group_has_calls() {
        for group in Group::ALL {
            assert!(TABLE.iter().any(|call| call.group == *group), "{group:?}");
        }
    }
}
