//! What holds for any bytes: nothing panics, memory stays under a multiple of the input, and what is written reads back the same. Each says
//! whether the bytes were read: what is refused shows nothing.

use serde_json::Value;

use crate::adapter::{Adapter, CONFIG_FILE, MANIFEST_FILE, TENSORS_FILE, archive};
use crate::config::{DataConfig, RunConfig};
use crate::data::dataset::{ColumnChoice, Dataset};
use crate::data::table::Table;
use crate::memory::bounded;
use crate::model::{config, files, spec::EncoderSpec, weights};
use crate::tensors::{self, Tensors, sha256_hex};
use crate::text::tokenizer::Tokenizer;
use crate::text::vocabulary;
use crate::train::checkpoint::Checkpoint;
use crate::train::result::{CellResult, rows};

/// Of a table's bytes. The shortest row is `,` and a line break: two cells, each with a string of its own.
const TABLE: usize = 160;
/// Of a workbook's unpacked parts.
const WORKBOOK: usize = 160;
/// Of a zip's bytes.
const ZIP: usize = 8;
/// Of an adapter's and a checkpoint's files.
const STORED: usize = 32;
/// Of a JSON file of settings.
const JSON: usize = 64;
/// Of a `tokenizer.json`.
const TOKENIZER: usize = 64;
/// Of a safetensors file.
const TENSORS: usize = 32;

/// A table in any notation.
pub fn table(data: &[u8]) -> bool {
    read_table("table", data, TABLE)
}

/// As [`table`], with seeds of its own: objects a line, and lists of them.
pub fn json(data: &[u8]) -> bool {
    read_table("json", data, TABLE)
}

fn read_table(what: &str, data: &[u8], multiple: usize) -> bool {
    let Ok(table) = bounded(what, data.len(), multiple, || Table::from_bytes(data)) else { return false };
    let columns = table.columns.len();
    assert!(
        columns >= 2 && table.rows.iter().all(|row| row.len() == columns),
        "a row has not as many cells as there are columns"
    );
    assert_eq!(table.rows.len(), table.row_numbers.len());
    assert!(table.row_numbers.is_sorted() && table.ragged.is_sorted());
    assert!(table.ragged.iter().all(|row| table.row_numbers.binary_search(row).is_ok()));
    let csv = table.to_csv().expect("a table is written");
    let again = Table::from_bytes(&csv).expect("what was written is read");
    assert_eq!((&again.columns, &again.rows), (&table.columns, &table.rows), "another table after writing and reading");
    assert_eq!(again.ragged.len(), table.ragged.len());
    if let Ok(choice) = ColumnChoice::guess(&table, &DataConfig::default()) {
        assert!(choice.text < columns && choice.label < columns && choice.text != choice.label);
    }
    if let Ok(dataset) = Dataset::from_table(&table, &DataConfig::default(), 1) {
        let classes = dataset.labels.len();
        let rows = || dataset.train.iter().chain(&dataset.held_out);
        assert!(rows().all(|row| (row.label as usize) < classes && !row.text.trim().is_empty()));
        assert!(dataset.train.len() + dataset.held_out.len() <= table.rows.len());
    }
    true
}

/// Parts of a workbook, by number.
pub const PARTS: [&str; 8] = [
    "xl/workbook.xml",
    "xl/worksheets/sheet1.xml",
    "xl/sharedStrings.xml",
    "xl/styles.xml",
    "xl/_rels/workbook.xml.rels",
    "[Content_Types].xml",
    "xl/worksheets/sheet2.xml",
    "_rels/.rels",
];

/// A workbook, given as its parts: each a number, a length in two bytes, and the content. A zip of them would hardly survive a change.
pub fn workbook(data: &[u8]) -> bool {
    let mut files: Vec<(String, Vec<u8>)> = Vec::new();
    let mut rest = data;
    while let [part, low, high, after @ ..] = rest {
        let length = usize::from(u16::from_le_bytes([*low, *high])).min(after.len());
        let name = PARTS[usize::from(*part) % PARTS.len()];
        if files.iter().all(|(other, _)| other != name) {
            files.push((name.to_owned(), after[..length].to_vec()));
        }
        rest = &after[length..];
    }
    for (part, content) in crate::seeds::workbook_parts() {
        if files.iter().all(|(name, _)| *name != part) && part != PARTS[6] {
            files.push((part.to_owned(), content));
        }
    }
    let zip = archive::write(&files).expect("a zip");
    read_table("workbook", &zip, WORKBOOK)
}

