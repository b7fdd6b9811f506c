//! House rules that no lint knows, checked by `cargo test`.

#![allow(
    clippy::unwrap_used,
    reason = "helpers of tests are tests, which clippy does not see"
)]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// Longest file allowed, its `mod tests` not counted.
const MAX_LINES: usize = 500;

/// Longest program of an example, which is read from top to bottom.
const MAX_EXAMPLE: usize = 150;

const CRATES: &[&str] = &[
    "actor-core",
    "actor-macros",
    "actor-axum",
    "benchmarks",
    "benchmarks/server",
    "examples/axum-app",
    "examples/chat",
    "examples/counter",
    "examples/cursors",
    "examples/game",
    "examples/jobs",
    "examples/limiter",
    "examples/notes",
    "examples/reminders",
    "examples/testing",
    "examples/tokens",
    "tests/fixtures",
];

/// Modules of `actor-core`, lowest first. A module may name itself and lower lines only; neighbours on
/// a line do not know each other.
const LAYERS: &[&[&str]] = &[
    &["clock", "value"],
    &["error", "id", "key", "config", "metrics"],
    &["protocol", "storage"],
    &["journal"],
    &[
        "lifecycle",
        "connection",
        "idempotency",
        "kv",
        "queue",
        "request",
        "schedule",
        "sql",
    ],
    &["actor"],
    &["cell"],
    &["registry"],
    &["gateway", "inspector"],
    &["testing", "prelude", "__private"],
];

/// Names that say nothing about what lives in a module.
const EMPTY_NAMES: &[&str] = &[
    "utils", "util", "helpers", "common", "types", "manager", "misc",
];

#[test]
fn files_are_short_and_say_what_they_are() {
    let mut bad = Vec::new();
    for file in CRATES.iter().flat_map(|it| sources(it)) {
        let text = fs::read_to_string(&file).unwrap();
        let lines = text
            .split("#[cfg(test)]\nmod tests {")
            .next()
            .unwrap()
            .lines()
            .count();
        if MAX_LINES < lines {
            bad.push(format!("{}: {lines} lines", file.display()));
        }
        if !text.starts_with("//!") {
            bad.push(format!("{}: no `//!` on the first line", file.display()));
        }
    }
    assert!(bad.is_empty(), "{bad:#?}");
}

#[test]
fn examples_are_short_tested_and_listed() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let readme = fs::read_to_string(root.join("README.md")).unwrap();
    let mut bad = Vec::new();
    for example in CRATES.iter().filter_map(|it| it.strip_prefix("examples/")) {
        let source = root.join("examples").join(example).join("src");
        let program = fs::read_to_string(source.join("main.rs")).unwrap();
        if MAX_EXAMPLE < program.lines().count() {
            bad.push(format!("{example}: {} lines", program.lines().count()));
        }
        let tests = fs::read_to_string(source.join("tests.rs")).unwrap_or_default();
        if !tests.contains("#[tokio::test") {
            bad.push(format!("{example}: no test"));
        }
        if !readme.contains(&format!("| `cargo run -p {example}` |")) {
            bad.push(format!("{example}: not in the README"));
        }
    }
    assert!(bad.is_empty(), "{bad:#?}");
}

#[test]
fn modules_have_names() {
    let mut bad = Vec::new();
    for file in CRATES.iter().flat_map(|it| sources(it)) {
        let named_after = match file.file_stem().unwrap().to_str().unwrap() {
            "mod" => file
                .parent()
                .unwrap()
                .file_name()
                .unwrap()
                .to_str()
                .unwrap(),
            stem => stem,
        };
        if EMPTY_NAMES.contains(&named_after) {
            bad.push(file.display().to_string());
        }
    }
    assert!(bad.is_empty(), "{bad:#?}");
}

#[test]
fn layers_hold() {
    let mut bad = Vec::new();
    for file in sources("actor-core") {
        let module = module_of(&file);
        let Some(own) = rank(&module) else { continue };
        for used in crate_paths(&fs::read_to_string(&file).unwrap()) {
            let fine = used == module || rank(&used).is_none_or(|it| it < own);
            if !fine {
                bad.push(format!(
                    "{}: `{module}` may not name `{used}`",
                    file.display()
                ));
            }
        }
    }
    assert!(bad.is_empty(), "{bad:#?}");
}

#[test]
fn every_module_has_a_layer() {
    let known: BTreeSet<&str> = LAYERS.iter().copied().flatten().copied().collect();
    let modules = sources("actor-core")
        .iter()
        .map(|it| module_of(it))
        .collect::<BTreeSet<_>>();
    let bad: Vec<_> = modules
        .iter()
        .filter(|it| *it != "lib" && !known.contains(it.as_str()))
        .collect();
    assert!(bad.is_empty(), "{bad:?}");
}

