//! What fuzzing begins with: a few inputs a target, small ones, of every notation that is read. `cargo run --example seeds` writes them.

use std::io::{Cursor, Read as _};

use crate::adapter::{Adapter, AdapterMetrics, BaseModel, CONFIG_FILE, MANIFEST_FILE, Matrix, TENSORS_FILE};
use crate::config::{DeviceChoice, Method, RunConfig};
use crate::properties::{CHECKSUM, PARTS};
use crate::tensors::{self, sha256_hex};
use crate::train::checkpoint::{Checkpoint, Counters, Machine, MatrixState, SavedBest, SavedProbe, Trained};
use crate::train::result::{CellResult, Point, TestResult};

/// Seeds of a target: a name and the bytes of each.
pub type Seeds = Vec<(String, Vec<u8>)>;

/// All targets with their seeds.
pub fn all() -> Vec<(&'static str, Seeds)> {
    vec![
        ("table", tables()),
        ("json", notations()),
        ("workbook", workbooks()),
        ("zip", zips()),
        ("adapter", adapters()),
        ("checkpoint", checkpoints()),
        ("cells", results()),
        ("settings", settings()),
        ("encoder_config", vec![("tiny".into(), TINY_CONFIG.to_vec())]),
        ("tokenizer", tokenizers()),
        ("tensors", safetensors()),
    ]
}

const TINY_CONFIG: &[u8] = include_bytes!("../../tests/golden/tiny/config.json");
const TINY_TOKENIZER: &[u8] = include_bytes!("../../tests/golden/tiny/tokenizer.json");
const WORKBOOKS: [&[u8]; 2] = [include_bytes!("../../tests/files/shared.xlsx"), include_bytes!("../../tests/files/tickets.xlsx")];

fn named<B: AsRef<[u8]>>(inputs: &[B]) -> Seeds {
    inputs.iter().enumerate().map(|(i, input)| (format!("{i:02}"), input.as_ref().to_vec())).collect()
}

fn tables() -> Seeds {
    let plain = "text,label\nplay a song,music\nwhere is my card,bank\nwill it rain,weather\n";
    let utf16: Vec<u8> = [0xFF, 0xFE].into_iter().chain(plain.encode_utf16().flat_map(u16::to_le_bytes)).collect();
    let latin: Vec<u8> = "text;label\nGrüße aus Köln;a\nnoch etwas für dich;b\n".chars().map(|letter| letter as u8).collect();
    let written = crate::data::table::Table::from_bytes(plain.as_bytes()).and_then(|table| table.to_csv()).expect("a table");
    let texts = [
        plain,
        "sep=;\ntext;label\n\"one; two\";a\n\"he said \"\"no\"\"\";b\n",
        "label\ttext\r\n__label__1\tsome words here\r\n__label__2\tother words there\r\n",
        "a text, with a comma,pos\nanother text, too,neg\na third, and more,pos\n",
        "'it is, so','a'\n'that, too','b'\n'more','a'\n",
        "Report of May\n\ntext,label\na b c,x\nd e f,y\n",
        "id,text,label,split\n1,a b,x,train\n2,c d,y,test\n3,e f,x,dev\n",
        "text,label\n\"a\nb\",x\n\"c\r\nd\",y\n",
        "text|label\nI | you|a\nus|b\n",
        "text,label,\nbroken, apart,x,\nwhole,y,\n",
        "\u{feff}text,label\n\u{200b}a,x\ncafe\u{301},y\n日本語の文,z\n",
        "__label__a __label__b some text\n__label__c other text\n",
        "| text | label |\n|---|---|\n| a b | x |\n",
        "a,b\n",
        ",,,,\n,,,,\n",
        "\"",
    ];
    let mut seeds = named(&texts);
    seeds.extend([("utf16".into(), utf16), ("latin".into(), latin), ("written".into(), written)]);
    seeds
}

