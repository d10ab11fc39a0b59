//! EPT on DePT, progressive training and partial encoders on the tiny encoder against PyTorch (`tests/golden/efficient.py`).

use std::sync::Arc;

use burn::tensor::{Device, Tensor, TensorData};
use softprompt::config::{Method, RunConfig, Shrink};
use softprompt::data::batch::PackedBatch;
use softprompt::engine::boundary::{Inputs, Prompt};
use softprompt::engine::compute::read;
use softprompt::engine::cpu::encoder::CpuEncoder;
use softprompt::engine::flops::PassCost;
use softprompt::engine::{Pooling, Route};
use softprompt::head::Linear;
use softprompt::model::partial::{partial, top};
use softprompt::model::spec::EncoderSpec;
use softprompt::prompt::{self, Context, Given, Parameter, Sizes, Start};
use softprompt::rng::Rng;
use softprompt::train::step::{LearningRates, Source, Trainer};
use wasm_bindgen_test::wasm_bindgen_test;

use crate::common::{assert_close, random_batch, random_weights, tiny_spec};
use crate::device::{computes, place, say};
use crate::reference::{Golden, error};
use crate::tiny::tiny_model;

const TENSORS: &[u8] = include_bytes!("../golden/efficient.safetensors");
const FACTS: &str = include_str!("../golden/efficient.json");
const TINY: &[u8] = include_bytes!("../golden/tiny.safetensors");
const TINY_FACTS: &str = include_str!("../golden/tiny.json");

/// The two golden files: of the tiny encoder, where everything starts, and of this method.
fn golden() -> (Golden<'static>, Golden<'static>) {
    let mut facts: serde_json::Value = serde_json::from_str(FACTS).unwrap();
    facts["examples"] = serde_json::from_str::<serde_json::Value>(TINY_FACTS).unwrap()["examples"].clone();
    (Golden::new(TINY, TINY_FACTS), Golden::new(TENSORS, &facts.to_string()))
}

fn config(efficient: &Golden<'_>) -> RunConfig {
    let size = |name: &str| efficient.number(&format!("/{name}")) as usize;
    let mut config = RunConfig::default();
    config.prompt.method = Method::Efficient;
    config.prompt.length = 5;
    config.prompt.efficient.rank = size("rank");
    config.prompt.efficient.scale = efficient.number("/scale");
    config.prompt.efficient.attention = size("attention");
    config.prompt.efficient.spaces = size("spaces");
    config.prompt.efficient.space_width = size("space_width");
    config
}

/// The method's matrices at their start in a run.
fn initial(config: &RunConfig, longest: usize) -> Vec<Parameter> {
    let model = tiny_model();
    let labels = ["good".to_owned(), "card".to_owned()];
    let rng = Rng::stream(3, "prompt");
    let start = Start { weights: model.weights(), tokenizer: model.tokenizer(), labels: &labels, longest, states: &[], rng };
    prompt::method(config, model.spec()).initial(start).expect("a start")
}

/// The same with PyTorch's values.
fn filled(config: &RunConfig, tiny: &Golden<'_>, efficient: &Golden<'_>) -> Vec<Parameter> {
    let fill = |parameter: Parameter| {
        let file = if parameter.name == "prompt" { tiny } else { efficient };
        let values = file.tensor(parameter.name);
        assert_eq!(values.len(), parameter.shape[0] * parameter.shape[1], "{}", parameter.name);
        Parameter { values, ..parameter }
    };
    initial(config, efficient.number("/longest") as usize).into_iter().map(fill).collect()
}

fn tensors(parameters: &[Parameter]) -> Vec<Tensor<2>> {
    let tensor = |p: &Parameter| Tensor::from_data(TensorData::new(p.values.clone(), p.shape), &Device::flex());
    parameters.iter().map(tensor).collect()
}

fn shared(given: &Given) -> Tensor<2> {
    match &given.prompt {
        Prompt::Shared(rows) => rows.clone(),
        other => panic!("{other:?}"),
    }
}

async fn values(tensor: Tensor<2>) -> Vec<f32> {
    read(tensor).await.expect("values")
}

