//! The frozen encoder built from the twins: forward pass, and gradient of the trained input.

use std::borrow::Cow;
use std::marker::PhantomData;
use std::sync::Arc;

use super::Scalar;
use super::attention::attention;
use super::attention_grad_key::attention_grad_key;
use super::attention_grad_query::attention_grad_query;
use super::layer_norm::layer_norm;
use super::layer_norm_grad::layer_norm_grad;
use super::matmul::{Epilogue, MatmulSize, matmul};
use super::neuron_scores::neuron_scores;
use super::pool::pool;
use super::pool_grad::pool_grad;
use super::routed_input::RoutedInput;
use crate::data::batch::PackedBatch;
use crate::engine::{GradRows, Pooling, Route};
use crate::model::spec::{EncoderSpec, EncoderWeights, LinearWeights};

/// A frozen post-norm BERT encoder on the CPU, computing in `F`.
///
/// The weights are shared, not copied. In f32 they are used directly; in f64, which is for checks, they are converted for each
/// use.
#[derive(Debug, Clone)]
pub struct CpuEncoder<F> {
    weights: Arc<EncoderWeights>,
    precision: PhantomData<F>,
}

/// Activations that a tracked forward pass saves for the backward pass. The buffers grow to the largest batch and are reused.
#[derive(Debug, Clone, Default)]
pub struct Saved<F> {
    layers: Vec<SavedLayer<F>>,
}

/// Saved activations of one layer; names as in [`CpuEncoder::forward`].
#[derive(Debug, Clone, Default)]
struct SavedLayer<F> {
    qkv: Vec<F>,
    ctx: Vec<F>,
    lse: Vec<F>,
    x1: Vec<F>,
    stats1: Vec<F>,
    u: Vec<F>,
    x2: Vec<F>,
    stats2: Vec<F>,
}

impl<F: Scalar> SavedLayer<F> {
    /// The forward pass writes every element.
    fn resize(&mut self, rows: usize, spec: &EncoderSpec) {
        self.qkv.resize(rows * 3 * spec.hidden, F::ZERO);
        self.ctx.resize(rows * spec.hidden, F::ZERO);
        self.lse.resize(rows * spec.heads, F::ZERO);
        self.x1.resize(rows * spec.hidden, F::ZERO);
        self.stats1.resize(rows * 2, F::ZERO);
        self.u.resize(rows * spec.ffn, F::ZERO);
        self.x2.resize(rows * spec.hidden, F::ZERO);
        self.stats2.resize(rows * 2, F::ZERO);
    }
}

impl<F: Scalar> CpuEncoder<F> {
    /// An encoder with these weights.
    ///
    /// # Panics
    /// If a weight does not have the shape in the spec.
    #[must_use]
    pub fn new(weights: Arc<EncoderWeights>) -> Self {
        check_weights(&weights);
        Self { weights, precision: PhantomData }
    }

    /// Sizes of the encoder.
    #[must_use]
    pub fn spec(&self) -> &EncoderSpec {
        &self.weights.spec
    }

    /// Pooled rows `[B, D]` of a batch with the trained input `[R, D]` of a route; `states` `[T - B P, D]` are the hidden states
    /// of the text where the prompt is inserted after the embeddings. If `saved` is given, everything for [`Self::backward`] is
    /// saved in it.
    ///
    /// # Panics
    /// If the encoder does not support the batch on this route ([`crate::engine::check_route`]), the input or the states have the
    /// wrong shape, or an example does not have the row of [`Pooling::Row`].
    pub fn forward(&self, batch: &PackedBatch, input: &[F], states: &[F], route: Route, saved: Option<&mut Saved<F>>) -> Vec<F> {
        let h = self.run(&RoutedInput::new(&self.weights, batch, input, route), states, saved, |_, _| {});
        let hidden = self.spec().hidden;
        let mut pooled = vec![F::ZERO; batch.examples() * hidden];
        pool(batch.offsets(), &h, &mut pooled, route.pooling, hidden);
        pooled
    }

