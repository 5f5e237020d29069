// SPDX-License-Identifier: BSD-2-Clause
//! `atoll abi`: the hostcalls, for compilers and for people.

use clap::Args;

/// What to print.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  atoll abi --header > abi/include/atoll.h")]
#[group(required = true, multiple = false)]
pub(crate) struct Abi {
    /// The header for guests in C and C++, abi/include/atoll.h
    #[arg(long)]
    header: bool,
    /// The reference page of the hostcalls, docs/hostcalls.md
    #[arg(long)]
    reference: bool,
}

/// The text that was asked for.
pub(crate) fn text(args: &Abi) -> String {
    if args.header {
        atoll_abi_doc::header()
    } else {
        atoll_abi_doc::reference()
    }
}
