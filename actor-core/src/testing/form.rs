//! One actor's stored form, and whether it may follow another under the same version. It reads lines as
//! the macro writes them, and judges by what serde makes of them.

use std::collections::BTreeSet;

/// One actor's stored form.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Form {
    pub(super) version: u32,
    /// What serde is told of all fields, then a line for each of them.
    pub(super) lines: Vec<String>,
}

impl Form {
    /// Whether what has the form `old` is read as this one, with nobody's help.
    pub(super) fn reads(&self, old: &Self) -> bool {
        let (new, old) = (Fields::of(&self.lines), Fields::of(&old.lines));
        // Of all fields at once no more can be said than that they may be missing.
        if new.told != old.told || (old.has_defaults && !new.has_defaults) {
            return false;
        }
        let is_read = |it: &Field<'_>| new.fields.iter().any(|new| new.meets(it));
        if new.told.contains("deny_unknown_fields") && !old.fields.iter().all(is_read) {
            return false;
        }
        let is_default = |it: &Field<'_>| new.has_defaults || it.is_default;
        new.fields.iter().all(|field| {
            let before: Vec<_> = old.fields.iter().filter(|it| it.meets(field)).collect();
            match before[..] {
                [] => is_default(field),
                [before] => field.reads(before) && (is_default(field) || !before.is_default),
                // One of them only could be read.
                _ => false,
            }
        })
    }
}

/// A form in parts.
#[derive(Default)]
struct Fields<'a> {
    /// What serde is told of all of them, but that they may be missing.
    told: BTreeSet<&'a str>,
    has_defaults: bool,
    fields: Vec<Field<'a>>,
}

/// A field in parts.
struct Field<'a> {
    /// Under which it is written, or was, or is read too.
    names: BTreeSet<&'a str>,
    /// What else serde is told of it, but that it may be missing.
    told: BTreeSet<&'a str>,
    is_default: bool,
    ty: &'a str,
}

impl<'a> Fields<'a> {
    fn of(lines: &'a [String]) -> Self {
        let mut fields = Self::default();
        for line in lines {
            let (mut told, rest) = attributes(line);
            let is_default = told.iter().any(|it| is_called(it, "default"));
            told.retain(|it| !is_called(it, "default"));
            if rest.is_empty() {
                fields.told.extend(told);
                fields.has_defaults |= is_default;
                continue;
            }
            let (own, ty) = rest.split_once(": ").unwrap_or((rest, ""));
            let named = |key| told.iter().filter_map(move |it| value(it, key));
            let own = named("rename").next().unwrap_or(own);
            let names = named("alias").chain([own]).collect();
            told.retain(|it| value(it, "rename").is_none() && value(it, "alias").is_none());
            fields.fields.push(Field {
                names,
                told: told.into_iter().collect(),
                is_default,
                ty,
            });
        }
        fields
    }
}

impl Field<'_> {
    /// Whether the two have a name in common.
    fn meets(&self, other: &Self) -> bool {
        !self.names.is_disjoint(&other.names)
    }

    /// Whether it reads whatever `old` has written and has read.
    fn reads(&self, old: &Self) -> bool {
        self.names.is_superset(&old.names) && (self.ty, &self.told) == (old.ty, &old.told)
    }
}

/// Parts what stands in `#[serde(..)]`, and other attributes, from what they are of.
fn attributes(line: &str) -> (Vec<&str>, &str) {
    let (mut told, mut rest) = (Vec::new(), line);
    while let Some(inner) = rest.strip_prefix("#[") {
        let Some(end) = ends(inner, ']').next() else {
            break;
        };
        let attribute = &inner[..end];
        rest = inner[end + 1..].trim_start();
        let of_serde = attribute.strip_prefix("serde(");
        match of_serde.and_then(|it| it.strip_suffix(')')) {
            Some(items) => {
                let mut start = 0;
                for end in ends(items, ',').chain([items.len()]) {
                    told.push(items[start..end].trim());
                    start = end + 1;
                }
            }
            None => told.push(attribute),
        }
    }
    (told, rest)
}

/// Where `end` stands in `text`, but in brackets and strings.
fn ends(text: &str, end: char) -> impl Iterator<Item = usize> {
    let (mut depth, mut in_text, mut is_escaped) = (0_usize, false, false);
    text.char_indices().filter_map(move |(at, it)| {
        let was_escaped = is_escaped;
        is_escaped = in_text && it == '\\' && !was_escaped;
        match it {
            '"' if !was_escaped => in_text = !in_text,
            _ if in_text => {}
            _ if it == end && depth == 0 => return Some(at),
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        None
    })
}

/// Whether `told` is `key`, with a value or without.
fn is_called(told: &str, key: &str) -> bool {
    told == key || value(told, key).is_some()
}

/// The text of `key = ".."`.
fn value<'a>(told: &'a str, key: &str) -> Option<&'a str> {
    let value = told.strip_prefix(key)?.strip_prefix(" = ")?;
    value.strip_prefix('"')?.strip_suffix('"')
}

