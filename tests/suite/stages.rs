//! Progressive training on an encoder of four layers, so that depth leaves some of them out: whole runs, what they cost exactly,
//! and what goes on over a stage's end.

use softprompt::adapter::Adapter;
use softprompt::config::{DeviceChoice, HeadTransition, Method, RunConfig, Shrink, StageConfig};
use softprompt::data::batch::{Example, PackedBatch};
use softprompt::encoder::Encoder;
use softprompt::engine::flops::{PassCost, lengths, states};
use softprompt::engine::{Pooling, Route};
use softprompt::model::spec::EncoderSpec;
use softprompt::predict::Predictor;
use softprompt::rng::Rng;
use softprompt::train::checkpoint::Checkpoint;
use softprompt::train::event::Event;
use softprompt::train::run::Run;
use softprompt::train::schedule::factor;
use wasm_bindgen_test::wasm_bindgen_test;

use crate::common::random_f32;
use crate::device::devices;
use crate::every_method::{base, dataset, finish, losses};

const CONFIG: &[u8] = include_bytes!("../golden/tiny/config.json");
const TOKENIZER: &[u8] = include_bytes!("../golden/tiny/tokenizer.json");

/// The tiny encoder's sizes with four layers, and random weights.
fn four_layers() -> Encoder {
    crate::device::begin();
    let mut config: serde_json::Value = serde_json::from_slice(CONFIG).expect("JSON");
    config["num_hidden_layers"] = 4.into();
    let size = |name: &str| config[name].as_u64().expect("a size") as usize;
    let (d, f) = (size("hidden_size"), size("intermediate_size"));
    let rng = &mut Rng::stream(7, "four layers");
    let mut tensors: Vec<(String, Vec<usize>, Vec<f32>)> = Vec::new();
    let mut table = |name: &str, rows: usize, deviation: f64| {
        tensors.push((format!("embeddings.{name}_embeddings.weight"), vec![rows, d], random_f32(rng, rows * d, deviation)));
    };
    table("word", size("vocab_size"), 1.0);
    table("position", size("max_position_embeddings"), 0.2);
    table("token_type", 2, 0.2);
    let norm = |tensors: &mut Vec<_>, name: &str| {
        tensors.push((format!("{name}.weight"), vec![d], vec![1.0; d]));
        tensors.push((format!("{name}.bias"), vec![d], vec![0.0; d]));
    };
    norm(&mut tensors, "embeddings.LayerNorm");
    for layer in (0..4).map(|layer| format!("encoder.layer.{layer}")) {
        for (name, outputs, inputs) in [
            ("attention.self.query", d, d),
            ("attention.self.key", d, d),
            ("attention.self.value", d, d),
            ("attention.output.dense", d, d),
            ("intermediate.dense", f, d),
            ("output.dense", d, f),
        ] {
            let weight = random_f32(rng, outputs * inputs, 0.7 / (inputs as f64).sqrt());
            tensors.push((format!("{layer}.{name}.weight"), vec![outputs, inputs], weight));
            tensors.push((format!("{layer}.{name}.bias"), vec![outputs], random_f32(rng, outputs, 0.1)));
        }
        norm(&mut tensors, &format!("{layer}.attention.output.LayerNorm"));
        norm(&mut tensors, &format!("{layer}.output.LayerNorm"));
    }
    let views: Vec<(&str, Vec<usize>, &[f32])> =
        tensors.iter().map(|(name, shape, values)| (name.as_str(), shape.clone(), &values[..])).collect();
    let weights = softprompt::tensors::write(&views).expect("a file");
    Encoder::from_bytes("four layers", &serde_json::to_vec(&config).expect("JSON"), TOKENIZER, &weights).expect("an encoder")
}

