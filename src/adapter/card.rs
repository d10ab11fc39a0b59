//! `README.md` of an adapter: the model card, with code that loads it in Python.

use std::fmt::Write as _;

use super::script::{self, quoted};
use super::{Adapter, CARD_FILE, CONFIG_FILE, MANIFEST_FILE, SCRIPT_FILE, TENSORS_FILE};
use crate::config::{Generator, HeadKind, Method, Reads, Shrink};

/// The text of `README.md`.
pub(super) fn write(adapter: &Adapter) -> String {
    let sections = [front(adapter), labels(adapter), figures(adapter), usage(adapter), limits(adapter)];
    sections.join("\n")
}

fn front(adapter: &Adapter) -> String {
    let base = quoted(&adapter.base_model.name);
    let library = if adapter.is_peft() { "peft" } else { "softprompt" };
    let what = what(adapter);
    let reads = match adapter.config.head.kind {
        HeadKind::Mean if adapter.method() == Method::Deep => "the mean of the text's hidden states in the last layer",
        HeadKind::Mean => "the mean of all hidden states of the last layer, including the prompt rows",
        HeadKind::Text => "the mean of the text's hidden states in the last layer",
        HeadKind::Cls => "the hidden state of `[CLS]` in the last layer",
        HeadKind::Peft => "the first hidden state of the last layer, through the encoder's pooler (PEFT's convention)",
    };
    let hash = adapter.base_model.sha256.as_deref().unwrap_or("unknown");
    format!(
        "---\nbase_model: {base}\nlibrary_name: {library}\npipeline_tag: text-classification\ntags:\n- prompt-tuning\n- softprompt\n---\n\n\
         # Text classifier with {} classes\n\n{what}\n\nEncoder: `{}` (SHA-256 of `model.safetensors`: `{hash}`). Pooling: {reads}.\n",
        adapter.labels.len(),
        adapter.base_model.name.replace(['`', '\n', '\r'], " "),
    )
}

/// What was trained, as a paragraph.
fn what(adapter: &Adapter) -> String {
    let (prompt, length) = (&adapter.config.prompt, adapter.prompt_length());
    let mut text = match adapter.method() {
        Method::Probe => {
            return "A linear classifier on the frozen encoder, without a prompt (a linear probe).".to_owned();
        }
        Method::Late => {
            let made = match prompt.late.generator {
                Generator::None => "the same for every text",
                Generator::Naive if prompt.late.reads == Reads::Mean => {
                    "computed by a generator from the mean of the text's hidden states"
                }
                Generator::Naive => "computed by a generator from the hidden state of `[CLS]`",
                Generator::Average | Generator::Max => "computed by a generator from parts of the text",
            };
            let layer = prompt.late.layer.or(adapter.base_model.layers.map(|layers| layers / 2));
            let layer = layer.map_or("half of the layers".to_owned(), |layer| format!("layer {layer}"));
            format!(
                "A late soft prompt of {length} virtual tokens, {made}, inserted after {layer} (late prompt tuning, \
                     Liu et al. 2022), and a linear head"
            )
        }
        Method::Efficient => {
            let update = if prompt.efficient.update { " and a low-rank update of the text embeddings" } else { "" };
            format!(
                "A soft prompt of {length} virtual tokens{update} (EPT, Lan et al. 2024, on DePT, Shi and Lipani 2024), and a \
                     linear head"
            )
        }
        Method::Deep => {
            format!("Keys and values of {length} prefix rows in every layer (P-tuning v2, Liu et al. 2022) and a linear head")
        }
        Method::Ensemble => format!(
            "{} soft prompts of {length} virtual tokens (prompt ensembling, Lester et al. 2021), each with a linear head, which vote",
            adapter.members()
        ),
        Method::Prompt | Method::Progressive | Method::Auto => {
            format!("A soft prompt of {length} virtual tokens (prompt tuning, Lester et al. 2021) and a linear head")
        }
    };
    text += " for a frozen text encoder, which is used unchanged.";
    if prompt.method == Method::Progressive {
        let part = match prompt.progressive.shrink {
            Shrink::Depth => "layers",
            Shrink::Width => "feed-forward neurons",
            Shrink::Compound => "layers and feed-forward neurons",
        };
        let _ = write!(
            text,
            " It was first trained on partial encoders with fewer {part} (progressive prompt tuning, Huang et al. 2022)."
        );
    }
    if prompt.prune.is_some() {
        text += " The least important parts of the prompt were pruned (XPrompt, Ma et al. 2022).";
    }
    text
}

fn labels(adapter: &Adapter) -> String {
    // Indented code, so that the content of a label is not interpreted.
    adapter.labels.iter().fold("## Labels\n\n".to_owned(), |text, label| text + "    " + &quoted(label) + "\n")
}

fn figures(adapter: &Adapter) -> String {
    let Some(metrics) = adapter.metrics else {
        return "## Metrics\n\nThis adapter contains no metrics.\n".to_owned();
    };
    let mut text = "## Metrics\n\n| on the held-out set | % |\n|---|---|\n".to_owned();
    for (name, figure) in [
        ("accuracy", metrics.accuracy),
        ("macro-F1", metrics.macro_f1),
        ("accuracy of the linear probe, without a prompt", metrics.probe_accuracy),
        ("accuracy of the majority class", metrics.majority_accuracy),
    ] {
        let _ = writeln!(text, "| {name} | {:.1} |", 100.0 * figure);
    }
    let _ = writeln!(
        text,
        "\nAfter {} optimizer steps, seed {}. The held-out rows also chose the best step, so the metrics are slightly \
         optimistic.",
        metrics.steps, adapter.config.seed
    );
    text
}

fn usage(adapter: &Adapter) -> String {
    let kind = match adapter.method() {
        Method::Deep => "PREFIX_TUNING",
        _ => "PROMPT_TUNING",
    };
    let how = if adapter.is_peft() {
        format!("In Python with Hugging Face PEFT (its own format, `{kind}`; `{SCRIPT_FILE}` does the same without PEFT):")
    } else {
        let why = match adapter.method() {
            Method::Prompt | Method::Deep => {
                "PEFT supports prompts only with a head on the first hidden state,\nthrough the encoder's pooler (train with \
                 `--head peft`)"
            }
            Method::Probe => "it has a head but no prompt",
            _ => "PEFT does not have this method",
        };
        format!(
            "Hugging Face PEFT cannot load this adapter: {why}. `{CONFIG_FILE}` therefore has a\n\
             type that PEFT rejects. In Python without PEFT:"
        )
    };
    let script = script::write(adapter);
    format!(
        "## Use\n\nWith softprompt, from the folder or the zip:\n\n    softprompt predict THIS_FOLDER < texts.txt\n\n{how}\n\n\
         ```python\n{script}```\n"
    )
}

fn limits(adapter: &Adapter) -> String {
    format!(
        "## Limits\n\nThe classifier always predicts one of these {} classes, even for texts unlike its training data or in \
         another language. Texts are truncated at {} tokens. The adapter works only with this encoder. Biases of the \
         encoder and of the training data carry over to its predictions.\n\n\
         Files: `{TENSORS_FILE}` (trained parameters), `{MANIFEST_FILE}` (settings, labels, metrics), `{CONFIG_FILE}`, `{CARD_FILE}`, \
         `{SCRIPT_FILE}` (classifies texts, one per line: `python {SCRIPT_FILE} < texts.txt`). \
         None of them contains texts of the training data.\n",
        adapter.labels.len(),
        adapter.config.data.max_tokens
    )
}
