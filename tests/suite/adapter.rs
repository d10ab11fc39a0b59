//! Adapters: the same content gives the same bytes, and what goes out comes back.

use serde_json::{Value, json};
use softprompt::adapter::{Adapter, AdapterMetrics, BaseModel, CARD_FILE, MANIFEST_FILE, Matrix, SCRIPT_FILE};
use softprompt::config::{Generator, HeadKind, Method, PromptInit, Reads, RunConfig, Vote};
use softprompt::model::spec::EncoderSpec;
use softprompt::rng::Rng;
use softprompt::tensors::sha256_hex;
use wasm_bindgen_test::*;

pub type Files = Vec<(String, Vec<u8>)>;

pub const SPEC: EncoderSpec =
    EncoderSpec { layers: 3, hidden: 8, heads: 2, ffn: 16, vocab: 100, max_positions: 64, layer_norm_eps: 1e-12 };

pub fn sample(kind: HeadKind, method: Method) -> Adapter {
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

pub fn samples() -> impl Iterator<Item = Adapter> {
    let kinds = [HeadKind::Mean, HeadKind::Cls, HeadKind::Peft];
    kinds.into_iter().flat_map(|kind| METHODS.map(|method| sample(kind, method)))
}

const METHODS: [Method; 7] =
    [Method::Prompt, Method::Probe, Method::Late, Method::Progressive, Method::Efficient, Method::Deep, Method::Ensemble];

pub fn file<'a>(files: &'a Files, name: &str) -> &'a [u8] {
    &files.iter().find(|(found, _)| found == name).unwrap().1
}

pub fn json_of(files: &Files, name: &str) -> Value {
    serde_json::from_slice(file(files, name)).unwrap()
}

/// The sample's files after a change of one of them.
pub fn changed(name: &str, change: impl FnOnce(&mut Vec<u8>)) -> Files {
    let mut files = sample(HeadKind::Peft, Method::Prompt).files().unwrap();
    change(&mut files.iter_mut().find(|(found, _)| found == name).unwrap().1);
    files
}

pub fn changed_json(name: &str, pointer: &str, value: Value) -> Files {
    changed(name, |bytes| {
        let mut json: Value = serde_json::from_slice(bytes).unwrap();
        *json.pointer_mut(pointer).unwrap_or_else(|| panic!("no {pointer}")) = value;
        *bytes = json.to_string().into_bytes();
    })
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
    assert!(with(Method::Late, &|_| ()).contains("inserted after layer 1 (late prompt tuning"));
    assert!(with(Method::Late, &|a| a.config.prompt.late.layer = Some(2)).contains("below = 2\n"));
    assert!(
        with(Method::Progressive, &|_| ())
            .contains("first trained on partial encoders with fewer layers and feed-forward neurons (")
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
    assert!(naive(Reads::First).contains("@ rows[0] +") && naive(Reads::First).contains("from the hidden state of `[CLS]`"));
    assert!(
        naive(Reads::Mean).contains("@ rows.mean(0) +")
            && naive(Reads::Mean).contains("from the mean of the text's hidden states")
    );
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
        (EncoderSpec { hidden: 16, ..SPEC }, "hidden size 8, but this one has 16"),
        (EncoderSpec { layers: 12, ..SPEC }, "layer count 3, but this one has 12"),
        (EncoderSpec { heads: 4, ..SPEC }, "head count 2, but this one has 4"),
    ] {
        let error = adapter.check_encoder(&spec).unwrap_err();
        assert_eq!(error.to_string(), format!("the adapter was trained for an encoder with {expected}"));
        assert_eq!(error.hint(), "use it with sentence-transformers/all-MiniLM-L6-v2");
    }
    let mut late = sample(HeadKind::Mean, Method::Late);
    late.config.prompt.late.layer = Some(2);
    late.check_encoder(&SPEC).unwrap();
    late.config.prompt.late.layer = Some(3);
    assert!(late.check_encoder(&SPEC).unwrap_err().to_string().contains("with more layers than 3, but this one has 3"));
}
