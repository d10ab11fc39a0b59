//! [`Run`]: a whole training run, pulled event by event.

mod account;
mod baseline;
mod finish;
mod rounds;
mod save;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use burn::tensor::Tensor;
use web_time::Instant;

use super::cost::Cost;
use super::event::Event;
use super::examples::{Examples, Scored};
use super::features::Features;
use super::order::Order;
use super::probe;
use super::schedule::Budget;
use super::step::{MatrixState, Source, Trained, Trainer};
use crate::adapter::{Adapter, AdapterMetrics, BaseModel};
use crate::config::RunConfig;
use crate::data::batch::{Example, PackedBatch};
use crate::data::dataset::{Dataset, TextRow};
use crate::engine::boundary::FrozenEncoder;
use crate::engine::compute::{Compute, read};
use crate::error::{Error, Result};
use crate::eval::{Metrics, majority_accuracy};
use crate::model::Model;
use crate::model::head::Head;
use crate::predict::{EVAL_BATCH, Predictor};
use crate::prompt::{self, Start};
use crate::rng::Rng;
use account::Piece;
use baseline::Baseline;
use finish::Finish;
use rounds::Rounds;

/// Losses are read back after about this many seconds, and after at most [`MOST_STEPS`] steps: a step never waits for the
/// CPU, and the CPU never runs further ahead.
const GROUP_SECONDS: f64 = 0.25;
const MOST_STEPS: usize = 16;

/// Held-out texts between two events of an evaluation: in the browser nobody is heard meanwhile.
const MOST_TEXTS: usize = 256;
/// Time that the baseline takes beside the first steps, as a share of theirs. What is left of it at the first evaluation is
/// done then.
const BASELINE_SHARE: f64 = 0.5;

/// Rows beyond which figures are taken on a draw: each class with its share, the same draw for the same seed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Held-out rows of an evaluation on the way; the result is measured on all of them.
    pub watched: usize,
    /// Training rows of the linear probe beside a prompt; 0: there is none, and its accuracy is told as 0.
    pub learned: usize,
}

impl Default for Limits {
    /// The standard error of an accuracy on 2,000 rows is 1.1 points at most, and half a point at 95 %. The probe needs its
    /// rows: on the texts of `benches/import.rs` it reaches 98.5 % with 500 of them, 98.9 with 2,000, 99.2 with 5,000, 99.7 with
    /// 20,000, so that a small draw would flatter the prompt. A row costs it one pass in a run of many, and 4 D bytes: memory alone
    /// sets its limit (150 MB for D = 384).
    fn default() -> Self {
        Self { watched: 2000, learned: 100_000 }
    }
}

/// A training run.
pub struct Run {
    model: Model,
    config: RunConfig,
    limits: Limits,
    compute: Compute,
    data_sha256: String,
    examples: Examples,
    budget: Budget,
    majority_accuracy: f64,
    /// None when nothing is left to do, also after an error.
    stage: Option<Stage>,
    pending: VecDeque<Event>,
    probe: Option<probe::Best>,
    progress: Progress,
    rounds: Rounds,
    best: Option<Best>,
    stopping: bool,
    begin: Instant,
    /// Time that it took before it was resumed.
    earlier: Duration,
    cost: Cost,
    piece: Piece,
}

enum Stage {
    /// Steps are being taken, and the baseline is being made.
    Training(Box<Training>),
    /// The best parameters are being measured on all held-out rows.
    Finishing(Box<Finish>),
}

struct Training {
    baseline: Baseline,
    /// None as long as there is nothing to train on: the features, where the method has no prompt.
    trainer: Option<Trainer>,
    /// One for each member.
    orders: Vec<Order>,
    /// An evaluation comes next, or is under way.
    due: bool,
    /// Its class scores so far.
    scored: Scored,
}

#[derive(Default)]
struct Progress {
    step: usize,
    /// Evaluations without a lower loss.
    stale: usize,
    /// Steps until the next read-back.
    group: usize,
    /// Seconds spent in steps.
    stepping: f64,
    /// Seconds spent on the baseline.
    baseline: f64,
}

struct Best {
    step: usize,
    loss: f64,
    trained: Trained,
    metrics: Metrics,
    /// Class scores `[n, C]` of the watched examples, or of all that are held out.
    scores: Vec<f32>,
    /// Whether they are of all.
    whole: bool,
    /// The whole trainer, where pruning will go back to it.
    state: Option<Vec<MatrixState>>,
}

impl Run {
    /// Tokenises, opens the device and gets ready; the first event is [`Event::Started`].
    ///
    /// # Errors
    /// [`Error::Config`] for a setting that cannot work, [`Error::Device`] where the device that the config asks for cannot be
    /// used, [`Error::Model`] where the encoder lacks what the config asks for.
    pub async fn start(model: Model, dataset: Dataset, config: RunConfig) -> Result<Self> {
        Self::with_limits(model, dataset, config, Limits::default()).await
    }