    /// Output of the embeddings and of each layer, lowest first, of a batch after the prompt rows `[P, D]`: `L + 1` times `[T,
    /// D]`.
    ///
    /// # Panics
    /// As [`Self::forward`].
    pub fn hidden_states(&self, batch: &PackedBatch, prompt: &[F]) -> Vec<Vec<F>> {
        let mut states = Vec::new();
        let routed = RoutedInput::new(&self.weights, batch, prompt, Route::words(Pooling::Mean));
        self.run(&routed, &[], None, |h, _| states.push(h.to_vec()));
        states
    }

    /// For every neuron of every layer, the sum over the examples of the mean absolute activation over an example's rows
    /// (including prompt rows), after the prompt rows `[P, D]`: `[L, F]`.
    ///
    /// # Panics
    /// As [`Self::forward`].
    pub fn neuron_scores(&self, batch: &PackedBatch, prompt: &[F]) -> Vec<F> {
        let mut scores = Vec::new();
        let routed = RoutedInput::new(&self.weights, batch, prompt, Route::words(Pooling::Mean));
        self.run(&routed, &[], None, |_, g| {
            // The embeddings have no neurons.
            if !g.is_empty() {
                let mut layer = vec![F::ZERO; self.spec().ffn];
                neuron_scores(batch.offsets(), g, &mut layer);
                scores.extend(layer);
            }
        });
        scores
    }

    /// Gradient of the trained input `[R, D]` from the gradient of the pooled rows, `d_pooled` `[B, D]`. Batch, input and route
    /// are those of the forward pass that filled `saved`.
    ///
    /// # Panics
    /// If `saved` belongs to a batch of another size.
    pub fn backward(&self, batch: &PackedBatch, input: &[F], route: Route, saved: &Saved<F>, d_pooled: &[F]) -> Vec<F> {
        let &EncoderSpec { hidden, heads, ffn, .. } = self.spec();
        let routed = RoutedInput::new(&self.weights, batch, input, route);
        assert_eq!(d_pooled.len(), batch.examples() * hidden, "d_pooled is [B, D]");
        let layers = &self.weights.layers[routed.first()..];
        assert_eq!(saved.layers.len(), layers.len(), "a tracked forward pass comes before the backward pass");
        let mut d_input = vec![F::ZERO; input.len()];
        if input.is_empty() {
            return d_input;
        }
        let rows = &routed.rows[..];
        let zeros = |width: usize| vec![F::ZERO; rows.len() * width];
        let (mut d_h, mut d_x, mut d_wide) = (zeros(hidden), zeros(hidden), zeros(ffn));
        let (mut d_qkv, mut delta) = (zeros(3 * hidden), zeros(heads));
        pool_grad(rows, d_pooled, &mut d_h, route.pooling, hidden);
        for (number, (layer, saved_layer)) in layers.iter().zip(&saved.layers).enumerate().rev() {
            // Each product reads the gradient of its output, adds the gradient along the residual, and overwrites d_h.
            layer_norm_grad(&d_h, &saved_layer.x2, &saved_layer.stats2, &F::weights(&layer.ffn_norm.gamma), &mut d_x);
            back(&d_x, &layer.ffn_out, &saved_layer.u, &mut d_wide, Epilogue::GeluGrad, ffn);
            back(&d_wide, &layer.ffn_in, &d_x, &mut d_h, Epilogue::Residual, hidden);
            layer_norm_grad(&d_h, &saved_layer.x1, &saved_layer.stats1, &F::weights(&layer.attention_norm.gamma), &mut d_x);
            back(&d_x, &layer.attention_out, &[], &mut d_h, Epilogue::Plain, hidden);
            let (qkv, lse, head_size) = (&saved_layer.qkv, &saved_layer.lse, hidden / heads);
            let made = if number == 0 { route.lowest_grad() } else { GradRows::All };
            if made == GradRows::Prompt {
                d_qkv.truncate(batch.examples() * batch.prompt_length() * 3 * hidden);
            }
            attention_grad_query(rows, qkv, &d_h, lse, &mut d_qkv, &mut delta, heads, head_size, made);
            attention_grad_key(rows, qkv, &d_h, lse, &delta, &mut d_qkv, heads, head_size, made);
            routed.take_prefix(routed.first() + number, &mut d_qkv, &mut d_input);
            if made == GradRows::All {
                back(&d_qkv, &layer.qkv, &d_x, &mut d_h, Epilogue::Residual, hidden);
            } else if routed.has_input_gradient() {
                d_h.truncate(d_qkv.len() / 3);
                back(&d_qkv, &layer.qkv, &[], &mut d_h, Epilogue::Plain, hidden);
            }
        }
        if route.lowest_grad() == GradRows::All {
            routed.input_gradient(&d_h, &[], &mut d_input);
        } else if routed.has_input_gradient() {
            routed.input_gradient(&d_x, &d_h, &mut d_input);
        }
        d_input
    }

