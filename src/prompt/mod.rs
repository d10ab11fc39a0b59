//! Stage 4: the prompt methods. A method says where its prompt comes from; the trainer knows none by name.

use burn::tensor::Tensor;

use crate::config::{Method, RunConfig};
use crate::error::Result;
use crate::model::spec::EncoderWeights;
use crate::rng::Rng;
use crate::text::tokenizer::Tokenizer;

mod probe;
mod prompt_tuning;

/// A trained matrix at its start. Vectors are matrices of one row.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameter {
    /// Name in checkpoints.
    pub name: &'static str,
    /// Rows and columns.
    pub shape: [usize; 2],
    /// Row-major values.
    pub values: Vec<f32>,
}

/// What a method may look at when it makes its first values.
pub struct Start<'a> {
    /// The frozen encoder.
    pub weights: &'a EncoderWeights,
    /// Its tokenizer.
    pub tokenizer: &'a Tokenizer,
    /// Class names.
    pub labels: &'a [String],
    /// The method's own random stream.
    pub rng: Rng,
}

/// A way to make prompt rows.
pub trait PromptMethod: Send + Sync {
    /// Virtual tokens P in front of every text.
    fn prompt_length(&self) -> usize;

    /// The trained matrices at their start.
    ///
    /// # Errors
    /// [`crate::error::Error::Config`] where the config asks for something that the encoder or the labels do not have.
    fn initial(&self, start: Start<'_>) -> Result<Vec<Parameter>>;

    /// Prompt rows `[P, D]` made of the trained matrices, in the order of [`PromptMethod::initial`]; none if the method
    /// has no prompt, in which case the encoder's output never changes and the trainer computes it once.
    fn rows(&self, parameters: &[Tensor<2>]) -> Option<Tensor<2>>;
}

/// The method that a config names.
#[must_use]
pub fn method(config: &RunConfig) -> Box<dyn PromptMethod> {
    match config.prompt.method {
        Method::Probe => Box::new(probe::Probe),
        Method::Prompt => Box::new(prompt_tuning::PromptTuning::new(config.prompt.clone())),
    }
}
