//! [`Trainer`]: the trained matrices, one optimizer step, and the scores of a batch.

mod importance;
mod state;

pub use state::MatrixState;

use std::sync::Arc;

use burn::optim::{AdamW, AdamWConfig, AdamWState, Optimizer};
use burn::tensor::{Device, Tensor, TensorData, activation::log_softmax};

use super::features::Features;
use crate::adapter::Matrix;
use crate::config::RunConfig;
use crate::data::batch::{Example, PackedBatch};
use crate::engine::boundary::{FrozenEncoder, Inputs, StateCache};
use crate::engine::compute::{Compute, read};
use crate::error::Result;
use crate::eval::together;
use crate::model::head::Head;
use crate::model::spec::EncoderWeights;
use crate::prompt::{Context, Given, Parameter, PromptMethod, Sizes};

/// PyTorch's default; burn's own is 1e-5.
const ADAM_EPSILON: f32 = 1e-8;
/// PyTorch adds it to the norm in `clip_grad_norm_`.
const CLIP_EPSILON: f64 = 1e-6;

/// Names of the head's matrices in checkpoints.
pub const HEAD_WEIGHT: &str = "head.weight";
/// See [`HEAD_WEIGHT`].
pub const HEAD_BIAS: &str = "head.bias";

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
    /// The method's matrices, then the heads' weights `[N C, D]` and biases `[N, C]` of N members; all on the plain device.
    parameters: Vec<Tensor<2>>,
    /// Name and learning rate of each.
    kinds: Vec<Kind>,
    /// None where a matrix is whole.
    masks: Vec<Option<Mask>>,
    states: Vec<Option<AdamWState<2>>>,
    optimizer: AdamW,
    config: RunConfig,
    classes: usize,
    /// Numbers of the encoder's layers: not all of them while it is a partial one.
    layers: Vec<usize>,
    /// Hidden states where the prompt joins, kept between epochs.
    cache: Option<StateCache>,
}

/// What is pruned of a matrix.
struct Mask {
    /// 0 where an element is pruned, else 1.
    values: Tensor<2>,
    /// Elements that are not.
    left: usize,
}

