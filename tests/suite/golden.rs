//! The tiny encoder against PyTorch, transformers and PEFT (`tests/golden/`, where the recipe and the conventions are): hidden
//! states, gradients through burn's graph for the three heads, and ten optimizer steps, on every device.

use softprompt::config::HeadKind;
use softprompt::engine::compute::read;
use softprompt::engine::cpu::encoder::CpuEncoder;
use wasm_bindgen_test::wasm_bindgen_test;

use crate::common::assert_close;
use crate::device::{computes, place, say, wgsl_encoder};
use crate::reference::{Golden, error};
use crate::tiny::tiny_model;

const TENSORS: &[u8] = include_bytes!("../golden/tiny.safetensors");
const HEADS: [(&str, HeadKind); 3] = [("mean", HeadKind::Mean), ("cls", HeadKind::Cls), ("peft", HeadKind::Peft)];
const FACTS: &str = include_str!("../golden/tiny.json");

#[wasm_bindgen_test(unsupported = test)]
fn the_error_sees_a_planted_difference_and_nan() {
    assert!(error(&[1.0, 2.2], &[1.0, 2.0]) > 0.09);
    assert!(error(&[f32::NAN, 2.0], &[1.0, 2.0]).is_nan());
}

#[wasm_bindgen_test(unsupported = pollster::test)]
async fn hidden_states_equal_transformers() {
    let (golden, model) = (Golden::new(TENSORS, FACTS), tiny_model());
    let cpu = CpuEncoder::<f32>::new(model.weights().clone());
    let gpu = wgsl_encoder(&model, "hidden_states_equal_transformers").await;
    for (prompted, name) in [(false, "hidden"), (true, "prompted")] {
        let batch = golden.batch(prompted);
        let prompt = if prompted { golden.tensor("prompt") } else { Vec::new() };
        let mut states = vec![("CPU", cpu.hidden_states(&batch, &prompt))];
        if let Some(gpu) = &gpu {
            states.push(("WGSL", gpu.hidden_states(&batch, &prompt).await.expect("hidden states")));
        }
        for (device, states) in states {
            assert_eq!(states.len(), model.spec().layers + 1);
            for (layer, got) in states.iter().enumerate() {
                let want = golden.tensor(&format!("{name}.{layer}"));
                assert_close(got, &want, 1e-4, 1e-4);
                say(&format!("GOLDEN tiny | {device} | {name} states of layer {layer} | {:.1e}", error(got, &want)));
            }
        }
    }
}

#[wasm_bindgen_test(unsupported = pollster::test)]
async fn gradients_equal_pytorch() {
    let (golden, model) = (Golden::new(TENSORS, FACTS), tiny_model());
    for compute in computes(&model, "gradients_equal_pytorch").await {
        for (key, head) in HEADS {
            let trainer = golden.trainer(&model, &compute, head);
            let all: Vec<usize> = (0..golden.examples.len()).collect();
            let scores = trainer.scores(&golden.examples, &all).await.expect("scores");
            assert_close(&scores, &golden.tensor(&format!("{key}.logits")), 1e-4, 1e-4);
            let result = trainer.gradients(&golden.examples, &all).expect("gradients");
            let loss = f64::from(read(result.loss).await.expect("a loss")[0]);
            let want = golden.number(&format!("/losses/{key}"));
            assert!((loss - want).abs() <= 1e-4 * want, "{key}: loss {loss}, PyTorch {want}");
            for (gradient, name) in result.gradients.into_iter().zip(["prompt", "head.weight", "head.bias"]) {
                let error = error(&read(gradient).await.expect("a gradient"), &golden.tensor(&format!("{key}.grad.{name}")));
                say(&format!("GOLDEN tiny | {} | {key} gradient of {name} | {error:.1e}", place(&compute)));
                assert!(error <= 1e-3, "{}: {key} gradient of {name} is off by {error}", place(&compute));
            }
        }
    }
}

#[wasm_bindgen_test(unsupported = pollster::test)]
async fn ten_steps_equal_pytorch() {
    let (golden, model) = (Golden::new(TENSORS, FACTS), tiny_model());
    for compute in computes(&model, "ten_steps_equal_pytorch").await {
        for (key, head) in HEADS {
            let mut trainer = golden.trainer(&model, &compute, head);
            let worst = golden.ten_steps(&mut trainer, key, head).await;
            say(&format!("GOLDEN tiny | {} | {key} losses of ten steps | {worst:.1e}", place(&compute)));
            assert!(worst <= 1e-3, "{}: {key} losses are off by {worst}", place(&compute));
            let trained = trainer.trained().await.expect("trained");
            assert_close(&trained.stored[0].values, &golden.tensor(&format!("{key}.trained.prompt")), 1e-3, 1e-3);
            assert_close(&trained.head_weight, &golden.tensor(&format!("{key}.trained.head.weight")), 1e-3, 1e-3);
            assert_close(&trained.head_bias, &golden.tensor(&format!("{key}.trained.head.bias")), 1e-3, 1e-3);
        }
    }
}
