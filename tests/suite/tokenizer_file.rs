//! The hub's tokenizer.json: the tokens of transformers, and files that do harm.

use serde_json::{Value, json};
use softprompt::model::config;
use softprompt::rng::Rng;
use softprompt::text::tokenizer::Tokenizer;
use wasm_bindgen_test::*;

use crate::model_files::{CONFIG, forged, load, model_error};

const TOKENIZER: &[u8] = include_bytes!("../golden/tiny/tokenizer.json");
const TINY: &str = include_str!("../golden/tiny.json");
const CLS: u32 = 2;
const SEP: u32 = 3;

#[derive(serde::Deserialize)]
struct Golden {
    examples: Vec<GoldenText>,
}

#[derive(serde::Deserialize)]
struct GoldenText {
    text: String,
    tokens: Vec<u32>,
}

#[wasm_bindgen_test(unsupported = test)]
fn tokens_are_those_of_transformers() {
    let tokenizer = Tokenizer::from_bytes(TOKENIZER).unwrap();
    let golden: Golden = serde_json::from_str(TINY).unwrap();
    assert!(golden.examples.len() >= 8);
    for GoldenText { text, tokens } in &golden.examples {
        let encoded = tokenizer.encode(text, 512).unwrap();
        assert_eq!((&encoded.ids, encoded.cut), (tokens, 0), "{text:?}");
        assert_eq!(tokenizer.pieces(text).unwrap(), tokens[1..tokens.len() - 1], "{text:?}");
    }
    let texts: Vec<&str> = golden.examples.iter().map(|example| example.text.as_str()).collect();
    let batch = tokenizer.encode_batch(&texts, 512).unwrap();
    assert!(batch.iter().map(|encoded| &encoded.ids).eq(golden.examples.iter().map(|example| &example.tokens)));
    assert_eq!(tokenizer.vocab_size(), 300);
    tokenizer.check_vocab(300).unwrap();
    let expected = "tokenizer.json has 300 tokens, but the encoder has embeddings for 299";
    assert_eq!(model_error("vocabulary", tokenizer.check_vocab(299)).0, expected);
}

