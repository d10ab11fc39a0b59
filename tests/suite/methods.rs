//! Late prompts, prefixes and ensembles: against PyTorch, transformers and PEFT (`tests/golden/methods.py`), and against prompt
//! tuning where they must do the same.

use std::sync::Arc;

use burn::tensor::{Device, Tensor, TensorData};
use softprompt::config::{Generator, HeadKind, Method, PromptInit, Reads, RunConfig};
use softprompt::data::batch::{Example, PackedBatch};
use softprompt::encoder::Encoder;
use softprompt::engine::Pooling;
use softprompt::engine::boundary::{Inputs, Prompt};
use softprompt::engine::compute::{Compute, read};
use softprompt::error::Error;
use softprompt::head::Linear;
use softprompt::model::spec::EncoderSpec;
use softprompt::prompt::{self, Context, Parameter, PromptMethod, Sizes, Start};
use softprompt::rng::Rng;
use softprompt::train::step::{Source, Trainer};
use wasm_bindgen_test::wasm_bindgen_test;

use crate::common::{assert_close, random_f32};
use crate::device::{computes, place, say};
use crate::reference::{Golden, error};
use crate::tiny::tiny_model;

pub const TENSORS: &[u8] = include_bytes!("../golden/methods.safetensors");
pub const FACTS: &str = include_str!("../golden/methods.json");
const GENERATORS: [(&str, Generator, Reads); 5] = [
    ("none", Generator::None, Reads::First),
    ("naive", Generator::Naive, Reads::First),
    ("mean", Generator::Naive, Reads::Mean),
    ("average", Generator::Average, Reads::First),
    ("max", Generator::Max, Reads::First),
];

/// The settings of the golden files, for one method.
pub fn config(golden: &Golden<'_>, method: Method) -> RunConfig {
    let mut config = RunConfig::default();
    config.prompt.method = method;
    config.prompt.length = golden.number("/prompt_length") as usize;
    config.prompt.late.bottleneck = golden.number("/bottleneck") as usize;
    config.head.feature_scale = golden.number("/feature_scale");
    config
}

fn method_of(config: &RunConfig, model: &Encoder) -> Box<dyn PromptMethod> {
    prompt::method(config, model.spec())
}

fn sizes(spec: &EncoderSpec) -> Sizes {
    Sizes { hidden: spec.hidden, layers: spec.layers, longest: 16 }
}

fn tensor(values: Vec<f32>, shape: [usize; 2], device: &Device) -> Tensor<2> {
    Tensor::from_data(TensorData::new(values, shape), device)
}

/// The matrices that a method stores, from the golden file.
fn golden_start(golden: &Golden<'_>, method: &dyn PromptMethod, spec: &EncoderSpec, prefix: &str) -> Vec<Parameter> {
    let stored = method.stored(sizes(spec)).into_iter();
    stored.map(|(name, shape)| Parameter::new(name, shape, golden.tensor(&format!("{prefix}.{name}")))).collect()
}

