//! What every method has to do: learn, stop and resume bit for bit, and export an adapter that reproduces its predictions.

use softprompt::adapter::Adapter;
use softprompt::config::{
    DeviceChoice, Generator, HeadTransition, Method, PruneConfig, Reads, RunConfig, Shrink, StageConfig, Vote,
};
use softprompt::data::{dataset::Dataset, table::Table};
use softprompt::encoder::Encoder;
use softprompt::engine::compute::CHOSEN_BY_YOU;
use softprompt::predict::Predictor;
use softprompt::train::checkpoint::Checkpoint;
use softprompt::train::event::Event;
use softprompt::train::run::Run;
use wasm_bindgen_test::wasm_bindgen_test;

use crate::device::devices;
use crate::tiny::tiny_model;

/// Three classes that share no word.
fn rows(count: usize) -> String {
    let words = [["card", "lost", "bank"], ["play", "song", "happy"], ["rain", "cold", "weather"]];
    let row = |i: usize| {
        let (class, word) = (i % 3, |k: usize| words[i % 3][(i / 3 + k) % 3]);
        format!("the {} {} number {i},{}\n", word(0), word(i % 2 + 1), ["bank", "music", "weather"][class])
    };
    (0..count).fold(String::from("text,label\n"), |text, i| text + &row(i))
}

pub(crate) fn dataset(count: usize, config: &RunConfig) -> Dataset {
    let table = Table::from_bytes(rows(count).as_bytes()).expect("a table");
    Dataset::from_table(&table, &config.data, config.seed).expect("a data set")
}

/// Settings for short runs on the tiny encoder. Stages are those of the defaults.
pub(crate) fn base(steps: usize) -> RunConfig {
    let mut base = RunConfig { device: DeviceChoice::Cpu, ..RunConfig::default() };
    base.prompt.length = 4;
    base.head.feature_scale = 8.0;
    base.optim.head_lr = 2e-2;
    base.optim.steps = Some(steps);
    base.optim.batch_size = 8;
    base.eval.evaluations = 4;
    base.eval.patience = None;
    base.prompt.late.bottleneck = 8;
    base.prompt.efficient.rank = 3;
    base.prompt.ensemble.members = 3;
    base.prompt.progressive.score_texts = 16;
    base.prompt.progressive.refit_steps = 3;
    base
}

/// Every method, and of each every part that can be switched.
fn configs(steps: usize) -> Vec<(&'static str, RunConfig)> {
    let mut base = base(steps);
    base.prompt.progressive.stages = vec![StageConfig { share: 0.25, size: 0.5 }, StageConfig { share: 0.25, size: 0.75 }];
    let with = |name, change: &dyn Fn(&mut RunConfig)| {
        let mut config = base.clone();
        change(&mut config);
        (name, config)
    };
    let late = |generator| move |c: &mut RunConfig| (c.prompt.method, c.prompt.late.generator) = (Method::Late, generator);
    let progressive = |shrink, head| {
        move |c: &mut RunConfig| {
            c.prompt.method = Method::Progressive;
            (c.prompt.progressive.shrink, c.prompt.progressive.head) = (shrink, head);
        }
    };
    vec![
        with("prompt", &|_| {}),
        with("late free", &late(Generator::None)),
        with("late naive", &late(Generator::Naive)),
        with("late naive of the mean", &|c| (c.prompt.method, c.prompt.late.reads) = (Method::Late, Reads::Mean)),
        with("late average", &late(Generator::Average)),
        with("late max", &late(Generator::Max)),
        with("late without a cache", &|c| (c.prompt.method, c.prompt.late.cache_mb) = (Method::Late, 0)),
        with("late below all layers", &|c| (c.prompt.method, c.prompt.late.layer) = (Method::Late, Some(0))),
        with("progressive depth", &progressive(Shrink::Depth, HeadTransition::Carry)),
        with("progressive width", &progressive(Shrink::Width, HeadTransition::Refit)),
        with("progressive compound", &progressive(Shrink::Compound, HeadTransition::Reset)),
        with("progressive deep", &|c| (c.prompt.method, c.prompt.progressive.base) = (Method::Progressive, Method::Deep)),
        with("progressive efficient", &|c| {
            (c.prompt.method, c.prompt.progressive.base) = (Method::Progressive, Method::Efficient);
        }),
        with("efficient", &|c| c.prompt.method = Method::Efficient),
        with("efficient without parts", &|c| {
            c.prompt.method = Method::Efficient;
            (c.prompt.efficient.fusion, c.prompt.efficient.spaces, c.prompt.efficient.update) = (false, 0, false);
        }),
        with("dept", &|c| {
            c.prompt.method = Method::Efficient;
            (c.prompt.efficient.fusion, c.prompt.efficient.spaces) = (false, 0);
        }),
        with("deep", &|c| c.prompt.method = Method::Deep),
        with("ensemble", &|c| c.prompt.method = Method::Ensemble),
        with("ensemble by votes", &|c| (c.prompt.method, c.prompt.ensemble.vote) = (Method::Ensemble, Vote::Majority)),
        with("pruned ensemble", &|c| {
            c.prompt.method = Method::Ensemble;
            c.prompt.prune = Some(PruneConfig { tokens: 0.5, pieces: 4, piece_share: 0.5 });
        }),
        with("pruned", &|c| {
            c.prompt.prune = Some(PruneConfig { tokens: 0.5, pieces: 4, piece_share: 0.5 });
        }),
    ]
}