/// Steps on 2, 3 and 4 layers or their share of neurons, then on the whole encoder: 8, 8, 8 and 16 of 40.
fn config(shrink: Shrink) -> RunConfig {
    let mut config = base(40);
    (config.prompt.method, config.prompt.progressive.shrink) = (Method::Progressive, shrink);
    config.prompt.progressive.stages = [0.5, 0.75, 1.0].map(|size| StageConfig { share: 0.2, size }).to_vec();
    config
}

async fn start(model: &Encoder, config: &RunConfig) -> Run {
    Run::start(model.clone(), dataset(48, config), config.clone()).await.expect("a run")
}

/// All training rows in every batch, so that every step of a stage costs the same: operations and most bytes are those of the
/// arithmetic, to the last one.
#[wasm_bindgen_test(unsupported = pollster::test)]
async fn a_run_costs_what_its_stages_cost() {
    let model = four_layers();
    for shrink in [Shrink::Depth, Shrink::Width, Shrink::Compound] {
        let mut config = config(shrink);
        config.data.max_tokens = 40;
        config.prompt.progressive.score_texts = 1000;
        let rows = dataset(48, &config).train;
        config.optim.batch_size = rows.len();
        let mut run = start(&model, &config).await;
        let mut events = Vec::new();
        finish(&mut run, &mut events).await;
        let stage = |event: &Event| match event {
            Event::Stage { layers, neurons, steps, .. } => Some((*layers, *neurons, *steps)),
            _ => None,
        };
        let stages: Vec<_> = events.iter().filter_map(stage).collect();
        let layers: Vec<usize> = stages.iter().map(|stage| stage.0).collect();
        assert_eq!(layers, if shrink == Shrink::Width { [4; 4] } else { [2, 3, 4, 4] }, "{shrink:?}");

        let texts: Vec<&str> = rows.iter().map(|row| row.text.as_str()).collect();
        let encoded = model.tokenizer().encode_batch(&texts, 40).expect("tokens");
        let examples: Vec<Example> = encoded.into_iter().map(|text| Example { tokens: text.ids, label: 0 }).collect();
        let batch = PackedBatch::new(&examples, config.prompt.length);
        let whole = model.spec().clone();
        let weights = |&EncoderSpec { layers, hidden: d, ffn: f, .. }: &EncoderSpec| {
            (layers * (4 * d * d + 2 * d * f + 9 * d + f) * size_of::<f32>()) as u64
        };
        let (mut flops, mut most) = (0, 0);
        for (number, &(layers, ffn, steps)) in stages.iter().enumerate() {
            let spec = EncoderSpec { layers, ffn, ..whole.clone() };
            let PassCost { forward, backward, activation_bytes } = PassCost::new(&spec, &batch, Route::words(Pooling::Mean));
            flops += (forward + backward) * steps as u64;
            // The part of a stage is a copy, even where nothing is left out.
            let part = if number < 3 { weights(&spec) } else { 0 };
            most = most.max(weights(&whole) + part + activation_bytes);
        }
        if shrink != Shrink::Depth {
            // Neurons are scored once, on the whole encoder behind 20 rows.
            flops += states(&whole, lengths(&PackedBatch::new(&examples, 20)), 4);
        }
        assert_eq!((run.cost().flops, run.cost().peak_bytes), (flops, most), "{shrink:?}");
    }
}