#[wasm_bindgen_test(unsupported = pollster::test)]
async fn starts_as_prompt_tuning() {
    let (_, efficient) = golden();
    let config = config(&efficient);
    let parameters = initial(&config, 20);
    let shapes: Vec<_> = parameters.iter().map(|p| (p.name, p.shape, p.rate)).collect();
    let (low_rank, module) = (Some(config.prompt.efficient.low_rank_lr), Some(config.prompt.efficient.module_lr));
    let expected = [
        ("prompt", [5, 32], None),
        ("update_rows", [20, 4], low_rank),
        ("update_basis", [4, 32], low_rank),
        ("fusion_query", [32, 6], module),
        ("fusion_key", [32, 6], module),
        ("space_down", [32, 6], module),
        ("space_up", [6, 32], module),
        ("gate_weight", [2, 32], module),
        ("gate_bias", [1, 2], module),
    ];
    assert_eq!(shapes, expected);
    for parameter in &parameters[1..] {
        let bound = match parameter.name {
            "update_rows" => 0.5,
            "update_basis" | "space_up" | "gate_bias" => 0.0,
            _ => 1.0 / 32f32.sqrt(),
        };
        let largest = parameter.values.iter().fold(0f32, |largest, value| largest.max(value.abs()));
        assert!(largest <= bound && largest >= 0.9 * bound, "{}: {largest}, bound {bound}", parameter.name);
        let mean = parameter.values.iter().sum::<f32>() / parameter.values.len() as f32;
        assert!(mean.abs() <= 0.25 * bound, "{}: mean {mean}", parameter.name);
    }
    let mut plain = config.clone();
    plain.prompt.method = Method::Prompt;
    assert_eq!(parameters[0], initial(&plain, 20)[0]);

    let batch = random_batch(&[3, 7, 2], 5, 31, 1);
    let (device, model) = (Device::flex(), tiny_model());
    let context = Context { batch: &batch, states: None, layers: &[0, 1], device: &device };
    let method = prompt::method(&config, model.spec());
    let given = method.given(&tensors(&parameters), &context);
    assert_eq!(values(shared(&given)).await, parameters[0].values);
    let update = given.update.expect("an update");
    assert_eq!(update.dims(), [7, 32]);
    assert!(values(update).await.iter().all(|&value| value == 0.0));
}

#[wasm_bindgen_test(unsupported = pollster::test)]
async fn the_reconstructed_prompt_equals_pytorch() {
    let (tiny, efficient) = golden();
    let (batch, model, device) = (PackedBatch::new(&efficient.examples, 5), tiny_model(), Device::flex());
    let context = Context { batch: &batch, states: None, layers: &[0, 1], device: &device };
    for case in ["all", "no_fusion", "no_spaces", "no_gate"] {
        let mut config = config(&efficient);
        config.prompt.efficient.fusion = case != "no_fusion";
        config.prompt.efficient.gate = case != "no_gate";
        if case == "no_spaces" {
            config.prompt.efficient.spaces = 0;
        }
        let parameters = filled(&config, &tiny, &efficient);
        let tracked: Vec<_> = tensors(&parameters).into_iter().map(|p| p.autodiff().require_grad()).collect();
        let hat = shared(&prompt::method(&config, model.spec()).given(&tracked, &context));
        let got = values(hat.clone().inner()).await;
        assert_close(&got, &efficient.tensor(&format!("hat.{case}")), 1e-5, 1e-5);
        let direction = Tensor::<2>::from_data(TensorData::new(efficient.tensor("direction"), [5, 32]), &device);
        let mut gradients = (hat * Tensor::from_inner(direction)).sum().backward();
        for (parameter, tracked) in parameters.iter().zip(&tracked) {
            // Without fusion, the update has no part in the prompt.
            let gradient = tracked.grad_remove(&mut gradients);
            if case == "no_fusion" && parameter.name.starts_with("update") {
                assert!(gradient.is_none(), "{case}: {}", parameter.name);
                continue;
            }
            let want = efficient.tensor(&format!("hat.{case}.grad.{}", parameter.name));
            let error = error(&values(gradient.expect("a gradient")).await, &want);
            say(&format!("GOLDEN efficient | {case} gradient of {} | {error:.1e}", parameter.name));
            assert!(error <= 1e-4, "{case}: gradient of {} is off by {error}", parameter.name);
        }
    }
}

