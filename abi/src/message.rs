// SPDX-License-Identifier: BSD-2-Clause
//! What message calls carry. Everything is bounded: neither side needs a heap to decode it.

use heapless::{String, Vec};

use crate::{
    Groups, Handle, Pid, Rights,
    describe::{messages, numbered},
};

/// A name: of a process, a module, a slot or a session.
pub type Name = String<32>;
/// An argument, an entry of the environment, or another short text.
pub type Text = String<96>;

/// Most arguments, and most entries of the environment, that a guest gives a child.
pub const MAX_STRINGS: usize = 12;
/// Most capabilities that a guest gives a child at its start, and most entitlements of a session.
pub const MAX_GIVES: usize = 16;
/// Most entries of a page of a list.
pub const MAX_LIST: usize = 16;
/// Most entries of a page of a list of processes.
pub const MAX_PROCESSES: usize = 8;
/// Most entries of a page of the log.
pub const MAX_LOG: usize = 4;
/// Most bytes of text of one entry of the log; a longer line has several entries.
pub const LOG_BYTES: usize = 184;

numbered! {
    /// Where a process is in its life.
    ProcessState {
        /// Its memory and its thread are made.
        Created = 0,
        /// Its thread runs, its code not yet: it is instantiated.
        Starting = 1,
        /// Its code runs or is ready to.
        Running = 2,
        /// It sleeps in a hostcall. No event tells of this: it is how a running process is seen.
        Blocked = 3,
        /// It was asked to stop.
        Stopping = 4,
        /// It has ended with an exit code, and all it held is reclaimed.
        Stopped = 5,
        /// It trapped, panicked, was ended or could not start, and all it held is reclaimed.
        Failed = 6,
    }
}

numbered! {
    /// What a capability designates.
    Kind {
        /// A region of shared memory, with its doorbell.
        Region = 0,
        /// A process.
        Process = 1,
        /// A session.
        Session = 2,
        /// A service.
        Service = 3,
        /// A virtio device.
        Device = 4,
        /// A loaded module.
        Module = 5,
        /// A device that is registers and an interrupt, without queues.
        Registers = 6,
        /// A guest of the spec, whatever process runs it.
        Guest = 7,
    }
}

numbered! {
    /// What happened to a handle.
    Event {
        /// It was given, and can be used.
        Granted = 0,
        /// It was taken back, or one that it was derived from.
        Revoked = 1,
        /// Its time has passed.
        Expired = 2,
        /// The process that made or gave it has ended.
        SourceExited = 3,
    }
}

numbered! {
    /// Where unpredictable bytes come from.
    EntropySource {
        /// A generator seeded from clock, counter and key at boot, which an observer of the machine may guess.
        Seed = 0,
        /// A generator seeded from a device.
        Device = 1,
    }
}

numbered! {
    /// How urgent a line of the log is.
    Level {
        /// Something failed.
        Error = 0,
        /// Something looks wrong.
        Warn = 1,
        /// What a user wants to see.
        Info = 2,
        /// What a developer wants to see.
        Debug = 3,
    }
}

