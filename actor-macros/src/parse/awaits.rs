//! Whether a handler may have to wait: told from its tokens, so that what cannot be told counts as waiting.

use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens as _;
use syn::{Attribute, ImplItemFn};

/// Macros whose expansion awaits only what their tokens do.
const PLAIN: [&str; 29] = [
    "assert",
    "assert_eq",
    "assert_ne",
    "bail",
    "concat",
    "dbg",
    "debug",
    "debug_assert",
    "debug_assert_eq",
    "debug_assert_ne",
    "ensure",
    "env",
    "eprintln",
    "error",
    "format",
    "include_str",
    "info",
    "json",
    "matches",
    "panic",
    "println",
    "todo",
    "trace",
    "unimplemented",
    "unreachable",
    "vec",
    "warn",
    "write",
    "writeln",
];

/// Words before a `!` that negates.
const KEYWORDS: [&str; 7] = ["break", "else", "if", "in", "match", "return", "while"];

/// Attributes that leave the body as it is written.
const HARMLESS: [&str; 9] = [
    "allow",
    "cold",
    "deny",
    "deprecated",
    "doc",
    "expect",
    "inline",
    "must_use",
    "warn",
];

/// Whether the method may be suspended when it is polled. Its own attributes of ours are off it by now.
pub(super) fn may_wait(item: &ImplItemFn) -> bool {
    item.attrs.iter().any(|it| !is_harmless(it)) || holds_wait(item.block.to_token_stream())
}

fn is_harmless(attr: &Attribute) -> bool {
    HARMLESS.iter().any(|it| attr.path().is_ident(it))
}

/// Whether there is an `await`, or a macro that may make one.
fn holds_wait(tokens: TokenStream) -> bool {
    let mut before: Option<String> = None;
    let mut tokens = tokens.into_iter().peekable();
    while let Some(tree) = tokens.next() {
        let name = match tree {
            TokenTree::Group(group) => {
                if holds_wait(group.stream()) {
                    return true;
                }
                None
            }
            TokenTree::Ident(it) => Some(it.to_string()),
            TokenTree::Punct(it) => {
                let calls =
                    it.as_char() == '!' && matches!(tokens.peek(), Some(TokenTree::Group(_)));
                if calls && before.is_some_and(|it| !is_plain(&it)) {
                    return true;
                }
                None
            }
            TokenTree::Literal(_) => None,
        };
        if name.as_deref() == Some("await") {
            return true;
        }
        before = name;
    }
    false
}

/// Whether `name!(..)` awaits only what is written in it.
fn is_plain(name: &str) -> bool {
    PLAIN.contains(&name) || KEYWORDS.contains(&name)
}

#[cfg(test)]
mod tests {
    use syn::parse_quote;

    use super::may_wait;

    #[test]
    fn a_body_without_an_await_cannot_wait() {
        assert!(!may_wait(&parse_quote! {
            /// Adds.
            #[must_use]
            async fn add(&mut self, by: i64) -> i64 {
                if !(by == 0) && self.count != by {
                    self.log.push(format!("{by}"));
                    tracing::info!(by, "added");
                }
                self.count += by;
                self.count
            }
        }));
    }

    #[test]
    fn an_await_can_wait_wherever_it_stands() {
        assert!(may_wait(&parse_quote! {
            async fn first(&mut self) { work().await }
        }));
        assert!(may_wait(&parse_quote! {
            async fn inside(&mut self) { println!("{}", { work().await }) }
        }));
        assert!(may_wait(&parse_quote! {
            async fn spelt_raw(&mut self) -> i64 { let it = async { work() . await }; 1 }
        }));
    }

    #[test]
    fn what_is_expanded_later_may_wait() {
        assert!(may_wait(&parse_quote! {
            async fn select(&mut self) { tokio::select! { _ = work() => {} } }
        }));
        assert!(may_wait(&parse_quote! {
            async fn own(&mut self) { wait_for!(work) }
        }));
        assert!(may_wait(&parse_quote! {
            #[tracing::instrument]
            async fn wrapped(&mut self) -> i64 { 1 }
        }));
    }
}