#[wasm_bindgen_test(unsupported = pollster::test)]
async fn loss_and_gradients_equal_pytorch() {
    let (tiny, efficient) = golden();
    let model = tiny_model();
    let mut config = config(&efficient);
    config.head.feature_scale = tiny.number("/feature_scale");
    for compute in computes(&model, "loss_and_gradients_equal_pytorch").await {
        let parameters = filled(&config, &tiny, &efficient);
        let names: Vec<&str> = parameters.iter().map(|p| p.name).chain(["head.weight", "head.bias"]).collect();
        let source = Source::Encoder(compute.encoder.clone());
        let head = Linear { weight: tiny.tensor("head.weight"), bias: tiny.tensor("head.bias") };
        let method = prompt::method(&config, model.spec());
        let trainer = Trainer::new(&compute, source, model.weights(), method, parameters, head, &config).expect("a trainer");
        let all: Vec<usize> = (0..efficient.examples.len()).collect();
        let scores = trainer.scores(&efficient.examples, &all).await.expect("scores");
        assert_close(&scores, &efficient.tensor("logits"), 1e-4, 1e-4);
        let result = trainer.gradients(&efficient.examples, &all).expect("gradients");
        let (loss, want) = (f64::from(read(result.loss).await.expect("a loss")[0]), efficient.number("/loss"));
        assert!((loss - want).abs() <= 1e-4 * want, "{}: loss {loss}, PyTorch {want}", place(&compute));
        assert_eq!(result.gradients.iter().count(), names.len());
        for (gradient, name) in result.gradients.into_iter().zip(names) {
            let error = error(&values(gradient).await, &efficient.tensor(&format!("grad.{name}")));
            say(&format!("GOLDEN efficient | {} | gradient of {name} | {error:.1e}", place(&compute)));
            assert!(error <= 1e-3, "{}: gradient of {name} is off by {error}", place(&compute));
        }
    }
}

/// A first step of AdamW moves what has a gradient by its learning rate, whatever the gradient's size: so the rates show.
#[wasm_bindgen_test(unsupported = pollster::test)]
async fn every_matrix_moves_by_its_own_learning_rate() {
    let (tiny, efficient) = golden();
    let model = tiny_model();
    let mut config = config(&efficient);
    config.head.feature_scale = tiny.number("/feature_scale");
    config.optim.weight_decay = 0.0;
    (config.prompt.efficient.low_rank_lr, config.prompt.efficient.module_lr) = (0.004, 0.032);
    let rates = LearningRates { prompt: 0.02, head: 0.06, factor: 0.5 };
    for compute in computes(&model, "every_matrix_moves_by_its_own_learning_rate").await {
        let parameters = filled(&config, &tiny, &efficient);
        let source = Source::Encoder(compute.encoder.clone());
        let head = Linear { weight: tiny.tensor("head.weight"), bias: tiny.tensor("head.bias") };
        let method = prompt::method(&config, model.spec());
        let mut trainer = Trainer::new(&compute, source, model.weights(), method, parameters, head, &config).expect("a trainer");
        let before = trainer.state().await.expect("a state");
        let all: Vec<usize> = (0..efficient.examples.len()).collect();
        trainer.step(&efficient.examples, &all, rates).expect("a step");
        for (before, after) in before.iter().zip(&trainer.state().await.expect("a state")) {
            let expected = match after.name.as_str() {
                "prompt" => 0.02,
                "head.weight" | "head.bias" => 0.06,
                // Half of their own: the schedule's factor.
                "update_rows" | "update_basis" => 0.002,
                _ => 0.016,
            };
            let moved = before.values.iter().zip(&after.values).map(|(before, after)| (before - after).abs());
            let most = moved.fold(0f32, f32::max);
            let what = format!("{}: {} moved by {most}, its rate is {expected}", place(&compute), after.name);
            assert!((most / expected - 1.0).abs() <= 2e-3, "{what}");
        }
    }
}

