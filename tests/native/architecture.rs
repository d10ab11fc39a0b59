//! Which module may import which: reads every path in `src/` and fails on an edge that is not in the table below. A new module
//! needs a row, a new dependency a word in a row; both are decisions, made here.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// A file's limit in lines.
const LONGEST: usize = 500;

struct Row {
    /// The module; a row holds for everything below it that has no row of its own.
    module: &'static str,
    /// 1: plain data. 2: tensors and devices. 3: the outside.
    ring: u8,
    /// The modules that it may import, besides itself.
    may: &'static [&'static str],
}

const fn row(module: &'static str, ring: u8, may: &'static [&'static str]) -> Row {
    Row { module, ring, may }
}

const TABLE: &[Row] = &[
    // Ring 1, plain data: bytes in, bytes out.
    row("error", 1, &[]),
    row("rng", 1, &[]),
    row("config", 1, &["error"]),
    row("tensors", 1, &["error"]),
    row("data", 1, &["error", "config", "rng", "tensors"]),
    row("text", 1, &["error", "tensors"]),
    row("eval", 1, &["error", "config", "rng"]),
    row("program", 1, &[]),
    row("model::spec", 1, &[]),
    row("model", 1, &["error", "tensors", "text", "program", "model::spec"]),
    row("adapter", 1, &["error", "config", "eval", "tensors", "model::spec"]),
    row("nearest", 1, &["config", "text", "model::spec", "adapter"]),
    row("report", 1, &["error", "config", "data", "eval", "adapter", "nearest"]),
    row("train::checkpoint", 1, &["error", "config", "tensors", "adapter"]),
    row("engine", 1, &["error", "data", "program", "model::spec"]),
    row("engine::cpu", 1, &["error", "data", "program", "model::spec", "model", "engine"]),
    // Ring 2, tensors and devices. Each row may import those above it, never one below.
    row("engine::wgsl", 2, &["error", "config", "rng", "data", "model::spec", "engine", "engine::cpu"]),
    row("engine::cpu_engine", 2, &["error", "data", "model::spec", "engine", "engine::cpu"]),
    row("engine::wgsl_engine", 2, &["error", "config", "data", "model::spec", "engine", "engine::wgsl"]),
    row(
        "engine::boundary",
        2,
        &["error", "config", "data", "model::spec", "engine", "engine::cpu_engine", "engine::wgsl_engine"],
    ),
    row(
        "engine::compute",
        2,
        &[
            "error",
            "config",
            "data",
            "model::spec",
            "engine",
            "engine::cpu",
            "engine::wgsl",
            "engine::cpu_engine",
            "engine::wgsl_engine",
            "engine::boundary",
        ],
    ),
    row("head", 2, &["error", "config", "model::spec", "engine"]),
    row("encoder", 2, &["error", "config", "tensors", "data", "text", "model::spec", "model", "engine::compute"]),
    row(
        "prompt",
        2,
        &["error", "config", "rng", "data", "text", "model::spec", "model", "engine::cpu", "engine::boundary", "encoder"],
    ),
    row(
        "predict",
        2,
        &[
            "error",
            "config",
            "data",
            "text",
            "eval",
            "adapter",
            "engine",
            "engine::boundary",
            "engine::compute",
            "head",
            "encoder",
            "prompt",
        ],
    ),
    row(
        "train",
        2,
        &[
            "error",
            "config",
            "rng",
            "tensors",
            "data",
            "text",
            "eval",
            "adapter",
            "tensors",
            "engine",
            "engine::boundary",
            "engine::compute",
            "model::spec",
            "model",
            "head",
            "encoder",
            "prompt",
            "predict",
            "report",
            "train::checkpoint",
        ],
    ),
    // Ring 3, the outside: nobody imports them.
    row(
        "cli",
        3,
        &[
            "error",
            "config",
            "data",
            "text",
            "eval",
            "adapter",
            "tensors",
            "nearest",
            "report",
            "engine::compute",
            "model::spec",
            "model",
            "encoder",
            "train::checkpoint",
            "train",
            "predict",
        ],
    ),
    row(
        "web",
        3,
        &[
            "error",
            "config",
            "data",
            "text",
            "eval",
            "adapter",
            "nearest",
            "report",
            "engine::cpu",
            "engine::compute",
            "model",
            "head",
            "encoder",
            "prompt",
            "train::checkpoint",
            "train",
            "predict",
        ],
    ),
    // Only in tests: writes what crosses to the page as TypeScript.
    row("contract", 3, &["error", "config", "data", "text", "eval", "engine::compute", "model", "train", "predict"]),
    // The crate's own root: declares the modules. And the program, which has one line.
    row("lib", 3, &[]),
    row("main", 3, &["cli"]),
];

/// What ring 1 does without.
const NOT_IN_RING_1: &[&str] = &["async", "await", "burn", "burn_wgpu", "cubecl", "pollster", "wgpu"];
/// The outside world, for the command line alone.
const ONLY_IN_CLI: &[&str] =
    &["std::env", "std::fs", "std::io::stderr", "std::io::stdin", "std::io::stdout", "std::net", "std::process"];
/// JavaScript, for `web` alone.
const ONLY_IN_WEB: &[&str] = &["serde_wasm_bindgen", "wasm_bindgen"];

/// The trainer knows no method by name: these are the settings of one, and the types that hold them. What is about methods may.
const METHODS: &[&str] = &["auto", "deep", "efficient", "ensemble", "late", "probe", "progressive"];
const METHOD_TYPES: &[&str] =
    &["AutoConfig", "EfficientConfig", "EnsembleConfig", "LateConfig", "ProgressiveConfig", "PromptConfig"];
const ABOUT_METHODS: &[&str] = &["train/auto.rs", "train/compare.rs", "train/compare/"];

/// A source file: its path below `src/`, with `/`, and its text.
type File = (String, String);

/// Everything wrong with these files.
fn problems(files: &[File], table: &[Row]) -> Vec<String> {
    let mut found = Vec::new();
    for (path, text) in files {
        let module = module_of(path);
        let name = module.join("::");
        let lines = text.lines().count();
        if lines > LONGEST {
            found.push(format!("src/{path}: {lines} lines; more than {LONGEST} are two files"));
        }
        let Some(from) = row_of(&module, table) else {
            found.push(format!("src/{path}: module {name} has no row in the table"));
            continue;
        };
        let words = words(&code(text));
        for path_used in paths(&words) {
            let target = resolve(&path_used, &module);
            match &target {
                Target::Std(full) => {
                    let within = |p: &str| *full == *p || full.starts_with(&format!("{p}::"));
                    // What the program was compiled for is no part of the outside world.
                    let taken = ONLY_IN_CLI.iter().find(|p| within(p) && !within("std::env::consts"));
                    if let Some(taken) = taken.filter(|_| from.module != "cli" && from.module != "main") {
                        found.push(format!("src/{path}: {taken} belongs to src/cli"));
                    }
                }
                Target::Crate(target) if target.is_empty() => {}
                Target::Crate(target) => match row_of(target, table) {
                    None => found.push(format!("src/{path}: crate::{} has no row in the table", target.join("::"))),
                    Some(to) if to.module == from.module || from.may.contains(&to.module) => {}
                    Some(to) => found.push(format!("src/{path}: {} may not import {}", from.module, to.module)),
                },
            }
        }
        let uses = |list: &[&str]| {
            list.iter().filter(|word| words.iter().any(|w| w == *word)).map(|w| (*w).to_owned()).collect::<Vec<_>>()
        };
        if path.starts_with("train/") && !ABOUT_METHODS.iter().any(|about| path.starts_with(about)) {
            found.extend(methods_named(&words).into_iter().map(|name| format!("src/{path}: the trainer names {name}")));
        }
        if from.ring == 1 {
            found.extend(uses(NOT_IN_RING_1).into_iter().map(|word| format!("src/{path}: {word} in ring 1")));
        }
        if from.module != "web" {
            found.extend(uses(ONLY_IN_WEB).into_iter().map(|word| format!("src/{path}: {word} belongs to src/web")));
        }
    }
    found.sort();
    found.dedup();
    found
}

/// Where words name a method or a setting of one: `Method::..`, `prompt.late`, `LateConfig`.
fn methods_named(words: &[String]) -> Vec<String> {
    let mut named: Vec<String> = METHOD_TYPES.iter().filter(|t| words.iter().any(|w| w == *t)).map(|t| (*t).to_owned()).collect();
    named.extend(words.windows(2).filter(|pair| pair[0] == "Method" && pair[1] == "::").map(|_| "a method".to_owned()));
    let setting = |part: &[String]| part[0] == "prompt" && part[1] == "." && METHODS.contains(&part[2].as_str());
    named.extend(words.windows(3).filter(|part| setting(part)).map(|part| format!("prompt.{}", part[2])));
    named
}

/// `data/table/mod.rs` and `data/table.rs` are both `["data", "table"]`.
fn module_of(path: &str) -> Vec<String> {
    let mut parts: Vec<String> = path.trim_end_matches(".rs").split('/').map(str::to_owned).collect();
    if parts.len() > 1 && parts.last().is_some_and(|last| last == "mod") {
        parts.pop();
    }
    parts
}

/// The row with the longest name that holds for a path.
fn row_of<'a>(path: &[String], table: &'a [Row]) -> Option<&'a Row> {
    let holds = |row: &&Row| {
        let parts: Vec<&str> = row.module.split("::").collect();
        parts.len() <= path.len() && parts.iter().zip(path).all(|(a, b)| a == b)
    };
    table.iter().filter(holds).max_by_key(|row| row.module.len())
}

