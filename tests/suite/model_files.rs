//! The hub's config.json and model.safetensors. What is right is read right, what is wrong is named,
//! and nothing panics.

use std::collections::HashMap;

use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};
use serde_json::{Value, json};
use softprompt::error::Error;
use softprompt::model::spec::{EncoderSpec, EncoderWeights};
use softprompt::model::{config, weights};
use softprompt::rng::Rng;
use softprompt::tensors::sha256_hex;
use wasm_bindgen_test::*;

pub const CONFIG: &[u8] = include_bytes!("../golden/tiny/config.json");
pub const WEIGHTS: &[u8] = include_bytes!("../golden/tiny/model.safetensors");
const WEIGHTS_F16: &[u8] = include_bytes!("../golden/tiny/model-f16.safetensors");
const WEIGHTS_BF16: &[u8] = include_bytes!("../golden/tiny/model-bf16.safetensors");

const QUERY: &str = "encoder.layer.1.attention.self.query.weight";

fn spec() -> EncoderSpec {
    config::parse(CONFIG).unwrap()
}

pub fn load(bytes: &[u8]) -> Result<EncoderWeights, Error> {
    weights::load(spec(), bytes)
}

/// A tensor of a file that is made by changing another.
#[derive(Clone)]
struct Tensor {
    dtype: Dtype,
    shape: Vec<usize>,
    data: Vec<u8>,
}

/// The tiny encoder's tensors after a change, as a file.
fn changed(change: impl FnOnce(&mut HashMap<String, Tensor>)) -> Vec<u8> {
    let file = SafeTensors::deserialize(WEIGHTS).unwrap();
    let mut tensors: HashMap<_, _> = file
        .iter()
        .map(|(name, view)| {
            (name.to_owned(), Tensor { dtype: view.dtype(), shape: view.shape().to_vec(), data: view.data().to_vec() })
        })
        .collect();
    change(&mut tensors);
    let views = tensors.iter().map(|(name, t)| (name, TensorView::new(t.dtype, t.shape.clone(), &t.data).unwrap()));
    safetensors::serialize(views, None).unwrap()
}

/// The tiny encoder's file with other names.
pub fn renamed(new: impl Fn(&str) -> String) -> Vec<u8> {
    changed(|tensors| *tensors = tensors.drain().map(|(name, tensor)| (new(&name), tensor)).collect())
}

/// Those of its tensors whose name is wanted, as the library writes them for PyTorch.
pub fn part(wanted: impl Fn(&str) -> bool) -> Vec<u8> {
    let file = SafeTensors::deserialize(WEIGHTS).unwrap();
    let views = file.iter().filter(|(name, _)| wanted(name));
    safetensors::serialize(views, Some(HashMap::from([("format".to_owned(), "pt".to_owned())]))).unwrap()
}

/// The tiny encoder's file in f64.
pub fn wide() -> Vec<u8> {
    changed(|tensors| {
        for tensor in tensors.values_mut() {
            let values = tensor.data.chunks(4).map(|bytes| f64::from(f32::from_le_bytes(bytes.try_into().unwrap())));
            (tensor.dtype, tensor.data) = (Dtype::F64, values.flat_map(f64::to_le_bytes).collect());
        }
    })
}

/// The tiny encoder's file with more tensors in it.
pub fn with_more(names: &[&str]) -> Vec<u8> {
    changed(|tensors| {
        for name in names {
            tensors.insert((*name).into(), Tensor { dtype: Dtype::I64, shape: vec![1], data: vec![1; 8] });
        }
    })
}

/// The tiny encoder's file with fewer rows in a table of 32 columns.
pub fn shorter(name: &str, rows: usize) -> Vec<u8> {
    changed(|tensors| {
        let tensor = tensors.get_mut(name).unwrap();
        tensor.shape[0] = rows;
        tensor.data.truncate(rows * 32 * 4);
    })
}

/// The tiny encoder's file with one tensor in whole numbers.
pub fn whole_numbers(name: &str) -> Vec<u8> {
    changed(|tensors| {
        let tensor = tensors.get_mut(name).unwrap();
        (tensor.dtype, tensor.data) = (Dtype::I8, vec![1; tensor.data.len() / 4]);
    })
}

