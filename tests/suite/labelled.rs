//! A whole file classified: its own cells stay, two columns are added; and the encoder in half precision.

use softprompt::adapter::{Adapter, BaseModel};
use softprompt::config::{DataConfig, DeviceChoice, Method, RunConfig};
use softprompt::encoder::Encoder;
use softprompt::error::Error;
use softprompt::model::{half, weights};
use softprompt::predict::Predictor;
use softprompt::predict::file::LabelledFile;
use softprompt::rng::Rng;
use wasm_bindgen_test::wasm_bindgen_test;

use crate::tiny::{TOKENIZER, tiny_model, with_tokenizer};

/// A head on the frozen features, with any weights: what it answers does not matter, that it is the same does.
pub fn adapter(model: &Encoder, labels: &[&str]) -> Adapter {
    let mut rng = Rng::stream(3, "labelled");
    let mut config = RunConfig::default();
    config.prompt.method = Method::Probe;
    config.data.text_column = Some("text".into());
    let hidden = model.spec().hidden;
    Adapter {
        config,
        labels: labels.iter().map(|label| (*label).to_owned()).collect(),
        stored: Vec::new(),
        head_weight: (0..labels.len() * hidden).map(|_| rng.normal() as f32).collect(),
        head_bias: vec![0.0; labels.len()],
        metrics: None,
        base_model: BaseModel::new("tiny", model.sha256(), model.spec()),
        data_sha256: None,
    }
}

pub async fn predictor(labels: &[&str]) -> Predictor {
    let model = tiny_model();
    let adapter = adapter(&model, labels);
    Predictor::new(model, adapter, DeviceChoice::Cpu).await.unwrap()
}

pub async fn labelled(predictor: &Predictor, bytes: &[u8], name: &str) -> LabelledFile {
    let mut file = LabelledFile::open(bytes, name, predictor.adapter(), None, &DataConfig::default()).unwrap();
    while file.next(predictor).await.unwrap() {}
    file
}

pub fn cells(bytes: &[u8], separator: u8) -> Vec<Vec<String>> {
    let mut reader = csv::ReaderBuilder::new();
    let reader = reader.has_headers(false).delimiter(separator).from_reader(bytes);
    reader.into_records().map(|record| record.unwrap().iter().map(str::to_owned).collect()).collect()
}

/// The same weights behind another tokenizer give other answers.
#[wasm_bindgen_test(unsupported = pollster::test)]
async fn an_adapter_works_with_its_own_tokenizer_only() {
    let text = std::str::from_utf8(TOKENIZER).unwrap();
    let mut json: serde_json::Value = serde_json::from_str(text).unwrap();
    let tiny = tiny_model();
    let mut adapter = adapter(&tiny, &["a", "b"]);
    adapter.base_model.tokenizer_sha256 = Some(tiny.tokenizer().sha256().unwrap().to_owned());
    let files = Adapter::from_files(&adapter.files().unwrap()).unwrap();
    assert_eq!(files.base_model, adapter.base_model);
    let opens = async |model: Encoder| Predictor::new(model, files.clone(), DeviceChoice::Cpu).await.map(drop);
    opens(tiny).await.unwrap();
    // Another formatting is the same tokenizer.
    opens(with_tokenizer(serde_json::to_string(&json).unwrap().as_bytes())).await.unwrap();
    // Capitals, and two tokens with each other's ids.
    let vocabulary = json["model"]["vocab"].as_object_mut().unwrap();
    let mut words = vocabulary.values_mut().filter(|id| id.as_u64() > Some(60));
    let (one, other) = (words.next().unwrap(), words.next().unwrap());
    std::mem::swap(one, other);
    for other in [cased(text), json.to_string()] {
        let error = opens(with_tokenizer(other.as_bytes())).await.unwrap_err();
        assert!(error.to_string().contains("another tokenizer"), "{error}");
    }
    // An adapter of an earlier version does not say.
    adapter.base_model.tokenizer_sha256 = None;
    Predictor::new(with_tokenizer(cased(text).as_bytes()), adapter, DeviceChoice::Cpu).await.map(drop).unwrap();
}

/// A tokenizer that treats capitals the other way.
fn cased(tokenizer: &str) -> String {
    let mut json: serde_json::Value = serde_json::from_str(tokenizer).unwrap();
    json["normalizer"]["lowercase"] = (!json["normalizer"]["lowercase"].as_bool().unwrap()).into();
    json.to_string()
}

