//! Accounts for the cost of the parts of a run.

use web_time::Instant;

use super::{Run, Stage};
use crate::train::cost::Cost;

/// What a unit of work is charged to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Piece {
    /// The training.
    #[default]
    Training,
    /// A held-out evaluation.
    Evaluation,
    /// The linear probe beside a prompt, which is not charged.
    Baseline,
}

impl Run {
    /// The cost of the run so far.
    #[must_use]
    pub fn cost(&self) -> Cost {
        let numbers = self.best.as_ref().map_or(0, |best| {
            let stored: usize = best.trained.stored.iter().map(|matrix| matrix.values.len()).sum();
            stored + best.trained.head_weight.len() + best.trained.head_bias.len()
        });
        Cost { adapter_bytes: (numbers * size_of::<f32>()) as u64, ..self.cost }
    }

    /// Marks the beginning of a unit of work.
    pub(super) fn mark(&mut self) -> (Instant, u64) {
        self.piece = Piece::default();
        let meter = self.compute.encoder.meter();
        meter.take_kept();
        (Instant::now(), meter.flops())
    }

    /// Charges a unit of work.
    pub(super) fn charge(&mut self, (begin, before): (Instant, u64), stage: Option<&Stage>) {
        let encoder = &self.compute.encoder;
        let flops = encoder.meter().flops().saturating_sub(before);
        match self.piece {
            Piece::Training => {
                self.cost.flops = self.cost.flops.saturating_add(flops);
                self.cost.seconds += begin.elapsed().as_secs_f64();
            }
            Piece::Evaluation => self.cost.evaluation_flops = self.cost.evaluation_flops.saturating_add(flops),
            Piece::Baseline => return,
        }
        let mut bytes = encoder.weight_bytes() + encoder.meter().take_kept();
        if let Some(Stage::Training(training)) = stage
            && let Some(trainer) = &training.trainer
        {
            // The partial encoder of a stage is a copy beside the full one.
            let part = if self.is_partial() { trainer.weight_bytes() } else { 0 };
            bytes += trainer.cache_bytes() + part;
            (self.cost.prompt_parameters, self.cost.head_parameters) = trainer.counts();
        }
        self.cost.peak_bytes = self.cost.peak_bytes.max(bytes);
    }
}
