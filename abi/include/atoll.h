/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The hostcalls of an Atoll process server, for guests in C and C++ (wasm32).
 *
 * A call answers a value from 0 up, or the negated number of an atoll_error. Scalar calls take
 * numbers. Message calls take the address and length of a request in postcard and the address of
 * ATOLL_MAX_REPLY bytes, and answer the reply's length. A guest links a call only if it is granted
 * the call's group. A pointer outside the memory, or a request that does not decode, ends the guest.
 *
 * Made by `atoll abi --header` from the table in abi/src/table.rs. docs/hostcalls.md says the same
 * for reading.
 */
#ifndef ATOLL_H
#define ATOLL_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#ifdef __wasm__
#define ATOLL_IMPORT(module, name) __attribute__((import_module(module), import_name(name)))
#else
#define ATOLL_IMPORT(module, name)
#endif

/** A capability: an index into the guest's table and a generation. Never 0. */
typedef uint32_t atoll_handle;
/** A process: its place in the server and a generation. Never 0. */
typedef uint32_t atoll_pid;
/** A set of atoll_right. */
typedef uint32_t atoll_rights;
/** A set of atoll_group. */
typedef uint32_t atoll_groups;
/** A timer that is set. */
typedef uint64_t atoll_timer;

/* ---- Constants */

/** The wasm page, in bytes: the unit of shared regions and of their windows. */
#define ATOLL_PAGE UINT32_C(65536)
/** Longest text that a hostcall takes, in bytes; what is behind is cut. */
#define ATOLL_MAX_TEXT UINT32_C(1024)
/** Longest message that a message call takes, in bytes. */
#define ATOLL_MAX_REQUEST UINT32_C(4096)
/** Bytes of the buffer for the reply of a message call. */
#define ATOLL_MAX_REPLY UINT32_C(1024)
/** Most wasm pages of one region. */
#define ATOLL_MAX_REGION_PAGES UINT32_C(1024)
/** Most bytes of one call of `entropy::fill`, `entropy_source::feed`, `shm::read` and `shm::write`. */
#define ATOLL_MAX_TRANSFER UINT32_C(65536)
/** Most bytes of a module that a guest loads, signature and all. */
#define ATOLL_MAX_MODULE UINT32_C(8388608)
/** The deadline that never comes. */
#define ATOLL_NEVER UINT64_C(0xffffffffffffffff)
/** What `process::wait` answers for a process that failed. */
#define ATOLL_FAILED UINT64_C(0x100000000)
/** The task that is put into the mailbox of a process that is asked to stop. */
#define ATOLL_TASK_STOP UINT32_C(0xffffffff)

/* ---- The wake mailbox: offsets are in bytes */

/** Layout version. */
#define ATOLL_MAILBOX_VERSION UINT32_C(1)
/** Most ids a mailbox can hold. */
#define ATOLL_MAILBOX_MAX_CAPACITY UINT32_C(4096)
/** Offset of the version. */
#define ATOLL_MAILBOX_OFFSET_VERSION UINT32_C(0)
/** Offset of the capacity. */
#define ATOLL_MAILBOX_OFFSET_CAPACITY UINT32_C(4)
/** Offset of the head. */
#define ATOLL_MAILBOX_OFFSET_HEAD UINT32_C(8)
/** Offset of the tail. */
#define ATOLL_MAILBOX_OFFSET_TAIL UINT32_C(12)
/** Offset of the overflow word. */
#define ATOLL_MAILBOX_OFFSET_OVERFLOW UINT32_C(16)
/** Offset of the first id. */
#define ATOLL_MAILBOX_OFFSET_RING UINT32_C(20)

/* ---- Numbers */

/** Why a call refused. The numbers are stable. 0 is no error. */
enum atoll_error {
    /** The capability lacks this right. */
    ATOLL_ERROR_DENIED = 1,
    /** No such handle. */
    ATOLL_ERROR_BAD_HANDLE = 2,
    /** The memory budget is spent. */
    ATOLL_ERROR_NO_MEMORY = 3,
    /** A table of the server is full. */
    ATOLL_ERROR_TOO_MANY = 4,
    /** Invalid argument. */
    ATOLL_ERROR_INVALID_ARGUMENT = 5,
    /** Not found. */
    ATOLL_ERROR_NOT_FOUND = 6,
    /** Revoked. */
    ATOLL_ERROR_REVOKED = 7,
    /** Timed out. */
    ATOLL_ERROR_TIMED_OUT = 8,
    /** No such token. */
    ATOLL_ERROR_BAD_TOKEN = 9,
    /** Busy. */
    ATOLL_ERROR_BUSY = 10,
    /** The linear memory cannot grow. */
    ATOLL_ERROR_NO_ADDRESS_SPACE = 11,
    /** The module was refused. */
    ATOLL_ERROR_BAD_MODULE = 12,
    /** The limit of handles is reached. */
    ATOLL_ERROR_TOO_MANY_HANDLES = 13,
    /** The limit of timers is reached. */
    ATOLL_ERROR_TOO_MANY_TIMERS = 14,
    /** The limit of regions is reached. */
    ATOLL_ERROR_TOO_MANY_REGIONS = 15,
    /** The limit of windows is reached. */
    ATOLL_ERROR_TOO_MANY_WINDOWS = 16,
    /** The limit of children is reached. */
    ATOLL_ERROR_TOO_MANY_CHILDREN = 17,
    /** The limit of share tokens is reached. */
    ATOLL_ERROR_TOO_MANY_TOKENS = 18,
    /** The limit of listeners is reached. */
    ATOLL_ERROR_TOO_MANY_LISTENERS = 19,
    /** The capability is for something else. */
    ATOLL_ERROR_WRONG_KIND = 20,
    /** The hostcall group is not granted. */
    ATOLL_ERROR_NOT_GRANTED = 21,
    /** The session does not entitle to this. */
    ATOLL_ERROR_NOT_ENTITLED = 22,
    /** The process has ended. */
    ATOLL_ERROR_ENDED = 23,
    /** The range is not inside the region. */
    ATOLL_ERROR_OUT_OF_RANGE = 24,
    /** More than the caller may give. */
    ATOLL_ERROR_TOO_LARGE = 25,
    /** The virtqueue is broken. */
    ATOLL_ERROR_BAD_QUEUE = 26,
    /** The device failed. */
    ATOLL_ERROR_DEVICE_FAILED = 27,
    /** Not a signed module. */
    ATOLL_ERROR_NOT_A_MODULE = 28,
    /** The module is not as it was signed. */
    ATOLL_ERROR_ALTERED = 29,
    /** The module is signed with a key that is not trusted here. */
    ATOLL_ERROR_OTHER_KEY = 30,
    /** The module was compiled by another version of the host tool, or for other settings. */
    ATOLL_ERROR_OTHER_COMPILER = 31,
    /** The module is cut short. */
    ATOLL_ERROR_CUT_SHORT = 32,
    /** The module is larger than any may be. */
    ATOLL_ERROR_TOO_LONG = 33,
    /** The limit of modules is reached. */
    ATOLL_ERROR_TOO_MANY_MODULES = 34,
    /** The kernel has no power switch. */
    ATOLL_ERROR_NO_SWITCH = 35,
};