messages! {
    /// Asks for a share token.
    struct ShareRequest {
        /// What to share.
        handle: Handle,
        /// With these rights.
        rights: Rights,
        /// How often it can be taken up, from 1.
        uses: u32,
        /// Nanoseconds of the monotonic clock at which it, and what was taken up with it, ends.
        expires: Option<u64>,
    }

    /// What stands for a capability until it is taken up; whoever knows it has the capability. 96 of its bits are unpredictable, the others say where the server finds it.
    struct Token {
        /// The bits.
        bytes: [u8; 16],
    }

    /// What a handle is.
    struct HandleInfo {
        /// What it designates.
        kind: Kind,
        /// What it allows.
        rights: Rights,
        /// How it was lost, if it was.
        lost: Option<Event>,
    }

    /// Something that happened to a handle.
    struct Notice {
        /// Which.
        handle: Handle,
        /// What it designates.
        kind: Kind,
        /// What happened.
        event: Event,
        /// The name it was given under, or empty.
        name: Name,
    }

    /// A capability for another process.
    struct Give {
        /// The name it finds it under.
        name: Name,
        /// What to give.
        handle: Handle,
        /// With these rights.
        rights: Rights,
    }

    /// Asks to start a process.
    struct StartRequest {
        /// What to run.
        program: Program,
        /// Arguments; none: those of the spec.
        args: Vec<Text, MAX_STRINGS>,
        /// Environment, `KEY=value`; none: that of the spec.
        env: Vec<Text, MAX_STRINGS>,
        /// Capabilities, besides those of the spec. Each needs the right to grant.
        gives: Vec<Give, MAX_GIVES>,
        /// The session to start it in; none: the caller's. Needs the right to write.
        session: Option<Handle>,
    }

    /// What a process runs.
    choice Program {
        /// A guest of the spec, with all that the spec gives it. Needs a capability for it with the right to write.
        Guest: Name,
        /// A module, as a child that ends with the caller.
        Module: ModuleRequest,
    }

    /// Where a child's code is.
    choice Code {
        /// In the archive that the image was built with, under this name.
        Archive: Name,
        /// In a module that was loaded. Needs the right to read.
        Loaded: Handle,
    }

    /// A child that the caller pays for.
    struct ModuleRequest {
        /// The module.
        module: Code,
        /// The process's name.
        name: Name,
        /// log2 of the bytes of its memory budget, which comes out of the caller's.
        memory_bits: u8,
        /// Bytes of its stack, one that a guest of the spec has; 0: as much as the caller's.
        stack: u32,
        /// Priority of its thread, at most the caller's; 0: the same.
        prio: u8,
        /// Its hostcall groups, at most the caller's.
        groups: Groups,
        /// Its limits, each at most the caller's.
        limits: Limits,
        /// Milliseconds that it may run.
        deadline_ms: Option<u32>,
    }

    /// How much of each a process may have at once.
    struct Limits {
        /// Handles.
        handles: u32,
        /// Timers that are set.
        timers: u32,
        /// Regions that it made.
        regions: u32,
        /// Windows.
        windows: u32,
        /// Children that have not ended.
        children: u32,
        /// Share tokens that can be taken up.
        tokens: u32,
        /// Elements of each wasm table.
        table_elements: u32,
        /// Modules that it has loaded.
        modules: u32,
    }

    /// Asks to give a capability to a running process.
    struct GrantRequest {
        /// The process.
        process: Handle,
        /// What to give it.
        give: Give,
    }

    /// Asks to take a capability from a process, or from a guest of the spec; or to give that one back.
    struct TakeRequest {
        /// The process, or the guest.
        process: Handle,
        /// The name it was given under: for what the spec gives, the slot.
        name: Name,
    }

    /// What a process uses of what it may.
    struct Usage {
        /// Bytes of its memory budget.
        budget: u64,
        /// Bytes of it that are spent or promised.
        spent: u64,
        /// Bytes of its linear memory.
        memory: u64,
        /// Handles.
        handles: u32,
        /// Timers that are set.
        timers: u32,
        /// Regions that it made.
        regions: u32,
        /// Windows.
        windows: u32,
        /// Children that have not ended.
        children: u32,
        /// Share tokens that can be taken up.
        tokens: u32,
        /// Ids that were put into its mailbox.
        wakes: u64,
        /// Modules that it has loaded, those included that it has closed and that still run.
        modules: u32,
        /// Nanoseconds that its thread was ready to run: ran, or waited for its turn. It did not use the processor for longer.
        runnable: u64,
    }

    /// What there is to know of a process.
    struct ProcessInfo {
        /// Its id.
        pid: Pid,
        /// Who started it, if a process did.
        parent: Option<Pid>,
        /// Its name.
        name: Name,
        /// The module it runs.
        module: Name,
        /// The module's version, or empty.
        version: Name,
        /// Who loaded the module; none: it is in the archive.
        loader: Option<Pid>,
        /// Name of its session, or empty.
        session: Name,
        /// Where it is in its life.
        state: ProcessState,
        /// Its exit code, if it has one.
        exit: Option<u32>,
        /// Priority of its thread.
        prio: u8,
        /// The groups it may call.
        groups: Groups,
        /// What it may use.
        limits: Limits,
        /// What it uses; nothing once it has ended.
        usage: Usage,
    }

    /// A process in a list.
    struct ProcessEntry {
        /// Its id.
        pid: Pid,
        /// Its name.
        name: Name,
        /// The module it runs.
        module: Name,
        /// The module's version, or empty.
        version: Name,
        /// Where it is in its life.
        state: ProcessState,
    }

    /// A page of a list of processes; an empty one is the end.
    struct ProcessList {
        /// In the order of their ids.
        processes: Vec<ProcessEntry, MAX_PROCESSES>,
    }

    /// Asks for the changes of a process's state.
    struct EventsRequest {
        /// The process.
        process: Handle,
        /// How many the caller knows.
        after: u32,
    }

    /// A change of a process's state.
    struct StateChange {
        /// The state from then on.
        state: ProcessState,
        /// Nanoseconds of the monotonic clock.
        at: u64,
    }

    /// Changes of a process's state, the oldest first.
    struct Events {
        /// The module that the process runs.
        module: Name,
        /// The module's version, or empty.
        version: Name,
        /// Those that the caller does not know.
        changes: Vec<StateChange, 8>,
    }

    /// What there is to know of a loaded module.
    struct ModuleInfo {
        /// Its name.
        name: Name,
        /// Its version, or empty.
        version: Name,
        /// Bytes of memory that it takes out of its loader's budget.
        memory: u64,
        /// Who loaded it.
        loader: Pid,
    }

    /// Why a process failed.
    struct Report {
        /// Reason and backtrace, cut where it does not fit.
        text: String<960>,
    }

    /// A resource in a session.
    struct Entitlement {
        /// The capability. Needs the right to grant.
        handle: Handle,
        /// The most that a process of the session may hold of it.
        rights: Rights,
    }

    /// Asks for a session.
    struct SessionRequest {
        /// Its name.
        name: Name,
        /// The groups that its processes may have, at most the caller's.
        groups: Groups,
        /// How many processes may run in it at once.
        processes: u32,
        /// What its processes may hold, besides what they make themselves.
        holds: Vec<Entitlement, MAX_GIVES>,
    }

    /// What there is to know of a session.
    struct SessionInfo {
        /// Its name.
        name: Name,
        /// The groups that its processes may have.
        groups: Groups,
        /// Processes that run in it.
        running: u32,
        /// How many may at once.
        processes: u32,
        /// Whether it has ended.
        ended: bool,
    }

    /// What comes back as it went.
    struct Echo {
        /// A number.
        number: u64,
        /// A text.
        text: Text,
    }

    /// Asks what a process holds.
    struct HoldingsRequest {
        /// The process.
        pid: Pid,
        /// The last handle that the caller knows; 0: none.
        after: Handle,
    }

    /// A capability that a process holds.
    struct Holding {
        /// Its handle.
        handle: Handle,
        /// What it designates.
        kind: Kind,
        /// What it allows.
        rights: Rights,
        /// Number of what it designates; the same for all who hold it.
        resource: u32,
        /// The name it was given under, or empty.
        name: Name,
        /// The process that gave it, if one did.
        by: Option<Pid>,
        /// Bytes of a region; 0 of all else.
        bytes: u32,
    }

    /// Asks how full the channels in a region are.
    struct FillRequest {
        /// Who holds the region.
        pid: Pid,
        /// Its handle for it.
        handle: Handle,
    }

    /// How full a channel is, as the words say that its ends keep in the region.
    struct ChannelFill {
        /// Frames that the slowest strong reader has not released.
        frames: u32,
        /// Bytes that they take.
        bytes: u32,
        /// Frames that there is room for.
        most_frames: u32,
        /// Bytes that there is room for.
        most_bytes: u32,
        /// Writers.
        writers: u32,
        /// Readers.
        readers: u32,
    }

    /// How full the channels in a region are: none, one, or the two that lie in its halves.
    struct Fills {
        /// In the order of their places.
        channels: Vec<ChannelFill, 2>,
    }

    /// A page of what a process holds; an empty one is the end.
    struct Holdings {
        /// In the order of the table.
        holdings: Vec<Holding, MAX_LIST>,
    }

    /// An entry of the log: a line, or a part of one.
    struct LogEntry {
        /// Its number. The first is 1; each is one more than that of the entry before.
        number: u64,
        /// Nanoseconds of the monotonic clock.
        time: u64,
        /// Who has said it; 0: the server, of the process of this name.
        pid: Pid,
        /// The name of the process.
        name: Name,
        /// How urgent it is; none: text for the console, as it is.
        level: Option<Level>,
        /// It begins a text of several lines, or is the only one.
        is_first: bool,
        /// The next entry has more of this line.
        has_more: bool,
        /// UTF-8 text without its end of line; a part may end within a character.
        text: Vec<u8, LOG_BYTES>,
    }

    /// A page of the log; an empty one is the end. A number that is missing was lost.
    struct LogEntries {
        /// In the order of their numbers.
        entries: Vec<LogEntry, MAX_LOG>,
    }

    /// What the server uses.
    struct SystemInfo {
        /// Nanoseconds since the machine was switched on.
        uptime: u64,
        /// Processes that have not ended.
        processes: u32,
        /// Timers that are set.
        timers: u32,
        /// Capabilities that are held or shared.
        grants: u32,
        /// Bytes of the server's heap.
        heap: u64,
        /// Bytes of it that are allocated.
        heap_used: u64,
        /// Slots of the server's own capability space that are taken.
        slots_used: u64,
    }
}