#[wasm_bindgen_test(unsupported = pollster::test)]
async fn generators_equal_pytorch() {
    let (golden, model) = (Golden::new(TENSORS, FACTS), tiny_model());
    let rows: Vec<usize> = serde_json::from_value(golden.facts["rows"].clone()).expect("rows");
    let hidden = golden.number("/rows_hidden") as usize;
    let spec = EncoderSpec { hidden, heads: 1, ..model.spec().clone() };
    let mut config = config(&golden, Method::Late);
    let length = config.prompt.length;
    assert!(rows.iter().any(|&rows| rows < length), "some text is shorter than the prompt");
    let texts: Vec<Example> = rows.iter().map(|&rows| Example { tokens: vec![0; rows], label: 0 }).collect();
    let batch = PackedBatch::new(&texts, length);
    let made_rows = rows.len() * length;
    for compute in computes(&model, "generators_equal_pytorch").await {
        let constant =
            |name: &str, rows: usize| Tensor::<2>::from_inner(tensor(golden.tensor(name), [rows, hidden], &compute.device));
        for (key, generator, reads) in &GENERATORS[1..] {
            (config.prompt.late.generator, config.prompt.late.reads) = (*generator, *reads);
            let method = prompt::method(&config, &spec);
            let start = golden_start(&golden, &*method, &spec, key);
            let tracked: Vec<Tensor<2>> =
                start.iter().map(|p| tensor(p.values.clone(), p.shape, &compute.device).autodiff().require_grad()).collect();
            let context = Context {
                batch: &batch,
                states: Some(constant("rows", rows.iter().sum())),
                layers: &[0, 1],
                device: &compute.device,
            };
            let Prompt::PerExample(made) = method.given(&tracked, &context).prompt else { panic!("a prompt of each text") };
            assert_eq!(made.dims(), [made_rows, hidden]);
            let got = read(made.clone().inner()).await.expect("rows");
            let worst = error(&got, &golden.tensor(&format!("{key}.made")));
            assert!(worst <= 1e-5, "{}: {key} is off by {worst}", place(&compute));
            let mut gradients = (made * constant("weights", made_rows)).sum().backward();
            for (parameter, tensor) in start.iter().zip(&tracked) {
                let gradient = read(tensor.grad_remove(&mut gradients).expect("a gradient")).await.expect("a gradient");
                let worst = error(&gradient, &golden.tensor(&format!("{key}.grad.{}", parameter.name)));
                say(&format!("GOLDEN methods | {} | {key} gradient of {} | {worst:.1e}", place(&compute), parameter.name));
                assert!(worst <= 1e-5, "{}: {key} gradient of {} is off by {worst}", place(&compute), parameter.name);
            }
            // Inference, on the plain device, makes the same rows.
            let plain: Vec<Tensor<2>> = tracked.into_iter().map(Tensor::inner).collect();
            let context = Context { states: context.states.map(Tensor::inner), ..context };
            let Prompt::PerExample(made) = method.given_exported(&plain, &context).prompt else {
                panic!("a prompt of each text")
            };
            assert_close(&read(made).await.expect("rows"), &got, 1e-6, 1e-6);
        }
    }
}

/// A trainer of a method that starts from the golden file.
fn golden_trainer(golden: &Golden<'_>, model: &Encoder, compute: &Compute, config: &RunConfig, prefix: &str) -> Trainer {
    let start = golden_start(golden, &*method_of(config, model), model.spec(), prefix);
    trainer(model, compute, config, start, Linear { weight: golden.tensor("head.weight"), bias: golden.tensor("head.bias") })
}

pub fn trainer(model: &Encoder, compute: &Compute, config: &RunConfig, start: Vec<Parameter>, head: Linear<Vec<f32>>) -> Trainer {
    let source = Source::Encoder(compute.encoder.clone());
    Trainer::new(compute, source, model.weights(), method_of(config, model), start, head, config).expect("a trainer")
}

/// Class scores, loss and every gradient of a golden case.
async fn equals(golden: &Golden<'_>, trainer: &Trainer, names: &[&str], key: &str, loss: f64, place: &str) {
    let all: Vec<usize> = (0..golden.examples.len()).collect();
    // Twice, because a late prompt has its states from the cache the second time.
    for _ in 0..2 {
        let scores = trainer.scores(&golden.examples, &all).await.expect("scores");
        assert_close(&scores, &golden.tensor(&format!("{key}.logits")), 1e-4, 1e-4);
        let result = trainer.gradients(&golden.examples, &all).expect("gradients");
        let got = f64::from(read(result.loss).await.expect("a loss")[0]);
        assert!((got - loss).abs() <= 1e-4 * loss, "{place}: {key}: loss {got}, PyTorch {loss}");
        assert_eq!(result.gradients.prompt.len(), names.len());
        for (gradient, name) in result.gradients.into_iter().zip(names.iter().chain(&["head.weight", "head.bias"])) {
            let worst = error(&read(gradient).await.expect("a gradient"), &golden.tensor(&format!("{key}.grad.{name}")));
            say(&format!("GOLDEN methods | {place} | {key} gradient of {name} | {worst:.1e}"));
            assert!(worst <= 1e-4, "{place}: {key} gradient of {name} is off by {worst}");
        }
    }
}

#[wasm_bindgen_test(unsupported = pollster::test)]
async fn late_prompts_equal_pytorch() {
    let (golden, model) = (Golden::new(TENSORS, FACTS), tiny_model());
    for compute in computes(&model, "late_prompts_equal_pytorch").await {
        for (name, generator, reads) in GENERATORS {
            for layer in 0..model.spec().layers {
                let mut config = config(&golden, Method::Late);
                (config.prompt.late.generator, config.prompt.late.reads) = (generator, reads);
                config.prompt.late.layer = Some(layer);
                let trainer = golden_trainer(&golden, &model, &compute, &config, &format!("late.{name}"));
                let names: Vec<&str> =
                    method_of(&config, &model).stored(sizes(model.spec())).into_iter().map(|(name, _)| name).collect();
                let key = format!("late.{name}.{layer}");
                let loss = golden.facts["losses"][&key].as_f64().expect("a loss");
                equals(&golden, &trainer, &names, &key, loss, &place(&compute)).await;
            }
        }
    }
}