/** The error of an answer, a number of atoll_error; 0 if it is a value. */
static inline uint32_t atoll_error_of(int64_t answer)
{
    return answer < 0 ? (uint32_t)-answer : 0;
}

/** An error in words. */
static inline const char *atoll_error_text(uint32_t error)
{
    switch (error) {
    case 0: return "no error";
    case ATOLL_ERROR_DENIED: return "the capability lacks this right";
    case ATOLL_ERROR_BAD_HANDLE: return "no such handle";
    case ATOLL_ERROR_NO_MEMORY: return "the memory budget is spent";
    case ATOLL_ERROR_TOO_MANY: return "a table of the server is full";
    case ATOLL_ERROR_INVALID_ARGUMENT: return "invalid argument";
    case ATOLL_ERROR_NOT_FOUND: return "not found";
    case ATOLL_ERROR_REVOKED: return "revoked";
    case ATOLL_ERROR_TIMED_OUT: return "timed out";
    case ATOLL_ERROR_BAD_TOKEN: return "no such token";
    case ATOLL_ERROR_BUSY: return "busy";
    case ATOLL_ERROR_NO_ADDRESS_SPACE: return "the linear memory cannot grow";
    case ATOLL_ERROR_BAD_MODULE: return "the module was refused";
    case ATOLL_ERROR_TOO_MANY_HANDLES: return "the limit of handles is reached";
    case ATOLL_ERROR_TOO_MANY_TIMERS: return "the limit of timers is reached";
    case ATOLL_ERROR_TOO_MANY_REGIONS: return "the limit of regions is reached";
    case ATOLL_ERROR_TOO_MANY_WINDOWS: return "the limit of windows is reached";
    case ATOLL_ERROR_TOO_MANY_CHILDREN: return "the limit of children is reached";
    case ATOLL_ERROR_TOO_MANY_TOKENS: return "the limit of share tokens is reached";
    case ATOLL_ERROR_TOO_MANY_LISTENERS: return "the limit of listeners is reached";
    case ATOLL_ERROR_WRONG_KIND: return "the capability is for something else";
    case ATOLL_ERROR_NOT_GRANTED: return "the hostcall group is not granted";
    case ATOLL_ERROR_NOT_ENTITLED: return "the session does not entitle to this";
    case ATOLL_ERROR_ENDED: return "the process has ended";
    case ATOLL_ERROR_OUT_OF_RANGE: return "the range is not inside the region";
    case ATOLL_ERROR_TOO_LARGE: return "more than the caller may give";
    case ATOLL_ERROR_BAD_QUEUE: return "the virtqueue is broken";
    case ATOLL_ERROR_DEVICE_FAILED: return "the device failed";
    case ATOLL_ERROR_NOT_A_MODULE: return "not a signed module";
    case ATOLL_ERROR_ALTERED: return "the module is not as it was signed";
    case ATOLL_ERROR_OTHER_KEY: return "the module is signed with a key that is not trusted here";
    case ATOLL_ERROR_OTHER_COMPILER: return "the module was compiled by another version of the host tool, or for other settings";
    case ATOLL_ERROR_CUT_SHORT: return "the module is cut short";
    case ATOLL_ERROR_TOO_LONG: return "the module is larger than any may be";
    case ATOLL_ERROR_TOO_MANY_MODULES: return "the limit of modules is reached";
    case ATOLL_ERROR_NO_SWITCH: return "the kernel has no power switch";
    default: return "unknown error";
    }
}

/** What a handle allows: bits of atoll_rights. */
enum atoll_right {
    /**
     * See what the handle designates: read a region and listen to its doorbell, await a process,
     * look a service up, start a module.
     */
    ATOLL_RIGHT_READ = 1,
    /** Change it: write a region and ring its doorbell, stop a process, provide a service. */
    ATOLL_RIGHT_WRITE = 2,
    /** Give it to others; for a process also: give things to it and take them from it. */
    ATOLL_RIGHT_GRANT = 4,
};

/** Groups of hostcalls that are granted: bits of atoll_groups. */
enum atoll_group {
    /** The calls of atoll::process. */
    ATOLL_GROUP_PROCESSES = 4,
    /** The calls of atoll::shm. */
    ATOLL_GROUP_SHARED_MEMORY = 8,
    /** The calls of atoll::wake. */
    ATOLL_GROUP_WAKE = 16,
    /** The calls of atoll::time. */
    ATOLL_GROUP_TIME = 32,
    /** The calls of atoll::session. */
    ATOLL_GROUP_SESSIONS = 64,
    /** The calls of atoll::singleton. */
    ATOLL_GROUP_SINGLETONS = 128,
    /** The calls of atoll::entropy. */
    ATOLL_GROUP_ENTROPY = 256,
    /** The calls of atoll::log. */
    ATOLL_GROUP_LOG = 512,
    /** The calls of atoll::console. */
    ATOLL_GROUP_CONSOLE = 1024,
    /** The calls of atoll::introspect. */
    ATOLL_GROUP_INTROSPECT = 2048,
    /** The calls of atoll::device. */
    ATOLL_GROUP_DEVICES = 4096,
    /** The calls of atoll::entropy_source. */
    ATOLL_GROUP_ENTROPY_SOURCE = 8192,
    /** The calls of atoll::module. */
    ATOLL_GROUP_MODULES = 16384,
    /** The calls of atoll::logs. */
    ATOLL_GROUP_LOGS = 32768,
    /** The calls of atoll::power. */
    ATOLL_GROUP_POWER = 65536,
};

