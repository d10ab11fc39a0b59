//! Adapters that do not fit, are damaged or made to do harm: refused by name.

use std::io::Cursor;

use serde_json::json;
use softprompt::adapter::{Adapter, CONFIG_FILE, MANIFEST_FILE, TENSORS_FILE};
use softprompt::config::{HeadKind, Method};
use softprompt::error::Error;
use softprompt::rng::Rng;
use softprompt::tensors::{self, sha256_hex};
use wasm_bindgen_test::*;
use zip::write::SimpleFileOptions;

use crate::adapter::{Files, changed, changed_json, sample};
use crate::common::zipped;

/// The sample's files with other tensors, whose hash is the one that is expected.
fn with_tensors(parts: &[(&str, Vec<usize>, &[f32])]) -> Files {
    let tensors = tensors::write(parts).unwrap();
    let mut files = changed_json(MANIFEST_FILE, "/tensors_sha256", json!(sha256_hex(&tensors)));
    files.iter_mut().find(|(name, _)| name == TENSORS_FILE).unwrap().1 = tensors;
    files
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
pub fn refused(attack: &str, result: Result<Adapter, Error>, expected: &str) {
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
    refused("no prompt", export(&|a| a.stored.clear()), "the adapter has [], but its settings require [\"prompt\"]");
    refused(
        "a prompt of a probe",
        export(&|a| a.config.prompt.method = Method::Probe),
        "[\"prompt\"], but its settings require []",
    );
    refused("a prompt twice", export(&|a| a.stored.push(a.stored[0].clone())), "has [\"prompt\", \"prompt\"], but its settings");
    refused("another method", export(&|a| a.config.prompt.method = Method::Deep), "settings require [\"prefix\"]");
    refused("no method", export(&|a| a.config.prompt.method = Method::Auto), "the adapter's method is \"auto\"");
    refused(
        "another length",
        export(&|a| a.config.prompt.length = 6),
        "prompt has shape [5, 8], but its settings require [6, 8]",
    );
    refused(
        "another width",
        export(&|a| a.base_model.hidden = usize::MAX),
        "prompt has shape [5, 8], but its settings require [5, ",
    );
    refused("a short prompt", export(&|a| a.stored[0].values.truncate(39)), "prompt has 39 elements, but its shape is [5, 8]");
    refused("NaN in the prompt", export(&|a| a.stored[0].values[7] = f32::NAN), "prompt has NaN at element 7");
    refused(
        "a long ensemble",
        export(&|a| {
            *a = sample(HeadKind::Mean, Method::Ensemble);
            a.config.prompt.ensemble.members = 3;
        }),
        "prompt has shape [10, 8], but its settings require [15, 8]",
    );
    refused(
        "another bottleneck",
        export(&|a| {
            *a = sample(HeadKind::Mean, Method::Late);
            a.config.prompt.late.bottleneck = 4096;
        }),
        "generator.down.weight has shape [3, 8]",
    );
    refused("NaN", export(&|a| a.head_bias[1] = f32::NAN), "base_model.classifier.bias has NaN at element 1");
    refused("a figure of NaN", export(&|a| figures(a, f64::NAN)), "metrics are not between 0 and 1");
    refused("a figure of 200%", export(&|a| figures(a, 2.0)), "metrics are not between 0 and 1");
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
        ("each file twice", twice(), "adapter_config.json occurs twice"),
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
        ("a later format", changed_json(MANIFEST_FILE, "/format", json!(2)), "has format 2, but this program reads 1"),
        ("a label more", changed_json(MANIFEST_FILE, "/labels", json!(["a", "b", "c", "d"])), "shape [3, 8], expected [4, 8]"),
        ("a label twice", changed_json(MANIFEST_FILE, "/labels", json!(["a", "b", "a"])), "the label \"a\" twice"),
        ("no labels", changed_json(MANIFEST_FILE, "/labels", json!([])), "shape [3, 8], expected [0, 8]"),
        (
            "another name",
            changed_json(MANIFEST_FILE, "/stored/0/0", json!("Prompt")),
            "has [\"Prompt\"], but its settings require",
        ),
        ("a name too long to show", changed_json(MANIFEST_FILE, "/stored", json!(vec![("x", [1, 1]); 100])), "settings require"),
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
            "settings require",
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
        ("an empty zip", zipped::<&str, &[u8]>(&[]), "adapter_config.json is missing"),
        ("a path upwards", zipped(&[("../../.bashrc", b"")]), "\"../../.bashrc\"; an adapter's zip contains only files"),
        ("an absolute path", replaced(&zipped(&[("xREADME.md", b"")]), b"xREAD", b"/READ"), "\"/README.md\""),
        ("a path of Windows", replaced(&zipped(&[("C_README.md", b"")]), b"C_", b"C:"), "\"C:README.md\""),
        ("a folder", folder, "\"adapter/\""),
        ("a symbolic link", link, "only files, no folders"),
        ("a name twice", replaced(&doubled, b"README.mx", b"README.md"), "a file name twice"),
        ("a deflate bomb", patched(&good, 10, &[8, 0]), "is compressed"),
        ("an encrypted file", patched(&good, 8, &[1, 0]), "is encrypted"),
        ("a stored file of 4 GiB", patched(&good, 24, &[0xfe, 0xff, 0xff, 0xff]), "is longer than the zip"),
        ("what is stored has 4 GiB", patched(&good, 20, &[0xfe, 0xff, 0xff, 0xff]), "is longer than the zip"),
        ("both lengths of 4 GiB", patched(&good, 20, &[0xfe, 0xff, 0xff, 0xff].repeat(2)), "is longer than the zip"),
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
