//! Stage 4: the prompt methods. A method defines its trained matrices and the encoder's input; the trainer knows no method by
//! name.

use std::sync::Arc;

use burn::tensor::{Device, Tensor};

use crate::config::{HeadTransition, Method, RunConfig, Vote};
use crate::data::batch::PackedBatch;
use crate::engine::boundary::Prompt;
use crate::error::{Error, Result};
use crate::model::spec::{EncoderSpec, EncoderWeights};
use crate::rng::Rng;
use crate::text::tokenizer::Tokenizer;

mod deep;
mod efficient;
mod ensemble;
mod late;
mod probe;
mod progressive;
mod prompt_tuning;

/// A trained matrix, initial or current. Vectors are matrices with one row.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameter {
    /// Name in checkpoints and adapters.
    pub name: &'static str,
    /// Rows and columns.
    pub shape: [usize; 2],
    /// Row-major values.
    pub values: Vec<f32>,
    /// Its learning rate; `optim.prompt_lr` if `None`.
    pub rate: Option<f64>,
}

impl Parameter {
    /// A matrix with the prompt's learning rate.
    #[must_use]
    pub fn new(name: &'static str, shape: [usize; 2], values: Vec<f32>) -> Self {
        Self { name, shape, values, rate: None }
    }

    /// With its own learning rate.
    #[must_use]
    pub fn with_rate(self, rate: f64) -> Self {
        Self { rate: Some(rate), ..self }
    }
}

/// Inputs for the initialisation of a method.
pub struct Start<'a> {
    /// The frozen encoder.
    pub weights: &'a Arc<EncoderWeights>,
    /// Its tokenizer.
    pub tokenizer: &'a Tokenizer,
    /// Class names.
    pub labels: &'a [String],
    /// The longest text of a run, in tokens.
    pub longest: usize,
    /// Hidden states `[n, D]` of some training examples at [`PromptMethod::entry`], row-major; empty if that is `None`.
    pub states: &'a [f32],
    /// The method's own random stream.
    pub rng: Rng,
}

/// Inputs of a method in a pass.
pub struct Context<'a> {
    /// The batch, packed after [`PromptMethod::prompt_length`] rows: the B examples of the first member, then those of the next.
    pub batch: &'a PackedBatch,
    /// Hidden states of the text `[T - B P, D]` at [`PromptMethod::entry`], one example after another, constant; `None` if that
    /// is `None`.
    pub states: Option<Tensor<2>>,
    /// Numbers of the encoder's layers in this pass: all of them, except on a partial encoder.
    pub layers: &'a [usize],
    /// The device of the matrices.
    pub device: &'a Device,
}

/// The encoder's input in a pass.
pub struct Given {
    /// The rows in front of the text.
    pub prompt: Prompt,
    /// Rows `[N, D]` that are added to the word embeddings: row i to the i-th token of every text. N is at least the length of
    /// the longest text of the batch.
    pub update: Option<Tensor<2>>,
}

impl From<Prompt> for Given {
    fn from(prompt: Prompt) -> Self {
        Self { prompt, update: None }
    }
}

/// A stage of a run on a partial encoder (FPT).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stage {
    /// Share of the run's steps.
    pub share: f64,
    /// Number of layers, of L.
    pub layers: usize,
    /// Number of feed-forward neurons, of F.
    pub neurons: usize,
}

/// What happens between two of [`PromptMethod::stages`] (FPT).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Growth {
    /// What happens to the head.
    pub head: HeadTransition,
    /// Steps of [`HeadTransition::Refit`].
    pub refit_steps: usize,
    /// Maximum number of training texts for scoring neurons.
    pub score_texts: usize,
}

/// A prompt method.
pub trait PromptMethod: Send + Sync {
    /// Packed rows P in front of every text: virtual tokens or prefix rows. With 0 there is no prompt, the encoder's output never
    /// changes, and the trainer computes it only once.
    fn prompt_length(&self) -> usize;

    /// Layers below the prompt; `None` if the prompt is in front of the word embeddings.
    fn entry(&self) -> Option<usize> {
        None
    }

    /// Maximum size of the hidden-state cache at [`PromptMethod::entry`] in bytes, where the encoder computes.
    fn cache_bytes(&self) -> u64 {
        0
    }

    /// Whether the packed rows are prefix rows, which are not pooled.
    fn is_prefix(&self) -> bool {
        false
    }

    /// Number of prompts that are trained side by side, each with its own head and batches. With N members, the first Nth of the
    /// rows of every trained matrix belongs to the first member, and so on.
    fn members(&self) -> usize {
        1
    }

    /// How the members vote.
    fn vote(&self) -> Vote {
        Vote::default()
    }

    /// Stages on partial encoders, before the full encoder has the remaining steps.
    fn stages(&self) -> Vec<Stage> {
        Vec::new()
    }

    /// What happens between the stages.
    fn growth(&self) -> Growth {
        Growth::default()
    }

    /// Shapes of the trained matrices, in the order of [`PromptMethod::initial`], each with the setting that determines its size.
    fn trained(&self, sizes: Sizes) -> Vec<(&'static str, [usize; 2])> {
        self.stored(sizes).into_iter().map(|(_, shape)| ("prompt.length", shape)).collect()
    }

