//! The baseline of a run: the same head, budget, batches and selection, on the frozen features.

use std::sync::Arc;

use super::examples::Examples;
use super::features::Features;
use super::order::Order;
use super::schedule::Budget;
use super::step::Trainer;
use crate::error::Result;
use crate::eval::Metrics;

/// Steps between two events; they are small.
const STEPS: usize = 64;

/// A probe in training.
pub(super) struct Probe {
    features: Arc<Features>,
    trainer: Trainer,
    order: Order,
    step: usize,
    best: Option<(f64, Metrics)>,
}

impl Probe {
    pub(super) fn new(features: Arc<Features>, trainer: Trainer, order: Order) -> Self {
        Self { features, trainer, order, step: 0, best: None }
    }

    /// Steps so far.
    pub(super) fn step(&self) -> usize {
        self.step
    }

    /// Figures at the lowest held-out loss so far.
    pub(super) fn best(&self) -> Option<&Metrics> {
        self.best.as_ref().map(|(_, metrics)| metrics)
    }

    pub(super) fn into_features(self) -> Arc<Features> {
        self.features
    }

    /// Some more steps.
    pub(super) async fn train(&mut self, data: &Examples, budget: &Budget) -> Result<()> {
        let until = (self.step + STEPS).min(budget.steps);
        while self.step < until {
            self.trainer.step(&data.all, self.order.next_batch(), budget.rates(self.step))?;
            self.step += 1;
            if budget.evaluates_after(self.step) {
                let (loss, metrics) = data.evaluate(&self.trainer).await?;
                if self.best.as_ref().is_none_or(|(lowest, _)| loss < *lowest) {
                    self.best = Some((loss, metrics));
                }
            }
        }
        Ok(())
    }
}
