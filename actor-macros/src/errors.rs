//! Collects every problem before reporting any.

use std::fmt::Display;

use quote::ToTokens;

/// The problems of one use of a macro. Panics when dropped unread, so that a forgotten `finish`
/// cannot swallow an error.
pub(crate) struct Errors(Option<Vec<syn::Error>>);

impl Errors {
    pub(crate) fn new() -> Self {
        Self(Some(Vec::new()))
    }

    /// A problem with `tokens`, the smallest wrong thing; `message` says what to do about it.
    pub(crate) fn at(&mut self, tokens: impl ToTokens, message: impl Display) {
        self.push(syn::Error::new_spanned(tokens, message));
    }

    pub(crate) fn push(&mut self, error: syn::Error) {
        self.found().push(error);
    }

    pub(crate) fn count(&mut self) -> usize {
        self.found().len()
    }

    /// All problems in one, if there are any.
    pub(crate) fn finish(mut self) -> syn::Result<()> {
        let all = self
            .0
            .take()
            .unwrap_or_default()
            .into_iter()
            .reduce(|mut all, next| {
                all.combine(next);
                all
            });
        all.map_or(Ok(()), Err)
    }

    fn found(&mut self) -> &mut Vec<syn::Error> {
        self.0.get_or_insert_default()
    }
}

impl Drop for Errors {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert!(self.0.is_none(), "errors dropped unread");
        }
    }
}