enum Target {
    /// Below the crate's root.
    Crate(Vec<String>),
    /// In the standard library, as one path.
    Std(String),
}

/// Where a path that is used in `module` leads.
fn resolve(path: &[String], module: &[String]) -> Target {
    match path[0].as_str() {
        "std" => Target::Std(path.join("::")),
        "super" => {
            let ups = path.iter().take_while(|part| *part == "super").count();
            let base = &module[..module.len().saturating_sub(ups)];
            Target::Crate(base.iter().chain(&path[ups..]).cloned().collect())
        }
        _ => Target::Crate(path[1..].to_vec()),
    }
}

/// The code without comments, texts and the inline tests at its end, which see only their own file.
fn code(text: &str) -> String {
    let ends = ["\n#[cfg(test)]\nmod ", "\n#[cfg(all(test, not(target_family = \"wasm\")))]\nmod tests"];
    let text = ends.iter().filter_map(|end| text.find(end)).min().map_or(text, |end| &text[..end]);
    let chars: Vec<char> = text.chars().collect();
    let at = |i: usize| chars.get(i).copied().unwrap_or('\0');
    let mut out = String::new();
    let mut i = 0;
    while i < chars.len() {
        match (at(i), at(i + 1)) {
            ('/', '/') => {
                while i < chars.len() && at(i) != '\n' {
                    i += 1;
                }
            }
            ('/', '*') => {
                while i < chars.len() && (at(i), at(i + 1)) != ('*', '/') {
                    i += 1;
                }
                i += 2;
            }
            // A quote as a character is not the start of a text.
            ('\'', '"') => i += 3,
            ('\'', '\\') => i += 4,
            ('r', '"' | '#') if !at(i.wrapping_sub(1)).is_alphanumeric() && raw_text(&chars, i).is_some() => {
                i = raw_text(&chars, i).unwrap_or(i + 1);
                out.push(' ');
            }
            ('"', _) => {
                i += 1;
                while i < chars.len() && at(i) != '"' {
                    i += if at(i) == '\\' { 2 } else { 1 };
                }
                i += 1;
                out.push(' ');
            }
            (c, _) => {
                out.push(c);
                i += 1;
            }
        }
    }
    out
}

