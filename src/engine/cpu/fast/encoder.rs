//! The frozen encoder in f32, optimised: forward pass, and gradient of the trained input.

use std::sync::Arc;

use super::attention::{attention, attention_grad};
use super::layer::{Backward, Forward, FrozenLayer, Qkv, QkvGrad};
use super::{block_rows, dispatch, for_each, split_off, with_scratch};
use crate::data::batch::PackedBatch;
use crate::engine::cpu::encoder::check_weights;
use crate::engine::cpu::matmul::gelu;
use crate::engine::cpu::neuron_scores::neuron_scores;
use crate::engine::cpu::pool::pool;
use crate::engine::cpu::pool_grad::pool_grad;
use crate::engine::cpu::routed_input::RoutedInput;
use crate::engine::{Entry, GradRows, Pooling, Route};
use crate::error::{Error, Result};
use crate::model::spec::{EncoderSpec, EncoderWeights};

/// A frozen post-norm BERT encoder on the CPU in f32; [`crate::engine::cpu::CpuEncoder`] is its readable twin.
///
/// The weights are shared, not copied. Natively, there are two further copies of the products' weights, each created by the first
/// pass that needs it: in the order in which the forward and the backward pass read them.
#[derive(Debug)]
pub struct FastEncoder {
    weights: Arc<EncoderWeights>,
    layers: Vec<FrozenLayer>,
}

/// Buffers of the passes. They grow to the largest batch and are reused.
#[derive(Debug, Default)]
pub struct Activations {
    /// Activations that a tracked forward pass saves for the backward pass, from its lowest layer up; without tracking, all
    /// layers use the first set.
    layers: Vec<SavedLayer>,
    h: Vec<f32>,
    ctx: Vec<f32>,
    d_x: Vec<f32>,
    d_qkv: Vec<f32>,
    /// Rows of the tracked forward pass.
    rows: usize,
}

/// Saved activations of one layer.
#[derive(Debug, Default)]
struct SavedLayer {
    qkv: Vec<f32>,
    lse: Vec<f32>,
    x1: Vec<f32>,
    stats1: Vec<f32>,
    /// The derivative of the activation function; its argument is not needed otherwise.
    u: Vec<f32>,
    x2: Vec<f32>,
    stats2: Vec<f32>,
}

impl SavedLayer {
    /// Each buffer, with its number of elements per row.
    fn parts(&mut self, spec: &EncoderSpec) -> [(&mut Vec<f32>, usize); 7] {
        let Self { qkv, lse, x1, stats1, u, x2, stats2 } = self;
        let &EncoderSpec { hidden, heads, ffn, .. } = spec;
        [(qkv, 3 * hidden), (lse, heads), (x1, hidden), (stats1, 2), (u, ffn), (x2, hidden), (stats2, 2)]
    }

    fn resize(&mut self, rows: usize, spec: &EncoderSpec) {
        for (part, width) in self.parts(spec) {
            part.resize(rows * width, 0.0);
        }
    }
}

impl FastEncoder {
    /// An encoder with these weights.
    ///
    /// # Panics
    /// If a weight does not have the shape in the spec.
    #[must_use]
    pub fn new(weights: Arc<EncoderWeights>) -> Self {
        check_weights(&weights);
        let layers = weights.layers.iter().map(|_| FrozenLayer::default()).collect();
        Self { weights, layers }
    }

    /// Sizes of the encoder.
    #[must_use]
    pub fn spec(&self) -> &EncoderSpec {
        &self.weights.spec
    }

    /// Allocates all large buffers of a pass over `rows` rows. `tracked` is the prompt's entry in a pass that saves its
    /// activations.
    ///
    /// # Errors
    /// [`Error::DeviceMemory`] if there is not enough memory.
    pub fn reserve(&self, rows: usize, tracked: Option<Entry>, buffers: &mut Activations) -> Result<()> {
        let spec = self.spec();
        let layers = match tracked {
            None => 1,
            Some(Entry::Words) => spec.layers,
            Some(Entry::After(below)) => spec.layers.saturating_sub(below),
        };
        let Activations { layers: saved, h, ctx, d_x, d_qkv, .. } = buffers;
        saved.resize_with(saved.len().max(layers), SavedLayer::default);
        let of_layers = saved[..layers].iter_mut().flat_map(|layer| layer.parts(spec));
        let of_gradients = [(d_x, spec.hidden), (d_qkv, 3 * spec.hidden)].into_iter().filter(|_| tracked.is_some());
        for (part, width) in of_layers.chain([(h, spec.hidden), (ctx, spec.hidden)]).chain(of_gradients) {
            let room = rows.checked_mul(width).map(|numbers| part.try_reserve(numbers.saturating_sub(part.len())));
            if !matches!(room, Some(Ok(()))) {
                return Err(Error::device_memory(
                    format!("there is not enough memory for a batch of {rows} packed rows"),
                    "use a smaller batch size (optim.batch_size), shorter texts (data.max_tokens) or a smaller encoder",
                ));
            }
        }
        Ok(())
    }

