//! The Python script of a model card: computes the same as `softprompt predict`, with transformers alone or with PEFT. It is
//! assembled from the files in `python/`, in which words between `@` are replaced.

use super::{Adapter, MANIFEST_FILE, TENSORS_FILE};
use crate::config::{Generator, HeadKind, Method, Reads, Vote};

/// The script in the card: with PEFT if PEFT can load the adapter.
pub(super) fn write(adapter: &Adapter) -> String {
    if adapter.is_peft() { filled(adapter, include_str!("python/peft.py").to_owned()) } else { plain(adapter) }
}

/// A string as JSON, which YAML and Python also accept.
pub(super) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// The script with only torch and transformers.
fn plain(adapter: &Adapter) -> String {
    let prompt = &adapter.config.prompt;
    let load = include_str!("python/load.py");
    let head = include_str!("python/head.py");
    let rows = include_str!("python/prompt.py");
    let template = match adapter.method() {
        Method::Probe => [load, include_str!("python/probe.py"), head].concat(),
        Method::Efficient if prompt.efficient.update => [load, include_str!("python/update.py"), rows, head].concat(),
        Method::Deep => [load, include_str!("python/deep.py"), head].concat(),
        Method::Ensemble => [load, include_str!("python/ensemble.py")].concat(),
        Method::Late => {
            let made = match prompt.late.generator {
                Generator::None => "prompt = tensors[\"prompt_embeddings\"]",
                Generator::Naive => include_str!("python/late_naive.py"),
                Generator::Average | Generator::Max => include_str!("python/late_pooled.py"),
            };
            [load, &include_str!("python/late.py").replace("@PROMPT@", made.trim_end()), head].concat()
        }
        Method::Prompt | Method::Efficient | Method::Progressive | Method::Auto => [load, rows, head].concat(),
    };
    filled(adapter, template)
}

/// A script with the placeholders replaced.
fn filled(adapter: &Adapter, template: String) -> String {
    let (prompt, length) = (&adapter.config.prompt, adapter.prompt_length());
    let pool = if prompt.late.generator == Generator::Max { "adaptive_max_pool1d" } else { "adaptive_avg_pool1d" };
    let read = match prompt.late.reads {
        Reads::First => "rows[0]",
        Reads::Mean => "rows.mean(0)",
    };
    let vote = match prompt.ensemble.vote {
        Vote::Mean => "members.mean(0)",
        // The mean probability counts as one more vote, which breaks ties.
        Vote::Majority => {
            "(torch.nn.functional.one_hot(members.argmax(-1), classes).sum(0) + members.mean(0)) / (len(members) + 1)"
        }
    };
    let words = [
        ("@LAYER@", prompt.late.layer.map_or("encoder.config.num_hidden_layers // 2".to_owned(), |layer| layer.to_string())),
        ("@POOL@", pool.to_owned()),
        ("@READ@", read.to_owned()),
        ("@VOTE@", vote.to_owned()),
        ("@FEATURES@", features(adapter)),
        ("@LENGTH@", length.to_string()),
        ("@MAX_TOKENS@", adapter.config.data.max_tokens.to_string()),
        ("@MANIFEST@", MANIFEST_FILE.to_owned()),
        ("@TENSORS@", TENSORS_FILE.to_owned()),
        // Last, because a name may contain anything.
        ("@BASE@", quoted(&adapter.base_model.name)),
    ];
    words.iter().fold(template, |text, (word, value)| text.replace(word, value))
}

/// The same as a program: `classify.py`, for texts line by line. Never with PEFT, which does not work with every version of
/// transformers.
pub(super) fn program(adapter: &Adapter) -> String {
    let script = plain(adapter);
    let lines: Vec<&str> = script.lines().collect();
    // The part for each text begins with the first line that uses the text.
    let first = lines.iter().position(|line| line.contains(TEXT)).unwrap_or(lines.len());
    let setup = lines[..first].join("\n").replace(FOLDER, ", os.path.dirname(os.path.abspath(__file__))\n");
    let body = lines[first..].iter().fold(String::new(), |body, line| {
        let line = line.replace(TEXT, "text");
        let line = match line.strip_prefix("print(").and_then(|rest| rest.strip_suffix(')')) {
            Some(result) => format!("return {result}"),
            None => line,
        };
        if line.is_empty() { body + "\n" } else { body + "    " + &line + "\n" }
    });
    format!(
        "{}{setup}\n\n\ndef classify(text, weight=weight, bias=bias):\n{body}\n\n{}",
        include_str!("python/begin.py"),
        include_str!("python/end.py")
    )
}

/// The example text in the script.
const TEXT: &str = "\"a text\"";
/// The folder in the script.
const FOLDER: &str = ", \".\"\n";

/// The pooled features, from the hidden states of a text after its prompt.
fn features(adapter: &Adapter) -> String {
    // Prefix rows are not among the hidden states.
    let first = if adapter.method() == Method::Deep { 0 } else { adapter.prompt_length() };
    let scale = adapter.config.head.feature_scale;
    match adapter.config.head.kind {
        HeadKind::Mean => format!("rows.mean(0) * {scale:?}"),
        HeadKind::Text => format!("rows[{first}:].mean(0) * {scale:?}"),
        HeadKind::Cls => format!("rows[{first}] * {scale:?}"),
        HeadKind::Peft => "encoder.pooler(rows[None])[0]".to_owned(),
    }
}
