//! [`Setup`]: the inputs of a run, and everything that is prepared from them once.

use std::sync::Arc;

use burn::tensor::Tensor;

use crate::config::RunConfig;
use crate::data::batch::PackedBatch;
use crate::encoder::Encoder;
use crate::engine::boundary::FrozenEncoder;
use crate::engine::compute::{Compute, read};
use crate::error::{Error, Result};
use crate::head::Head;
use crate::predict::EVAL_BATCH;
use crate::prompt::{self, PromptMethod, Start};
use crate::rng::Rng;
use crate::train::examples::Examples;
use crate::train::step::{Source, Trainer};

/// Numbers of rows from which samples are used, stratified by class; the same seed gives the same sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SampleLimits {
    /// Held-out rows of an evaluation during training; the final evaluation uses all of them.
    pub watched: usize,
    /// Training rows of the linear probe beside a prompt; with 0 there is no linear probe, and its accuracy is reported as 0.
    pub learned: usize,
}

impl Default for SampleLimits {
    /// The standard error of an accuracy on 2,000 rows is at most 1.1 percentage points, and 0.5 at 95% accuracy. The linear
    /// probe needs its rows: on the texts of `benches/import.rs` it reaches 98.5% with 500 of them, 98.9% with 2,000, 99.2%
    /// with 5,000 and 99.7% with 20,000, so a small sample would favour the prompt. A row costs one pass and 4 D bytes; only
    /// memory sets the limit (150 MB for D = 384).
    fn default() -> Self {
        Self { watched: 2000, learned: 100_000 }
    }
}

/// The constant parts of a run.
pub(super) struct Setup {
    pub(super) model: Encoder,
    pub(super) config: RunConfig,
    pub(super) limits: SampleLimits,
    pub(super) compute: Compute,
    pub(super) examples: Examples,
    pub(super) data_sha256: String,
    pub(super) majority_accuracy: f64,
}

impl Setup {
    /// The method of the settings.
    pub(super) fn method(&self) -> Box<dyn PromptMethod> {
        prompt::method(&self.config, self.model.spec())
    }

    pub(super) fn has_prompt(&self) -> bool {
        self.method().prompt_length() > 0
    }

    /// If the device is out of memory, that is reported instead of the errors that follow from it.
    pub(super) fn cause(&self, error: Error) -> Error {
        match error {
            Error::Device { .. } | Error::Diverged { .. } => self.compute.encoder.check().err().unwrap_or(error),
            error => error,
        }
    }

    /// Checks that pruning is possible.
    pub(super) fn check_pruning(&self) -> Result<()> {
        match &self.config.prompt.prune {
            Some(prune) if !self.model.spec().hidden.is_multiple_of(prune.pieces) => Err(Error::config(
                "prompt.prune.pieces",
                format!("a row of {1} numbers cannot be split into {0} equal pieces", prune.pieces, self.model.spec().hidden),
                "use a divisor, such as 16",
            )),
            _ => Ok(()),
        }
    }

    /// An initial trainer, with the settings of the run or other settings for the same data.
    pub(super) async fn trainer(&self, source: Source, config: &RunConfig) -> Result<Trainer> {
        let method = prompt::method(config, self.model.spec());
        let (weights, hidden) = (self.model.weights(), self.model.spec().hidden);
        let states = match (method.entry(), &source) {
            (Some(layers), Source::Encoder(encoder)) => self.some_states(encoder, layers).await?,
            _ => Vec::new(),
        };
        let start = Start {
            states: &states,
            longest: self.model.text_limit(self.config.data.max_tokens, method.prompt_length())?,
            weights,
            tokenizer: self.model.tokenizer(),
            labels: &self.examples.labels,
            rng: Rng::stream(self.config.seed, "prompt"),
        };
        let initial = method.initial(start)?;
        let head = Head::initial(method.members() * self.examples.labels.len(), hidden);
        Trainer::new(&self.compute, source, weights, method, initial, head, config)
    }

    /// Hidden states `[n, D]` of the first training examples after some layers, on the host.
    async fn some_states(&self, encoder: &FrozenEncoder, layers: usize) -> Result<Vec<f32>> {
        let examples = self.examples.all.iter().take(self.examples.train_rows.min(EVAL_BATCH));
        let like = Tensor::<2>::zeros([1, 1], &self.compute.device);
        read(encoder.states(&Arc::new(PackedBatch::new(examples, 0)), layers, None, &like)?).await
    }
}
