//! The hub's `config.json` -> [`EncoderSpec`].

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::foreign::{self, Meant};
use super::spec::EncoderSpec;
use crate::error::{Error, Result};

/// Maximum number of elements of a weight: 4 GiB of f32, the limit of 32-bit addresses.
const MAX_ELEMENTS: u64 = 1 << 30;
/// Maximum size of the file in bytes. Files on the hub have about a thousand, or tens of thousands if they name many classes.
const MAX_BYTES: usize = 1 << 20;

/// Parses the hub's `config.json`. Only architectures that the engine implements are accepted: BERT with exact GELU and absolute
/// positions.
///
/// # Errors
/// [`Error::Model`] with the field, its value and the expected value.
pub fn parse(bytes: &[u8]) -> Result<EncoderSpec> {
    read(bytes).map(|(spec, _)| spec)
}

/// [`parse`], with notes on the file.
///
/// # Errors
/// As [`parse`].
pub(crate) fn read(bytes: &[u8]) -> Result<(EncoderSpec, Vec<String>)> {
    let mut notes = Vec::new();
    let mut fields = object(bytes)?;
    if !fields.contains_key("model_type") {
        notes.push(without_type(&fields)?.to_owned());
        fields.insert("model_type".into(), "bert".into());
    }
    if let Some(found) = fields.get("model_type").and_then(Value::as_str).filter(|found| found.eq_ignore_ascii_case("bert")) {
        let found = found.to_ascii_lowercase();
        fields.insert("model_type".into(), found.into());
    }
    // The same exact function, implemented in Python.
    if fields.get("hidden_act").is_some_and(|found| found == "gelu_python") {
        fields.insert("hidden_act".into(), "gelu".into());
    }
    one_of(&fields, "model_type", &["bert"], false)?;
    one_of(&fields, "hidden_act", &["gelu"], true)?;
    one_of(&fields, "position_embedding_type", &["absolute"], true)?;
    for flag in ["is_decoder", "add_cross_attention"] {
        if fields.get(flag).is_some_and(|value| !matches!(value, Value::Bool(false) | Value::Null)) {
            return Err(unsupported(flag, &fields[flag], "false"));
        }
    }
    if fields.get("quantization_config").is_some_and(|value| !value.is_null()) {
        let problem = "config.json: \"quantization_config\" is set, so the weights are quantised";
        return Err(Error::model(problem, "use the encoder in full or half precision (float32, float16, bfloat16)"));
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
            "the kernels process four numbers at a time; use another encoder",
        ));
    }
    let widest = ["vocab_size", "max_position_embeddings", "intermediate_size", "hidden_size"]
        .into_iter()
        .zip([spec.vocab, spec.max_positions, spec.ffn, 3 * hidden])
        .find(|&(_, rows)| rows as u64 * hidden as u64 > MAX_ELEMENTS);
    match widest {
        Some((field, rows)) => Err(wrong(format!(
            "config.json: \"{field}\" requires a weight of {rows} x {hidden}; the limit is {MAX_ELEMENTS} elements"
        ))),
        None => Ok((spec, notes)),
    }
}

/// The fields of the file.
fn object(bytes: &[u8]) -> Result<Map<String, Value>> {
    if bytes.len() > MAX_BYTES {
        return Err(wrong(format!("config.json has {} bytes; the limit is {MAX_BYTES}", bytes.len())));
    }
    if let Some((what, hint)) = foreign::recognise(bytes, Meant::Text) {
        return Err(Error::model(format!("config.json {what}"), hint));
    }
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    match serde_json::from_slice(&without_nan(text)) {
        Ok(Value::Object(fields)) => Ok(fields),
        Ok(_) => Err(wrong("config.json is not a JSON object".into())),
        Err(error) => Err(wrong(format!("config.json is not a JSON object: {error}"))),
    }
}

/// Python writes NaN and Infinity, which JSON does not have: they become `null`.
fn without_nan(text: &[u8]) -> Cow<'_, [u8]> {
    const WORDS: [&[u8]; 3] = [b"NaN", b"-Infinity", b"Infinity"];
    if !WORDS.iter().any(|word| text.windows(word.len()).any(|part| part == *word)) {
        return Cow::Borrowed(text);
    }
    let (mut out, mut at, mut quoted) = (Vec::with_capacity(text.len()), 0, false);
    while at < text.len() {
        let word = WORDS.iter().find(|word| !quoted && text[at..].starts_with(word));
        if let Some(word) = word {
            out.extend_from_slice(b"null");
            at += word.len();
            continue;
        }
        let taken = if quoted && text[at] == b'\\' { 2 } else { 1 };
        quoted ^= text[at] == b'"';
        out.extend(text[at..].iter().take(taken));
        at += taken;
    }
    Cow::Owned(out)
}

/// A config without `model_type`, as in BERT models until 2019, is identified by its other fields. Returns a note about it.
fn without_type(fields: &Map<String, Value>) -> Result<&'static str> {
    const MISSING: &str = "config.json: \"model_type\" is missing; supported is [\"bert\"]";
    if fields.contains_key("peft_type") {
        return Err(Error::model(
            format!("{MISSING}; this file belongs to a PEFT adapter"),
            "use the encoder that the adapter was trained for",
        ));
    }
    if fields.contains_key("word_embedding_dimension") {
        let problem = format!("{MISSING}; this file belongs to a pooling layer");
        return Err(Error::model(problem, "use the config.json next to the weights"));
    }
    let all =
        ["hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size", "max_position_embeddings", "vocab_size"];
    // RoBERTa has one token type; ALBERT and ELECTRA have a separate embedding size. Each is named in `architectures`, if
    // present.
    let bert = all.iter().all(|field| fields.contains_key(*field))
        && fields.get("type_vocab_size").is_some_and(|types| types == 2)
        && !["embedding_size", "num_hidden_groups", "relative_attention", "n_layers"]
            .iter()
            .any(|field| fields.contains_key(*field))
        && match fields.get("architectures") {
            None | Some(Value::Null) => true,
            Some(named) => named.as_array().is_some_and(|named| {
                !named.is_empty() && named.iter().all(|name| name.as_str().is_some_and(|name| name.starts_with("Bert")))
            }),
        };
    if bert {
        return Ok("config.json has no \"model_type\"; it is read as BERT, because its other fields are those of BERT");
    }
    Err(Error::model(
        MISSING,
        "if it is a BERT encoder, add the line `\"model_type\": \"bert\",` after the first { of config.json",
    ))
}

fn wrong(problem: String) -> Error {
    Error::model(problem, "use the config.json from the same place as the weights")
}

fn unsupported(field: &str, value: &Value, expected: &str) -> Error {
    Error::model(
        format!("config.json: \"{field}\" is {value}; supported is {expected}"),
        "use a BERT encoder (model_type \"bert\", exact GELU, absolute positions), such as all-MiniLM-L6-v2",
    )
}

/// A field with one or several supported values; if `optional`, an absent field has transformers' default, the first value.
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