/** Where a process is in its life. */
enum atoll_process_state {
    /** Its memory and its thread are made. */
    ATOLL_PROCESS_STATE_CREATED = 0,
    /** Its thread runs, its code not yet: it is instantiated. */
    ATOLL_PROCESS_STATE_STARTING = 1,
    /** Its code runs or is ready to. */
    ATOLL_PROCESS_STATE_RUNNING = 2,
    /** It sleeps in a hostcall. No event tells of this: it is how a running process is seen. */
    ATOLL_PROCESS_STATE_BLOCKED = 3,
    /** It was asked to stop. */
    ATOLL_PROCESS_STATE_STOPPING = 4,
    /** It has ended with an exit code, and all it held is reclaimed. */
    ATOLL_PROCESS_STATE_STOPPED = 5,
    /** It trapped, panicked, was ended or could not start, and all it held is reclaimed. */
    ATOLL_PROCESS_STATE_FAILED = 6,
};

/** What a capability designates. */
enum atoll_kind {
    /** A region of shared memory, with its doorbell. */
    ATOLL_KIND_REGION = 0,
    /** A process. */
    ATOLL_KIND_PROCESS = 1,
    /** A session. */
    ATOLL_KIND_SESSION = 2,
    /** A service. */
    ATOLL_KIND_SERVICE = 3,
    /** A virtio device. */
    ATOLL_KIND_DEVICE = 4,
    /** A loaded module. */
    ATOLL_KIND_MODULE = 5,
    /** A device that is registers and an interrupt, without queues. */
    ATOLL_KIND_REGISTERS = 6,
    /** A guest of the spec, whatever process runs it. */
    ATOLL_KIND_GUEST = 7,
};

/** What happened to a handle. */
enum atoll_event {
    /** It was given, and can be used. */
    ATOLL_EVENT_GRANTED = 0,
    /** It was taken back, or one that it was derived from. */
    ATOLL_EVENT_REVOKED = 1,
    /** Its time has passed. */
    ATOLL_EVENT_EXPIRED = 2,
    /** The process that made or gave it has ended. */
    ATOLL_EVENT_SOURCE_EXITED = 3,
};

/** Where unpredictable bytes come from. */
enum atoll_entropy_source {
    /**
     * A generator seeded from clock, counter and key at boot, which an observer of the machine may
     * guess.
     */
    ATOLL_ENTROPY_SOURCE_SEED = 0,
    /** A generator seeded from a device. */
    ATOLL_ENTROPY_SOURCE_DEVICE = 1,
};

/** How urgent a line of the log is. */
enum atoll_level {
    /** Something failed. */
    ATOLL_LEVEL_ERROR = 0,
    /** Something looks wrong. */
    ATOLL_LEVEL_WARN = 1,
    /** What a user wants to see. */
    ATOLL_LEVEL_INFO = 2,
    /** What a developer wants to see. */
    ATOLL_LEVEL_DEBUG = 3,
};


/* ---- Numbers and texts of messages */

/** Appends a varint at `at`; answers the end of it, or 0 if it does not fit before `end` or `at` is 0. */
static inline uint8_t *atoll_put_number(uint8_t *at, const uint8_t *end, uint64_t number)
{
    do {
        if (!at || at == end)
            return 0;
        *at++ = (uint8_t)((number & 0x7f) | (number > 0x7f ? 0x80 : 0));
        number >>= 7;
    } while (number != 0);
    return at;
}

/** Appends the length of some bytes and the bytes, as atoll_put_number. */
static inline uint8_t *atoll_put_text(uint8_t *at, const uint8_t *end, const char *text, uint32_t len)
{
    uint32_t i;
    at = atoll_put_number(at, end, len);
    if (!at || (uint64_t)(end - at) < len)
        return 0;
    for (i = 0; i < len; i++)
        *at++ = (uint8_t)text[i];
    return at;
}

/** Takes a varint from `at`; answers what is behind it, or 0 if it does not end before `end`. */
static inline const uint8_t *atoll_get_number(const uint8_t *at, const uint8_t *end, uint64_t *number)
{
    unsigned shift = 0;
    *number = 0;
    while (at && at != end && shift < 64) {
        uint8_t byte = *at++;
        *number |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80)
            return at;
        shift += 7;
    }
    return 0;
}

/* ---- Messages, in postcard: a struct is its fields one after the other, a choice its place
 *      in the list (varint) and what it carries */

/*
 * struct ShareRequest: Asks for a share token.
 *    handle: varint (Handle). What to share.
 *    rights: varint (Rights). With these rights.
 *    uses: varint. How often it can be taken up, from 1.
 *    expires: byte 0, or byte 1 and varint. Nanoseconds of the monotonic clock at which it,
 *        and what was taken up with it, ends.
 */

/*
 * struct Token: What stands for a capability until it is taken up; whoever knows it has the
 * capability. 96 of its bits are unpredictable, the others say where the server finds it.
 *    bytes: 16 bytes. The bits.
 */

/*
 * struct HandleInfo: What a handle is.
 *    kind: varint (Kind). What it designates.
 *    rights: varint (Rights). What it allows.
 *    lost: byte 0, or byte 1 and varint (Event). How it was lost, if it was.
 */

/*
 * struct Notice: Something that happened to a handle.
 *    handle: varint (Handle). Which.
 *    kind: varint (Kind). What it designates.
 *    event: varint (Event). What happened.
 *    name: varint length up to 32, UTF-8. The name it was given under, or empty.
 */

/*
 * struct Give: A capability for another process.
 *    name: varint length up to 32, UTF-8. The name it finds it under.
 *    handle: varint (Handle). What to give.
 *    rights: varint (Rights). With these rights.
 */

/*
 * struct StartRequest: Asks to start a process.
 *    program: Program. What to run.
 *    args: varint count up to 12, each varint length up to 96, UTF-8. Arguments; none: those
 *        of the spec.
 *    env: varint count up to 12, each varint length up to 96, UTF-8. Environment,
 *        `KEY=value`; none: that of the spec.
 *    gives: varint count up to 16, each Give. Capabilities, besides those of the spec. Each
 *        needs the right to grant.
 *    session: byte 0, or byte 1 and varint (Handle). The session to start it in; none: the
 *        caller's. Needs the right to write.
 */

/*
 * choice Program: What a process runs.
 *    0 Guest: varint length up to 32, UTF-8. A guest of the spec, with all that the spec
 *        gives it. Needs a capability for it with the right to write.
 *    1 Module: ModuleRequest. A module, as a child that ends with the caller.
 */

