// SPDX-License-Identifier: BSD-2-Clause
//! The attribute that makes a function a root task's entry point.
#![forbid(unsafe_code)]

use proc_macro::{Delimiter, Group, Ident, Punct, Spacing, Span, TokenStream, TokenTree};

/// Makes a function the program's entry point:
///
/// ```ignore
/// #[root_task(stack_size = 64 * 1024, heap_size = 256 * 1024)]
/// fn main(bootinfo: &sel4::BootInfoPtr) -> ! { … }
/// ```
///
/// Both arguments can be left out, and come in this order. Without `heap_size` there is no global
/// allocator.
#[proc_macro_attribute]
pub fn root_task(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let Some(name) = function_name(item.clone()) else {
        return error("#[root_task] belongs on a function");
    };
    let mut inner: TokenStream = [
        Ident::new("main", Span::mixed_site()).into(),
        Punct::new('=', Spacing::Alone).into(),
        TokenTree::Ident(name),
    ]
    .into_iter()
    .collect();
    if !arguments.is_empty() {
        inner.extend([TokenTree::from(Punct::new(',', Spacing::Alone))]);
        inner.extend(arguments);
    }
    let mut output = path(&["sel4_root_task", "declare_root_task"]);
    output.extend([
        TokenTree::from(Punct::new('!', Spacing::Alone)),
        Group::new(Delimiter::Parenthesis, inner).into(),
        Punct::new(';', Spacing::Alone).into(),
    ]);
    output.extend(item);
    output
}

/// The identifier behind `fn`.
fn function_name(item: TokenStream) -> Option<Ident> {
    let mut tokens = item.into_iter();
    tokens.find(|token| matches!(token, TokenTree::Ident(word) if word.to_string() == "fn"))?;
    match tokens.next() {
        Some(TokenTree::Ident(name)) => Some(name),
        _ => None,
    }
}

fn path(segments: &[&str]) -> TokenStream {
    let colon = |spacing| TokenTree::from(Punct::new(':', spacing));
    let segment = |name: &&str| {
        let name = TokenTree::from(Ident::new(name, Span::mixed_site()));
        [colon(Spacing::Joint), colon(Spacing::Alone), name]
    };
    segments.iter().flat_map(segment).collect()
}

fn error(message: &str) -> TokenStream {
    let text = TokenTree::from(proc_macro::Literal::string(message));
    let mut output = path(&["core", "compile_error"]);
    output.extend([
        TokenTree::from(Punct::new('!', Spacing::Alone)),
        Group::new(Delimiter::Parenthesis, text.into()).into(),
        Punct::new(';', Spacing::Alone).into(),
    ]);
    output
}
