//! `adapter_config.json`, as written by Hugging Face PEFT 0.21.2 for `PROMPT_TUNING` (`PromptTuningConfig`) and `PREFIX_TUNING`
//! (`PrefixTuningConfig`), and reading adapters that PEFT wrote.

use serde::{Deserialize, Serialize};

use super::{Adapter, BaseModel, CONFIG_FILE, HEAD_BIAS, HEAD_WEIGHT, Matrix, PROMPT, unreadable};
use crate::config::{HeadKind, Method, PromptInit, RunConfig};
use crate::error::{Error, Result};
use crate::tensors::Tensors;

/// The version of PEFT with this format.
const PEFT_VERSION: &str = "0.21.2";
/// `peft_type` of adapters for which PEFT would compute something else (it always uses row 0 through the pooler). PEFT does not
/// know this type and rejects it.
const OWN_TYPE: &str = "SOFTPROMPT";

const PROMPT_TUNING: &str = "PROMPT_TUNING";
const PREFIX_TUNING: &str = "PREFIX_TUNING";
const P_TUNING: &str = "P_TUNING";

/// PEFT's type of an adapter for which PEFT computes the same: with row 0 of the text, or of the prompt in front of it, through
/// the pooler.
pub(super) fn kind(adapter: &Adapter) -> Option<&'static str> {
    let kind = match adapter.method() {
        Method::Prompt => Some(PROMPT_TUNING),
        // Without the update of the text embeddings, the trained prompt is an ordinary one.
        Method::Efficient if !adapter.config.prompt.efficient.update => Some(PROMPT_TUNING),
        Method::Deep => Some(PREFIX_TUNING),
        _ => None,
    };
    kind.filter(|_| adapter.config.head.kind == HeadKind::Peft)
}

/// In the order of PEFT's file: sorted by name. Fields of only one type are left out for the other.
#[derive(Serialize)]
struct PeftConfig<'a> {
    auto_mapping: Option<()>,
    base_model_name_or_path: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    encoder_hidden_size: Option<usize>,
    inference_mode: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    init_weights: Option<Option<()>>,
    modules_to_save: [&'static str; 2],
    num_attention_heads: Option<usize>,
    num_layers: Option<usize>,
    num_transformer_submodules: usize,
    num_virtual_tokens: usize,
    peft_type: &'static str,
    peft_version: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    prefix_projection: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    prompt_tuning_init: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    prompt_tuning_init_text: Option<Option<()>>,
    revision: Option<()>,
    task_type: &'static str,
    token_dim: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    tokenizer_kwargs: Option<Option<()>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tokenizer_name_or_path: Option<Option<()>>,
}

/// The bytes of `adapter_config.json`.
pub(super) fn write(adapter: &Adapter) -> Result<Vec<u8>> {
    let base = &adapter.base_model;
    let kind = kind(adapter).unwrap_or(OWN_TYPE);
    let prefix = kind == PREFIX_TUNING;
    let prompt = !prefix;
    let config = PeftConfig {
        auto_mapping: None,
        base_model_name_or_path: &base.name,
        encoder_hidden_size: prefix.then_some(base.hidden),
        inference_mode: true,
        init_weights: prefix.then_some(None),
        modules_to_save: ["classifier", "score"],
        num_attention_heads: base.heads,
        num_layers: base.layers,
        num_transformer_submodules: 1,
        num_virtual_tokens: adapter.prompt_length(),
        peft_type: kind,
        peft_version: PEFT_VERSION,
        prefix_projection: prefix.then_some(false),
        // Only if PEFT has the same initialisation: its TEXT includes special tokens, and it has no initialisation with labels. A
        // loaded prompt is not initialised again; softprompt.json has the actual setting.
        prompt_tuning_init: prompt.then_some(match adapter.config.prompt.init {
            PromptInit::Vocabulary => "SAMPLE_VOCAB",
            PromptInit::Random | PromptInit::Labels | PromptInit::Text(_) => "RANDOM",
        }),
        prompt_tuning_init_text: prompt.then_some(None),
        revision: None,
        task_type: "SEQ_CLS",
        token_dim: base.hidden,
        tokenizer_kwargs: prompt.then_some(None),
        tokenizer_name_or_path: prompt.then_some(None),
    };
    serde_json::to_vec_pretty(&config).map_err(|error| Error::adapter(format!("{CONFIG_FILE}: {error}"), "report this as a bug"))
}