/*
 * choice Code: Where a child's code is.
 *    0 Archive: varint length up to 32, UTF-8. In the archive that the image was built with,
 *        under this name.
 *    1 Loaded: varint (Handle). In a module that was loaded. Needs the right to read.
 */

/*
 * struct ModuleRequest: A child that the caller pays for.
 *    module: Code. The module.
 *    name: varint length up to 32, UTF-8. The process's name.
 *    memory_bits: byte. log2 of the bytes of its memory budget, which comes out of the
 *        caller's.
 *    stack: varint. Bytes of its stack, one that a guest of the spec has; 0: as much as the
 *        caller's.
 *    prio: byte. Priority of its thread, at most the caller's; 0: the same.
 *    groups: varint (Groups). Its hostcall groups, at most the caller's.
 *    limits: Limits. Its limits, each at most the caller's.
 *    deadline_ms: byte 0, or byte 1 and varint. Milliseconds that it may run.
 */

/*
 * struct Limits: How much of each a process may have at once.
 *    handles: varint. Handles.
 *    timers: varint. Timers that are set.
 *    regions: varint. Regions that it made.
 *    windows: varint. Windows.
 *    children: varint. Children that have not ended.
 *    tokens: varint. Share tokens that can be taken up.
 *    table_elements: varint. Elements of each wasm table.
 *    modules: varint. Modules that it has loaded.
 */

/*
 * struct GrantRequest: Asks to give a capability to a running process.
 *    process: varint (Handle). The process.
 *    give: Give. What to give it.
 */

/*
 * struct TakeRequest: Asks to take a capability from a process, or from a guest of the spec; or to
 * give that one back.
 *    process: varint (Handle). The process, or the guest.
 *    name: varint length up to 32, UTF-8. The name it was given under: for what the spec
 *        gives, the slot.
 */

/*
 * struct Usage: What a process uses of what it may.
 *    budget: varint. Bytes of its memory budget.
 *    spent: varint. Bytes of it that are spent or promised.
 *    memory: varint. Bytes of its linear memory.
 *    handles: varint. Handles.
 *    timers: varint. Timers that are set.
 *    regions: varint. Regions that it made.
 *    windows: varint. Windows.
 *    children: varint. Children that have not ended.
 *    tokens: varint. Share tokens that can be taken up.
 *    wakes: varint. Ids that were put into its mailbox.
 *    modules: varint. Modules that it has loaded, those included that it has closed and that
 *        still run.
 *    runnable: varint. Nanoseconds that its thread was ready to run: ran, or waited for its
 *        turn. It did not use the processor for longer.
 */

/*
 * struct ProcessInfo: What there is to know of a process.
 *    pid: varint (Pid). Its id.
 *    parent: byte 0, or byte 1 and varint (Pid). Who started it, if a process did.
 *    name: varint length up to 32, UTF-8. Its name.
 *    module: varint length up to 32, UTF-8. The module it runs.
 *    version: varint length up to 32, UTF-8. The module's version, or empty.
 *    loader: byte 0, or byte 1 and varint (Pid). Who loaded the module; none: it is in the
 *        archive.
 *    session: varint length up to 32, UTF-8. Name of its session, or empty.
 *    state: varint (ProcessState). Where it is in its life.
 *    exit: byte 0, or byte 1 and varint. Its exit code, if it has one.
 *    prio: byte. Priority of its thread.
 *    groups: varint (Groups). The groups it may call.
 *    limits: Limits. What it may use.
 *    usage: Usage. What it uses; nothing once it has ended.
 */

/*
 * struct ProcessEntry: A process in a list.
 *    pid: varint (Pid). Its id.
 *    name: varint length up to 32, UTF-8. Its name.
 *    module: varint length up to 32, UTF-8. The module it runs.
 *    version: varint length up to 32, UTF-8. The module's version, or empty.
 *    state: varint (ProcessState). Where it is in its life.
 */

/*
 * struct ProcessList: A page of a list of processes; an empty one is the end.
 *    processes: varint count up to 8, each ProcessEntry. In the order of their ids.
 */

/*
 * struct EventsRequest: Asks for the changes of a process's state.
 *    process: varint (Handle). The process.
 *    after: varint. How many the caller knows.
 */

/*
 * struct StateChange: A change of a process's state.
 *    state: varint (ProcessState). The state from then on.
 *    at: varint. Nanoseconds of the monotonic clock.
 */

/*
 * struct Events: Changes of a process's state, the oldest first.
 *    module: varint length up to 32, UTF-8. The module that the process runs.
 *    version: varint length up to 32, UTF-8. The module's version, or empty.
 *    changes: varint count up to 8, each StateChange. Those that the caller does not know.
 */

/*
 * struct ModuleInfo: What there is to know of a loaded module.
 *    name: varint length up to 32, UTF-8. Its name.
 *    version: varint length up to 32, UTF-8. Its version, or empty.
 *    memory: varint. Bytes of memory that it takes out of its loader's budget.
 *    loader: varint (Pid). Who loaded it.
 */

/*
 * struct Report: Why a process failed.
 *    text: varint length up to 960, UTF-8. Reason and backtrace, cut where it does not fit.
 */

/*
 * struct Entitlement: A resource in a session.
 *    handle: varint (Handle). The capability. Needs the right to grant.
 *    rights: varint (Rights). The most that a process of the session may hold of it.
 */

/*
 * struct SessionRequest: Asks for a session.
 *    name: varint length up to 32, UTF-8. Its name.
 *    groups: varint (Groups). The groups that its processes may have, at most the caller's.
 *    processes: varint. How many processes may run in it at once.
 *    holds: varint count up to 16, each Entitlement. What its processes may hold, besides
 *        what they make themselves.
 */

/*
 * struct SessionInfo: What there is to know of a session.
 *    name: varint length up to 32, UTF-8. Its name.
 *    groups: varint (Groups). The groups that its processes may have.
 *    running: varint. Processes that run in it.
 *    processes: varint. How many may at once.
 *    ended: byte, 0 or 1. Whether it has ended.
 */

/*
 * struct Echo: What comes back as it went.
 *    number: varint. A number.
 *    text: varint length up to 96, UTF-8. A text.
 */

/*
 * struct HoldingsRequest: Asks what a process holds.
 *    pid: varint (Pid). The process.
 *    after: varint (Handle). The last handle that the caller knows; 0: none.
 */