/// A file with this header and this many zero bytes behind it.
pub fn forged(header: &str, data: usize) -> Vec<u8> {
    [&(header.len() as u64).to_le_bytes(), header.as_bytes(), &vec![0; data]].concat()
}

/// The problem of an [`Error::Model`], and the tensor it names.
#[track_caller]
pub fn model_error<T>(what: &str, result: Result<T, Error>) -> (String, Option<String>) {
    match result {
        Err(Error::Model { problem, tensor, hint }) => {
            assert!(!hint.is_empty(), "{what}: no hint");
            (problem, tensor)
        }
        Err(other) => panic!("{what}: {other:?}"),
        Ok(_) => panic!("{what} was accepted"),
    }
}

fn all(weights: &EncoderWeights) -> Vec<&[f32]> {
    let mut all = vec![&weights.word[..], &weights.position, &weights.embed_norm.gamma, &weights.embed_norm.beta];
    for layer in &weights.layers {
        for linear in [&layer.qkv, &layer.attention_out, &layer.ffn_in, &layer.ffn_out] {
            all.extend([&linear.weight[..], &linear.bias]);
        }
        for norm in [&layer.attention_norm, &layer.ffn_norm] {
            all.extend([&norm.gamma[..], &norm.beta]);
        }
    }
    let pooler = weights.pooler.as_ref().unwrap();
    all.extend([&pooler.weight[..], &pooler.bias]);
    all
}

#[wasm_bindgen_test(unsupported = test)]
fn reads_the_hubs_config() {
    let expected = EncoderSpec { layers: 2, hidden: 32, heads: 4, ffn: 64, vocab: 300, max_positions: 64, layer_norm_eps: 1e-12 };
    assert_eq!(spec(), expected);
    // As transformers 5 writes it: fields with their default value may be absent.
    let mut short: Value = serde_json::from_slice(CONFIG).unwrap();
    for field in ["hidden_act", "position_embedding_type", "layer_norm_eps"] {
        short.as_object_mut().unwrap().remove(field).unwrap();
    }
    assert_eq!(config::parse(short.to_string().as_bytes()).unwrap(), expected);
}

