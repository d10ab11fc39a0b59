//! The hub's `config.json` -> [`EncoderSpec`].

use serde_json::{Map, Value};

use super::spec::EncoderSpec;
use crate::error::{Error, Result};

/// Elements of the largest weight that is accepted: 4 GiB of f32, which is also what 32-bit addresses reach.
const MAX_ELEMENTS: u64 = 1 << 30;
/// Bytes of the file; the hub's have about a thousand, or some ten thousand where they name many classes.
const MAX_BYTES: usize = 1 << 20;

/// Reads the hub's `config.json`. Only what the engine computes is accepted: BERT with exact GELU and absolute positions.
///
/// # Errors
/// [`Error::Model`] naming the field, its value and what was expected.
pub fn parse(bytes: &[u8]) -> Result<EncoderSpec> {
    if bytes.len() > MAX_BYTES {
        return Err(wrong(format!("config.json has {} bytes; the limit is {MAX_BYTES}", bytes.len())));
    }
    let Ok(Value::Object(fields)) = serde_json::from_slice(bytes) else {
        return Err(wrong("config.json is not a JSON object".into()));
    };
    one_of(&fields, "model_type", &["bert"], false)?;
    one_of(&fields, "hidden_act", &["gelu"], true)?;
    one_of(&fields, "position_embedding_type", &["absolute"], true)?;
    for flag in ["is_decoder", "add_cross_attention"] {
        if fields.get(flag).is_some_and(|value| value != &Value::Bool(false)) {
            return Err(unsupported(flag, &fields[flag], "false"));
        }
    }
    let spec = EncoderSpec {
        layers: size(&fields, "num_hidden_layers", 1000)?,
        hidden: size(&fields, "hidden_size", 1 << 16)?,
        heads: size(&fields, "num_attention_heads", 1 << 12)?,
        ffn: size(&fields, "intermediate_size", 1 << 18)?,
        vocab: size(&fields, "vocab_size", 1 << 24)?,
        max_positions: size(&fields, "max_position_embeddings", 1 << 20)?,
        layer_norm_eps: epsilon(&fields)?,
    };
    let (hidden, heads) = (spec.hidden, spec.heads);
    if !hidden.is_multiple_of(heads) {
        return Err(wrong(format!("config.json: \"hidden_size\" {hidden} is not a multiple of \"num_attention_heads\" {heads}")));
    }
    if !spec.head_size().is_multiple_of(4) {
        return Err(Error::model(
            format!("config.json: the head size {} (hidden_size / num_attention_heads) is not a multiple of 4", spec.head_size()),
            "the kernels read four numbers at a time; use another encoder",
        ));
    }
    let widest = ["vocab_size", "max_position_embeddings", "intermediate_size", "hidden_size"]
        .into_iter()
        .zip([spec.vocab, spec.max_positions, spec.ffn, 3 * hidden])
        .find(|&(_, rows)| rows as u64 * hidden as u64 > MAX_ELEMENTS);
    match widest {
        Some((field, rows)) => Err(wrong(format!(
            "config.json: \"{field}\" asks for a weight of {rows} x {hidden}; the limit is {MAX_ELEMENTS} elements"
        ))),
        None => Ok(spec),
    }
}

fn wrong(problem: String) -> Error {
    Error::model(problem, "take config.json from the same place as the weights")
}

fn unsupported(field: &str, value: &Value, expected: &str) -> Error {
    Error::model(
        format!("config.json: \"{field}\" is {value}; supported is {expected}"),
        "use a BERT encoder (model_type \"bert\", exact GELU, absolute positions), such as all-MiniLM-L6-v2",
    )
}

/// A field with one supported value or several; where `optional`, absent means transformers' default, the first.
fn one_of(fields: &Map<String, Value>, field: &str, supported: &[&str], optional: bool) -> Result<()> {
    match fields.get(field) {
        None if optional => Ok(()),
        None => Err(wrong(format!("config.json: \"{field}\" is missing; supported is {supported:?}"))),
        Some(value) if value.as_str().is_some_and(|value| supported.contains(&value)) => Ok(()),
        Some(value) => Err(unsupported(field, value, &format!("{supported:?}"))),
    }
}

fn size(fields: &Map<String, Value>, field: &str, max: usize) -> Result<usize> {
    let value = fields.get(field).ok_or_else(|| wrong(format!("config.json: \"{field}\" is missing")))?;
    match value.as_u64().and_then(|size| usize::try_from(size).ok()) {
        Some(size) if (1..=max).contains(&size) => Ok(size),
        _ => Err(wrong(format!("config.json: \"{field}\" is {value}, expected a whole number from 1 to {max}"))),
    }
}

fn epsilon(fields: &Map<String, Value>) -> Result<f64> {
    let Some(value) = fields.get("layer_norm_eps") else { return Ok(1e-12) };
    match value.as_f64() {
        Some(eps) if (0.0..1.0).contains(&eps) => Ok(eps),
        _ => Err(wrong(format!("config.json: \"layer_norm_eps\" is {value}, expected a number from 0 to 1"))),
    }
}
