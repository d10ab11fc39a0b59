//! The frozen encoder made of the twins: forward pass, and gradient at the prompt.

use std::borrow::Cow;
use std::marker::PhantomData;
use std::sync::Arc;

use super::Scalar;
use super::attention::attention;
use super::attention_grad_key::attention_grad_key;
use super::attention_grad_query::attention_grad_query;
use super::embed::embed;
use super::embed_grad::embed_grad;
use super::layer_norm::layer_norm;
use super::layer_norm_grad::layer_norm_grad;
use super::matmul::{Epilogue, MatmulSize, matmul};
use super::pool::pool;
use super::pool_grad::pool_grad;
use crate::data::batch::PackedBatch;
use crate::engine::{GradRows, Pooling, RowInfo, row_infos};
use crate::model::spec::{EncoderSpec, EncoderWeights, LayerWeights, LinearWeights};

/// A frozen post-norm BERT encoder on the CPU, computing in `F`.
///
/// It shares the weights with whoever else holds them. In f32 they are used where they are; in f64, which is for checks, they
/// are widened again for each use.
#[derive(Debug, Clone)]
pub struct CpuEncoder<F> {
    weights: Arc<EncoderWeights>,
    precision: PhantomData<F>,
}

/// What a tracked forward pass keeps for the backward pass. Its buffers grow to the largest batch seen and are used again.
#[derive(Debug, Clone, Default)]
pub struct Saved<F> {
    layers: Vec<SavedLayer<F>>,
}

/// Kept of one layer; names as in [`CpuEncoder::forward`].
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
    /// Every element is written by the forward pass.
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
    /// Where a weight does not have the shape that the spec says.
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

    /// Pooled rows `[B, D]` of a batch whose examples start with the rows of `prompt` `[P, D]` (empty for P = 0). Where `saved`
    /// is given, everything [`Self::backward`] needs is kept in it.
    ///
    /// # Panics
    /// Where a token id or a position does not exist, the prompt does not have the batch's length, or an example does not
    /// have the row of [`Pooling::Row`].
    pub fn forward(&self, batch: &PackedBatch, prompt: &[F], pooling: Pooling, saved: Option<&mut Saved<F>>) -> Vec<F> {
        let h = self.run(batch, prompt, saved, |_| {});
        let hidden = self.spec().hidden;
        let mut pooled = vec![F::ZERO; batch.examples() * hidden];
        pool(batch.offsets(), &h, &mut pooled, pooling, hidden);
        pooled
    }

    /// Output of the embeddings and of each layer, lowest first: `L + 1` times `[T, D]`.
    ///
    /// # Panics
    /// As [`Self::forward`].
    pub fn hidden_states(&self, batch: &PackedBatch, prompt: &[F]) -> Vec<Vec<F>> {
        let mut states = Vec::new();
        self.run(batch, prompt, None, |h| states.push(h.to_vec()));
        states
    }

    /// Gradient at the prompt `[P, D]` from the gradient at the pooled rows, `d_pooled` `[B, D]`. Batch, prompt and pooling are
    /// those of the forward pass that filled `saved`.
    ///
    /// # Panics
    /// Where `saved` is of a batch of another size.
    pub fn backward(&self, batch: &PackedBatch, prompt: &[F], pooling: Pooling, saved: &Saved<F>, d_pooled: &[F]) -> Vec<F> {
        let EncoderSpec { hidden, heads, ffn, layer_norm_eps: eps, .. } = *self.spec();
        check_batch(self.spec(), batch, prompt);
        assert_eq!(d_pooled.len(), batch.examples() * hidden, "d_pooled is [B, D]");
        assert_eq!(saved.layers.len(), self.weights.layers.len(), "a tracked forward pass comes before the backward pass");
        let mut d_prompt = vec![F::ZERO; prompt.len()];
        if prompt.is_empty() {
            return d_prompt;
        }
        let rows = row_infos(batch, |id| id);
        let zeros = |width: usize| vec![F::ZERO; rows.len() * width];
        let (mut d_h, mut d_x, mut d_wide) = (zeros(hidden), zeros(hidden), zeros(ffn));
        let (mut d_qkv, mut delta) = (zeros(3 * hidden), zeros(heads));
        pool_grad(&rows, d_pooled, &mut d_h, pooling, hidden);
        for (number, (layer, kept)) in self.weights.layers.iter().zip(&saved.layers).enumerate().rev() {
            // Each product reads the gradient at its output, adds what came along the residual, and overwrites d_h.
            layer_norm_grad(&d_h, &kept.x2, &kept.stats2, &F::weights(&layer.ffn_norm.gamma), &mut d_x);
            back(&d_x, &layer.ffn_out, &kept.u, &mut d_wide, Epilogue::GeluGrad, ffn);
            back(&d_wide, &layer.ffn_in, &d_x, &mut d_h, Epilogue::Residual, hidden);
            layer_norm_grad(&d_h, &kept.x1, &kept.stats1, &F::weights(&layer.attention_norm.gamma), &mut d_x);
            back(&d_x, &layer.attention_out, &[], &mut d_h, Epilogue::Plain, hidden);
            let (qkv, lse, head_size) = (&kept.qkv, &kept.lse, hidden / heads);
            let made = if number == 0 { GradRows::Prompt } else { GradRows::All };
            if made == GradRows::Prompt {
                d_qkv.truncate(batch.examples() * batch.prompt_length() * 3 * hidden);
            }
            attention_grad_query(&rows, qkv, &d_h, lse, &mut d_qkv, &mut delta, heads, head_size, made);
            attention_grad_key(&rows, qkv, &d_h, lse, &delta, &mut d_qkv, heads, head_size, made);
            if made == GradRows::All {
                back(&d_qkv, &layer.qkv, &d_x, &mut d_h, Epilogue::Residual, hidden);
            } else {
                d_h.truncate(d_qkv.len() / 3);
                back(&d_qkv, &layer.qkv, &[], &mut d_h, Epilogue::Plain, hidden);
            }
        }
        let (position, gamma) = (F::weights(&self.weights.position), F::weights(&self.weights.embed_norm.gamma));
        embed_grad(batch.offsets(), &d_x, &d_h, prompt, &position, &gamma, &mut d_prompt, eps, false);
        d_prompt
    }

    /// All layers; `visit` sees the output of the embeddings and of each layer. Returns the last output `[T, D]`.
    fn run(&self, batch: &PackedBatch, prompt: &[F], mut saved: Option<&mut Saved<F>>, mut visit: impl FnMut(&[F])) -> Vec<F> {
        check_batch(self.spec(), batch, prompt);
        let weights = &*self.weights;
        let spec = &weights.spec;
        let rows = row_infos(batch, |id| id);
        let mut h = vec![F::ZERO; rows.len() * spec.hidden];
        embed(
            &rows,
            &F::weights(&weights.word),
            prompt,
            &[],
            &F::weights(&weights.position),
            &F::weights(&weights.embed_norm.gamma),
            &F::weights(&weights.embed_norm.beta),
            &mut h,
            batch.prompt_length(),
            spec.layer_norm_eps,
        );
        visit(&h);
        if let Some(saved) = saved.as_deref_mut() {
            saved.layers.resize_with(spec.layers, SavedLayer::default);
        }
        // Without tracking, every layer writes to the same buffers.
        let mut scratch = SavedLayer::default();
        let (mut h1, mut g) = (vec![F::ZERO; h.len()], vec![F::ZERO; rows.len() * spec.ffn]);
        for (index, layer) in weights.layers.iter().enumerate() {
            let kept = saved.as_deref_mut().map_or(&mut scratch, |saved| &mut saved.layers[index]);
            kept.resize(rows.len(), spec);
            run_layer(spec, layer, &rows, &mut h, kept, &mut h1, &mut g);
            visit(&h);
        }
        h
    }
}

