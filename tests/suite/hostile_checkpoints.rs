//! Checkpoints that were damaged or edited: each part that cannot be is refused before anything is made of it.

use softprompt::config::{DeviceChoice, Method, PruneConfig, RunConfig};
use softprompt::train::checkpoint::Checkpoint;
use softprompt::train::event::Event;
use softprompt::train::run::Run;
use wasm_bindgen_test::wasm_bindgen_test;

use crate::every_method::{base, dataset, finish};
use crate::tiny::tiny_model;

/// A checkpoint of a run after so many evaluations.
async fn after(config: &RunConfig, evaluations: usize) -> Checkpoint {
    let mut run = Run::start(tiny_model(), dataset(48, config), config.clone()).await.expect("a run");
    for _ in 0..evaluations {
        while !matches!(run.next().await.expect("an event"), Some(Event::Eval { .. })) {}
    }
    run.checkpoint().await.expect("a checkpoint")
}

/// What a resumed run says of a checkpoint, through its bytes.
async fn resumed(config: &RunConfig, checkpoint: &Checkpoint) -> Result<Run, String> {
    let bytes = checkpoint.to_bytes().expect("bytes");
    let checkpoint = Checkpoint::from_bytes(&bytes).map_err(|error| error.to_string())?;
    Run::resume(tiny_model(), dataset(48, config), checkpoint).await.map_err(|error| error.to_string())
}