#[cfg(test)]
mod tests {
    use super::*;

    const DENY: &str = "#[serde(deny_unknown_fields)]";
    const OLD: &[&str] = &["a: u32", "b: Vec<(u8, String)>"];

    fn reads(new: &[&str], old: &[&str]) -> bool {
        let form = |lines: &[&str]| Form {
            version: 1,
            lines: lines.iter().map(ToString::to_string).collect(),
        };
        form(new).reads(&form(old))
    }

    #[test]
    fn a_form_reads_what_serde_reads() {
        for (new, fine) in [
            (OLD, true),
            (&["b: Vec<(u8, String)>", "a: u32"], true),
            // Fields that go and come.
            (&["a: u32"], true),
            (&[OLD[0], OLD[1], "c: u8"], false),
            (&[OLD[0], OLD[1], "#[serde(default)] c: u8"], true),
            (
                &[OLD[0], OLD[1], "#[serde(default = \"nine\")] c: u8"],
                true,
            ),
            (
                &[OLD[0], OLD[1], "#[serde(rename = \"default\")] c: u8"],
                false,
            ),
            // Only what stands by itself counts.
            (
                &[OLD[0], OLD[1], "#[serde(bound(a, default, b))] c: u8"],
                false,
            ),
            (
                &[OLD[0], OLD[1], "#[serde(with = \"a, default, b\")] c: u8"],
                false,
            ),
            (
                &[
                    OLD[0],
                    OLD[1],
                    r#"#[serde(with = "\", default, \"")] c: u8"#,
                ],
                false,
            ),
            // Fields that change.
            (&["a: u64", OLD[1]], false),
            (&["#[serde(default)] a: u32", OLD[1]], true),
            (&["#[serde(default)] a: u64", OLD[1]], false),
            (
                &["#[serde(default, with = \"text\")] a: u32", OLD[1]],
                false,
            ),
            (
                &["#[serde(with = \"text, (default\")] a: u32", OLD[1]],
                false,
            ),
        ] {
            assert_eq!(reads(new, OLD), fine, "{new:?}");
        }
    }

    #[test]
    fn a_field_is_read_under_its_names() {
        for (new, fine) in [
            // Names that change.
            (&["#[serde(alias = \"a\")] c: u32", OLD[1]][..], true),
            (&["#[serde(alias = \"a\")] c: u64", OLD[1]], false),
            (&["#[serde(rename = \"a\")] c: u32", OLD[1]], true),
            (&["#[serde(rename = \"a\", default)] c: u8", OLD[1]], false),
            (&["#[serde(rename = \"c\")] a: u32", OLD[1]], false),
            (
                &["#[serde(rename = \"c\", alias = \"a\")] d: u32", OLD[1]],
                true,
            ),
            (
                &["#[serde(default, alias = \"a\", alias = \"b\")] c: u32"],
                false,
            ),
            // What is said of all fields.
            (&["#[serde(default)]", OLD[0], OLD[1], "c: u8"], true),
            (&["#[serde(default)]", "a: u64", OLD[1]], false),
            (&[DENY, OLD[0], OLD[1]], false),
            (
                &["#[serde(rename_all = \"camelCase\")]", OLD[0], OLD[1]],
                false,
            ),
        ] {
            assert_eq!(reads(new, OLD), fine, "{new:?}");
        }
    }

    #[test]
    fn what_serde_was_told_is_not_taken_back() {
        let kept = "#[serde(default)] a: u32";
        let alias = "#[serde(default, alias = \"b\")] a: u32";
        for (new, old, fine) in [
            (&["a: u32"][..], &[kept][..], false),
            (&["a: u32"], &["#[serde(default)]", "a: u32"], false),
            (
                &["#[serde(default)]", "a: u32"],
                &["#[serde(default)]", kept],
                true,
            ),
            (&[kept], &[alias], false),
            (
                &["c: u32"],
                &["#[serde(rename_all = \"camelCase\")]", "c: u32"],
                false,
            ),
            (
                &["#[serde(deny_unknown_fields)]"],
                &["#[serde(deny_unknown_fields)]", "a: u8"],
                false,
            ),
            (
                &["#[serde(deny_unknown_fields)]", "a: u8"],
                &["#[serde(deny_unknown_fields)]", "a: u8"],
                true,
            ),
        ] {
            assert_eq!(reads(new, old), fine, "{new:?} after {old:?}");
        }
    }

    #[test]
    fn lines_by_hand_are_no_panic() {
        for line in [
            "#[",
            "#[serde(",
            "#[serde(\"",
            "#[serde()] a",
            "#[serde(\\\"])] a: b",
            "é: ü",
            "",
        ] {
            assert!(reads(&[line], &[line]), "{line}");
        }
    }
}