impl Usage {
    /// Nothing: of a process that has ended.
    pub const NONE: Self = Self {
        budget: 0,
        spent: 0,
        memory: 0,
        handles: 0,
        timers: 0,
        regions: 0,
        windows: 0,
        children: 0,
        tokens: 0,
        wakes: 0,
        modules: 0,
        runnable: 0,
    };
}

impl Limits {
    /// What a process has whose spec or parent says nothing else.
    pub const DEFAULT: Self = Self {
        handles: 64,
        timers: 64,
        regions: 32,
        windows: 32,
        children: 16,
        tokens: 32,
        table_elements: 16 * 1024,
        modules: 8,
    };

    /// The most that a spec can give.
    pub const MOST: Self = Self {
        handles: 4095,
        timers: 16 * 1024,
        regions: 1024,
        windows: 1024,
        children: 1024,
        tokens: 1024,
        table_elements: 1024 * 1024,
        modules: 64,
    };

    /// Whether each is at most what `other` has.
    pub const fn are_within(&self, other: &Self) -> bool {
        self.handles <= other.handles
            && self.timers <= other.timers
            && self.regions <= other.regions
            && self.windows <= other.windows
            && self.children <= other.children
            && self.tokens <= other.tokens
            && self.table_elements <= other.table_elements
            && self.modules <= other.modules
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// Every numbered type.
pub const NUMBERED: &[crate::describe::Type] = &[
    ProcessState::TYPE,
    Kind::TYPE,
    Event::TYPE,
    EntropySource::TYPE,
    Level::TYPE,
];

#[cfg(test)]
mod tests;