/// A zip of plain files.
pub fn zip(data: &[u8]) -> bool {
    let Ok(files) = bounded("zip", data.len(), ZIP, || archive::read(data)) else { return false };
    let written = archive::write(&files).expect("files that were read are written");
    assert_eq!(archive::read(&written).expect("what was written is read"), files);
    let _ = bounded("adapter in a zip", data.len(), STORED, || Adapter::from_files(&files));
    let _ = bounded("checkpoint in a zip", data.len(), STORED, || Checkpoint::from_bytes(data));
    true
}

/// Two lengths in three bytes each, and what they cut the rest into.
fn cut(data: &[u8]) -> Option<[&[u8]; 3]> {
    let (lengths, rest) = data.split_first_chunk::<6>()?;
    let number = |at: usize| usize::from(lengths[at]) | usize::from(lengths[at + 1]) << 8 | usize::from(lengths[at + 2]) << 16;
    let (first, rest) = rest.split_at(number(0).min(rest.len()));
    let (second, third) = rest.split_at(number(3).min(rest.len()));
    Some([first, second, third])
}

/// What stands for the checksum of the tensors in a manifest: no change of a tensor would fit the right one.
pub const CHECKSUM: &str = "\"CHECKSUM\"";

/// An adapter, given as its description for PEFT, its manifest (none where it is empty), and its tensors.
pub fn adapter(data: &[u8]) -> bool {
    let Some([peft, manifest, tensors]) = cut(data) else { return false };
    let mut files = vec![(CONFIG_FILE.to_owned(), peft.to_vec()), (TENSORS_FILE.to_owned(), tensors.to_vec())];
    if !manifest.is_empty() {
        let text = String::from_utf8_lossy(manifest).replace(CHECKSUM, &format!("\"{}\"", sha256_hex(tensors)));
        files.push((MANIFEST_FILE.to_owned(), text.into_bytes()));
    }
    let Ok(adapter) = bounded("adapter", data.len(), STORED, || Adapter::from_files(&files)) else { return false };
    let Ok(zip) = adapter.to_zip() else { panic!("an adapter that was read is not written: {:?}", adapter.to_zip().err()) };
    let again = Adapter::from_zip(&zip).expect("what was written is read");
    assert_eq!(again.to_zip().expect("it is written again"), zip, "other bytes after reading and writing");
    true
}

/// A checkpoint, given as its header and its tensors.
pub fn checkpoint(data: &[u8]) -> bool {
    let Some([header, _, tensors]) = cut(data) else { return false };
    let files = [("checkpoint.json".to_owned(), header.to_vec()), ("state.safetensors".to_owned(), tensors.to_vec())];
    let zip = archive::write(&files).expect("a zip");
    let Ok(checkpoint) = bounded("checkpoint", zip.len(), STORED, || Checkpoint::from_bytes(&zip)) else { return false };
    let written = checkpoint.to_bytes().expect("a checkpoint that was read is written");
    let again = Checkpoint::from_bytes(&written).expect("what was written is read");
    assert_eq!(again.to_bytes().expect("it is written again"), written, "other bytes after reading and writing");
    true
}

/// Results of a comparison that are kept, as the page and the command line hand them back.
pub fn cells(data: &[u8]) -> bool {
    let Ok(cells) = bounded("cells", data.len(), JSON, || serde_json::from_slice::<Vec<CellResult>>(data)) else { return false };
    let mut names: Vec<String> = cells.iter().map(|cell| cell.name.clone()).collect();
    names.sort();
    names.dedup();
    let table = rows(&names, &cells);
    assert_eq!(table.len(), names.len());
    let rounded: Vec<CellResult> = cells.into_iter().map(CellResult::rounded).collect();
    let text = serde_json::to_vec(&rounded).expect("results are written");
    // What is no number is written as `null`, and is no result.
    if let Ok(again) = serde_json::from_slice::<Vec<CellResult>>(&text) {
        assert_eq!(serde_json::to_vec(&again).expect("results are written"), text);
    }
    true
}

/// Settings, as a file or with a kept run.
pub fn settings(data: &[u8]) -> bool {
    let Ok(config) = bounded("settings", data.len(), JSON, || serde_json::from_slice::<RunConfig>(data)) else { return false };
    let valid = config.validate();
    let text = serde_json::to_vec(&config).expect("settings are written");
    if let Ok(again) = serde_json::from_slice::<RunConfig>(&text) {
        assert_eq!(serde_json::to_vec(&again).expect("settings are written"), text, "other settings after writing and reading");
    } else {
        assert!(valid.is_err(), "valid settings do not read back");
    }
    if valid.is_ok() {
        for rows in [0, 1, 1000, usize::MAX >> 1] {
            let _ = config.total_steps(rows);
        }
    }
    true
}

