//! Adapters: the same content gives the same bytes, what goes out comes back, PEFT's own files are read and written, and
//! hostile files are refused by name.

use std::io::{Cursor, Write as _};

use serde_json::{Value, json};
use softprompt::adapter::{
    Adapter, AdapterMetrics, BaseModel, CARD_FILE, CONFIG_FILE, MANIFEST_FILE, Matrix, SCRIPT_FILE, TENSORS_FILE,
};
use softprompt::config::{Generator, HeadKind, Method, PromptInit, Reads, RunConfig, Vote};
use softprompt::error::Error;
use softprompt::model::spec::EncoderSpec;
use softprompt::predict::Predictor;
use softprompt::rng::Rng;
use softprompt::tensors::{self, sha256_hex};
use wasm_bindgen_test::*;
use zip::write::SimpleFileOptions;

use crate::common::assert_close;
use crate::device::computes;
use crate::tiny::tiny_model;

const PEFT_CONFIG: &[u8] = include_bytes!("../golden/peft_adapter/adapter_config.json");
const PEFT_TENSORS: &[u8] = include_bytes!("../golden/peft_adapter/adapter_model.safetensors");
const PREFIX_CONFIG: &[u8] = include_bytes!("../golden/peft_prefix/adapter_config.json");
const PREFIX_TENSORS: &[u8] = include_bytes!("../golden/peft_prefix/adapter_model.safetensors");
const PREFIX_LOGITS: &str = include_str!("../golden/peft_prefix/logits.json");

type Files = Vec<(String, Vec<u8>)>;

const SPEC: EncoderSpec =
    EncoderSpec { layers: 3, hidden: 8, heads: 2, ffn: 16, vocab: 100, max_positions: 64, layer_norm_eps: 1e-12 };

fn sample(kind: HeadKind, method: Method) -> Adapter {
    let mut rng = Rng::stream(1, "adapter");
    let mut numbers = |n: usize| -> Vec<f32> { (0..n).map(|_| rng.normal() as f32).collect() };
    let mut config = RunConfig { seed: (1 << 53) - 1, ..RunConfig::default() };
    config.prompt.method = method;
    config.prompt.length = 5;
    config.prompt.init = PromptInit::Text("the kind of question".into());
    config.head.kind = kind;
    config.optim.head_lr = 0.1 + 0.2;
    config.prompt.late.bottleneck = 3;
    config.prompt.efficient.rank = 2;
    config.prompt.ensemble.members = 2;
    let shapes: &[(&str, [usize; 2])] = match method {
        Method::Probe => &[],
        Method::Late => &[
            ("generator.down.weight", [3, 8]),
            ("generator.down.bias", [1, 3]),
            ("generator.up.weight", [40, 3]),
            ("generator.up.bias", [1, 40]),
        ],
        Method::Efficient => &[("prompt", [5, 8]), ("update_rows", [20, 2]), ("update_basis", [2, 8])],
        Method::Deep => &[("prefix", [5, 48])],
        Method::Ensemble => &[("prompt", [10, 8])],
        _ => &[("prompt", [5, 8])],
    };
    let matrix = |&(name, shape): &(&str, [usize; 2])| Matrix { name: name.into(), shape, values: numbers(shape[0] * shape[1]) };
    let stored = shapes.iter().map(matrix).collect();
    let heads = if method == Method::Ensemble { 6 } else { 3 };
    Adapter {
        config,
        labels: vec!["place".into(), "a `tick`,\n|\"quote\"".into(), "人".into()],
        stored,
        head_weight: numbers(heads * 8),
        head_bias: numbers(heads),
        metrics: Some(
            AdapterMetrics {
                accuracy: 0.926_666_666_666_666_6,
                macro_f1: 0.1 + 0.2,
                probe_accuracy: 0.84,
                // A number that would come back as another one if all its digits were written.
                majority_accuracy: 1.0 / 11.0,
                steps: 200,
            }
            .rounded(),
        ),
        base_model: BaseModel::new("sentence-transformers/all-MiniLM-L6-v2", sha256_hex(b"weights"), &SPEC),
        data_sha256: Some(sha256_hex(b"data")),
    }
}

fn samples() -> impl Iterator<Item = Adapter> {
    let kinds = [HeadKind::Mean, HeadKind::Cls, HeadKind::Peft];
    kinds.into_iter().flat_map(|kind| METHODS.map(|method| sample(kind, method)))
}

const METHODS: [Method; 7] =
    [Method::Prompt, Method::Probe, Method::Late, Method::Progressive, Method::Efficient, Method::Deep, Method::Ensemble];

fn file<'a>(files: &'a Files, name: &str) -> &'a [u8] {
    &files.iter().find(|(found, _)| found == name).unwrap().1
}

