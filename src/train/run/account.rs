//! What the pieces of a run cost.

use web_time::Instant;

use super::{Run, Stage};
use crate::train::cost::Cost;

/// Whose account a piece of work goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Piece {
    /// The training.
    #[default]
    Training,
    /// A held-out evaluation.
    Evaluation,
    /// The baseline beside a prompt: nobody's.
    Baseline,
}

impl Run {
    /// What the run took so far.
    #[must_use]
    pub fn cost(&self) -> Cost {
        let numbers = self.best.as_ref().map_or(0, |best| {
            let stored: usize = best.trained.stored.iter().map(|matrix| matrix.values.len()).sum();
            stored + best.trained.head_weight.len() + best.trained.head_bias.len()
        });
        Cost { adapter_bytes: (numbers * size_of::<f32>()) as u64, ..self.cost }
    }

    /// Where a piece of work begins.
    pub(super) fn mark(&mut self) -> (Instant, u64) {
        self.piece = Piece::default();
        let meter = self.compute.encoder.meter();
        meter.take_kept();
        (Instant::now(), meter.flops())
    }

    /// Enters a piece of work into the account that it named.
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
            // The part of the encoder that a stage trains on is a copy beside the whole.
            let part = if self.is_partial() { trainer.weight_bytes() } else { 0 };
            bytes += trainer.cache_bytes() + part;
            (self.cost.prompt_parameters, self.cost.head_parameters) = trainer.counts();
        }
        self.cost.peak_bytes = self.cost.peak_bytes.max(bytes);
    }
}