async fn start(model: &Encoder, config: &RunConfig) -> Run {
    Run::start(model.clone(), dataset(48, config), config.clone()).await.expect("a run")
}

pub(crate) async fn finish(run: &mut Run, events: &mut Vec<Event>) {
    while let Some(event) = run.next().await.expect("an event") {
        events.push(event);
    }
}

/// Losses by step.
pub(crate) fn losses(events: &[Event]) -> Vec<(usize, u32)> {
    events
        .iter()
        .filter_map(|e| if let Event::Step { step, loss, .. } = e { Some((*step, loss.to_bits())) } else { None })
        .collect()
}

fn mean(losses: &[(usize, u32)]) -> f32 {
    losses.iter().map(|(_, bits)| f32::from_bits(*bits)).sum::<f32>() / losses.len() as f32
}

#[wasm_bindgen_test(unsupported = pollster::test)]
async fn every_method_learns_and_its_adapter_does_what_was_told() {
    let model = tiny_model();
    for (name, config) in configs(60) {
        let mut run = start(&model, &config).await;
        let mut events = Vec::new();
        finish(&mut run, &mut events).await;
        let losses = losses(&events);
        assert_eq!(losses.len(), if config.prompt.prune.is_some() { 120 } else { 60 }, "{name}");
        let (first, last) = (mean(&losses[..5]), mean(&losses[losses.len() - 5..]));
        // A head that starts again in the middle of so short a run is behind.
        assert!(last < 0.7 * first, "{name}: the loss went from {first} to {last}");
        let Some(Event::Done { accuracy, confusion, .. }) = events.last() else { panic!("{name}: {:?}", events.last()) };

        let adapter = run.adapter().expect("an adapter");
        let files = adapter.files().unwrap_or_else(|error| panic!("{name}: {error}"));
        let again = Adapter::from_files(&files).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(again.files().expect("files"), files, "{name}: exported, imported and exported again");
        let predictor = Predictor::new(model.clone(), again, DeviceChoice::Cpu).await.unwrap_or_else(|e| panic!("{name}: {e}"));
        let held_out = dataset(48, &config).held_out;
        let texts: Vec<&str> = held_out.iter().map(|row| row.text.as_str()).collect();
        let predicted = predictor.predict(&texts).await.expect("predictions");
        let labels = &adapter.labels;
        let right = predicted.iter().zip(&held_out).filter(|(p, row)| p.label == labels[row.label as usize]).count();
        assert_eq!(right as f64 / held_out.len() as f64, *accuracy, "{name}: the adapter is not what was measured");
        assert_eq!(confusion.iter().flatten().sum::<u64>(), held_out.len() as u64, "{name}");
    }
}

