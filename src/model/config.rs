//! The hub's `config.json` -> [`EncoderSpec`].

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::architecture::fields::{Fields, wrong};
use super::foreign::{self, Meant};
use super::spec::EncoderSpec;
use crate::error::{Error, Result};

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
    let checked = Fields::new(&fields);
    let spec = EncoderSpec {
        layers: checked.size("num_hidden_layers", 1000)?,
        hidden: checked.size("hidden_size", 1 << 16)?,
        heads: checked.size("num_attention_heads", 1 << 12)?,
        ffn: checked.size("intermediate_size", 1 << 18)?,
        vocab: checked.size("vocab_size", 1 << 24)?,
        max_positions: checked.size("max_position_embeddings", 1 << 20)?,
        layer_norm_eps: checked.epsilon("layer_norm_eps", 1e-12)?,
    };
    let hidden = spec.hidden;
    checked.heads(("hidden_size", hidden), "num_attention_heads")?;
    let widest = [
        ("vocab_size", spec.vocab),
        ("max_position_embeddings", spec.max_positions),
        ("intermediate_size", spec.ffn),
        ("hidden_size", 3 * hidden),
    ];
    Fields::addressable(hidden, &widest)?;
    Ok((spec, notes))
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
