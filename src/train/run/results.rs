//! [`Results`]: the best parameters of a run so far, and its linear probe.

use crate::error::{Error, Result};
use crate::eval::Metrics;
use crate::train::probe;
use crate::train::step::{MatrixState, Trained};

#[derive(Default)]
pub(super) struct Results {
    /// `None` before the first evaluation.
    pub(super) best: Option<Best>,
    /// `None` until it is trained, and if the run has none.
    pub(super) probe: Option<probe::Best>,
}

/// The parameters with the lowest held-out loss.
pub(super) struct Best {
    pub(super) step: usize,
    pub(super) loss: f64,
    pub(super) trained: Trained,
    pub(super) metrics: Metrics,
    /// Logits `[n, C]` of the watched or of all held-out examples.
    pub(super) scores: Vec<f32>,
    /// Whether they cover all held-out examples.
    pub(super) whole: bool,
    /// The whole trainer, if pruning will rewind to it.
    pub(super) state: Option<Vec<MatrixState>>,
}

impl Results {
    /// # Errors
    /// [`Error::Adapter`] before the first evaluation.
    pub(super) fn best(&self) -> Result<&Best> {
        let missing = || Error::adapter("there has been no evaluation yet", "wait for the first held-out evaluation");
        self.best.as_ref().ok_or_else(missing)
    }

    pub(super) fn probe_accuracy(&self) -> f64 {
        self.probe.as_ref().map_or(0.0, |probe| probe.metrics.accuracy)
    }

    /// Size of the parameters for inference in bytes, as f32; 0 before the first evaluation.
    pub(super) fn adapter_bytes(&self) -> u64 {
        let numbers = self.best.as_ref().map_or(0, |best| {
            let stored: usize = best.trained.stored.iter().map(|matrix| matrix.values.len()).sum();
            stored + best.trained.head_weight.len() + best.trained.head_bias.len()
        });
        (numbers * size_of::<f32>()) as u64
    }
}