fn notations() -> Seeds {
    named(&[
        r#"{"text": "a b", "label": "x"}
{"text": "c d", "label": "y"}"#,
        r#"[{"text": "a b", "label": 1}, {"text": "c \u00fc\ud83d\ude00", "label": 1.0, "more": null}]"#,
        r#"[["a b", "x"], ["c d", "y"]]"#,
        "[\"a b\", \"x\"]\n[\"c d\", \"y\"]\n",
        r#"{"columns": ["text", "label"], "index": [0, 1], "data": [["a", "x"], ["b", "y"]]}"#,
        r#"{"text": {"0": "a", "1": "b"}, "label": {"0": "x", "1": "y"}}"#,
        r#"{"0": {"text": "a", "label": "x"}, "1": {"text": "b", "label": "y"}}"#,
        r#"{"schema": {"fields": [{"name": "text", "type": "string"}]}, "data": [{"text": "a", "label": "x"}]}"#,
        r#"{"data": [{"text": "a", "label": "x"}]}"#,
        r#"{"train": [{"text": "a", "label": "x"}], "test": [{"text": "b", "label": "y"}]}"#,
        r#"[{"text": "a", "cats": {"x": 1.0, "y": 0.0}}]"#,
        r#"[{"data": {"text": "a"}, "annotations": [{"result": [{"value": {"choices": ["x"]}}]}]}]"#,
        r#"{"rasa_nlu_data": {"common_examples": [{"text": "a", "intent": "x"}]}}"#,
        r#"{"text": "a", "answer": "accept", "options": [{"id": "x", "text": "X"}], "accept": ["x"]}"#,
        r#"{"text": ["a"], "label": []}"#,
        r#"[{"text": "\ud83d", "label": "x"}, {"text": "b", "label": "y"}]"#,
        "[[[[[[[[[[[[",
    ])
}

/// The parts of a small workbook.
pub fn workbook_parts() -> Vec<(&'static str, Vec<u8>)> {
    let part = |at: usize, text: &str| (PARTS[at], text.as_bytes().to_vec());
    let sheet = r#"<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData><row r="1"><c r="A1" t="s"><v>0</v></c><c r="B1" t="s"><v>1</v></c></row><row r="2"><c r="A2" t="inlineStr"><is><t>a b</t></is></c><c r="B2"><v>1.5</v></c></row></sheetData><mergeCells count="1"><mergeCell ref="A1:B1"/></mergeCells></worksheet>"#;
    vec![
        part(
            0,
            r#"<workbook xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"><sheets><sheet name="S" sheetId="1" r:id="rId1"/></sheets></workbook>"#,
        ),
        part(1, sheet),
        part(
            2,
            r#"<sst xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" count="2" uniqueCount="2"><si><t>text</t></si><si><r><t>la</t></r><r><t>bel</t></r></si></sst>"#,
        ),
        part(
            3,
            r#"<styleSheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><numFmts count="1"><numFmt numFmtId="164" formatCode="yyyy"/></numFmts><cellXfs count="1"><xf numFmtId="164"/></cellXfs></styleSheet>"#,
        ),
        part(
            4,
            r#"<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet" Target="worksheets/sheet1.xml"/><Relationship Id="rId2" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/sharedStrings" Target="sharedStrings.xml"/></Relationships>"#,
        ),
        part(5, r#"<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"/>"#),
        part(6, sheet),
        part(
            7,
            r#"<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" Target="xl/workbook.xml"/></Relationships>"#,
        ),
    ]
}

/// As the target reads them: parts by number.
fn workbooks() -> Seeds {
    let put = |all: &mut Vec<u8>, name: &str, content: &[u8]| {
        let part = PARTS.iter().position(|part| *part == name);
        if let (Some(part), Ok(length)) = (part, u16::try_from(content.len())) {
            all.push(part as u8);
            all.extend(length.to_le_bytes());
            all.extend(content);
        }
    };
    let mut small = Vec::new();
    for (name, content) in workbook_parts() {
        put(&mut small, name, &content);
    }
    let mut seeds = vec![("small".to_owned(), small)];
    for (i, bytes) in WORKBOOKS.iter().enumerate() {
        let mut zip = ::zip::ZipArchive::new(Cursor::new(*bytes)).expect("a workbook");
        let mut parts = Vec::new();
        for at in 0..zip.len() {
            let mut entry = zip.by_index(at).expect("a part");
            let name = entry.name().expect("a name").into_owned();
            let mut content = Vec::new();
            entry.read_to_end(&mut content).expect("it is read");
            put(&mut parts, &name, &content);
        }
        seeds.push((format!("file{i}"), parts));
    }
    seeds
}

fn matrix(name: &str, shape: [usize; 2]) -> Matrix {
    Matrix { name: name.into(), shape, values: (0..shape[0] * shape[1]).map(|i| i as f32 / 8.0 - 0.5).collect() }
}

fn adapter(method: Method) -> Adapter {
    let mut config = RunConfig::default();
    config.prompt.method = method;
    config.prompt.length = 3;
    let stored = if method == Method::Probe { Vec::new() } else { vec![matrix("prompt", [3, 4])] };
    let base_model = BaseModel {
        name: "a/b".into(),
        sha256: Some("0".repeat(64)),
        tokenizer_sha256: None,
        layers: Some(2),
        heads: Some(1),
        hidden: 4,
    };
    let metrics = Some(AdapterMetrics { accuracy: 0.5, macro_f1: 0.25, probe_accuracy: 0.5, majority_accuracy: 0.5, steps: 7 });
    let [head_weight, head_bias] = [matrix("w", [2, 4]).values, vec![0.5, -0.5]];
    let labels = vec!["x".into(), "y z".into()];
    Adapter { config, labels, stored, head_weight, head_bias, metrics, base_model, data_sha256: Some("1".repeat(64)) }
}

/// Three parts as the targets cut them.
fn joined(parts: [&[u8]; 3]) -> Vec<u8> {
    let length = |part: &[u8]| part.len().to_le_bytes()[..3].to_vec();
    [&length(parts[0])[..], &length(parts[1]), parts[0], parts[1], parts[2]].concat()
}

fn find<'a>(files: &'a [(String, Vec<u8>)], name: &str) -> &'a [u8] {
    files.iter().find(|(other, _)| other == name).map_or(&[], |(_, bytes)| bytes)
}

