//! What the encoder cannot see of the texts: said before training, with the script that its vocabulary lacks.

use serde_json::{Value, json};
use softprompt::text::count::{TokenCount, TokenCounter};
use softprompt::text::script;
use softprompt::text::tokenizer::Tokenizer;
use wasm_bindgen_test::*;

const TOKENIZER: &[u8] = include_bytes!("../golden/tiny/tokenizer.json");

fn counted(json: &[u8], texts: &[&str]) -> TokenCount {
    let tokenizer = Tokenizer::from_bytes(json).unwrap();
    let mut counter = TokenCounter::new(texts.iter().map(|&text| text.to_owned()).collect(), 64);
    // In two parts, as the page does it.
    let half = counter.count_next(&tokenizer, texts.len() / 2).unwrap();
    assert!(texts.len() < 2 || half.notes.is_empty(), "said before all is counted");
    counter.count_next(&tokenizer, texts.len()).unwrap()
}

fn tiny(texts: &[&str]) -> TokenCount {
    counted(TOKENIZER, texts)
}

#[wasm_bindgen_test(unsupported = test)]
fn nothing_is_said_of_texts_that_are_seen() {
    let count = tiny(&["the card was lost", "good food, slow service!"]);
    assert_eq!((count.unknown, count.empty, count.notes), (0, 0, vec![]));
    // One unknown word of more than a hundred.
    let mut texts = vec!["the card was lost and the card was found"; 12];
    texts.push("the card zzz");
    let count = tiny(&texts);
    assert_eq!((count.unknown, count.notes), (1, vec![]));
    assert!(tiny(&[]).notes.is_empty());
}

#[wasm_bindgen_test(unsupported = test)]
fn a_script_that_the_vocabulary_lacks_is_named() {
    let count = tiny(&["መጥፎ ትንሽ ቤት", "ቤት the ውሃ", "the card was lost"]);
    // Of 10 tokens.
    assert_eq!((count.unknown, count.empty), (5, 0));
    let expected = "50.0% of the tokens are unknown to the encoder ([UNK]); not in its vocabulary: Ethiopic script (Amharic, \
                    Tigrinya). It cannot distinguish such words, and 1 of 3 texts have only such tokens. Use an encoder whose \
                    vocabulary has them, such as intfloat/multilingual-e5-small";
    assert_eq!(count.notes, [expected]);
    for (text, name) in [
        ("ร้อน", "Thai script"),
        ("🙂🥳", "emoji"),
        ("I love it🙂", "emoji"),
        ("привет", "Cyrillic script"),
        ("שלום", "Hebrew script"),
        ("한국어", "Hangul (Korean)"),
        ("ひらがな", "kana (Japanese)"),
        ("中文", "Chinese characters"),
        ("ᐃᓄᒃᑎᑐᑦ", "Canadian syllabics"),
        ("zoo", "Latin letters"),
        ("€", "currency signs"),
    ] {
        let notes = tiny(&[text]).notes;
        assert!(notes.len() == 1 && notes[0].contains(&format!("not in its vocabulary: {name}")), "{text}: {notes:?}");
    }
    // The most frequent first, three at most.
    let notes = tiny(&["🙂 🥳 ቤት", "🧿 ቤት ร้อน שלום привет", "x"]).notes;
    assert!(notes[0].contains("vocabulary: emoji, Cyrillic script (Russian, Ukrainian), Ethiopic script"), "{notes:?}");
    assert!(!notes[0].contains("Thai"), "{notes:?}");
}

#[wasm_bindgen_test(unsupported = test)]
fn words_that_are_too_long_are_no_script() {
    let long = "a".repeat(101);
    let notes = tiny(&[&long]).notes;
    assert!(
        notes[0].contains("vocabulary: words of more than 100 characters") && notes[0].contains("Insert spaces"),
        "{notes:?}"
    );
    // What it lacks says more than its length.
    let notes = tiny(&[&format!("{long}ቤ")]).notes;
    assert!(notes[0].contains("Ethiopic") && !notes[0].contains("100 characters"), "{notes:?}");
    // All of whose letters are there, but not in this order.
    let short = tiny(&["a".repeat(100).as_str()]);
    assert_eq!((short.unknown, short.notes), (0, vec![]));
}

#[wasm_bindgen_test(unsupported = test)]
fn texts_of_invisible_characters_are_empty() {
    let invisible = ["\u{200b}", "\u{feff}\u{ad}", "\u{0}\u{1}\u{200d}", "", " \u{2060} "];
    for text in invisible {
        let count = tiny(&[text]);
        assert_eq!((count.empty, count.unknown), (1, 0), "{text:?}");
        assert_eq!(count.notes, ["1 of 1 text have no tokens: they are empty, or contain only invisible characters"], "{text:?}");
    }
    let notes = tiny(&["the card", "\u{200b}", "\u{feff}", "?", "..."]).notes;
    assert_eq!(notes, ["2 of 5 texts have no tokens: they are empty, or contain only invisible characters"]);
}

#[wasm_bindgen_test(unsupported = test)]
fn other_kinds_of_tokenizers_name_their_unknown_piece_too() {
    let mut json: Value = serde_json::from_slice(TOKENIZER).unwrap();
    json["pre_tokenizer"] = json!({"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always"});
    let vocab =
        json!([["[PAD]", 0.0], ["[UNK]", 0.0], ["[CLS]", 0.0], ["[SEP]", 0.0], ["▁", -1.0], ["a", -1.0], ["▁card", -2.0]]);
    json["model"] = json!({"type": "Unigram", "unk_id": 1, "vocab": vocab, "byte_fallback": false});
    json["added_tokens"].as_array_mut().unwrap().truncate(4);
    let count = counted(json.to_string().as_bytes(), &["card a", "ቤት"]);
    assert_eq!(count.unknown, 1);
    assert!(count.notes[0].contains("Ethiopic"), "{:?}", count.notes);
    // Without such a piece there is nothing to count.
    json["model"]["unk_id"] = Value::Null;
    json["model"]["vocab"].as_array_mut().unwrap().extend((0..=255).map(|byte| json!([format!("<0x{byte:02X}>"), -9.0])));
    json["model"]["byte_fallback"] = json!(true);
    if let Ok(tokenizer) = Tokenizer::from_bytes(json.to_string().as_bytes()) {
        assert_eq!(tokenizer.unknown(), None);
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn an_encoder_is_named_only_for_what_it_has() {
    assert_eq!(script::encoder_for(script::name('ቤ')), Some("intfloat/multilingual-e5-small"));
    assert_eq!(script::encoder_for(script::name('ཀ')), None);
    assert_eq!(script::name('\u{10ffff}'), "rare characters");
    assert_eq!(script::encoder_for("rare characters"), None);
    let notes = tiny(&["བོད་ཡིག"]).notes;
    assert!(notes[0].ends_with("Use an encoder that was trained on such texts"), "{notes:?}");
}