    /// The initial trained matrices.
    ///
    /// # Errors
    /// [`crate::error::Error::Config`] if the config requires something that the encoder or the labels do not have.
    fn initial(&self, start: Start<'_>) -> Result<Vec<Parameter>>;

    /// The encoder's input, computed from the trained matrices in the order of [`PromptMethod::initial`].
    fn given(&self, parameters: &[Tensor<2>], context: &Context<'_>) -> Given;

    /// Names and shapes of the matrices in an adapter, the output of [`PromptMethod::exported`].
    fn stored(&self, sizes: Sizes) -> Vec<(&'static str, [usize; 2])>;

    /// The matrices that inference needs, in the order of [`PromptMethod::stored`]. Matrices that are only needed in training are
    /// merged into them.
    fn exported(&self, parameters: &[Tensor<2>]) -> Vec<Tensor<2>> {
        parameters.to_vec()
    }

    /// [`PromptMethod::given`] for exported matrices.
    fn given_exported(&self, stored: &[Tensor<2>], context: &Context<'_>) -> Given {
        self.given(stored, context)
    }
}

/// Sizes that determine the shapes of stored matrices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sizes {
    /// Hidden size D.
    pub hidden: usize,
    /// Layers L.
    pub layers: usize,
    /// The longest text, in tokens.
    pub longest: usize,
}

/// Maximum number of trainable parameters: 256 MiB, and four times that with gradients and AdamW's moments.
const MOST_TRAINED: u64 = 1 << 26;

/// Checks in advance that the trainable parameters of a method, with `classes` classes, fit into memory.
///
/// # Errors
/// [`Error::Config`] with the setting that determines the largest part.
pub fn check_size(method: &dyn PromptMethod, sizes: Sizes, classes: usize) -> Result<()> {
    let numbers = |[rows, columns]: [usize; 2]| (rows as u64).saturating_mul(columns as u64);
    let members = method.members();
    let of_head = if members > 1 { "prompt.ensemble.members" } else { "data.label_column" };
    let mut parts = method.trained(sizes);
    parts.push((of_head, [members * classes, sizes.hidden + 1]));
    let all = parts.iter().fold(0_u64, |sum, &(_, shape)| sum.saturating_add(numbers(shape)));
    match parts.into_iter().max_by_key(|&(_, shape)| numbers(shape)) {
        Some((path, [rows, columns])) if all > MOST_TRAINED => Err(Error::config(
            path,
            format!(
                "{all} trainable parameters, of which {rows} x {columns} depend on this setting; the limit is {MOST_TRAINED}"
            ),
            "use a smaller value, or a shorter prompt",
        )),
        _ => Ok(()),
    }
}

/// The method of a config, for an encoder with these sizes.
///
/// [`Method::Auto`] is not a method: it is resolved before a run starts.
#[must_use]
pub fn method(config: &RunConfig, spec: &EncoderSpec) -> Box<dyn PromptMethod> {
    of(config.prompt.method, config, spec)
}

/// The same settings without a prompt, for the linear probe of every run.
#[must_use]
pub fn without_prompt(config: &RunConfig) -> RunConfig {
    let mut config = config.clone();
    config.prompt.method = Method::Probe;
    config
}

fn of(method: Method, config: &RunConfig, spec: &EncoderSpec) -> Box<dyn PromptMethod> {
    match method {
        Method::Probe => Box::new(probe::Probe),
        Method::Late => Box::new(late::Late::new(config.prompt.clone(), spec.layers)),
        Method::Deep => Box::new(deep::Deep::new(config.prompt.clone(), spec.layers)),
        Method::Ensemble => Box::new(ensemble::Ensemble::new(config.prompt.clone())),
        Method::Efficient => Box::new(efficient::Efficient::new(config.prompt.clone())),
        Method::Progressive => {
            let base = of(config.prompt.progressive.base, config, spec);
            Box::new(progressive::Progressive::new(base, &config.prompt.progressive, spec))
        }
        _ => Box::new(prompt_tuning::PromptTuning::new(config.prompt.clone())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;

    /// Of a large encoder, the largest of each setting: each is allowed, and together they are more than memory holds.
    #[test]
    fn what_is_trained_has_a_limit() {
        let spec = EncoderSpec {
            layers: 1000,
            hidden: 1 << 16,
            heads: 1 << 12,
            ffn: 1 << 18,
            vocab: 1 << 24,
            max_positions: 1 << 20,
            layer_norm_eps: 1e-12,
        };
        let sizes = Sizes { hidden: spec.hidden, layers: spec.layers, longest: spec.max_positions };
        let mut config = RunConfig::default();
        (config.prompt.length, config.prompt.late.bottleneck, config.prompt.ensemble.members) = (500, 4096, 100);
        let efficient = &mut config.prompt.efficient;
        (efficient.rank, efficient.attention, efficient.spaces, efficient.space_width) = (1024, 1024, 64, 1024);
        for (method, path) in [
            (Method::Late, "prompt.late.bottleneck"),
            (Method::Deep, "prompt.length"),
            (Method::Ensemble, "prompt.ensemble.members"),
            (Method::Efficient, "prompt.efficient.space_width"),
            (Method::Progressive, "data.label_column"),
            (Method::Probe, "data.label_column"),
        ] {
            config.prompt.method = method;
            let classes = if path == "data.label_column" { 1 << 20 } else { 2 };
            let refused = check_size(&*super::method(&config, &spec), sizes, classes);
            let Err(Error::Config { field, .. }) = refused else { panic!("{method:?}: {refused:?}") };
            assert_eq!(field, path, "{method:?}");
        }
        // What is usual is far below it, also with an encoder of the large kind.
        let usual = RunConfig::default();
        let sizes = Sizes { hidden: 1024, layers: 24, longest: 512 };
        for method in [Method::Late, Method::Deep, Method::Ensemble, Method::Efficient, Method::Progressive, Method::Probe] {
            let method = of(method, &usual, &EncoderSpec { layers: 24, hidden: 1024, ..spec.clone() });
            assert!(check_size(&*method, sizes, 200).is_ok());
        }
    }
}
