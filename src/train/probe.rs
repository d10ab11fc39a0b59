//! The linear probe of a run: the same head, budget, batches and selection of the best step, on the frozen encoder's features.

use std::sync::Arc;

use super::examples::{Examples, Scored};
use super::features::Features;
use super::order::Order;
use super::schedule::Budget;
use super::step::{Trained, Trainer};
use crate::error::Result;
use crate::eval::Metrics;

/// Steps between two events; the steps are cheap.
const STEPS: usize = 64;

/// A linear probe in training.
pub(super) struct Probe {
    features: Arc<Features>,
    trainer: Trainer,
    order: Order,
    budget: Budget,
    step: usize,
    best: Option<Best>,
}

/// A linear probe at its lowest held-out loss.
pub(super) struct Best {
    pub(super) loss: f64,
    pub(super) metrics: Metrics,
    pub(super) trained: Trained,
    /// Predicted class of each watched example.
    pub(super) predicted: Vec<u32>,
}

impl Probe {
    pub(super) fn new(features: Arc<Features>, trainer: Trainer, order: Order, budget: Budget) -> Self {
        Self { features, trainer, order, budget, step: 0, best: None }
    }

    /// Steps so far.
    pub(super) fn step(&self) -> usize {
        self.step
    }

    /// Number of all steps.
    pub(super) fn steps(&self) -> usize {
        self.budget.steps
    }

    pub(super) fn features(&self) -> Arc<Features> {
        self.features.clone()
    }

    /// The linear probe at its lowest held-out loss.
    pub(super) fn into_best(self) -> Option<Best> {
        self.best
    }

    /// Some more steps.
    pub(super) async fn train(&mut self, data: &Examples) -> Result<()> {
        let until = (self.step + STEPS).min(self.budget.steps);
        while self.step < until {
            self.trainer.step(&data.all, self.order.next_batch(), self.budget.rates(self.step))?;
            self.step += 1;
            if self.budget.evaluates_after(self.step) {
                let mut scored = Scored::default();
                data.score_next(&self.trainer, &mut scored, usize::MAX).await?;
                let scores = scored.scores;
                let (loss, metrics) = data.judge(&scores)?;
                if self.best.as_ref().is_none_or(|best| loss < best.loss) {
                    self.best =
                        Some(Best { loss, metrics, trained: self.trainer.trained().await?, predicted: data.predicted(&scores) });
                }
            }
        }
        Ok(())
    }
}
