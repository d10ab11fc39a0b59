//! Checks parts of a `tokenizer.json` that the `tokenizers` crate uses unchecked and that would abort the program in a malicious
//! file.

use base64::prelude::{BASE64_STANDARD, Engine as _};
use serde::Deserialize;
use serde_json::{Map, Value};

/// The parts that are checked.
#[derive(Deserialize)]
struct Parts {
    #[serde(default)]
    normalizer: Value,
    #[serde(default)]
    pre_tokenizer: Value,
    #[serde(default)]
    post_processor: Value,
    /// Not used, but parsed: invalid JSON in it would abort the program.
    #[serde(default, rename = "decoder")]
    _decoder: Value,
    #[serde(default)]
    model: Option<Model>,
}

/// Of the model, only the unknown token: its text or its id.
#[derive(Deserialize)]
struct Model {
    #[serde(default)]
    unk_token: Value,
    #[serde(default)]
    unk_id: Value,
}

/// The unknown token.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unknown {
    Token(String),
    Id(u32),
}

/// Checks that a `tokenizer.json` is valid JSON, and the parts above. Returns the unknown token, if the file names one.
///
/// # Errors
/// What is wrong, as text.
pub(super) fn check(bytes: &[u8]) -> Result<Option<Unknown>, String> {
    // The JSON reader does not check strings that it skips.
    let text = std::str::from_utf8(bytes).map_err(|error| format!("it is not UTF-8: {error}"))?;
    let Parts { normalizer, pre_tokenizer, post_processor, model, .. } =
        serde_json::from_str(text).map_err(|error| error.to_string())?;
    [normalizer, pre_tokenizer, post_processor].iter().try_for_each(check_within)?;
    let Some(Model { unk_token, unk_id }) = model else { return Ok(None) };
    let id = unk_id.as_u64().and_then(|id| u32::try_from(id).ok());
    Ok(unk_token.as_str().map(|token| Unknown::Token(token.to_owned())).or(id.map(Unknown::Id)))
}

fn check_within(value: &Value) -> Result<(), String> {
    match value {
        Value::Object(fields) => {
            let kind = fields.get("type").and_then(Value::as_str);
            match kind {
                _ if kind == Some("Precompiled") || fields.contains_key("precompiled_charsmap") => {
                    let table = fields.get("precompiled_charsmap").and_then(Value::as_str);
                    let table = table.and_then(|text| BASE64_STANDARD.decode(text).ok());
                    table.as_deref().and_then(check_table).ok_or("its precompiled_charsmap is invalid")?;
                }
                Some("FixedLength") if fields.get("length") == Some(&Value::from(0)) => {
                    Err("its FixedLength pre-tokenizer has length 0")?;
                }
                _ if kind == Some("TemplateProcessing") || fields.contains_key("special_tokens") => {
                    check_template(fields).ok_or("its template refers to something that does not exist")?;
                }
                _ => fields.values().try_for_each(check_within)?,
            }
            Ok(())
        }
        Value::Array(list) => list.iter().try_for_each(check_within),
        _ => Ok(()),
    }
}

/// Checks a template for single texts: it may contain the text, which is called A, and special tokens that it defines itself.
fn check_template(fields: &Map<String, Value>) -> Option<()> {
    let tokens = fields.get("special_tokens")?.as_object()?;
    let good = |piece: &Value| match (piece.get("Sequence"), piece.get("SpecialToken")) {
        (Some(sequence), None) => sequence.get("id").is_some_and(|id| id == "A"),
        (None, Some(token)) => token.get("id").and_then(Value::as_str).is_some_and(|id| tokens.contains_key(id)),
        _ => false,
    };
    fields.get("single")?.as_array()?.iter().all(good).then_some(())
}

/// Checks SentencePiece's precompiled character map: the size of a trie in bytes, the trie (a double array of 32-bit units), and
/// the replacements, each terminated by NUL. Every unit that a text can lead to must be inside the array, and every replacement
/// inside the text after it.
fn check_table(table: &[u8]) -> Option<()> {
    const LABEL: u32 = 1 << 31 | 0xff;
    let (size, rest) = table.split_first_chunk::<4>()?;
    let units = u32::from_le_bytes(*size) as usize / 4;
    let (trie, text) = rest.split_at_checked(units.checked_mul(4)?)?;
    let (trie, text) = (trie.as_chunks::<4>().0, str::from_utf8(text).ok()?);
    let unit = |at: usize| trie.get(at).map(|&bytes| u32::from_le_bytes(bytes));
    let offset = |unit: u32| ((unit >> 10) as usize) << ((unit & 1 << 9) >> 6);

    let mut seen = vec![false; units];
    let mut bases = vec![offset(unit(0)?)];
    while let Some(base) = bases.pop() {
        for byte in 1..=255_u32 {
            let at = base ^ byte as usize;
            let found = unit(at)?;
            if found & LABEL != byte || std::mem::replace(&mut seen[at], true) {
                continue;
            }
            let next = at ^ offset(found);
            if found & 1 << 8 != 0 && !text.is_char_boundary((unit(next)? & !(1 << 31)) as usize) {
                return None;
            }
            bases.push(next);
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One letter, `A`, that becomes `B`.
    fn table() -> Vec<u8> {
        let mut trie = [0_u32; 256];
        trie[0x41] = 0x80 << 10 | 1 << 8 | 0x41;
        trie[0xc1] = 1 << 31;
        let units = trie.iter().flat_map(|unit| unit.to_le_bytes());
        [&1024_u32.to_le_bytes()[..], &units.collect::<Vec<_>>(), b"B\0"].concat()
    }

    #[test]
    fn a_decoder_that_is_no_json_is_found() {
        assert_eq!(check(br#"{"decoder": {"type": "WordPiece", "prefix": "x"}}"#), Ok(None));
        let deep = format!(r#"{{"decoder": {}{}}}"#, "[".repeat(300), "]".repeat(300));
        let broken: [&[u8]; 4] = [
            b"{\"decoder\": {\"p\x91\": 1}}",
            b"{\"model\": {\"\xff\": 1}}",
            br#"{"decoder": {"prefix": "\ud83d"}}"#,
            deep.as_bytes(),
        ];
        for bytes in broken {
            assert!(check(bytes).is_err(), "{}", String::from_utf8_lossy(bytes));
        }
    }

    #[test]
    fn a_good_table_passes_and_a_changed_one_does_not() {
        assert_eq!(check_table(&table()), Some(()));
        let changed = |at: usize, unit: u32| {
            let mut table = table();
            table[4 + 4 * at..][..4].copy_from_slice(&unit.to_le_bytes());
            check_table(&table)
        };
        // The letter leads out of the array; so does the root; the replacement is behind the text.
        assert_eq!(changed(0x41, 0x180 << 10 | 1 << 8 | 0x41), None);
        assert_eq!(changed(0, 0x100 << 10), None);
        assert_eq!(changed(0xc1, 1 << 31 | 3), None);
        for (what, table) in [
            ("nothing", vec![]),
            ("no trie", vec![0; 4]),
            ("a trie that is cut off", table()[..500].to_vec()),
            ("a huge trie", vec![255; 64]),
            ("text that is none", [&table()[..], &[0xff]].concat()),
        ] {
            assert_eq!(check_table(&table), None, "{what}");
        }
    }
}