/*
 * struct Holding: A capability that a process holds.
 *    handle: varint (Handle). Its handle.
 *    kind: varint (Kind). What it designates.
 *    rights: varint (Rights). What it allows.
 *    resource: varint. Number of what it designates; the same for all who hold it.
 *    name: varint length up to 32, UTF-8. The name it was given under, or empty.
 *    by: byte 0, or byte 1 and varint (Pid). The process that gave it, if one did.
 *    bytes: varint. Bytes of a region; 0 of all else.
 */

/*
 * struct FillRequest: Asks how full the channels in a region are.
 *    pid: varint (Pid). Who holds the region.
 *    handle: varint (Handle). Its handle for it.
 */

/*
 * struct ChannelFill: How full a channel is, as the words say that its ends keep in the region.
 *    frames: varint. Frames that the slowest strong reader has not released.
 *    bytes: varint. Bytes that they take.
 *    most_frames: varint. Frames that there is room for.
 *    most_bytes: varint. Bytes that there is room for.
 *    writers: varint. Writers.
 *    readers: varint. Readers.
 */

/*
 * struct Fills: How full the channels in a region are: none, one, or the two that lie in its
 * halves.
 *    channels: varint count up to 2, each ChannelFill. In the order of their places.
 */

/*
 * struct Holdings: A page of what a process holds; an empty one is the end.
 *    holdings: varint count up to 16, each Holding. In the order of the table.
 */

/*
 * struct LogEntry: An entry of the log: a line, or a part of one.
 *    number: varint. Its number. The first is 1; each is one more than that of the entry
 *        before.
 *    time: varint. Nanoseconds of the monotonic clock.
 *    pid: varint (Pid). Who has said it; 0: the server, of the process of this name.
 *    name: varint length up to 32, UTF-8. The name of the process.
 *    level: byte 0, or byte 1 and varint (Level). How urgent it is; none: text for the
 *        console, as it is.
 *    is_first: byte, 0 or 1. It begins a text of several lines, or is the only one.
 *    has_more: byte, 0 or 1. The next entry has more of this line.
 *    text: varint count up to 184, each byte. UTF-8 text without its end of line; a part may
 *        end within a character.
 */

/*
 * struct LogEntries: A page of the log; an empty one is the end. A number that is missing was
 * lost.
 *    entries: varint count up to 4, each LogEntry. In the order of their numbers.
 */

/*
 * struct SystemInfo: What the server uses.
 *    uptime: varint. Nanoseconds since the machine was switched on.
 *    processes: varint. Processes that have not ended.
 *    timers: varint. Timers that are set.
 *    grants: varint. Capabilities that are held or shared.
 *    heap: varint. Bytes of the server's heap.
 *    heap_used: varint. Bytes of it that are allocated.
 *    slots_used: varint. Slots of the server's own capability space that are taken.
 */

/*
 * struct Params: The start parameters, which `params` of `atoll::guest` copies into the guest.
 *    pid: varint (Pid). The process's id.
 *    name: varint length, UTF-8. Its name.
 *    args: varint count, each varint length, UTF-8. Arguments.
 *    env: varint count, each varint length, UTF-8. Environment, `KEY=value`.
 *    caps: varint count, each Cap. Capabilities, each under the name of its slot.
 *    groups: varint (Groups). The hostcall groups that it is granted.
 *    limits: Limits. What it may use.
 *    version: varint length, UTF-8. The version of the module that it runs, or empty.
 */

/*
 * struct Cap: A capability that a guest holds from its start.
 *    name: varint length, UTF-8. The slot's name in the spec, or what the parent called it.
 *    handle: varint (Handle). The handle.
 */

/* ---- atoll::guest: every guest may */

/**
 * Copies the start parameters (postcard `Params`) to `buffer` if they fit in `len` bytes, and
 * answers their length either way. Answers: u32.
 */
ATOLL_IMPORT("atoll::guest", "params")
int64_t atoll_guest_params(void *buffer, uint32_t len);

/** Ends the guest with this exit code. Does not return. */
ATOLL_IMPORT("atoll::guest", "exit")
int64_t atoll_guest_exit(uint32_t code);

/**
 * Ends the guest as failed, with the UTF-8 text of `len` bytes at `message` as the reason. Does
 * not return.
 */
ATOLL_IMPORT("atoll::guest", "panic")
int64_t atoll_guest_panic(const void *message, uint32_t len);

/** The groups it may call now. Answers: Groups. */
ATOLL_IMPORT("atoll::guest", "groups")
int64_t atoll_guest_groups(void);

/* ---- atoll::handle: every guest may */

/** What the handle allows. Answers: Rights. */
ATOLL_IMPORT("atoll::handle", "rights")
int64_t atoll_handle_rights(atoll_handle handle);

/**
 * Gives the handle up, and with it all that was derived from it; its windows go away. A region
 * whose maker closes it goes back to the budget.
 */
ATOLL_IMPORT("atoll::handle", "close")
int64_t atoll_handle_close(atoll_handle handle);

/**
 * Takes back all that was derived from the handle: whoever holds it gets a notice, its windows
 * show private zeros, its waiters wake. The handle itself stays.
 */
ATOLL_IMPORT("atoll::handle", "revoke")
int64_t atoll_handle_revoke(atoll_handle handle);

/** Has `task` put into the mailbox whenever there is a notice. */
ATOLL_IMPORT("atoll::handle", "watch")
int64_t atoll_handle_watch(uint32_t task);

/**
 * Makes a token for the handle, with at most its rights. Needs the right to grant. Request:
 * ShareRequest. Reply: Token.
 */
ATOLL_IMPORT("atoll::handle", "share")
int64_t atoll_handle_share(const void *request, uint32_t len, void *reply);

/** Takes a token up. Request: Token. Reply: varint (Handle). */
ATOLL_IMPORT("atoll::handle", "accept")
int64_t atoll_handle_accept(const void *request, uint32_t len, void *reply);

/**
 * Makes a token worthless that the caller made. What was taken up with it stays. Request: Token.
 * Reply: nothing.
 */
ATOLL_IMPORT("atoll::handle", "withdraw")
int64_t atoll_handle_withdraw(const void *request, uint32_t len, void *reply);

/** What the handle designates. Request: varint (Handle). Reply: HandleInfo. */
ATOLL_IMPORT("atoll::handle", "info")
int64_t atoll_handle_info(const void *request, uint32_t len, void *reply);