#[wasm_bindgen_test(unsupported = pollster::test)]
async fn an_ensemble_tells_the_mean_accuracy_of_its_members() {
    let (model, (_, config)) =
        (tiny_model(), configs(15).into_iter().find(|(name, _)| *name == "ensemble").expect("an ensemble"));
    let mut run = start(&model, &config).await;
    let mut events = Vec::new();
    finish(&mut run, &mut events).await;
    let told = events.iter().rev().find_map(|event| match event {
        Event::Eval { best: true, members_accuracy, .. } => Some(members_accuracy.expect("of an ensemble")),
        _ => None,
    });
    let whole = run.adapter().expect("an adapter");
    let held_out = dataset(48, &config).held_out;
    let texts: Vec<&str> = held_out.iter().map(|row| row.text.as_str()).collect();
    let mut right = 0;
    for member in 0..3 {
        // The member as an adapter of its own.
        let part = |values: &[f32]| values.chunks(values.len() / 3).nth(member).expect("a third").to_vec();
        let mut alone = whole.clone();
        alone.config.prompt.method = Method::Prompt;
        alone.stored[0].values = part(&whole.stored[0].values);
        alone.stored[0].shape[0] /= 3;
        (alone.head_weight, alone.head_bias) = (part(&whole.head_weight), part(&whole.head_bias));
        let predictor = Predictor::new(model.clone(), alone, DeviceChoice::Cpu).await.expect("a predictor");
        let predicted = predictor.predict(&texts).await.expect("predictions");
        right += predicted.iter().zip(&held_out).filter(|(p, row)| p.label == whole.labels[row.label as usize]).count();
    }
    assert_eq!(told, Some(right as f64 / (3 * held_out.len()) as f64));
    let plain = start(&model, &base(2)).await;
    let mut events = Vec::new();
    finish(&mut { plain }, &mut events).await;
    assert!(events.iter().all(|event| !matches!(event, Event::Eval { members_accuracy: Some(_), .. })));
}

#[wasm_bindgen_test(unsupported = pollster::test)]
async fn every_method_goes_on_bit_for_bit() {
    let model = tiny_model();
    for device in devices("every_method_goes_on_bit_for_bit").await {
        for (name, mut config) in configs(12) {
            // On the GPU one of a kind: a software adapter is slow, and most of it is the same code.
            let once = ["late naive", "progressive compound", "efficient", "deep", "ensemble", "pruned"].contains(&name);
            if device == DeviceChoice::Gpu && !once {
                continue;
            }
            config.device = device;
            let mut whole = start(&model, &config).await;
            let mut expected = Vec::new();
            finish(&mut whole, &mut expected).await;
            let (expected, adapter) = (losses(&expected), whole.adapter().expect("an adapter").files().expect("files"));
            // In the middle of the steps, before an evaluation, and right behind one.
            let stops: &[usize] = if device == DeviceChoice::Cpu { &[2, 6, 9, 14] } else { &[6] };
            for &stop in stops {
                let mut run = start(&model, &config).await;
                let mut events = Vec::new();
                while losses(&events).len() < stop {
                    let Some(event) = run.next().await.expect("an event") else { break };
                    events.push(event);
                }
                let Ok(checkpoint) = run.checkpoint().await else { continue };
                let bytes = checkpoint.to_bytes().expect("bytes");
                let read = Checkpoint::from_bytes(&bytes).expect("a checkpoint");
                assert_eq!(read, checkpoint, "{name}");
                drop(run);
                let mut resumed = Run::resume(model.clone(), dataset(48, &config), read)
                    .await
                    .unwrap_or_else(|error| panic!("{name}: {error}"));
                let mut rest = Vec::new();
                finish(&mut resumed, &mut rest).await;
                let (rest, done) = (losses(&rest), checkpoint.counters.step);
                assert_eq!(rest, expected[done..], "{name} on {device:?}, after {done} steps");
                let files = resumed.adapter().expect("an adapter").files().expect("files");
                assert!(files == adapter, "{name} on {device:?}, after {done} steps: another adapter");
            }
        }
    }
}

