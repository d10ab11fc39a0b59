//! `vocab.txt`: the vocabulary of a BERT tokenizer, one token per line. It is converted to the same `tokenizer.json` as in
//! transformers.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::settings::Settings;
use crate::error::{Error, Result};

const HINT: &str = "use the vocab.txt from the same place as the weights";

/// A `tokenizer.json` for a `vocab.txt`, with the settings of `tokenizer_config.json` and `added_tokens.json` if they exist, and
/// notes. If no setting says whether text is lower-cased, the vocabulary decides: if it contains capital letters, text is not
/// lower-cased.
///
/// # Errors
/// [`Error::Model`] if it is not a list of tokens, lacks a required token, or belongs to another kind of tokenizer.
pub fn tokenizer_json(vocabulary: &[u8], config: Option<&[u8]>, added: Option<&[u8]>) -> Result<(Vec<u8>, Vec<String>)> {
    let settings = config.map(Settings::parse).transpose()?.unwrap_or_default();
    if !settings.is_bert() || settings.basic == Some(false) {
        let how = if settings.is_bert() { "do_basic_tokenize is false" } else { settings.class() };
        return Err(Error::model(
            format!(
                "there is no tokenizer.json, and vocab.txt alone does not say how text is split (tokenizer_config.json: {how})"
            ),
            "write one: `python -c \"from transformers import AutoTokenizer as T; T.from_pretrained('.').save_pretrained('.')\"` in the folder",
        ));
    }
    let pieces = pieces(vocabulary)?;
    // As in transformers: if a token occurs twice, the last line counts.
    let mut ids: BTreeMap<&str, u32> = BTreeMap::new();
    ids.extend(pieces.iter().copied().zip(0..));
    let name = |field: &str, usual: &str| settings.special.get(field).cloned().unwrap_or_else(|| usual.to_owned());
    let [unknown, cls, sep] = [name("unk_token", "[UNK]"), name("cls_token", "[CLS]"), name("sep_token", "[SEP]")];
    let id = |token: &str| {
        ids.get(token).copied().ok_or_else(|| {
            Error::model(format!("vocab.txt has no line `{token}`: it is not the vocabulary of a BERT encoder"), HINT)
        })
    };
    id(&unknown)?;
    let [cls_id, sep_id] = [id(&cls)?, id(&sep)?];

    let mut special = BTreeMap::new();
    for token in [&name("pad_token", "[PAD]"), &unknown, &cls, &sep, &name("mask_token", "[MASK]")] {
        special.extend(ids.get(token.as_str()).map(|&id| (id, (token.clone(), true))));
    }
    for (token, id) in added_tokens(added)? {
        special.entry(id).or_insert((token, false));
    }
    special.extend(settings.added.clone());
    let added: Vec<Value> = special
        .iter()
        .map(|(id, (token, special))| {
            json!({"id": id, "content": token, "single_word": false, "lstrip": false, "rstrip": false,
                   "normalized": !special, "special": special})
        })
        .collect();

    let capitals = pieces.iter().filter(|piece| !piece.starts_with('[') && piece.chars().any(char::is_uppercase)).count();
    let lower = settings.lower.unwrap_or(capitals == 0);
    let mut notes = Vec::new();
    if settings.lower.is_none() {
        let (case, because) = if lower {
            ("lower-cased", "none of its tokens has a capital letter")
        } else {
            ("not lower-cased", "its tokens contain capital letters")
        };
        notes.push(format!(
            "the tokenizer is made from vocab.txt; text is {case}, because {because} (there is no do_lower_case in tokenizer_config.json)"
        ));
    }
    let around = |token: &str, kind: u32| json!({"SpecialToken": {"id": token, "type_id": kind}});
    let text = |name: &str, kind: u32| json!({"Sequence": {"id": name, "type_id": kind}});
    let defined = |token: &str, id: u32| json!({"id": token, "ids": [id], "tokens": [token]});
    // Including the added ones: an added token that the model does not know would get the next free id instead of its own.
    let all = ids.iter().map(|(piece, id)| (*piece, *id)).chain(special.iter().map(|(id, (token, _))| (token.as_str(), *id)));
    let vocabulary: Map<String, Value> = all.map(|(piece, id)| (piece.to_owned(), Value::from(id))).collect();
    let json = json!({
        "version": "1.0",
        "truncation": null,
        "padding": null,
        "added_tokens": added,
        "normalizer": {"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": settings.chinese.unwrap_or(true),
                       "strip_accents": settings.accents, "lowercase": lower},
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [around(&cls, 0), text("A", 0), around(&sep, 0)],
            "pair": [around(&cls, 0), text("A", 0), around(&sep, 0), text("B", 1), around(&sep, 1)],
            "special_tokens": {cls.as_str(): defined(&cls, cls_id), sep.as_str(): defined(&sep, sep_id)},
        },
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": true},
        "model": {"type": "WordPiece", "unk_token": unknown, "continuing_subword_prefix": "##", "max_input_chars_per_word": 100,
                  "vocab": vocabulary},
    });
    Ok((json.to_string().into_bytes(), notes))
}

/// The lines of the file. An empty line in the middle has an id, too.
fn pieces(vocabulary: &[u8]) -> Result<Vec<&str>> {
    let bytes = vocabulary.strip_prefix(b"\xef\xbb\xbf").unwrap_or(vocabulary);
    let text = str::from_utf8(bytes).map_err(|error| {
        let line = 1 + bytes[..error.valid_up_to()].iter().filter(|&&byte| byte == b'\n').count();
        Error::model(format!("vocab.txt is not UTF-8 text (line {line})"), HINT)
    })?;
    Ok(text.lines().collect())
}

/// The tokens of `added_tokens.json` with their ids.
fn added_tokens(bytes: Option<&[u8]>) -> Result<Vec<(String, u32)>> {
    let Some(bytes) = bytes else { return Ok(Vec::new()) };
    let tokens: BTreeMap<String, u32> = serde_json::from_slice(bytes)
        .map_err(|error| Error::model(format!("added_tokens.json is not a list of tokens with their ids: {error}"), HINT))?;
    Ok(tokens.into_iter().collect())
}