#[wasm_bindgen_test(unsupported = test)]
fn names_the_field_of_a_config_that_cannot_work() {
    for (field, value, expected) in [
        ("model_type", json!("roberta"), "config.json: \"model_type\" is \"roberta\"; supported is [\"bert\"]"),
        ("model_type", Value::Null, "config.json: \"model_type\" is null; supported is [\"bert\"]"),
        ("hidden_act", json!("gelu_new"), "config.json: \"hidden_act\" is \"gelu_new\"; supported is [\"gelu\"]"),
        (
            "position_embedding_type",
            json!("relative_key"),
            "config.json: \"position_embedding_type\" is \"relative_key\"; supported is [\"absolute\"]",
        ),
        ("is_decoder", json!(true), "config.json: \"is_decoder\" is true; supported is false"),
        ("num_hidden_layers", json!(0), "config.json: \"num_hidden_layers\" is 0, expected a whole number from 1 to 1000"),
        ("hidden_size", json!(-32), "config.json: \"hidden_size\" is -32, expected a whole number from 1 to 65536"),
        ("hidden_size", json!("32"), "config.json: \"hidden_size\" is \"32\", expected a whole number from 1 to 65536"),
        (
            "vocab_size",
            json!(u64::MAX),
            "config.json: \"vocab_size\" is 18446744073709551615, expected a whole number from 1 to 16777216",
        ),
        ("layer_norm_eps", json!(-1.0), "config.json: \"layer_norm_eps\" is -1.0, expected a number from 0 to 1"),
        ("num_attention_heads", json!(5), "config.json: \"hidden_size\" 32 is not a multiple of \"num_attention_heads\" 5"),
        (
            "num_attention_heads",
            json!(16),
            "config.json: the head size 2 (hidden_size / num_attention_heads) is not a multiple of 4",
        ),
        (
            "hidden_size",
            json!(65536),
            "config.json: \"hidden_size\" requires a weight of 196608 x 65536; the limit is 1073741824 elements",
        ),
    ] {
        let mut fields: Value = serde_json::from_slice(CONFIG).unwrap();
        fields[field] = value;
        assert_eq!(model_error(field, config::parse(fields.to_string().as_bytes())).0, expected);
    }
    for field in ["hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size", "vocab_size"] {
        let mut fields: Value = serde_json::from_slice(CONFIG).unwrap();
        fields.as_object_mut().unwrap().remove(field).unwrap();
        let (problem, _) = model_error(field, config::parse(fields.to_string().as_bytes()));
        assert!(problem.starts_with(&format!("config.json: \"{field}\" is missing")), "{problem}");
    }
    for text in ["[]", "null", "{", "{\"a\": 1,}", &"[".repeat(100_000)] {
        let (problem, _) = model_error(text, config::parse(text.as_bytes()));
        assert!(problem.starts_with("config.json is not a JSON object"), "{problem}");
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn reads_every_weight_into_its_place() {
    let weights = load(WEIGHTS).unwrap();
    let file = SafeTensors::deserialize(WEIGHTS).unwrap();
    let stored = |name: &str| -> Vec<f32> {
        file.tensor(name).unwrap().data().chunks(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect()
    };
    assert_eq!(*weights.word, stored("embeddings.word_embeddings.weight"));
    let (position, kind) = (stored("embeddings.position_embeddings.weight"), stored("embeddings.token_type_embeddings.weight"));
    let sums: Vec<f32> = position.iter().enumerate().map(|(at, value)| value + kind[at % 32]).collect();
    assert_eq!(weights.position, sums);
    assert_eq!(weights.embed_norm.gamma, stored("embeddings.LayerNorm.weight"));
    assert_eq!(weights.embed_norm.beta, stored("embeddings.LayerNorm.bias"));
    for (at, layer) in weights.layers.iter().enumerate() {
        let of = |name: &str| stored(&format!("encoder.layer.{at}.{name}"));
        for part in ["weight", "bias"] {
            let three = ["query", "key", "value"].map(|name| of(&format!("attention.self.{name}.{part}"))).concat();
            assert_eq!(*if part == "weight" { &layer.qkv.weight } else { &layer.qkv.bias }, three);
        }
        assert_eq!(layer.attention_out.weight, of("attention.output.dense.weight"));
        assert_eq!(layer.attention_norm.beta, of("attention.output.LayerNorm.bias"));
        assert_eq!(layer.ffn_in.bias, of("intermediate.dense.bias"));
        assert_eq!(layer.ffn_out.weight, of("output.dense.weight"));
        assert_eq!(layer.ffn_norm.gamma, of("output.LayerNorm.weight"));
    }
    assert_eq!(weights.layers.len(), 2);
    let pooler = 32 * 32 + 32;
    let kept = all(&weights).iter().map(|values| values.len()).sum::<usize>() - pooler;
    assert_eq!(spec().elements(), kept as u64);
    assert_eq!(weights.pooler.unwrap().weight, stored("pooler.dense.weight"));
}

/// f16 has 11 significant bits, bf16 has 8: rounding to n bits moves a number by at most 2^-n of itself.
#[wasm_bindgen_test(unsupported = test)]
fn reads_half_precision() {
    let exact = load(WEIGHTS).unwrap();
    for (name, bytes, bits) in [("f16", WEIGHTS_F16, 11), ("bf16", WEIGHTS_BF16, 8)] {
        let half = load(bytes).unwrap();
        let mut worst = 0.0_f32;
        // Without the positions, which are sums of two rounded numbers.
        for (at, (half, exact)) in all(&half).iter().zip(all(&exact)).enumerate().filter(|(at, _)| *at != 1) {
            assert_eq!(half.len(), exact.len());
            for (half, exact) in half.iter().zip(exact) {
                // Below 2^-14, f16 has steps of 2^-24.
                let error = (half - exact).abs() / exact.abs().max(2.0_f32.powi(-14));
                assert!(error <= 2.0_f32.powi(-bits), "{name}, part {at}: {half} for {exact}");
                worst = worst.max(error);
            }
        }
        assert!(worst > 2.0_f32.powi(-bits - 2), "{name}: rounded less than {name} can, {worst}");
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn accepts_task_models_old_norm_names_and_no_pooler() {
    let exact = load(WEIGHTS).unwrap();
    let rename = |tensors: &mut HashMap<String, Tensor>, new: &dyn Fn(&str) -> String| {
        *tensors = tensors.drain().map(|(name, tensor)| (new(&name), tensor)).collect();
    };
    let task = changed(|tensors| {
        rename(tensors, &|name| format!("bert.{name}"));
        let classifier = Tensor { dtype: Dtype::I64, shape: vec![1], data: vec![255; 8] };
        tensors.insert("cls.predictions.unused".into(), classifier);
    });
    assert_eq!(load(&task).unwrap(), exact);
    let old = changed(|tensors| {
        rename(tensors, &|name| name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"));
        assert!(tensors.contains_key("embeddings.LayerNorm.gamma"));
    });
    assert_eq!(load(&old).unwrap(), exact);
    let headless = changed(|tensors| tensors.retain(|name, _| !name.starts_with("pooler.")));
    assert_eq!(load(&headless).unwrap(), EncoderWeights { pooler: None, ..exact });
}

#[wasm_bindgen_test(unsupported = test)]
fn names_the_missing_tensor() {
    let file = changed(|tensors| assert!(tensors.remove(QUERY).is_some()));
    let expected = format!("model.safetensors: tensor \"{QUERY}\" is missing; expected shape [32, 32]");
    assert_eq!(model_error("missing", load(&file)), (expected, Some(QUERY.into())));
    // Half a pooler is not no pooler.
    let file = changed(|tensors| assert!(tensors.remove("pooler.dense.bias").is_some()));
    let expected = "model.safetensors: tensor \"pooler.dense.bias\" is missing; expected shape [32]";
    assert_eq!(model_error("missing", load(&file)).0, expected);
    // A prefix belongs to the name.
    let file = changed(|tensors| {
        let word = tensors.remove("embeddings.word_embeddings.weight").unwrap();
        *tensors = HashMap::from([("bert.embeddings.word_embeddings.weight".into(), word)]);
    });
    let expected = "model.safetensors: tensor \"bert.embeddings.position_embeddings.weight\" is missing; expected shape [64, 32]";
    assert_eq!(model_error("missing", load(&file)).0, expected);
}

#[wasm_bindgen_test(unsupported = test)]
fn names_both_shapes_of_a_wrong_tensor() {
    for (name, shape, expected) in [
        (QUERY, vec![16, 64], "has shape [16, 64], expected [32, 32]"),
        (QUERY, vec![1024], "has shape [1024], expected [32, 32]"),
        ("embeddings.word_embeddings.weight", vec![32, 300], "has shape [32, 300], expected [300, 32]"),
        ("embeddings.token_type_embeddings.weight", vec![64], "has shape [64], expected [64, 32]"),
        ("encoder.layer.0.intermediate.dense.bias", vec![1, 64], "has shape [1, 64], expected [64]"),
    ] {
        let file = changed(|tensors| tensors.get_mut(name).unwrap().shape = shape);
        let (problem, tensor) = model_error(name, load(&file));
        assert_eq!(problem, format!("model.safetensors: tensor \"{name}\" {expected}"));
        assert_eq!(tensor.as_deref(), Some(name));
    }
    let spec = EncoderSpec { vocab: 301, ..spec() };
    let (problem, _) = model_error("another vocabulary", weights::load(spec, WEIGHTS));
    let expected = "tensor \"embeddings.word_embeddings.weight\" has shape [300, 32], expected [301, 32]";
    assert_eq!(problem, format!("model.safetensors: {expected}"));
}

#[wasm_bindgen_test(unsupported = test)]
fn refuses_numbers_that_are_none_and_unknown_types() {
    for (value, shown) in [(f32::NAN, "NaN"), (f32::INFINITY, "inf"), (f32::NEG_INFINITY, "-inf")] {
        let file = changed(|tensors| tensors.get_mut(QUERY).unwrap().data[20..24].copy_from_slice(&value.to_le_bytes()));
        let expected = format!("model.safetensors: tensor \"{QUERY}\" has {shown} at element 5");
        assert_eq!(model_error(shown, load(&file)), (expected, Some(QUERY.into())));
    }
    for (dtype, size) in [(Dtype::I64, 8), (Dtype::I8, 1), (Dtype::F8_E4M3, 1), (Dtype::F4, 0)] {
        let file = changed(|tensors| {
            let tensor = tensors.get_mut(QUERY).unwrap();
            *tensor = Tensor { dtype, data: vec![0; if size == 0 { 512 } else { 1024 * size }], ..tensor.clone() };
        });
        let expected = format!("tensor \"{QUERY}\" has data type {dtype}; supported are F64, F32, F16 and BF16");
        assert_eq!(model_error("dtype", load(&file)).0, format!("model.safetensors: {expected}"));
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn survives_hostile_weights() {
    let entry = |name: &str, shape: &str, start: u64, end: u64| {
        format!("\"{name}\":{{\"dtype\":\"F32\",\"shape\":{shape},\"data_offsets\":[{start},{end}]}}")
    };
    // The ends of nine tensors add up to 2^64 - 16: with the length of the header, the sum wraps to the file's own length.
    let step = (1_u64 << 61) - 4;
    let mut wrapping: Vec<String> =
        (0..8).map(|at| entry(&at.to_string(), &format!("[{}]", step / 4), at * step, (at + 1) * step)).collect();
    wrapping.push(entry("8", "[4]", 8 * step, 8 * step + 16));
    let attacks: [(&str, Vec<u8>, &str); 17] = [
        ("nothing", vec![], "model.safetensors is empty"),
        ("seven bytes", vec![1; 7], "shorter than a safetensors header"),
        ("an empty header", vec![0; 8], "only zero bytes (8)"),
        ("a Git LFS pointer", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n".to_vec(), "Git LFS pointer"),
        ("a web page", b"<!DOCTYPE html><html><body>404</body></html>".to_vec(), "is a web page"),
        ("a header of 2^64 bytes", vec![255; 64], "truncated, or not in safetensors"),
        ("a file cut in its header", WEIGHTS[..1000].to_vec(), "truncated"),
        ("a file cut in its data", WEIGHTS[..WEIGHTS.len() - 1].to_vec(), "its header describes 1"),
        ("a file with an appendix", [WEIGHTS, b"x"].concat(), "its header describes 1"),
        ("a header that is no JSON", forged("not json", 0), "header is invalid"),
        ("a header of brackets", forged(&"[".repeat(1 << 20), 0), "header is invalid"),
        ("no tensors", forged("{}", 0), "tensor \"embeddings.word_embeddings.weight\" is missing"),
        ("an overflowing shape", forged(&format!("{{{}}}", entry("a", "[4294967296,4294967296]", 0, 4)), 4), "header is invalid"),
        ("a shape larger than its data", forged(&format!("{{{}}}", entry("a", "[2]", 0, 4)), 4), "header is invalid"),
        (
            "overlapping tensors",
            forged(&format!("{{{},{}}}", entry("a", "[1]", 0, 4), entry("b", "[1]", 0, 4)), 4),
            "header is invalid",
        ),
        ("an end before the start", forged(&format!("{{{}}}", entry("a", "[1]", 4, 0)), 4), "header is invalid"),
        ("offsets that wrap around", forged(&format!("{{{}}}", wrapping.join(",")), 0), "its header describes"),
    ];
    for (attack, bytes, expected) in attacks {
        let (problem, _) = model_error(attack, load(&bytes));
        // On 32-bit addresses, numbers above 2^32 are already refused in the header.
        let wide = attack == "offsets that wrap around" && usize::BITS == 32;
        assert!(problem.contains(if wide { "header is invalid" } else { expected }), "{attack}: {problem}");
    }
}

/// Flips bits of the header of a real file: an error or not, but no panic.
#[wasm_bindgen_test(unsupported = test)]
fn survives_random_damage() {
    let mut rng = Rng::stream(7, "damage");
    let header = 8 + u64::from_le_bytes(WEIGHTS[..8].try_into().unwrap()) as usize;
    let mut refused = 0;
    for _ in 0..400 {
        let mut bytes = WEIGHTS.to_vec();
        for _ in 0..=rng.below(4) {
            bytes[rng.below(header)] = rng.below(256) as u8;
        }
        refused += usize::from(load(&bytes).is_err());
        let mut text = CONFIG.to_vec();
        text[rng.below(CONFIG.len())] = rng.below(256) as u8;
        let _ = config::parse(&text);
    }
    assert!(refused > 300, "only {refused} of 400 damaged files were refused");
}

#[wasm_bindgen_test(unsupported = test)]
fn hashes_as_everyone_does() {
    assert_eq!(sha256_hex(b"abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_eq!(sha256_hex(b""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}
