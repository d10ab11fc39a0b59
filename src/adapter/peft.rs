//! `adapter_config.json`, as Hugging Face PEFT 0.21.2 writes it for `PROMPT_TUNING` (`PromptTuningConfig`), and adapters
//! that PEFT wrote.

use serde::{Deserialize, Serialize};

use super::{Adapter, BaseModel, CONFIG_FILE, HEAD_BIAS, HEAD_WEIGHT, Matrix, PROMPT, unreadable};
use crate::config::{HeadKind, PromptInit, RunConfig};
use crate::error::{Error, Result};
use crate::tensors::Tensors;

/// The PEFT whose format this is.
const PEFT_VERSION: &str = "0.21.2";
/// `peft_type` of adapters that PEFT would load but compute otherwise (it always pools row 0 through the pooler): PEFT
/// knows no such type and refuses.
const OWN_TYPE: &str = "SOFTPROMPT";

/// In the order of PEFT's file: sorted by name.
#[derive(Serialize)]
struct PeftConfig<'a> {
    auto_mapping: Option<()>,
    base_model_name_or_path: &'a str,
    inference_mode: bool,
    modules_to_save: [&'static str; 2],
    num_attention_heads: Option<usize>,
    num_layers: Option<usize>,
    num_transformer_submodules: usize,
    num_virtual_tokens: usize,
    peft_type: &'static str,
    peft_version: &'static str,
    prompt_tuning_init: &'static str,
    prompt_tuning_init_text: Option<()>,
    revision: Option<()>,
    task_type: &'static str,
    token_dim: usize,
    tokenizer_kwargs: Option<()>,
    tokenizer_name_or_path: Option<()>,
}

/// The bytes of `adapter_config.json`.
pub(super) fn write(adapter: &Adapter) -> Result<Vec<u8>> {
    let base = &adapter.base_model;
    let config = PeftConfig {
        auto_mapping: None,
        base_model_name_or_path: &base.name,
        inference_mode: true,
        modules_to_save: ["classifier", "score"],
        num_attention_heads: base.heads,
        num_layers: base.layers,
        num_transformer_submodules: 1,
        num_virtual_tokens: adapter.prompt_length(),
        peft_type: if adapter.is_peft() { "PROMPT_TUNING" } else { OWN_TYPE },
        peft_version: PEFT_VERSION,
        // Only what PEFT means the same by: its TEXT includes special tokens, and it has no labels. A loaded prompt is
        // never initialised again, and softprompt.json has the truth.
        prompt_tuning_init: match adapter.config.prompt.init {
            PromptInit::Vocabulary => "SAMPLE_VOCAB",
            PromptInit::Random | PromptInit::Labels | PromptInit::Text(_) => "RANDOM",
        },
        prompt_tuning_init_text: None,
        revision: None,
        task_type: "SEQ_CLS",
        token_dim: base.hidden,
        tokenizer_kwargs: None,
        tokenizer_name_or_path: None,
    };
    serde_json::to_vec_pretty(&config)
        .map_err(|error| Error::adapter(format!("{CONFIG_FILE}: {error}"), "report this as a fault"))
}

/// What is read of an `adapter_config.json`; PEFT fills what is absent from the encoder's config.
#[derive(Deserialize)]
struct PeftDescription {
    peft_type: String,
    task_type: Option<String>,
    num_virtual_tokens: usize,
    num_transformer_submodules: Option<usize>,
    token_dim: Option<usize>,
    num_layers: Option<usize>,
    num_attention_heads: Option<usize>,
    base_model_name_or_path: Option<String>,
}

fn parse(bytes: &[u8]) -> Result<PeftDescription> {
    serde_json::from_slice(bytes).map_err(|error| wrong(format!("cannot be read: {error}")))
}

fn wrong(problem: impl std::fmt::Display) -> Error {
    Error::adapter(
        format!("{CONFIG_FILE}: {problem}"),
        "supported are adapters of softprompt and PEFT's PROMPT_TUNING for sequence classification",
    )
}

/// Checks that `adapter_config.json` describes this adapter.
pub(super) fn check(bytes: &[u8], adapter: &Adapter) -> Result<()> {
    let found = parse(bytes)?;
    let expected = (adapter.is_peft(), adapter.prompt_length());
    let peft = found.peft_type != OWN_TYPE;
    if (peft, found.num_virtual_tokens) == expected && found.token_dim.is_none_or(|hidden| hidden == adapter.hidden()) {
        return Ok(());
    }
    let PeftDescription { peft_type, num_virtual_tokens, .. } = found;
    Err(wrong(format!(
        "\"{peft_type}\" with {num_virtual_tokens} virtual tokens is not what the other files describe ({} tokens of {})",
        expected.1,
        adapter.hidden(),
    )))
}

/// An adapter that PEFT wrote. Its `P_TUNING` stores the prompt that its generator made, so that both types are used alike.
pub(super) fn read(bytes: &[u8], tensors: &Tensors<'_>) -> Result<Adapter> {
    let found = parse(bytes)?;
    if found.peft_type == OWN_TYPE {
        return Err(Error::adapter("softprompt.json is missing", "take the adapter's other files from the same place"));
    }
    if !["PROMPT_TUNING", "P_TUNING"].contains(&found.peft_type.as_str()) {
        return Err(wrong(format!("\"peft_type\" is \"{}\", supported is \"PROMPT_TUNING\"", found.peft_type)));
    }
    if found.task_type.as_deref() != Some("SEQ_CLS") {
        return Err(wrong(format!("\"task_type\" is {:?}, supported is \"SEQ_CLS\"", found.task_type.unwrap_or_default())));
    }
    if found.num_transformer_submodules.is_some_and(|submodules| submodules != 1) {
        return Err(wrong("\"num_transformer_submodules\" is not 1: it is for an encoder with a decoder"));
    }
    // The tensors' own sizes; a missing one is read as if of size 1, which says that it is missing.
    let size = |name, axis: usize| tensors.shape(name).and_then(|shape| shape.get(axis)).copied().unwrap_or(1);
    let (length, hidden, classes) = (found.num_virtual_tokens, size(PROMPT, 1), size(HEAD_BIAS, 0));
    let mut config = RunConfig::default();
    config.prompt.length = length;
    config.prompt.init = PromptInit::Random;
    config.head.kind = HeadKind::Peft;
    Ok(Adapter {
        config,
        stored: vec![Matrix {
            name: "prompt".to_owned(),
            shape: [length, hidden],
            values: tensors.read(PROMPT, &[length, hidden]).map_err(unreadable)?,
        }],
        head_weight: tensors.read(HEAD_WEIGHT, &[classes, hidden]).map_err(unreadable)?,
        head_bias: tensors.read(HEAD_BIAS, &[classes]).map_err(unreadable)?,
        labels: (0..classes).map(|class| class.to_string()).collect(),
        metrics: None,
        base_model: BaseModel {
            name: found.base_model_name_or_path.unwrap_or_default(),
            sha256: None,
            layers: found.num_layers,
            heads: found.num_attention_heads,
            hidden,
        },
        data_sha256: None,
    })
}
