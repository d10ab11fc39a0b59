//! The forward pass of a batch: the method's input, the encoder, the head.

use std::sync::Arc;

use burn::tensor::{Tensor, TensorData};

use super::parameters::{Mask, Parameters, TrainedMatrix};
use super::{Source, Trainer};
use crate::data::batch::{Example, PackedBatch};
use crate::engine::boundary::{FrozenEncoder, Inputs};
use crate::engine::compute::read;
use crate::error::Result;
use crate::eval::vote_scores;
use crate::prompt::{Context, Given};

impl Trainer {
    /// The examples at `indices` after the method's rows, once for each member.
    pub(super) fn batch(&self, examples: &[Example], indices: &[usize]) -> Arc<PackedBatch> {
        Arc::new(PackedBatch::new(indices.iter().map(|&i| &examples[i]), self.method.prompt_length()))
    }

    /// The values of all matrices.
    pub(super) fn values(&self) -> Parameters<Tensor<2>> {
        self.parameters.as_ref().map(|matrix| matrix.values.clone())
    }

    /// The method's matrices, with pruned elements set to 0.
    pub(super) fn masked(&self, prompt: &[Tensor<2>]) -> Vec<Tensor<2>> {
        let masked = |(values, matrix): (&Tensor<2>, &TrainedMatrix)| match &matrix.mask {
            None => values.clone(),
            Some(Mask { values: mask, .. }) if values.device().is_autodiff() => values.clone() * Tensor::from_inner(mask.clone()),
            Some(Mask { values: mask, .. }) => values.clone() * mask.clone(),
        };
        prompt.iter().zip(&self.parameters.prompt).map(masked).collect()
    }

    /// Hidden states of the examples at `indices` at the prompt's entry, with the number of layers below; `None` if the prompt is
    /// at the word embeddings.
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
        Ok(Some((layers, encoder.states(&texts, layers, cached, &self.parameters.head.weight.values)?)))
    }

    /// Logits `[N B, C]` from the given parameters, tracked or not, of the examples at `indices`: B for the first member, B for
    /// the next, and so on.
    pub(super) fn logits(
        &self,
        parameters: &Parameters<Tensor<2>>,
        batch: &Arc<PackedBatch>,
        examples: &[Example],
        indices: &[usize],
    ) -> Result<Tensor<2>> {
        let tracked = parameters.head.weight.device().is_autodiff();
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
                let Given { prompt, update } = self.method.given(&self.masked(&parameters.prompt), &context);
                encoder.encode(batch, Inputs { prompt, update, states }, self.head.pooling())?
            }
            Source::Features(features) => {
                let hidden = self.sizes().hidden;
                constant(Tensor::from_data(TensorData::new(features.rows(indices), [indices.len(), hidden]), &self.device))
            }
        };
        Ok(self.head.logits(pooled, parameters.head.clone()))
    }

    /// Logits of the examples at `indices`, row-major `[B, C]` on the host; for an ensemble, those of its vote.
    ///
    /// # Errors
    /// As [`FrozenEncoder::encode`] and [`read`].
    pub async fn scores(&self, examples: &[Example], indices: &[usize]) -> Result<Vec<f32>> {
        Ok(self.vote_scores(self.member_scores(examples, indices).await?))
    }

    /// The logits of every member, one after another: `[N B, C]`.
    ///
    /// # Errors
    /// As [`Trainer::scores`].
    pub async fn member_scores(&self, examples: &[Example], indices: &[usize]) -> Result<Vec<f32>> {
        let repeated: Vec<usize> = std::iter::repeat_n(indices, self.method.members()).flatten().copied().collect();
        read(self.logits(&self.values(), &self.batch(examples, &repeated), examples, &repeated)?).await
    }

    /// The logits of the members' vote.
    #[must_use]
    pub fn vote_scores(&self, scores: Vec<f32>) -> Vec<f32> {
        vote_scores(scores, self.method.members(), self.classes, self.method.vote())
    }
}
