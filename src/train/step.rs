//! [`Trainer`]: the trained matrices, an optimizer step, and the logits of a batch.

mod forward;
mod importance;
mod parameters;
mod state;
mod update;

pub use super::checkpoint::{MatrixState, Trained};
pub use parameters::Parameters;
pub use update::{Gradients, LearningRates};

use std::sync::Arc;

use burn::optim::{AdamW, AdamWConfig};
use burn::tensor::Device;

use super::features::Features;
use crate::adapter::Matrix;
use crate::config::RunConfig;
use crate::engine::boundary::{FrozenEncoder, StateCache};
use crate::engine::compute::{Compute, read};
use crate::error::Result;
use crate::head::{Head, Linear};
use crate::model::spec::EncoderWeights;
use crate::prompt::{Parameter, PromptMethod, Sizes};
use parameters::TrainedMatrix;

/// PyTorch's default; burn's own is 1e-5.
const ADAM_EPSILON: f32 = 1e-8;
/// Names of the head's matrices in checkpoints.
pub const HEAD_WEIGHT: &str = "head.weight";
/// See [`HEAD_WEIGHT`].
pub const HEAD_BIAS: &str = "head.bias";

/// The source of pooled rows.
#[derive(Clone)]
pub enum Source {
    /// The encoder, with a prompt that changes every step.
    Encoder(FrozenEncoder),
    /// Features that were computed once; there is no prompt.
    Features(Arc<Features>),
}

/// The trained matrices, and everything that is needed to train them.
pub struct Trainer {
    source: Source,
    method: Box<dyn PromptMethod>,
    head: Head,
    device: Device,
    parameters: Parameters<TrainedMatrix>,
    optimizer: AdamW,
    config: RunConfig,
    classes: usize,
    /// Numbers of the encoder's layers; only some of them on a partial encoder.
    layers: Vec<usize>,
    /// Cache of the hidden states at the prompt's entry.
    cache: Option<StateCache>,
}

impl Trainer {
    /// A trainer with initial matrices: the method's, and the head's weight `[C, D]` and bias `[C]`.
    ///
    /// # Errors
    /// As [`Head::new`].
    pub fn new(
        compute: &Compute,
        source: Source,
        weights: &EncoderWeights,
        method: Box<dyn PromptMethod>,
        initial: Vec<Parameter>,
        head: Linear<Vec<f32>>,
        config: &RunConfig,
    ) -> Result<Self> {
        let device = match &source {
            Source::Encoder(_) => compute.device.clone(),
            Source::Features(_) => Device::flex(),
        };
        let (hidden, members) = (weights.spec.hidden, method.members());
        let classes = head.bias.len() / members;
        let head = Linear {
            weight: Parameter::new(HEAD_WEIGHT, [members * classes, hidden], head.weight),
            bias: Parameter::new(HEAD_BIAS, [members, classes], head.bias),
        };
        let parameters = Parameters { prompt: initial, head }.map(|parameter| TrainedMatrix::new(parameter, &device));
        let optimizer = AdamWConfig::new().with_epsilon(ADAM_EPSILON).with_weight_decay(config.optim.weight_decay as f32).build();
        let budget = method.cache_bytes();
        let cache = match &source {
            Source::Encoder(encoder) if method.entry().is_some() && budget > 0 => Some(encoder.cache(budget)),
            _ => None,
        };
        Ok(Self {
            source,
            head: Head::new(&config.head, method.prompt_length(), method.is_prefix(), weights, &device)?,
            method,
            device,
            parameters,
            optimizer,
            config: config.clone(),
            classes,
            layers: (0..weights.spec.layers).collect(),
            cache,
        })
    }

    /// Switches to another encoder on the same device, with these layers of the full one.
    pub fn set_encoder(&mut self, encoder: FrozenEncoder, layers: Vec<usize>) {
        (self.source, self.layers) = (Source::Encoder(encoder), layers);
    }

    /// Trainable parameters of the prompt and of the head, without pruned ones.
    #[must_use]
    pub fn counts(&self) -> (usize, usize) {
        let Parameters { prompt, head } = &self.parameters;
        (prompt.iter().map(TrainedMatrix::count).sum(), head.weight.count() + head.bias.count())
    }

    /// Size of the cached hidden states in bytes.
    #[must_use]
    pub fn cache_bytes(&self) -> u64 {
        match (&self.source, &self.cache) {
            (Source::Encoder(encoder), Some(cache)) => encoder.cache_bytes(cache),
            _ => 0,
        }
    }

    /// Size of the encoder's weights in bytes; 0 if there is no encoder.
    #[must_use]
    pub fn weight_bytes(&self) -> u64 {
        match &self.source {
            Source::Encoder(encoder) => encoder.weight_bytes(),
            Source::Features(_) => 0,
        }
    }

    /// Memory of its steps in bytes, where the encoder computes: weights, activations of a step, cached hidden states.
    #[must_use]
    pub fn memory_bytes(&self) -> u64 {
        match &self.source {
            Source::Encoder(encoder) => encoder.weight_bytes() + encoder.activation_bytes() + self.cache_bytes(),
            Source::Features(features) => features.bytes(),
        }
    }

    /// Number of members.
    #[must_use]
    pub fn members(&self) -> usize {
        self.method.members()
    }

    /// Checks for uncaptured errors of the device.
    ///
    /// # Errors
    /// The first one.
    pub fn check(&self) -> Result<()> {
        match &self.source {
            Source::Encoder(encoder) => encoder.check(),
            Source::Features(_) => Ok(()),
        }
    }

    /// The parameters for inference, on the host.
    ///
    /// # Errors
    /// As [`read`].
    pub async fn trained(&self) -> Result<Trained> {
        let Parameters { prompt, head } = self.values();
        let exported = self.method.exported(&self.masked(&prompt));
        let names = self.method.stored(self.sizes()).into_iter().map(|(name, _)| name);
        let mut stored = Vec::new();
        for (name, tensor) in names.zip(exported) {
            stored.push(Matrix { name: name.to_owned(), shape: tensor.dims(), values: read(tensor).await? });
        }
        Ok(Trained { stored, head_weight: read(head.weight).await?, head_bias: read(head.bias).await? })
    }

    fn sizes(&self) -> Sizes {
        let hidden = self.parameters.head.weight.values.dims()[1];
        Sizes { hidden, layers: self.layers.len(), longest: 0 }
    }
}