#[wasm_bindgen_test(unsupported = pollster::test)]
async fn a_table_keeps_its_cells_and_gets_two_columns() {
    let predictor = predictor(&["food", "music", "weather"]).await;
    let texts = ["will it rain, today", "=SUM(A1)", "", "play \"this\" song\nnow", "  the fish was cold  "];
    let mut rows = vec!["id;text;predicted_label;truth".to_owned()];
    for i in 0..40 {
        let text = texts[i % texts.len()].replace('"', "\"\"");
        rows.push(format!("{i};\"{text}\";x{i};{}", ["music", "weather", ""][i % 3]));
    }
    let bytes = rows.join("\n");
    let file = labelled(&predictor, bytes.as_bytes(), "rows.csv").await;
    let out = file.to_bytes().unwrap();
    let (before, after) = (cells(bytes.as_bytes(), b';'), cells(&out, b';'));
    assert_eq!(after[0], ["id", "text", "predicted_label", "truth", "predicted_label_2", "predicted_probability"]);
    assert_eq!(after.len(), before.len());
    let (mut right, mut judged, mut empty) = (0, 0, 0);
    for (before, after) in before.iter().zip(&after).skip(1) {
        assert_eq!(after[..4], before[..], "own cells");
        if before[1].trim().is_empty() {
            assert_eq!(after[4..], ["", ""]);
            empty += 1;
            continue;
        }
        let alone = predictor.predict(&[before[1].trim()]).await.unwrap().remove(0);
        assert_eq!(after[4], alone.label, "{}", before[1]);
        let probability: f32 = after[5].parse().unwrap();
        assert!((probability - alone.probabilities[0].probability).abs() < 2e-4, "{after:?}");
        judged += usize::from(!before[3].is_empty());
        right += usize::from(before[3] == alone.label);
    }
    let progress = file.progress();
    assert_eq!((progress.done, progress.rows, progress.empty), (40, 40, empty));
    assert_eq!((progress.judged, progress.right, progress.unknown), (judged, right, 0));
    assert_eq!(progress.counts.iter().map(|(_, rows)| rows).sum::<usize>() + empty, 40);
    assert_eq!((file.view().text_column, file.view().label_column), (1, Some(3)));
    assert!(empty == 8 && judged > 10);
}

#[wasm_bindgen_test(unsupported = pollster::test)]
async fn texts_alone_are_a_file_too() {
    let predictor = predictor(&["a", "b"]).await;
    for (name, bytes, header, rows) in [
        ("t.txt", "will it rain, today\nplay; a song\n\nthe fish\n", false, 4),
        ("t.csv", "text\n\"will it rain, today\"\n\"play \"\"a\"\" song\"\nthe fish\n", true, 3),
        ("t.csv", "sentence\nrain\nsong\n", true, 2),
    ] {
        let file = labelled(&predictor, bytes.as_bytes(), name).await;
        let out = cells(&file.to_bytes().unwrap(), b',');
        assert_eq!(out.len(), rows + usize::from(header), "{name}: {out:?}");
        assert!(out.iter().all(|row| row.len() == 3), "{out:?}");
        assert_eq!(out[0][1] == "predicted_label", header, "{out:?}");
        assert_eq!(file.view().label_column, None);
    }
    let tabs = labelled(&predictor, b"id\ttext\n1\twill it rain\n2\tplay a song\n", "t.txt").await;
    assert_eq!(tabs.extension(), "tsv");
    assert_eq!(cells(&tabs.to_bytes().unwrap(), b'\t')[1][..2], ["1", "will it rain"]);
    let refused =
        |bytes: &[u8], column| LabelledFile::open(bytes, "t.csv", predictor.adapter(), column, &DataConfig::default()).err();
    assert!(matches!(refused(b"", None), Some(Error::Data { .. })));
    assert!(matches!(refused(b"\x89PNG\r\n\x1a\n", None), Some(Error::Data { .. })));
    assert!(matches!(refused(b"id,text\n1,will it rain\n2,play\n", Some("body")), Some(Error::Data { .. })));
}