/// Behind the raw text that begins at `i`, if one does.
fn raw_text(chars: &[char], i: usize) -> Option<usize> {
    let hashes = chars[i + 1..].iter().take_while(|c| **c == '#').count();
    let start = i + 1 + hashes;
    if chars.get(start) != Some(&'"') {
        return None;
    }
    let end: Vec<char> = std::iter::once('"').chain(std::iter::repeat_n('#', hashes)).collect();
    (start + 1..chars.len()).find(|&j| chars[j..].starts_with(&end)).map(|j| j + end.len())
}

/// Identifiers, `::`, and the signs that matter in a path.
fn words(code: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut chars = code.chars().peekable();
    while let Some(c) = chars.next() {
        if c.is_alphanumeric() || c == '_' {
            let mut word = String::from(c);
            while let Some(next) = chars.next_if(|n| n.is_alphanumeric() || *n == '_') {
                word.push(next);
            }
            words.push(word);
        } else if c == ':' && chars.next_if_eq(&':').is_some() {
            words.push("::".to_owned());
        } else if !c.is_whitespace() {
            words.push(c.to_string());
        }
    }
    words
}

/// Every path that starts at a root that matters, groups taken apart: `use crate::{a::B, c::{D, E}}` is three.
fn paths(words: &[String]) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    for (i, word) in words.iter().enumerate() {
        let root = ["crate", "super", "softprompt", "std"].contains(&word.as_str());
        let first = i == 0 || words[i - 1] != "::";
        if root && first && words.get(i + 1).is_some_and(|next| next == "::") {
            walk(words, i, &mut Vec::new(), &mut found);
        }
    }
    found
}

