//! [`Account`]: the time of a run, and the cost of its parts.

use std::time::Duration;

use web_time::Instant;

use crate::engine::boundary::FrozenEncoder;
use crate::train::cost::Cost;
use crate::train::step::Trainer;

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

pub(super) struct Account {
    begin: Instant,
    /// Time before the run was resumed.
    pub(super) earlier: Duration,
    /// Seconds spent in steps.
    pub(super) stepping: f64,
    /// Seconds spent on the linear probe.
    pub(super) baseline: f64,
    /// Steps until the next read-back.
    pub(super) group: usize,
    pub(super) cost: Cost,
    /// What the current unit of work is charged to.
    pub(super) piece: Piece,
}

/// The beginning of a unit of work: its time, and the FLOPs before it.
pub(super) type Mark = (Instant, u64);

impl Account {
    /// The account of a run that began at `begin`.
    pub(super) fn new(begin: Instant) -> Self {
        Self {
            begin,
            earlier: Duration::ZERO,
            stepping: 0.0,
            baseline: 0.0,
            group: 1,
            cost: Cost::default(),
            piece: Piece::default(),
        }
    }

    pub(super) fn elapsed(&self) -> Duration {
        self.earlier + self.begin.elapsed()
    }

    /// Marks the beginning of a unit of work.
    pub(super) fn mark(&mut self, encoder: &FrozenEncoder) -> Mark {
        self.piece = Piece::default();
        let meter = encoder.meter();
        meter.take_peak();
        (Instant::now(), meter.flops())
    }

    /// Charges a unit of work. `trainer` works beside the encoder, possibly on a partial one.
    pub(super) fn charge(&mut self, (begin, before): Mark, encoder: &FrozenEncoder, trainer: Option<&Trainer>, is_partial: bool) {
        let flops = encoder.meter().flops().saturating_sub(before);
        match self.piece {
            Piece::Training => {
                self.cost.flops = self.cost.flops.saturating_add(flops);
                self.cost.seconds += begin.elapsed().as_secs_f64();
            }
            Piece::Evaluation => self.cost.evaluation_flops = self.cost.evaluation_flops.saturating_add(flops),
            Piece::Baseline => return,
        }
        let mut bytes = encoder.weight_bytes() + encoder.meter().take_peak();
        if let Some(trainer) = trainer {
            // The partial encoder of a stage is a copy beside the full one.
            let part = if is_partial { trainer.weight_bytes() } else { 0 };
            bytes += trainer.cache_bytes() + part;
            (self.cost.prompt_parameters, self.cost.head_parameters) = trainer.counts();
        }
        self.cost.peak_bytes = self.cost.peak_bytes.max(bytes);
    }
}
