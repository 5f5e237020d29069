// SPDX-License-Identifier: BSD-2-Clause
//! What follows from the description of a call.

use atoll_abi::{Error, Form, Group, Hostcall, Rights, TABLE, describe::Shape, message};

/// Rights, by name, with what they allow.
pub(crate) const RIGHTS: [(&str, Rights, &str); 3] = [
    (
        "READ",
        Rights::READ,
        "See what the handle designates: read a region and listen to its doorbell, await a process, look a service up, start a module.",
    ),
    (
        "WRITE",
        Rights::WRITE,
        "Change it: write a region and ring its doorbell, stop a process, provide a service.",
    ),
    (
        "GRANT",
        Rights::GRANT,
        "Give it to others; for a process also: give things to it and take them from it.",
    ),
];

/// The calls of a group.
pub(crate) fn of_group(group: Group) -> impl Iterator<Item = &'static Hostcall> {
    TABLE.iter().filter(move |call| call.group == group)
}

/// The import module of a group.
pub(crate) fn module(group: Group) -> &'static str {
    of_group(group).next().map_or("", |call| call.module)
}

/// Errors of whatever a guest does with a device.
const DEVICE_ERRORS: &[Error] = &[
    Error::InvalidArgument,
    Error::Busy,
    Error::DeviceFailed,
    Error::TooMany,
];
/// Errors where virtqueues are looked at as well.
const QUEUE_ERRORS: &[Error] = &[
    Error::InvalidArgument,
    Error::Busy,
    Error::DeviceFailed,
    Error::TooMany,
    Error::BadQueue,
];

/// What budgets, limits and tables, or the nature of a call, add to the errors that follow from its form.
const FURTHER: &[(Group, &str, &[Error])] = &[
    (
        Group::Handles,
        "share",
        &[Error::TooMany, Error::InvalidArgument, Error::TooManyTokens],
    ),
    (
        Group::Handles,
        "accept",
        &[Error::TooMany, Error::BadToken, Error::NotEntitled],
    ),
    (Group::Handles, "withdraw", &[Error::BadToken]),
    (
        Group::Processes,
        "wait",
        &[Error::TooMany, Error::InvalidArgument, Error::TimedOut],
    ),
    (Group::Processes, "watch", &[Error::TooManyListeners]),
    (Group::Processes, "restrict", &[Error::Ended]),
    (
        Group::Processes,
        "start",
        &[
            Error::Denied,
            Error::NoMemory,
            Error::TooMany,
            Error::InvalidArgument,
            Error::NotFound,
            Error::Busy,
            Error::BadModule,
            Error::TooManyChildren,
            Error::NotEntitled,
            Error::Ended,
            Error::TooLarge,
        ],
    ),
    (
        Group::Processes,
        "grant",
        &[
            Error::TooMany,
            Error::TooManyHandles,
            Error::NotEntitled,
            Error::Ended,
        ],
    ),
    (Group::Processes, "take", &[Error::NotFound, Error::Ended]),
    (
        Group::SharedMemory,
        "alloc",
        &[
            Error::NoMemory,
            Error::TooMany,
            Error::InvalidArgument,
            Error::TooManyRegions,
        ],
    ),
    (
        Group::SharedMemory,
        "attach",
        &[
            Error::Denied,
            Error::TooMany,
            Error::InvalidArgument,
            Error::NoAddressSpace,
            Error::TooManyWindows,
        ],
    ),
    (Group::SharedMemory, "detach", &[Error::NotFound]),
    (
        Group::SharedMemory,
        "read",
        &[Error::InvalidArgument, Error::OutOfRange],
    ),
    (
        Group::SharedMemory,
        "write",
        &[Error::InvalidArgument, Error::OutOfRange],
    ),
    (
        Group::Wake,
        "listen",
        &[
            Error::TooMany,
            Error::InvalidArgument,
            Error::TooManyListeners,
        ],
    ),
    (Group::Wake, "unlisten", &[Error::NotFound]),
    (Group::Wake, "notify", &[Error::InvalidArgument]),
    (
        Group::Wake,
        "notify_wait",
        &[Error::Denied, Error::InvalidArgument],
    ),
    (Group::Time, "at", &[Error::TooManyTimers]),
    (
        Group::Sessions,
        "create",
        &[Error::Denied, Error::TooMany, Error::TooLarge],
    ),
    (Group::Singletons, "provide", &[Error::TooMany]),
    (
        Group::Singletons,
        "stand_by",
        &[
            Error::Denied,
            Error::TooMany,
            Error::Busy,
            Error::TooManyListeners,
        ],
    ),
    (Group::Singletons, "withdraw", &[Error::NotFound]),
    (
        Group::Singletons,
        "lookup",
        &[Error::TooMany, Error::NotEntitled],
    ),
    (Group::Singletons, "watch", &[Error::TooManyListeners]),
    (Group::Entropy, "fill", &[Error::InvalidArgument]),
    (Group::EntropySource, "feed", &[Error::InvalidArgument]),
    (Group::Logs, "watch", &[Error::TooManyListeners]),
    (Group::Logs, "print", &[Error::Busy]),
    (Group::Logs, "printed", &[Error::NotFound]),
    (Group::Devices, "read", DEVICE_ERRORS),
    (
        Group::Devices,
        "write",
        &[
            Error::InvalidArgument,
            Error::Busy,
            Error::DeviceFailed,
            Error::TooMany,
            Error::BadQueue,
            Error::NoMemory,
        ],
    ),
    (Group::Devices, "kick", QUEUE_ERRORS),
    (Group::Devices, "ack", QUEUE_ERRORS),
    (Group::Devices, "listen", DEVICE_ERRORS),
    (Group::Devices, "wait", QUEUE_ERRORS),
    (
        Group::Modules,
        "load",
        &[
            Error::NoMemory,
            Error::TooMany,
            Error::BadModule,
            Error::NotAModule,
            Error::Altered,
            Error::OtherKey,
            Error::OtherCompiler,
            Error::CutShort,
            Error::TooLong,
            Error::TooManyModules,
        ],
    ),
    (Group::Introspect, "process", &[Error::NotFound]),
    (Group::Introspect, "holdings", &[Error::NotFound]),
];

