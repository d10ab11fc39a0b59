//! The forward pass of a batch: the method's input, the encoder, the head.

use std::sync::Arc;

use burn::tensor::{Tensor, TensorData};

use super::{Mask, Source, Trainer};
use crate::data::batch::{Example, PackedBatch};
use crate::engine::boundary::{FrozenEncoder, Inputs};
use crate::engine::compute::read;
use crate::error::Result;
use crate::eval::together;
use crate::prompt::{Context, Given};

impl Trainer {
    /// The examples at `indices` after the method's rows, once for each member.
    pub(super) fn batch(&self, examples: &[Example], indices: &[usize]) -> Arc<PackedBatch> {
        Arc::new(PackedBatch::new(indices.iter().map(|&i| &examples[i]), self.method.prompt_length()))
    }

    /// The parameters for the method, with pruned elements set to 0.
    pub(super) fn kept(&self, parameters: &[Tensor<2>]) -> Vec<Tensor<2>> {
        let kept = |(parameter, mask): (&Tensor<2>, &Option<Mask>)| match mask {
            None => parameter.clone(),
            Some(Mask { values, .. }) if parameter.device().is_autodiff() => {
                parameter.clone() * Tensor::from_inner(values.clone())
            }
            Some(Mask { values, .. }) => parameter.clone() * values.clone(),
        };
        parameters.iter().zip(&self.masks).map(kept).collect()
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
        Ok(Some((layers, encoder.states(&texts, layers, cached, &self.parameters[0])?)))
    }

    /// Logits `[N B, C]` from the given parameters, tracked or not, of the examples at `indices`: B for the first member, B for
    /// the next, and so on.
    pub(super) fn logits(
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

    /// Logits of the examples at `indices`, row-major `[B, C]` on the host; for an ensemble, those of its vote.
    ///
    /// # Errors
    /// As [`FrozenEncoder::encode`] and [`read`].
    pub async fn scores(&self, examples: &[Example], indices: &[usize]) -> Result<Vec<f32>> {
        Ok(self.together(self.member_scores(examples, indices).await?))
    }

    /// The logits of every member, one after another: `[N B, C]`.
    ///
    /// # Errors
    /// As [`Trainer::scores`].
    pub async fn member_scores(&self, examples: &[Example], indices: &[usize]) -> Result<Vec<f32>> {
        let repeated: Vec<usize> = std::iter::repeat_n(indices, self.method.members()).flatten().copied().collect();
        read(self.logits(&self.parameters, &self.batch(examples, &repeated), examples, &repeated)?).await
    }

    /// The logits of the members' vote.
    #[must_use]
    pub fn together(&self, scores: Vec<f32>) -> Vec<f32> {
        together(scores, self.method.members(), self.classes, self.method.vote())
    }
}
