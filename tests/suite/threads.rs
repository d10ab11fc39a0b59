//! Several threads on one encoder: each gets, bit for bit, what it gets alone.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use pollster::block_on;
use rayon::prelude::*;
use softprompt::adapter::Adapter;
use softprompt::config::{DeviceChoice, Method, RunConfig};
use softprompt::encoder::Encoder;
use softprompt::engine::compute::Compute;
use softprompt::predict::Predictor;
use softprompt::train::run::Run;

use crate::device::{computes, devices, place};
use crate::every_method::{base, dataset, finish, losses};
use crate::tiny::tiny_model;

/// Generous: only a thread that waits for itself takes so long.
const LIMIT: Duration = Duration::from_secs(300);

/// An adapter of a method after a few steps.
fn adapter(model: &Encoder, method: Method) -> Adapter {
    let mut config = base(3);
    config.prompt.method = method;
    let mut run = block_on(Run::start(model.clone(), dataset(48, &config), config)).expect("a run");
    block_on(finish(&mut run, &mut Vec::new()));
    run.adapter().expect("an adapter")
}

/// The losses of a short training, which asks burn's graph for gradients in between.
fn trained(model: &Encoder) -> Vec<(usize, u32)> {
    let config = base(5);
    let mut run = block_on(Run::start(model.clone(), dataset(48, &config), config)).expect("a run");
    let mut events = Vec::new();
    block_on(finish(&mut run, &mut events));
    losses(&events)
}

/// Lists of texts, no two of the same size.
fn questions() -> Vec<Vec<String>> {
    let words = ["card", "lost", "bank", "play", "song", "happy", "rain", "cold", "weather"];
    let text = |seed: usize| (0..1 + seed % 7).map(|i| words[(seed * 5 + i * 3) % 9]).collect::<Vec<_>>().join(" ");
    (0..12).map(|list| (0..1 + list * 3).map(|i| text(list * 11 + i)).collect()).collect()
}

fn bits(predictor: &Predictor, texts: &[String]) -> Vec<u32> {
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    block_on(predictor.logits(&texts)).expect("scores").into_iter().map(f32::to_bits).collect()
}

/// One encoder, predictors of several methods on it, and what each says of every list, asked alone.
struct Shared {
    predictors: Vec<Predictor>,
    questions: Vec<Vec<String>>,
    answers: Vec<Vec<Vec<u32>>>,
}

impl Shared {
    fn new(compute: &Compute, model: &Encoder, methods: &[Method]) -> Arc<Self> {
        let predictor = |&method| Predictor::on(compute, model.clone(), adapter(model, method)).expect("a predictor");
        let predictors: Vec<Predictor> = methods.iter().map(predictor).collect();
        let questions = questions();
        let of = |predictor| questions.iter().map(|texts| bits(predictor, texts)).collect();
        let answers = predictors.iter().map(of).collect();
        Arc::new(Self { predictors, questions, answers })
    }

    /// Whether a predictor says of a list what it said alone.
    fn agrees(&self, number: usize) -> bool {
        let (predictor, list) = (number % self.predictors.len(), number % self.questions.len());
        bits(&self.predictors[predictor], &self.questions[list]) == self.answers[predictor][list]
    }
}

#[test]
fn threads_get_their_own_answers() {
    let model = tiny_model();
    for compute in block_on(computes(&model, "threads_get_their_own_answers")) {
        let rounds = if compute.gpu { 20 } else { 100 };
        let shared = Shared::new(&compute, &model, &[Method::Prompt, Method::Late, Method::Deep, Method::Efficient]);
        let wrong: usize = thread::scope(|scope| {
            let ask = |thread: usize| {
                let shared = &shared;
                scope.spawn(move || (0..rounds).filter(|round| !shared.agrees(thread * 5 + round)).count())
            };
            let threads: Vec<_> = (0..4).map(ask).collect();
            threads.into_iter().map(|thread| thread.join().expect("no panic")).sum()
        });
        assert_eq!(wrong, 0, "answers of {} are not the thread's own on {}", 4 * rounds, place(&compute));
    }
}

/// A worker of rayon's pool that waits for its share of a pass may begin another job meanwhile, which asks the same encoder.
#[test]
fn workers_of_the_pool_do_not_wait_for_themselves() {
    let model = tiny_model();
    let shared = Shared::new(&Compute::cpu(model.weights()), &model, &[Method::Prompt, Method::Late]);
    let alone = trained(&model);
    let (sender, receiver) = channel();
    thread::spawn(move || {
        let agrees = |number: usize| if number % 50 == 7 { trained(&model) == alone } else { shared.agrees(number) };
        // Four, on any machine: with two the first design, one lock for a pass, got through.
        let pool = rayon::ThreadPoolBuilder::new().num_threads(4).build().expect("threads");
        let wrong = pool.install(|| (0..400).into_par_iter().filter(|&number| !agrees(number)).count());
        // Nobody listens after the limit.
        let _ = sender.send(wrong);
    });
    let wrong = receiver.recv_timeout(LIMIT).expect("the workers wait for themselves");
    assert_eq!(wrong, 0, "answers of 400 are not the worker's own");
}

#[test]
fn a_training_and_predictions_share_an_encoder() {
    let model = tiny_model();
    for device in block_on(devices("a_training_and_predictions_share_an_encoder")) {
        let steps = if device == DeviceChoice::Cpu { 200 } else { 40 };
        let mut config = RunConfig { device, ..base(steps) };
        config.prompt.method = Method::Late;
        let train = || {
            let mut run = block_on(Run::start(model.clone(), dataset(48, &config), config.clone())).expect("a run");
            let mut events = Vec::new();
            block_on(finish(&mut run, &mut events));
            (losses(&events), run.adapter().expect("an adapter").files().expect("files"))
        };
        let alone = train();
        let predictor = block_on(Predictor::new(model.clone(), adapter(&model, Method::Prompt), device)).expect("a predictor");
        let questions = questions();
        let answers: Vec<_> = questions.iter().map(|texts| bits(&predictor, texts)).collect();
        let over = &AtomicBool::new(false);
        thread::scope(|scope| {
            let asking = scope.spawn(|| {
                let mut asked = 0;
                while !over.load(Ordering::SeqCst) {
                    let list = asked % questions.len();
                    assert_eq!(bits(&predictor, &questions[list]), answers[list], "list {list} on {device:?}");
                    asked += 1;
                }
                asked
            });
            let beside = scope.spawn(train).join();
            over.store(true, Ordering::SeqCst);
            let asked = asking.join().expect("the predictions are those of a lone call");
            assert!(beside.expect("a training") == alone, "the training on {device:?} became another one");
            assert!(asked > 3, "only {asked} lists were asked beside the training");
        });
    }
}