/**
 * Takes the next notice, if there is one: a handle that was given or lost. Request: nothing.
 * Reply: byte 0, or byte 1 and Notice.
 */
ATOLL_IMPORT("atoll::handle", "notice")
int64_t atoll_handle_notice(const void *request, uint32_t len, void *reply);

/* ---- atoll::process: needs the grant processes */

/**
 * Waits until the process has ended and all it held is reclaimed, or the clock reaches `deadline`
 * (all ones: never). Answers its exit code, or 2^32 if it failed. Needs the right to read.
 * Answers: u64.
 */
ATOLL_IMPORT("atoll::process", "wait")
int64_t atoll_process_wait(atoll_handle process, uint64_t deadline);

/**
 * Asks the process to stop (it finds the stop task in its mailbox) and ends it by force when
 * `grace` nanoseconds have passed. Needs the right to write.
 */
ATOLL_IMPORT("atoll::process", "stop")
int64_t atoll_process_stop(atoll_handle process, uint64_t grace);

/**
 * Has `task` put into the mailbox at every change of the process's state, and when the handle is
 * lost; of a guest, at every change of each process that runs it. Needs the right to read.
 */
ATOLL_IMPORT("atoll::process", "watch")
int64_t atoll_process_watch(atoll_handle process, uint32_t task);

/** The state it is in. Needs the right to read. Answers: ProcessState. */
ATOLL_IMPORT("atoll::process", "state")
int64_t atoll_process_state(atoll_handle process);

/**
 * Takes hostcall groups away from the process; its calls of them answer `NotGranted` from now on.
 * Needs the right to grant.
 */
ATOLL_IMPORT("atoll::process", "restrict")
int64_t atoll_process_restrict(atoll_handle process, atoll_groups groups);

/**
 * A handle for the process that runs a guest of the spec, or ran it last, with the rights of the
 * guest's capability; `NotFound` if none has. It goes with that capability. Answers: Handle.
 */
ATOLL_IMPORT("atoll::process", "of_guest")
int64_t atoll_process_of_guest(atoll_handle guest);

/**
 * Starts a process. The handle has every right, that of a guest of the spec the rights of the
 * guest's capability; who drops it leaves the process alone. Request: StartRequest. Reply: varint
 * (Handle).
 */
ATOLL_IMPORT("atoll::process", "start")
int64_t atoll_process_start(const void *request, uint32_t len, void *reply);

/**
 * Gives a running process a capability, of which a notice tells it. Needs the right to grant on
 * both. Request: GrantRequest. Reply: nothing.
 */
ATOLL_IMPORT("atoll::process", "grant")
int64_t atoll_process_grant(const void *request, uint32_t len, void *reply);

/**
 * Takes away what the caller gave a process under this name; of a guest, what the spec gives it in
 * this slot, too, until that is restored, however often it is started. Needs the right to grant on
 * the process or the guest. Request: TakeRequest. Reply: nothing.
 */
ATOLL_IMPORT("atoll::process", "take")
int64_t atoll_process_take(const void *request, uint32_t len, void *reply);

/**
 * Gives a guest back what the spec gives it in a slot and what was taken from it; a notice tells
 * the process that runs it. Needs the right to grant on the guest. Request: TakeRequest. Reply:
 * nothing.
 */
ATOLL_IMPORT("atoll::process", "restore")
int64_t atoll_process_restore(const void *request, uint32_t len, void *reply);

/**
 * What there is to know of a process. Needs the right to read. Request: varint (Handle). Reply:
 * ProcessInfo.
 */
ATOLL_IMPORT("atoll::process", "info")
int64_t atoll_process_info(const void *request, uint32_t len, void *reply);

/**
 * The changes of state behind the n-th. Needs the right to read. Request: EventsRequest. Reply:
 * Events.
 */
ATOLL_IMPORT("atoll::process", "events")
int64_t atoll_process_events(const void *request, uint32_t len, void *reply);

/**
 * Why the process failed: reason and backtrace; empty if it did not. Needs the right to read.
 * Request: varint (Handle). Reply: Report.
 */
ATOLL_IMPORT("atoll::process", "report")
int64_t atoll_process_report(const void *request, uint32_t len, void *reply);

/**
 * The caller's children with ids above this one, in the order of their ids. Request: varint (Pid).
 * Reply: ProcessList.
 */
ATOLL_IMPORT("atoll::process", "children")
int64_t atoll_process_children(const void *request, uint32_t len, void *reply);

/* ---- atoll::shm: needs the grant shared_memory */

/**
 * Makes a region of whole wasm pages, zeroed, out of the guest's memory budget; the handle has
 * every right. Answers: Handle.
 */
ATOLL_IMPORT("atoll::shm", "alloc")
int64_t atoll_shm_alloc(uint32_t pages);

/**
 * Maps the region into the guest's memory with these rights (read, or read and write); answers the
 * address. Answers: u32.
 */
ATOLL_IMPORT("atoll::shm", "attach")
int64_t atoll_shm_attach(atoll_handle handle, atoll_rights rights);

/**
 * Takes the window at this address away; the pages read as zero from then on, and are private. Of
 * a window that was lost, it says that the guest knows: its addresses can be used again.
 */
ATOLL_IMPORT("atoll::shm", "detach")
int64_t atoll_shm_detach(void *address);

/** Bytes of the region. Answers: u32. */
ATOLL_IMPORT("atoll::shm", "size")
int64_t atoll_shm_size(atoll_handle handle);

/**
 * Whether this process holds the region, too: false once it has ended, or has lost its last handle
 * and its windows. Needs the right to read. Answers: bool.
 */
ATOLL_IMPORT("atoll::shm", "holds")
int64_t atoll_shm_holds(atoll_handle handle, atoll_pid process);

/**
 * Copies `len` bytes at `offset` of the region to `buffer`, without a window. Needs the right to
 * read.
 */
ATOLL_IMPORT("atoll::shm", "read")
int64_t atoll_shm_read(atoll_handle handle, uint32_t offset, void *buffer, uint32_t len);

/**
 * Copies `len` bytes at `buffer` to `offset` of the region, without a window. Needs the right to
 * write.
 */
ATOLL_IMPORT("atoll::shm", "write")
int64_t atoll_shm_write(atoll_handle handle, uint32_t offset, const void *buffer, uint32_t len);

/* ---- atoll::wake: needs the grant wake */

/**
 * Says where the guest's mailbox is (see `abi::mailbox`). It is empty then, but for the stop task
 * if the guest was asked to stop.
 */
