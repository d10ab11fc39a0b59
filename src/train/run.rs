//! [`Run`]: a whole training run, pulled event by event.

mod account;
mod baseline;
mod begin;
mod check;
mod finish;
mod rounds;
mod save;
mod steps;

pub use begin::Limits;

use std::collections::VecDeque;
use std::time::Duration;

use web_time::Instant;

use super::cost::Cost;
use super::event::Event;
use super::examples::{Examples, Scored};
use super::order::Order;
use super::probe;
use super::schedule::Budget;
use super::step::{MatrixState, Trained, Trainer};
use crate::adapter::{Adapter, AdapterMetrics, BaseModel};
use crate::config::RunConfig;
use crate::engine::compute::Compute;
use crate::error::{Error, Result};
use crate::eval::Metrics;
use crate::model::Model;
use crate::predict::Predictor;
use crate::prompt;
use account::Piece;
use baseline::Baseline;
use finish::Finish;
use rounds::Rounds;

/// Held-out texts between two events of an evaluation. In the browser, no message is processed in between.
const MOST_TEXTS: usize = 256;
/// Time of the linear probe alternating with the first steps, as a share of theirs. If it is not finished at the first
/// evaluation, the rest is computed then.
const BASELINE_SHARE: f64 = 0.5;

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
    /// `None` when nothing is left to do, also after an error.
    stage: Option<Stage>,
    pending: VecDeque<Event>,
    probe: Option<probe::Best>,
    progress: Progress,
    rounds: Rounds,
    best: Option<Best>,
    stopping: bool,
    /// Whether the method was selected by trials.
    pub(super) chosen: bool,
    begin: Instant,
    /// Time before the run was resumed.
    earlier: Duration,
    cost: Cost,
    piece: Piece,
}

enum Stage {
    /// Steps are being taken, and the linear probe is being computed.
    Training(Box<Training>),
    /// The best parameters are being evaluated on all held-out rows.
    Finishing(Box<Finish>),
}

struct Training {
    baseline: Baseline,
    /// `None` while there is nothing to train on: the features, if the method has no prompt.
    trainer: Option<Trainer>,
    /// One for each member.
    orders: Vec<Order>,
    /// Whether an evaluation is next or in progress.
    due: bool,
    /// Its logits so far.
    scored: Scored,
}

#[derive(Default)]
struct Progress {
    step: usize,
    /// Evaluations without a lower held-out loss.
    stale: usize,
    /// Steps until the next read-back.
    group: usize,
    /// Seconds spent in steps.
    stepping: f64,
    /// Seconds spent on the linear probe.
    baseline: f64,
}

struct Best {
    step: usize,
    loss: f64,
    trained: Trained,
    metrics: Metrics,
    /// Logits `[n, C]` of the watched or of all held-out examples.
    scores: Vec<f32>,
    /// Whether they cover all held-out examples.
    whole: bool,
    /// The whole trainer, if pruning will rewind to it.
    state: Option<Vec<MatrixState>>,
}

impl Run {
    /// Works until the next event; `None` after [`Event::Done`].
    ///
    /// # Errors
    /// [`Error::Diverged`] if the loss is not finite; [`Error::Device`] if the device failed. The best parameters so far remain
    /// available through [`Run::adapter`].
    pub async fn next(&mut self) -> Result<Option<Event>> {
        loop {
            if let Some(event) = self.pending.pop_front() {
                return Ok(Some(event));
            }
            // Not put back after an error, which ends the run.
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

    /// If the device is out of memory, that is reported instead of the errors that follow from it.
    fn cause(&self, error: Error) -> Error {
        match error {
            Error::Device { .. } | Error::Diverged { .. } => self.compute.encoder.check().err().unwrap_or(error),
            error => error,
        }
    }

    /// Ends the run: the best parameters so far become the result, or before the first evaluation the current ones. The linear
    /// probe is still finished, because every result is reported with it; drop the run to end it immediately. If only a sample of
    /// the held-out rows was evaluated, the metrics remain those of the sample.
    pub fn stop(&mut self) {
        self.stopping = true;
    }

    /// The best parameters so far, as an adapter.
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

    /// A predictor with the best parameters so far, on the device of the run.
    ///
    /// # Errors
    /// As [`Run::adapter`].
    pub fn predictor(&self) -> Result<Predictor> {
        Predictor::on(&self.compute, self.model.clone(), self.adapter()?)
    }

    fn best(&self) -> Result<&Best> {
        let missing = || Error::adapter("there has been no evaluation yet", "wait for the first held-out evaluation");
        self.best.as_ref().ok_or_else(missing)
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

    /// A unit of work: a part of the linear probe, a group of steps, or an evaluation.
    async fn train(&mut self, mut training: Box<Training>) -> Result<Option<Stage>> {
        let due = training.due || self.stopping;
        let behind = self.progress.baseline < BASELINE_SHARE * self.progress.stepping;
        if !matches!(training.baseline, Baseline::Known) && (due || behind || training.trainer.is_none()) {
            // Without a prompt it is the training itself: the features belong to the method.
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
}
