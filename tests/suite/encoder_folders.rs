//! Folders with an encoder as people have them: files under other names, of other programs, or not the files at all. What can be
//! read is read right; of the rest the error says what lies there and what to do.

use serde_json::{Value, json};
use softprompt::error::Error;
use softprompt::model::files::{EncoderBytes, Loaded, tokenizer_of};
use softprompt::model::folder::choose;
use softprompt::text::tokenizer::Tokenizer;
use wasm_bindgen_test::*;

use crate::model_files::{CONFIG, WEIGHTS, load, renamed};

const TOKENIZER: &[u8] = include_bytes!("../golden/tiny/tokenizer.json");
const TEXTS: [&str; 4] = ["The card was LOST, café!", "don't-stop 中文", "a\u{200b}b éE", "1234 unknownword"];

type Folder = Vec<(String, Vec<u8>)>;

/// The tiny encoder's folder after changes: a file with other bytes, or without any where there are none.
fn folder(changes: &[(&str, Option<&[u8]>)]) -> Folder {
    let mut files: Folder = [("config.json", CONFIG), ("tokenizer.json", TOKENIZER), ("model.safetensors", WEIGHTS)]
        .map(|(name, bytes)| (name.to_owned(), bytes.to_vec()))
        .into();
    for (name, bytes) in changes {
        files.retain(|(other, _)| other != name);
        files.extend(bytes.map(|bytes| ((*name).to_owned(), bytes.to_vec())));
    }
    files
}

/// As the command line and the page do it, with what was noted.
fn open(folder: &Folder) -> Result<(Loaded, Vec<String>), Error> {
    let paths: Vec<String> = folder.iter().map(|(path, _)| path.clone()).collect();
    let read = |path: &str| Ok(folder.iter().find(|(other, _)| other == path).unwrap().1.clone());
    let bytes = EncoderBytes::read(&choose(&paths)?, read)?;
    let loaded = bytes.files().load()?;
    let notes = [bytes.notes.clone(), loaded.notes.clone()].concat();
    Ok((loaded, notes))
}

/// Checks that the folder holds the tiny encoder, with its weights and tokens; gives the notes.
#[track_caller]
fn same(what: &str, folder: &Folder) -> Vec<String> {
    let (loaded, notes) = open(folder).unwrap_or_else(|error| panic!("{what}: {error:?}"));
    assert_eq!(loaded.weights, load(WEIGHTS).unwrap(), "{what}");
    let tokenizer = Tokenizer::from_bytes(TOKENIZER).unwrap();
    for text in TEXTS {
        assert_eq!(loaded.tokenizer.encode(text, 64).unwrap(), tokenizer.encode(text, 64).unwrap(), "{what}: {text}");
    }
    notes
}

/// Checks that the folder is refused with these words in its problem or its hint.
#[track_caller]
fn refused(what: &str, folder: &Folder, words: &[&str]) {
    match open(folder) {
        Ok(_) => panic!("{what} was accepted"),
        Err(Error::Model { problem, hint, .. }) => {
            let all = format!("{problem}\n{hint}");
            assert!(!hint.is_empty() && words.iter().all(|word| all.contains(word)), "{what}: {all}");
        }
        Err(error) => panic!("{what}: {error:?}"),
    }
}

/// The tiny encoder's config after a change.
fn config(change: impl FnOnce(&mut serde_json::Map<String, Value>)) -> Vec<u8> {
    let mut fields: Value = serde_json::from_slice(CONFIG).unwrap();
    change(fields.as_object_mut().unwrap());
    fields.to_string().into_bytes()
}

/// The tiny encoder's pieces, one a line.
fn vocabulary() -> Vec<u8> {
    let json: Value = serde_json::from_slice(TOKENIZER).unwrap();
    let mut pieces: Vec<(u64, String)> =
        json["model"]["vocab"].as_object().unwrap().iter().map(|(piece, id)| (id.as_u64().unwrap(), piece.clone())).collect();
    pieces.sort();
    pieces.iter().map(|(_, piece)| format!("{piece}\n")).collect::<String>().into_bytes()
}