ATOLL_IMPORT("atoll::wake", "register")
int64_t atoll_wake_register(void *mailbox);

/**
 * Has `task` put into the mailbox whenever somebody else rings one of these bells of the region, a
 * process that held the region no longer does, or the handle is lost. Needs the right to read.
 */
ATOLL_IMPORT("atoll::wake", "listen")
int64_t atoll_wake_listen(atoll_handle handle, uint32_t task, uint32_t bells);

/** Takes that back. */
ATOLL_IMPORT("atoll::wake", "unlisten")
int64_t atoll_wake_unlisten(atoll_handle handle);

/**
 * Rings these bells of the region, at least one: wakes every other listener to one of them. Needs
 * the right to write.
 */
ATOLL_IMPORT("atoll::wake", "notify")
int64_t atoll_wake_notify(atoll_handle handle, uint32_t bells);

/**
 * Sleeps until the mailbox has an id or the monotonic clock reaches `deadline` (nanoseconds; all
 * ones: never); answers the number of ids. Answers: u32.
 */
ATOLL_IMPORT("atoll::wake", "wait")
int64_t atoll_wake_wait(uint64_t deadline);

/**
 * As `notify`, then as `wait`: what a guest does that sends and then sleeps. If the ring is
 * refused, it does not sleep. Answers: u32.
 */
ATOLL_IMPORT("atoll::wake", "notify_wait")
int64_t atoll_wake_notify_wait(atoll_handle handle, uint32_t bells, uint64_t deadline);

/* ---- atoll::time: needs the grant time */

/** The monotonic clock: nanoseconds since the machine was switched on. Answers: u64. */
ATOLL_IMPORT("atoll::time", "now")
int64_t atoll_time_now(void);

/** Has `task` put into the mailbox when the clock reaches `deadline`. Answers: TimerId. */
ATOLL_IMPORT("atoll::time", "at")
int64_t atoll_time_at(uint64_t deadline, uint32_t task);

/** Takes a timer back; `NotFound` if it has fired. */
ATOLL_IMPORT("atoll::time", "cancel")
int64_t atoll_time_cancel(atoll_timer timer);

/* ---- atoll::session: needs the grant sessions */

/**
 * Ends every process of the session, and the session; nothing starts in it any more. Needs the
 * right to write.
 */
ATOLL_IMPORT("atoll::session", "end")
int64_t atoll_session_end(atoll_handle session);

/**
 * Makes a session: a bound on what the processes started in it can ever hold, within the caller's
 * own session. Request: SessionRequest. Reply: varint (Handle).
 */
ATOLL_IMPORT("atoll::session", "create")
int64_t atoll_session_create(const void *request, uint32_t len, void *reply);

/**
 * What there is to know of a session. Needs the right to read. Request: varint (Handle). Reply:
 * SessionInfo.
 */
ATOLL_IMPORT("atoll::session", "info")
int64_t atoll_session_info(const void *request, uint32_t len, void *reply);

/* ---- atoll::singleton: needs the grant singletons */

/**
 * Provides the service: who looks it up gets a capability derived from `offer`, with `rights`.
 * `Busy` if somebody else does. Needs the right to write, and to grant the offer.
 */
ATOLL_IMPORT("atoll::singleton", "provide")
int64_t atoll_singleton_provide(atoll_handle service, atoll_handle offer, atoll_rights rights);

/**
 * As `provide`, from when those who provided before and stood by earlier are gone or have
 * withdrawn.
 */
ATOLL_IMPORT("atoll::singleton", "stand_by")
int64_t atoll_singleton_stand_by(atoll_handle service, atoll_handle offer, atoll_rights rights);

/**
 * Provides no longer, and stands by no longer: the next in line takes over. What was looked up is
 * taken back.
 */
ATOLL_IMPORT("atoll::singleton", "withdraw")
int64_t atoll_singleton_withdraw(atoll_handle service);

/**
 * A capability for what the present provider offers. `NotFound` if there is none. Needs the right
 * to read. Answers: Handle.
 */
ATOLL_IMPORT("atoll::singleton", "lookup")
int64_t atoll_singleton_lookup(atoll_handle service);

/** How often the provider has changed. Needs the right to read. Answers: u32. */
ATOLL_IMPORT("atoll::singleton", "generation")
int64_t atoll_singleton_generation(atoll_handle service);

/**
 * Has `task` put into the mailbox at every change of the provider, and when the handle is lost.
 * Needs the right to read.
 */
ATOLL_IMPORT("atoll::singleton", "watch")
int64_t atoll_singleton_watch(atoll_handle service, uint32_t task);

/* ---- atoll::entropy: needs the grant entropy */

/** Fills `len` bytes at `buffer` with unpredictable bytes. */
ATOLL_IMPORT("atoll::entropy", "fill")
int64_t atoll_entropy_fill(void *buffer, uint32_t len);

/** Where they come from. Answers: EntropySource. */
ATOLL_IMPORT("atoll::entropy", "source")
int64_t atoll_entropy_source(void);

/* ---- atoll::log: needs the grant log */

/** Writes lines of UTF-8 text under the guest's name. */
ATOLL_IMPORT("atoll::log", "write")
int64_t atoll_log_write(uint32_t level, const void *text, uint32_t len);

/* ---- atoll::console: needs the grant console */

/** Writes UTF-8 text as it is, without a name. */
ATOLL_IMPORT("atoll::console", "write")
int64_t atoll_console_write(const void *text, uint32_t len);

/** Takes what was typed, at most `len` bytes; answers their number, which may be 0. Answers: u32. */
ATOLL_IMPORT("atoll::console", "read")
int64_t atoll_console_read(void *buffer, uint32_t len);

/* ---- atoll::introspect: needs the grant introspect */

/** The processor's cycle counter; instructions, where the machine counts those. Answers: u64. */
ATOLL_IMPORT("atoll::introspect", "cycles")
int64_t atoll_introspect_cycles(void);

/**
 * Instructions that the processor has executed for everybody since somebody first asked, modulo
 * 2^32 and without the time it slept; 0 where it does not count them. Answers: u32.
 */
ATOLL_IMPORT("atoll::introspect", "instructions")
int64_t atoll_introspect_instructions(void);

/** Does nothing: what a scalar call costs. */
ATOLL_IMPORT("atoll::introspect", "nothing")
int64_t atoll_introspect_nothing(void);