/// What a user needs to choose another header row: the first rows as they are, and which one is the header.
#[wasm_bindgen_test(unsupported = pollster::test)]
async fn a_table_shows_its_first_rows_and_takes_another_header() {
    let predictor = predictor(&["food", "music"]).await;
    let bytes = b"id;text;kind\n1;will it rain;food\n2;play a song;music\n3;so it is;food\n";
    let view = |row| {
        let reading = DataConfig { header_row: row, ..DataConfig::default() };
        LabelledFile::open(bytes, "t.csv", predictor.adapter(), Some("2"), &reading).unwrap().view()
    };
    let detected = view(None);
    assert_eq!((detected.has_header, detected.header_row, detected.rows), (true, Some(1), 3));
    assert_eq!(detected.head.iter().map(|line| line.row).collect::<Vec<_>>(), [1, 2, 3, 4]);
    assert_eq!(detected.head[1].cells, ["1", "will it rain", "food"]);
    assert_eq!((detected.sheets.len(), detected.sheet), (0, None));
    let none = view(Some(0));
    assert_eq!((none.has_header, none.header_row, none.rows, none.head), (false, None, 4, detected.head));
    let second = view(Some(2));
    assert_eq!((second.header_row, second.rows, second.columns[1].as_str()), (Some(2), 2, "will it rain"));
    // Of lines there is none to choose.
    let lines =
        LabelledFile::open(b"will it rain, today\nplay; a song\n", "t.txt", predictor.adapter(), None, &DataConfig::default());
    assert!(lines.unwrap().view().head.is_empty());
}

/// Who makes an adapter chooses its labels, and a spreadsheet computes what begins with `=`.
#[wasm_bindgen_test(unsupported = pollster::test)]
async fn no_label_becomes_a_formula() {
    for (label, written) in [
        ("=HYPERLINK(\"http://example.org\")", "'=HYPERLINK(\"http://example.org\")"),
        ("@a", "'@a"),
        ("+x", "'+x"),
        ("-x", "'-x"),
        ("\tx", "'\tx"),
        ("-1", "-1"),
        ("+0.5", "+0.5"),
        ("a=b", "a=b"),
    ] {
        let other = "\u{10ffff}";
        let model = tiny_model();
        let mut adapter = adapter(&model, &[label, other]);
        adapter.head_bias = vec![1e4, 0.0];
        let predictor = Predictor::new(model, adapter, DeviceChoice::Cpu).await.unwrap();
        let file = labelled(&predictor, b"id,text\n1,will it rain\n2,=1+1\n", "t.csv").await;
        let out = cells(&file.to_bytes().unwrap(), b',');
        assert_eq!((out[1][2].as_str(), out[2][2].as_str()), (written, written));
        assert_eq!(out[2][1], "=1+1", "the user's own cells stay");
    }
}

#[wasm_bindgen_test(unsupported = pollster::test)]
async fn half_precision_is_the_same_encoder_but_for_the_rounding() {
    let model = tiny_model();
    let bytes = half::write(model.weights()).unwrap();
    let read = weights::load(model.spec().clone(), &bytes).unwrap();
    let mut worst = 0f32;
    let mut compare = |a: &[f32], b: &[f32]| {
        assert_eq!(a.len(), b.len());
        a.iter().zip(b).for_each(|(a, b)| worst = worst.max((a - b).abs() / (a.abs() + 1e-4)));
    };
    let whole = model.weights();
    compare(&whole.word, &read.word);
    compare(&whole.position, &read.position);
    compare(&whole.embed_norm.gamma, &read.embed_norm.gamma);
    for (a, b) in whole.layers.iter().zip(&read.layers) {
        for (a, b) in [(&a.qkv, &b.qkv), (&a.attention_out, &b.attention_out), (&a.ffn_in, &b.ffn_in), (&a.ffn_out, &b.ffn_out)] {
            compare(&a.weight, &b.weight);
            compare(&a.bias, &b.bias);
        }
        compare(&a.attention_norm.beta, &b.attention_norm.beta);
        compare(&a.ffn_norm.gamma, &b.ffn_norm.gamma);
    }
    assert!(worst > 0.0 && worst < 2e-3, "{worst}");
    assert_eq!(whole.pooler.is_some(), read.pooler.is_some());

    let mut large = (**whole).clone();
    large.layers[0].ffn_in.bias[0] = 1e5;
    let error = half::write(&large).unwrap_err();
    assert!(error.to_string().contains("encoder.layer.0.intermediate.dense.bias"), "{error}");
}
