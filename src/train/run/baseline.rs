//! The linear probe beside a run: first its features, then its training, in small units.

use std::sync::Arc;

use burn::tensor::Tensor;

use super::{Run, Training};
use crate::data::batch::PackedBatch;
use crate::engine::boundary::{Inputs, Prompt};
use crate::engine::compute::read;
use crate::error::Result;
use crate::model::head::Head;
use crate::predict::EVAL_BATCH;
use crate::prompt::without_prompt;
use crate::train::event::Event;
use crate::train::features::Features;
use crate::train::order::Order;
use crate::train::probe::{Best, Probe};
use crate::train::schedule::Budget;
use crate::train::step::Source;

/// Progress of the linear probe.
pub(super) enum Baseline {
    /// Pooled rows of the frozen encoder are being computed, for a linear probe with this order and budget.
    Features(Features, Order, Budget),
    /// The linear probe is being trained on them.
    Probe(Box<Probe>),
    /// It is finished.
    Known,
}

impl Run {
    /// Prepares the linear probe. It needs the rows of its batches and the watched ones.
    pub(super) fn baseline(&mut self) -> Result<Baseline> {
        let (train_rows, held_out) = (self.examples.train_rows, self.examples.held_out().len());
        // If the linear probe is the method itself, it is trained on all rows.
        let most = if self.has_prompt() { self.limits.learned } else { train_rows };
        let learned = self.examples.learned(most, self.config.seed);
        let watched = self.examples.watched.len();
        if learned.len() < train_rows {
            self.warn(format!("the linear probe is trained on a sample of {} of the {train_rows} training rows", learned.len()));
        }
        if watched < held_out {
            self.warn(format!(
                "evaluations during training use a sample of {watched} of the {held_out} held-out rows; the final evaluation uses all of them"
            ));
        }
        let budget = Budget::new(&self.config, learned.len())?;
        let order = Order::over(learned, self.config.optim.batch_size, self.config.seed);
        let mut examples = order.reach(budget.steps);
        examples.extend(&self.examples.watched);
        Ok(Baseline::Features(Features::new(self.model.spec().hidden, examples), order, budget))
    }

    /// Computes one more batch of features, or some more steps of the linear probe.
    pub(super) async fn go_on_with_baseline(&mut self, training: &mut Training) -> Result<()> {
        training.baseline = match std::mem::replace(&mut training.baseline, Baseline::Known) {
            Baseline::Features(mut features, order, budget) if features.len() < features.total() => {
                let examples = features.missing(EVAL_BATCH).iter().map(|&example| &self.examples.all[example]);
                let batch = Arc::new(PackedBatch::new(examples, 0));
                let none = Tensor::<2>::zeros([1, self.model.spec().hidden], &self.compute.device);
                let head = Head::new(&self.config.head, 0, false, self.model.weights(), &self.compute.device)?;
                let pooled = self.compute.encoder.encode(&batch, Inputs::new(Prompt::None(none)), head.pooling())?;
                features.extend(&read(pooled).await?);
                self.compute.encoder.check()?;
                let (done, total) = (features.len(), features.total() + budget.steps);
                self.pending.push_back(Event::Preparing { done, total });
                Baseline::Features(features, order, budget)
            }
            Baseline::Features(features, order, budget) => {
                let features = Arc::new(features);
                let trainer = self.trainer(Source::Features(features.clone()), &without_prompt(&self.config)).await?;
                Baseline::Probe(Box::new(Probe::new(features, trainer, order, budget)))
            }
            Baseline::Probe(mut probe) if probe.step() < probe.steps() => {
                probe.train(&self.examples).await?;
                let texts = probe.features().total();
                self.pending.push_back(Event::Preparing { done: texts + probe.step(), total: texts + probe.steps() });
                Baseline::Probe(probe)
            }
            Baseline::Probe(probe) => {
                if training.trainer.is_none() {
                    training.trainer = Some(self.trainer(Source::Features(probe.features()), &self.config).await?);
                }
                self.probe = probe.into_best();
                if let Some(Best { metrics, .. }) = &self.probe {
                    self.pending.push_back(Event::Probe { accuracy: metrics.accuracy, macro_f1: metrics.macro_f1 });
                }
                Baseline::Known
            }
            Baseline::Known => Baseline::Known,
        };
        Ok(())
    }
}
