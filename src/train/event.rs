//! [`Event`]: the events of a run, the same for the terminal, `--json` and the page.

use serde::Serialize;

use crate::eval::ClassMetrics;

/// An event of a run.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[cfg_attr(all(test, not(target_family = "wasm")), derive(ts_rs::TS), ts(rename = "RunEvent"))]
pub enum Event {
    /// Data, encoder and device are ready.
    Started {
        /// Number of training rows.
        train_rows: usize,
        /// Number of held-out rows.
        held_out_rows: usize,
        /// Class names, in the order of the logits.
        classes: Vec<String>,
        /// Optimizer steps of the whole run.
        steps: usize,
        /// The device.
        device: String,
        /// Why this device.
        device_reason: String,
        /// Held-out accuracy of the majority class.
        majority_accuracy: f64,
        /// Trainable parameters of the prompt.
        prompt_parameters: usize,
        /// Trainable parameters of the head.
        head_parameters: usize,
        /// Texts longer than the limit, which are truncated.
        truncated_texts: usize,
    },
    /// The linear probe is being computed, alternating with the first steps: first its features with the frozen encoder, then its
    /// training steps.
    Preparing {
        /// Texts and steps so far.
        done: usize,
        /// Number of all texts and steps.
        total: usize,
    },
    /// The linear probe is finished, before the first evaluation: a linear head on the frozen encoder, with the same split and
    /// budget.
    Probe {
        /// Held-out accuracy.
        accuracy: f64,
        /// Held-out macro-F1.
        macro_f1: f64,
    },
    /// An optimizer step. Losses are read back every few steps, so these events come in groups.
    Step {
        /// Counted from 1.
        step: usize,
        /// Steps of the whole run.
        steps: usize,
        /// Mean cross-entropy of the batch before the update.
        loss: f32,
        /// Learning rate of the prompt in this step.
        learning_rate: f64,
        /// Throughput in packed rows per second (including prompt rows), over the last group.
        tokens_per_second: f64,
        /// Seconds since the start of the run.
        seconds: f64,
        /// Estimated seconds until the last step.
        seconds_left: f64,
        /// Memory of the training in bytes, where the encoder computes: weights, the activations of a step, cached hidden states.
        memory_bytes: u64,
    },
    /// An evaluation of the held-out rows, or of a sample if there are very many.
    Eval {
        /// After this many steps.
        step: usize,
        /// Mean held-out cross-entropy.
        loss: f64,
        /// Held-out accuracy.
        accuracy: f64,
        /// Held-out macro-F1.
        macro_f1: f64,
        /// For an ensemble: the mean accuracy of its members individually.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[cfg_attr(all(test, not(target_family = "wasm")), ts(optional))]
        members_accuracy: Option<f64>,
        /// Whether this is the lowest held-out loss so far.
        best: bool,
    },
    /// A stage begins: the following steps are on another partial encoder, or on the full encoder.
    Stage {
        /// Counted from 1.
        stage: usize,
        /// Number of stages.
        stages: usize,
        /// Layers of the encoder in this stage.
        layers: usize,
        /// Feed-forward neurons per layer in this stage.
        neurons: usize,
        /// Steps until the next stage or the end.
        steps: usize,
    },
    /// The least important parts of the prompt were pruned; the rest is trained further from its current state.
    Pruned {
        /// Remaining rows.
        rows: usize,
        /// Remaining pieces of rows.
        pieces: usize,
        /// Number of all pieces.
        of: usize,
    },
    /// A trial of automatic selection is in progress (`auto`).
    Trying {
        /// The method, by its name in the settings.
        method: String,
        /// Steps of all trials so far.
        done: usize,
        /// Steps of all trials.
        total: usize,
    },
    /// A trial is finished. Other events of its run are not reported.
    Trial {
        /// The method, by its name in the settings.
        method: String,
        /// Its lowest held-out loss.
        loss: f64,
        /// Accuracy at the lowest loss.
        accuracy: f64,
        /// Duration in seconds.
        seconds: f64,
    },
    /// The automatic selection has chosen a method; its run on all rows follows.
    Chosen {
        /// The method, by its name in the settings.
        method: String,
        /// The reason in a sentence, including the cost of the trials.
        reason: String,
        /// Duration of all trials in seconds.
        seconds: f64,
    },
    /// Something the user should know; the run continues.
    Warning {
        /// What it is, and what to do.
        message: String,
    },
    /// An evaluation of many held-out rows is in progress. At the end of a run it covers all of them, even if earlier ones used a
    /// sample.
    Measuring {
        /// Texts so far.
        done: usize,
        /// Number of all texts.
        total: usize,
    },
    /// The run is finished; the metrics are those of the best step.
    Done {
        /// Held-out accuracy.
        accuracy: f64,
        /// Held-out macro-F1.
        macro_f1: f64,
        /// Held-out accuracy of the linear probe.
        probe_accuracy: f64,
        /// Held-out accuracy of the majority class.
        majority_accuracy: f64,
        /// Optimizer steps done.
        steps: usize,
        /// Seconds since the start of the run.
        seconds: f64,
        /// The device.
        device: String,
        /// Whether it ended before its last step.
        stopped_early: bool,
        /// Whether that was the user's decision, not early stopping.
        stopped_by_user: bool,
        /// Metrics of each class, in the order of the logits.
        per_class: Vec<ClassMetrics>,
        /// Confusion matrix of the held-out rows: labels (rows) by predicted classes (columns).
        confusion: Vec<Vec<u64>>,
    },
}