/// The papers name rules by id; each id that code cites has to be explained in ARCHITECTURE.md.
#[test]
fn cited_rules_are_explained() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let paper = fs::read_to_string(root.join("ARCHITECTURE.md")).unwrap();
    let explained: BTreeSet<String> = paper
        .lines()
        .filter_map(|it| it.strip_prefix("| ")?.split(" | ").next())
        .flat_map(|it| it.split(", ").map(str::to_owned))
        .collect();
    let mut bad = BTreeSet::new();
    for file in ["actor-core", "actor-axum"]
        .iter()
        .flat_map(|it| sources(it))
    {
        for line in fs::read_to_string(&file).unwrap().lines() {
            let Some((_, comment)) = line.split_once("//") else {
                continue;
            };
            bad.extend(
                rule_ids(comment)
                    .filter(|it| !explained.contains(*it))
                    .map(|it| format!("{}: {it}", file.display())),
            );
        }
    }
    assert!(bad.is_empty(), "{bad:#?}");
}

/// Words such as `P2`: one of the letters that rules begin with, and one or two digits.
fn rule_ids(text: &str) -> impl Iterator<Item = &str> {
    text.split(|it: char| !it.is_alphanumeric()).filter(|word| {
        let mut chars = word.chars();
        let letter = chars.next().is_some_and(|it| "ABCGHKPST".contains(it));
        let digits = chars.as_str();
        letter && (1..=2).contains(&digits.len()) && digits.bytes().all(|it| it.is_ascii_digit())
    })
}

/// Tests of behaviour have their registries, clocks and storage from the kit that users have. What the kit
/// cannot do, it learns; where a test is of what the kit stands for, a comment above says so.
#[test]
fn behaviour_is_tested_with_the_kit() {
    const BY_HAND: &[&str] = &[
        "Registry::builder(",
        "registry_over(&",
        "Memory::new(",
        "Faults::new(",
        "impl Clock for",
    ];
    let it = Path::new(env!("CARGO_MANIFEST_DIR")).join("it");
    let mut bad = Vec::new();
    for file in rust_files(it) {
        let text = fs::read_to_string(&file).unwrap();
        let mut above = "";
        for (at, line) in text.lines().enumerate() {
            let is_by_hand = BY_HAND.iter().any(|it| line.contains(it));
            if is_by_hand && !above.trim_start().starts_with("// By hand: ") {
                bad.push(format!("{}:{}: {}", file.display(), at + 1, line.trim()));
            }
            above = line;
        }
    }
    assert!(bad.is_empty(), "{bad:#?}");
}

#[test]
fn every_crate_is_looked_at() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let manifest = fs::read_to_string(root.join("Cargo.toml")).unwrap();
    let (_, members) = manifest.split_once("members = [").unwrap();
    let (members, _) = members.split_once(']').unwrap();
    let unknown: Vec<_> = members
        .split('"')
        .skip(1)
        .step_by(2)
        .filter(|it| *it != "tests" && !CRATES.contains(it))
        .collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}

fn rank(module: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| layer.contains(&module))
}

/// First path segment after every `crate::` in code, the first level of `crate::{a, b::c}` included.
fn crate_paths(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let code: String = text
        .lines()
        .map(|it| without_comment(it).to_owned() + "\n")
        .collect();
    for (at, _) in code.match_indices("crate::") {
        // `$crate::` and `other_crate::` are something else.
        if code[..at].ends_with(|it: char| it == '$' || it == '_' || it.is_alphanumeric()) {
            continue;
        }
        let rest = &code[at + "crate::".len()..];
        let Some(list) = rest.strip_prefix('{') else {
            found.insert(ident(rest));
            continue;
        };
        let (mut depth, mut start) = (0, true);
        for (i, c) in list.char_indices() {
            match c {
                '{' => depth += 1,
                '}' if depth == 0 => break,
                '}' => depth -= 1,
                ',' if depth == 0 => start = true,
                c if start && !c.is_whitespace() => {
                    found.insert(ident(&list[i..]));
                    start = false;
                }
                _ => {}
            }
        }
    }
    found
}

/// Docs may link up; code may not look up.
fn without_comment(line: &str) -> &str {
    if line.trim_start().starts_with("//") {
        ""
    } else {
        line
    }
}

fn ident(text: &str) -> String {
    text.chars()
        .take_while(|it| it.is_alphanumeric() || *it == '_')
        .collect()
}

fn module_of(file: &Path) -> String {
    let src = file.to_str().unwrap().rsplit_once("/src/").unwrap().1;
    src.split(['/', '.']).next().unwrap().to_owned()
}

/// The source files of a crate. Snapshots of expansions and files of the guide are not source.
fn sources(krate: &str) -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    rust_files(root.join(krate).join("src"))
}

fn rust_files(folder: PathBuf) -> Vec<PathBuf> {
    let mut todo = vec![folder];
    let mut files = Vec::new();
    while let Some(path) = todo.pop() {
        if path.is_dir() {
            if !path.ends_with("snapshots") && !path.ends_with("docs") {
                todo.extend(fs::read_dir(path).unwrap().map(|it| it.unwrap().path()));
            }
        } else if path.extension().is_some_and(|it| it == "rs") {
            files.push(path);
        }
    }
    files
}

#[test]
fn crate_paths_reads_lists() {
    let code = "use crate::{a::{b, c}, d};\n// crate::doc\nfn f() { crate::e::g(); $crate::h() }";
    assert_eq!(
        crate_paths(code).into_iter().collect::<Vec<_>>(),
        ["a", "d", "e"]
    );
}
