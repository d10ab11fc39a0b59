//! [`Trainer`]: the trained matrices, one optimizer step, and the scores of a batch.

use std::sync::Arc;

use burn::optim::{AdamW, AdamWConfig, AdamWState, Optimizer};
use burn::tensor::{Device, Tensor, TensorData, activation::log_softmax};

use super::features::Features;
use crate::config::RunConfig;
use crate::data::batch::{Example, PackedBatch};
use crate::engine::boundary::{FrozenEncoder, Inputs, Prompt};
use crate::engine::compute::{Compute, read};
use crate::error::Result;
use crate::model::head::Head;
use crate::model::spec::EncoderWeights;
use crate::prompt::{Parameter, PromptMethod};

/// PyTorch's default; burn's own is 1e-5.
const ADAM_EPSILON: f32 = 1e-8;
/// PyTorch adds it to the norm in `clip_grad_norm_`.
const CLIP_EPSILON: f64 = 1e-6;

/// Where pooled rows come from.
#[derive(Clone)]
pub enum Source {
    /// The encoder, with a prompt that changes every step.
    Encoder(FrozenEncoder),
    /// Computed once: there is no prompt.
    Features(Arc<Features>),
}

/// What is trained, and what is needed to train it.
pub struct Trainer {
    source: Source,
    method: Box<dyn PromptMethod>,
    head: Head,
    device: Device,
    /// The method's matrices, then the head's weight `[C, D]` and bias `[1, C]`; all on the plain device.
    parameters: Vec<Tensor<2>>,
    states: Vec<Option<AdamWState<2>>>,
    optimizer: AdamW,
    config: RunConfig,
    hidden: usize,
    classes: usize,
}

/// A loss and its gradients, on the plain device.
pub struct Gradients {
    /// Mean cross-entropy.
    pub loss: Tensor<1>,
    /// One for every trained matrix: the method's, then the head's weight and bias.
    pub gradients: Vec<Tensor<2>>,
    /// Rows that went through the encoder.
    pub rows: usize,
}

/// Learning rates of one step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LearningRates {
    /// Of the method's matrices.
    pub prompt: f64,
    /// Of the head.
    pub head: f64,
}

impl Trainer {
    /// A trainer over matrices at their start: the method's, and the head's weight `[C, D]` and bias `[C]`.
    ///
    /// # Errors
    /// As [`Head::new`].
    pub fn new(
        compute: &Compute,
        source: Source,
        weights: &EncoderWeights,
        method: Box<dyn PromptMethod>,
        initial: Vec<Parameter>,
        head: (Vec<f32>, Vec<f32>),
        config: &RunConfig,
    ) -> Result<Self> {
        let device = match &source {
            Source::Encoder(_) => compute.device.clone(),
            Source::Features(_) => Device::flex(),
        };
        let (hidden, classes) = (weights.spec.hidden, head.1.len());
        let head_parameters = [
            Parameter { name: "head.weight", shape: [classes, hidden], values: head.0 },
            Parameter { name: "head.bias", shape: [1, classes], values: head.1 },
        ];
        let parameters: Vec<Tensor<2>> = initial
            .into_iter()
            .chain(head_parameters)
            .map(|p| Tensor::from_data(TensorData::new(p.values, p.shape), &device))
            .collect();
        let optimizer = AdamWConfig::new().with_epsilon(ADAM_EPSILON).with_weight_decay(config.optim.weight_decay as f32).build();
        Ok(Self {
            source,
            head: Head::new(&config.head, method.prompt_length(), weights, &device)?,
            method,
            states: vec![None; parameters.len()],
            device,
            parameters,
            optimizer,
            config: config.clone(),
            hidden,
            classes,
        })
    }

    /// Trained numbers in the prompt and in the head.
    #[must_use]
    pub fn counts(&self) -> (usize, usize) {
        let count = |tensors: &[Tensor<2>]| tensors.iter().map(|t| t.dims().iter().product::<usize>()).sum();
        let prompt = self.parameters.len() - 2;
        (count(&self.parameters[..prompt]), count(&self.parameters[prompt..]))
    }

    fn batch(&self, examples: &[Example], indices: &[usize]) -> Arc<PackedBatch> {
        Arc::new(PackedBatch::new(indices.iter().map(|&i| &examples[i]), self.method.prompt_length()))
    }

    /// Class scores `[B, C]` under parameters, tracked or not.
    fn logits(&self, parameters: &[Tensor<2>], batch: &Arc<PackedBatch>, indices: &[usize]) -> Result<Tensor<2>> {
        let prompt = parameters.len() - 2;
        let pooled = match &self.source {
            Source::Encoder(encoder) => {
                let rows =
                    self.method.rows(&parameters[..prompt]).unwrap_or_else(|| Tensor::zeros([1, self.hidden], &self.device));
                encoder.encode(batch, Inputs::new(Prompt::Shared(rows)), self.head.pooling())?
            }
            Source::Features(features) => {
                let rows = Tensor::from_data(TensorData::new(features.rows(indices), [indices.len(), self.hidden]), &self.device);
                // The features join the graph of the head as a constant.
                if parameters[prompt].device().is_autodiff() { Tensor::from_inner(rows) } else { rows }
            }
        };
        Ok(self.head.logits(pooled, parameters[prompt].clone(), parameters[prompt + 1].clone()))
    }

