//! Whole runs on the tiny encoder, pulled as the page and the command line pull them.

use std::sync::Arc;

use burn::tensor::{Device, Tensor};
use softprompt::adapter::Adapter;
use softprompt::config::{DeviceChoice, Method, RunConfig};
use softprompt::data::batch::PackedBatch;
use softprompt::data::{dataset::Dataset, table::Table};
use softprompt::engine::Pooling;
use softprompt::engine::boundary::{Inputs, Prompt};
use softprompt::engine::compute::read;
use softprompt::error::Error;
use softprompt::predict::Predictor;
use softprompt::train::event::Event;
use softprompt::train::run::{Run, SampleLimits};
use wasm_bindgen_test::wasm_bindgen_test;

use crate::device::computes;
use crate::tiny::tiny_model;

/// Three classes that share no word, as many rows as asked for.
fn rows(count: usize) -> String {
    let words = [["card", "lost", "bank"], ["play", "song", "happy"], ["rain", "cold", "weather"]];
    let mut text = String::from("text,label\n");
    for i in 0..count {
        let class = i % 3;
        let word = |k: usize| words[class][(i / 3 + k) % 3];
        text += &format!("the {} {} number {i},{}\n", word(0), word(i % 2 + 1), ["bank", "music", "weather"][class]);
    }
    text
}

fn dataset(count: usize, config: &RunConfig) -> Dataset {
    let table = Table::from_bytes(rows(count).as_bytes()).expect("a table");
    Dataset::from_table(&table, &config.data, config.seed).expect("a data set")
}

fn config(steps: usize) -> RunConfig {
    let mut config = RunConfig { device: DeviceChoice::Cpu, ..RunConfig::default() };
    config.prompt.length = 4;
    // The tiny encoder is random and its features say little; a quick head keeps these runs short.
    config.head.feature_scale = 8.0;
    config.optim.head_lr = 2e-2;
    config.optim.steps = Some(steps);
    config.optim.batch_size = 8;
    config.eval.evaluations = 4;
    config.eval.patience = None;
    config
}

async fn start(config: &RunConfig) -> Run {
    Run::start(tiny_model(), dataset(48, config), config.clone()).await.expect("a run")
}

async fn finish(run: &mut Run) -> Vec<Event> {
    let mut events = Vec::new();
    while let Some(event) = run.next().await.expect("an event") {
        events.push(event);
    }
    events
}

fn losses(events: &[Event]) -> Vec<f32> {
    events.iter().filter_map(|event| if let Event::Step { loss, .. } = event { Some(*loss) } else { None }).collect()
}

#[wasm_bindgen_test(unsupported = pollster::test)]
async fn a_run_learns_and_tells_its_story_in_order() {
    let config = config(120);
    let mut run = start(&config).await;
    let events = finish(&mut run).await;
    assert!(
        matches!(events.first(), Some(Event::Started { train_rows: 39, held_out_rows: 9, steps: 120, .. })),
        "{:?}",
        events[0]
    );
    let losses = losses(&events);
    assert_eq!(losses.len(), 120);
    let (first, last) = (losses[..5].iter().sum::<f32>() / 5.0, losses[115..].iter().sum::<f32>() / 5.0);
    assert!(last < 0.2 * first, "the loss went from {first} to {last}");
    let evaluations: Vec<(usize, f64, bool)> = events
        .iter()
        .filter_map(|event| if let Event::Eval { step, loss, best, .. } = event { Some((*step, *loss, *best)) } else { None })
        .collect();
    assert_eq!(evaluations.iter().map(|e| e.0).collect::<Vec<_>>(), [30, 60, 90, 120]);
    let mut lowest = f64::INFINITY;
    for (step, loss, best) in evaluations {
        assert_eq!(best, loss < lowest, "step {step}");
        lowest = lowest.min(loss);
    }
    let Some(Event::Done {
        accuracy,
        majority_accuracy,
        steps: 120,
        stopped_early: false,
        stopped_by_user: false,
        confusion,
        ..
    }) = events.last()
    else {
        panic!("the last event is {:?}", events.last());
    };
    assert!(*accuracy > 2.0 * majority_accuracy, "accuracy {accuracy}, majority {majority_accuracy}");
    assert_eq!(confusion.iter().flatten().sum::<u64>(), 9);
    assert!(run.next().await.expect("quiet").is_none(), "nothing follows the end");
}

