//! Stages on partial encoders, cached hidden states and pruning, in whole runs.

use softprompt::adapter::Matrix;
use softprompt::config::{DeviceChoice, Generator, HeadTransition, Method, PruneConfig, RunConfig, Schedule, Shrink};
use softprompt::data::batch::Example;
use softprompt::encoder::Encoder;
use softprompt::engine::compute::{Compute, read};
use softprompt::head::Linear;
use softprompt::prompt::{self, Start};
use softprompt::rng::Rng;
use softprompt::train::event::Event;
use softprompt::train::run::{Run, SampleLimits};
use softprompt::train::step::{Source, Trainer};
use wasm_bindgen_test::wasm_bindgen_test;

use crate::device::devices;
use crate::every_method::{base, dataset, finish, losses};
use crate::tiny::tiny_model;

async fn run(config: &RunConfig) -> (Run, Vec<Event>) {
    run_of(&tiny_model(), config).await
}

/// On one model, runs share its devices.
async fn run_of(model: &Encoder, config: &RunConfig) -> (Run, Vec<Event>) {
    let mut run = Run::start(model.clone(), dataset(48, config), config.clone()).await.expect("a run");
    let mut events = Vec::new();
    finish(&mut run, &mut events).await;
    (run, events)
}

#[wasm_bindgen_test(unsupported = pollster::test)]
async fn a_cache_changes_no_bit() {
    let model = tiny_model();
    for device in devices("a_cache_changes_no_bit").await {
        for generator in [Generator::None, Generator::Naive, Generator::Average, Generator::Max] {
            for layer in [0, 1] {
                // A software adapter is slow, and what the generators read is the same rows.
                if device == DeviceChoice::Gpu && (layer == 0 || generator == Generator::Naive || generator == Generator::Max) {
                    continue;
                }
                let mut config = RunConfig { device, ..base(20) };
                config.prompt.method = Method::Late;
                (config.prompt.late.generator, config.prompt.late.layer) = (generator, Some(layer));
                let (cached, events) = run_of(&model, &config).await;
                config.prompt.late.cache_mb = 0;
                let (plain, expected) = run_of(&model, &config).await;
                let what = format!("{generator:?} after {layer} layers on {device:?}");
                assert_eq!(losses(&events), losses(&expected), "{what}");
                assert_eq!(stored(&cached), stored(&plain), "{what}");
                // Every text went through the lower layers once instead of once an epoch.
                let (cached, plain) = (cached.cost().flops, plain.cost().flops);
                assert_eq!(layer == 0, cached == plain, "{what}: {cached} and {plain} operations");
                assert!(cached <= plain);
            }
        }
    }
}

fn stored(run: &Run) -> Vec<Matrix> {
    run.adapter().expect("an adapter").stored
}

/// Texts whose states take more than the smallest budget, one MiB: in every epoch some are there and some are made again.
#[wasm_bindgen_test(unsupported = pollster::test)]
async fn a_cache_that_runs_out_changes_no_bit() {
    let model = tiny_model();
    for device in devices("a_cache_that_runs_out_changes_no_bit").await {
        let mut runs = Vec::new();
        for budget in [512, 1, 0] {
            let mut config = RunConfig { device, ..base(28) };
            (config.prompt.method, config.prompt.late.cache_mb) = (Method::Late, budget);
            (config.optim.batch_size, config.eval.evaluations) = (64, 1);
            let limits = SampleLimits { watched: 30, learned: 0 };
            let mut run = Run::with_limits(model.clone(), dataset(1600, &config), config.clone(), limits).await.expect("a run");
            let mut events = Vec::new();
            while losses(&events).len() < 28 {
                events.push(run.next().await.expect("an event").expect("more"));
            }
            run.stop();
            finish(&mut run, &mut events).await;
            runs.push((losses(&events), stored(&run), run.cost()));
        }
        let [(losses, stored, whole), (some_losses, some_stored, some), (no_losses, no_stored, none)] = &runs[..] else {
            panic!("three runs")
        };
        assert!(losses == no_losses && some_losses == no_losses, "{device:?}");
        assert!(stored == no_stored && some_stored == no_stored, "{device:?}");
        let (whole, some, none) = (whole.flops, some.flops, none.flops);
        assert!(whole < some && some < none, "{device:?}: {whole}, {some} and {none} operations: the budget ran out midway");
    }
}

