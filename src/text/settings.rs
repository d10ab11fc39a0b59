//! `tokenizer_config.json`: settings of transformers' tokenizer classes. Only settings that change the tokens are read.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::error::{Error, Result};

/// Classes with the same tokens as BERT's tokenizer.
const BERT: [&str; 3] = ["BertTokenizer", "DistilBertTokenizer", "ElectraTokenizer"];

/// The settings in a `tokenizer_config.json`; `None` for those that it leaves out.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Settings {
    /// The tokenizer class, without `Fast`.
    class: Option<String>,
    /// `do_lower_case`.
    pub(super) lower: Option<bool>,
    /// `strip_accents`; `null` means the same as for lower case and counts as left out.
    pub(super) accents: Option<bool>,
    /// `tokenize_chinese_chars`.
    pub(super) chinese: Option<bool>,
    /// `do_basic_tokenize`.
    pub(super) basic: Option<bool>,
    /// The special tokens by their keys in the file, such as `cls_token`.
    pub(super) special: BTreeMap<String, String>,
    /// Added tokens by id: their content, and whether they are special.
    pub(super) added: BTreeMap<u32, (String, bool)>,
}

impl Settings {
    /// Reads the file.
    ///
    /// # Errors
    /// [`Error::Model`] if it is not a JSON object.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self> {
        let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let wrong = |problem: &str| {
            Error::model(
                format!("tokenizer_config.json is not a JSON object{problem}"),
                "use the one from the same place as the weights, or remove it",
            )
        };
        let fields: Map<String, Value> = match serde_json::from_slice(text) {
            Ok(Value::Object(fields)) => fields,
            Ok(_) => return Err(wrong("")),
            Err(error) => return Err(wrong(&format!(": {error}"))),
        };
        let flag = |name: &str| fields.get(name).and_then(Value::as_bool);
        let special = ["unk_token", "cls_token", "sep_token", "pad_token", "mask_token"].into_iter();
        let special = special.filter_map(|name| Some((name.to_owned(), content(fields.get(name)?)?.to_owned())));
        let added = fields.get("added_tokens_decoder").and_then(Value::as_object).into_iter().flatten();
        let added = added.filter_map(|(id, token)| {
            let special = token.get("special").and_then(Value::as_bool).unwrap_or(false);
            Some((id.parse().ok()?, (content(token)?.to_owned(), special)))
        });
        Ok(Self {
            class: fields.get("tokenizer_class").and_then(Value::as_str).map(|class| class.trim_end_matches("Fast").to_owned()),
            lower: flag("do_lower_case"),
            accents: flag("strip_accents"),
            chinese: flag("tokenize_chinese_chars"),
            basic: flag("do_basic_tokenize"),
            special: special.collect(),
            added: added.collect(),
        })
    }

    /// Whether the class is BERT's, or is not named.
    pub(super) fn is_bert(&self) -> bool {
        self.class.as_deref().is_none_or(|class| BERT.contains(&class))
    }

    /// The name of the class, for errors.
    pub(super) fn class(&self) -> &str {
        self.class.as_deref().unwrap_or("BertTokenizer")
    }
}

/// A `tokenizer.json` with the lower case, accent and Chinese character settings of the `tokenizer_config.json` next to it, which
/// takes precedence in transformers, and a note on each difference. `None` if the two agree, or if the settings do not apply:
/// only BERT's own classes use them.
///
/// # Errors
/// [`Error::Model`] for a `tokenizer_config.json` that is not a JSON object. An invalid `tokenizer.json` is reported when it is
/// loaded.
pub fn followed(tokenizer: &[u8], config: &[u8]) -> Result<Option<(Vec<u8>, Vec<String>)>> {
    let settings = Settings::parse(config)?;
    let text = tokenizer.strip_prefix(b"\xef\xbb\xbf").unwrap_or(tokenizer);
    let said = [settings.lower, settings.accents, settings.chinese];
    if !settings.is_bert() || said.iter().all(Option::is_none) {
        return Ok(None);
    }
    let Ok(Value::Object(mut json)) = serde_json::from_slice(text) else { return Ok(None) };
    let of =
        |json: &Map<String, Value>, part: &str| json.get(part).and_then(|part| part.get("type")?.as_str().map(str::to_owned));
    if of(&json, "normalizer").as_deref() != Some("BertNormalizer") || of(&json, "model").is_some_and(|kind| kind != "WordPiece")
    {
        return Ok(None);
    }
    let Some(normalizer) = json.get_mut("normalizer").and_then(Value::as_object_mut) else { return Ok(None) };
    let mut notes = Vec::new();
    let mut follow = |name: &str, field: &str, said: Option<bool>, usual: bool| {
        let found = normalizer.get(field).and_then(Value::as_bool).unwrap_or(usual);
        let Some(said) = said.filter(|&said| said != found) else { return found };
        notes.push(format!(
            "tokenizer_config.json says {name} {said}, tokenizer.json says {found}: {said} is used, as in transformers"
        ));
        normalizer.insert(field.to_owned(), said.into());
        said
    };
    let lower = follow("do_lower_case", "lowercase", settings.lower, true);
    // If left out, it is the same as lower case.
    follow("strip_accents", "strip_accents", settings.accents, lower);
    follow("tokenize_chinese_chars", "handle_chinese_chars", settings.chinese, true);
    Ok((!notes.is_empty()).then(|| (Value::Object(json).to_string().into_bytes(), notes)))
}

/// A token as written: a string, or an object that contains one.
fn content(token: &Value) -> Option<&str> {
    token.as_str().or_else(|| token.get("content").and_then(Value::as_str))
}