/// Huang et al. 2022 take 20, 20, 20 and 40 percent of the steps on 25, 50, 75 and 100 percent of the encoder. That is .733, .809
/// and .643 of the operations of six layers on 64 tokens behind 10 prompt rows, counted with a whole backward pass in every
/// layer: to half of the last digit. We leave a part of the lowest layer out, which weighs more where there are few layers: up to
/// .008 less.
#[wasm_bindgen_test(unsupported = test)]
fn stages_cost_what_the_arithmetic_says() {
    let spec =
        EncoderSpec { layers: 6, hidden: 384, heads: 12, ffn: 1536, vocab: 100, max_positions: 512, layer_norm_eps: 1e-12 };
    let batch = random_batch(&[64; 8], 10, 100, 1);
    let mut config = RunConfig::default();
    config.prompt.method = Method::Progressive;
    for (shrink, expected) in [(Shrink::Depth, 0.733), (Shrink::Width, 0.809), (Shrink::Compound, 0.643)] {
        config.prompt.progressive.shrink = shrink;
        let stages = prompt::method(&config, &spec).stages();
        let whole_pass = Route { update: 64, ..Route::words(Pooling::Mean) };
        for (route, tolerance) in [(whole_pass, 5e-4), (Route::words(Pooling::Mean), 8e-3)] {
            let step = |layers: usize, ffn: usize| {
                let PassCost { forward, backward, .. } =
                    PassCost::new(&EncoderSpec { layers, ffn, ..spec.clone() }, &batch, route);
                (forward + backward) as f64
            };
            let left = 1.0 - stages.iter().map(|stage| stage.share).sum::<f64>();
            let partly: f64 = stages.iter().map(|stage| stage.share * step(stage.layers, stage.neurons)).sum();
            let share = (partly + left * step(6, 1536)) / step(6, 1536);
            say(&format!("{shrink:?}: {share:.4} of the operations, {expected} expected"));
            let fits = share - expected <= 5e-4 && expected - share <= tolerance;
            assert!(fits, "{shrink:?}: {share} of the operations, {expected} expected");
        }
    }
}

