//! [`RunConfig`]: the settings of a run. The command line fills it, the page edits it, and the adapter stores it. All defaults
//! are in this module and nowhere else.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

pub mod describe;
mod methods;

pub use methods::{
    AutoConfig, EfficientConfig, EnsembleConfig, Generator, HeadTransition, LateConfig, ProgressiveConfig, PruneConfig, Reads,
    Shrink, StageConfig, Vote,
};

/// The largest seed. JavaScript represents every whole number up to it exactly.
pub const LARGEST_SEED: u64 = (1 << 53) - 1;

/// The largest number of optimizer steps of a run. Any count of steps fits into 32 bits.
pub const MOST_STEPS: u64 = 100_000_000;

/// Everything that a run depends on, except the data and the encoder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
#[cfg_attr(all(test, not(target_family = "wasm")), derive(ts_rs::TS))]
pub struct RunConfig {
    /// Where texts and labels are, and how they are split.
    pub data: DataConfig,
    /// The prompt.
    pub prompt: PromptConfig,
    /// From the pooled hidden state to the logits.
    pub head: HeadConfig,
    /// The optimizer and its number of steps.
    pub optim: OptimConfig,
    /// Held-out evaluation.
    pub eval: EvalConfig,
    /// The seed of all random draws (at most 2^53 - 1, which JavaScript represents exactly).
    pub seed: u64,
    /// The compute device.
    pub device: DeviceChoice,
    /// Activation recomputation on the GPU.
    pub recompute: Recompute,
}

/// Activation recomputation on the GPU: whether a training step saves all activations for its backward pass, or discards the
/// largest and computes them again. This takes less than half of the memory and about 20% more time; the losses are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(all(test, not(target_family = "wasm")), derive(ts_rs::TS))]
pub enum Recompute {
    /// If the activations are larger than the largest buffer of the GPU.
    #[default]
    Auto,
    /// Always.
    On,
    /// Never.
    Off,
}

/// Where texts and labels are, and how they are split.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[cfg_attr(all(test, not(target_family = "wasm")), derive(ts_rs::TS))]
pub struct DataConfig {
    /// Name of the text column, or its number counted from 1; guessed if absent.
    pub text_column: Option<String>,
    /// Name of the label column, or its number counted from 1; guessed if absent.
    pub label_column: Option<String>,
    /// Row of the file with the column names, counted from 1; 0 if no row has them; detected if absent.
    pub header_row: Option<usize>,
    /// Name of the sheet of a workbook; the first with content if absent.
    pub sheet: Option<String>,
    /// Labels that look the same (`Spam` and `spam`, `card_lost` and `card lost`) are one class.
    pub merge_labels: bool,
    /// Name of the column that says which rows are held out, or its number counted from 1; detected if absent, not used if it is
    /// empty or `none`.
    pub split_column: Option<String>,
    /// Share of the rows that is held out, stratified by class; not used with a held-out file or a split column.
    pub held_out_fraction: f64,
    /// Maximum length of a text in tokens, including `[CLS]` and `[SEP]`; longer texts are truncated and counted.
    pub max_tokens: usize,
}

impl Default for DataConfig {
    fn default() -> Self {
        Self {
            text_column: None,
            label_column: None,
            header_row: None,
            sheet: None,
            merge_labels: false,
            split_column: None,
            held_out_fraction: 0.2,
            max_tokens: 128,
        }
    }
}

/// The methods that a run can use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(all(test, not(target_family = "wasm")), derive(ts_rs::TS))]
pub enum Method {
    /// No prompt: a linear head on the frozen encoder. The baseline.
    Probe,
    /// Prompt tuning (Lester et al. 2021).
    #[default]
    Prompt,
    /// Late prompt tuning: the prompt is inserted after some layers (Liu et al. 2022).
    Late,
    /// Progressive prompt tuning: trains on partial encoders first (FPT, Huang et al. 2022).
    Progressive,
    /// Efficient prompt tuning: a short prompt and a low-rank update of the text embeddings, with fusion and projection (EPT on
    /// DePT).
    Efficient,
    /// Keys and values of prefix rows in every layer (P-tuning v2, Liu et al. 2022).
    Deep,
    /// Several prompts on one encoder, which vote (Lester et al. 2021, section 6).
    Ensemble,
    /// Automatic selection: the best of several methods, chosen by trials.
    Auto,
}