#[wasm_bindgen_test(unsupported = test)]
fn the_folder_as_the_hub_has_it_needs_no_note() {
    assert!(same("as it is", &folder(&[])).is_empty());
    let said = br#"{"do_lower_case": true, "strip_accents": null, "tokenizer_class": "BertTokenizerFast"}"#;
    assert!(same("with what the tokenizer says too", &folder(&[("tokenizer_config.json", Some(said))])).is_empty());
}

#[wasm_bindgen_test(unsupported = test)]
fn weights_with_any_prefix_are_found() {
    for prefix in ["bert.", "model.", "0.auto_model.", "auto_model.", "module.bert.", "encoder.", "text_encoder.bert_model."] {
        let weights = renamed(|name| format!("{prefix}{name}"));
        assert!(same(prefix, &folder(&[("model.safetensors", Some(&weights))])).is_empty());
    }
    // RoBERTa's tensors have the same names and shapes; its positions begin elsewhere.
    for prefix in ["roberta.", "model.xlm_roberta."] {
        let weights = renamed(|name| format!("{prefix}{name}"));
        refused(prefix, &folder(&[("model.safetensors", Some(&weights))]), &[prefix, "another family", "config.json"]);
    }
    // A prefix ends at a dot.
    let weights = renamed(|name| format!("my_{name}"));
    refused("my_", &folder(&[("model.safetensors", Some(&weights))]), &["word_embeddings.weight", "my_em", "36 more"]);
}

#[wasm_bindgen_test(unsupported = test)]
fn two_encoders_in_one_file_are_not_chosen_from() {
    let (one, other) = (renamed(|name| format!("question.{name}")), renamed(|name| format!("passage.{name}")));
    let both = softprompt::tensors::join(&[("a", &one), ("b", &other)]).unwrap();
    let words = ["2 encoders", "\"passage.\"", "\"question.\"", "save_pretrained"];
    refused("both", &folder(&[("model.safetensors", Some(&both))]), &words);
}

#[wasm_bindgen_test(unsupported = test)]
fn shards_are_joined() {
    let shard = |first: bool| crate::model_files::part(|name| name.starts_with("encoder.layer.1") == first);
    let (first, second) = (shard(true), shard(false));
    let names = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"];
    let sharded = |files: &[(&str, &[u8])]| {
        let mut all = folder(&[("model.safetensors", None), ("model.safetensors.index.json", Some(b"{}"))]);
        all.extend(files.iter().map(|(name, bytes)| ((*name).to_owned(), bytes.to_vec())));
        all
    };
    assert!(same("shards", &sharded(&[(names[1], &second), (names[0], &first)])).is_empty());
    // The bytes of one file with all of it, so that the encoder has one checksum, sharded or not.
    let whole = crate::model_files::part(|_| true);
    assert_eq!(softprompt::tensors::join(&[("b", &second), ("a", &first)]).unwrap(), whole);

    refused("one missing", &sharded(&[(names[1], &second)]), &["1 of 2 shards", names[0], "is missing"]);
    refused("all missing", &sharded(&[]), &["model.safetensors.index.json", "none of the shards"]);
    refused("twice the same", &sharded(&[(names[0], &first), (names[1], &first)]), &[names[1], "is in another shard"]);
    refused("a pointer", &sharded(&[(names[0], &first), (names[1], POINTER)]), &[names[1], "Git LFS pointer", "git lfs pull"]);
    let strange = [(names[0], first.as_slice()), ("other-00002-of-00002.safetensors", &second)];
    refused("of two models", &sharded(&strange), &["several models"]);
    for name in ["model-00003-of-00002.safetensors", "model-1-of-2.safetensors", "model-00001-of-99999.safetensors"] {
        // No shard, and one file of weights under another name.
        let alone = sharded(&[(name, &whole)]);
        same(name, &alone);
    }
}