#[wasm_bindgen_test(unsupported = pollster::test)]
async fn the_first_step_comes_before_the_baseline_and_the_baseline_before_the_first_evaluation() {
    let events = finish(&mut start(&config(40)).await).await;
    let first = |wanted: fn(&Event) -> bool| events.iter().position(wanted).expect("such an event");
    let (step, evaluation) = (first(|e| matches!(e, Event::Step { .. })), first(|e| matches!(e, Event::Eval { .. })));
    let (preparing, probe) = (first(|e| matches!(e, Event::Preparing { .. })), first(|e| matches!(e, Event::Probe { .. })));
    assert!(step < preparing && preparing < probe && probe < evaluation, "{step} {preparing} {probe} {evaluation}");
    // 48 texts and 40 steps, each once.
    let told: Vec<(usize, usize)> = events
        .iter()
        .filter_map(|e| if let Event::Preparing { done, total } = e { Some((*done, *total)) } else { None })
        .collect();
    assert!(told.windows(2).all(|w| w[0].0 < w[1].0) && told.iter().all(|t| t.1 == 88), "{told:?}");
    assert_eq!(told.last(), Some(&(88, 88)));
}

/// Two runs over 300 rows: one that draws from them, one that uses them all.
async fn drawn_and_whole(config: &RunConfig) -> [Run; 2] {
    let limits = SampleLimits { watched: 15, learned: 64 };
    let drawn = Run::with_limits(tiny_model(), dataset(300, config), config.clone(), limits).await.expect("a run");
    [drawn, Run::start(tiny_model(), dataset(300, config), config.clone()).await.expect("a run")]
}

#[wasm_bindgen_test(unsupported = pollster::test)]
async fn very_many_rows_are_watched_in_a_draw_and_measured_in_full() {
    let config = config(60);
    let [mut drawn, mut whole] = drawn_and_whole(&config).await;
    let (events, expected) = (finish(&mut drawn).await, finish(&mut whole).await);
    assert_eq!(losses(&events), losses(&expected), "a draw changes no step");
    let warnings = |events: &[Event]| events.iter().filter(|e| matches!(e, Event::Warning { .. })).count();
    assert_eq!((warnings(&events), warnings(&expected)), (2, 0), "{events:?}");
    assert!(!expected.iter().any(|e| matches!(e, Event::Measuring { .. })));
    let measured = events.iter().rev().find(|e| matches!(e, Event::Measuring { .. }));
    assert_eq!(measured, Some(&Event::Measuring { done: 60, total: 60 }));
    let (Some(Event::Done { confusion, accuracy, probe_accuracy, .. }), Some(Event::Eval { loss, .. })) =
        (events.last(), events.iter().rfind(|e| matches!(e, Event::Eval { best: true, .. })))
    else {
        panic!("{:?}", events.last());
    };
    assert_eq!(confusion.iter().flatten().sum::<u64>(), 60, "the result is on every held-out row");
    // What the exported adapter says, and what it does, is what was told.
    let adapter = drawn.adapter().expect("an adapter");
    let metrics = adapter.metrics.expect("figures");
    assert!((metrics.accuracy - accuracy).abs() < 1e-12 && (metrics.probe_accuracy - probe_accuracy).abs() < 1e-12);
    let rows = dataset(300, &config);
    let texts: Vec<&str> = rows.held_out.iter().map(|row| row.text.as_str()).collect();
    let predicted = drawn.predictor().expect("a predictor").predict(&texts).await.expect("predictions");
    let right = predicted.iter().zip(&rows.held_out).filter(|(p, row)| p.label == rows.labels[row.label as usize]).count();
    assert_eq!(right as f64 / 60.0, *accuracy);
    let Some(Event::Eval { loss: whole_loss, .. }) = expected.iter().rfind(|e| matches!(e, Event::Eval { .. })) else { panic!() };
    assert_ne!(loss, whole_loss, "the evaluations on the way are on fewer rows");
}

