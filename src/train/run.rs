//! [`Run`]: a whole training run, pulled event by event.

use std::collections::VecDeque;
use std::sync::Arc;

use burn::tensor::Tensor;
use web_time::Instant;

use super::event::Event;
use super::examples::Examples;
use super::features::Features;
use super::order::Order;
use super::probe::Probe;
use super::schedule::Budget;
use super::step::{Source, Trained, Trainer};
use crate::adapter::{Adapter, AdapterMetrics, BaseModel};
use crate::config::{Method, RunConfig};
use crate::data::batch::{Example, PackedBatch};
use crate::data::dataset::{Dataset, TextRow};
use crate::engine::compute::{Compute, read};
use crate::error::{Error, Result};
use crate::eval::{Metrics, majority_accuracy};
use crate::model::Model;
use crate::model::head::Head;
use crate::predict::{EVAL_BATCH, Predictor};
use crate::prompt::{self, Start};
use crate::rng::Rng;

/// Losses are read back after about this many seconds, and after at most [`MOST_STEPS`] steps: a step never waits for the
/// CPU, and the CPU never runs further ahead.
const GROUP_SECONDS: f64 = 0.25;
const MOST_STEPS: usize = 16;

/// A training run.
pub struct Run {
    model: Model,
    config: RunConfig,
    compute: Compute,
    data_sha256: String,
    examples: Examples,
    budget: Budget,
    majority_accuracy: f64,
    stage: Stage,
    pending: VecDeque<Event>,
    probe_accuracy: f64,
    progress: Progress,
    best: Option<Best>,
    stopping: bool,
    begin: Instant,
}

enum Stage {
    /// Pooled rows of the frozen encoder are being computed, for the probe.
    Features(Features),
    /// The probe is being trained on them.
    Probe(Box<Probe>),
    /// Steps are being taken.
    Training(Box<Training>),
    /// Nothing is left to do.
    Over,
}

struct Training {
    trainer: Trainer,
    order: Order,
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
}

struct Best {
    step: usize,
    loss: f64,
    trained: Trained,
    metrics: Metrics,
}

