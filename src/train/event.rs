//! [`Event`]: what a run tells, the same to the terminal, `--json` and the page.

use serde::Serialize;

use crate::eval::ClassMetrics;

/// One thing that happened in a run.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[cfg_attr(all(test, not(target_family = "wasm")), derive(ts_rs::TS), ts(rename = "RunEvent"))]
pub enum Event {
    /// Data, encoder and device are ready.
    Started {
        /// Examples that are trained on.
        train_rows: usize,
        /// Examples that are only evaluated on.
        held_out_rows: usize,
        /// Class names, in the order of the logits.
        classes: Vec<String>,
        /// Optimizer steps of the whole run.
        steps: usize,
        /// Where the encoder runs.
        device: String,
        /// Why there.
        device_reason: String,
        /// Held-out accuracy of always answering the most frequent training class.
        majority_accuracy: f64,
        /// Trained numbers in the prompt.
        prompt_parameters: usize,
        /// Trained numbers in the head.
        head_parameters: usize,
        /// Texts longer than the limit, which were cut.
        truncated_texts: usize,
    },
    /// The baseline is being made, in turn with the first steps: texts go once through the frozen encoder, then the probe
    /// takes its steps.
    Preparing {
        /// Texts and steps so far.
        done: usize,
        /// Of all.
        total: usize,
    },
    /// The baseline is known, before the first evaluation: a linear head on the frozen features, same split, same budget.
    Probe {
        /// Held-out accuracy.
        accuracy: f64,
        /// Held-out macro-F1.
        macro_f1: f64,
    },
    /// An optimizer step. The loss is read back every few steps, so these come in groups.
    Step {
        /// Counted from 1.
        step: usize,
        /// Of the whole run.
        steps: usize,
        /// Mean cross-entropy of the batch before the update.
        loss: f32,
        /// Learning rate of the prompt in this step.
        learning_rate: f64,
        /// Rows through the encoder a second (prompt rows count), over the last group.
        tokens_per_second: f64,
        /// Since the run started.
        seconds: f64,
        /// Until the last step, at the pace so far.
        seconds_left: f64,
        /// Bytes that the training takes where the encoder computes: its weights, the activations of a step, cached hidden states.
        memory_bytes: u64,
    },
    /// The held-out examples were evaluated, or of very many a draw.
    Eval {
        /// After this many steps.
        step: usize,
        /// Mean held-out cross-entropy.
        loss: f64,
        /// Held-out accuracy.
        accuracy: f64,
        /// Held-out macro-F1.
        macro_f1: f64,
        /// Of an ensemble: the mean accuracy of its members, each alone.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[cfg_attr(all(test, not(target_family = "wasm")), ts(optional))]
        members_accuracy: Option<f64>,
        /// The lowest held-out loss so far: these parameters are kept.
        best: bool,
    },
    /// The steps go on with another part of the encoder.
    Stage {
        /// Counted from 1.
        stage: usize,
        /// Of all.
        stages: usize,
        /// Layers of the encoder now.
        layers: usize,
        /// Feed-forward neurons of each layer now.
        neurons: usize,
        /// Steps until the next stage or the end.
        steps: usize,
    },
    /// The least important parts of the trained prompt were pruned; what is left is trained again from where it was.
    Pruned {
        /// Rows that are left.
        rows: usize,
        /// Pieces of rows that are left.
        pieces: usize,
        /// Of all.
        of: usize,
    },
    /// Methods are being tried on a part of the rows, to choose one (`auto`).
    Trying {
        /// Which now, by its name in the settings.
        method: String,
        /// Steps of all trials so far.
        done: usize,
        /// Steps of all trials.
        total: usize,
    },
    /// A method was tried. The other events of its short run are not told.
    Trial {
        /// Which, by its name in the settings.
        method: String,
        /// Its lowest held-out loss.
        loss: f64,
        /// Held-out accuracy there.
        accuracy: f64,
        /// Time that it took.
        seconds: f64,
    },
    /// One is chosen, and its run on all rows follows.
    Chosen {
        /// Which, by its name in the settings.
        method: String,
        /// Why, in a sentence that says what the trials took.
        reason: String,
        /// Time that all trials took together.
        seconds: f64,
    },
    /// Something the user should know; the run goes on.
    Warning {
        /// What, and what to do.
        message: String,
    },
    /// Many held-out examples are being evaluated; at the end all of them, where they were too many for that on the way.
    Measuring {
        /// Texts so far.
        done: usize,
        /// Of all.
        total: usize,
    },
    /// The run is over; the figures are those of the best parameters.
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
        /// Since the run started.
        seconds: f64,
        /// Where the encoder ran.
        device: String,
        /// Stopped before its last step, by the user or for lack of progress.
        stopped_early: bool,
        /// Figures by class, in the order of the logits.
        per_class: Vec<ClassMetrics>,
        /// Held-out examples by true class (rows) and predicted class (columns).
        confusion: Vec<Vec<u64>>,
    },
}