#[wasm_bindgen_test(unsupported = pollster::test)]
async fn prefixes_equal_peft() {
    let (golden, model) = (Golden::new(TENSORS, FACTS), tiny_model());
    for compute in computes(&model, "prefixes_equal_peft").await {
        let mut config = config(&golden, Method::Deep);
        config.head.kind = HeadKind::Peft;
        let trainer = golden_trainer(&golden, &model, &compute, &config, "deep");
        equals(&golden, &trainer, &["prefix"], "deep", golden.number("/losses/deep"), &place(&compute)).await;
    }
}

/// What a method starts from, with a seed and states.
pub fn initial(config: &RunConfig, model: &Encoder, seed: u64, states: &[f32]) -> Result<Vec<Parameter>, Error> {
    let labels = ["lost card", "music", "weather"].map(String::from);
    method_of(config, model).initial(Start {
        weights: model.weights(),
        tokenizer: model.tokenizer(),
        labels: &labels,
        longest: 16,
        states,
        rng: Rng::stream(seed, "prompt"),
    })
}

#[wasm_bindgen_test(unsupported = test)]
fn methods_start_with_what_they_store() {
    let (golden, model) = (Golden::new(TENSORS, FACTS), tiny_model());
    let states = random_f32(&mut Rng::stream(1, "states"), 40 * model.spec().hidden, 1.0);
    for method in [Method::Late, Method::Deep, Method::Ensemble] {
        for (_, generator, reads) in GENERATORS {
            let mut config = config(&golden, method);
            (config.prompt.late.generator, config.prompt.late.reads) = (generator, reads);
            let made = initial(&config, &model, 1, &states).expect("a start");
            let shapes: Vec<_> = made.iter().map(|p| (p.name, p.shape)).collect();
            assert_eq!(shapes, method_of(&config, &model).stored(sizes(model.spec())));
            assert!(made.iter().all(|p| p.values.len() == p.shape[0] * p.shape[1] && p.values.iter().all(|v| v.is_finite())));
            assert_eq!(made, initial(&config, &model, 1, &states).expect("a start"), "the same seed");
            assert_ne!(made, initial(&config, &model, 2, &states).expect("a start"), "another seed");
            let own = method == Method::Late && generator != Generator::None;
            assert!(made.iter().all(|p| p.rate == own.then_some(config.prompt.late.generator_lr)));
        }
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn late_prompts_start_like_states_and_generators_like_linear_layers() {
    let (golden, model) = (Golden::new(TENSORS, FACTS), tiny_model());
    let hidden = model.spec().hidden;
    let mut config = config(&golden, Method::Late);
    config.prompt.late.generator = Generator::None;
    config.prompt.length = 2000;
    // Column i has mean i and spread 1 + i / 8.
    let noise = random_f32(&mut Rng::stream(1, "states"), 2000 * hidden, 1.0);
    let column = |i: usize| ((i % hidden) as f32, 1.0 + (i % hidden) as f32 / 8.0);
    let states: Vec<f32> = noise.iter().enumerate().map(|(i, noise)| column(i).0 + column(i).1 * noise).collect();
    let rows = &initial(&config, &model, 1, &states).expect("a start")[0].values;
    for i in 0..hidden {
        let values: Vec<f32> = rows.iter().skip(i).step_by(hidden).copied().collect();
        let mean = values.iter().sum::<f32>() / 2000.0;
        let spread = (values.iter().map(|v| (v - mean).powi(2)).sum::<f32>() / 2000.0).sqrt();
        let (want, deviation) = column(i);
        // Five standard errors, of the states' draw and of the rows'.
        assert!((mean - want).abs() < 0.16 * deviation, "column {i}: mean {mean}, states {want}");
        assert!((spread / deviation - 1.0).abs() < 0.11, "column {i}: spread {spread}, states {deviation}");
    }
    config.prompt.late.generator = Generator::Naive;
    config.prompt.late.bottleneck = 200;
    let made = initial(&config, &model, 1, &states).expect("a start");
    for (parameter, inputs) in made.iter().zip([hidden, hidden, 200, 200]) {
        let (bound, largest) = ((1.0 / inputs as f32).sqrt(), parameter.values.iter().fold(0f32, |m, v| m.max(v.abs())));
        assert!(largest <= bound && largest > 0.9 * bound, "{}: {largest} of {bound}", parameter.name);
        let mean = parameter.values.iter().sum::<f32>() / parameter.values.len() as f32;
        assert!(mean.abs() < 0.25 * bound, "{}: mean {mean}", parameter.name);
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn a_layer_that_does_not_exist_is_named() {
    let (golden, model) = (Golden::new(TENSORS, FACTS), tiny_model());
    let mut config = config(&golden, Method::Late);
    assert_eq!(method_of(&config, &model).entry(), Some(1), "half of two layers");
    for (layer, fine) in [(0, true), (1, true), (2, false), (7, false)] {
        config.prompt.late.layer = Some(layer);
        assert!(method_of(&config, &model).entry() <= Some(1), "states of layers that exist");
        let made = initial(&config, &model, 1, &[]);
        assert_eq!(made.is_ok(), fine, "{layer}");
        if let Err(error) = made {
            assert!(
                error.to_string().contains("prompt.late.layer") || format!("{error:?}").contains("prompt.late.layer"),
                "{error}"
            );
        }
    }
}

/// In front of an empty text, the prefix that starts from words and prompt tuning that starts from them do the same: the prompt's
/// rows see the same rows, and their keys and values are what the prefix holds.
#[wasm_bindgen_test(unsupported = pollster::test)]
async fn a_prefix_starts_as_the_activations_of_words() {
    let (golden, model) = (Golden::new(TENSORS, FACTS), tiny_model());
    let empty = model.tokenizer().encode_batch(&[""], 8).expect("tokens").remove(0);
    for init in [PromptInit::Labels, PromptInit::Vocabulary, PromptInit::Text("the old city".into())] {
        let (mut words, mut deep) = (config(&golden, Method::Prompt), config(&golden, Method::Deep));
        (words.prompt.init, deep.prompt.init) = (init.clone(), init);
        let [words, deep] = [&words, &deep].map(|config| initial(config, &model, 3, &[]).expect("a start").remove(0));
        let batch = Arc::new(PackedBatch::new(&[Example { tokens: empty.ids.clone(), label: 0 }], words.shape[0]));
        for compute in computes(&model, "a_prefix_starts_as_the_activations_of_words").await {
            let pooled = async |prompt: Prompt| {
                let pooling = Pooling::MeanFrom(batch.prompt_length() as u32);
                read(compute.encoder.encode(&batch, Inputs::new(prompt), pooling).expect("a pass")).await.expect("rows")
            };
            let prompt = pooled(Prompt::Shared(tensor(words.values.clone(), words.shape, &compute.device))).await;
            let prefix = pooled(Prompt::Prefix(tensor(deep.values.clone(), deep.shape, &compute.device))).await;
            assert_close(&prefix, &prompt, 1e-4, 1e-4);
        }
    }
    let mut random = config(&golden, Method::Deep);
    random.prompt.init = PromptInit::Random;
    let values = initial(&random, &model, 3, &[]).expect("a start").remove(0).values;
    let spread = (values.iter().map(|v| v * v).sum::<f32>() / values.len() as f32).sqrt();
    assert!((spread - 0.02).abs() < 0.003, "{spread}");
}

#[wasm_bindgen_test(unsupported = pollster::test)]
async fn a_partial_encoder_is_given_the_keys_and_values_of_its_layers() {
    let (golden, model) = (Golden::new(TENSORS, FACTS), tiny_model());
    let config = config(&golden, Method::Deep);
    let spec = EncoderSpec { layers: 4, ..model.spec().clone() };
    let (method, each, device) = (prompt::method(&config, &spec), 2 * spec.hidden, Device::flex());
    let shape = [config.prompt.length, 4 * each];
    let values: Vec<f32> = (0..shape[0] * shape[1]).map(|i| i as f32).collect();
    let prefix = [tensor(values.clone(), shape, &device)];
    let batch = PackedBatch::new(&[], config.prompt.length);
    for layers in [&[0, 1, 2, 3][..], &[1, 3], &[2], &[0, 1, 2]] {
        let context = Context { batch: &batch, states: None, layers, device: &device };
        let Prompt::Prefix(given) = method.given(&prefix, &context).prompt else { panic!("a prefix") };
        let row = |row: &[f32]| layers.iter().flat_map(|l| row[l * each..(l + 1) * each].to_vec()).collect::<Vec<f32>>();
        assert_eq!(read(given).await.expect("rows"), values.chunks(shape[1]).flat_map(row).collect::<Vec<f32>>());
    }
}
