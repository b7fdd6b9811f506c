//! Options inside attributes, `#[actor(name = "..", sleep_after = "30s")]`, as values with spans.
//! Which attribute has which options is for `parse`.

use proc_macro2::{Ident, TokenStream};
use quote::ToTokens as _;
use syn::{
    Attribute, Expr, ExprTuple, LitBool, LitInt, LitStr, Meta, Path, Token, Type,
    ext::IdentExt as _,
    parse::{Parse, ParseStream, Parser as _},
    punctuated::Punctuated,
};

use crate::{
    errors::Errors,
    model::{Crash, Durability, Wait},
    names::{self, Case},
};

/// What stands in one kind of attribute on one thing.
pub(crate) struct Options {
    attribute: &'static str,
    known: &'static [&'static str],
    found: Vec<Opt>,
}

struct Opt {
    key: Ident,
    value: Option<TokenStream>,
}

impl Parse for Opt {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let key = input.call(Ident::parse_any)?;
        if input.is_empty() || input.peek(Token![,]) {
            return Ok(Self { key, value: None });
        }
        if input.parse::<Option<Token![=]>>()?.is_none() {
            return Err(input.error(format!("write `{key} = value`")));
        }
        // A type first: as an expression, the comma of `HashMap<A, B>` would end the value.
        let ahead = input.fork();
        let is_type = ahead.parse::<Type>().is_ok() && (ahead.is_empty() || ahead.peek(Token![,]));
        let value = if is_type {
            input.parse::<Type>()?.into_token_stream()
        } else {
            input.parse::<syn::Expr>()?.into_token_stream()
        };
        Ok(Self {
            key,
            value: Some(value),
        })
    }
}