#[wasm_bindgen_test(unsupported = pollster::test)]
async fn a_long_evaluation_tells_how_far_it_is_and_can_be_stopped() {
    let mut config = config(2);
    config.eval.evaluations = 1;
    for stop in [false, true] {
        let mut run = Run::start(tiny_model(), dataset(1500, &config), config.clone()).await.expect("a run");
        let mut events = Vec::new();
        while let Some(event) = run.next().await.expect("an event") {
            if stop && matches!(event, Event::Measuring { .. }) {
                run.stop();
            }
            events.push(event);
        }
        let told: Vec<&Event> = events.iter().filter(|e| matches!(e, Event::Measuring { .. } | Event::Eval { .. })).collect();
        assert!(matches!(told[..], [Event::Measuring { done: 256, total: 300 }, Event::Eval { step: 2, .. }]), "{told:?}");
        let Some(Event::Done { confusion, .. }) = events.last() else { panic!("{:?}", events.last()) };
        assert_eq!(confusion.iter().flatten().sum::<u64>(), 300);
    }
}

#[wasm_bindgen_test(unsupported = pollster::test)]
async fn a_stopped_run_does_not_measure_the_rest() {
    let [mut run, _] = drawn_and_whole(&config(60)).await;
    let mut events = Vec::new();
    while let Some(event) = run.next().await.expect("an event") {
        // After the last step, while all held-out rows are being measured.
        if matches!(event, Event::Measuring { .. }) {
            run.stop();
        }
        events.push(event);
    }
    let Some(Event::Done { confusion, steps: 60, .. }) = events.last() else { panic!("{:?}", events.last()) };
    assert_eq!(confusion.iter().flatten().sum::<u64>(), 15);
    assert!(matches!(&events[events.len() - 2], Event::Warning { message } if message.contains("15 of the 60")), "{events:?}");
}

#[wasm_bindgen_test(unsupported = pollster::test)]
async fn the_same_seed_gives_the_same_bytes_and_another_seed_others() {
    let mut zips = Vec::new();
    for seed in [3, 3, 4] {
        let config = RunConfig { seed, ..config(8) };
        let mut run = start(&config).await;
        finish(&mut run).await;
        zips.push(run.adapter().expect("an adapter").to_zip().expect("a zip"));
    }
    assert!(zips[0] == zips[1], "the same run twice");
    assert!(zips[0] != zips[2], "two seeds");
}

#[wasm_bindgen_test(unsupported = pollster::test)]
async fn an_exported_adapter_predicts_what_the_run_predicts() {
    let config = config(12);
    let mut run = start(&config).await;
    finish(&mut run).await;
    let texts = ["the card was lost", "play a happy song", ""];
    let here = run.predictor().expect("a predictor").logits(&texts).await.expect("scores");
    let zip = run.adapter().expect("an adapter").to_zip().expect("a zip");
    let adapter = Adapter::from_zip(&zip).expect("our own zip");
    let elsewhere = Predictor::new(tiny_model(), adapter, DeviceChoice::Cpu).await.expect("a predictor");
    assert_eq!(here, elsewhere.logits(&texts).await.expect("scores"));
    let prediction = &elsewhere.predict(&texts).await.expect("predictions")[0];
    assert_eq!(prediction.label, prediction.probabilities[0].label);
    let sum: f32 = prediction.probabilities.iter().map(|p| p.probability).sum();
    assert!((sum - 1.0).abs() < 1e-5, "{sum}");
}

#[wasm_bindgen_test(unsupported = pollster::test)]
async fn stopping_keeps_the_best_so_far() {
    let config = config(400);
    let mut run = start(&config).await;
    assert!(run.adapter().is_err(), "nothing is evaluated yet");
    let mut seen = 0;
    let last = loop {
        match run.next().await.expect("an event") {
            Some(Event::Step { step, .. }) => {
                seen = step;
                run.stop();
            }
            Some(event @ Event::Done { .. }) => break event,
            Some(_) => {}
            None => panic!("the run ended without a result"),
        }
    };
    let Event::Done { steps, stopped_early: true, stopped_by_user: true, .. } = last else { panic!("{last:?}") };
    assert!(steps >= seen && steps < 400, "stopped after {steps}");
    run.adapter().expect("the best so far");
}