    /// All layers from the lowest of the pass; `visit` receives its input and, for each layer, the output and the activated
    /// neurons. Returns the last output `[T, D]`.
    fn run(
        &self,
        routed: &RoutedInput<'_, F>,
        states: &[F],
        mut saved: Option<&mut Saved<F>>,
        mut visit: impl FnMut(&[F], &[F]),
    ) -> Vec<F> {
        let spec = self.spec();
        let rows = routed.rows.len();
        let mut h = vec![F::ZERO; rows * spec.hidden];
        routed.embed_input(states, &mut h);
        visit(&h, &[]);
        let first = routed.first();
        if let Some(saved) = saved.as_deref_mut() {
            saved.layers.resize_with(spec.layers - first, SavedLayer::default);
        }
        // Without tracking, all layers use the same buffers.
        let mut scratch = SavedLayer::default();
        let (mut h1, mut g) = (vec![F::ZERO; h.len()], vec![F::ZERO; rows * spec.ffn]);
        for index in first..spec.layers {
            let saved_layer = saved.as_deref_mut().map_or(&mut scratch, |saved| &mut saved.layers[index - first]);
            saved_layer.resize(rows, spec);
            self.run_layer(index, routed, &mut h, saved_layer, &mut h1, &mut g);
            visit(&h, &g);
        }
        h
    }

    /// One layer from `h` to `h`; `h1` and `g` (the activated neurons) are not saved.
    fn run_layer(
        &self,
        index: usize,
        routed: &RoutedInput<'_, F>,
        h: &mut [F],
        saved_layer: &mut SavedLayer<F>,
        h1: &mut [F],
        g: &mut [F],
    ) {
        let &EncoderSpec { heads, hidden, layer_norm_eps: eps, .. } = self.spec();
        let layer = &self.weights.layers[index];
        let SavedLayer { qkv, ctx, lse, x1, stats1, u, x2, stats2 } = saved_layer;
        linear(h, &layer.qkv, &[], qkv, &mut [], Epilogue::Bias);
        routed.put_prefix(index, qkv);
        attention(&routed.rows, qkv, ctx, lse, heads, hidden / heads);
        linear(ctx, &layer.attention_out, h, x1, &mut [], Epilogue::BiasResidual);
        let norm = &layer.attention_norm;
        layer_norm(x1, &F::weights(&norm.gamma), &F::weights(&norm.beta), h1, stats1, eps);
        linear(h1, &layer.ffn_in, &[], g, u, Epilogue::BiasGelu);
        linear(g, &layer.ffn_out, h1, x2, &mut [], Epilogue::BiasResidual);
        let norm = &layer.ffn_norm;
        layer_norm(x2, &F::weights(&norm.gamma), &F::weights(&norm.beta), h, stats2, eps);
    }
}

/// `out = epilogue(a w^T + bias)`.
fn linear<F: Scalar>(a: &[F], linear: &LinearWeights, extra: &[F], out: &mut [F], pre: &mut [F], epilogue: Epilogue) {
    let n = linear.bias.len();
    let k = linear.weight.len() / n;
    let (w, bias): (Cow<'_, [F]>, Cow<'_, [F]>) = (F::weights(&linear.weight), F::weights(&linear.bias));
    matmul(a, &w, &bias, extra, out, pre, epilogue, MatmulSize { m: a.len() / k, n, k });
}

/// `d_in = epilogue(d_out w)`; `n` is the size of the product's input.
fn back<F: Scalar>(d_out: &[F], linear: &LinearWeights, extra: &[F], d_in: &mut [F], epilogue: Epilogue, n: usize) {
    let k = linear.bias.len();
    matmul(d_out, &F::weights(&linear.weight), &[], extra, d_in, &mut [], epilogue, MatmulSize { m: d_out.len() / k, n, k });
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
