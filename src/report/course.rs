//! How a run went, as far as a report tells it.

/// What happened in a run.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Course {
    /// Examples that were trained on.
    pub train_rows: usize,
    /// Texts that were cut.
    pub truncated_texts: usize,
    /// Optimizer steps that were planned.
    pub steps: usize,
    /// Optimizer steps that were done.
    pub steps_done: usize,
    /// Time that it took, in seconds.
    pub seconds: f64,
    /// Whether it ended before its last step.
    pub stopped_early: bool,
    /// Where the encoder ran.
    pub device: String,
    /// Why there.
    pub device_reason: String,
    /// Trained numbers, in the prompt and in the head.
    pub parameters: (usize, usize),
    /// What was tried to choose a method, and why one was chosen.
    pub trials: Vec<Trial>,
    /// See `trials`.
    pub reason: Option<String>,
    /// Training loss after a step.
    pub losses: Vec<(usize, f32)>,
    /// Held-out evaluations, in order.
    pub evaluations: Vec<Evaluation>,
    /// Held-out accuracy of the linear probe, where it is known.
    pub probe_accuracy: Option<f64>,
    /// Held-out accuracy of always the most frequent class.
    pub majority_accuracy: f64,
    /// What the user was told.
    pub warnings: Vec<String>,
}

/// A method that was tried.
#[derive(Debug, Clone, PartialEq)]
pub struct Trial {
    /// Its name in the settings.
    pub method: String,
    /// Its lowest held-out loss.
    pub loss: f64,
    /// Held-out accuracy there.
    pub accuracy: f64,
    /// Time that it took, in seconds.
    pub seconds: f64,
}

/// A held-out evaluation on the way.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Evaluation {
    /// After this many steps.
    pub step: usize,
    /// Mean held-out cross-entropy.
    pub loss: f64,
    /// Held-out accuracy.
    pub accuracy: f64,
    /// Whether these parameters were kept.
    pub best: bool,
}
