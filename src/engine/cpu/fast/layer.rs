//! The computation of a layer between two attentions, for a block of rows.

use pulp::{Simd, WithSimd};

use super::product::{Frozen, Weight};
use crate::engine::cpu::layer_norm::normalise;
use crate::engine::cpu::layer_norm_grad::input_grad;
use crate::engine::cpu::matmul::{gelu, gelu_and_grad};
use crate::model::spec::{LayerWeights, LinearWeights};

/// The frozen weights of one layer's products.
#[derive(Debug, Default)]
pub(super) struct FrozenLayer {
    pub(super) qkv: Frozen,
    pub(super) attention_out: Frozen,
    pub(super) ffn_in: Frozen,
    pub(super) ffn_out: Frozen,
}

/// `out = h w^T + bias`: queries, keys and values of a block of rows.
pub(super) struct Qkv<'a> {
    pub(super) linear: &'a LinearWeights,
    pub(super) weight: Weight<'a>,
    pub(super) h: &'a [f32],
    pub(super) out: &'a mut [f32],
}

impl WithSimd for Qkv<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { linear, weight, h, out } = self;
        weight.product(simd, h, out, |_, j, out| add(out, &linear.bias[j..]));
    }
}

/// A layer's forward pass from `ctx` to its output `h`, which initially contains its input, for a block of rows.
pub(super) struct Forward<'a> {
    pub(super) layer: &'a LayerWeights,
    /// For the attention's output, and for the two products of the feed-forward block.
    pub(super) weights: [Weight<'a>; 3],
    pub(super) ctx: &'a [f32],
    pub(super) h: &'a mut [f32],
    pub(super) x1: &'a mut [f32],
    pub(super) stats1: &'a mut [f32],
    /// Output: the derivative of the activation function, if it is saved.
    pub(super) u: &'a mut [f32],
    pub(super) x2: &'a mut [f32],
    pub(super) stats2: &'a mut [f32],
    /// Scratch: the first norm's output, and the activated neurons.
    pub(super) h1: &'a mut [f32],
    pub(super) g: &'a mut [f32],
    pub(super) eps: f64,
    /// Whether a backward pass follows.
    pub(super) save_activations: bool,
}

impl WithSimd for Forward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self {
            layer,
            weights: [attention_out, ffn_in, ffn_out],
            ctx,
            h,
            x1,
            stats1,
            u,
            x2,
            stats2,
            h1,
            g,
            eps,
            save_activations,
        } = self;
        let (hidden, ffn) = (layer.attention_out.bias.len(), layer.ffn_in.bias.len());
        attention_out.product(simd, ctx, x1, |i, j, x1| {
            add(x1, &layer.attention_out.bias[j..]);
            add(x1, &h[i * hidden + j..]);
        });
        let norm = &layer.attention_norm;
        norm_rows(x1, &norm.gamma, &norm.beta, h1, stats1, eps);
        ffn_in.product(simd, h1, u, |i, j, u| {
            add(u, &layer.ffn_in.bias[j..]);
            let g = g[i * ffn + j..].iter_mut();
            if save_activations {
                g.zip(u).for_each(|(g, u)| (*g, *u) = gelu_and_grad(*u));
            } else {
                g.zip(u).for_each(|(g, u)| *g = gelu(*u));
            }
        });
        ffn_out.product(simd, g, x2, |i, j, x2| {
            add(x2, &layer.ffn_out.bias[j..]);
            add(x2, &h1[i * hidden + j..]);
        });
        let norm = &layer.ffn_norm;
        norm_rows(x2, &norm.gamma, &norm.beta, h, stats2, eps);
    }
}