/// Follows one path from `i`; returns where it ends.
fn walk(words: &[String], mut i: usize, prefix: &mut Vec<String>, found: &mut Vec<Vec<String>>) -> usize {
    let depth = prefix.len();
    loop {
        match words.get(i).map(String::as_str) {
            Some("{") => {
                i += 1;
                while words.get(i).is_some_and(|word| word != "}") {
                    i = if words[i] == "," { i + 1 } else { walk(words, i, prefix, found) };
                }
                prefix.truncate(depth);
                return i + 1;
            }
            Some(word) if word.starts_with(|c: char| c.is_alphabetic() || c == '_') => prefix.push(word.to_owned()),
            // `*`, or `<` of a type's arguments
            _ => break,
        }
        i += 1;
        if words.get(i).is_none_or(|word| word != "::") {
            // `as name`
            if words.get(i).is_some_and(|word| word == "as") {
                i += 2;
            }
            found.push(prefix.clone());
            prefix.truncate(depth);
            return i;
        }
        i += 1;
    }
    found.push(prefix.clone());
    prefix.truncate(depth);
    i + 1
}

/// Circles of imports, as a reader of the folders meets them: in every folder, what lies beside each other (files and folders, with all that
/// is below them) has an order. A file and the folder of its name are one; what a folder's own file shares with those below it is no circle.
fn circles(files: &[File]) -> Vec<String> {
    let modules: BTreeSet<Vec<String>> = files.iter().map(|(path, _)| module_of(path)).collect();
    // Folder -> (importer, imported) -> an example.
    let mut edges: BTreeMap<Vec<String>, BTreeMap<(String, String), String>> = BTreeMap::new();
    for (path, text) in files {
        let module = module_of(path);
        for used in paths(&words(&code(text))) {
            let Target::Crate(target) = resolve(&used, &module) else { continue };
            let known = (1..=target.len()).rev().map(|length| &target[..length]).find(|part| modules.contains(*part));
            let Some(target) = known else { continue };
            let common = module.iter().zip(target).take_while(|(a, b)| a == b).count();
            if let (Some(from), Some(to)) = (module.get(common), target.get(common)) {
                let folder = edges.entry(module[..common].to_vec()).or_default();
                folder.entry((from.clone(), to.clone())).or_insert_with(|| format!("src/{path} uses {}", target.join("::")));
            }
        }
    }
    let mut found = Vec::new();
    for (folder, edges) in &edges {
        // What nothing left points to is taken away again and again; what remains lies on a circle, or between two.
        let mut left: BTreeMap<_, _> = edges.iter().collect();
        loop {
            let from: BTreeSet<&String> = left.keys().map(|(from, _)| from).collect();
            let to: BTreeSet<&String> = left.keys().map(|(_, to)| to).collect();
            let before = left.len();
            left = left.into_iter().filter(|((a, b), _)| to.contains(a) && from.contains(b)).collect();
            if left.len() == before {
                break;
            }
        }
        let folder = folder.join("/");
        found
            .extend(left.iter().map(|((from, to), example)| format!("src/{folder}: {from} and {to} lie on a circle: {example}")));
    }
    found
}