impl Run {
    /// Tokenises, opens the device and gets ready; the first event is [`Event::Started`].
    ///
    /// # Errors
    /// [`Error::Config`] for a setting that cannot work, [`Error::Device`] where the device that the config asks for cannot be
    /// used, [`Error::Model`] where the encoder lacks what the config asks for.
    pub async fn start(model: Model, dataset: Dataset, config: RunConfig) -> Result<Self> {
        config.validate()?;
        let begin = Instant::now();
        let method = prompt::method(&config);
        let limit = model.text_limit(config.data.max_tokens, method.prompt_length())?;
        let rows: Vec<&TextRow> = dataset.train.iter().chain(&dataset.held_out).collect();
        let texts: Vec<&str> = rows.iter().map(|row| row.text.as_str()).collect();
        let encoded = model.tokenizer().encode_batch(&texts, limit)?;
        let truncated_texts = encoded.iter().filter(|encoded| encoded.cut > 0).count();
        let examples: Vec<Example> =
            encoded.into_iter().zip(&rows).map(|(encoded, row)| Example { tokens: encoded.ids, label: row.label }).collect();
        let train_rows = dataset.train.len();
        let sample = PackedBatch::new(examples.iter().take(config.optim.batch_size), method.prompt_length());
        let chosen = model.compute(config.device, &Arc::new(sample)).await?;
        chosen.compute.encoder.set_recompute(config.recompute);
        let (truth_train, truth_held_out): (Vec<u32>, Vec<u32>) =
            (dataset.train.iter().map(|row| row.label).collect(), dataset.held_out.iter().map(|row| row.label).collect());
        let hidden = model.spec().hidden;
        let majority_accuracy = majority_accuracy(&truth_train, &truth_held_out);
        let mut run = Self {
            data_sha256: dataset.sha256(),
            examples: Examples { all: examples, train_rows, labels: dataset.labels.clone() },
            compute: chosen.compute,
            stage: Stage::Features(Features::new(hidden)),
            pending: VecDeque::new(),
            probe_accuracy: 0.0,
            progress: Progress { group: 1, ..Progress::default() },
            best: None,
            stopping: false,
            begin,
            model,
            budget: Budget::new(&config, train_rows),
            majority_accuracy,
            config,
        };
        // A trainer is made once before anything long begins, so that a setting it cannot use is an error now.
        let features = Source::Features(Arc::new(Features::new(hidden)));
        let (prompt_parameters, head_parameters) = run.trainer(features, run.config.prompt.method)?.counts();
        run.pending.push_back(Event::Started {
            train_rows,
            held_out_rows: run.examples.all.len() - train_rows,
            classes: run.examples.labels.clone(),
            steps: run.budget.steps,
            device: run.compute.name.clone(),
            device_reason: chosen.reason,
            majority_accuracy,
            prompt_parameters,
            head_parameters,
            truncated_texts,
        });
        if truncated_texts > 0 {
            let message = format!("{truncated_texts} texts are longer than {limit} tokens and were cut");
            run.pending.push_back(Event::Warning { message });
        }
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
            match std::mem::replace(&mut self.stage, Stage::Over) {
                Stage::Over => return Ok(None),
                Stage::Features(features) => self.compute_features(features).await?,
                Stage::Probe(probe) => self.train_probe(probe).await?,
                Stage::Training(training) => self.train(training).await?,
            }
        }
    }

    /// Ends the run: the best parameters so far become the result, or before the first evaluation the parameters as they are.
    /// The baseline is still finished first, since every result is told beside it; drop the run to end it at once.
    pub fn stop(&mut self) {
        self.stopping = true;
    }

    /// The best parameters so far, with everything that is needed to use them.
    ///
    /// # Errors
    /// [`Error::Adapter`] before the first evaluation.
    pub fn adapter(&self) -> Result<Adapter> {
        let best = self
            .best
            .as_ref()
            .ok_or_else(|| Error::adapter("nothing has been evaluated yet", "wait for the first held-out evaluation"))?;
        Ok(Adapter {
            config: self.config.clone(),
            labels: self.examples.labels.clone(),
            prompt: best.trained.prompt.clone(),
            head_weight: best.trained.head_weight.clone(),
            head_bias: best.trained.head_bias.clone(),
            metrics: Some(
                AdapterMetrics {
                    accuracy: best.metrics.accuracy,
                    macro_f1: best.metrics.macro_f1,
                    probe_accuracy: self.probe_accuracy,
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

    fn trainer(&self, source: Source, method: Method) -> Result<Trainer> {
        let mut config = self.config.clone();
        config.prompt.method = method;
        let method = prompt::method(&config);
        let (weights, hidden) = (self.model.weights(), self.model.spec().hidden);
        let start = Start {
            weights,
            tokenizer: self.model.tokenizer(),
            labels: &self.examples.labels,
            rng: Rng::stream(self.config.seed, "prompt"),
        };
        let initial = method.initial(start)?;
        let head = Head::initial(self.examples.labels.len(), hidden);
        Trainer::new(&self.compute, source, weights, method, initial, head, &config)
    }

    /// One more batch of features; after the last, the probe begins.
    async fn compute_features(&mut self, mut features: Features) -> Result<()> {
        let (begin, total) = (features.len(), self.examples.all.len());
        if begin == total {
            let features = Arc::new(features);
            let trainer = self.trainer(Source::Features(features.clone()), Method::Probe)?;
            self.stage = Stage::Probe(Box::new(Probe::new(features, trainer, self.order())));
            return Ok(());
        }
        let end = (begin + EVAL_BATCH).min(total);
        let batch = Arc::new(PackedBatch::new(&self.examples.all[begin..end], 0));
        let none = Tensor::<2>::zeros([1, self.model.spec().hidden], &self.compute.device);
        let head = Head::new(&self.config.head, 0, self.model.weights(), &self.compute.device)?;
        let pooled = self.compute.encoder.encode(&batch, none, head.pooling())?;
        features.extend(&read(pooled).await?);
        self.compute.encoder.check()?;
        self.pending.push_back(Event::Preparing { done: end, total: total + self.budget.steps });
        self.stage = Stage::Features(features);
        Ok(())
    }

    /// Some more steps of the baseline; after the last, training proper begins.
    async fn train_probe(&mut self, mut probe: Box<Probe>) -> Result<()> {
        probe.train(&self.examples, &self.budget).await?;
        if probe.step() < self.budget.steps {
            let texts = self.examples.all.len();
            self.pending.push_back(Event::Preparing { done: texts + probe.step(), total: texts + self.budget.steps });
            self.stage = Stage::Probe(probe);
            return Ok(());
        }
        if let Some(metrics) = probe.best() {
            self.probe_accuracy = metrics.accuracy;
            self.pending.push_back(Event::Probe { accuracy: metrics.accuracy, macro_f1: metrics.macro_f1 });
        }
        let source = match prompt::method(&self.config).prompt_length() {
            0 => Source::Features(probe.into_features()),
            _ => Source::Encoder(self.compute.encoder.clone()),
        };
        let trainer = self.trainer(source, self.config.prompt.method)?;
        self.stage = Stage::Training(Box::new(Training { trainer, order: self.order() }));
        Ok(())
    }

    fn order(&self) -> Order {
        Order::new(self.examples.train_rows, self.config.optim.batch_size, self.config.seed)
    }

    /// A group of steps up to the next evaluation, their losses, and the evaluation if one is due.
    async fn train(&mut self, mut training: Box<Training>) -> Result<()> {
        let begin = Instant::now();
        let (mut losses, mut rows) = (Vec::new(), 0);
        let mut due = self.stopping;
        while !due && losses.len() < self.progress.group && self.progress.step < self.budget.steps {
            let rates = self.budget.rates(self.progress.step);
            let (loss, batch_rows) = training.trainer.step(&self.examples.all, training.order.next_batch(), rates)?;
            losses.push((loss, rates.prompt));
            rows += batch_rows;
            self.progress.step += 1;
            due = self.budget.evaluates_after(self.progress.step);
        }
        if !losses.is_empty() {
            self.report(losses, rows, begin).await?;
            training.trainer.check()?;
        }
        if due {
            let (loss, metrics) = self.examples.evaluate(&training.trainer).await?;
            self.keep(loss, metrics, &training.trainer).await?;
        }
        let patience = self.config.eval.patience.is_some_and(|patience| self.progress.stale >= patience);
        if self.stopping || patience || self.progress.step >= self.budget.steps {
            self.finish();
        } else {
            self.stage = Stage::Training(training);
        }
        Ok(())
    }

    /// Reads a group's losses back and tells its steps.
    async fn report(&mut self, losses: Vec<(Tensor<1>, f64)>, rows: usize, begin: Instant) -> Result<()> {
        let (tensors, rates): (Vec<_>, Vec<_>) = losses.into_iter().unzip();
        let values = read(Tensor::cat(tensors, 0)).await?;
        let group_seconds = begin.elapsed().as_secs_f64();
        self.progress.stepping += group_seconds;
        let per_step = group_seconds / values.len() as f64;
        self.progress.group = ((GROUP_SECONDS / per_step) as usize).clamp(1, MOST_STEPS);
        let left = (self.budget.steps - self.progress.step) as f64 * self.progress.stepping / self.progress.step as f64;
        let first = self.progress.step + 1 - values.len();
        for (i, (&loss, learning_rate)) in values.iter().zip(rates).enumerate() {
            if !loss.is_finite() {
                return Err(Error::Diverged { step: first + i, loss });
            }
            self.pending.push_back(Event::Step {
                step: first + i,
                steps: self.budget.steps,
                loss,
                learning_rate,
                tokens_per_second: rows as f64 / group_seconds,
                seconds: self.begin.elapsed().as_secs_f64(),
                seconds_left: left,
            });
        }
        Ok(())
    }

    /// Tells an evaluation, and keeps the parameters if they are the best so far.
    async fn keep(&mut self, loss: f64, metrics: Metrics, trainer: &Trainer) -> Result<()> {
        if !loss.is_finite() {
            return Err(Error::Diverged { step: self.progress.step, loss: loss as f32 });
        }
        let best = self.best.as_ref().is_none_or(|best| loss < best.loss);
        self.progress.stale = if best { 0 } else { self.progress.stale + 1 };
        self.pending.push_back(Event::Eval {
            step: self.progress.step,
            loss,
            accuracy: metrics.accuracy,
            macro_f1: metrics.macro_f1,
            best,
        });
        if best {
            self.best = Some(Best { step: self.progress.step, loss, trained: trainer.trained().await?, metrics });
        }
        Ok(())
    }

    fn finish(&mut self) {
        let Some(best) = &self.best else { return };
        self.pending.push_back(Event::Done {
            accuracy: best.metrics.accuracy,
            macro_f1: best.metrics.macro_f1,
            probe_accuracy: self.probe_accuracy,
            majority_accuracy: self.majority_accuracy,
            steps: self.progress.step,
            seconds: self.begin.elapsed().as_secs_f64(),
            device: self.compute.name.clone(),
            stopped_early: self.progress.step < self.budget.steps,
            per_class: best.metrics.per_class.clone(),
            confusion: best.metrics.confusion.clone(),
        });
    }
}
