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
        HeadKind::Mean if adapter.method() == Method::Deep => "the mean of the text rows of the last layer",
        HeadKind::Mean => "the mean of all rows of the last layer, prompt rows too",
        HeadKind::Text => "the mean of the text rows of the last layer",
        HeadKind::Cls => "the row of `[CLS]` of the last layer",
        HeadKind::Peft => "the first row of the last layer, through the encoder's pooler (PEFT's convention)",
    };
    let hash = adapter.base_model.sha256.as_deref().unwrap_or("unknown");
    format!(
        "---\nbase_model: {base}\nlibrary_name: {library}\npipeline_tag: text-classification\ntags:\n- prompt-tuning\n- softprompt\n---\n\n\
         # Text classifier with {} classes\n\n{what}\n\nEncoder: `{}` (SHA-256 of `model.safetensors`: `{hash}`). The head reads {reads}.\n",
        adapter.labels.len(),
        adapter.base_model.name.replace(['`', '\n', '\r'], " "),
    )
}

/// What was trained, in a paragraph.
fn what(adapter: &Adapter) -> String {
    let (prompt, length) = (&adapter.config.prompt, adapter.prompt_length());
    let mut text = match adapter.method() {
        Method::Probe => {
            return "A linear classifier on the frozen features of the encoder, without a prompt (a linear probe).".to_owned();
        }
        Method::Late => {
            let made = match prompt.late.generator {
                Generator::None => "rows that are the same for every text",
                Generator::Naive if prompt.late.reads == Reads::Mean => {
                    "rows that a small generator makes of the mean of the text's rows"
                }
                Generator::Naive => "rows that a small generator makes of the first row of the text",
                Generator::Average | Generator::Max => "rows that a small generator makes of the parts of the text",
            };
            let layer = prompt.late.layer.or(adapter.base_model.layers.map(|layers| layers / 2));
            let layer = layer.map_or("half of the layers".to_owned(), |layer| format!("layer {layer}"));
            format!(
                "A late soft prompt of {length} virtual tokens, {made}, which joins the text after {layer} (late prompt tuning, \
                     Liu et al. 2022), and a linear head"
            )
        }
        Method::Efficient => {
            let update = if prompt.efficient.update { ", an update of the text embeddings by position" } else { "" };
            format!(
                "A soft prompt of {length} virtual tokens{update} (EPT, Lan et al. 2024, on DePT, Shi and Lipani 2024), and a \
                     linear head"
            )
        }
        Method::Deep => {
            format!("Keys and values of {length} prefix rows in every layer (P-tuning v2, Liu et al. 2022) and a linear head")
        }
        Method::Ensemble => format!(
            "{} soft prompts of {length} virtual tokens (prompt ensembling, Lester et al. 2021), each with a linear head, which \
             decide together",
            adapter.members()
        ),
        Method::Prompt | Method::Progressive | Method::Auto => {
            format!("A soft prompt of {length} virtual tokens (prompt tuning, Lester et al. 2021) and a linear head")
        }
    };
    text += " for a frozen text encoder. Nothing else was trained; the encoder is used as it is.";
    if prompt.method == Method::Progressive {
        let part = match prompt.progressive.shrink {
            Shrink::Depth => "some of its layers",
            Shrink::Width => "some of its feed-forward neurons",
            Shrink::Compound => "some of its layers and feed-forward neurons",
        };
        let _ = write!(text, " The training began on {part} (FPT, Huang et al. 2022).");
    }
    if prompt.prune.is_some() {
        text += " The least important parts of the prompt were pruned (XPrompt, Ma et al. 2022).";
    }
    text
}

fn labels(adapter: &Adapter) -> String {
    // Indented code: whatever is in a label stays text.
    adapter.labels.iter().fold("## Labels\n\n".to_owned(), |text, label| text + "    " + &quoted(label) + "\n")
}

fn figures(adapter: &Adapter) -> String {
    let Some(metrics) = adapter.metrics else {
        return "## Figures\n\nNone came with this adapter.\n".to_owned();
    };
    let mut text = "## Figures\n\n| on held-out rows | % |\n|---|---|\n".to_owned();
    for (name, figure) in [
        ("accuracy", metrics.accuracy),
        ("macro F1", metrics.macro_f1),
        ("accuracy of a linear probe, without a prompt", metrics.probe_accuracy),
        ("accuracy of always the most frequent class", metrics.majority_accuracy),
    ] {
        let _ = writeln!(text, "| {name} | {:.1} |", 100.0 * figure);
    }
    let _ = writeln!(
        text,
        "\nAfter {} optimizer steps, seed {}. The parameters with the lowest loss on these same rows were kept, so the figures \
         are slightly better than on rows never seen.",
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
                "PEFT has prompts only with a head that reads the first row through the\nencoder's pooler (train with the head `peft` \
                 for that)"
            }
            Method::Probe => "PEFT has prompts, and this is a head alone",
            _ => "PEFT has no method like this one",
        };
        format!(
            "Hugging Face PEFT cannot load this adapter: {why}, so `{CONFIG_FILE}` has a type of its own and PEFT refuses it\n\
             instead of computing something else. In Python without PEFT:"
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
        "## Limits\n\nIt knows these {} classes only and always answers with one of them, also for texts of another kind or \
         language than its training data. Of each text the first {} tokens count. It works with this very encoder only. \
         What the encoder and the training data have learned to prefer or to overlook, it does too.\n\n\
         Files: `{TENSORS_FILE}` (what was trained), `{MANIFEST_FILE}` (settings, labels, figures), `{CONFIG_FILE}`, `{CARD_FILE}`, \
         `{SCRIPT_FILE}` (labels texts, one a line: `python {SCRIPT_FILE} < texts.txt`). \
         None of them has a text of the training data.\n",
        adapter.labels.len(),
        adapter.config.data.max_tokens
    )
}