/// Every file below `src/`.
fn sources() -> Vec<File> {
    fn walk(folder: &Path, below: &str, files: &mut Vec<File>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            if entry.path().is_dir() {
                walk(&entry.path(), &format!("{below}{name}/"), files);
            } else if name.ends_with(".rs") {
                files.push((format!("{below}{name}"), std::fs::read_to_string(entry.path()).unwrap()));
            }
        }
    }
    let mut files = Vec::new();
    walk(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), "", &mut files);
    files
}

#[test]
fn imports_point_inward() {
    let files = sources();
    assert!(files.len() > 20, "only {} files found", files.len());
    let found = problems(&files, TABLE);
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn every_row_has_its_module() {
    let modules: BTreeSet<Vec<String>> = sources().iter().map(|(path, _)| module_of(path)).collect();
    for row in TABLE {
        let parts: Vec<String> = row.module.split("::").map(str::to_owned).collect();
        assert!(modules.iter().any(|module| module.starts_with(&parts)), "row {} stands for nothing", row.module);
        for target in row.may {
            assert!(TABLE.iter().any(|other| other.module == *target), "{} may import {target}, which has no row", row.module);
        }
    }
}

/// The table itself: nothing points outward, and no two modules import each other, at any distance.
#[test]
fn the_table_has_an_order() {
    for (i, row) in TABLE.iter().enumerate() {
        for target in row.may {
            let j = TABLE.iter().position(|other| other.module == *target).unwrap();
            assert!(TABLE[j].ring <= row.ring, "{} is in ring {}, {target} in ring {}", row.module, row.ring, TABLE[j].ring);
            assert!(j < i, "{} stands above {target}, which it may import", row.module);
        }
    }
}

#[test]
fn no_folder_has_a_circle() {
    let found = circles(&sources());
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// The negative control: circles of two and of three, in a folder and between folders; and none where there is an order.
#[test]
fn planted_circles_are_found() {
    let circles = |files: &[(&str, &str)]| {
        circles(&files.iter().map(|&(path, text)| (path.to_owned(), text.to_owned())).collect::<Vec<_>>()).len()
    };
    assert_eq!(circles(&[("a/x.rs", "use super::y::Y;"), ("a/y.rs", "use crate::a::x::{X, Z};")]), 2);
    assert_eq!(circles(&[("a/x.rs", "use crate::b::q::Q;"), ("a/y.rs", ""), ("b/q.rs", "use crate::a::y::Y;")]), 2);
    assert_eq!(
        circles(&[("a.rs", "use crate::b::B;"), ("b.rs", "crate::c::f();"), ("c.rs", "use super::{a::A, d};"), ("d.rs", "")]),
        3
    );
    assert_eq!(
        circles(&[("a.rs", "pub use x::X; mod x;"), ("a/x.rs", "use super::A; use super::y::Y;"), ("a/y.rs", "use super::A;")]),
        0
    );
    assert_eq!(circles(&[("a.rs", "use crate::b::B;"), ("b.rs", "use crate::c::C;"), ("c.rs", "use std::fs;")]), 0);
}

/// The negative control: each planted fault is found, alone.
#[test]
fn planted_faults_are_found() {
    let fault = |path: &str, text: &str| problems(&[(path.to_owned(), text.to_owned())], TABLE);
    let expect = |path: &str, text: &str, said: &str| {
        let found = fault(path, text);
        assert!(found.len() == 1 && found[0].contains(said), "{path}: {text:?} gave {found:?}, wanted {said:?}");
    };
    expect("data/table.rs", "use crate::train::run::Run;", "data may not import train");
    expect("data/table.rs", "use crate::{error::Error, encoder::{self, Encoder}, rng::Rng};", "data may not import encoder");
    expect("adapter/mod.rs", "use crate::model::{spec::EncoderSpec, *};", "adapter may not import model");
    expect("data/table/decode.rs", "use super::super::super::text::tokenizer::Tokenizer;", "data may not import text");
    expect("eval.rs", "fn f() -> crate::adapter::Adapter { todo() }", "eval may not import adapter");
    expect("engine/cpu/pool.rs", "use super::super::wgsl::device::Gpu;", "engine::cpu may not import engine::wgsl");
    expect("predict.rs", "use crate::cli::args as a;", "predict may not import cli");
    expect("surprise.rs", "", "module surprise has no row");
    expect("data/table.rs", "use crate::surprise::S;", "crate::surprise::S has no row");
    expect("adapter/mod.rs", "use burn::tensor::Tensor;", "burn in ring 1");
    expect("text/tokenizer.rs", "pub async fn load() {}", "async in ring 1");
    expect("model/weights.rs", "use std::{fmt, fs::File};", "std::fs belongs to src/cli");
    expect("train/run.rs", "let f = std::fs::read(p);", "std::fs belongs to src/cli");
    expect("train/run.rs", "use wasm_bindgen::prelude::*;", "wasm_bindgen belongs to src/web");
    expect("train/step.rs", "let budget = config.prompt.late.cache_mb << 20;", "the trainer names prompt.late");
    expect("train/run/rounds.rs", "if let Method::Late = method {}", "the trainer names a method");
    expect("train/run.rs", "fn f(LateConfig { layer, .. }: LateConfig) {}", "the trainer names LateConfig");
    expect("rng.rs", &"// line\n".repeat(LONGEST + 1), "lines");
}

/// And what is allowed, or only looks like an import, passes.
#[test]
fn what_is_allowed_passes() {
    for (path, text) in [
        ("train/run.rs", "use super::event::Event; use crate::{error::{Error, Result}, data::batch::{self, PackedBatch}};"),
        (
            "data/table.rs",
            "/// See [`crate::train::run::Run`].\n// crate::web\n/* burn */ const S: &str = \"crate::cli wgpu \\\" burn\";",
        ),
        (
            "data/table.rs",
            "const S: &str = r#\"a \" crate::web::x\"#; const Q: char = '\"'; use crate::error::Error; const R: char = '\"';",
        ),
        ("rng.rs", "pub(crate) struct S;\n\n#[cfg(test)]\nmod tests {\n    use super::S;\n}\n"),
        ("train/run.rs", "/// [`Method::Auto`]\nlet (a, b) = (config.prompt.prune, config.prompt.method);"),
        ("train/auto.rs", "let share = config.prompt.auto.share; let method = Method::Auto;"),
        ("train/compare/plan.rs", "config.prompt.efficient.fusion = false; let method = Method::Efficient;"),
        ("cli/files.rs", "use std::fs; use crate::train::run::Run;"),
        ("main.rs", "fn main() -> std::process::ExitCode { softprompt::cli::main() }"),
        ("web.rs", "use wasm_bindgen::prelude::*;"),
    ] {
        let found = problems(&[(path.to_owned(), text.to_owned())], TABLE);
        assert!(found.is_empty(), "{path}: {found:?}");
    }
}