/// The errors of a call, in the order of their numbers: those that follow from what it takes and
/// answers, those that its description names, and those of [`FURTHER`].
pub(crate) fn errors(call: &Hostcall) -> Vec<Error> {
    let takes_handle = takes_handle(&call.form);
    let answers_handle = match call.form {
        Form::Scalar { answer, .. } => answer == "Handle",
        Form::Message { reply, .. } => reply == "Handle",
    };
    let possible = |error: &Error| {
        let named = call.doc.contains(&format!("`{}`", error.name()));
        let follows = match error {
            Error::NotGranted => call.group.grant().is_some(),
            Error::BadHandle => takes_handle,
            Error::Revoked => {
                let of_any = call.group == Group::Handles && matches!(call.name, "close" | "info");
                takes_handle && !of_any
            }
            Error::WrongKind => takes_handle && call.group != Group::Handles,
            Error::Denied => call.doc.contains("the right to"),
            Error::TooManyHandles => answers_handle,
            _ => false,
        };
        let further = FURTHER
            .iter()
            .filter(|(group, name, _)| (*group, *name) == (call.group, call.name))
            .any(|(_, _, errors)| errors.contains(error));
        named || follows || further
    };
    Error::ALL.iter().copied().filter(possible).collect()
}

fn takes_handle(form: &Form) -> bool {
    match form {
        Form::Scalar { params, .. } => params.iter().any(|param| param.ty == "Handle"),
        Form::Message { request, .. } => {
            *request == "Handle"
                || message::MESSAGES
                    .iter()
                    .filter(|ty| ty.name == *request)
                    .any(|ty| match ty.shape {
                        Shape::Struct(fields) => fields.iter().any(|field| field.ty == "Handle"),
                        _ => false,
                    })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(module: &str, name: &str) -> &'static Hostcall {
        TABLE
            .iter()
            .find(|call| call.module == module && call.name == name)
            .unwrap()
    }

    #[test]
    fn errors_follow_from_the_form() {
        assert_eq!(errors(call("atoll::guest", "exit")), []);
        let lookup = [
            Error::Denied,
            Error::BadHandle,
            Error::TooMany,
            Error::NotFound,
            Error::Revoked,
            Error::TooManyHandles,
            Error::WrongKind,
            Error::NotGranted,
            Error::NotEntitled,
        ];
        assert_eq!(errors(call("atoll::singleton", "lookup")), lookup);
    }

    #[test]
    fn every_error_is_one_of_some_call() {
        for (group, name, _) in FURTHER {
            assert!(of_group(*group).any(|call| call.name == *name), "{name}");
        }
        for error in Error::ALL {
            let possible = TABLE.iter().any(|call| errors(call).contains(error));
            assert!(possible, "{error:?}");
        }
    }

    #[test]
    fn rights_are_all_there_are() {
        let all = RIGHTS
            .iter()
            .fold(Rights::NONE, |all, (_, right, _)| all.union(*right));
        assert_eq!(all, Rights::ALL);
    }
}