#[wasm_bindgen_test(unsupported = pollster::test)]
async fn a_checkpoint_is_of_its_data_and_encoder() {
    let (model, (_, config)) = (tiny_model(), configs(12).remove(0));
    let mut run = start(&model, &config).await;
    while !matches!(run.next().await.expect("an event"), Some(Event::Eval { .. })) {}
    let checkpoint = run.checkpoint().await.expect("a checkpoint");
    let refused = |checkpoint: Checkpoint, rows: usize| {
        let config = config.clone();
        async move { Run::resume(tiny_model(), dataset(rows, &config), checkpoint).await.err().expect("refused").to_string() }
    };
    assert!(refused(checkpoint.clone(), 51).await.contains("another data file"));
    let other = Checkpoint { encoder_sha256: "0".repeat(64), ..checkpoint.clone() };
    assert!(refused(other, 48).await.contains("another encoder"));
    let mut other = checkpoint.clone();
    other.orders[0].1[0] = 1000;
    assert!(refused(other, 48).await.contains("another split"));
    let mut other = checkpoint.clone();
    other.matrices[0].name = "other".into();
    assert!(refused(other, 48).await.contains("do not match its settings"));
    let bytes = checkpoint.to_bytes().expect("bytes");
    for cut in [0, 10, bytes.len() / 2, bytes.len() - 1] {
        assert!(Checkpoint::from_bytes(&bytes[..cut]).is_err(), "{cut} of {} bytes", bytes.len());
    }
    finish(&mut run, &mut Vec::new()).await;
    assert!(run.checkpoint().await.is_err(), "a run that is over");
}

#[wasm_bindgen_test(unsupported = pollster::test)]
async fn a_run_goes_on_on_a_device_of_choice() {
    let (model, (_, mut config)) = (tiny_model(), configs(12).remove(0));
    config.device = DeviceChoice::Auto;
    let mut run = start(&model, &config).await;
    assert!(!run.has_no_pending_events(), "it has begun");
    while !matches!(run.next().await.expect("an event"), Some(Event::Eval { .. })) {}
    assert!(run.has_no_pending_events());
    let (checkpoint, device) = (run.checkpoint().await.expect("a checkpoint"), run.device());
    finish(&mut run, &mut Vec::new()).await;
    let adapter = |run: &Run| run.adapter().expect("an adapter").files().expect("files");
    for choice in [device, DeviceChoice::Cpu] {
        let mut resumed =
            Run::resume_on(model.clone(), dataset(48, &config), checkpoint.clone(), choice).await.expect("it goes on");
        assert_eq!(resumed.device(), choice);
        let Some(Event::Started { device_reason, .. }) = resumed.next().await.expect("an event") else { panic!("it has begun") };
        let expected = if choice == device { "as in the checkpoint" } else { CHOSEN_BY_YOU };
        assert_eq!(device_reason, expected, "the settings leave the device open");
        finish(&mut resumed, &mut Vec::new()).await;
        assert_eq!(resumed.adapter().expect("an adapter").config, config, "the settings are what they were");
        assert!(choice != device || adapter(&resumed) == adapter(&run), "another adapter");
    }
}

#[wasm_bindgen_test(unsupported = pollster::test)]
async fn a_run_that_goes_on_counts_the_time_before() {
    let (model, (_, config)) = (tiny_model(), configs(12).remove(0));
    let mut run = start(&model, &config).await;
    while !matches!(run.next().await.expect("an event"), Some(Event::Eval { .. })) {}
    let mut checkpoint = run.checkpoint().await.expect("a checkpoint");
    // Longer than any process has been there.
    checkpoint.counters.milliseconds.0 = 1 << 42;
    let mut resumed = Run::resume(model, dataset(48, &config), checkpoint).await.expect("it goes on");
    let mut events = Vec::new();
    finish(&mut resumed, &mut events).await;
    let Some(Event::Done { seconds, .. }) = events.last() else { panic!("it is not done") };
    assert!(*seconds >= (1_u64 << 42) as f64 / 1e3, "{seconds} s");
}