#[wasm_bindgen_test(unsupported = pollster::test)]
async fn no_member_of_an_ensemble_loses_more_than_its_share() {
    let mut config = base(30);
    config.prompt.method = Method::Ensemble;
    config.prompt.prune = Some(PruneConfig { tokens: 0.5, pieces: 4, piece_share: 0.5 });
    let (run, events) = run(&config).await;
    let piece = tiny_model().spec().hidden / 4;
    let values = stored(&run).swap_remove(0).values;
    let left = |part: &[f32]| part.chunks(piece).filter(|piece| piece.iter().any(|&value| value != 0.0)).count();
    let members: Vec<usize> = values.chunks(values.len() / 3).map(left).collect();
    assert_eq!(members, [4, 4, 4], "of the eight pieces of two of four rows each");
    assert!(events.iter().any(|event| matches!(event, Event::Pruned { pieces: 12, of: 48, .. })), "{events:?}");
    assert_eq!(run.cost().prompt_parameters, 12 * piece, "what is pruned is not trained");
}

#[wasm_bindgen_test(unsupported = pollster::test)]
async fn only_the_whole_encoder_gives_the_result() {
    for shrink in [Shrink::Depth, Shrink::Width, Shrink::Compound] {
        let mut config = base(40);
        (config.prompt.method, config.prompt.progressive.shrink) = (Method::Progressive, shrink);
        config.eval.evaluations = 10;
        let (run, events) = run(&config).await;
        let mut stage = (0, 0);
        let (mut stages, mut best) = (Vec::new(), Vec::new());
        let spec = tiny_model().spec().clone();
        for event in &events {
            match event {
                Event::Stage { stage: number, stages: of, layers, neurons, steps } => {
                    stage = (*number, *of);
                    stages.push((*layers, *neurons, *steps));
                }
                Event::Eval { step, best: true, .. } => {
                    assert_eq!(stage.0, stage.1, "{shrink:?}: step {step} is of a partial encoder");
                    best.push(*step);
                }
                _ => {}
            }
        }
        // Of the tiny encoder's two layers both always stay.
        let quarter = if shrink == Shrink::Depth { spec.ffn } else { spec.ffn / 4 };
        assert_eq!(stages.first(), Some(&(spec.layers, quarter, 8)), "{shrink:?}");
        assert_eq!(stages.last(), Some(&(spec.layers, spec.ffn, 16)), "{shrink:?}");
        assert_eq!(stages.iter().map(|stage| stage.2).collect::<Vec<_>>(), [8, 8, 8, 16], "{shrink:?}");
        assert!(best.first().is_some_and(|&step| step > 24), "{shrink:?}: the best are {best:?}");
        assert!(run.adapter().expect("an adapter").metrics.expect("figures").steps > 24);
    }
}

#[wasm_bindgen_test(unsupported = pollster::test)]
async fn narrow_stages_cost_less_and_scoring_is_counted() {
    let flops = |config: RunConfig| async move { run(&config).await.0.cost().flops };
    let (mut plain, mut narrow) = (base(40), base(40));
    plain.prompt.method = Method::Prompt;
    narrow.prompt.method = Method::Progressive;
    (narrow.prompt.progressive.shrink, narrow.prompt.progressive.score_texts) = (Shrink::Width, 1);
    let mut scored = narrow.clone();
    scored.prompt.progressive.score_texts = 39;
    let [plain, narrow, scored] = [flops(plain).await, flops(narrow).await, flops(scored).await];
    assert!(narrow < plain, "{narrow} and {plain} operations");
    assert!(scored > narrow, "{scored} and {narrow} operations");
}

