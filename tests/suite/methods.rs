//! Late prompts, prefixes and ensembles: against PyTorch, transformers and PEFT (`tests/golden/methods.py`), and against prompt
//! tuning where they must do the same.

use std::sync::Arc;

use burn::tensor::{Device, Tensor, TensorData};
use softprompt::config::{Generator, HeadKind, Method, PromptInit, Reads, RunConfig, Vote};
use softprompt::data::batch::{Example, PackedBatch};
use softprompt::engine::Pooling;
use softprompt::engine::boundary::{Inputs, Prompt};
use softprompt::engine::compute::{Compute, read};
use softprompt::error::Error;
use softprompt::eval::together;
use softprompt::model::Model;
use softprompt::model::spec::EncoderSpec;
use softprompt::prompt::{self, Context, Parameter, PromptMethod, Sizes, Start};
use softprompt::rng::Rng;
use softprompt::train::step::{LearningRates, Source, Trainer};
use wasm_bindgen_test::wasm_bindgen_test;

use crate::common::{assert_close, random_f32};
use crate::device::{computes, place, say};
use crate::reference::{Golden, error};
use crate::tiny::tiny_model;

const TENSORS: &[u8] = include_bytes!("../golden/methods.safetensors");
const FACTS: &str = include_str!("../golden/methods.json");
const GENERATORS: [(&str, Generator, Reads); 5] = [
    ("none", Generator::None, Reads::First),
    ("naive", Generator::Naive, Reads::First),
    ("mean", Generator::Naive, Reads::Mean),
    ("average", Generator::Average, Reads::First),
    ("max", Generator::Max, Reads::First),
];

/// The settings of the golden files, for one method.
fn config(golden: &Golden<'_>, method: Method) -> RunConfig {
    let mut config = RunConfig::default();
    config.prompt.method = method;
    config.prompt.length = golden.number("/prompt_length") as usize;
    config.prompt.late.bottleneck = golden.number("/bottleneck") as usize;
    config.head.feature_scale = golden.number("/feature_scale");
    config
}