/** Answers what it gets: what a message call costs. Request: Echo. Reply: Echo. */
ATOLL_IMPORT("atoll::introspect", "echo")
int64_t atoll_introspect_echo(const void *request, uint32_t len, void *reply);

/**
 * The processes with ids above this one, in the order of their ids. Request: varint (Pid). Reply:
 * ProcessList.
 */
ATOLL_IMPORT("atoll::introspect", "processes")
int64_t atoll_introspect_processes(const void *request, uint32_t len, void *reply);

/** What there is to know of a process. Request: varint (Pid). Reply: ProcessInfo. */
ATOLL_IMPORT("atoll::introspect", "process")
int64_t atoll_introspect_process(const void *request, uint32_t len, void *reply);

/**
 * What a process holds, behind the handle that it names. Request: HoldingsRequest. Reply:
 * Holdings.
 */
ATOLL_IMPORT("atoll::introspect", "holdings")
int64_t atoll_introspect_holdings(const void *request, uint32_t len, void *reply);

/**
 * How full the channels are in a region that a process holds, without a look at what is in them.
 * Request: FillRequest. Reply: Fills.
 */
ATOLL_IMPORT("atoll::introspect", "fill")
int64_t atoll_introspect_fill(const void *request, uint32_t len, void *reply);

/** What the server uses. Request: nothing. Reply: SystemInfo. */
ATOLL_IMPORT("atoll::introspect", "system")
int64_t atoll_introspect_system(const void *request, uint32_t len, void *reply);

/* ---- atoll::device: needs the grant devices */

/**
 * Reads `width` bytes (1, 2 or 4) at `offset` of the device's registers, which are laid out as in
 * virtio 1.2, 4.2.2 (MMIO, version 2), or, of one without queues, as the device has them. Needs
 * the right to read; without queues, to write, because to read may change such a device. Answers:
 * u32.
 */
ATOLL_IMPORT("atoll::device", "read")
int64_t atoll_device_read(atoll_handle device, uint32_t offset, uint32_t width);

/**
 * Writes `width` bytes there. Addresses of queues, and in descriptors, are addresses in the
 * guest's memory. A status of 0 resets the device: it has stopped to use any memory when this
 * returns. Needs the right to write.
 */
ATOLL_IMPORT("atoll::device", "write")
int64_t atoll_device_write(atoll_handle device, uint32_t offset, uint32_t width, uint32_t value);

/**
 * Hands the device what is available in the queue, as writing `QueueNotify` does. Needs the right
 * to write.
 */
ATOLL_IMPORT("atoll::device", "kick")
int64_t atoll_device_kick(atoll_handle device, uint32_t queue);

/**
 * Answers the interrupt status, acknowledges it, lets the next interrupt come, and brings the used
 * rings in the guest's memory up to date. Without queues it only lets the next interrupt come, and
 * answers 0: the driver has quieted the device before. Needs the right to write. Answers: u32.
 */
ATOLL_IMPORT("atoll::device", "ack")
int64_t atoll_device_ack(atoll_handle device);

/**
 * Has `task` put into the mailbox whenever the device interrupts. Until then nobody is told. Needs
 * the right to write.
 */
ATOLL_IMPORT("atoll::device", "listen")
int64_t atoll_device_listen(atoll_handle device, uint32_t task);

/**
 * Sleeps until a used ring that was up to date has something new for this queue, or the clock
 * reaches `deadline` (all ones: never); answers whether it has. For drivers that would poll the
 * ring. Needs the right to write. Answers: bool.
 */
ATOLL_IMPORT("atoll::device", "wait")
int64_t atoll_device_wait(atoll_handle device, uint32_t queue, uint64_t deadline);

/* ---- atoll::entropy_source: needs the grant entropy_source */

/**
 * Mixes `len` bytes at `bytes`, of a device that has unpredictable ones, into the server's
 * generator. What it was seeded from before stays in it, so no bytes make it worse. Once it was
 * fed 32, `entropy::source` answers `Device`.
 */
ATOLL_IMPORT("atoll::entropy_source", "feed")
int64_t atoll_entropy_source_feed(uint32_t bytes, uint32_t len);

/* ---- atoll::module: needs the grant modules */

/**
 * Loads the signed module of `len` bytes at `bytes`, as `atoll module` writes it, for processes to
 * run: it is copied into memory of the caller's budget that no guest can write, then checked, then
 * made executable. The handle has every right; `process::start` takes it with the right to read.
 * When the loader closes it, nothing more starts from it, and its memory comes back when the last
 * process that runs it has ended. When the loader ends, those processes do. Answers: Handle.
 */
ATOLL_IMPORT("atoll::module", "load")
int64_t atoll_module_load(uint32_t bytes, uint32_t len);

/**
 * What there is to know of a loaded module. Needs the right to read. Request: varint (Handle).
 * Reply: ModuleInfo.
 */
ATOLL_IMPORT("atoll::module", "info")
int64_t atoll_module_info(const void *request, uint32_t len, void *reply);

/* ---- atoll::logs: needs the grant logs */

/**
 * Has `task` put into the mailbox whenever there are entries, once until the caller has read the
 * last.
 */
ATOLL_IMPORT("atoll::logs", "watch")
int64_t atoll_logs_watch(uint32_t task);

/**
 * Makes the caller the printer: from now on the server prints nothing itself. Answers the number
 * of the last entry that is printed. `Busy` if another process is the printer. Who ends, is ended,
 * loses the grant, or acknowledges nothing for 3 seconds while there is something to print, is the
 * printer no longer; what it has not acknowledged the server prints. Answers: u64.
 */
ATOLL_IMPORT("atoll::logs", "print")
int64_t atoll_logs_print(void);

/**
 * Says that the entries up to this number are printed. `NotFound` if the caller is not the
 * printer.
 */
ATOLL_IMPORT("atoll::logs", "printed")
int64_t atoll_logs_printed(uint64_t number);

/**
 * The entries behind the one with this number, those that are kept. Request: varint. Reply:
 * LogEntries.
 */
ATOLL_IMPORT("atoll::logs", "read")
int64_t atoll_logs_read(const void *request, uint32_t len, void *reply);

/* ---- atoll::power: needs the grant power */

/**
 * Switches the machine off, at once and whatever runs; does not return. `NoSwitch` where the
 * kernel cannot.
 */
ATOLL_IMPORT("atoll::power", "off")
int64_t atoll_power_off(void);

#ifdef __cplusplus
}
#endif

#endif