/// One layer from `h` to `h`; `h1` and `g` (the activated neurons) are not kept.
fn run_layer<F: Scalar>(
    spec: &EncoderSpec,
    layer: &LayerWeights,
    rows: &[RowInfo],
    h: &mut [F],
    kept: &mut SavedLayer<F>,
    h1: &mut [F],
    g: &mut [F],
) {
    let &EncoderSpec { heads, layer_norm_eps: eps, .. } = spec;
    let SavedLayer { qkv, ctx, lse, x1, stats1, u, x2, stats2 } = kept;
    linear(h, &layer.qkv, &[], qkv, &mut [], Epilogue::Bias);
    attention(rows, qkv, ctx, lse, heads, spec.head_size());
    linear(ctx, &layer.attention_out, h, x1, &mut [], Epilogue::BiasResidual);
    let norm = &layer.attention_norm;
    layer_norm(x1, &F::weights(&norm.gamma), &F::weights(&norm.beta), h1, stats1, eps);
    linear(h1, &layer.ffn_in, &[], g, u, Epilogue::BiasGelu);
    linear(g, &layer.ffn_out, h1, x2, &mut [], Epilogue::BiasResidual);
    let norm = &layer.ffn_norm;
    layer_norm(x2, &F::weights(&norm.gamma), &F::weights(&norm.beta), h, stats2, eps);
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

/// Panics where a weight does not have the shape that the spec says.
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

/// Panics where the encoder has no embedding for something in the batch, or the prompt does not have the batch's length.
pub(super) fn check_batch<F>(spec: &EncoderSpec, batch: &PackedBatch, prompt: &[F]) {
    assert_eq!(prompt.len(), batch.prompt_length() * spec.hidden, "prompt is [P, D]");
    assert!(batch.longest() <= spec.max_positions, "an example is longer than the positions");
    assert!(batch.tokens().iter().all(|&id| (id as usize) < spec.vocab), "a token id is outside the vocabulary");
}