    /// [`Run::start`] with other limits than the usual ones.
    ///
    /// # Errors
    /// As [`Run::start`].
    pub async fn with_limits(model: Model, dataset: Dataset, config: RunConfig, limits: Limits) -> Result<Self> {
        config.validate()?;
        let begin = Instant::now();
        let method = prompt::method(&config, model.spec());
        let limit = model.text_limit(config.data.max_tokens, method.prompt_length())?;
        let rows: Vec<&TextRow> = dataset.train.iter().chain(&dataset.held_out).collect();
        let texts: Vec<&str> = rows.iter().map(|row| row.text.as_str()).collect();
        let encoded = model.tokenizer().encode_batch(&texts, limit)?;
        let truncated_texts = encoded.iter().filter(|encoded| encoded.cut > 0).count();
        let examples: Vec<Example> =
            encoded.into_iter().zip(&rows).map(|(encoded, row)| Example { tokens: encoded.ids, label: row.label }).collect();
        let (train_rows, members) = (dataset.train.len(), method.members());
        let sample = PackedBatch::new(examples.iter().take(config.optim.batch_size), method.prompt_length());
        let chosen = model.compute(config.device, &Arc::new(sample)).await?;
        chosen.compute.encoder.set_recompute(config.recompute);
        let (truth_train, truth_held_out): (Vec<u32>, Vec<u32>) =
            (dataset.train.iter().map(|row| row.label).collect(), dataset.held_out.iter().map(|row| row.label).collect());
        let majority_accuracy = majority_accuracy(&truth_train, &truth_held_out);
        let mut run = Self {
            data_sha256: dataset.sha256(),
            examples: Examples::new(examples, train_rows, dataset.labels.clone(), limits.watched, config.seed),
            compute: chosen.compute,
            stage: None,
            pending: VecDeque::new(),
            probe: None,
            progress: Progress { group: 1, ..Progress::default() },
            rounds: Rounds::new(&config, &*method),
            best: None,
            stopping: false,
            begin,
            earlier: Duration::ZERO,
            cost: Cost::default(),
            piece: Piece::default(),
            model,
            budget: Budget::new(&config, train_rows),
            majority_accuracy,
            config,
            limits,
        };
        run.check_pruning()?;
        // Made before anything long begins, so that a setting it cannot use is an error now.
        let source = match run.has_prompt() {
            true => Source::Encoder(run.compute.encoder.clone()),
            false => Source::Features(Arc::new(Features::new(run.model.spec().hidden, Vec::new()))),
        };
        let trainer = run.trainer(source, &run.config).await?;
        let (prompt_parameters, head_parameters) = trainer.counts();
        (run.cost.prompt_parameters, run.cost.head_parameters) = (prompt_parameters, head_parameters);
        run.pending.push_back(Event::Started {
            train_rows,
            held_out_rows: run.examples.held_out().len(),
            classes: run.examples.labels.clone(),
            steps: run.all_steps(),
            device: run.compute.name.clone(),
            device_reason: chosen.reason,
            majority_accuracy,
            prompt_parameters,
            head_parameters,
            truncated_texts,
        });
        if truncated_texts > 0 {
            run.warn(format!("{truncated_texts} texts are longer than {limit} tokens and were cut"));
        }
        let baseline = if run.has_prompt() && limits.learned == 0 { Baseline::Known } else { run.baseline() };
        run.stage = Some(Stage::Training(Box::new(Training {
            baseline,
            trainer: run.has_prompt().then_some(trainer),
            orders: (0..members)
                .map(|member| Order::of_member(member, train_rows, run.config.optim.batch_size, run.config.seed))
                .collect(),
            due: false,
            scored: Scored::default(),
        })));
        Ok(run)
    }

    /// Works until there is something to tell; nothing more after [`Event::Done`].
    ///
    /// # Errors
    /// [`Error::Diverged`] where the loss is not finite; [`Error::Device`] where the device failed. The best parameters so far
    /// stay available through [`Run::adapter`].
    pub async fn next(&mut self) -> Result<Option<Event>> {
        loop {
            if let Some(event) = self.pending.pop_front() {
                return Ok(Some(event));
            }
            // Not put back where something fails: then the run is over.
            let mark = self.mark();
            let next = match self.stage.take() {
                None => return Ok(None),
                Some(Stage::Training(training)) => self.train(training).await,
                Some(Stage::Finishing(finish)) => self.measure(finish).await,
            };
            self.stage = next.map_err(|error| self.cause(error))?;
            let stage = self.stage.take();
            self.charge(mark, stage.as_ref());
            self.stage = stage;
        }
    }

