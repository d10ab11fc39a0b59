//! The course of a run, for the report.

/// The course of a run.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Course {
    /// Number of training rows.
    pub train_rows: usize,
    /// Number of truncated texts.
    pub truncated_texts: usize,
    /// Planned optimizer steps.
    pub steps: usize,
    /// Optimizer steps that were done.
    pub steps_done: usize,
    /// Duration in seconds.
    pub seconds: f64,
    /// Whether it ended before its last step.
    pub stopped_early: bool,
    /// Whether that was the user's decision, not early stopping.
    pub stopped_by_user: bool,
    /// The device.
    pub device: String,
    /// Why this device.
    pub device_reason: String,
    /// Trainable parameters of the prompt and of the head.
    pub parameters: (usize, usize),
    /// Trials of the automatic selection.
    pub trials: Vec<Trial>,
    /// Why the automatic selection chose the method.
    pub reason: Option<String>,
    /// Training losses, with their step.
    pub losses: Vec<(usize, f32)>,
    /// Held-out evaluations, in order.
    pub evaluations: Vec<Evaluation>,
    /// Held-out accuracy of the linear probe, if known.
    pub probe_accuracy: Option<f64>,
    /// Held-out accuracy of the majority class.
    pub majority_accuracy: f64,
    /// Warnings of the run.
    pub warnings: Vec<String>,
}

/// A trial.
#[derive(Debug, Clone, PartialEq)]
pub struct Trial {
    /// The method's name in the settings.
    pub method: String,
    /// Its lowest held-out loss.
    pub loss: f64,
    /// Held-out accuracy there.
    pub accuracy: f64,
    /// Duration in seconds.
    pub seconds: f64,
}

/// A held-out evaluation during the run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Evaluation {
    /// After this many steps.
    pub step: usize,
    /// Mean held-out cross-entropy.
    pub loss: f64,
    /// Held-out accuracy.
    pub accuracy: f64,
    /// Whether this is the best step so far.
    pub best: bool,
}