/// The encoder's `config.json`.
pub fn encoder_config(data: &[u8]) -> bool {
    let Ok(spec) = bounded("encoder config", data.len(), JSON, || config::parse(data)) else { return false };
    let (_, rows) = spec.largest_weight();
    assert!(spec.head_size() * spec.heads == spec.hidden && spec.elements() > 0 && rows > 0);
    let again = serde_json::json!({
        "model_type": "bert", "num_hidden_layers": spec.layers, "hidden_size": spec.hidden, "num_attention_heads": spec.heads,
        "intermediate_size": spec.ffn, "vocab_size": spec.vocab, "max_position_embeddings": spec.max_positions,
        "layer_norm_eps": spec.layer_norm_eps,
    });
    assert_eq!(config::parse(again.to_string().as_bytes()).expect("what was accepted"), spec);
    true
}

/// The encoder's `tokenizer.json`.
pub fn tokenizer(data: &[u8]) -> bool {
    // The same bytes as a `vocab.txt`: what is made of it is a tokenizer.
    if let Ok((made, _)) = bounded("vocabulary", data.len(), TOKENIZER, || vocabulary::tokenizer_json(data, None, None)) {
        let _ = Tokenizer::from_bytes(&made);
    }
    let Ok(tokenizer) = bounded("tokenizer", data.len(), TOKENIZER, || Tokenizer::from_bytes(data)) else { return false };
    let long = "many words ".repeat(50);
    let texts = ["", " ", "a", "The card, please!", "Grüße an Zoë", "密码 是什么", "\u{13000}\u{301}\0x", &long];
    let one_by_one: Vec<_> = texts.iter().map(|text| tokenizer.encode(text, 64)).collect();
    for encoded in one_by_one.iter().flatten() {
        assert!(encoded.ids.len() <= 64 && encoded.ids.iter().all(|&id| (id as usize) < tokenizer.vocab_size()));
    }
    match tokenizer.encode_batch(&texts, 64) {
        Ok(batch) => {
            let alone: Vec<_> = one_by_one.into_iter().map(|encoded| encoded.expect("it is in the batch, too")).collect();
            assert_eq!(batch, alone, "other tokens in a batch");
        }
        Err(_) => assert!(one_by_one.iter().any(Result::is_err), "only the batch fails"),
    }
    let _ = tokenizer.words(100);
    true
}

/// A safetensors file: all tensors that it names, and as the weights of a small encoder.
pub fn tensors(data: &[u8]) -> bool {
    let Ok(parsed) = bounded("tensors", data.len(), TENSORS, || Tensors::parse(data)) else { return false };
    let header = data.get(8..8 + u64::from_le_bytes(data[..8].try_into().expect("eight bytes")) as usize);
    let names =
        header.and_then(|header| serde_json::from_slice::<serde_json::Map<String, Value>>(header).ok()).unwrap_or_default();
    let mut read: Vec<(String, Vec<usize>, Vec<f32>)> = Vec::new();
    for name in names.keys() {
        let Some(shape) = parsed.shape(name) else { continue };
        if let Ok(values) = bounded("a tensor", data.len(), TENSORS, || parsed.read(name, shape)) {
            assert_eq!(values.len(), shape.iter().product::<usize>());
            read.push((name.clone(), shape.to_vec(), values));
        }
    }
    let parts: Vec<_> = read.iter().map(|(name, shape, values)| (name.as_str(), shape.clone(), values.as_slice())).collect();
    let written = tensors::write(&parts).expect("tensors that were read are written");
    let again = Tensors::parse(&written).expect("what was written is read");
    for (name, shape, values) in &read {
        let found = again.read(name, shape).expect("the tensor is there");
        assert!(found.iter().map(|x| x.to_bits()).eq(values.iter().map(|x| x.to_bits())), "{name} has other values");
    }
    let spec = EncoderSpec { layers: 1, hidden: 4, heads: 1, ffn: 4, vocab: 4, max_positions: 4, layer_norm_eps: 1e-12 };
    let _ = bounded("shards", data.len(), TENSORS, || files::joined(&[("a", data), ("b", data)]));
    let _ = bounded("weights", data.len(), TENSORS, || weights::load(spec, data));
    true
}
