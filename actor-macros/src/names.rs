//! Rust names to names on the wire.

use proc_macro2::{Group, Ident, TokenStream, TokenTree};
use quote::ToTokens;
use syn::{Path, ext::IdentExt as _};

/// How Rust names become names on the wire.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Case {
    Camel,
    Snake,
    Pascal,
    Kebab,
}

impl Case {
    pub(crate) const ALL: [Self; 4] = [Self::Camel, Self::Snake, Self::Pascal, Self::Kebab];

    /// As `rename_all` names it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Camel => "camelCase",
            Self::Snake => "snake_case",
            Self::Pascal => "PascalCase",
            Self::Kebab => "kebab-case",
        }
    }

    pub(crate) fn apply(self, ident: &Ident) -> String {
        let words = words(ident);
        match self {
            Self::Camel => match words.split_first() {
                Some((first, rest)) => first.clone() + &capitalised(rest),
                None => String::new(),
            },
            Self::Snake => words.join("_"),
            Self::Pascal => capitalised(&words),
            Self::Kebab => words.join("-"),
        }
    }
}

/// Lower-case words of `send_line`, `SendLine` or `HTTPStatus`.
fn words(ident: &Ident) -> Vec<String> {
    let text = ident.unraw().to_string();
    let mut words = Vec::new();
    for part in text.split('_').filter(|it| !it.is_empty()) {
        let letters: Vec<char> = part.chars().collect();
        let mut word = String::new();
        for (at, &letter) in letters.iter().enumerate() {
            let starts = letter.is_uppercase()
                && at.checked_sub(1).is_some_and(|before| {
                    let next_is_lower = letters.get(at + 1).is_some_and(|it| it.is_lowercase());
                    !letters[before].is_uppercase() || next_is_lower
                });
            if starts {
                words.push(std::mem::take(&mut word));
            }
            word.extend(letter.to_lowercase());
        }
        words.push(word);
    }
    words
}

fn capitalised(words: &[String]) -> String {
    let mut out = String::new();
    for word in words {
        let mut letters = word.chars();
        if let Some(first) = letters.next() {
            out.extend(first.to_uppercase());
            out.extend(letters);
        }
    }
    out
}

/// The variant of `__Call` for a method.
pub(crate) fn variant(method: &Ident) -> Ident {
    let name = Case::Pascal.apply(method);
    // The one name that Pascal case turns into a keyword: `fn self_`.
    let name = if name == "Self" {
        "Self_".to_owned()
    } else {
        name
    };
    Ident::new(&name, method.span())
}

/// The handle of an actor: `ChatRoomHandle`.
pub(crate) fn handle(actor: &Ident) -> Ident {
    quote::format_ident!("{}Handle", actor.unraw(), span = actor.span())
}

/// `tokens` with the actor's name for `Self`, which means something else inside `__Call`.
pub(crate) fn concrete(tokens: impl ToTokens, actor: &Path) -> TokenStream {
    let mut out = TokenStream::new();
    for tree in tokens.into_token_stream() {
        match tree {
            TokenTree::Ident(ident) if ident == "Self" => actor.to_tokens(&mut out),
            TokenTree::Group(group) => {
                let mut inner = Group::new(group.delimiter(), concrete(group.stream(), actor));
                inner.set_span(group.span());
                out.extend([TokenTree::Group(inner)]);
            }
            other => out.extend([other]),
        }
    }
    out
}

/// Which of `known` someone who wrote `found` may have meant.
pub(crate) fn closest<'a>(found: &str, known: &[&'a str]) -> Option<&'a str> {
    let near = known.iter().map(|it| (distance(found, it), *it)).min()?;
    // One typo for every three letters: more is another word.
    (near.0 * 3 <= found.len().max(3)).then_some(near.1)
}

/// Levenshtein distance.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, l) in left.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, r) in right.iter().enumerate() {
            let replaced = diagonal + usize::from(l != *r);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(rust: &str, expected: [&str; 4]) {
        let ident = syn::parse_str::<Ident>(rust).unwrap_or_else(|_| {
            Ident::new_raw(
                rust.trim_start_matches("r#"),
                proc_macro2::Span::call_site(),
            )
        });
        assert_eq!(Case::ALL.map(|it| it.apply(&ident)), expected);
    }

    #[test]
    fn names_in_each_case() {
        check("send", ["send", "send", "Send", "send"]);
        check(
            "send_line",
            ["sendLine", "send_line", "SendLine", "send-line"],
        );
        check(
            "ChatRoom",
            ["chatRoom", "chat_room", "ChatRoom", "chat-room"],
        );
        check(
            "HTTPStatus",
            ["httpStatus", "http_status", "HttpStatus", "http-status"],
        );
        check("get_v2", ["getV2", "get_v2", "GetV2", "get-v2"]);
        check("r#type", ["type", "type", "Type", "type"]);
        check(
            "_odd__name_",
            ["oddName", "odd_name", "OddName", "odd-name"],
        );
    }

    #[test]
    fn a_typo_finds_its_word() {
        let known = ["sleep_after", "sleep_grace", "name"];
        assert_eq!(closest("sleep_aftr", &known), Some("sleep_after"));
        assert_eq!(closest("nam", &known), Some("name"));
        assert_eq!(closest("colour", &known), None);
    }
}