impl Options {
    pub(crate) fn new(attribute: &'static str, known: &'static [&'static str]) -> Self {
        Self {
            attribute,
            known,
            found: Vec::new(),
        }
    }

    /// Reads one more attribute of the kind.
    pub(crate) fn add(&mut self, errors: &mut Errors, attr: &Attribute) {
        match &attr.meta {
            Meta::Path(_) => {}
            Meta::List(list) => self.add_tokens(errors, list.tokens.clone()),
            Meta::NameValue(_) => {
                errors.at(
                    attr,
                    format!("write `#[{}(option = value, ..)]`", self.attribute),
                );
            }
        }
    }

    pub(crate) fn add_tokens(&mut self, errors: &mut Errors, tokens: TokenStream) {
        let list = match Punctuated::<Opt, Token![,]>::parse_terminated.parse2(tokens) {
            Ok(list) => list,
            Err(error) => return errors.push(error),
        };
        for opt in list {
            let key = opt.key.to_string();
            if !self.known.contains(&key.as_str()) {
                errors.at(&opt.key, self.unknown(&key));
            } else if self.found.iter().any(|it| it.key == opt.key) {
                errors.at(&opt.key, format!("`{key}` is given twice"));
            } else {
                self.found.push(opt);
            }
        }
    }

    fn unknown(&self, key: &str) -> String {
        let attribute = self.attribute;
        if self.known.is_empty() {
            return format!("`#[{attribute}]` takes no options");
        }
        let meant = names::closest(key, self.known)
            .map(|it| format!(", did you mean `{it}`?"))
            .unwrap_or_default();
        let known = list(self.known);
        format!("unknown option `{key}`{meant}\n`#[{attribute}]` knows {known}")
    }

    /// The name of `key`, if it is given.
    pub(crate) fn key(&self, key: &str) -> Option<&Ident> {
        self.found.iter().map(|it| &it.key).find(|it| *it == key)
    }

    /// The value of `key`, read by `read`; `None` when it is not given or wrong.
    fn value<T>(
        &self,
        errors: &mut Errors,
        key: &str,
        read: impl FnOnce(TokenStream) -> Result<T, String>,
    ) -> Option<T> {
        let opt = self.found.iter().find(|it| it.key == key)?;
        let tokens = opt.value.clone().unwrap_or_default();
        match read(tokens.clone()) {
            Ok(value) => return Some(value),
            Err(why) if tokens.is_empty() => errors.at(&opt.key, why),
            Err(why) => errors.at(tokens, why),
        }
        None
    }

    pub(crate) fn ty(&self, errors: &mut Errors, key: &str) -> Option<Type> {
        self.value(errors, key, |it| {
            syn::parse2(it).map_err(|_| format!("`{key}` takes a type: `{key} = Type`"))
        })
    }

    pub(crate) fn path(&self, errors: &mut Errors, key: &str) -> Option<Path> {
        self.value(errors, key, |it| {
            syn::parse2(it)
                .map_err(|_| format!("`{key}` takes the path of a function: `{key} = path`"))
        })
    }

    /// An option that is there, or the path of a function that decides.
    pub(crate) fn flag_or_path(&self, errors: &mut Errors, key: &str) -> Option<Option<Path>> {
        self.value(errors, key, |it| {
            if it.is_empty() {
                return Ok(None);
            }
            syn::parse2(it).map(Some).map_err(|_| {
                format!("`{key}` stands alone or takes the path of a function: `{key} = path`")
            })
        })
    }

    /// What clients say, and what they are answered.
    pub(crate) fn auto_reply(&self, errors: &mut Errors, key: &str) -> Option<(LitStr, LitStr)> {
        self.value(errors, key, |it| {
            let text = |it: &Expr| syn::parse2::<LitStr>(it.to_token_stream()).ok();
            let pair: Option<ExprTuple> = syn::parse2(it).ok();
            let texts: Option<Vec<_>> = pair.and_then(|it| it.elems.iter().map(text).collect());
            match texts.as_deref() {
                Some([request, response]) => Ok((request.clone(), response.clone())),
                _ => Err(format!(
                    "`{key}` takes what clients say and what they are answered: `{key} = (\"ping\", \"pong\")`"
                )),
            }
        })
    }

    /// Another variant of the same enum.
    pub(crate) fn variant(&self, errors: &mut Errors, key: &str) -> Option<Ident> {
        self.value(errors, key, |it| {
            syn::parse2(it).map_err(|_| format!("`{key}` takes a variant: `{key} = Failed`"))
        })
    }

    /// A name on the wire.
    pub(crate) fn name(&self, errors: &mut Errors, key: &str) -> Option<LitStr> {
        self.value(errors, key, |it| {
            let name: LitStr =
                syn::parse2(it).map_err(|_| format!("`{key}` takes a string: `{key} = \"..\"`"))?;
            match name.value().len() {
                0 => Err("a name cannot be empty".to_owned()),
                65.. => Err("a name has at most 64 bytes".to_owned()),
                _ => Ok(name),
            }
        })
    }

    /// A whole number of at least one.
    pub(crate) fn count(&self, errors: &mut Errors, key: &str) -> Option<LitInt> {
        self.value(errors, key, |it| {
            let number: LitInt = syn::parse2(it)
                .map_err(|_| format!("`{key}` takes a whole number: `{key} = 64`"))?;
            match number.base10_parse::<u32>() {
                Ok(0) => Err(format!("`{key}` has to be at least 1")),
                Ok(_) => Ok(number),
                Err(_) => Err(format!("`{key}` is at most {}", u32::MAX)),
            }
        })
    }

    /// Something that is done or not.
    pub(crate) fn switch(&self, errors: &mut Errors, key: &str) -> Option<bool> {
        self.value(errors, key, |it| {
            let value: LitBool = syn::parse2(it)
                .map_err(|_| format!("`{key}` is `true` or `false`: `{key} = false`"))?;
            Ok(value.value)
        })
    }

    /// An HTTP status of a failure.
    pub(crate) fn status(&self, errors: &mut Errors, key: &str) -> Option<LitInt> {
        self.value(errors, key, |it| {
            let number = syn::parse2::<LitInt>(it).ok();
            let fits = |it: &LitInt| {
                it.base10_parse()
                    .is_ok_and(|it: u16| (400..600).contains(&it))
            };
            number.filter(fits).ok_or_else(|| {
                "a status of a failure is a number from 400 to 599: `status = 409`".to_owned()
            })
        })
    }

    /// How long something may take.
    pub(crate) fn millis(&self, errors: &mut Errors, key: &str) -> Option<u64> {
        self.value(errors, key, millis)
    }

    /// How long to wait for something that may never come.
    pub(crate) fn wait(&self, errors: &mut Errors, key: &str) -> Option<Wait> {
        self.value(errors, key, |it| {
            if syn::parse2::<LitStr>(it.clone()).is_ok_and(|it| it.value() == "never") {
                return Ok(Wait::Never);
            }
            millis(it)
                .map(Wait::Millis)
                .map_err(|why| why + ", or `\"never\"`")
        })
    }

    pub(crate) fn durability(&self, errors: &mut Errors, key: &str) -> Option<Durability> {
        const KNOWN: [(&str, Durability); 3] = [
            ("acked", Durability::Acked),
            ("relaxed", Durability::Relaxed),
            ("none", Durability::None),
        ];
        self.value(errors, key, |it| one_of(key, it, &KNOWN))
    }

    pub(crate) fn crash(&self, errors: &mut Errors, key: &str) -> Option<Crash> {
        const KNOWN: [(&str, Crash); 3] = [
            ("sleep", Crash::Sleep),
            ("restart", Crash::Restart),
            ("destroy", Crash::Destroy),
        ];
        self.value(errors, key, |it| one_of(key, it, &KNOWN))
    }

    pub(crate) fn case(&self, errors: &mut Errors, key: &str) -> Option<Case> {
        self.value(errors, key, |it| {
            one_of(key, it, &Case::ALL.map(|case| (case.name(), case)))
        })
    }

    /// An option that is there or not.
    pub(crate) fn flag(&self, errors: &mut Errors, key: &str) -> bool {
        let Some(opt) = self.found.iter().find(|it| it.key == key) else {
            return false;
        };
        if let Some(value) = &opt.value {
            errors.at(value, format!("`{key}` takes no value"));
        }
        true
    }
}

fn one_of<T: Copy>(key: &str, tokens: TokenStream, known: &[(&str, T)]) -> Result<T, String> {
    let words: Vec<String> = known.iter().map(|it| format!("\"{}\"", it.0)).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let found = syn::parse2::<LitStr>(tokens)
        .map(|it| it.value())
        .unwrap_or_default();
    let found = known.iter().find(|it| it.0 == found).map(|it| it.1);
    found.ok_or_else(|| format!("`{key}` is one of {}", list(&words)))
}

fn millis(tokens: TokenStream) -> Result<u64, String> {
    const HOW: &str = "write a duration as a whole number and a unit: `\"250ms\"`, `\"30s\"`, \
                       `\"5m\"` or `\"1h\"`";
    let text = syn::parse2::<LitStr>(tokens).map_err(|_| HOW)?.value();
    let digits = text.trim_end_matches(|it: char| it.is_ascii_alphabetic());
    let unit = match &text[digits.len()..] {
        "ms" => 1,
        "s" => 1000,
        "m" => 60 * 1000,
        "h" => 60 * 60 * 1000,
        _ => return Err(HOW.to_owned()),
    };
    let number: u64 = digits.parse().map_err(|_| HOW)?;
    match number.checked_mul(unit) {
        Some(0) => Err("a duration has to be longer than zero".to_owned()),
        Some(millis) => Ok(millis),
        None => Err(HOW.to_owned()),
    }
}

fn list(words: &[&str]) -> String {
    words
        .iter()
        .map(|it| format!("`{it}`"))
        .collect::<Vec<_>>()
        .join(", ")
}