fn adapters() -> Seeds {
    let mut seeds = Seeds::new();
    for method in [Method::Prompt, Method::Probe] {
        let files = adapter(method).files().expect("files");
        let tensors = find(&files, TENSORS_FILE);
        let manifest = String::from_utf8_lossy(find(&files, MANIFEST_FILE)).into_owned();
        let manifest = manifest.replace(&format!("\"{}\"", sha256_hex(tensors)), CHECKSUM);
        seeds.push((format!("{method:?}"), joined([find(&files, CONFIG_FILE), manifest.as_bytes(), tensors])));
        seeds.push((format!("{method:?} of PEFT"), joined([find(&files, CONFIG_FILE), b"", tensors])));
    }
    let prefix: [&[u8]; 2] = [
        include_bytes!("../../tests/golden/peft_prefix/adapter_config.json"),
        include_bytes!("../../tests/golden/peft_prefix/adapter_model.safetensors"),
    ];
    seeds.push(("prefix".into(), joined([prefix[0], b"", prefix[1]])));
    seeds
}

fn checkpoint() -> Checkpoint {
    let state = |name: &str, moments, mask| {
        let Matrix { shape, values, .. } = matrix("", [2, 3]);
        let moments = if moments { Some((4, values.clone(), values.clone())) } else { None };
        let mask = if mask { Some(vec![1.0; 6]) } else { None };
        MatrixState { name: name.into(), shape, values, moments, mask }
    };
    let trained = Trained { stored: vec![matrix("prompt", [2, 3])], head_weight: vec![0.25; 6], head_bias: vec![0.0; 2] };
    Checkpoint {
        config: RunConfig::default(),
        data_sha256: "2".repeat(64),
        machine: Some(Machine { device: DeviceChoice::Cpu, name: "CPU, 8 lanes".into() }),
        chosen: true,
        encoder_sha256: "3".repeat(64),
        counters: Counters {
            step: 4,
            stale: 1,
            due: true,
            stage: Some(0),
            round: 1,
            before: 2,
            milliseconds: (5, 6, 7),
            work: (8, 9, 10),
        },
        orders: vec![(11, vec![2, 0, 1], 1)],
        matrices: vec![state("prompt", true, true), state("head.weight", false, false)],
        best: Some(SavedBest {
            step: 3,
            loss: 0.7,
            trained: trained.clone(),
            scores: vec![0.5; 4],
            state: Some(vec![state("prompt", true, false)]),
        }),
        probe: Some(SavedProbe { loss: 0.6, trained: Trained { stored: Vec::new(), ..trained }, predicted: vec![0, 1] }),
    }
}