    /// Pooled rows `[B, D]` of a batch with the trained input `[R, D]` of a route; `states` `[T - B P, D]` are the hidden states
    /// of the text where the prompt is inserted after the embeddings. With `save_activations`, everything for [`Self::backward`]
    /// is saved in `buffers`.
    ///
    /// # Panics
    /// If the encoder does not support the batch on this route ([`crate::engine::check_route`]), the input or the states have the
    /// wrong shape, or an example does not have the row of [`Pooling::Row`].
    pub fn forward(
        &self,
        batch: &PackedBatch,
        input: &[f32],
        states: &[f32],
        route: Route,
        save_activations: bool,
        buffers: &mut Activations,
    ) -> Vec<f32> {
        let spec = self.spec();
        self.run(&RoutedInput::new(&self.weights, batch, input, route), states, spec.layers, save_activations, buffers, |_| {});
        let mut pooled = vec![0.0; batch.examples() * spec.hidden];
        pool(batch.offsets(), &buffers.h, &mut pooled, route.pooling, spec.hidden);
        pooled
    }

    /// Hidden states `[T, D]` after `layers` layers (0: after the norm of the embeddings), of a batch without prompt rows. The
    /// rows of a text have the same bits whatever it is packed with.
    ///
    /// # Panics
    /// As [`Self::forward`], and if the batch has prompt rows or the encoder has fewer layers.
    pub fn states<'a>(&self, batch: &PackedBatch, layers: usize, buffers: &'a mut Activations) -> &'a [f32] {
        assert!(layers <= self.spec().layers, "the encoder has fewer layers");
        let routed = RoutedInput::new(&self.weights, batch, &[], Route::words(Pooling::Mean));
        self.run(&routed, &[], layers, false, buffers, |_| {});
        &buffers.h
    }

    /// For every neuron of every layer, the sum over the examples of the mean absolute activation over an example's rows
    /// (including prompt rows), after the prompt rows `[P, D]`: `[L, F]`.
    ///
    /// # Panics
    /// As [`Self::forward`].
    pub fn neuron_scores(&self, batch: &PackedBatch, prompt: &[f32], buffers: &mut Activations) -> Vec<f32> {
        let &EncoderSpec { layers, ffn, .. } = self.spec();
        let mut scores = Vec::with_capacity(layers * ffn);
        let routed = RoutedInput::new(&self.weights, batch, prompt, Route::words(Pooling::Mean));
        self.run(&routed, &[], layers, false, buffers, |saved| {
            // An untracked pass leaves the activation's argument in the buffer.
            saved.u.iter_mut().for_each(|u| *u = gelu(*u));
            let mut layer = vec![0.0; ffn];
            neuron_scores(batch.offsets(), &saved.u, &mut layer);
            scores.extend(layer);
        });
        scores
    }

    /// The layers of a pass below `end`, from its lowest up, into `buffers.h`; `visit` receives the result of each.
    fn run(
        &self,
        routed: &RoutedInput<'_, f32>,
        states: &[f32],
        end: usize,
        save_activations: bool,
        buffers: &mut Activations,
        mut visit: impl FnMut(&mut SavedLayer),
    ) {
        let spec = self.spec();
        let (rows, first) = (routed.rows.len(), routed.first());
        let Activations { layers: saved, h, ctx, rows: saved_rows, .. } = buffers;
        *saved_rows = if save_activations { rows } else { 0 };
        let wanted = if save_activations { end - first } else { 1 };
        saved.resize_with(saved.len().max(wanted), SavedLayer::default);
        saved[..wanted].iter_mut().for_each(|layer| layer.resize(rows, spec));
        h.resize(rows * spec.hidden, 0.0);
        ctx.resize(h.len(), 0.0);
        routed.embed_input(states, h);
        for index in first..end {
            let saved = &mut saved[if save_activations { index - first } else { 0 }];
            self.queries(index, h, &mut saved.qkv);
            routed.put_prefix(index, &mut saved.qkv);
            attention(routed.batch.offsets(), &saved.qkv, ctx, &mut saved.lse, spec.heads, spec.head_size());
            self.layer(index, ctx, h, saved, save_activations);
            visit(saved);
        }
    }

    /// Queries, keys and values of a layer.
    fn queries(&self, index: usize, h: &[f32], qkv: &mut [f32]) {
        let hidden = self.spec().hidden;
        let linear = &self.weights.layers[index].qkv;
        let weight = self.layers[index].qkv.forward(linear);
        let block = block_rows(h.len() / hidden);
        let items = h.chunks(block * hidden).zip(qkv.chunks_mut(block * 3 * hidden)).collect();
        for_each(items, |(h, out)| dispatch(Qkv { linear, weight, h, out }));
    }

    /// A layer's forward pass after its attention.
    fn layer(&self, index: usize, ctx: &[f32], h: &mut [f32], saved: &mut SavedLayer, save_activations: bool) {
        let &EncoderSpec { hidden, ffn, layer_norm_eps: eps, .. } = self.spec();
        let (layer, frozen) = (&self.weights.layers[index], &self.layers[index]);
        let weights = [
            frozen.attention_out.forward(&layer.attention_out),
            frozen.ffn_in.forward(&layer.ffn_in),
            frozen.ffn_out.forward(&layer.ffn_out),
        ];
        let block = block_rows(h.len() / hidden);
        let SavedLayer { x1, stats1, u, x2, stats2, .. } = saved;
        let (mut h, mut x1, mut stats1, mut u) = (h, &mut x1[..], &mut stats1[..], &mut u[..]);
        let (mut x2, mut stats2) = (&mut x2[..], &mut stats2[..]);
        let items = ctx.chunks(block * hidden).map(|ctx| {
            let rows = ctx.len() / hidden;
            let slices = [
                split_off(&mut h, rows * hidden),
                split_off(&mut x1, rows * hidden),
                split_off(&mut stats1, rows * 2),
                split_off(&mut u, rows * ffn),
                split_off(&mut x2, rows * hidden),
                split_off(&mut stats2, rows * 2),
            ];
            (ctx, slices)
        });
        for_each(items.collect(), |(ctx, [h, x1, stats1, u, x2, stats2])| {
            with_scratch([h.len(), u.len()], |[h1, g]| {
                dispatch(Forward { layer, weights, ctx, h, x1, stats1, u, x2, stats2, h1, g, eps, save_activations });
            });
        });
    }

    /// Gradient of the trained input `[R, D]` from the gradient of the pooled rows, `d_pooled` `[B, D]`. Batch, input and route
    /// are those of the forward pass that filled `buffers`.
    ///
    /// # Panics
    /// If `buffers` belong to a batch of another size, or to a pass that saved nothing.
    pub fn backward(
        &self,
        batch: &PackedBatch,
        input: &[f32],
        route: Route,
        d_pooled: &[f32],
        buffers: &mut Activations,
    ) -> Vec<f32> {
        let &EncoderSpec { hidden, heads, layers, .. } = self.spec();
        let routed = RoutedInput::new(&self.weights, batch, input, route);
        assert_eq!(d_pooled.len(), batch.examples() * hidden, "d_pooled is [B, D]");
        assert_eq!(buffers.rows, batch.rows(), "a tracked forward pass comes before the backward pass");
        let mut d_input = vec![0.0; input.len()];
        if input.is_empty() {
            return d_input;
        }
        let (rows, first, prompt) = (routed.rows.len(), routed.first(), batch.prompt_length());
        let lowest = route.lowest_grad();
        // The forward pass's rows and contexts are no longer needed.
        let Activations { layers: saved, h: d_h, ctx: d_ctx, d_x, d_qkv, .. } = buffers;
        d_x.resize(rows * hidden, 0.0);
        d_qkv.resize(rows * 3 * hidden, 0.0);
        pool_grad(&routed.rows, d_pooled, d_x, route.pooling, hidden);
        for index in (first..layers).rev() {
            let saved = &saved[index - first];
            self.layer_grad(index, saved, d_qkv, d_x, d_ctx);
            let wanted = (index == first && lowest == GradRows::Prompt).then_some(prompt);
            attention_grad(batch.offsets(), &saved.qkv, d_ctx, &saved.lse, d_qkv, wanted, heads, hidden / heads);
            routed.take_prefix(index, d_qkv, &mut d_input);
        }
        if lowest == GradRows::All {
            self.queries_grad(first, d_qkv, d_x);
            routed.input_gradient(d_x, &[], &mut d_input);
        } else if routed.has_input_gradient() {
            // Its part through the product; the part along the residual is in `d_x`.
            let d_h = &mut d_h[..batch.examples() * prompt * hidden];
            d_h.fill(0.0);
            self.queries_grad(first, d_qkv, d_h);
            routed.input_gradient(d_x, d_h, &mut d_input);
        }
        d_input
    }

    /// Adds the gradient through a layer's first product to `d_x`; only these rows of `d_qkv` are read.
    fn queries_grad(&self, index: usize, d_qkv: &[f32], d_x: &mut [f32]) {
        let hidden = self.spec().hidden;
        if let (Some(layer), Some(frozen)) = (self.weights.layers.get(index), self.layers.get(index)) {
            let weight = frozen.qkv.backward(&layer.qkv);
            let block = block_rows(d_x.len() / hidden);
            let items = d_qkv.chunks(block * 3 * hidden).zip(d_x.chunks_mut(block * hidden));
            for_each(items.collect(), |(d_qkv, d_x)| {
                let d_qkv = &d_qkv[..d_x.len() * 3];
                with_scratch([d_x.len()], |[product]| dispatch(QkvGrad { weight, d_qkv, d_x, product }));
            });
        }
    }

    /// A layer's backward pass down to its attention; `d_qkv` belongs to the layer above.
    fn layer_grad(&self, index: usize, saved: &SavedLayer, d_qkv: &[f32], d_x: &mut [f32], d_ctx: &mut [f32]) {
        let &EncoderSpec { hidden, ffn, .. } = self.spec();
        let (layer, frozen) = (&self.weights.layers[index], &self.layers[index]);
        let weights = [
            frozen.attention_out.backward(&layer.attention_out),
            frozen.ffn_in.backward(&layer.ffn_in),
            frozen.ffn_out.backward(&layer.ffn_out),
        ];
        let above = self.layers.get(index + 1).map(|frozen| frozen.qkv.backward(&self.weights.layers[index + 1].qkv));
        let block = block_rows(d_x.len() / hidden);
        let items = d_x.chunks_mut(block * hidden).zip(d_ctx.chunks_mut(block * hidden)).enumerate();
        for_each(items.collect(), |(item, (d_x, d_ctx))| {
            let (first, rows) = (item * block, d_x.len() / hidden);
            let part = |x, width| -> &[f32] { block_of(x, first, rows, width) };
            let above = above.map(|weight| (weight, part(d_qkv, 3 * hidden)));
            let [x1, x2] = [&saved.x1, &saved.x2].map(|x| part(x, hidden));
            let [stats1, stats2] = [&saved.stats1, &saved.stats2].map(|stats| part(stats, 2));
            let slope = part(&saved.u, ffn);
            with_scratch([rows * hidden, rows * ffn], |[d_h, d_u]| {
                dispatch(Backward { layer, weights, above, x1, stats1, slope, x2, stats2, d_x, d_ctx, d_h, d_u });
            });
        });
    }
}