#[wasm_bindgen_test(unsupported = test)]
fn many_texts_at_once_are_each_text_alone() {
    let mut settings: Value = serde_json::from_slice(TOKENIZER).unwrap();
    let plain = settings.to_string();
    // Here a space is a letter like any other, so that words must not be taken apart one by one.
    settings["pre_tokenizer"] = json!({"type": "CharDelimiterSplit", "delimiter": "-"});
    let spaces = settings.to_string();
    settings = serde_json::from_slice(TOKENIZER).unwrap();
    settings["added_tokens"][4]["content"] = json!("bank card");
    let added = settings.to_string();
    let texts = [
        "the card was lost the card",
        "  the   card  ",
        "",
        " ",
        "the\tcard\nwas\u{a0}lost",
        "[MASK] the [SEP]card[CLS]",
        "Cafe\u{301} CAF\u{c9} \u{301}x e \u{327}\u{301}",
        "\u{4e2d}\u{6587} card\u{4e2d}card",
        "don't-stop, (card)!",
        "a\u{0}b \u{200d} \u{fffd}",
        "my bank card is a bank card",
    ];
    for (name, json) in [("plain", plain), ("spaces", spaces), ("added", added)] {
        let tokenizer = Tokenizer::from_bytes(json.as_bytes()).unwrap();
        for max_tokens in [4, 512] {
            // Three times over, so that most words are known.
            let many: Vec<&str> = texts.iter().cycle().take(3 * texts.len()).copied().collect();
            for (text, encoded) in many.iter().zip(tokenizer.encode_batch(&many, max_tokens).unwrap()) {
                assert_eq!(encoded, tokenizer.encode(text, max_tokens).unwrap(), "{name}: {text:?}");
            }
        }
        assert!(tokenizer.encode_batch::<&str>(&[], 512).unwrap().is_empty());
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn a_long_text_loses_its_end_and_keeps_its_special_tokens() {
    let golden: Golden = serde_json::from_str(TINY).unwrap();
    let GoldenText { text, tokens } = golden.examples.iter().max_by_key(|example| example.tokens.len()).unwrap();
    // MiniLM's own tokenizer.json cuts at 128 and pads to 128; here it cuts at 4 and pads to 300.
    let mut settings: Value = serde_json::from_slice(TOKENIZER).unwrap();
    settings["truncation"] = json!({"max_length": 4, "strategy": "LongestFirst", "stride": 0, "direction": "Left"});
    settings["padding"] = json!({"strategy": {"Fixed": 300}, "direction": "Right", "pad_to_multiple_of": null,
                                 "pad_id": 0, "pad_type_id": 0, "pad_token": "[PAD]"});
    for json in [TOKENIZER, settings.to_string().as_bytes()] {
        let tokenizer = Tokenizer::from_bytes(json).unwrap();
        for max_tokens in 3..tokens.len() + 3 {
            let encoded = tokenizer.encode(text, max_tokens).unwrap();
            let kept = max_tokens.min(tokens.len());
            assert_eq!(encoded.ids, [&tokens[..kept - 1], &[SEP]].concat());
            assert_eq!(encoded.cut, tokens.len() - kept);
        }
        for max_tokens in 0..3 {
            let error = tokenizer.encode(text, max_tokens).unwrap_err();
            let expected = format!("data.max_tokens: {max_tokens} tokens leave no room for text beside 2 special tokens");
            assert_eq!((error.code(), error.to_string()), ("config", expected));
            assert!(tokenizer.encode_batch(&["", text], max_tokens).is_err());
        }
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn survives_every_text() {
    let tokenizer = Tokenizer::from_bytes(TOKENIZER).unwrap();
    let check = |text: &str| {
        let encoded = tokenizer.encode(text, 64).unwrap();
        let (first, last) = (encoded.ids.first(), encoded.ids.last());
        assert_eq!((first, last), (Some(&CLS), Some(&SEP)), "{text:?}");
        assert!(encoded.ids.len() <= 64 && encoded.ids.iter().all(|&id| id < 300), "{text:?}");
    };
    let long = ["a".repeat(100_000), "a ".repeat(100_000), "\u{301}".repeat(10_000), "中".repeat(10_000), "👩‍👩‍👧‍👦".repeat(1_000)];
    for text in long.iter().map(String::as_str).chain([
        "",
        " ",
        "\t\r\n\u{b}\u{c}",
        "\0",
        "\u{feff}",
        "\u{fffd}",
        "\u{10ffff}",
        "\u{e000}",
        "\u{200b}\u{200d}\u{2060}",
        "\u{202e}abc",
        "e\u{301}\u{302}\u{303}",
        "\u{301}",
        "İIıi",
        "ß ẞ ﬁ Ǆ",
        "中文字符",
        "한국어",
        "नमस्ते",
        "العربية",
        "🙂 👩‍👩‍👧‍👦 🇩🇪",
        "[CLS] [SEP] [MASK] [PAD] [UNK]",
        "[cls][sep",
        "##a ## #",
        "a\u{a0}b\u{2028}c\u{3000}d",
        "\u{1d400}\u{1d7d8}",
    ]) {
        check(text);
    }
    let mut rng = Rng::stream(3, "unicode");
    for _ in 0..2000 {
        let text: String = (0..rng.below(60))
            .filter_map(|_| {
                let top = [0x80, 0x300, 0x3000, 0x1_0000, 0x11_0000][rng.below(5)];
                char::from_u32(rng.below(top) as u32)
            })
            .collect();
        check(&text);
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn refuses_a_broken_tokenizer() {
    let changed = |field: &str, value: Value| {
        let mut json: Value = serde_json::from_slice(TOKENIZER).unwrap();
        *json.pointer_mut(field).unwrap() = value;
        json.to_string().into_bytes()
    };
    for (fault, bytes, expected) in [
        ("nothing", vec![], "tokenizer.json cannot be read: "),
        ("a web page", b"<html>".to_vec(), "tokenizer.json cannot be read: "),
        ("half a file", TOKENIZER[..TOKENIZER.len() / 2].to_vec(), "tokenizer.json cannot be read: "),
        ("brackets", "[".repeat(100_000).into_bytes(), "tokenizer.json cannot be read: "),
        ("another version", changed("/version", json!("2.0")), "tokenizer.json cannot be read: "),
        ("no model", changed("/model", json!({})), "tokenizer.json cannot be read: "),
        ("a negative id", changed("/model/vocab/a", json!(-1)), "tokenizer.json cannot be read: "),
        ("no special tokens", changed("/post_processor", Value::Null), "tokenizer.json adds no special tokens"),
        ("no token for unknown words", changed("/model/unk_token", json!("[NONE]")), "tokenizer.json does not work: "),
    ] {
        let (problem, _) = model_error(fault, Tokenizer::from_bytes(&bytes));
        assert!(problem.starts_with(expected), "{fault}: {problem}");
    }
    // A file that is only made to be large is not even read.
    let large = [TOKENIZER, &vec![b' '; (1 << 26) + 1]].concat();
    let expected = format!("tokenizer.json has {} bytes; the limit is 67108864", large.len());
    assert_eq!(model_error("a large file", Tokenizer::from_bytes(&large)).0, expected);
    let large = [CONFIG, &vec![b' '; 1 << 20]].concat();
    assert!(model_error("a large config", config::parse(&large)).0.ends_with("bytes; the limit is 1048576"));
    let large = forged(&format!("{{}}{}", " ".repeat(100_000_000)), 0);
    let expected = "model.safetensors cannot be read: its header has 100000002 bytes; the limit is 100000000";
    assert_eq!(model_error("a large header", load(&large)).0, expected);
    // An id that no embedding has is found before the first text.
    let wide = Tokenizer::from_bytes(&changed("/model/vocab/a", json!(u32::MAX))).unwrap();
    assert!(wide.check_vocab(300).is_err());
}

/// Parts of other kinds of tokenizers, made to do harm: an error or a tokenizer that works, and never a panic.
#[wasm_bindgen_test(unsupported = test)]
fn survives_hostile_tokenizers() {
    let vocab = json!({"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3, "a": 4});
    let parts = [
        ("/normalizer", json!({"type": "Precompiled", "precompiled_charsmap": "AAAA"})),
        ("/normalizer", json!({"type": "Precompiled", "precompiled_charsmap": "/////w=="})),
        ("/normalizer", json!({"type": "Precompiled", "precompiled_charsmap": "BAAAAP////8AAAAA"})),
        ("/normalizer", json!({"type": "Precompiled"})),
        ("/normalizer", json!({"precompiled_charsmap": "BAAAAP////8AAAAA"})),
        ("/normalizer", json!({"type": "Sequence", "normalizers": [{"type": "Precompiled", "precompiled_charsmap": 1}]})),
        ("/normalizer", json!({"type": "Replace", "pattern": {"Regex": "(a+)+$"}, "content": "b"})),
        ("/normalizer", json!({"type": "Replace", "pattern": {"Regex": "("}, "content": "b"})),
        ("/normalizer", json!({"type": "Replace", "pattern": {"String": ""}, "content": "aaaa"})),
        ("/normalizer", json!({"type": "Prepend", "prepend": "a".repeat(1 << 16)})),
        ("/normalizer", json!({"type": "Sequence", "normalizers": []})),
        ("/pre_tokenizer", json!({"type": "Split", "pattern": {"Regex": ""}, "behavior": "Isolated", "invert": true})),
        ("/pre_tokenizer", json!({"type": "Digits", "individual_digits": true})),
        ("/pre_tokenizer", json!({"type": "Metaspace", "replacement": "", "prepend_scheme": "always"})),
        ("/pre_tokenizer", json!({"type": "FixedLength", "length": 0})),
        ("/post_processor", json!({"type": "BertProcessing", "sep": ["[SEP]", u32::MAX], "cls": ["[CLS]", 2]})),
        ("/post_processor", json!({"type": "TemplateProcessing", "single": [], "pair": [], "special_tokens": {}})),
        (
            "/post_processor",
            json!({"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "[NONE]", "type_id": 0}}],
            "pair": [], "special_tokens": {}}),
        ),
        (
            "/post_processor",
            json!({"type": "TemplateProcessing", "single": [{"Sequence": {"id": "B", "type_id": 0}}],
            "pair": [], "special_tokens": {}}),
        ),
        ("/model", json!({"type": "Unigram", "unk_id": 9, "vocab": [["a", 0.0]], "byte_fallback": false})),
        ("/model", json!({"type": "Unigram", "unk_id": 0, "vocab": [["", -1.0], ["a", -1e308]], "byte_fallback": true})),
        ("/model", json!({"type": "Unigram", "unk_id": null, "vocab": []})),
        ("/model", json!({"type": "BPE", "vocab": vocab, "merges": [["a", "[NONE]"]]})),
        ("/model", json!({"type": "BPE", "vocab": vocab, "merges": ["a a"], "unk_token": "[UNK]", "dropout": 7.0})),
        ("/model", json!({"type": "WordLevel", "vocab": vocab, "unk_token": ""})),
        (
            "/model",
            json!({"type": "WordPiece", "vocab": vocab, "unk_token": "[UNK]", "continuing_subword_prefix": "",
            "max_input_chars_per_word": 0}),
        ),
        ("/model/vocab", json!({})),
        (
            "/added_tokens",
            json!([{"id": u32::MAX, "content": "", "single_word": true, "lstrip": true, "rstrip": true,
            "normalized": true, "special": true}]),
        ),
        ("/decoder", json!({"type": "Replace", "pattern": {"Regex": "["}, "content": ""})),
    ];
    let long = format!("{}b {}", "a".repeat(200), "Ünïcode 中文 ".repeat(20));
    let mut rng = Rng::stream(11, "tokenizers");
    let mut tried = 0;
    let mut attempt = |bytes: &[u8]| {
        tried += 1;
        if let Ok(tokenizer) = Tokenizer::from_bytes(bytes) {
            for text in ["", "a", "the card", &long] {
                if let Ok(encoded) = tokenizer.encode(text, 64) {
                    assert!(encoded.ids.len() <= 64);
                }
            }
            let _ = tokenizer.check_vocab(300);
        }
    };
    for (place, part) in &parts {
        let mut json: Value = serde_json::from_slice(TOKENIZER).unwrap();
        *json.pointer_mut(place).unwrap() = part.clone();
        attempt(json.to_string().as_bytes());
    }
    for _ in 0..300 {
        let mut bytes = TOKENIZER.to_vec();
        for _ in 0..=rng.below(3) {
            bytes[rng.below(TOKENIZER.len())] = rng.below(128) as u8;
        }
        attempt(&bytes);
    }
    assert_eq!(tried, parts.len() + 300);
}