fn method_of(config: &RunConfig, model: &Model) -> Box<dyn PromptMethod> {
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
fn golden_trainer(golden: &Golden<'_>, model: &Model, compute: &Compute, config: &RunConfig, prefix: &str) -> Trainer {
    let start = golden_start(golden, &*method_of(config, model), model.spec(), prefix);
    trainer(model, compute, config, start, (golden.tensor("head.weight"), golden.tensor("head.bias")))
}

fn trainer(model: &Model, compute: &Compute, config: &RunConfig, start: Vec<Parameter>, head: (Vec<f32>, Vec<f32>)) -> Trainer {
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
        assert_eq!(result.gradients.len(), names.len() + 2);
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
fn initial(config: &RunConfig, model: &Model, seed: u64, states: &[f32]) -> Result<Vec<Parameter>, Error> {
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

#[wasm_bindgen_test(unsupported = test)]
fn the_first_member_starts_as_prompt_tuning_and_the_others_elsewhere() {
    let (golden, model) = (Golden::new(TENSORS, FACTS), tiny_model());
    for init in [PromptInit::Labels, PromptInit::Vocabulary, PromptInit::Random, PromptInit::Text("good tea".into())] {
        let (mut one, mut many) = (config(&golden, Method::Prompt), config(&golden, Method::Ensemble));
        many.prompt.ensemble.members = 4;
        (one.prompt.init, many.prompt.init) = (init.clone(), init);
        let [one, many] = [&one, &many].map(|config| initial(config, &model, 5, &[]).expect("a start").remove(0).values);
        let members: Vec<&[f32]> = many.chunks_exact(one.len()).collect();
        assert_eq!((members.len(), members[0]), (4, &one[..]));
        for (i, member) in members.iter().enumerate() {
            assert!(members[..i].iter().all(|other| other != member), "member {i} is another's copy");
        }
    }
}

#[wasm_bindgen_test(unsupported = pollster::test)]
async fn an_ensemble_trains_each_member_as_it_would_train_alone() {
    const MEMBERS: usize = 3;
    let (golden, model) = (Golden::new(TENSORS, FACTS), tiny_model());
    let (hidden, classes, examples) = (model.spec().hidden, 3, &golden.examples);
    let (mut many, one) = (config(&golden, Method::Ensemble), config(&golden, Method::Prompt));
    many.prompt.ensemble.members = MEMBERS;
    let length = one.prompt.length;
    let rng = &mut Rng::stream(1, "ensemble");
    let prompts = random_f32(rng, MEMBERS * length * hidden, 0.5);
    let (weight, bias) = (random_f32(rng, MEMBERS * classes * hidden, 0.1), random_f32(rng, MEMBERS * classes, 0.1));
    let batches = [[0, 5, 2], [7, 1, 3], [4, 4, 6]];
    let all: Vec<usize> = (0..examples.len()).collect();
    for compute in computes(&model, "an_ensemble_trains_each_member_as_it_would_train_alone").await {
        let start = vec![Parameter::new("prompt", [MEMBERS * length, hidden], prompts.clone())];
        let ensemble = trainer(&model, &compute, &many, start, (weight.clone(), bias.clone()));
        let together_gradients = ensemble.gradients(examples, batches.as_flattened()).expect("gradients");
        let got_loss = read(together_gradients.loss).await.expect("a loss")[0];
        let mut got = Vec::new();
        for gradient in together_gradients.gradients {
            got.push(read(gradient).await.expect("a gradient"));
        }
        let (mut want, mut losses, mut scores) = (vec![Vec::new(); 3], 0.0, Vec::new());
        for (m, batch) in batches.iter().enumerate() {
            let part = |all: &[f32]| all[m * all.len() / MEMBERS..(m + 1) * all.len() / MEMBERS].to_vec();
            let start = vec![Parameter::new("prompt", [length, hidden], part(&prompts))];
            let alone = trainer(&model, &compute, &one, start, (part(&weight), part(&bias)));
            let result = alone.gradients(examples, batch).expect("gradients");
            losses += read(result.loss).await.expect("a loss")[0];
            for (want, gradient) in want.iter_mut().zip(result.gradients) {
                want.extend(read(gradient).await.expect("a gradient"));
            }
            scores.extend(alone.scores(examples, &all).await.expect("scores"));
        }
        assert_close(&[got_loss], &[losses / MEMBERS as f32], 1e-5, 0.0);
        for (got, want) in got.iter().zip(&want) {
            let worst = error(got, want);
            assert!(worst <= 1e-5, "{}: off by {worst}", place(&compute));
        }
        for vote in [Vote::Mean, Vote::Majority] {
            many.prompt.ensemble.vote = vote;
            let start = vec![Parameter::new("prompt", [MEMBERS * length, hidden], prompts.clone())];
            let ensemble = trainer(&model, &compute, &many, start, (weight.clone(), bias.clone()));
            let got = ensemble.scores(examples, &all).await.expect("scores");
            assert_close(&got, &together(scores.clone(), MEMBERS, classes, vote), 1e-4, 1e-4);
        }
    }
}

/// Parameters and moments after three steps in which every gradient is clipped, those of some members more than those of others: what
/// a member's own norm is does not matter to the rest.
#[wasm_bindgen_test(unsupported = pollster::test)]
async fn a_member_is_clipped_by_its_own_norm() {
    const MEMBERS: usize = 3;
    const CLIP: f64 = 0.02;
    let (golden, model) = (Golden::new(TENSORS, FACTS), tiny_model());
    let (hidden, classes, examples) = (model.spec().hidden, 3, &golden.examples);
    let (mut many, mut one) = (config(&golden, Method::Ensemble), config(&golden, Method::Prompt));
    many.prompt.ensemble.members = MEMBERS;
    (many.optim.clip_norm, one.optim.clip_norm) = (CLIP, CLIP);
    let length = one.prompt.length;
    let rng = &mut Rng::stream(1, "ensemble");
    let prompts = random_f32(rng, MEMBERS * length * hidden, 0.5);
    let bias = random_f32(rng, MEMBERS * classes, 0.1);
    // Heads of different sizes have gradients of different norms.
    let sizes = [0.05, 0.3, 1.5];
    let weight: Vec<f32> = sizes.iter().flat_map(|&size| random_f32(rng, classes * hidden, size)).collect();
    let steps = [[[0, 5, 2], [7, 1, 3], [4, 4, 6]], [[1, 2, 6], [0, 0, 5], [3, 7, 2]], [[3, 4, 7], [6, 2, 1], [5, 0, 1]]];
    let rates = LearningRates { prompt: 5e-3, head: 1e-2, factor: 1.0 };
    for compute in computes(&model, "a_member_is_clipped_by_its_own_norm").await {
        let start = vec![Parameter::new("prompt", [MEMBERS * length, hidden], prompts.clone())];
        let mut ensemble = trainer(&model, &compute, &many, start, (weight.clone(), bias.clone()));
        for batches in &steps {
            ensemble.step(examples, batches.as_flattened(), rates).expect("a step");
        }
        let together = ensemble.state().await.expect("a state");
        let mut norms = Vec::new();
        for member in 0..MEMBERS {
            let part = |all: &[f32]| all[member * all.len() / MEMBERS..(member + 1) * all.len() / MEMBERS].to_vec();
            let start = vec![Parameter::new("prompt", [length, hidden], part(&prompts))];
            let mut alone = trainer(&model, &compute, &one, start, (part(&weight), part(&bias)));
            for batches in &steps {
                let mut square = 0.0;
                for gradient in alone.gradients(examples, &batches[member]).expect("gradients").gradients {
                    square += read(gradient.square().sum()).await.expect("a sum")[0];
                }
                norms.push(f64::from(square).sqrt());
                alone.step(examples, &batches[member], rates).expect("a step");
            }
            for (together, alone) in together.iter().zip(&alone.state().await.expect("a state")) {
                let (Some((_, first, second)), Some((_, first_alone, second_alone))) = (&together.moments, &alone.moments) else {
                    panic!("moments after a step")
                };
                let worst = [
                    error(&part(&together.values), &alone.values),
                    error(&part(first), first_alone),
                    error(&part(second), second_alone),
                ];
                let what = format!("{}: {} of member {member}", place(&compute), together.name);
                assert!(worst.iter().all(|worst| *worst <= 1e-4), "{what} is off by {worst:?}");
            }
        }
        assert!(norms.iter().all(|norm| *norm > 2.0 * CLIP), "all are clipped: {norms:?}");
        let (least, most) = norms.iter().fold((f64::MAX, 0f64), |(least, most), norm| (least.min(*norm), most.max(*norm)));
        assert!(most > 2.0 * least, "and by different factors: {norms:?}");
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn members_decide_by_mean_or_by_majority_and_ties_by_the_mean() {
    // Probabilities of two texts and two classes under three members.
    let logits = |p: [f32; 6]| p.iter().flat_map(|p| [p.ln(), (1.0 - p).ln()]).collect::<Vec<f32>>();
    // Of the first text two members are a little for class 1 and one much for class 0; of the second all are for class 0.
    let three = logits([0.9, 0.8, 0.45, 0.7, 0.45, 0.6]);
    let exp = |scores: Vec<f32>| scores.into_iter().map(f32::exp).collect::<Vec<f32>>();
    assert_close(&exp(together(three.clone(), 3, 2, Vote::Mean)), &[0.6, 0.4, 0.7, 0.3], 1e-5, 0.0);
    let majority = exp(together(three.clone(), 3, 2, Vote::Majority));
    assert_close(&majority, &[(1.0 + 0.6) / 4.0, (2.0 + 0.4) / 4.0, (3.0 + 0.7) / 4.0, 0.3 / 4.0], 1e-5, 0.0);
    // One vote each: the larger mean decides, whichever class it is.
    for (first, second, winner) in [(0.9, 0.4, 0), (0.6, 0.1, 1)] {
        let tie =
            together(vec![f32::ln(first), f32::ln(1.0 - first), f32::ln(second), f32::ln(1.0 - second)], 2, 2, Vote::Majority);
        assert!(tie[winner] > tie[1 - winner], "{tie:?}");
    }
    assert_eq!(together(three.clone(), 1, 2, Vote::Majority), three, "one decides by its own scores");
    let sure = together(vec![1e4, 0.0, 1e4, 0.0], 2, 2, Vote::Mean);
    assert!(sure.iter().all(|score| score.is_finite()), "{sure:?}");
}
