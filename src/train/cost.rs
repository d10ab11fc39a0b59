//! [`Cost`]: the cost of a run.

use serde::{Deserialize, Serialize};

/// The cost of a run so far. It does not include the linear probe, unless that is the method.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Cost {
    /// FLOPs of the training, in the encoder ([`crate::engine::flops`]): steps, hidden states that were not cached, and
    /// measurements of the method before training.
    pub flops: u64,
    /// FLOPs of held-out evaluations.
    pub evaluation_flops: u64,
    /// Training time in seconds, without evaluations.
    pub seconds: f64,
    /// Peak memory in bytes: the encoder's weights, those of a partial encoder, the saved activations of a step (without
    /// activation recomputation), and cached hidden states.
    pub peak_bytes: u64,
    /// Trainable parameters without the head.
    pub prompt_parameters: usize,
    /// Trainable parameters of the head.
    pub head_parameters: usize,
    /// Size of the parameters for inference in bytes, as f32; 0 before the first evaluation.
    pub adapter_bytes: u64,
}

impl Cost {
    /// Adds the work of an earlier run, such as a trial.
    #[must_use]
    pub fn after(self, other: &Self) -> Self {
        Self {
            flops: self.flops.saturating_add(other.flops),
            evaluation_flops: self.evaluation_flops.saturating_add(other.evaluation_flops),
            seconds: self.seconds + other.seconds,
            peak_bytes: self.peak_bytes.max(other.peak_bytes),
            ..self
        }
    }
}