    /// What a device without memory makes of all that follows says less than that it has none.
    fn cause(&self, error: Error) -> Error {
        match error {
            Error::Device { .. } | Error::Diverged { .. } => self.compute.encoder.check().err().unwrap_or(error),
            error => error,
        }
    }

    /// Ends the run: the best parameters so far become the result, or before the first evaluation the parameters as they are.
    /// The baseline is still finished first, since every result is told beside it; drop the run to end it at once. Where only a
    /// draw of the held-out rows was evaluated, the figures stay those of the draw.
    pub fn stop(&mut self) {
        self.stopping = true;
    }

    /// The best parameters so far, with everything that is needed to use them.
    ///
    /// # Errors
    /// [`Error::Adapter`] before the first evaluation.
    pub fn adapter(&self) -> Result<Adapter> {
        let best = self.best()?;
        Ok(Adapter {
            config: self.config.clone(),
            labels: self.examples.labels.clone(),
            stored: best.trained.stored.clone(),
            head_weight: best.trained.head_weight.clone(),
            head_bias: best.trained.head_bias.clone(),
            metrics: Some(
                AdapterMetrics {
                    accuracy: best.metrics.accuracy,
                    macro_f1: best.metrics.macro_f1,
                    probe_accuracy: self.probe_accuracy(),
                    majority_accuracy: self.majority_accuracy,
                    steps: best.step,
                }
                .rounded(),
            ),
            base_model: BaseModel::new(self.model.name(), self.model.sha256(), self.model.spec()),
            data_sha256: Some(self.data_sha256.clone()),
        })
    }

    /// A predictor with the best parameters so far, on this run's device.
    ///
    /// # Errors
    /// As [`Run::adapter`].
    pub fn predictor(&self) -> Result<Predictor> {
        Predictor::on(&self.compute, self.model.clone(), self.adapter()?)
    }

    fn best(&self) -> Result<&Best> {
        let missing = || Error::adapter("nothing has been evaluated yet", "wait for the first held-out evaluation");
        self.best.as_ref().ok_or_else(missing)
    }

    /// A trainer at its start, of the run's settings or of others for the same data.
    async fn trainer(&self, source: Source, config: &RunConfig) -> Result<Trainer> {
        let method = prompt::method(config, self.model.spec());
        let (weights, hidden) = (self.model.weights(), self.model.spec().hidden);
        let states = match (method.entry(), &source) {
            (Some(layers), Source::Encoder(encoder)) => self.some_states(encoder, layers).await?,
            _ => Vec::new(),
        };
        let start = Start {
            states: &states,
            longest: self.model.text_limit(self.config.data.max_tokens, method.prompt_length())?,
            weights,
            tokenizer: self.model.tokenizer(),
            labels: &self.examples.labels,
            rng: Rng::stream(self.config.seed, "prompt"),
        };
        let initial = method.initial(start)?;
        let head = Head::initial(method.members() * self.examples.labels.len(), hidden);
        Trainer::new(&self.compute, source, weights, method, initial, head, config)
    }

    /// Text rows `[n, D]` of the first training examples after some layers, on the host.
    async fn some_states(&self, encoder: &FrozenEncoder, layers: usize) -> Result<Vec<f32>> {
        let examples = self.examples.all.iter().take(self.examples.train_rows.min(EVAL_BATCH));
        let like = Tensor::<2>::zeros([1, 1], &self.compute.device);
        read(encoder.states(&Arc::new(PackedBatch::new(examples, 0)), layers, None, &like)?).await
    }

    fn warn(&mut self, message: String) {
        self.pending.push_back(Event::Warning { message });
    }

    fn elapsed(&self) -> Duration {
        self.earlier + self.begin.elapsed()
    }

    fn has_prompt(&self) -> bool {
        prompt::method(&self.config, self.model.spec()).prompt_length() > 0
    }

    fn probe_accuracy(&self) -> f64 {
        self.probe.as_ref().map_or(0.0, |probe| probe.metrics.accuracy)
    }