/// Initialisation of the prompt rows (Lester et al. 2021, section 3.2).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(all(test, not(target_family = "wasm")), derive(ts_rs::TS))]
pub enum PromptInit {
    /// Normally distributed, with the standard deviation of the token embeddings.
    Random,
    /// Token embeddings, drawn without replacement.
    Vocabulary,
    /// Row i is the mean of the token embeddings of class name i; remaining rows are drawn from the vocabulary.
    #[default]
    Labels,
    /// The token embeddings of a text, repeated up to the prompt's length.
    Text(String),
}

/// The prompt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[cfg_attr(all(test, not(target_family = "wasm")), derive(ts_rs::TS))]
pub struct PromptConfig {
    /// The method.
    pub method: Method,
    /// Prompt length: virtual tokens P.
    pub length: usize,
    /// Initialisation of the rows.
    pub init: PromptInit,
    /// Settings of [`Method::Late`].
    pub late: LateConfig,
    /// Settings of [`Method::Progressive`].
    pub progressive: ProgressiveConfig,
    /// Settings of [`Method::Efficient`].
    pub efficient: EfficientConfig,
    /// Settings of [`Method::Ensemble`].
    pub ensemble: EnsembleConfig,
    /// Pruning after training, then another round of training; none if absent.
    pub prune: Option<PruneConfig>,
    /// Settings of [`Method::Auto`].
    pub auto: AutoConfig,
}

impl Default for PromptConfig {
    fn default() -> Self {
        Self {
            method: Method::default(),
            length: 10,
            init: PromptInit::default(),
            late: LateConfig::default(),
            progressive: ProgressiveConfig::default(),
            efficient: EfficientConfig::default(),
            ensemble: EnsembleConfig::default(),
            prune: None,
            auto: AutoConfig::default(),
        }
    }
}

/// Pooling: what the head reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(all(test, not(target_family = "wasm")), derive(ts_rs::TS))]
pub enum HeadKind {
    /// Mean of all rows of the example, including prompt rows (prefix rows are not among them).
    #[default]
    Mean,
    /// Mean of the text rows.
    Text,
    /// The hidden state of `[CLS]`.
    Cls,
    /// Row 0 (the first virtual token) through the encoder's pooler and tanh. This is what PEFT computes for sequence
    /// classification; PEFT can load such adapters.
    Peft,
}

/// From the pooled hidden state to the logits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[cfg_attr(all(test, not(target_family = "wasm")), derive(ts_rs::TS))]
pub struct HeadConfig {
    /// Pooling.
    pub kind: HeadKind,
    /// The pooled features are multiplied by this before the linear layer (not with [`HeadKind::Peft`]). The hidden states of a
    /// small encoder are short vectors; a larger scale lets the head learn as fast as the prompt.
    pub feature_scale: f64,
}

impl Default for HeadConfig {
    fn default() -> Self {
        Self { kind: HeadKind::default(), feature_scale: 2.0 }
    }
}

/// Learning-rate schedule after the warm-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(all(test, not(target_family = "wasm")), derive(ts_rs::TS))]
pub enum Schedule {
    /// Cosine decay to zero.
    #[default]
    Cosine,
    /// Linear decay to zero.
    Linear,
    /// No decay.
    Constant,
}