type Change = (&'static str, fn(&mut Checkpoint));

async fn all_refused(config: &RunConfig, good: &Checkpoint, changes: &[Change]) {
    resumed(config, good).await.expect("it can be continued");
    for (words, change) in changes {
        let mut changed = good.clone();
        change(&mut changed);
        assert!(changed != *good, "{words}: nothing is changed");
        let error = resumed(config, &changed).await.err().unwrap_or_else(|| panic!("{words}: it is taken"));
        assert!(error.contains(words), "{words}: {error}");
    }
}

#[wasm_bindgen_test(unsupported = pollster::test)]
async fn counters_that_cannot_be_are_refused() {
    let config = base(40);
    let changes: &[Change] = &[
        ("the round", |c| c.counters.round = 1),
        ("the round", |c| c.counters.round = usize::MAX),
        ("the step", |c| c.counters.before = 1),
        ("the step", |c| c.counters.before = usize::MAX),
        ("the position in the order", |c| c.counters.step -= 1),
        // Whole epochs later, so that the order is where it was.
        ("the step", |c| c.counters.step = usize::MAX),
        ("the step", |c| c.counters.step += 5 * 1000),
        ("evaluations without a lower loss", |c| c.counters.stale = usize::MAX),
        ("the stage", |c| c.counters.stage = Some(1)),
        ("the position in the order", |c| c.orders[0].2 -= 1),
        ("the position in the order", |c| c.orders[0].2 = usize::MAX),
        ("another split", |c| c.orders[0].1[0] = c.orders[0].1[1]),
        ("another split", |c| _ = c.orders[0].1.pop()),
        ("another method", |c| _ = c.orders.pop()),
        ("another method", |c| c.orders.push(c.orders[0].clone())),
    ];
    all_refused(&config, &after(&config, 2).await, changes).await;
}

#[wasm_bindgen_test(unsupported = pollster::test)]
async fn parameters_that_cannot_be_are_refused() {
    let config = base(40);
    let good = after(&config, 2).await;
    let probe: &[Change] = &[
        ("the linear probe", |c| c.probe.as_mut().unwrap().loss = f64::NAN),
        ("the linear probe", |c| _ = c.probe.as_mut().unwrap().trained.head_bias.pop()),
        ("another split", |c| c.probe.as_mut().unwrap().predicted[0] = 3),
        ("another split", |c| _ = c.probe.as_mut().unwrap().predicted.pop()),
    ];
    all_refused(&config, &good, if good.probe.is_some() { probe } else { panic!("the probe is known by now") }).await;
    let changes: &[Change] = &[
        ("do not match its settings", |c| _ = c.matrices.pop()),
        ("do not match its settings", |c| c.matrices[0].shape = [c.matrices[0].shape[1], c.matrices[0].shape[0]]),
        ("\"trainer.0\" has NaN", |c| c.matrices[0].values[3] = f32::NAN),
        ("the optimizer state", |c| c.matrices[0].moments.as_mut().unwrap().0 = usize::MAX),
        ("the optimizer state", |c| c.matrices[0].moments.as_mut().unwrap().0 = 0),
        ("the mask", |c| c.matrices[0].mask = Some(vec![1.0; c.matrices[0].values.len()])),
        ("the step of the best", |c| c.best.as_mut().unwrap().step = c.counters.step + 1),
        ("the loss of the best", |c| c.best.as_mut().unwrap().loss = f64::INFINITY),
        ("\"best.scores\" has NaN", |c| c.best.as_mut().unwrap().scores[0] = f32::NAN),
        ("another split", |c| _ = c.best.as_mut().unwrap().scores.pop()),
        ("the best parameters", |c| _ = c.best.as_mut().unwrap().trained.stored.pop()),
        ("the best parameters", |c| c.best.as_mut().unwrap().trained.stored[0].name = "other".to_owned()),
        ("\"best.stored.0\" has NaN", |c| c.best.as_mut().unwrap().trained.stored[0].values[0] = f32::NAN),
        ("the best parameters", |c| {
            let trained = &mut c.best.as_mut().unwrap().trained;
            trained.head_weight.extend(trained.head_weight.clone());
            trained.head_bias.extend(trained.head_bias.clone());
        }),
        ("the state of the best", |c| c.best.as_mut().unwrap().state = Some(c.matrices.clone())),
    ];
    all_refused(&config, &good, changes).await;
}

#[wasm_bindgen_test(unsupported = pollster::test)]
async fn stages_and_rounds_that_cannot_be_are_refused() {
    let mut config = base(40);
    config.prompt.method = Method::Progressive;
    let changes: &[Change] = &[
        ("the stage", |c| c.counters.stage = None),
        ("the stage", |c| c.counters.stage = Some(0)),
        ("the stage", |c| c.counters.stage = Some(4)),
        ("the stage", |c| c.counters.stage = Some(usize::MAX)),
    ];
    all_refused(&config, &after(&config, 2).await, changes).await;

    let mut config = base(20);
    config.prompt.prune = Some(PruneConfig { tokens: 0.5, pieces: 4, piece_share: 0.5 });
    let first: &[Change] = &[
        ("the state of the best", |c| c.best.as_mut().unwrap().state = None),
        ("do not match its settings", |c| _ = c.best.as_mut().unwrap().state.as_mut().unwrap().pop()),
        // Not pruned, but in the second round.
        ("the step", |c| c.counters.round = 1),
        ("the round", |c| c.counters.round = 2),
    ];
    all_refused(&config, &after(&config, 2).await, first).await;
    let second: &[Change] = &[
        ("the mask", |c| c.matrices[0].mask = None),
        ("the mask", |c| c.matrices[0].mask.as_mut().unwrap()[0] = 0.5),
        ("the step", |c| c.counters.before = 0),
        ("the step", |c| c.counters.before = c.counters.step + 1),
        ("the step", |c| c.counters.round = 0),
    ];
    all_refused(&config, &after(&config, 5).await, second).await;
}

/// Figures that are only told may be anything, and overflow nothing.
#[wasm_bindgen_test(unsupported = pollster::test)]
async fn figures_of_any_size_overflow_nothing() {
    let config = base(40);
    let mut checkpoint = after(&config, 2).await;
    checkpoint.counters.milliseconds = (u64::MAX, u64::MAX, u64::MAX);
    checkpoint.counters.work = (u64::MAX, u64::MAX, u64::MAX);
    let mut run = resumed(&config, &checkpoint).await.expect("it continues");
    finish(&mut run, &mut Vec::new()).await;
    assert_eq!(run.cost().flops, u64::MAX);
}

/// What a checkpoint says of its machine is told where the run continues on another one, and only there.
#[wasm_bindgen_test(unsupported = pollster::test)]
async fn another_machine_is_told() {
    let config = RunConfig { device: DeviceChoice::Auto, ..base(40) };
    let good = after(&config, 2).await;
    let warned = |run: Result<Run, String>| async move {
        let (mut run, mut events) = (run.expect("it continues"), Vec::new());
        finish(&mut run, &mut events).await;
        let told = |event: &Event| matches!(event, Event::Warning { message } if message.contains("the checkpoint was made on"));
        events.iter().filter(|event| told(event)).count()
    };
    assert_eq!(warned(resumed(&config, &good).await).await, 0);
    let mut elsewhere = good.clone();
    elsewhere.machine.as_mut().expect("it says where").name = "another GPU, another driver".to_owned();
    assert_eq!(warned(resumed(&config, &elsewhere).await).await, 1);
    let mut unknown = good;
    (unknown.machine, unknown.encoder_sha256) = (None, tiny_model().sha256().to_owned());
    assert_eq!(warned(resumed(&config, &unknown).await).await, 0, "an earlier version does not say where it was made");
}
