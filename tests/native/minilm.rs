//! The real all-MiniLM-L6-v2 against transformers and PyTorch (`tests/golden/minilm.*`), and its tokenizer against theirs.
//!
//! The encoder is looked for in `SOFTPROMPT_MODEL`, then where `softprompt model fetch` keeps it. Absent, the tests say
//! SKIPPED; with `REQUIRE_MODEL=1` that is a failure.

use std::path::PathBuf;

use softprompt::config::HeadKind;
use softprompt::encoder::Encoder;
use softprompt::engine::compute::read;
use softprompt::engine::cpu::encoder::CpuEncoder;

use crate::common::assert_close;
use crate::device::{computes, place, wgsl_encoder};
use crate::reference::{Golden, error};

const TENSORS: &[u8] = include_bytes!("../golden/minilm.safetensors");
const FACTS: &str = include_str!("../golden/minilm.json");
const TOKENS: &str = include_str!("../golden/tokens.json");

fn minilm(test: &str) -> Option<Encoder> {
    let given = std::env::var_os("SOFTPROMPT_MODEL").map(PathBuf::from);
    let folder = given.or_else(softprompt::cli::default_model_folder).filter(|folder| folder.join("model.safetensors").exists());
    let Some(folder) = folder else {
        assert!(std::env::var_os("REQUIRE_MODEL").is_none(), "{test} needs the default encoder: run `softprompt model fetch`");
        println!("SKIPPED {test}: the default encoder is not here (run `softprompt model fetch`)");
        return None;
    };
    let file = |name: &str| std::fs::read(folder.join(name)).expect("a model file");
    let (config, tokenizer, weights) = (file("config.json"), file("tokenizer.json"), file("model.safetensors"));
    Some(Encoder::from_bytes("all-MiniLM-L6-v2", &config, &tokenizer, &weights).expect("the default encoder loads"))
}

#[pollster::test]
async fn hidden_states_equal_transformers() {
    let Some(model) = minilm("hidden_states_equal_transformers") else { return };
    let golden = Golden::new(TENSORS, FACTS);
    let cpu = CpuEncoder::<f32>::new(model.weights().clone());
    let gpu = wgsl_encoder(&model, "hidden_states_equal_transformers").await;
    for (prompted, names) in [(false, &["hidden.6"][..]), (true, &["prompted.3", "prompted.6"])] {
        let batch = golden.batch(prompted);
        let prompt = if prompted { golden.tensor("prompt") } else { Vec::new() };
        let mut states = vec![("CPU native", cpu.hidden_states(&batch, &prompt))];
        if let Some(gpu) = &gpu {
            states.push(("WGSL native", gpu.hidden_states(&batch, &prompt).await.expect("hidden states")));
        }
        for (device, states) in states {
            for name in names {
                let layer: usize = name.rsplit('.').next().and_then(|n| n.parse().ok()).expect("a layer");
                let want = golden.tensor(name);
                let worst = states[layer].iter().zip(&want).fold(0f32, |worst, (g, w)| worst.max((g - w).abs()));
                println!("GOLDEN minilm | {device} | {name} (absolute) | {worst:.1e}");
                assert_close(&states[layer], &want, 0.0, 1e-4);
            }
        }
    }
}

#[pollster::test]
async fn gradients_and_ten_steps_equal_pytorch() {
    let Some(model) = minilm("gradients_and_ten_steps_equal_pytorch") else { return };
    let golden = Golden::new(TENSORS, FACTS);
    let all: Vec<usize> = (0..golden.examples.len()).collect();
    for compute in computes(&model, "gradients_and_ten_steps_equal_pytorch").await {
        let mut trainer = golden.trainer(&model, &compute, HeadKind::Mean);
        let scores = trainer.scores(&golden.examples, &all).await.expect("scores");
        assert_close(&scores, &golden.tensor("mean.logits"), 1e-3, 1e-3);
        let result = trainer.gradients(&golden.examples, &all).expect("gradients");
        for (gradient, name) in result.gradients.into_iter().zip(["prompt", "head.weight", "head.bias"]) {
            let error = error(&read(gradient).await.expect("a gradient"), &golden.tensor(&format!("mean.grad.{name}")));
            println!("GOLDEN minilm | {} | gradient of {name} | {error:.1e}", place(&compute));
            assert!(error <= 1e-3, "{}: gradient of {name} is off by {error}", place(&compute));
        }
        let worst = golden.ten_steps(&mut trainer, "mean", HeadKind::Mean).await;
        println!("GOLDEN minilm | {} | losses of ten steps | {worst:.1e}", place(&compute));
        assert!(worst <= 1e-3, "{}: losses are off by {worst}", place(&compute));
        let trained = trainer.trained().await.expect("trained").stored.remove(0).values;
        let error = error(&trained, &golden.tensor("mean.trained.prompt"));
        println!("GOLDEN minilm | {} | prompt after ten steps | {error:.1e}", place(&compute));
        assert!(error <= 1e-2, "{}: the trained prompt is off by {error}", place(&compute));
    }
}

#[test]
fn the_tokenizer_equals_transformers() {
    let Some(model) = minilm("the_tokenizer_equals_transformers") else { return };
    let golden: serde_json::Value = serde_json::from_str(TOKENS).expect("golden JSON");
    let limit = golden["max_tokens"].as_u64().expect("a limit") as usize;
    let texts = golden["cases"].as_array().expect("texts");
    assert!(texts.len() > 50);
    let all: Vec<&str> = texts.iter().map(|entry| entry["text"].as_str().expect("a text")).collect();
    let together = model.tokenizer().encode_batch(&all, limit).expect("ids");
    for ((entry, text), encoded) in texts.iter().zip(all).zip(together) {
        let want: Vec<u32> = serde_json::from_value(entry["tokens"].clone()).expect("ids");
        assert_eq!(model.tokenizer().encode(text, limit).expect("ids").ids, want, "{text:?}");
        assert_eq!(encoded.ids, want, "{text:?}");
    }
}