fn checkpoints() -> Seeds {
    let whole = checkpoint();
    let young = Checkpoint { best: None, probe: None, ..whole.clone() };
    let parts = |checkpoint: &Checkpoint| {
        let files = crate::adapter::archive::read(&checkpoint.to_bytes().expect("bytes")).expect("files");
        joined([find(&files, "checkpoint.json"), b"", find(&files, "state.safetensors")])
    };
    vec![("whole".into(), parts(&whole)), ("young".into(), parts(&young))]
}

fn zips() -> Seeds {
    let plain = crate::adapter::archive::write(&[("a.txt".into(), b"one".to_vec()), ("\u{fc}.bin".into(), Vec::new())]);
    vec![
        ("plain".into(), plain.expect("a zip")),
        ("adapter".into(), adapter(Method::Prompt).to_zip().expect("a zip")),
        ("checkpoint".into(), checkpoint().to_bytes().expect("a zip")),
        ("workbook".into(), WORKBOOKS[0].to_vec()),
    ]
}

fn results() -> Seeds {
    let test = TestResult { name: "t".into(), accuracy: 0.5, macro_f1: 0.25 };
    let point = Point { seconds: 0.5, step: 3, accuracy: 0.5, loss: 0.7 };
    let cell = |name: &str, seed| CellResult {
        accuracy: 0.75,
        tests: vec![test.clone()],
        curve: vec![point],
        loss: Some(0.5),
        ..CellResult::new(name.into(), seed)
    };
    let cells = [cell("prompt", 1), cell("prompt", 2), cell("late+prompt.late.bottleneck=8", 1), CellResult::new("x".into(), 3)];
    named(&[serde_json::to_vec(&cells).expect("JSON"), b"[]".to_vec()])
}

fn settings() -> Seeds {
    let mut pruned = serde_json::to_value(RunConfig::default()).expect("JSON");
    pruned["prompt"]["prune"] = serde_json::json!({});
    pruned["optim"]["steps"] = 100.into();
    let mut seeds = named(&[b"{}".to_vec(), serde_json::to_vec(&pruned).expect("JSON")]);
    for method in ["late", "progressive", "efficient", "deep", "ensemble", "auto", "probe"] {
        seeds.push((method.into(), format!(r#"{{"prompt": {{"method": "{method}"}}, "seed": 5}}"#).into_bytes()));
    }
    seeds
}

fn tokenizers() -> Seeds {
    let mut small: serde_json::Value = serde_json::from_slice(TINY_TOKENIZER).expect("JSON");
    if let Some(vocab) = small["model"]["vocab"].as_object_mut() {
        let first: Vec<String> = vocab.keys().take(40).cloned().collect();
        vocab.retain(|piece, _| first.contains(piece) || piece.starts_with('[') || piece.len() == 1);
    }
    vec![("tiny".into(), TINY_TOKENIZER.to_vec()), ("small".into(), serde_json::to_vec(&small).expect("JSON"))]
}

fn safetensors() -> Seeds {
    let values: Vec<f32> = (0..16).map(|i| i as f32).collect();
    let names = ["embeddings.word_embeddings.weight", "embeddings.position_embeddings.weight", "a", "b"];
    let shapes = [vec![4, 4], vec![4, 4], vec![2, 2, 2, 2], vec![16]];
    let parts: Vec<_> = names.iter().zip(&shapes).map(|(name, shape)| (*name, shape.clone(), &values[..])).collect();
    let halves = [tensors::HalfTensor { name: "a".into(), shape: vec![16], values: &values }];
    let peft: &[u8] = include_bytes!("../../tests/golden/peft_adapter/adapter_model.safetensors");
    named(&[
        tensors::write(&parts).expect("tensors"),
        tensors::write_half(&halves).expect("tensors"),
        tensors::write(&[]).expect("tensors"),
        peft.to_vec(),
    ])
}
