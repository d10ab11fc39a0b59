//! [`Run`]: a whole training run, pulled event by event.

mod account;
mod baseline;
mod begin;
mod check;
mod events;
mod finish;
mod progress;
mod results;
mod rounds;
mod save;
mod setup;
mod steps;
mod training;

pub use setup::SampleLimits;

use super::cost::Cost;
use super::event::Event;
use crate::adapter::{Adapter, AdapterMetrics, BaseModel};
use crate::error::Result;
use crate::eval::answers::Answers;
use crate::predict::Predictor;
use account::Account;
use events::Events;
use finish::Finish;
use progress::Progress;
use results::{Best, Results};
use setup::Setup;
use training::Training;

/// A training run.
pub struct Run {
    setup: Setup,
    progress: Progress,
    account: Account,
    results: Results,
    events: Events,
    /// `None` when nothing is left to do, also after an error.
    phase: Option<Phase>,
    stopping: bool,
    /// Whether the method was selected by trials.
    pub(super) chosen: bool,
}

/// The phase of a run.
enum Phase {
    /// Steps are being taken, and the linear probe is being computed.
    Training(Box<Training>),
    /// The best parameters are being evaluated on all held-out rows.
    Finishing(Box<Finish>),
}

impl Run {
    /// Works until the next event; `None` after [`Event::Done`].
    ///
    /// # Errors
    /// [`Error::Diverged`](crate::error::Error::Diverged) if the loss is not finite;
    /// [`Error::Device`](crate::error::Error::Device) if the device failed. The best parameters so far remain available through
    /// [`Run::adapter`].
    pub async fn next(&mut self) -> Result<Option<Event>> {
        loop {
            if let Some(event) = self.events.take() {
                return Ok(Some(event));
            }
            // Not restored after an error, which ends the run.
            let mark = self.account.mark(&self.setup.compute.encoder);
            let next = match self.phase.take() {
                None => return Ok(None),
                Some(Phase::Training(training)) => training.advance(self).await,
                Some(Phase::Finishing(finish)) => finish.advance(self).await,
            };
            self.phase = next.map_err(|error| self.setup.cause(error))?;
            let trainer = if let Some(Phase::Training(training)) = &self.phase { training.trainer.as_ref() } else { None };
            self.account.charge(mark, &self.setup.compute.encoder, trainer, self.progress.is_partial());
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
    /// [`Error::Adapter`](crate::error::Error::Adapter) before the first evaluation.
    pub fn adapter(&self) -> Result<Adapter> {
        let best = self.results.best()?;
        Ok(Adapter {
            config: self.setup.config.clone(),
            labels: self.setup.examples.labels.clone(),
            stored: best.trained.stored.clone(),
            head_weight: best.trained.head_weight.clone(),
            head_bias: best.trained.head_bias.clone(),
            metrics: Some(
                AdapterMetrics {
                    accuracy: best.metrics.accuracy,
                    macro_f1: best.metrics.macro_f1,
                    probe_accuracy: self.results.probe_accuracy(),
                    majority_accuracy: self.setup.majority_accuracy,
                    steps: best.step,
                }
                .rounded(),
            ),
            base_model: BaseModel {
                tokenizer_sha256: Some(self.setup.model.tokenizer().sha256()?.to_owned()),
                ..BaseModel::new(self.setup.model.name(), self.setup.model.sha256(), self.setup.model.spec())
            },
            data_sha256: Some(self.setup.data_sha256.clone()),
        })
    }

    /// A predictor with the best parameters so far, on the device of the run.
    ///
    /// # Errors
    /// As [`Run::adapter`].
    pub fn predictor(&self) -> Result<Predictor> {
        Predictor::on(&self.setup.compute, self.setup.model.clone(), self.adapter()?)
    }

    /// The predictions of the best parameters so far for every single held-out row that the metrics are computed on; after a
    /// stop, these are the watched rows. They are saved at the evaluation and not computed again.
    ///
    /// # Errors
    /// [`crate::error::Error::Adapter`] before the first evaluation.
    pub fn held_out(&self) -> Result<Answers> {
        let Best { scores, whole, .. } = self.results.best()?;
        let indices = if *whole { self.setup.examples.held_out().collect() } else { self.setup.examples.watched.clone() };
        let truth = indices.iter().map(|&index| self.setup.examples.all[index].label).collect();
        let rows = indices.iter().map(|&index| index - self.setup.examples.train_rows).collect();
        Answers::new(self.setup.examples.labels.clone(), rows, truth, scores)
    }

    /// The cost of the run so far.
    #[must_use]
    pub fn cost(&self) -> Cost {
        Cost { adapter_bytes: self.results.adapter_bytes(), ..self.account.cost }
    }
}