/// Rows `first..first + rows` of `x` `[T, width]`.
fn block_of(x: &[f32], first: usize, rows: usize, width: usize) -> &[f32] {
    &x[first * width..][..rows * width]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::spec::{LayerWeights, LinearWeights, NormWeights};

    #[test]
    fn a_batch_without_room_is_an_error_and_spoils_nothing() {
        let spec = EncoderSpec { layers: 1, hidden: 4, heads: 1, ffn: 4, vocab: 2, max_positions: 4, layer_norm_eps: 1e-12 };
        let linear = |rows: usize| LinearWeights { weight: vec![0.1; rows * 4], bias: vec![0.0; rows] };
        let norm = || NormWeights { gamma: vec![1.0; 4], beta: vec![0.0; 4] };
        let layer = LayerWeights {
            qkv: linear(12),
            attention_out: linear(4),
            attention_norm: norm(),
            ffn_in: linear(4),
            ffn_out: linear(4),
            ffn_norm: norm(),
        };
        let encoder = FastEncoder::new(Arc::new(EncoderWeights {
            word: Arc::new(vec![0.5; 8]),
            position: vec![0.5; 16],
            embed_norm: norm(),
            layers: vec![layer],
            pooler: None,
            spec,
        }));
        let mut buffers = Activations::default();
        // More than the address space; then more than can be counted.
        for rows in [usize::MAX / 16, usize::MAX / 2] {
            for tracked in [None, Some(Entry::Words), Some(Entry::After(0))] {
                let refused = encoder.reserve(rows, tracked, &mut buffers);
                assert!(matches!(refused, Err(Error::DeviceMemory { .. })), "{rows} rows: {refused:?}");
            }
        }
        assert!(encoder.reserve(8, Some(Entry::Words), &mut buffers).is_ok());
    }
}