#[derive(Debug, Clone, Copy)]
struct Kind {
    name: &'static str,
    rate: Option<f64>,
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
    /// On the rates of matrices that have their own.
    pub factor: f64,
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
        let (hidden, members) = (weights.spec.hidden, method.members());
        let classes = head.1.len() / members;
        let head_parameters = [
            Parameter::new(HEAD_WEIGHT, [members * classes, hidden], head.0),
            Parameter::new(HEAD_BIAS, [members, classes], head.1),
        ];
        let all: Vec<Parameter> = initial.into_iter().chain(head_parameters).collect();
        let kinds: Vec<Kind> = all.iter().map(|p| Kind { name: p.name, rate: p.rate }).collect();
        let parameters: Vec<Tensor<2>> =
            all.into_iter().map(|p| Tensor::from_data(TensorData::new(p.values, p.shape), &device)).collect();
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
            states: vec![None; parameters.len()],
            masks: parameters.iter().map(|_| None).collect(),
            kinds,
            device,
            parameters,
            optimizer,
            config: config.clone(),
            classes,
            layers: (0..weights.spec.layers).collect(),
            cache,
        })
    }

    /// Goes on with another encoder on the same device, made of these layers of the whole one.
    pub fn set_encoder(&mut self, encoder: FrozenEncoder, layers: Vec<usize>) {
        (self.source, self.layers) = (Source::Encoder(encoder), layers);
    }

    /// Trained numbers in the prompt and in the head; pruned ones do not count.
    #[must_use]
    pub fn counts(&self) -> (usize, usize) {
        let count = |place: usize| match &self.masks[place] {
            Some(mask) => mask.left,
            None => self.parameters[place].dims().iter().product(),
        };
        let prompt = self.parameters.len() - 2;
        ((0..prompt).map(count).sum(), (prompt..self.parameters.len()).map(count).sum())
    }

    /// Bytes of cached hidden states.
    #[must_use]
    pub fn cache_bytes(&self) -> u64 {
        match (&self.source, &self.cache) {
            (Source::Encoder(encoder), Some(cache)) => encoder.cache_bytes(cache),
            _ => 0,
        }
    }

    /// Bytes of the weights of its encoder; 0 where there is none.
    #[must_use]
    pub fn weight_bytes(&self) -> u64 {
        match &self.source {
            Source::Encoder(encoder) => encoder.weight_bytes(),
            Source::Features(_) => 0,
        }
    }

    /// Bytes that its steps take where the encoder computes: the encoder's weights, the activations of a step, cached hidden states.
    #[must_use]
    pub fn memory_bytes(&self) -> u64 {
        match &self.source {
            Source::Encoder(encoder) => encoder.weight_bytes() + encoder.activation_bytes() + self.cache_bytes(),
            Source::Features(features) => features.bytes(),
        }
    }

    /// The examples at `indices` behind the method's rows, once for each member.
    fn batch(&self, examples: &[Example], indices: &[usize]) -> Arc<PackedBatch> {
        Arc::new(PackedBatch::new(indices.iter().map(|&i| &examples[i]), self.method.prompt_length()))
    }

    /// Parameters as the method sees them: without what is pruned.
    fn kept(&self, parameters: &[Tensor<2>]) -> Vec<Tensor<2>> {
        let kept = |(parameter, mask): (&Tensor<2>, &Option<Mask>)| match mask {
            None => parameter.clone(),
            Some(Mask { values, .. }) if parameter.device().is_autodiff() => {
                parameter.clone() * Tensor::from_inner(values.clone())
            }
            Some(Mask { values, .. }) => parameter.clone() * values.clone(),
        };
        parameters.iter().zip(&self.masks).map(kept).collect()
    }

    /// Text rows of the examples at `indices` where the prompt joins, with the layers below; none where it joins at the words.
    fn hidden_states(
        &self,
        encoder: &FrozenEncoder,
        examples: &[Example],
        indices: &[usize],
    ) -> Result<Option<(usize, Tensor<2>)>> {
        let Some(layers) = self.method.entry() else { return Ok(None) };
        let texts = Arc::new(PackedBatch::new(indices.iter().map(|&i| &examples[i]), 0));
        let keys: Vec<u32> = indices.iter().map(|&i| i as u32).collect();
        let cached = self.cache.as_ref().map(|cache| (cache, &keys[..]));
        Ok(Some((layers, encoder.states(&texts, layers, cached, &self.parameters[0])?)))
    }

    /// Class scores `[N B, C]` under parameters, tracked or not, of the examples at `indices`: B for the first member, B for the
    /// next.
    fn logits(
        &self,
        parameters: &[Tensor<2>],
        batch: &Arc<PackedBatch>,
        examples: &[Example],
        indices: &[usize],
    ) -> Result<Tensor<2>> {
        let prompt = parameters.len() - 2;
        let tracked = parameters[prompt].device().is_autodiff();
        let constant = |tensor: Tensor<2>| if tracked { Tensor::from_inner(tensor) } else { tensor };
        let pooled = match &self.source {
            Source::Encoder(encoder) => {
                let states = self.hidden_states(encoder, examples, indices)?;
                let context = Context {
                    batch,
                    states: states.as_ref().map(|(_, states)| constant(states.clone())),
                    layers: &self.layers,
                    device: &self.device,
                };
                let Given { prompt, update } = self.method.given(&self.kept(&parameters[..prompt]), &context);
                encoder.encode(batch, Inputs { prompt, update, states }, self.head.pooling())?
            }
            Source::Features(features) => {
                let hidden = self.parameters[prompt].dims()[1];
                constant(Tensor::from_data(TensorData::new(features.rows(indices), [indices.len(), hidden]), &self.device))
            }
        };
        Ok(self.head.logits(pooled, parameters[prompt].clone(), parameters[prompt + 1].clone()))
    }

    /// One optimizer step on the examples at `indices`, as many for the first member as for each of the others: mean
    /// cross-entropy, gradients clipped by the norm of all matrices of a member, AdamW. Gives the loss before the update (not read back)
    /// and the rows that went through the encoder.
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
        let logits = self.logits(&tracked, &batch, examples, indices)?;
        let members = self.method.members();
        // The sum of the members' mean losses, so that each has the gradient that it would have alone. Cross-entropy as one
        // product with -1/B at each row's class: no integer tensors, no gather.
        let mut targets = vec![0f32; indices.len() * self.classes];
        for (row, &label) in batch.labels().iter().enumerate() {
            targets[row * self.classes + label as usize] = -1.0 / (indices.len() / members) as f32;
        }
        let targets = Tensor::<2>::from_data(TensorData::new(targets, [indices.len(), self.classes]), &self.device);
        let loss = (log_softmax(logits, 1) * Tensor::from_inner(targets)).sum();
        let mut gradients = loss.backward();
        let gradients = tracked
            .iter()
            .map(|p| p.grad_remove(&mut gradients).unwrap_or_else(|| Tensor::zeros(p.dims(), &self.device)))
            .collect();
        Ok(Gradients { loss: loss.inner() / members as f32, gradients, rows: batch.rows() })
    }

    /// AdamW on every matrix, a member's gradients scaled down together to the clip norm: by their own norm, as if it trained
    /// alone.
    fn update(&mut self, gradients: Vec<Tensor<2>>, rates: LearningRates) {
        let members = self.method.members();
        // Of every matrix the first rows are the first member's, as many are the next one's.
        let apart = |matrix: Tensor<2>| {
            let elements: usize = matrix.dims().iter().product();
            matrix.reshape([members, elements / members])
        };
        let squares = gradients.iter().map(|gradient| match members {
            1 => gradient.clone().square().sum().reshape([1, 1]),
            _ => apart(gradient.clone().square()).sum_dim(1),
        });
        let norms = squares.reduce(|a, b| a + b).expect("a head is always trained").sqrt();
        let factors = ((norms + CLIP_EPSILON).recip() * self.config.optim.clip_norm).clamp_max(1.0);
        let prompt = self.parameters.len() - 2;
        for (i, gradient) in gradients.into_iter().enumerate() {
            let own = self.kinds[i].rate.map(|rate| rate * rates.factor);
            let rate = own.unwrap_or(if i < prompt { rates.prompt } else { rates.head });
            let shape = gradient.dims();
            let clipped = (apart(gradient) * factors.clone()).reshape(shape);
            let (parameter, state) = self.optimizer.step(rate, self.parameters[i].clone(), clipped, self.states[i].take());
            self.parameters[i] = parameter;
            self.states[i] = state;
        }
    }

    /// Class scores of the examples at `indices`, row-major `[B, C]` on the host: of an ensemble those that it decides by.
    ///
    /// # Errors
    /// As [`FrozenEncoder::encode`] and [`read`].
    pub async fn scores(&self, examples: &[Example], indices: &[usize]) -> Result<Vec<f32>> {
        Ok(self.together(self.member_scores(examples, indices).await?))
    }

    /// The class scores of every member, one after another: `[N B, C]`.
    ///
    /// # Errors
    /// As [`Trainer::scores`].
    pub async fn member_scores(&self, examples: &[Example], indices: &[usize]) -> Result<Vec<f32>> {
        let repeated: Vec<usize> = std::iter::repeat_n(indices, self.method.members()).flatten().copied().collect();
        read(self.logits(&self.parameters, &self.batch(examples, &repeated), examples, &repeated)?).await
    }

    /// What the members decide by.
    #[must_use]
    pub fn together(&self, scores: Vec<f32>) -> Vec<f32> {
        together(scores, self.method.members(), self.classes, self.method.vote())
    }

    /// Prompts that are trained side by side.
    #[must_use]
    pub fn members(&self) -> usize {
        self.method.members()
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

    /// What inference needs, on the host.
    ///
    /// # Errors
    /// As [`read`].
    pub async fn trained(&self) -> Result<Trained> {
        let prompt = self.parameters.len() - 2;
        let exported = self.method.exported(&self.kept(&self.parameters[..prompt]));
        let names = self.method.stored(self.sizes()).into_iter().map(|(name, _)| name);
        let mut stored = Vec::new();
        for (name, tensor) in names.zip(exported) {
            stored.push(Matrix { name: name.to_owned(), shape: tensor.dims(), values: read(tensor).await? });
        }
        Ok(Trained {
            stored,
            head_weight: read(self.parameters[prompt].clone()).await?,
            head_bias: read(self.parameters[prompt + 1].clone()).await?,
        })
    }

    fn sizes(&self) -> Sizes {
        let hidden = self.parameters[self.parameters.len() - 2].dims()[1];
        Sizes { hidden, layers: self.layers.len(), longest: 0 }
    }
}

/// What inference needs of a trained model.
#[derive(Debug, Clone, PartialEq)]
pub struct Trained {
    /// What the method stores.
    pub stored: Vec<Matrix>,
    /// Head weight `[C, D]`; of N members `[N C, D]`.
    pub head_weight: Vec<f32>,
    /// Head bias `[C]`; of N members `[N C]`.
    pub head_bias: Vec<f32>,
}