    /// A piece of work: some of the baseline, a group of steps, or an evaluation.
    async fn train(&mut self, mut training: Box<Training>) -> Result<Option<Stage>> {
        let due = training.due || self.stopping;
        let behind = self.progress.baseline < BASELINE_SHARE * self.progress.stepping;
        if !matches!(training.baseline, Baseline::Known) && (due || behind || training.trainer.is_none()) {
            // Without a prompt it is the training: the features are the method's.
            self.piece = if self.has_prompt() { Piece::Baseline } else { Piece::Training };
            let begin = Instant::now();
            self.go_on_with_baseline(&mut training).await?;
            self.progress.baseline += begin.elapsed().as_secs_f64();
        } else if let Some(trainer) = &mut training.trainer {
            // An evaluation that is due belongs to the stage of the last step.
            if (self.stopping || !training.due) && self.enters_stage() {
                self.enter_next_stage(trainer).await?;
            } else if due {
                self.piece = Piece::Evaluation;
                let total = self.examples.watched.len();
                let done = self.examples.go_on(trainer, &mut training.scored, MOST_TEXTS).await?;
                if done < total {
                    training.due = true;
                    self.pending.push_back(Event::Measuring { done, total });
                    return Ok(Some(Stage::Training(training)));
                }
                training.due = false;
                self.keep(std::mem::take(&mut training.scored), trainer).await?;
                if self.stopping || (self.round_is_over() && !self.prunes_next()) {
                    return self.finish();
                }
            } else if self.round_is_over() {
                self.prune(trainer).await?;
            } else {
                training.due = self.step(trainer, &mut training.orders).await?;
            }
        }
        Ok(Some(Stage::Training(training)))
    }

    /// A group of steps up to the next evaluation, and their losses. Says whether the evaluation is due.
    async fn step(&mut self, trainer: &mut Trainer, orders: &mut [Order]) -> Result<bool> {
        let begin = Instant::now();
        let (mut losses, mut rows) = (Vec::new(), 0);
        let mut due = false;
        while !due && losses.len() < self.progress.group && self.round_step() < self.budget.steps && !self.enters_stage() {
            let rates = self.rates();
            let indices: Vec<usize> = orders.iter_mut().flat_map(|order| order.next_batch().to_vec()).collect();
            let (loss, batch_rows) = trainer.step(&self.examples.all, &indices, rates)?;
            losses.push((loss, rates.prompt));
            rows += batch_rows;
            self.progress.step += 1;
            due = self.budget.evaluates_after(self.round_step());
        }
        // A part of the encoder, or none of it, is at work beside the whole.
        let whole = if self.is_partial() || !self.has_prompt() { self.compute.encoder.weight_bytes() } else { 0 };
        self.report(losses, rows, begin, whole + trainer.memory_bytes()).await?;
        trainer.check()?;
        Ok(due)
    }

    /// Reads a group's losses back and tells its steps.
    async fn report(&mut self, losses: Vec<(Tensor<1>, f64)>, rows: usize, begin: Instant, memory_bytes: u64) -> Result<()> {
        let (tensors, rates): (Vec<_>, Vec<_>) = losses.into_iter().unzip();
        let values = read(Tensor::cat(tensors, 0)).await?;
        let group_seconds = begin.elapsed().as_secs_f64();
        self.progress.stepping += group_seconds;
        let per_step = group_seconds / values.len() as f64;
        self.progress.group = ((GROUP_SECONDS / per_step) as usize).clamp(1, MOST_STEPS);
        let left = (self.all_steps() - self.progress.step) as f64 * self.progress.stepping / self.progress.step as f64;
        let first = self.progress.step + 1 - values.len();
        for (i, (&loss, learning_rate)) in values.iter().zip(rates).enumerate() {
            if !loss.is_finite() {
                return Err(Error::Diverged { step: first + i, loss });
            }
            self.pending.push_back(Event::Step {
                step: first + i,
                steps: self.all_steps(),
                loss,
                learning_rate,
                tokens_per_second: rows as f64 / group_seconds,
                seconds: self.elapsed().as_secs_f64(),
                seconds_left: left,
                memory_bytes,
            });
        }
        Ok(())
    }

    /// Tells an evaluation, and keeps the parameters if they are the best so far. On a partial encoder none are: their figures are
    /// those of another model.
    async fn keep(&mut self, Scored { scores, members_right }: Scored, trainer: &Trainer) -> Result<()> {
        let (loss, metrics) = self.examples.judge(&scores)?;
        if !loss.is_finite() {
            return Err(Error::Diverged { step: self.progress.step, loss: loss as f32 });
        }
        let best = !self.is_partial() && self.best.as_ref().is_none_or(|best| loss < best.loss);
        self.progress.stale = if best || self.is_partial() { 0 } else { self.progress.stale + 1 };
        self.pending.push_back(Event::Eval {
            step: self.progress.step,
            loss,
            accuracy: metrics.accuracy,
            macro_f1: metrics.macro_f1,
            members_accuracy: (trainer.members() > 1)
                .then(|| members_right as f64 / (trainer.members() * self.examples.watched.len()) as f64),
            best,
        });
        if best {
            let state = if self.prunes_next() { Some(trainer.state().await?) } else { None };
            let trained = trainer.trained().await?;
            self.best = Some(Best { step: self.progress.step, loss, trained, metrics, scores, whole: false, state });
        }
        Ok(())
    }
}