#[wasm_bindgen_test(unsupported = pollster::test)]
async fn stopping_at_once_still_measures_the_probe() {
    for method in [Method::Prompt, Method::Probe] {
        let mut config = config(20);
        config.prompt.method = method;
        let mut run = start(&config).await;
        run.next().await.expect("an event");
        run.stop();
        let events = finish(&mut run).await;
        let probe = events.iter().find_map(|e| if let Event::Probe { accuracy, .. } = e { Some(*accuracy) } else { None });
        let Some(Event::Done { probe_accuracy, steps: 0, stopped_early: true, stopped_by_user: true, .. }) = events.last() else {
            panic!("{method:?}: {:?}", events.last());
        };
        assert_eq!(Some(*probe_accuracy), probe, "{method:?}");
    }
}

#[wasm_bindgen_test(unsupported = pollster::test)]
async fn patience_ends_a_run_that_gets_no_better() {
    let mut config = config(400);
    // So small that no score changes by a bit.
    config.optim.prompt_lr = 1e-30;
    config.optim.head_lr = 1e-30;
    config.eval = softprompt::config::EvalConfig { evaluations: 40, patience: Some(2) };
    let events = finish(&mut start(&config).await).await;
    let Some(Event::Done { steps, stopped_early: true, stopped_by_user: false, .. }) = events.last() else {
        panic!("{:?}", events.last())
    };
    assert!(*steps < 400, "stopped after {steps}");
}

#[wasm_bindgen_test(unsupported = pollster::test)]
async fn the_probe_method_ends_at_the_probe() {
    let mut config = config(20);
    config.prompt.method = Method::Probe;
    let events = finish(&mut start(&config).await).await;
    let probe = events.iter().find_map(|e| if let Event::Probe { accuracy, .. } = e { Some(*accuracy) } else { None });
    let Some(Event::Done { accuracy, probe_accuracy, .. }) = events.last() else { panic!("{:?}", events.last()) };
    assert_eq!((Some(*accuracy), Some(*probe_accuracy)), (probe, probe));
}

#[wasm_bindgen_test(unsupported = pollster::test)]
async fn a_learning_rate_that_explodes_is_an_error_that_says_so() {
    let mut config = config(60);
    config.optim.head_lr = 1e38;
    let mut run = start(&config).await;
    let error = loop {
        match run.next().await {
            Ok(Some(_)) => {}
            Ok(None) => panic!("a run with learning rate 1e38 ended well"),
            Err(error) => break error,
        }
    };
    assert!(matches!(error, Error::Diverged { .. }), "{error:?}");
}

#[wasm_bindgen_test(unsupported = pollster::test)]
async fn the_devices_agree_on_the_first_losses() {
    let model = tiny_model();
    if computes(&model, "the_devices_agree_on_the_first_losses").await.len() < 2 {
        return;
    }
    let mut runs = Vec::new();
    for device in [DeviceChoice::Cpu, DeviceChoice::Gpu] {
        let config = RunConfig { device, ..config(20) };
        runs.push(losses(&finish(&mut start(&config).await).await));
    }
    assert_eq!((runs[0].len(), runs[1].len()), (20, 20));
    for (step, (cpu, gpu)) in runs[0].iter().zip(&runs[1]).enumerate() {
        assert!((cpu - gpu).abs() <= 1e-3 * cpu.abs().max(1.0), "step {step}: CPU {cpu}, GPU {gpu}");
    }
}