#[wasm_bindgen_test(unsupported = pollster::test)]
async fn runs_with_fewer_layers_learn_stop_and_go_on() {
    let model = four_layers();
    for device in devices("runs_with_fewer_layers_learn_stop_and_go_on").await {
        for base in [Method::Prompt, Method::Deep] {
            // A software adapter is slow: the method that is given a part of its layers there.
            if device == DeviceChoice::Gpu && base == Method::Prompt {
                continue;
            }
            let mut config = config(Shrink::Depth);
            (config.device, config.prompt.progressive.base) = (device, base);
            let mut run = start(&model, &config).await;
            let (mut events, mut checkpoint) = (Vec::new(), None);
            while let Some(event) = run.next().await.expect("an event") {
                events.push(event);
                // In the stage of three layers.
                if checkpoint.is_none() && run.has_no_pending_events() && (9..16).contains(&losses(&events).len()) {
                    checkpoint = Some(run.checkpoint().await.expect("a checkpoint").to_bytes().expect("bytes"));
                }
            }
            let told = losses(&events);
            let mean = |losses: &[(usize, u32)]| losses.iter().map(|(_, bits)| f32::from_bits(*bits)).sum::<f32>() / 5.0;
            let (first, last) = (mean(&told[..5]), mean(&told[35..]));
            assert!(last < 0.7 * first, "{base:?} on {device:?}: the loss went from {first} to {last}");
            let Some(Event::Done { accuracy, .. }) = events.last() else { panic!("{:?}", events.last()) };
            let adapter: Adapter = run.adapter().expect("an adapter");
            let predictor = Predictor::new(model.clone(), adapter.clone(), DeviceChoice::Cpu).await.expect("a predictor");
            let held_out = dataset(48, &config).held_out;
            let texts: Vec<&str> = held_out.iter().map(|row| row.text.as_str()).collect();
            let predicted = predictor.predict(&texts).await.expect("predictions");
            let label = |row: u32| &adapter.labels[row as usize];
            let right = predicted.iter().zip(&held_out).filter(|(p, row)| p.label == *label(row.label)).count();
            assert_eq!(right as f64 / held_out.len() as f64, *accuracy, "{base:?} on {device:?}");

            let checkpoint = Checkpoint::from_bytes(&checkpoint.expect("a pause in the second stage")).expect("a checkpoint");
            let done = checkpoint.counters.step;
            let mut resumed = Run::resume(model.clone(), dataset(48, &config), checkpoint).await.expect("it goes on");
            let mut rest = Vec::new();
            finish(&mut resumed, &mut rest).await;
            assert_eq!(losses(&rest), told[done..], "{base:?} on {device:?}, after {done} steps");
            assert_eq!(resumed.adapter().expect("an adapter"), adapter, "{base:?} on {device:?}");
        }
    }
}

/// The paper's code leaves the optimizer and the schedule as they are where the encoder grows.
#[wasm_bindgen_test(unsupported = pollster::test)]
async fn moments_and_schedule_go_on_over_a_stage() {
    let model = four_layers();
    for head in [HeadTransition::Carry, HeadTransition::Reset] {
        let mut config = config(Shrink::Depth);
        config.prompt.progressive.head = head;
        let mut run = start(&model, &config).await;
        let (mut rates, mut before, mut stages) = (Vec::new(), None, 0);
        while let Some(event) = run.next().await.expect("an event") {
            if let Event::Step { learning_rate, .. } = event {
                rates.push(learning_rate);
            }
            let Ok(Checkpoint { matrices: now, counters, .. }) = run.checkpoint().await else { continue };
            let since = |name: &str| {
                let matrix = now.iter().find(|matrix| matrix.name == name).expect("a matrix");
                matrix.moments.as_ref().map_or(0, |(time, ..)| *time)
            };
            if matches!(event, Event::Stage { stage: 2.., .. }) {
                stages += 1;
                let same = if head == HeadTransition::Carry { now.len() } else { 1 };
                let goes_on = before.as_ref().is_some_and(|before: &Vec<_>| before[..same] == now[..same]);
                assert!(goes_on, "{head:?}: values and moments are others behind step {}", counters.step);
                assert_eq!(since("prompt"), counters.step);
                assert_eq!(since("head.weight"), if head == HeadTransition::Carry { counters.step } else { 0 });
            } else if head == HeadTransition::Carry {
                assert!(now.iter().all(|matrix| since(&matrix.name) == counters.step), "step {}", counters.step);
            }
            before = Some(now);
        }
        assert_eq!((stages, rates.len()), (3, 40));
        for (step, rate) in rates.into_iter().enumerate() {
            assert_eq!(rate, config.optim.prompt_lr * factor(&config.optim, step, 40), "step {step}");
        }
    }
}
