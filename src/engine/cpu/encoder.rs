//! BERT's program with its weights, interpreted by [`Twin`]: forward pass, and gradient of the trained input.

use std::marker::PhantomData;
use std::sync::Arc;

use super::Scalar;
use super::twin::{Memory, Twin};
use crate::data::batch::PackedBatch;
use crate::engine::{Pooling, Route, check_route};
use crate::model::architecture;
use crate::model::spec::{EncoderSpec, EncoderWeights, LayerWeights, LinearWeights, NormWeights};
use crate::program::plan::{Fusions, Plan, Purpose};

/// A frozen BERT encoder on the CPU, computing in `F`: what the fast engines are compared with.
#[derive(Debug, Clone)]
pub struct CpuEncoder<F> {
    spec: EncoderSpec,
    twin: Twin,
    precision: PhantomData<F>,
}

/// What a tracked forward pass leaves for the backward pass.
#[derive(Debug, Clone, Default)]
pub struct Saved<F>(Memory<F>);

impl<F: Scalar> CpuEncoder<F> {
    /// An encoder with these weights, which are copied.
    ///
    /// # Panics
    /// If a weight does not have the shape in the spec.
    #[must_use]
    pub fn new(weights: Arc<EncoderWeights>) -> Self {
        check_weights(&weights);
        let program = architecture::of_spec(&weights.spec).program;
        let twin = Twin { program: Arc::new(program), weights: Arc::new(in_order(&weights)) };
        Self { spec: weights.spec.clone(), twin, precision: PhantomData }
    }

    /// Sizes of the encoder.
    #[must_use]
    pub fn spec(&self) -> &EncoderSpec {
        &self.spec
    }

    /// Pooled rows `[B, D]` of a batch with the trained input `[R, D]` of a route; `states` `[T - B P, D]` are the hidden states
    /// of the text where the prompt is inserted after the embeddings. If `saved` is given, everything for [`Self::backward`] is
    /// saved in it.
    ///
    /// # Panics
    /// If the encoder does not support the batch on this route ([`crate::engine::check_route`]), the input or the states have the
    /// wrong shape, or an example does not have the row of [`Pooling::Row`].
    pub fn forward(&self, batch: &PackedBatch, input: &[F], states: &[F], route: Route, saved: Option<&mut Saved<F>>) -> Vec<F> {
        if let Err(problem) = check_route(batch, &route, &self.spec) {
            panic!("{problem}");
        }
        let purpose = route.purpose(batch.prompt_length(), self.spec.layers, saved.is_some(), false);
        let plan = Plan::new(&self.twin.program, &purpose, Fusions::NONE);
        let mut pass = self.twin.begin(&plan, &purpose, batch, (&route, input, states));
        let pooled = pass.forward(|_, _| {})[0].clone();
        if let Some(saved) = saved {
            *saved = Saved(pass.into_memory());
        }
        pooled
    }

    /// Output of the embeddings and of each layer, lowest first, of a batch after the prompt rows `[P, D]`: `L + 1` times `[T,
    /// D]`.
    ///
    /// # Panics
    /// As [`Self::forward`].
    pub fn hidden_states(&self, batch: &PackedBatch, prompt: &[F]) -> Vec<Vec<F>> {
        let route = Route::words(Pooling::Mean);
        let purpose = route.purpose(batch.prompt_length(), self.spec.layers, false, false);
        let plan = Plan::new(&self.twin.program, &purpose, Fusions::NONE);
        let mut states = Vec::new();
        self.twin.begin(&plan, &purpose, batch, (&route, prompt, &[])).forward(|value, rows| {
            if plan.hidden.contains(&value) {
                states.push(rows.to_vec());
            }
        });
        states
    }

    /// For every neuron of every layer, the sum over the examples of the mean absolute activation over an example's rows
    /// (including prompt rows), after the prompt rows `[P, D]`: `[L, F]`.
    ///
    /// # Panics
    /// As [`Self::forward`].
    pub fn neuron_scores(&self, batch: &PackedBatch, prompt: &[F]) -> Vec<F> {
        let route = Route::words(Pooling::Mean);
        let purpose = Purpose { scores: true, ..route.purpose(batch.prompt_length(), self.spec.layers, false, false) };
        let plan = Plan::new(&self.twin.program, &purpose, Fusions::NONE);
        let mut pass = self.twin.begin(&plan, &purpose, batch, (&route, prompt, &[]));
        pass.forward(|_, _| {});
        pass.scores().to_vec()
    }

    /// Gradient of the trained input `[R, D]` from the gradient of the pooled rows, `d_pooled` `[B, D]`. Batch, input and route
    /// are those of the forward pass that filled `saved`.
    ///
    /// # Panics
    /// If `saved` belongs to a batch of another size.
    pub fn backward(&self, batch: &PackedBatch, input: &[F], route: Route, saved: &Saved<F>, d_pooled: &[F]) -> Vec<F> {
        assert_eq!(d_pooled.len(), batch.examples() * self.spec.hidden, "d_pooled is [B, D]");
        let purpose = route.purpose(batch.prompt_length(), self.spec.layers, true, false);
        let plan = Plan::new(&self.twin.program, &purpose, Fusions::NONE);
        let pass = self.twin.begin(&plan, &purpose, batch, (&route, input, &[]));
        pass.with_memory(&saved.0).backward(&[d_pooled.to_vec()])
    }
}

/// The weights in the order of BERT's program.
fn in_order(weights: &EncoderWeights) -> Vec<Vec<f32>> {
    let linear = |LinearWeights { weight, bias }: &LinearWeights| [weight.clone(), bias.clone()];
    let norm = |NormWeights { gamma, beta }: &NormWeights| [gamma.clone(), beta.clone()];
    let layer = |layer: &LayerWeights| {
        let LayerWeights { qkv, attention_out, attention_norm, ffn_in, ffn_out, ffn_norm } = layer;
        [linear(qkv), linear(attention_out), norm(attention_norm), linear(ffn_in), linear(ffn_out), norm(ffn_norm)]
            .into_iter()
            .flatten()
    };
    let tables = [weights.word.to_vec(), weights.position.clone()];
    tables.into_iter().chain(norm(&weights.embed_norm)).chain(weights.layers.iter().flat_map(layer)).collect()
}

/// Panics if a weight does not have the shape in the spec.
pub(super) fn check_weights(weights: &EncoderWeights) {
    let EncoderSpec { hidden, heads, ffn, vocab, max_positions, layers, .. } = weights.spec;
    assert!(heads > 0 && hidden.is_multiple_of(heads), "the heads share the hidden size");
    assert_eq!(weights.word.len(), vocab * hidden, "word is [V, D]");
    assert_eq!(weights.position.len(), max_positions * hidden, "position is [positions, D]");
    assert_eq!(weights.layers.len(), layers, "layers");
    for layer in &weights.layers {
        let shapes = [
            (&layer.qkv, 3 * hidden, hidden),
            (&layer.attention_out, hidden, hidden),
            (&layer.ffn_in, ffn, hidden),
            (&layer.ffn_out, hidden, ffn),
        ];
        for (linear, outputs, inputs) in shapes {
            assert_eq!((linear.weight.len(), linear.bias.len()), (outputs * inputs, outputs), "a product is [out, in]");
        }
    }
    let norms = weights.layers.iter().flat_map(|layer| [&layer.attention_norm, &layer.ffn_norm]);
    for norm in norms.chain([&weights.embed_norm]) {
        assert_eq!((norm.gamma.len(), norm.beta.len()), (hidden, hidden), "a norm is [D]");
    }
}