/// A GPU has room for the activations of one pass; on the CPU every pass has its own.
#[wasm_bindgen_test(unsupported = pollster::test)]
async fn a_second_forward_before_the_backward_spoils_nothing() {
    let model = tiny_model();
    let examples = crate::device::examples(&serde_json::from_str(include_str!("../golden/tiny.json")).expect("golden JSON"));
    let (batch, longer) = (Arc::new(PackedBatch::new(&examples[..3], 2)), Arc::new(PackedBatch::new(&examples, 2)));
    for compute in computes(&model, "a_second_forward_before_the_backward_spoils_nothing").await {
        let rows = |scale: f64| {
            let rows = Tensor::<2>::ones([2, model.spec().hidden], &compute.device) * scale;
            rows.autodiff().require_grad()
        };
        let encode = |batch: &Arc<PackedBatch>, rows: &Tensor<2>| {
            compute.encoder.encode(batch, Inputs::new(Prompt::Shared(rows.clone())), Pooling::Row(2))
        };
        let gradient = |pooled: Tensor<2>, rows: &Tensor<2>| rows.grad(&(pooled.clone() * pooled).sum().backward());
        let (prompt, other) = (rows(1.0), rows(0.5));
        let alone = gradient(encode(&batch, &prompt).expect("a forward pass"), &prompt).expect("a gradient");

        let prompt = rows(1.0);
        let first = encode(&batch, &prompt).expect("a forward pass");
        let second = encode(&longer, &other);
        if compute.gpu {
            assert!(matches!(second, Err(Error::Device { .. })), "the activations of the first pass would be gone");
        } else {
            gradient(second.expect("it has activations of its own"), &other).expect("a gradient");
        }
        let gradient = gradient(first, &prompt).expect("a gradient");
        assert_eq!(read(gradient).await.expect("numbers"), read(alone).await.expect("numbers"));
        drop(encode(&batch, &prompt).expect("after the backward pass"));
        compute.encoder.discard();
        encode(&batch, &prompt).expect("after the graph was discarded");
        compute.encoder.discard();
    }
}

#[wasm_bindgen_test(unsupported = pollster::test)]
async fn what_the_encoder_cannot_embed_is_an_error() {
    let model = tiny_model();
    let mut examples = crate::device::examples(&serde_json::from_str(include_str!("../golden/tiny.json")).expect("golden JSON"));
    examples[0].tokens[0] = 300;
    for compute in computes(&model, "what_the_encoder_cannot_embed_is_an_error").await {
        let prompt = Tensor::<2>::ones([2, model.spec().hidden], &compute.device);
        let bad_id = compute.encoder.encode(
            &Arc::new(PackedBatch::new(&examples[..1], 2)),
            Inputs::new(Prompt::Shared(prompt.clone())),
            Pooling::Mean,
        );
        assert!(bad_id.is_err_and(|e| e.to_string().contains("token id 300")));
        let long = PackedBatch::new(&examples[1..], 60);
        let too_long = compute.encoder.encode(&Arc::new(long), Inputs::new(Prompt::Shared(prompt)), Pooling::Mean);
        assert!(too_long.is_err_and(|e| e.to_string().contains("64 positions")));
    }
}

/// It meets no pass there: an error, and the encoder is free for the next one.
#[wasm_bindgen_test(unsupported = pollster::test)]
async fn an_input_on_another_device_is_an_error() {
    let model = tiny_model();
    let examples = crate::device::examples(&serde_json::from_str(include_str!("../golden/tiny.json")).expect("golden JSON"));
    let batch = Arc::new(PackedBatch::new(&examples[..3], 2));
    let computes = computes(&model, "an_input_on_another_device_is_an_error").await;
    for (here, there) in computes.iter().zip(computes.iter().rev()).filter(|(here, there)| here.gpu != there.gpu) {
        let encode = |device: &Device, tracked: bool| {
            let rows = Tensor::<2>::ones([2, model.spec().hidden], device);
            let rows = if tracked { rows.autodiff().require_grad() } else { rows };
            here.encoder.encode(&batch, Inputs::new(Prompt::Shared(rows)), Pooling::Mean)
        };
        for tracked in [false, true] {
            let refused = encode(&there.device, tracked);
            assert!(matches!(&refused, Err(Error::Device { .. })), "gpu {}, tracked {tracked}", here.gpu);
            assert!(refused.is_err_and(|error| error.to_string().contains("another device")));
        }
        encode(&here.device, false).expect("its own device");
    }
}
