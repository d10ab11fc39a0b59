//! [`Cost`]: what a run took.

use serde::{Deserialize, Serialize};

/// What a run took so far. Its baseline is not in it, unless that is the method.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Cost {
    /// Floating-point operations of the training, in the encoder ([`crate::engine::flops`]): steps, hidden states that were not
    /// cached, and what a method measures before it begins.
    pub flops: u64,
    /// Those of held-out evaluations.
    pub evaluation_flops: u64,
    /// Time of the training in seconds, evaluations left out.
    pub seconds: f64,
    /// Most bytes at once: the encoder's weights, those of a partial one beside it, the activations that a step keeps (as if none
    /// were made again), cached states.
    pub peak_bytes: u64,
    /// Trained numbers beside the head.
    pub prompt_parameters: usize,
    /// Trained numbers of the head.
    pub head_parameters: usize,
    /// Bytes of what inference needs, as f32; 0 before the first evaluation.
    pub adapter_bytes: u64,
}

impl Cost {
    /// With the work of another run before it: a method that was tried and not taken.
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