/// A layer's backward pass from the gradient of its output to the gradient of `ctx`, for a block of rows.
pub(super) struct Backward<'a> {
    pub(super) layer: &'a LayerWeights,
    /// For the attention's output, and for the two products of the feed-forward block.
    pub(super) weights: [Weight<'a>; 3],
    /// The layer above: its query-key-value product and the gradient there.
    pub(super) above: Option<(Weight<'a>, &'a [f32])>,
    pub(super) x1: &'a [f32],
    pub(super) stats1: &'a [f32],
    /// The derivative of the activation function.
    pub(super) slope: &'a [f32],
    pub(super) x2: &'a [f32],
    pub(super) stats2: &'a [f32],
    /// Input: the gradient along the residual of the layer above, or the gradient of the output for the top layer. Output: the
    /// gradient along the residual of this layer.
    pub(super) d_x: &'a mut [f32],
    pub(super) d_ctx: &'a mut [f32],
    /// Scratch: gradients of the rows and of the neurons.
    pub(super) d_h: &'a mut [f32],
    pub(super) d_u: &'a mut [f32],
}

impl WithSimd for Backward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { layer, weights, above, x1, stats1, slope, x2, stats2, d_x, d_ctx, d_h, d_u } = self;
        let [attention_out, ffn_in, ffn_out] = weights;
        let (hidden, ffn) = (layer.attention_out.bias.len(), layer.ffn_in.bias.len());
        match above {
            Some((qkv, d_qkv)) => qkv.product(simd, d_qkv, d_h, |i, j, d_h| add(d_h, &d_x[i * hidden + j..])),
            None => d_h.copy_from_slice(d_x),
        }
        norm_rows_grad(d_h, x2, stats2, &layer.ffn_norm.gamma, d_x);
        ffn_out.product(simd, d_x, d_u, |i, j, d_u| {
            for (d_u, &slope) in d_u.iter_mut().zip(&slope[i * ffn + j..]) {
                *d_u *= slope;
            }
        });
        ffn_in.product(simd, d_u, d_h, |i, j, d_h| add(d_h, &d_x[i * hidden + j..]));
        norm_rows_grad(d_h, x1, stats1, &layer.attention_norm.gamma, d_x);
        attention_out.product(simd, d_x, d_ctx, |_, _, _| {});
    }
}

/// `d_h = d_qkv w + d_x`: the last product of the backward pass, for a block of rows.
pub(super) struct QkvGrad<'a> {
    pub(super) weight: Weight<'a>,
    pub(super) d_qkv: &'a [f32],
    /// Input: `d_x`. Output: `d_h`.
    pub(super) d_x: &'a mut [f32],
    /// Scratch, as large as `d_x`.
    pub(super) product: &'a mut [f32],
}

impl WithSimd for QkvGrad<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { weight, d_qkv, d_x, product } = self;
        weight.product(simd, d_qkv, product, |_, _, _| {});
        add(d_x, product);
    }
}

/// `y += x`, for as many elements as `y` has.
#[inline(always)]
fn add(y: &mut [f32], x: &[f32]) {
    for (y, &x) in y.iter_mut().zip(x) {
        *y += x;
    }
}

#[inline(always)]
fn norm_rows(x: &[f32], gamma: &[f32], beta: &[f32], y: &mut [f32], stats: &mut [f32], eps: f64) {
    let hidden = gamma.len();
    for ((x, y), stats) in x.chunks_exact(hidden).zip(y.chunks_exact_mut(hidden)).zip(stats.as_chunks_mut::<2>().0) {
        y.copy_from_slice(x);
        *stats = normalise(y, gamma, beta, eps).into();
    }
}

#[inline(always)]
fn norm_rows_grad(d_y: &[f32], x: &[f32], stats: &[f32], gamma: &[f32], d_x: &mut [f32]) {
    let hidden = gamma.len();
    let rows = d_y.chunks_exact(hidden).zip(x.chunks_exact(hidden)).zip(stats.as_chunks::<2>().0);
    for (((d_y, x), &stats), d_x) in rows.zip(d_x.chunks_exact_mut(hidden)) {
        input_grad(d_y, x, stats.into(), gamma, d_x);
    }
}