    /// One optimizer step on the examples at `indices`: mean cross-entropy, global gradient clipping, AdamW. Gives the loss
    /// before the update (not read back) and the rows that went through the encoder.
    ///
    /// # Errors
    /// As [`FrozenEncoder::encode`].
    pub fn step(&mut self, examples: &[Example], indices: &[usize], rates: LearningRates) -> Result<(Tensor<1>, usize)> {
        let Gradients { loss, gradients, rows } = self.gradients(examples, indices)?;
        self.update(gradients, rates);
        Ok((loss, rows))
    }

    /// Mean cross-entropy of the examples at `indices`, and its gradient with respect to every trained matrix.
    ///
    /// # Errors
    /// As [`FrozenEncoder::encode`].
    pub fn gradients(&self, examples: &[Example], indices: &[usize]) -> Result<Gradients> {
        let batch = self.batch(examples, indices);
        let tracked: Vec<Tensor<2>> = self.parameters.iter().map(|p| p.clone().autodiff().require_grad()).collect();
        let logits = self.logits(&tracked, &batch, indices)?;
        // Cross-entropy as one product with -1/B at each row's class: no integer tensors, no gather.
        let mut targets = vec![0f32; indices.len() * self.classes];
        for (row, &label) in batch.labels().iter().enumerate() {
            targets[row * self.classes + label as usize] = -1.0 / indices.len() as f32;
        }
        let targets = Tensor::<2>::from_data(TensorData::new(targets, [indices.len(), self.classes]), &self.device);
        let loss = (log_softmax(logits, 1) * Tensor::from_inner(targets)).sum();
        let mut gradients = loss.backward();
        let gradients = tracked
            .iter()
            .map(|p| p.grad_remove(&mut gradients).unwrap_or_else(|| Tensor::zeros(p.dims(), &self.device)))
            .collect();
        Ok(Gradients { loss: loss.inner(), gradients, rows: batch.rows() })
    }

    /// AdamW on every matrix, gradients scaled down together to the clip norm.
    fn update(&mut self, gradients: Vec<Tensor<2>>, rates: LearningRates) {
        let squares = gradients.iter().map(|g| g.clone().square().sum());
        let norm = squares.reduce(|a, b| a + b).expect("a head is always trained").sqrt();
        let factor = ((norm + CLIP_EPSILON).recip() * self.config.optim.clip_norm).clamp_max(1.0).reshape([1, 1]);
        let prompt = self.parameters.len() - 2;
        for (i, gradient) in gradients.into_iter().enumerate() {
            let rate = if i < prompt { rates.prompt } else { rates.head };
            let (parameter, state) =
                self.optimizer.step(rate, self.parameters[i].clone(), gradient * factor.clone(), self.states[i].take());
            self.parameters[i] = parameter;
            self.states[i] = state;
        }
    }

    /// Class scores of the examples at `indices`, row-major `[B, C]` on the host.
    ///
    /// # Errors
    /// As [`FrozenEncoder::encode`] and [`read`].
    pub async fn scores(&self, examples: &[Example], indices: &[usize]) -> Result<Vec<f32>> {
        read(self.logits(&self.parameters, &self.batch(examples, indices), indices)?).await
    }

    /// The uncaptured errors of the device.
    ///
    /// # Errors
    /// The first one.
    pub fn check(&self) -> Result<()> {
        match &self.source {
            Source::Encoder(encoder) => encoder.check(),
            Source::Features(_) => Ok(()),
        }
    }

    /// What inference needs, on the host: prompt rows `[P, D]` where the method has a prompt, head weight `[C, D]`, bias
    /// `[C]`.
    ///
    /// # Errors
    /// As [`read`].
    pub async fn trained(&self) -> Result<Trained> {
        let prompt = self.parameters.len() - 2;
        let rows = self.method.rows(&self.parameters[..prompt]);
        Ok(Trained {
            prompt: match rows {
                Some(rows) => Some(read(rows).await?),
                None => None,
            },
            head_weight: read(self.parameters[prompt].clone()).await?,
            head_bias: read(self.parameters[prompt + 1].clone()).await?,
        })
    }
}

/// What inference needs of a trained model.
#[derive(Debug, Clone, PartialEq)]
pub struct Trained {
    /// Prompt rows `[P, D]`.
    pub prompt: Option<Vec<f32>>,
    /// Head weight `[C, D]`.
    pub head_weight: Vec<f32>,
    /// Head bias `[C]`.
    pub head_bias: Vec<f32>,
}
