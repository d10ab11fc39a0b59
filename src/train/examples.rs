//! The examples of a run, and how a trainer does on those that are held out.

use super::step::Trainer;
use crate::data::batch::Example;
use crate::error::Result;
use crate::eval::{Metrics, argmax, cross_entropy};
use crate::predict::EVAL_BATCH;

/// All examples of a run: those that are trained on, then those that are held out.
pub struct Examples {
    /// All examples, training ones first.
    pub all: Vec<Example>,
    /// How many are trained on.
    pub train_rows: usize,
    /// Class names, in the order of the logits.
    pub labels: Vec<String>,
}

impl Examples {
    /// Mean cross-entropy and metrics on the held-out examples.
    ///
    /// # Errors
    /// As [`Trainer::scores`].
    pub async fn evaluate(&self, trainer: &Trainer) -> Result<(f64, Metrics)> {
        let indices: Vec<usize> = (self.train_rows..self.all.len()).collect();
        let mut scores = Vec::with_capacity(indices.len() * self.labels.len());
        for chunk in indices.chunks(EVAL_BATCH) {
            scores.extend(trainer.scores(&self.all, chunk).await?);
        }
        let truth: Vec<u32> = self.all[self.train_rows..].iter().map(|example| example.label).collect();
        let predicted: Vec<u32> = scores.chunks(self.labels.len()).map(|row| argmax(row) as u32).collect();
        Ok((cross_entropy(&scores, &truth), Metrics::new(&self.labels, &truth, &predicted)?))
    }
}
