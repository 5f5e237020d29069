// SPDX-License-Identifier: BSD-2-Clause
//! The attribute of the guest library that makes a function a guest's entry point. What it expands to
//! names the library, so guests take it from there: `userland::entrypoint`.
#![forbid(unsafe_code)]

mod expand;

use proc_macro::TokenStream;

/// See `userland::entrypoint`, which is this.
#[proc_macro_attribute]
pub fn entrypoint(arguments: TokenStream, item: TokenStream) -> TokenStream {
    expand::entrypoint(arguments.into(), item.into())
        .unwrap_or_else(syn::Error::into_compile_error)
        .into()
}