fn json_of(files: &Files, name: &str) -> Value {
    serde_json::from_slice(file(files, name)).unwrap()
}

/// The sample's files after a change of one of them.
fn changed(name: &str, change: impl FnOnce(&mut Vec<u8>)) -> Files {
    let mut files = sample(HeadKind::Peft, Method::Prompt).files().unwrap();
    change(&mut files.iter_mut().find(|(found, _)| found == name).unwrap().1);
    files
}

fn changed_json(name: &str, pointer: &str, value: Value) -> Files {
    changed(name, |bytes| {
        let mut json: Value = serde_json::from_slice(bytes).unwrap();
        *json.pointer_mut(pointer).unwrap_or_else(|| panic!("no {pointer}")) = value;
        *bytes = json.to_string().into_bytes();
    })
}

/// The sample's files with other tensors, whose hash is the one that is expected.
fn with_tensors(parts: &[(&str, Vec<usize>, &[f32])]) -> Files {
    let tensors = tensors::write(parts).unwrap();
    let mut files = changed_json(MANIFEST_FILE, "/tensors_sha256", json!(sha256_hex(&tensors)));
    files.iter_mut().find(|(name, _)| name == TENSORS_FILE).unwrap().1 = tensors;
    files
}

fn zipped(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in files {
        zip.start_file(*name, SimpleFileOptions::default()).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// Replaces every occurrence of some bytes; there is at least one.
fn replaced(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let mut bytes = bytes.to_vec();
    let places: Vec<usize> =
        bytes.windows(from.len()).enumerate().filter(|(_, window)| *window == from).map(|(at, _)| at).collect();
    assert!(!places.is_empty());
    places.into_iter().for_each(|at| bytes[at..at + to.len()].copy_from_slice(to));
    bytes
}

/// Writes `value` into a field of every file's central directory entry: offset from the entry's start.
fn patched(zip: &[u8], field: usize, value: &[u8]) -> Vec<u8> {
    let mut bytes = zip.to_vec();
    let starts: Vec<usize> = zip.windows(4).enumerate().filter(|(_, window)| window == b"PK\x01\x02").map(|(at, _)| at).collect();
    assert!(!starts.is_empty());
    starts.into_iter().for_each(|at| bytes[at + field..at + field + value.len()].copy_from_slice(value));
    bytes
}

#[track_caller]
fn refused(attack: &str, result: Result<Adapter, Error>, expected: &str) {
    match result {
        Err(Error::Adapter { problem, hint }) => {
            assert!(problem.contains(expected), "{attack}: {problem:?}, expected {expected:?}");
            assert!(!hint.is_empty(), "{attack}: no hint");
        }
        Err(other) => panic!("{attack}: {other:?}"),
        Ok(_) => panic!("{attack} was accepted"),
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn what_goes_out_comes_back() {
    for adapter in samples() {
        let files = adapter.files().unwrap();
        assert_eq!(Adapter::from_files(&files).unwrap(), adapter);
        assert_eq!(Adapter::from_zip(&adapter.to_zip().unwrap()).unwrap(), adapter);
        // Other files beside them do not matter, nor does their order; the card is for people.
        let mut more: Files = files.iter().rev().filter(|(name, _)| name != CARD_FILE).cloned().collect();
        more.push(("training_args.bin".into(), vec![128; 10]));
        assert_eq!(Adapter::from_files(&more).unwrap(), adapter);
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn the_same_content_gives_the_same_bytes() {
    let mut different = std::collections::HashSet::new();
    for adapter in samples() {
        let (files, zip) = (adapter.files().unwrap(), adapter.to_zip().unwrap());
        for _ in 0..20 {
            assert_eq!(adapter.clone().files().unwrap(), files);
            assert_eq!(adapter.to_zip().unwrap(), zip);
        }
        assert_eq!(Adapter::from_zip(&zip).unwrap().to_zip().unwrap(), zip);
        different.insert(zip);
    }
    assert_eq!(different.len(), 21);
    // No date and no machine: 1980-01-01 00:00, made by Unix, rw-r--r--.
    let zip = sample(HeadKind::Mean, Method::Prompt).to_zip().unwrap();
    let entry = zip.windows(4).position(|window| window == b"PK\x01\x02").unwrap();
    assert_eq!(zip[entry + 5], 3);
    assert_eq!(zip[entry + 12..entry + 16], [0, 0, 0x21, 0]);
    assert_eq!(zip[entry + 38..entry + 42], (0o100_644_u32 << 16).to_le_bytes());
}

#[wasm_bindgen_test(unsupported = test)]
fn writes_what_peft_writes() {
    let ours = sample(HeadKind::Peft, Method::Prompt).files().unwrap();
    let text = std::str::from_utf8(file(&ours, CONFIG_FILE)).unwrap();
    // Name by name and in the same order, but for the list that PEFT doubles.
    let names = |text: &str| -> Vec<String> {
        text.lines().filter_map(|line| line.strip_prefix("  \"")?.split_once("\":").map(|(name, _)| name.to_owned())).collect()
    };
    assert_eq!(names(text), names(std::str::from_utf8(PEFT_CONFIG).unwrap()));
    assert_eq!(names(text).len(), 17);
    let expected = json!({
        "auto_mapping": null, "base_model_name_or_path": "sentence-transformers/all-MiniLM-L6-v2", "inference_mode": true,
        "modules_to_save": ["classifier", "score"], "num_attention_heads": 2, "num_layers": 3, "num_transformer_submodules": 1,
        "num_virtual_tokens": 5, "peft_type": "PROMPT_TUNING", "peft_version": "0.21.2", "prompt_tuning_init": "RANDOM",
        "prompt_tuning_init_text": null, "revision": null, "task_type": "SEQ_CLS", "token_dim": 8, "tokenizer_kwargs": null,
        "tokenizer_name_or_path": null,
    });
    assert_eq!(serde_json::from_str::<Value>(text).unwrap(), expected);
    let card = std::str::from_utf8(file(&ours, CARD_FILE)).unwrap();
    assert!(card.contains("PeftModel.from_pretrained") && card.contains("library_name: peft"));

    // A prefix as PEFT has it.
    let ours = sample(HeadKind::Peft, Method::Deep).files().unwrap();
    let text = std::str::from_utf8(file(&ours, CONFIG_FILE)).unwrap();
    assert_eq!(names(text), names(std::str::from_utf8(PREFIX_CONFIG).unwrap()));
    assert_eq!(names(text).len(), 16);
    let expected = json!({
        "auto_mapping": null, "base_model_name_or_path": "sentence-transformers/all-MiniLM-L6-v2", "encoder_hidden_size": 8,
        "inference_mode": true, "init_weights": null, "modules_to_save": ["classifier", "score"], "num_attention_heads": 2,
        "num_layers": 3, "num_transformer_submodules": 1, "num_virtual_tokens": 5, "peft_type": "PREFIX_TUNING",
        "peft_version": "0.21.2", "prefix_projection": false, "revision": null, "task_type": "SEQ_CLS", "token_dim": 8,
    });
    assert_eq!(serde_json::from_str::<Value>(text).unwrap(), expected);

    // Without an update of the text, and when it is trained on all of the encoder, a prompt is a prompt.
    let mut plain = sample(HeadKind::Peft, Method::Efficient);
    (plain.config.prompt.efficient.update, plain.config.prompt.efficient.fusion) = (false, false);
    plain.stored.truncate(1);
    for adapter in [plain, sample(HeadKind::Peft, Method::Progressive)] {
        assert_eq!(json_of(&adapter.files().unwrap(), CONFIG_FILE)["peft_type"], "PROMPT_TUNING");
    }

    // What PEFT would compute otherwise, it must not load.
    let others: Vec<Adapter> = samples().filter(|adapter| !adapter.is_peft()).collect();
    assert_eq!(others.len(), 21 - 3);
    for adapter in others {
        let files = adapter.files().unwrap();
        assert_eq!(json_of(&files, CONFIG_FILE)["peft_type"], "SOFTPROMPT");
        let card = std::str::from_utf8(file(&files, CARD_FILE)).unwrap();
        assert!(card.contains("PEFT cannot load this adapter") && !card.contains("PeftModel"));
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn reads_what_peft_wrote() {
    let files = |config: &[u8]| vec![(CONFIG_FILE.to_owned(), config.to_vec()), (TENSORS_FILE.to_owned(), PEFT_TENSORS.to_vec())];
    let adapter = Adapter::from_files(&files(PEFT_CONFIG)).unwrap();
    assert_eq!(adapter.labels, ["0", "1", "2"]);
    assert_eq!((adapter.prompt_length(), adapter.hidden(), adapter.config.head.kind), (5, 32, HeadKind::Peft));
    assert_eq!((adapter.metrics, &adapter.data_sha256, &adapter.base_model.sha256), (None, &None, &None));
    let base = &adapter.base_model;
    assert_eq!((base.name.as_str(), base.layers, base.heads), ("tiny", Some(2), Some(4)));
    let file = safetensors::SafeTensors::deserialize(PEFT_TENSORS).unwrap();
    let stored = |name: &str| -> Vec<f32> {
        file.tensor(name).unwrap().data().chunks(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect()
    };
    assert_eq!(&adapter.stored[0].values, &stored("prompt_embeddings"));
    assert_eq!(adapter.head_weight, stored("base_model.classifier.weight"));
    assert_eq!(adapter.head_bias, stored("base_model.classifier.bias"));

    // And back: the tensors byte for byte, the description but for the list that PEFT doubles.
    let ours = adapter.files().unwrap();
    assert_eq!(self::file(&ours, TENSORS_FILE), PEFT_TENSORS);
    let mut theirs: Value = serde_json::from_slice(PEFT_CONFIG).unwrap();
    theirs["modules_to_save"] = json!(["classifier", "score"]);
    assert_eq!(json_of(&ours, CONFIG_FILE), theirs);
    assert_eq!(Adapter::from_files(&ours).unwrap(), adapter);

    // The least that PEFT itself loads.
    let least = br#"{"peft_type":"PROMPT_TUNING","task_type":"SEQ_CLS","num_virtual_tokens":5}"#;
    assert_eq!(Adapter::from_files(&files(least)).unwrap().stored, adapter.stored);

    let with = |field: &str, value: Value| {
        let mut config: Value = serde_json::from_slice(PEFT_CONFIG).unwrap();
        config[field] = value;
        Adapter::from_files(&files(config.to_string().as_bytes()))
    };
    refused("LoRA", with("peft_type", json!("LORA")), "\"peft_type\" is \"LORA\", supported are");
    refused("generation", with("task_type", json!("CAUSAL_LM")), "\"task_type\" is \"CAUSAL_LM\"");
    refused("encoder and decoder", with("num_transformer_submodules", json!(2)), "\"num_transformer_submodules\" is not 1");
    refused("six tokens", with("num_virtual_tokens", json!(6)), "\"prompt_embeddings\" has shape [5, 32], expected [6, 32]");
    refused("2^64 tokens", with("num_virtual_tokens", json!(u64::MAX)), "");
    refused("another width", with("token_dim", json!(16)), "is not what the other files describe");
    refused("our own without its other half", with("peft_type", json!("SOFTPROMPT")), "softprompt.json is missing");
}

/// A folder that PEFT wrote for a prefix, and PEFT's own scores.
#[wasm_bindgen_test(unsupported = pollster::test)]
async fn reads_and_computes_a_prefix_of_peft() {
    let files =
        |config: &[u8]| vec![(CONFIG_FILE.to_owned(), config.to_vec()), (TENSORS_FILE.to_owned(), PREFIX_TENSORS.to_vec())];
    let adapter = Adapter::from_files(&files(PREFIX_CONFIG)).unwrap();
    assert_eq!((adapter.method(), adapter.prompt_length(), adapter.hidden()), (Method::Deep, 5, 32));
    assert_eq!((adapter.stored[0].name.as_str(), adapter.stored[0].shape), ("prefix", [5, 128]));
    let ours = adapter.files().unwrap();
    assert_eq!(file(&ours, TENSORS_FILE), PREFIX_TENSORS);
    let mut theirs: Value = serde_json::from_slice(PREFIX_CONFIG).unwrap();
    theirs["modules_to_save"] = json!(["classifier", "score"]);
    assert_eq!(json_of(&ours, CONFIG_FILE), theirs);
    assert_eq!(Adapter::from_files(&ours).unwrap(), adapter);

    let least = br#"{"peft_type":"PREFIX_TUNING","task_type":"SEQ_CLS","num_virtual_tokens":5}"#;
    assert_eq!(Adapter::from_files(&files(least)).unwrap().base_model.layers, Some(2));
    let with = |field: &str, value: Value| {
        let mut config: Value = serde_json::from_slice(PREFIX_CONFIG).unwrap();
        config[field] = value;
        Adapter::from_files(&files(config.to_string().as_bytes()))
    };
    refused("three layers", with("num_layers", json!(3)), "\"num_layers\" is 3, the prefix is 128 wide");
    refused("six rows", with("num_virtual_tokens", json!(6)), "has shape [5, 128], expected [6, 128]");
    refused("a prompt", with("peft_type", json!("PROMPT_TUNING")), "has shape [3, 32], expected [3, 128]");

    let tiny: Value = serde_json::from_str(include_str!("../golden/tiny.json")).unwrap();
    let examples = crate::device::examples(&tiny);
    let want: Vec<Vec<f64>> =
        serde_json::from_value(serde_json::from_str::<Value>(PREFIX_LOGITS).unwrap()["logits"].take()).unwrap();
    let model = tiny_model();
    for compute in computes(&model, "reads_and_computes_a_prefix_of_peft").await {
        let predictor = Predictor::on(&compute, model.clone(), adapter.clone()).expect("a predictor");
        assert_close(&predictor.scores(&examples).await.expect("scores"), &want.concat(), 1e-4, 1e-4);
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn holds_settings_labels_figures_and_hashes_and_nothing_else() {
    let adapter = sample(HeadKind::Mean, Method::Prompt);
    let manifest = json_of(&adapter.files().unwrap(), MANIFEST_FILE);
    let mut names: Vec<&String> = manifest.as_object().unwrap().keys().collect();
    names.sort();
    let expected =
        ["base_model", "config", "data_sha256", "format", "labels", "metrics", "stored", "tensors_sha256", "written_by"];
    assert_eq!(names, expected);
    assert_eq!(manifest["config"]["head"]["feature_scale"], adapter.config.head.feature_scale);
    assert_eq!(manifest["written_by"], concat!("softprompt ", env!("CARGO_PKG_VERSION")));
    assert_eq!(manifest["labels"][2], "人");
    assert_eq!(manifest["stored"], json!([["prompt", [5, 8]]]));
}

/// Adapters of the first version have no list of what is stored.
#[wasm_bindgen_test(unsupported = test)]
fn reads_what_the_first_version_wrote() {
    for method in [Method::Prompt, Method::Probe] {
        let adapter = sample(HeadKind::Mean, method);
        let mut files = adapter.files().unwrap();
        let manifest = &mut files.iter_mut().find(|(name, _)| name == MANIFEST_FILE).unwrap().1;
        let mut json: Value = serde_json::from_slice(manifest).unwrap();
        json.as_object_mut().unwrap().remove("stored").unwrap();
        *manifest = json.to_string().into_bytes();
        assert_eq!(Adapter::from_files(&files).unwrap(), adapter);
    }
}

/// The script of every method, put together whole; `tests/golden/cards.py` runs them.
#[wasm_bindgen_test(unsupported = test)]
fn the_card_has_a_script_for_every_method() {
    let card = |adapter: &Adapter| String::from_utf8(file(&adapter.files().unwrap(), CARD_FILE).to_vec()).unwrap();
    for adapter in samples() {
        let program = String::from_utf8(file(&adapter.files().unwrap(), SCRIPT_FILE).to_vec()).unwrap();
        assert!(program.contains("def classify(text") && !program.contains("PeftModel"), "torch and transformers do: {program}");
        let card = card(&adapter);
        // A product is not a word that was left.
        let word = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_uppercase() || c == '_');
        assert!(!card.split('@').skip(1).any(word), "{card}");
        assert_eq!(card.matches("```").count(), 2);
        assert!(card.contains("softprompt predict") && card.contains("print(dict(zip(labels, probabilities.tolist())))"));
    }
    let with = |method, change: &dyn Fn(&mut Adapter)| {
        let mut adapter = sample(HeadKind::Mean, method);
        change(&mut adapter);
        card(&adapter)
    };
    assert!(with(Method::Late, &|_| ()).contains("which joins the text after layer 1 (late prompt tuning"));
    assert!(with(Method::Late, &|a| a.config.prompt.late.layer = Some(2)).contains("below = 2\n"));
    assert!(
        with(Method::Progressive, &|_| ()).contains("The training began on some of its layers and feed-forward neurons (FPT")
    );
    assert!(with(Method::Prompt, &|a| a.config.prompt.prune = Some(Default::default())).contains("pruned"));
    assert!(with(Method::Ensemble, &|a| a.config.prompt.ensemble.vote = Vote::Majority).contains("one_hot"));
    assert!(with(Method::Deep, &|_| ()).contains("features = rows.mean(0) * 2.0\n"));
    let pooled = |generator| {
        with(Method::Late, &|a| {
            a.config.prompt.late.generator = generator;
            a.stored[2] = Matrix { name: "generator.up.weight".into(), shape: [8, 3], values: vec![0.5; 24] };
            a.stored[3] = Matrix { name: "generator.up.bias".into(), shape: [1, 8], values: vec![0.5; 8] };
        })
    };
    let naive = |reads| with(Method::Late, &|a| a.config.prompt.late.reads = reads);
    assert!(naive(Reads::First).contains("@ rows[0] +") && naive(Reads::First).contains("of the first row of the text"));
    assert!(naive(Reads::Mean).contains("@ rows.mean(0) +") && naive(Reads::Mean).contains("of the mean of the text's rows"));
    assert!(pooled(Generator::Average).contains("adaptive_avg_pool1d(inside, 5)"));
    assert!(pooled(Generator::Max).contains("adaptive_max_pool1d(inside, 5)"));
}

/// A label may be any text of the data; in the card it stays one line of indented code.
#[wasm_bindgen_test(unsupported = test)]
fn the_card_survives_its_labels() {
    for adapter in samples() {
        let files = adapter.files().unwrap();
        let card = std::str::from_utf8(file(&files, CARD_FILE)).unwrap();
        let list: Vec<&str> = card.lines().skip_while(|line| *line != "## Labels").skip(2).take(4).collect();
        assert_eq!(list, ["    \"place\"", r#"    "a `tick`,\n|\"quote\"""#, "    \"人\"", ""]);
        for figure in ["| 92.7 |", "| 30.0 |", "| 84.0 |", "| 9.1 |", "After 200 optimizer steps"] {
            assert!(card.contains(figure), "{figure}");
        }
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn says_which_encoder_it_needs() {
    let adapter = sample(HeadKind::Mean, Method::Prompt);
    adapter.check_encoder(&SPEC).unwrap();
    for (spec, expected) in [
        (EncoderSpec { hidden: 16, ..SPEC }, "hidden size 8, this one has 16"),
        (EncoderSpec { layers: 12, ..SPEC }, "layer count 3, this one has 12"),
        (EncoderSpec { heads: 4, ..SPEC }, "head count 2, this one has 4"),
    ] {
        let error = adapter.check_encoder(&spec).unwrap_err();
        assert_eq!(error.to_string(), format!("the adapter was trained for an encoder with {expected}"));
        assert_eq!(error.hint(), "use it with sentence-transformers/all-MiniLM-L6-v2");
    }
    let mut late = sample(HeadKind::Mean, Method::Late);
    late.config.prompt.late.layer = Some(2);
    late.check_encoder(&SPEC).unwrap();
    late.config.prompt.late.layer = Some(3);
    assert!(late.check_encoder(&SPEC).unwrap_err().to_string().contains("with more layers than 3, this one has 3"));
}

#[wasm_bindgen_test(unsupported = test)]
fn refuses_to_export_what_does_not_fit() {
    let export = |change: &dyn Fn(&mut Adapter)| {
        let mut adapter = sample(HeadKind::Mean, Method::Prompt);
        change(&mut adapter);
        adapter.files().map(|_| adapter)
    };
    let figures = |adapter: &mut Adapter, figure| adapter.metrics.as_mut().unwrap().accuracy = figure;
    refused("one label", export(&|a| a.labels.truncate(1)), "1 labels");
    refused("a label twice", export(&|a| a.labels[2] = "place".into()), "the label \"place\" twice");
    refused("a label more", export(&|a| a.labels.push("x".into())), "classifier.weight has 24 elements, expected 32");
    refused("a short bias", export(&|a| a.head_bias.truncate(2)), "classifier.bias has 2 elements, expected 3");
    refused("no prompt", export(&|a| a.stored.clear()), "the adapter has [], its settings ask for [\"prompt\"]");
    refused("a prompt of a probe", export(&|a| a.config.prompt.method = Method::Probe), "[\"prompt\"], its settings ask for []");
    refused("a prompt twice", export(&|a| a.stored.push(a.stored[0].clone())), "has [\"prompt\", \"prompt\"], its settings");
    refused("another method", export(&|a| a.config.prompt.method = Method::Deep), "settings ask for [\"prefix\"]");
    refused("no method", export(&|a| a.config.prompt.method = Method::Auto), "the adapter's method is \"auto\"");
    refused("another length", export(&|a| a.config.prompt.length = 6), "prompt has shape [5, 8], its settings ask for [6, 8]");
    refused("another width", export(&|a| a.base_model.hidden = usize::MAX), "prompt has shape [5, 8], its settings ask for [5, ");
    refused("a short prompt", export(&|a| a.stored[0].values.truncate(39)), "prompt has 39 elements, its shape is [5, 8]");
    refused("NaN in the prompt", export(&|a| a.stored[0].values[7] = f32::NAN), "prompt has NaN at element 7");
    refused(
        "a long ensemble",
        export(&|a| {
            *a = sample(HeadKind::Mean, Method::Ensemble);
            a.config.prompt.ensemble.members = 3;
        }),
        "prompt has shape [10, 8], its settings ask for [15, 8]",
    );
    refused(
        "another bottleneck",
        export(&|a| {
            *a = sample(HeadKind::Mean, Method::Late);
            a.config.prompt.late.bottleneck = usize::MAX;
        }),
        "generator.down.weight has shape [3, 8]",
    );
    refused("NaN", export(&|a| a.head_bias[1] = f32::NAN), "base_model.classifier.bias has NaN at element 1");
    refused("a figure of NaN", export(&|a| figures(a, f64::NAN)), "figures are not between 0 and 1");
    refused("a figure of 200 %", export(&|a| figures(a, 2.0)), "figures are not between 0 and 1");
    refused("settings", export(&|a| a.config.optim.batch_size = 0), "optim.batch_size: 0 is too small");
}

#[wasm_bindgen_test(unsupported = test)]
fn refuses_hostile_files() {
    let (weight, bias, prompt) = ("base_model.classifier.weight", "base_model.classifier.bias", "prompt_embeddings");
    let zeros = [0.0_f32; 64];
    let good = [(weight, vec![3, 8], &zeros[..24]), (bias, vec![3], &zeros[..3]), (prompt, vec![5, 8], &zeros[..40])];
    Adapter::from_files(&with_tensors(&good)).unwrap();
    let tensors = |at: usize, part: (&'static str, Vec<usize>, &[f32])| {
        let mut parts = good.to_vec();
        parts[at] = part;
        with_tensors(&parts)
    };
    let infinite = [[0.0; 39].as_slice(), &[f32::INFINITY]].concat();
    let without = |name: &str| -> Files { changed(name, |_| ()).into_iter().filter(|(found, _)| found != name).collect() };
    let twice = || -> Files { [changed(CONFIG_FILE, |_| ()), changed(CONFIG_FILE, |_| ())].concat() };
    let brackets = "[".repeat(1 << 20).into_bytes();

    for (attack, files, expected) in [
        ("no files", vec![], "adapter_config.json is missing"),
        ("no tensors", without(TENSORS_FILE), "adapter_model.safetensors is missing"),
        ("no description", without(CONFIG_FILE), "adapter_config.json is missing"),
        ("each file twice", twice(), "adapter_config.json is there twice"),
        ("a missing tensor", with_tensors(&good[..2]), "tensor \"prompt_embeddings\" is missing; expected shape [5, 8]"),
        ("LoRA's prefix", tensors(0, ("base_model.model.classifier.weight", vec![3, 8], &zeros[..24])), "weight\" is missing"),
        ("a turned head", tensors(0, (weight, vec![8, 3], &zeros[..24])), "has shape [8, 3], expected [3, 8]"),
        ("a flat prompt", tensors(2, (prompt, vec![40], &zeros[..40])), "has shape [40], expected [5, 8]"),
        ("NaN in the head", tensors(1, (bias, vec![3], &[0.0, 0.0, f32::NAN])), "classifier.bias\" has NaN at element 2"),
        ("infinity in the prompt", tensors(2, (prompt, vec![5, 8], &infinite)), "prompt_embeddings\" has inf at element 39"),
        ("tensors of another export", changed(TENSORS_FILE, |bytes| *bytes.last_mut().unwrap() ^= 1), "has SHA-256 "),
        (
            "half the tensors",
            changed(TENSORS_FILE, |bytes| bytes.truncate(300)),
            "adapter_model.safetensors: its header describes",
        ),
        ("no tensor file", changed(TENSORS_FILE, |bytes| *bytes = b"version https://git-lfs".to_vec()), "Git LFS pointer"),
        ("brackets", changed(MANIFEST_FILE, |bytes| *bytes = brackets.clone()), "softprompt.json cannot be read"),
        ("brackets for PEFT", changed(CONFIG_FILE, |bytes| *bytes = brackets.clone()), "adapter_config.json: cannot be read"),
        ("a later format", changed_json(MANIFEST_FILE, "/format", json!(2)), "is of format 2, this program reads 1"),
        ("a label more", changed_json(MANIFEST_FILE, "/labels", json!(["a", "b", "c", "d"])), "shape [3, 8], expected [4, 8]"),
        ("a label twice", changed_json(MANIFEST_FILE, "/labels", json!(["a", "b", "a"])), "the label \"a\" twice"),
        ("no labels", changed_json(MANIFEST_FILE, "/labels", json!([])), "shape [3, 8], expected [0, 8]"),
        ("another name", changed_json(MANIFEST_FILE, "/stored/0/0", json!("Prompt")), "has [\"Prompt\"], its settings ask for"),
        ("a name too long to show", changed_json(MANIFEST_FILE, "/stored", json!(vec![("x", [1, 1]); 100])), "settings ask for"),
        // As many elements as addresses: what overflows differs, that it is refused does not.
        (
            "a shape of 2^64",
            changed_json(MANIFEST_FILE, "/stored/0/1", json!([1_u64 << 32, 1_u64 << 32])),
            if cfg!(target_pointer_width = "32") { "softprompt.json cannot be read" } else { "has shape [5, 8], " },
        ),
        ("a shape of 2^62", changed_json(MANIFEST_FILE, "/stored/0/1", json!([1_u64 << 31, 1_u64 << 31])), "has shape [5, 8], "),
        ("another shape", changed_json(MANIFEST_FILE, "/stored/0/1", json!([8, 5])), "has shape [5, 8], expected [8, 5]"),
        (
            "a matrix a million times",
            changed_json(MANIFEST_FILE, "/stored", json!(vec![("prompt", [5, 8]); 1 << 20])),
            "settings ask",
        ),
        ("a prefix for PEFT", changed_json(CONFIG_FILE, "/peft_type", json!("PREFIX_TUNING")), "is not what the other files"),
        ("a width of 2^53", changed_json(MANIFEST_FILE, "/base_model/hidden", json!(1_u64 << 53)), ""),
        ("an unknown head", changed_json(MANIFEST_FILE, "/config/head/kind", json!("max")), "unknown variant `max`"),
        ("another head for PEFT", changed_json(MANIFEST_FILE, "/config/head/kind", json!("mean")), "is not what the other files"),
        ("settings that cannot work", changed_json(MANIFEST_FILE, "/config/data/max_tokens", json!(0)), "data.max_tokens: 0"),
        ("two lengths", changed_json(CONFIG_FILE, "/num_virtual_tokens", json!(4)), "with 4 virtual tokens is not what"),
    ] {
        refused(attack, Adapter::from_files(&files), expected);
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn refuses_hostile_zips() {
    let good = sample(HeadKind::Peft, Method::Prompt).to_zip().unwrap();
    Adapter::from_zip(&good).unwrap();
    let doubled = zipped(&[("README.md", b"one"), ("README.mx", b"two")]);
    let mut folder = zip::ZipWriter::new(Cursor::new(Vec::new()));
    folder.add_directory("adapter", SimpleFileOptions::default()).unwrap();
    let folder = folder.finish().unwrap().into_inner();
    let mut link = zip::ZipWriter::new(Cursor::new(Vec::new()));
    link.add_symlink(CONFIG_FILE, "/etc/passwd", SimpleFileOptions::default()).unwrap();
    let link = link.finish().unwrap().into_inner();
    let crowd: Vec<String> = (0..1001).map(|at| at.to_string()).collect();
    let crowd = zipped(&crowd.iter().map(|name| (name.as_str(), &b""[..])).collect::<Vec<_>>());

    for (attack, bytes, expected) in [
        ("nothing", vec![], "the file is not a zip"),
        ("a picture", b"\x89PNG\r\n\x1a\n".repeat(100), "the file is not a zip"),
        ("half a zip", good[..good.len() / 2].to_vec(), "the file is not a zip"),
        ("an empty zip", zipped(&[]), "adapter_config.json is missing"),
        ("a path upwards", zipped(&[("../../.bashrc", b"")]), "\"../../.bashrc\"; an adapter's zip has plain files"),
        ("an absolute path", replaced(&zipped(&[("xREADME.md", b"")]), b"xREAD", b"/READ"), "\"/README.md\""),
        ("a path of Windows", replaced(&zipped(&[("C_README.md", b"")]), b"C_", b"C:"), "\"C:README.md\""),
        ("a folder", folder, "\"adapter/\""),
        ("a symbolic link", link, "plain files and no folders"),
        ("a name twice", replaced(&doubled, b"README.mx", b"README.md"), "a file name twice"),
        ("a deflate bomb", patched(&good, 10, &[8, 0]), "is compressed"),
        ("an encrypted file", patched(&good, 8, &[1, 0]), "is encrypted"),
        ("a stored file of 4 GiB", patched(&good, 24, &[0xfe, 0xff, 0xff, 0xff]), "longer than the zip has bytes for"),
        ("what is stored has 4 GiB", patched(&good, 20, &[0xfe, 0xff, 0xff, 0xff]), "longer than the zip has bytes for"),
        ("both lengths of 4 GiB", patched(&good, 20, &[0xfe, 0xff, 0xff, 0xff].repeat(2)), "longer than the zip has bytes for"),
        ("a wrong checksum", patched(&good, 16, &[1, 2, 3, 4]), "cannot be read: "),
        ("files on top of each other", patched(&good, 42, &[0; 4]), ""),
        ("a thousand and one files", crowd, "1001 files"),
    ] {
        refused(attack, Adapter::from_zip(&bytes), expected);
    }
}

/// Random bytes in a real zip: an error or not, but no panic, and never another adapter: the checksums see it.
#[wasm_bindgen_test(unsupported = test)]
fn survives_random_damage() {
    let mut rng = Rng::stream(5, "damage");
    let adapter = sample(HeadKind::Mean, Method::Prompt);
    let good = adapter.to_zip().unwrap();
    let mut refused = 0;
    for round in 0..3000 {
        let mut bytes = good.clone();
        for _ in 0..=rng.below(3) {
            // Every second time in the directory, which is at the end.
            let at = if round % 2 == 0 { rng.below(bytes.len()) } else { bytes.len() - 1 - rng.below(350) };
            bytes[at] = rng.below(256) as u8;
        }
        if rng.below(10) == 0 {
            bytes.truncate(rng.below(bytes.len()));
        }
        match Adapter::from_zip(&bytes) {
            Ok(read) => assert_eq!(read, adapter),
            Err(error) => {
                assert_eq!(error.code(), "adapter");
                refused += 1;
            }
        }
    }
    assert!(refused > 1500, "only {refused} of 3000 damaged zips were refused");
}
