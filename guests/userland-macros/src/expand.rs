// SPDX-License-Identifier: BSD-2-Clause
//! What the attribute makes of a function.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::{Error, FnArg, ItemFn, Result, Safety, Signature};

/// The function, made one that is not `async`, and the entry point that calls it.
pub(crate) fn entrypoint(arguments: TokenStream, item: TokenStream) -> Result<TokenStream> {
    if !arguments.is_empty() {
        let text = "#[entrypoint] takes no arguments: what the guest is told at its start comes as a \
                    parameter, `fn main(start: userland::start::Start)`";
        return Err(Error::new_spanned(arguments, text));
    }
    let function: ItemFn = syn::parse2(item).map_err(|error| {
        let text = "#[entrypoint] belongs on a function: `fn main()`, or `async fn main()` for a guest \
                    with tasks";
        Error::new(error.span(), text)
    })?;
    let takes_start = check(&function.sig)?;
    let name = function.sig.ident.clone();
    let parameter = takes_start.then(|| quote!(start));
    let function = if function.sig.asyncness.is_some() {
        blocking(function)
    } else {
        function.into_token_stream()
    };
    Ok(quote! {
        #function
        ::userland::__entrypoint! { #name(#parameter) }
    })
}

/// Whether it takes a parameter.
fn check(signature: &Signature) -> Result<bool> {
    let refuse = |what: &dyn ToTokens, text: &str| Err(Error::new_spanned(what, text));
    if let Some(generic) = signature.generics.params.first() {
        return refuse(
            generic,
            "an entry point is not generic: nobody is there to choose",
        );
    }
    if let Some(clause) = &signature.generics.where_clause {
        return refuse(clause, "an entry point is not generic: it needs no `where`");
    }
    if let Some(token) = &signature.constness {
        return refuse(token, "an entry point is not `const`: leave it out");
    }
    if let Safety::Unsafe(token) = &signature.safety {
        return refuse(token, "an entry point is not `unsafe`: leave it out");
    }
    if let Some(abi) = &signature.abi {
        return refuse(
            abi,
            "the server does not call this function itself: leave the `extern` out",
        );
    }
    let text = "an entry point takes nothing, or one parameter: `start: userland::start::Start`";
    if let Some(variadic) = &signature.variadic {
        return refuse(variadic, text);
    }
    let mut inputs = signature.inputs.iter();
    match (inputs.next(), inputs.next()) {
        (None, _) => Ok(false),
        (Some(FnArg::Typed(_)), None) => Ok(true),
        (Some(receiver @ FnArg::Receiver(_)), None) => refuse(receiver, text),
        (Some(_), Some(second)) => refuse(second, text),
    }
}

/// A function of the same name that runs the `async` one.
fn blocking(function: ItemFn) -> TokenStream {
    let ItemFn {
        attrs,
        vis,
        sig,
        block,
        ..
    } = function;
    let mut outer = sig.clone();
    outer.asyncness = None;
    outer.inputs.clear();
    let parameter = sig.inputs.first().and_then(|input| match input {
        FnArg::Typed(typed) => Some((typed.ty.to_token_stream(), quote!(start))),
        FnArg::Receiver(_) => None,
    });
    let (ty, argument) = parameter.unzip();
    let outer_input = ty.map(|ty| quote!(start: #ty));
    let (name, output) = (&outer.ident, &outer.output);
    quote! {
        #(#attrs)*
        #vis fn #name(#outer_input) #output {
            #sig #block
            ::userland::__run(#name(#argument))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expand(arguments: &str, item: &str) -> core::result::Result<String, String> {
        let parse = |text: &str| text.parse::<TokenStream>().expect("tokens");
        match entrypoint(parse(arguments), parse(item)) {
            Ok(tokens) => Ok(tokens.to_string()),
            Err(error) => Err(error.to_string()),
        }
    }

    fn same(item: &str, expected: &str) {
        let expected: TokenStream = expected.parse().expect("tokens");
        assert_eq!(expand("", item), Ok(expected.to_string()));
    }

    #[test]
    fn a_function_stays_as_it_is() {
        same(
            "/// Says hello.\npub fn hello() -> Result<(), Error> { Ok(()) }",
            "/// Says hello.\npub fn hello() -> Result<(), Error> { Ok(()) }
             ::userland::__entrypoint! { hello() }",
        );
    }

    #[test]
    fn it_may_take_what_the_guest_is_told() {
        same(
            "fn main(start: Start) { drop(start) }",
            "fn main(start: Start) { drop(start) } ::userland::__entrypoint! { main(start) }",
        );
    }

    #[test]
    fn an_async_one_is_run() {
        same(
            "#[inline] async fn main() -> ExitCode { work().await }",
            "#[inline] fn main() -> ExitCode {
                async fn main() -> ExitCode { work().await }
                ::userland::__run(main())
             }
             ::userland::__entrypoint! { main() }",
        );
    }

    #[test]
    fn an_async_one_may_take_what_the_guest_is_told_by_any_pattern() {
        same(
            "async fn main(mut told: Start) { }",
            "fn main(start: Start) {
                async fn main(mut told: Start) { }
                ::userland::__run(main(start))
             }
             ::userland::__entrypoint! { main(start) }",
        );
    }

    #[test]
    fn refusals_say_what_to_do() {
        for (arguments, item, expected) in [
            ("flavor = 1", "fn main() {}", "takes no arguments"),
            ("", "struct Main;", "belongs on a function"),
            ("", "fn main();", "belongs on a function"),
            ("", "fn main<T>() {}", "is not generic"),
            ("", "fn main() where u8: Copy {}", "needs no `where`"),
            ("", "const fn main() {}", "is not `const`"),
            ("", "unsafe fn main() {}", "is not `unsafe`"),
            ("", "extern \"C\" fn main() {}", "leave the `extern` out"),
            (
                "",
                "fn main(a: Start, b: u32) {}",
                "takes nothing, or one parameter",
            ),
            ("", "fn main(&self) {}", "takes nothing, or one parameter"),
        ] {
            let error = expand(arguments, item).expect_err(item);
            assert!(error.contains(expected), "{item}: {error}");
        }
    }
}
