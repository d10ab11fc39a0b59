//! `README.md` of an adapter: the model card, with code that loads it in Python.

use std::fmt::Write as _;

use super::{Adapter, CARD_FILE, CONFIG_FILE, MANIFEST_FILE, TENSORS_FILE};
use crate::config::HeadKind;

/// The text of `README.md`.
pub(super) fn write(adapter: &Adapter) -> String {
    let sections = [front(adapter), labels(adapter), figures(adapter), usage(adapter), limits(adapter)];
    sections.join("\n")
}

/// A string as JSON, which is also how YAML and Python spell it.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn front(adapter: &Adapter) -> String {
    let base = quoted(&adapter.base_model.name);
    let library = if adapter.is_peft() { "peft" } else { "softprompt" };
    let what = match adapter.prompt_length() {
        0 => "A linear classifier on the frozen features of the encoder, without a prompt (a linear probe).".to_owned(),
        length => format!(
            "A soft prompt of {length} virtual tokens (prompt tuning, Lester et al. 2021) and a linear head for a frozen text \
             encoder. Only the prompt and the head were trained; the encoder is used as it is."
        ),
    };
    let reads = match adapter.config.head.kind {
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
    let base = quoted(&adapter.base_model.name);
    let max_tokens = adapter.config.data.max_tokens;
    let own = "## Use\n\nWith softprompt, from the folder or the zip:\n\n    softprompt predict THIS_FOLDER < texts.txt\n\n";
    if adapter.is_peft() {
        return format!(
            r#"{own}In Python with Hugging Face PEFT (its own format, `PROMPT_TUNING`):

```python
import json
from peft import PeftModel
from transformers import AutoModelForSequenceClassification, AutoTokenizer

base, folder = {base}, "."
labels = json.load(open(f"{{folder}}/{MANIFEST_FILE}", encoding="utf-8"))["labels"]
tokenizer = AutoTokenizer.from_pretrained(base)
model = AutoModelForSequenceClassification.from_pretrained(base, num_labels=len(labels))
model = PeftModel.from_pretrained(model, folder).eval()
batch = tokenizer("a text", truncation=True, max_length={max_tokens}, return_tensors="pt")
scores = model(**batch).logits.softmax(-1)[0].tolist()
print(dict(zip(labels, scores)))
```
"#
        );
    }
    let prompt = if !adapter.stored.is_empty() { "tensors[\"prompt_embeddings\"], " } else { "" };
    let features = match adapter.config.head.kind {
        HeadKind::Mean => format!("out.last_hidden_state[0].mean(0) * {:?}", adapter.config.head.feature_scale),
        HeadKind::Text => {
            format!("out.last_hidden_state[0, {}:].mean(0) * {:?}", adapter.prompt_length(), adapter.config.head.feature_scale)
        }
        HeadKind::Cls => {
            format!("out.last_hidden_state[0, {}] * {:?}", adapter.prompt_length(), adapter.config.head.feature_scale)
        }
        HeadKind::Peft => "out.pooler_output[0]".to_owned(),
    };
    format!(
        r#"{own}Hugging Face PEFT cannot load this adapter: PEFT has prompts only with a head that reads the first row through the
encoder's pooler (train with the head `peft` for that), so `{CONFIG_FILE}` has a type of its own and PEFT refuses it
instead of computing something else. In Python without PEFT:

```python
import json, torch
from safetensors.torch import load_file
from transformers import AutoModel, AutoTokenizer

base, folder = {base}, "."
labels = json.load(open(f"{{folder}}/{MANIFEST_FILE}", encoding="utf-8"))["labels"]
tensors = load_file(f"{{folder}}/{TENSORS_FILE}")
tokenizer, encoder = AutoTokenizer.from_pretrained(base), AutoModel.from_pretrained(base).eval()
with torch.no_grad():
    ids = tokenizer("a text", truncation=True, max_length={max_tokens}, return_tensors="pt").input_ids
    rows = torch.cat([{prompt}encoder.get_input_embeddings()(ids)[0]])
    out = encoder(inputs_embeds=rows[None])
    features = {features}
    logits = tensors["base_model.classifier.weight"] @ features + tensors["base_model.classifier.bias"]
print(dict(zip(labels, logits.softmax(-1).tolist())))
```
"#
    )
}

fn limits(adapter: &Adapter) -> String {
    format!(
        "## Limits\n\nIt knows these {} classes only and always answers with one of them, also for texts of another kind or \
         language than its training data. Of each text the first {} tokens count. It works with this very encoder only. \
         What the encoder and the training data have learned to prefer or to overlook, it does too.\n\n\
         Files: `{TENSORS_FILE}` (prompt and head), `{MANIFEST_FILE}` (settings, labels, figures), `{CONFIG_FILE}`, `{CARD_FILE}`. \
         None of them has a text of the training data.\n",
        adapter.labels.len(),
        adapter.config.data.max_tokens
    )
}