/// The fields of an `adapter_config.json` that are read; PEFT fills absent ones from the encoder's config.
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
        "supported are adapters of softprompt, and PEFT's PROMPT_TUNING and PREFIX_TUNING for sequence classification",
    )
}

/// Checks that `adapter_config.json` describes this adapter.
pub(super) fn check(bytes: &[u8], adapter: &Adapter) -> Result<()> {
    let found = parse(bytes)?;
    let expected = (kind(adapter).unwrap_or(OWN_TYPE), adapter.prompt_length());
    // For P_TUNING, PEFT stores the same as for PROMPT_TUNING.
    let kind = if found.peft_type == P_TUNING { PROMPT_TUNING } else { &found.peft_type };
    if (kind, found.num_virtual_tokens) == expected && found.token_dim.is_none_or(|hidden| hidden == adapter.hidden()) {
        return Ok(());
    }
    let PeftDescription { peft_type, num_virtual_tokens, .. } = found;
    Err(wrong(format!(
        "\"{peft_type}\" with {num_virtual_tokens} virtual tokens is not what the other files describe ({} tokens of {})",
        expected.1,
        adapter.hidden(),
    )))
}

/// Reads an adapter that PEFT wrote. `P_TUNING` stores the prompt computed by its generator and is read as `PROMPT_TUNING`;
/// likewise, a projected prefix is read as a plain one.
pub(super) fn read(bytes: &[u8], tensors: &Tensors<'_>) -> Result<Adapter> {
    let found = parse(bytes)?;
    if found.peft_type == OWN_TYPE {
        return Err(Error::adapter("softprompt.json is missing", "use all files of the adapter"));
    }
    let prefix = found.peft_type == PREFIX_TUNING;
    if !prefix && ![PROMPT_TUNING, P_TUNING].contains(&found.peft_type.as_str()) {
        let problem = format!("\"peft_type\" is \"{}\", supported are \"PROMPT_TUNING\" and \"PREFIX_TUNING\"", found.peft_type);
        return Err(wrong(problem));
    }
    if found.task_type.as_deref() != Some("SEQ_CLS") {
        return Err(wrong(format!("\"task_type\" is {:?}, supported is \"SEQ_CLS\"", found.task_type.unwrap_or_default())));
    }
    if found.num_transformer_submodules.is_some_and(|submodules| submodules != 1) {
        return Err(wrong("\"num_transformer_submodules\" is not 1: the adapter is for an encoder-decoder model"));
    }
    // The tensors' own sizes; a missing one is read as if of size 1, which says that it is missing.
    let size = |name, axis: usize| tensors.shape(name).and_then(|shape| shape.get(axis)).copied().unwrap_or(1);
    let (length, width, classes) = (found.num_virtual_tokens, size(PROMPT, 1), size(HEAD_BIAS, 0));
    // A prefix row contains the keys and values of every layer.
    let hidden = if prefix { size(HEAD_WEIGHT, 1) } else { width };
    let layers = if prefix { Some(width / hidden.saturating_mul(2).max(1)) } else { found.num_layers };
    if prefix && found.num_layers.is_some_and(|found| Some(found) != layers) {
        return Err(wrong(format!("\"num_layers\" is {}, but the prefix has {width} columns", found.num_layers.unwrap_or(0))));
    }
    let mut config = RunConfig::default();
    config.prompt.method = if prefix { Method::Deep } else { Method::Prompt };
    config.prompt.length = length;
    config.prompt.init = PromptInit::Random;
    config.head.kind = HeadKind::Peft;
    Ok(Adapter {
        config,
        stored: vec![Matrix {
            name: if prefix { "prefix" } else { "prompt" }.to_owned(),
            shape: [length, width],
            values: tensors.read(PROMPT, &[length, width]).map_err(unreadable)?,
        }],
        head_weight: tensors.read(HEAD_WEIGHT, &[classes, hidden]).map_err(unreadable)?,
        head_bias: tensors.read(HEAD_BIAS, &[classes]).map_err(unreadable)?,
        labels: (0..classes).map(|class| class.to_string()).collect(),
        metrics: None,
        base_model: BaseModel {
            name: found.base_model_name_or_path.unwrap_or_default(),
            sha256: None,
            tokenizer_sha256: None,
            layers,
            heads: found.num_attention_heads,
            hidden,
        },
        data_sha256: None,
    })
}