/// What an adapter stores gives the same scores, and less is stored than trained.
#[wasm_bindgen_test(unsupported = pollster::test)]
async fn exporting_changes_no_score() {
    let (tiny, efficient) = golden();
    let model = tiny_model();
    for update in [true, false] {
        let mut config = config(&efficient);
        (config.prompt.efficient.update, config.prompt.efficient.fusion) = (update, update);
        let method = prompt::method(&config, model.spec());
        let sizes = Sizes { hidden: 32, layers: 2, longest: efficient.number("/longest") as usize };
        let parameters = filled(&config, &tiny, &efficient);
        for compute in computes(&model, "exporting_changes_no_score").await {
            let on = |p: &Parameter| Tensor::from_data(TensorData::new(p.values.clone(), p.shape), &compute.device);
            let trained: Vec<Tensor<2>> = parameters.iter().map(on).collect();
            let stored = method.exported(&trained);
            let shapes: Vec<_> = stored.iter().map(Tensor::dims).collect();
            assert_eq!(shapes, method.stored(sizes).into_iter().map(|(_, shape)| shape).collect::<Vec<_>>());
            assert_eq!(shapes.len(), if update { 3 } else { 1 });
            let batch = Arc::new(PackedBatch::new(&efficient.examples, 5));
            let context = Context { batch: &batch, states: None, layers: &[0, 1], device: &compute.device };
            let mut pooled = Vec::new();
            for given in [method.given(&trained, &context), method.given_exported(&stored, &context)] {
                let inputs = Inputs { prompt: given.prompt, update: given.update, states: None };
                pooled.push(values(compute.encoder.encode(&batch, inputs, Pooling::Mean).expect("pooled rows")).await);
            }
            assert_close(&pooled[1], &pooled[0], 1e-5, 1e-5);
        }
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn stages_grow_as_the_settings_say() {
    let spec =
        EncoderSpec { layers: 6, hidden: 384, heads: 12, ffn: 1536, vocab: 100, max_positions: 512, layer_norm_eps: 1e-12 };
    let mut config = RunConfig::default();
    config.prompt.method = Method::Progressive;
    assert_eq!(config.prompt.progressive.score_texts, 64, "a pass over all texts would cost what the stages save");
    for (shrink, expected) in [
        (Shrink::Depth, [(2, 1536), (3, 1536), (5, 1536)]),
        (Shrink::Width, [(6, 384), (6, 768), (6, 1152)]),
        (Shrink::Compound, [(2, 384), (3, 768), (5, 1152)]),
    ] {
        config.prompt.progressive.shrink = shrink;
        let stages = prompt::method(&config, &spec).stages();
        assert_eq!(stages.iter().map(|s| (s.layers, s.neurons)).collect::<Vec<_>>(), expected, "{shrink:?}");
        assert!(stages.iter().all(|s| s.share == 0.2));
    }
    // Everything else is the base method's.
    for base in [Method::Prompt, Method::Efficient] {
        config.prompt.progressive.base = base;
        let mut alone = config.clone();
        alone.prompt.method = base;
        assert_eq!(initial(&config, 20), initial(&alone, 20));
        let sizes = Sizes { hidden: 32, layers: 2, longest: 20 };
        let (of, alone) = (prompt::method(&config, &spec), prompt::method(&alone, &spec));
        assert_eq!((of.stored(sizes), of.prompt_length(), of.members()), (alone.stored(sizes), alone.prompt_length(), 1));
        assert!(alone.stages().is_empty());
    }
}

/// Hidden states behind a prompt, on the CPU, and pooled rows on every device.
#[wasm_bindgen_test(unsupported = pollster::test)]
async fn partial_encoders_equal_pytorch() {
    let (tiny, efficient) = golden();
    let model = tiny_model();
    let (batch, prompt) = (Arc::new(PackedBatch::new(&efficient.examples, 5)), tiny.tensor("prompt"));
    for case in ["depth", "width", "both"] {
        let numbers = |name: &str| efficient.facts["partial"][case][name].clone();
        let layers: Vec<usize> = serde_json::from_value(numbers("layers")).unwrap();
        let neurons: Vec<Vec<usize>> = serde_json::from_value(numbers("neurons")).unwrap();
        let part = Arc::new(partial(model.weights(), &layers, &neurons));
        assert_eq!((part.spec.layers, part.layers.len(), part.spec.ffn), (layers.len(), layers.len(), neurons[0].len()));
        assert!(Arc::ptr_eq(&part.word, &model.weights().word), "the word embeddings are shared");
        let want = efficient.tensor(&format!("partial.{case}"));
        let states = CpuEncoder::<f32>::new(part.clone()).hidden_states(&batch, &prompt);
        assert_close(states.last().expect("states"), &want, 1e-4, 1e-4);

        let offsets = batch.offsets();
        let mean = |from: u32, to: u32| {
            let rows = &want[from as usize * 32..to as usize * 32];
            (0..32).map(move |d| rows.chunks(32).map(|row| row[d]).sum::<f32>() / (to - from) as f32)
        };
        let means: Vec<f32> = offsets.windows(2).flat_map(|w| mean(w[0], w[1])).collect();
        for compute in computes(&model, "partial_encoders_equal_pytorch").await {
            let encoder = compute.encoder.with_weights(&part).await.expect("a partial encoder");
            let rows = Tensor::<2>::from_data(TensorData::new(prompt.clone(), [5, 32]), &compute.device);
            let pooled = encoder.encode(&batch, Inputs::new(Prompt::Shared(rows)), Pooling::Mean).expect("pooled rows");
            assert_close(&values(pooled).await, &means, 1e-4, 1e-4);
            say(&format!("GOLDEN efficient | {} | partial encoder: {case} | as PyTorch", place(&compute)));
        }
    }
}

/// Nothing left out is the encoder itself, and a neuron with no way out does not matter.
#[wasm_bindgen_test(unsupported = test)]
fn what_does_not_matter_can_be_left_out() {
    let mut whole = random_weights(&tiny_spec(), 5);
    let all: Vec<usize> = (0..whole.spec.ffn).collect();
    assert_eq!(partial(&whole, &[0, 1], &[all.clone(), all]), whole);
    let dead = [[3, 17], [0, 8]];
    for (layer, dead) in whole.layers.iter_mut().zip(dead) {
        layer.ffn_out.weight.chunks_mut(20).for_each(|row| dead.iter().for_each(|&neuron| row[neuron] = 0.0));
    }
    let scores: Vec<f32> = (0..40).map(|at: usize| if dead[at / 20].contains(&(at % 20)) { 0.0 } else { 1.0 }).collect();
    let part = partial(&whole, &[0, 1], &top(&scores, 20, 18));
    assert_eq!(part.spec.ffn, 18);
    let batch = random_batch(&[3, 7, 2], 2, 31, 1);
    let prompt: Vec<f32> = vec![0.3; 24];
    let states = |weights| CpuEncoder::<f32>::new(Arc::new(weights)).hidden_states(&batch, &prompt).pop().expect("states");
    assert_close(&states(part), &states(whole), 1e-5, 1e-5);
}