#[wasm_bindgen_test(unsupported = pollster::test)]
async fn importance_is_the_derivative_of_a_factor_on_each_part() {
    let (model, mut config) = (tiny_model(), base(1));
    config.prompt.length = 3;
    let hidden = model.spec().hidden;
    let compute = Compute::cpu(model.weights());
    let method = prompt::method(&config, model.spec());
    let labels = ["a".to_owned(), "b".to_owned()];
    let start = Start {
        weights: model.weights(),
        tokenizer: model.tokenizer(),
        labels: &labels,
        longest: 8,
        states: &[],
        rng: Rng::stream(3, "prompt"),
    };
    let initial = method.initial(start).expect("first values");
    let mut rng = Rng::stream(4, "head");
    let head = Linear { weight: (0..2 * hidden).map(|_| rng.normal() as f32).collect(), bias: vec![0.0; 2] };
    let examples = [Example { tokens: vec![2, 7, 9, 3], label: 0 }, Example { tokens: vec![2, 11, 8, 12, 5, 3], label: 1 }];
    let trainer = |values: Vec<f32>| {
        let mut parameters = initial.clone();
        parameters[0].values = values;
        let source = Source::Encoder(compute.encoder.clone());
        let method = prompt::method(&config, model.spec());
        Trainer::new(&compute, source, model.weights(), method, parameters, head.clone(), &config).expect("a trainer")
    };
    let values = initial[0].values.clone();
    let width = hidden / 4;
    let importance = trainer(values.clone()).importance(&examples, &[0, 1], width).await.expect("importance");
    assert_eq!(importance.len(), 3 * 4);
    for (part, &importance) in importance.iter().enumerate() {
        let mut expected = 0.0;
        for example in [0, 1] {
            let mut loss = [0.0; 2];
            for (loss, factor) in loss.iter_mut().zip([1.02, 0.98]) {
                let mut scaled = values.clone();
                scaled[part * width..][..width].iter_mut().for_each(|value| *value *= factor);
                let gradients = trainer(scaled).gradients(&examples, &[example]).expect("a loss");
                *loss = f64::from(read(gradients.loss).await.expect("a loss")[0]);
            }
            expected += ((loss[0] - loss[1]) / 0.04).abs() / 2.0;
        }
        let difference = (f64::from(importance) - expected).abs();
        assert!(difference < 0.03 * expected + 2e-5, "part {part}: {importance} and {expected}");
    }
}

#[wasm_bindgen_test(unsupported = pollster::test)]
async fn pruned_parts_are_zero_and_the_rest_is_rewound() {
    let mut config = base(30);
    config.prompt.prune = Some(PruneConfig { tokens: 0.5, pieces: 4, piece_share: 0.5 });
    let (run, events) = run(&config).await;
    let hidden = tiny_model().spec().hidden;
    let adapter = run.adapter().expect("an adapter");
    let rows: Vec<&[f32]> = adapter.stored[0].values.chunks(hidden).collect();
    let left = |part: &&[f32]| part.iter().any(|&value| value != 0.0);
    assert_eq!(rows.iter().copied().filter(left).count(), 2, "of four rows");
    let pieces: Vec<&[f32]> = adapter.stored[0].values.chunks(hidden / 4).collect();
    assert_eq!(pieces.iter().copied().filter(left).count(), 4, "of the eight pieces of two rows");
    let told = events.iter().find(|event| matches!(event, Event::Pruned { .. }));
    assert_eq!(told, Some(&Event::Pruned { rows: 2, pieces: 4, of: 16 }));
    let classes = adapter.labels.len();
    let cost = run.cost();
    let trained = (cost.prompt_parameters, cost.head_parameters);
    assert_eq!(trained, (4 * hidden / 4, classes * (hidden + 1)), "what is pruned is not trained");
    // The second round begins at its own first step, behind all of the first.
    assert!(adapter.metrics.expect("figures").steps > 30);

    // A head that jumps about: its last values are not its best.
    (config.optim.head_lr, config.optim.schedule, config.eval.evaluations) = (3.0, Schedule::Constant, 10);
    let mut again = Run::start(tiny_model(), dataset(48, &config), config.clone()).await.expect("a run");
    let (mut best, mut pruned, mut last) = (None, false, None);
    while !pruned {
        match again.next().await.expect("an event").expect("more") {
            Event::Eval { best: true, .. } => {
                best = again.checkpoint().await.expect("a checkpoint").best.and_then(|best| best.state);
                last = None;
            }
            Event::Eval { best: false, .. } => last = Some(again.checkpoint().await.expect("a checkpoint").matrices),
            event => pruned = matches!(event, Event::Pruned { .. }),
        }
    }
    let (best, now) = (best.expect("a best"), again.checkpoint().await.expect("a checkpoint").matrices);
    assert_eq!(best.len(), 3);
    assert_ne!(last.expect("a last evaluation that is not the best")[0].values, best[0].values);
    for (best, now) in best.iter().zip(&now) {
        assert_eq!(best.values, now.values, "{} goes back to the best of the first round", best.name);
        assert!(best.moments.is_some() && now.moments.is_none(), "{}", now.name);
    }
    assert!(now[0].mask.is_some() && best[0].mask.is_none());
}

