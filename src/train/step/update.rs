//! The loss, its gradients and the optimizer.

use burn::tensor::{Tensor, TensorData, activation::log_softmax};

use super::{Parameters, Source, Trainer};
use crate::data::batch::Example;
use crate::engine::boundary::FrozenEncoder;
use crate::error::Result;

/// PyTorch adds it to the norm in `clip_grad_norm_`.
const CLIP_EPSILON: f64 = 1e-6;

/// A loss and its gradients, on the plain device.
pub struct Gradients {
    /// Mean cross-entropy.
    pub loss: Tensor<1>,
    /// One for every trained matrix.
    pub gradients: Parameters<Tensor<2>>,
    /// Packed rows of the pass.
    pub rows: usize,
}

/// Learning rates of one step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LearningRates {
    /// For the method's matrices.
    pub prompt: f64,
    /// For the head.
    pub head: f64,
    /// Factor of the rates of matrices with their own learning rate.
    pub factor: f64,
}

/// Ends a tracked pass without a backward pass if something panics in between. Otherwise, another thread would wait for it
/// forever.
struct Scope<'a>(Option<&'a FrozenEncoder>);

impl Drop for Scope<'_> {
    fn drop(&mut self) {
        if let Some(encoder) = self.0 {
            encoder.discard();
        }
    }
}

impl Trainer {
    /// One optimizer step on the examples at `indices`, the same number for each member: mean cross-entropy, gradients clipped by
    /// the norm of all matrices of a member, AdamW. Returns the loss before the update (not read back) and the number of packed
    /// rows.
    ///
    /// # Errors
    /// As [`FrozenEncoder::encode`](crate::engine::boundary::FrozenEncoder::encode).
    pub fn step(&mut self, examples: &[Example], indices: &[usize], rates: LearningRates) -> Result<(Tensor<1>, usize)> {
        let Gradients { loss, gradients, rows } = self.gradients(examples, indices)?;
        self.update(gradients, rates);
        Ok((loss, rows))
    }

    /// Mean cross-entropy of the examples at `indices`, and its gradient with respect to every trained matrix.
    ///
    /// # Errors
    /// As [`FrozenEncoder::encode`](crate::engine::boundary::FrozenEncoder::encode).
    pub fn gradients(&self, examples: &[Example], indices: &[usize]) -> Result<Gradients> {
        let batch = self.batch(examples, indices);
        let _scope = Scope(if let Source::Encoder(encoder) = &self.source { Some(encoder) } else { None });
        let tracked = self.values().map(|values| values.autodiff().require_grad());
        let logits = self.logits(&tracked, &batch, examples, indices)?;
        let members = self.method.members();
        // The sum of the members' mean losses, so that each has the same gradient as alone. Cross-entropy is computed as one
        // product with -1/B at each row's class: no integer tensors, no gather.
        let mut targets = vec![0f32; indices.len() * self.classes];
        for (row, &label) in batch.labels().iter().enumerate() {
            targets[row * self.classes + label as usize] = -1.0 / (indices.len() / members) as f32;
        }
        let targets = Tensor::<2>::from_data(TensorData::new(targets, [indices.len(), self.classes]), &self.device);
        let loss = (log_softmax(logits, 1) * Tensor::from_inner(targets)).sum();
        let mut gradients = loss.backward();
        let gradients = tracked.map(|p| p.grad_remove(&mut gradients).unwrap_or_else(|| Tensor::zeros(p.dims(), &self.device)));
        Ok(Gradients { loss: loss.inner() / members as f32, gradients, rows: batch.rows() })
    }

    /// AdamW on every matrix. The gradients of each member are clipped by that member's own norm, as if it was trained alone.
    fn update(&mut self, gradients: Parameters<Tensor<2>>, rates: LearningRates) {
        let members = self.method.members();
        // The first rows of every matrix belong to the first member, and so on.
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
        let clipped = |gradient: Tensor<2>| {
            let shape = gradient.dims();
            (apart(gradient) * factors.clone()).reshape(shape)
        };
        let Parameters { prompt, head } = &mut self.parameters;
        for (matrix, gradient) in prompt.iter_mut().zip(gradients.prompt) {
            let rate = matrix.info.rate.map_or(rates.prompt, |rate| rate * rates.factor);
            matrix.step(&self.optimizer, rate, clipped(gradient));
        }
        head.weight.step(&self.optimizer, rates.head, clipped(gradients.head.weight));
        head.bias.step(&self.optimizer, rates.head, clipped(gradients.head.bias));
    }
}