/// AdamW (Loshchilov and Hutter 2019) with two learning rates, and the number of steps.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[cfg_attr(all(test, not(target_family = "wasm")), derive(ts_rs::TS))]
pub struct OptimConfig {
    /// Learning rate of the prompt.
    pub prompt_lr: f64,
    /// Learning rate of the head.
    pub head_lr: f64,
    /// Decoupled weight decay.
    pub weight_decay: f64,
    /// Batch size: examples per step.
    pub batch_size: usize,
    /// Optimizer steps; overrides `epochs`.
    pub steps: Option<usize>,
    /// Epochs: passes over the training set, used if `steps` is absent.
    pub epochs: usize,
    /// Warm-up: share of the steps in which the learning rates rise from zero.
    pub warmup_fraction: f64,
    /// Schedule after the warm-up.
    pub schedule: Schedule,
    /// Gradient clipping: gradients with a larger global norm are scaled down to it.
    pub clip_norm: f64,
}

impl Default for OptimConfig {
    fn default() -> Self {
        Self {
            prompt_lr: 2e-2,
            head_lr: 5e-3,
            weight_decay: 0.01,
            batch_size: 16,
            steps: None,
            epochs: 5,
            warmup_fraction: 0.06,
            schedule: Schedule::default(),
            clip_norm: 1.0,
        }
    }
}

/// Held-out evaluation and early stopping. The parameters with the lowest held-out loss are the result in any case.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[cfg_attr(all(test, not(target_family = "wasm")), derive(ts_rs::TS))]
pub struct EvalConfig {
    /// Evaluations in a run, evenly spaced, the last one at the end.
    pub evaluations: usize,
    /// Early stopping after this many evaluations without a lower held-out loss; never if absent.
    pub patience: Option<usize>,
}

impl Default for EvalConfig {
    fn default() -> Self {
        Self { evaluations: 10, patience: Some(4) }
    }
}

/// The compute device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(all(test, not(target_family = "wasm")), derive(ts_rs::TS))]
pub enum DeviceChoice {
    /// The faster of the two for this run, by a short measurement.
    #[default]
    Auto,
    /// WebGPU (Vulkan, Metal or DX12 natively).
    Gpu,
    /// The CPU.
    Cpu,
}

impl RunConfig {
    /// Checks every setting that can be checked without data, against the limits in its description.
    ///
    /// # Errors
    /// [`Error::Config`] with the first invalid field.
    pub fn validate(&self) -> Result<()> {
        describe::check(self)?;
        if let PromptInit::Text(text) = &self.prompt.init
            && text.trim().is_empty()
        {
            return Err(Error::config("prompt.init", "the text is empty", "give a few words that describe the task"));
        }
        methods::validate(self)
    }

    /// Optimizer steps of a run with `train_rows` training rows.
    ///
    /// # Errors
    /// [`Error::Config`] if there are more than [`MOST_STEPS`].
    pub fn total_steps(&self, train_rows: usize) -> Result<usize> {
        if let Some(steps) = self.optim.steps {
            return Ok(steps.max(1));
        }
        let per_epoch = train_rows.div_ceil(self.optim.batch_size.max(1)).max(1);
        let steps = (self.optim.epochs as u64).checked_mul(per_epoch as u64).filter(|&steps| steps <= MOST_STEPS);
        // Every number of steps up to the limit fits into 32 bits.
        steps.map(|steps| (steps as usize).max(1)).ok_or_else(|| {
            Error::config(
                "optim.epochs",
                format!("{} epochs of {per_epoch} steps are more than {MOST_STEPS} steps", self.optim.epochs),
                format!("use at most {} epochs", MOST_STEPS / per_epoch as u64),
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_steps_has_a_limit() {
        let mut config = RunConfig::default();
        (config.optim.batch_size, config.optim.epochs) = (16, 5);
        assert_eq!(config.total_steps(33).expect("few"), 15);
        assert_eq!(config.total_steps(0).expect("few"), 5);
        (config.optim.batch_size, config.optim.epochs) = (1, 1_000_000);
        assert_eq!(config.total_steps(100).expect("as many as allowed"), 100_000_000);
        for rows in [101, usize::MAX] {
            assert!(matches!(config.total_steps(rows), Err(Error::Config { field: "optim.epochs", .. })), "{rows} rows");
        }
        config.optim.steps = Some(7);
        assert_eq!(config.total_steps(usize::MAX).expect("they win"), 7);
    }
}
