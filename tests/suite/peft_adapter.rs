//! Adapters of PEFT: its own files are read, and what is written is what it would write.

use serde_json::{Value, json};
use softprompt::adapter::{Adapter, CARD_FILE, CONFIG_FILE, TENSORS_FILE};
use softprompt::config::{HeadKind, Method};
use softprompt::predict::Predictor;
use wasm_bindgen_test::*;

use crate::adapter::{file, json_of, sample, samples};
use crate::common::assert_close;
use crate::device::computes;
use crate::hostile_adapters::refused;
use crate::tiny::tiny_model;

const PEFT_CONFIG: &[u8] = include_bytes!("../golden/peft_adapter/adapter_config.json");
const PEFT_TENSORS: &[u8] = include_bytes!("../golden/peft_adapter/adapter_model.safetensors");
const PREFIX_CONFIG: &[u8] = include_bytes!("../golden/peft_prefix/adapter_config.json");
const PREFIX_TENSORS: &[u8] = include_bytes!("../golden/peft_prefix/adapter_model.safetensors");
const PREFIX_LOGITS: &str = include_str!("../golden/peft_prefix/logits.json");

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
    refused("three layers", with("num_layers", json!(3)), "\"num_layers\" is 3, but the prefix has 128 columns");
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