#[wasm_bindgen_test(unsupported = pollster::test)]
async fn a_run_stopped_on_a_partial_encoder_ends_on_the_whole_one() {
    let mut config = base(40);
    (config.prompt.method, config.prompt.progressive.shrink) = (Method::Progressive, Shrink::Width);
    let mut run = Run::start(tiny_model(), dataset(48, &config), config.clone()).await.expect("a run");
    let mut events = Vec::new();
    while losses(&events).len() < 10 {
        events.push(run.next().await.expect("an event").expect("more"));
    }
    assert!(run.adapter().is_err(), "nothing of a partial encoder can be taken home");
    run.stop();
    let mut rest = Vec::new();
    finish(&mut run, &mut rest).await;
    let whole = rest.iter().position(|event| matches!(event, Event::Stage { stage: 4, stages: 4, .. }));
    let judged = rest.iter().position(|event| matches!(event, Event::Eval { best: true, .. }));
    assert!(whole.is_some() && whole < judged, "{rest:?}");
    assert!(matches!(rest.last(), Some(Event::Done { stopped_early: true, stopped_by_user: true, .. })), "{rest:?}");
    assert!(run.adapter().is_ok());
}

#[wasm_bindgen_test(unsupported = pollster::test)]
async fn a_head_is_refitted_before_the_prompt_goes_on() {
    let mut config = base(400);
    (config.prompt.method, config.prompt.progressive.shrink) = (Method::Progressive, Shrink::Width);
    (config.prompt.progressive.head, config.prompt.progressive.refit_steps) = (HeadTransition::Refit, 40);
    let mut run = Run::start(tiny_model(), dataset(48, &config), config.clone()).await.expect("a run");
    // The prompt and the head where the second stage begins, behind 80 steps, then inside of the refit and behind it.
    let (mut begin, mut inside, mut behind) = (None, 0, 0);
    while let Some(event) = run.next().await.expect("an event") {
        let (Event::Step { .. } | Event::Stage { stage: 2, .. }) = event else { continue };
        let checkpoint = run.checkpoint().await.expect("a checkpoint");
        let [prompt, head, _] = &checkpoint.matrices[..] else { panic!("a prompt and a head") };
        match (checkpoint.counters.step, &begin) {
            (80, None) => begin = Some((prompt.values.clone(), head.values.clone())),
            (81..=120, Some((first, first_head))) => {
                assert_eq!(prompt.values, *first, "step {}", checkpoint.counters.step);
                assert_ne!(head.values, *first_head);
                inside += 1;
            }
            (137.., Some((first, _))) => {
                assert_ne!(prompt.values, *first);
                behind += 1;
                break;
            }
            _ => {}
        }
    }
    assert!(inside > 0 && behind > 0, "{inside} looks inside, {behind} behind");
}