const POINTER: &[u8] = b"version https://git-lfs.github.com/spec/v1\noid sha256:aaaa\nsize 90868376\n";

#[wasm_bindgen_test(unsupported = test)]
fn what_is_not_the_file_is_named() {
    let pickle = [b"PK\x03\x04".as_slice(), &[7; 600]].concat();
    let utf16: Vec<u8> = [0xff, 0xfe].into_iter().chain(CONFIG.iter().flat_map(|&byte| [byte, 0])).collect();
    let tar = [&vec![b'x'; 257][..], b"ustar", &[1; 300]].concat();
    let page = b"\n<!DOCTYPE html>\n<html><head><title>Sign in</title></head></html>";
    for (what, bytes, words) in [
        ("a pointer", POINTER, &["Git LFS pointer", "(90868376 bytes)", "git lfs pull"][..]),
        ("nothing", b"", &["is empty", "again"]),
        ("zeros", &[0; 4096], &["only zero bytes (4096)", "again"]),
        ("a page", page, &["is a web page", "<!DOCTYPE html> <html>", "resolve"]),
        ("an answer", b"Entry not found", &["contains the text \"Entry not found\"", "download the file itself"]),
        ("an error", br#"{"error":"Repository is gated"}"#, &["contains the text", "Repository is gated"]),
        ("gzip", b"\x1f\x8b\x08\0\0\0\0\0abcdefgh", &["compressed with gzip", "unpack"]),
        ("a zip", &pickle, &["zip archive", "torch.save", "save_pretrained"]),
        ("a pickle", b"\x80\x02}q\0(X\x05\0\0\0abcde", &["pickle", "save_pretrained"]),
        ("HDF5", b"\x89HDF\r\n\x1a\n12345678", &["HDF5", "from_tf=True"]),
        ("GGUF", b"GGUF\x03\0\0\0\0\0\0\0\0\0\0\0", &["GGUF", "model's page"]),
        ("ONNX", b"\x08\x07\x12\x07pytorch\x1a\x051.9.0:\xff", &["ONNX"]),
        ("a tar", &tar, &["tar archive", "unpack"]),
        ("UTF-16", &utf16, &["UTF-16", "UTF-8"]),
    ] {
        for name in ["config.json", "tokenizer.json", "model.safetensors", "tokenizer_config.json"] {
            refused(&format!("{what} as {name}"), &folder(&[(name, Some(bytes))]), &[&[name], words].concat());
        }
        let files = folder(&[("tokenizer.json", None), ("vocab.txt", Some(bytes))]);
        refused(&format!("{what} as vocab.txt"), &files, &[&["vocab.txt"], words].concat());
    }
    // Weights whose header is as long as a pickle's first bytes say are weights.
    let header = format!("{{{:x<633}", "");
    let long = [&(0x280_u64).to_le_bytes()[..], header.as_bytes(), b"......"].concat();
    refused("a header of 640 bytes", &folder(&[("model.safetensors", Some(&long))]), &["header is invalid"]);
}

#[wasm_bindgen_test(unsupported = test)]
fn what_lies_in_place_of_the_weights_is_named() {
    for (lies, words) in [
        ("pytorch_model.bin", &["no model.safetensors, only pytorch_model.bin", "pickle", "save_pretrained"][..]),
        ("tf_model.h5", &["only tf_model.h5", "from_tf=True"]),
        ("flax_model.msgpack", &["only flax_model.msgpack", "from_flax=True"]),
        ("model.onnx", &["only model.onnx", "exported from"]),
        ("model-q8.gguf", &["only model-q8.gguf"]),
        ("readme.md", &["no model.safetensors", "an encoder's folder contains"]),
        ("training_args.bin", &["no model.safetensors", "an encoder's folder contains"]),
        ("adapter_model.safetensors", &["no model.safetensors", "an encoder's folder contains"]),
    ] {
        refused(lies, &folder(&[("model.safetensors", None), (lies, Some(b"..."))]), words);
    }
    // One file of that kind can only be meant.
    same("another name", &folder(&[("model.safetensors", None), ("bert-tiny.safetensors", Some(WEIGHTS))]));
    let two = [("model.safetensors", None), ("a.safetensors", Some(WEIGHTS)), ("b.safetensors", Some(WEIGHTS))];
    refused("two", &folder(&two), &["a.safetensors and b.safetensors", "rename the file"]);
}

#[wasm_bindgen_test(unsupported = test)]
fn what_lies_in_place_of_the_other_files_is_named() {
    for (missing, lies, words) in [
        ("config.json", "adapter_config.json", &["no config.json but an adapter_config.json", "trained for"][..]),
        ("config.json", "bert_config.json", &["rename bert_config.json to config.json"]),
        ("config.json", "params.json", &["params.json", "layout of transformers"]),
        ("config.json", "readme.md", &["no config.json", "an encoder's folder contains"]),
        ("tokenizer.json", "spiece.model", &["only spiece.model", "AutoTokenizer"]),
        ("tokenizer.json", "vocab.json", &["only a vocab.json", "RoBERTa", "AutoTokenizer"]),
        ("tokenizer.json", "readme.md", &["no tokenizer.json and no vocab.txt"]),
    ] {
        refused(lies, &folder(&[(missing, None), (lies, Some(b"{}"))]), words);
    }
    refused("nothing at all", &Folder::new(), &["contains no files"]);
}

#[wasm_bindgen_test(unsupported = test)]
fn an_encoder_in_a_folder_below_is_found() {
    let below = |at: &str| folder(&[]).into_iter().map(|(name, bytes)| (format!("{at}/{name}"), bytes)).collect::<Folder>();
    let sentences = [below("0_Transformer"), vec![("modules.json".into(), b"[]".to_vec())]].concat();
    assert!(same("sentence-transformers", &sentences).is_empty());
    // The highest one, and never files of two folders.
    let pooling = vec![("1_Pooling/config.json".to_owned(), b"{}".to_vec())];
    same("a pooling layer", &[folder(&[]), pooling.clone(), below("onnx/copy")].concat());
    refused("two", &[below("small"), below("large")].concat(), &["2 encoders", "large and small"]);
    let split = [folder(&[("tokenizer.json", None)]), vec![("old/tokenizer.json".to_owned(), TOKENIZER.to_vec())]].concat();
    refused("one in parts", &split, &["no tokenizer.json and no vocab.txt"]);
    refused("a pooling layer alone", &pooling, &["no model.safetensors"]);
}

#[wasm_bindgen_test(unsupported = test)]
fn a_tokenizer_is_made_of_a_vocabulary() {
    let with = |vocabulary: &[u8], others: &[(&str, Option<&[u8]>)]| {
        folder(&[&[("tokenizer.json", None), ("vocab.txt", Some(vocabulary))], others].concat())
    };
    let notes = same("vocab.txt alone", &with(&vocabulary(), &[]));
    assert!(notes.len() == 1 && notes[0].contains("lower-cased, because none of its tokens has a capital"), "{notes:?}");
    let text = String::from_utf8(vocabulary()).unwrap();
    let windows = format!("\u{feff}{}", text.replace('\n', "\r\n"));
    same("a mark and other line ends", &with(windows.as_bytes(), &[]));

    let said = |json: &'static str| [("tokenizer_config.json", Some(json.as_bytes()))];
    assert!(same("said", &with(&vocabulary(), &said(r#"{"do_lower_case": true}"#))).is_empty());
    // The tokenizer alone: the weights have no rows for more pieces.
    let made = |folder: &Folder| {
        let find = |name: &str| folder.iter().find(|(other, _)| other == name).map(|(_, bytes)| bytes.as_slice());
        let files = (find("vocab.txt").unwrap(), find("tokenizer_config.json"), find("added_tokens.json"));
        let (json, notes) = tokenizer_of("vocab.txt", files.0.to_vec(), files.1, files.2).unwrap();
        (Tokenizer::from_bytes(&json).unwrap(), notes)
    };
    let pieces = |folder: &Folder, text: &str| made(folder).0.pieces(text).unwrap();
    let plain = with(&vocabulary(), &[]);
    // Not made lower case, capitals are unknown; accents stay with them unless it is said.
    let cased = with(&vocabulary(), &said(r#"{"do_lower_case": false, "tokenizer_class": "BertTokenizer"}"#));
    assert_eq!(pieces(&cased, "card Card cafe\u{301}"), [pieces(&plain, "card"), vec![1, 1]].concat());
    let kept = with(&vocabulary(), &said(r#"{"do_lower_case": true, "strip_accents": false}"#));
    assert_eq!(pieces(&kept, "Card é"), [pieces(&plain, "card"), vec![1]].concat());
    let chinese = [&vocabulary()[..], "中\n文\n##文\n".as_bytes()].concat();
    assert_eq!(pieces(&with(&chinese, &[]), "中文"), [300, 301]);
    assert_eq!(pieces(&with(&chinese, &said(r#"{"tokenize_chinese_chars": false}"#)), "中文"), [300, 302]);
    // Capital letters among the pieces say that text keeps its own.
    let capital = [&vocabulary()[..], b"Card\n"].concat();
    let (tokenizer, notes) = made(&with(&capital, &[]));
    assert_eq!(tokenizer.pieces("Card").unwrap(), [300]);
    assert!(notes[0].contains("not lower-cased, because its tokens contain capital letters"), "{notes:?}");

    // Added tokens are whole, in both places where they may stand.
    let added = with(&vocabulary(), &[("added_tokens.json", Some(br#"{"zzz": 299}"#))]);
    assert_eq!(pieces(&added, "zzz"), [299]);
    let decoder = r#"{"do_lower_case": true, "added_tokens_decoder": {"299": {"content": "zzz", "special": false}}}"#;
    assert_eq!(pieces(&with(&vocabulary(), &said(decoder)), "zzz"), [299]);
    let renamed = text.replace("[UNK]", "<unk>").replace("[CLS]", "<s>");
    let named = r#"{"do_lower_case": true, "unk_token": "<unk>", "cls_token": {"content": "<s>"}}"#;
    same("other names", &with(renamed.as_bytes(), &said(named)));

    for (what, vocabulary, config, words) in [
        ("no [CLS]", text.replace("[CLS]\n", "[cls]\n"), "{}", &["vocab.txt has no line `[CLS]`"][..]),
        ("counts", text.replace('\n', "\t7\n"), "{}", &["vocab.txt has no line `[UNK]`"]),
        (
            "Japanese",
            text.clone(),
            r#"{"tokenizer_class": "BertJapaneseTokenizer"}"#,
            &["BertJapaneseTokenizer", "AutoTokenizer"],
        ),
        ("spaces only", text.clone(), r#"{"do_basic_tokenize": false}"#, &["do_basic_tokenize", "AutoTokenizer"]),
        ("no object", text.clone(), "[1]", &["tokenizer_config.json is not a JSON object"]),
        ("no JSON", text.clone(), "{", &["tokenizer_config.json is not a JSON object: EOF"]),
    ] {
        let files = with(vocabulary.as_bytes(), &[("tokenizer_config.json", Some(config.as_bytes()))]);
        refused(what, &files, words);
    }
    let latin = [&vocabulary()[..], b"caf\xe9\n"].concat();
    refused("Latin-1", &with(&latin, &[]), &["vocab.txt is not UTF-8 text (line 301)"]);
    refused("a list", &with(&vocabulary(), &[("added_tokens.json", Some(b"[]"))]), &["added_tokens.json is not"]);
}

#[wasm_bindgen_test(unsupported = test)]
fn where_two_files_speak_of_lower_case_transformers_is_followed() {
    let mut json: Value = serde_json::from_slice(TOKENIZER).unwrap();
    json["normalizer"]["lowercase"] = json!(false);
    let cased = json.to_string();
    let says = |json: &'static str| {
        let others = [("tokenizer.json", Some(cased.as_bytes())), ("tokenizer_config.json", Some(json.as_bytes()))];
        folder(&others)
    };
    let notes = same("lower case", &says(r#"{"do_lower_case": true, "tokenizer_class": "BertTokenizer"}"#));
    assert!(notes.len() == 1 && notes[0].contains("do_lower_case true, tokenizer.json says false"), "{notes:?}");
    // A class that takes no such argument, and a file that says nothing.
    for other in [r#"{"do_lower_case": true, "tokenizer_class": "PreTrainedTokenizerFast"}"#, r#"{"model_max_length": 512}"#] {
        let (loaded, notes) = open(&says(other)).unwrap();
        assert_eq!((loaded.tokenizer.pieces("CARD").unwrap(), notes), (vec![1], vec![]), "{other}");
    }
    let accents = folder(&[("tokenizer_config.json", Some(br#"{"strip_accents": false}"#))]);
    let (loaded, notes) = open(&accents).unwrap();
    assert_eq!(loaded.tokenizer.pieces("é").unwrap(), [1]);
    assert!(notes[0].contains("strip_accents false, tokenizer.json says true"), "{notes:?}");
}

#[wasm_bindgen_test(unsupported = test)]
fn configs_of_all_years_are_read() {
    let with = |bytes: &[u8]| folder(&[("config.json", Some(bytes))]);
    let mark = [b"\xef\xbb\xbf", CONFIG].concat();
    assert!(same("a byte order mark", &with(&mark)).is_empty());
    let capitals = config(|fields| drop(fields.insert("model_type".into(), json!("BERT"))));
    assert!(same("capitals", &with(&capitals)).is_empty());
    let python = config(|fields| drop(fields.insert("hidden_act".into(), json!("gelu_python"))));
    assert!(same("gelu_python", &with(&python)).is_empty());
    let null = config(|fields| drop(fields.insert("is_decoder".into(), Value::Null)));
    assert!(same("null", &with(&null)).is_empty());
    let text = String::from_utf8(CONFIG.to_vec()).unwrap();
    let nan = text.replacen('{', r#"{"a": NaN, "b": [-Infinity, Infinity], "c\\\"": "NaN\" {NaN",  "#, 1);
    assert!(same("NaN", &with(nan.as_bytes())).is_empty());

    // Outside of strings alone.
    let quoted = text.replacen('{', r#"{"a": NaN, "hidden_act": "x\"NaN", "#, 1).replace("\"hidden_act\": \"gelu\",", "");
    refused("NaN in a string", &with(quoted.as_bytes()), &[r#""hidden_act" is "x\"NaN""#]);

    // 2019: no model_type. Google's had no architectures either.
    for architectures in [None, Some(json!(["BertForMaskedLM"]))] {
        let old = config(|fields| {
            fields.remove("model_type").unwrap();
            fields.remove("architectures");
            fields.insert("type_vocab_size".into(), json!(2));
            fields.extend(architectures.map(|named| ("architectures".to_owned(), named)));
        });
        let notes = same("2019", &with(&old));
        assert!(notes.len() == 1 && notes[0].contains("no \"model_type\"") && notes[0].contains("read as BERT"), "{notes:?}");
    }
    for (field, value) in [
        ("architectures", json!(["RobertaForMaskedLM"])),
        ("architectures", json!([])),
        ("type_vocab_size", json!(1)),
        ("embedding_size", json!(128)),
    ] {
        let other = config(|fields| {
            fields.remove("model_type").unwrap();
            fields.insert("type_vocab_size".into(), json!(2));
            fields.insert(field.into(), value);
        });
        refused(field, &with(&other), &["\"model_type\" is missing", "add the line `\"model_type\": \"bert\",`"]);
    }
    refused("pooling", &with(br#"{"word_embedding_dimension": 384}"#), &["pooling layer", "next to the weights"]);
    refused("PEFT", &with(br#"{"peft_type": "LORA"}"#), &["PEFT adapter", "trained for"]);
    let quantised = config(|fields| drop(fields.insert("quantization_config".into(), json!({"load_in_8bit": true}))));
    refused("quantised", &with(&quantised), &["quantised", "float32"]);
    for (field, value, words) in [
        ("hidden_act", json!("gelu_new"), ["\"hidden_act\" is \"gelu_new\"", "exact GELU"]),
        ("hidden_act", json!("relu"), ["\"hidden_act\" is \"relu\"", "exact GELU"]),
        ("model_type", json!("distilbert"), ["\"model_type\" is \"distilbert\"", "BERT encoder"]),
        // To transformers this is none: an encoder without positions.
        ("position_embedding_type", Value::Null, ["\"position_embedding_type\" is null", "absolute positions"]),
        ("vocab_size", json!(299), ["has 300 tokens, but the encoder has embeddings for 299", "resize_token_embeddings"]),
    ] {
        let mut weights = WEIGHTS.to_vec();
        if field == "vocab_size" {
            weights = crate::model_files::shorter("embeddings.word_embeddings.weight", 299);
        }
        let changed = config(|fields| drop(fields.insert(field.into(), value)));
        refused(field, &folder(&[("config.json", Some(&changed)), ("model.safetensors", Some(&weights))]), &words);
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn weights_of_other_kinds_are_read_or_named() {
    let with = |bytes: &[u8]| folder(&[("model.safetensors", Some(bytes))]);
    let wide = crate::model_files::wide();
    assert!(wide.len() > 2 * WEIGHTS.len() - 10_000);
    assert!(same("float64", &with(&wide)).is_empty());
    // What an encoder does not use: heads, tied decoders, buffers.
    let more = crate::model_files::with_more(&["cls.predictions.decoder.weight", "classifier.weight", "embeddings.position_ids"]);
    assert!(same("heads", &with(&more)).is_empty());
    // Layers that the config does not ask for are left out, and that is said.
    let fewer = config(|fields| drop(fields.insert("num_hidden_layers".into(), json!(1))));
    let (loaded, notes) = open(&folder(&[("config.json", Some(&fewer))])).unwrap();
    assert_eq!(loaded.weights.layers.len(), 1);
    assert!(notes.len() == 1 && notes[0].contains("has 2 layers, config.json states 1"), "{notes:?}");

    // Both files are whole, and one number of the config is wrong.
    let padded = config(|fields| drop(fields.insert("vocab_size".into(), json!(296))));
    let words = ["has shape [300, 32], expected [296, 32]", "\"vocab_size\": 300"];
    refused("padded", &folder(&[("config.json", Some(&padded))]), &words);

    let mlx = renamed(|name| name.replace("encoder.layer.", "encoder.layers.").replace("self.query", "query_proj"));
    refused("MLX", &with(&mlx), &["attention.self.query.weight", "names are not those of transformers"]);
    let lora = renamed(|name| name.replace("self.query.", "self.query.base_layer."));
    refused("LoRA", &with(&lora), &["attention.self.query.weight", "merge the LoRA adapter"]);
    let whole = crate::model_files::whole_numbers("encoder.layer.0.output.dense.weight");
    refused("quantised", &with(&whole), &["data type I8", "not a quantised one"]);
}
