//! The steps of one layer: forward, backward, and the recomputation between them.

use super::kernel::Launch;
use super::parts::EncoderParts;
use super::recorder::{KernelCost, Step};
use super::weights::{Layer, Linear, Norm};
use super::{attention, attention_grad_key, attention_grad_query, layer_norm, layer_norm_grad, matmul};
use crate::engine::GradRows;
use crate::engine::cpu::matmul::Epilogue;
use crate::error::Result;
use crate::model::spec::EncoderSpec;

/// Activations of one layer that its backward pass needs. With recomputation, all layers share `qkv` and `u`.
#[derive(Debug, Clone)]
pub(super) struct SavedLayer {
    /// `[T, 3 D]`.
    pub(super) qkv: wgpu::Buffer,
    /// `[T, H]`: logarithm of the softmax's denominator.
    pub(super) lse: wgpu::Buffer,
    /// `[T, D]`, before the norm after attention.
    pub(super) x1: wgpu::Buffer,
    /// `[T, 2]`.
    pub(super) stats1: wgpu::Buffer,
    /// `[T, F]`, before the activation function; the backward pass overwrites it with its gradient.
    pub(super) u: wgpu::Buffer,
    /// `[T, D]`, before the norm after the feed-forward part.
    pub(super) x2: wgpu::Buffer,
    /// `[T, 2]`.
    pub(super) stats2: wgpu::Buffer,
}

impl SavedLayer {
    /// Elements per row that a layer saves: all, and those that are recomputed.
    pub(super) fn widths(spec: &EncoderSpec) -> (usize, usize) {
        let again = 3 * spec.hidden + spec.ffn;
        (again + 2 * spec.hidden + spec.heads + 4, again)
    }

    /// Buffers for the activations of `rows` rows; `qkv` and `u` are those of `shared`, if it is given.
    ///
    /// # Errors
    /// [`crate::error::Error::Device`] if a buffer is larger than the device can bind.
    pub(super) fn new(parts: &EncoderParts<'_>, rows: u32, shared: Option<&Self>) -> Result<Self> {
        let &EncoderSpec { hidden, heads, ffn, .. } = parts.spec;
        let new = |name: &str, width: usize| parts.gpu.matrix(name, rows, width);
        let (qkv, u) = match shared {
            Some(saved) => (saved.qkv.clone(), saved.u.clone()),
            None => (new("qkv", 3 * hidden)?, new("u", ffn)?),
        };
        Ok(Self {
            qkv,
            lse: new("lse", heads)?,
            x1: new("x1", hidden)?,
            stats1: new("stats1", 2)?,
            u,
            x2: new("x2", hidden)?,
            stats2: new("stats2", 2)?,
        })
    }
}

/// Buffers that no layer saves.
#[derive(Debug)]
pub(super) struct Scratch {
    /// `[T, D]`: output of the embeddings, then of each layer; then its gradient.
    pub(super) h: wgpu::Buffer,
    /// `[T, D]`: output of the norm after attention; then the gradient of the input of a norm.
    pub(super) x: wgpu::Buffer,
    /// `[T, D]`: output of attention; then its gradient, or that of the output of the norm before.
    pub(super) y: wgpu::Buffer,
    /// `[T, max(F, 3 D)]`: activated neurons; then the gradient of qkv.
    pub(super) wide: wgpu::Buffer,
    /// `[T, H]`.
    pub(super) delta: wgpu::Buffer,
}

/// Creates the steps of layers on one set of buffers.
#[derive(Clone, Copy)]
pub(super) struct Layers<'a> {
    pub(super) parts: EncoderParts<'a>,
    pub(super) rows: &'a wgpu::Buffer,
    pub(super) blocks: &'a wgpu::Buffer,
    pub(super) batch: &'a wgpu::Buffer,
    pub(super) prompt_rows: &'a wgpu::Buffer,
    pub(super) scratch: &'a Scratch,
}

impl<'a> Layers<'a> {
    /// Launches over these rows.
    pub(super) fn launch(&self, rows: GradRows) -> Launch<'a> {
        let batch = if rows == GradRows::All { self.batch } else { self.prompt_rows };
        Launch { gpu: self.parts.gpu, batch, rows }
    }

    /// One layer from `h` to `h`; `prefix` replaces keys and values.
    pub(super) fn forward(&self, layer: &Layer, saved: &SavedLayer, prefix: Option<Step>) -> Vec<Step> {
        let Scratch { h, x: h1, y: ctx, wide: g, .. } = self.scratch;
        let SavedLayer { qkv, lse, x1, stats1, u, x2, stats2 } = saved;
        let pipeline = &self.parts.pipelines.attention;
        let attention =
            attention::step(pipeline, &self.launch(GradRows::All), [self.rows, self.blocks, qkv, ctx, lse], self.heads());
        let mut steps = vec![self.linear(Epilogue::Bias, h, &layer.qkv, None, qkv, None)];
        steps.extend(prefix);
        steps.extend([
            attention.costing(self.attention_cost(4, 4)),
            self.linear(Epilogue::BiasResidual, ctx, &layer.attention_out, Some(h), x1, None),
            self.norm(x1, &layer.attention_norm, h1, stats1),
            self.linear(Epilogue::BiasGelu, h1, &layer.ffn_in, None, g, Some(u)),
            self.linear(Epilogue::BiasResidual, g, &layer.ffn_out, Some(h1), x2, None),
            self.norm(x2, &layer.ffn_norm, h, stats2),
        ]);
        steps
    }

    /// Recomputes `qkv` and `u` of a layer: from the steps that write its input into `x` (because `h` contains the gradient) and
    /// from `x1`, with the kernels of the forward pass and therefore with the same bits.
    pub(super) fn recompute(&self, input: Step, layer: &Layer, saved: &SavedLayer, prefix: Option<Step>) -> Vec<Step> {
        let x = &self.scratch.x;
        let mut steps = vec![input, self.linear(Epilogue::Bias, x, &layer.qkv, None, &saved.qkv, None)];
        steps.extend(prefix);
        steps.extend([
            self.norm(&saved.x1, &layer.attention_norm, x, &saved.stats1),
            self.linear(Epilogue::Bias, x, &layer.ffn_in, None, &saved.u, None),
        ]);
        steps
    }

    /// The gradient of one layer, from the gradient of its output in `h`. The gradient of its input is written to `h`; in the
    /// lowest layer, where `made` are only the prompt rows, in two parts: `x` `[T, D]` and `h` `[B P, D]`. `prefix_grad` extracts
    /// the gradient of the keys and values of prefix rows; if the prompt rows are prefix rows, nothing is trained below, and the
    /// gradient ends there.
    pub(super) fn backward(&self, layer: &Layer, saved: &SavedLayer, made: GradRows, prefix_grad: Option<Step>) -> Vec<Step> {
        let Scratch { h: d_h, x: d_x, y: d_y, wide: d_qkv, delta } = self.scratch;
        let SavedLayer { qkv, lse, x1, stats1, u, x2, stats2 } = saved;
        let pipelines = self.parts.pipelines;
        let (query, key) = (&pipelines.attention_grad_query, &pipelines.attention_grad_key);
        let heads = self.heads().at(made);
        let launch = self.launch(GradRows::All);
        let query = attention_grad_query::step(query, &launch, [self.rows, self.blocks, qkv, d_y, lse, d_qkv, delta], heads);
        let key = attention_grad_key::step(key, &launch, [self.rows, self.blocks, qkv, d_y, lse, delta, d_qkv], heads);
        let (last, residual) = match made {
            GradRows::All => (Epilogue::Residual, Some(d_x)),
            GradRows::Prompt => (Epilogue::Plain, None),
        };
        let mut steps = vec![
            self.norm_grad(d_h, x2, stats2, &layer.ffn_norm),
            self.back(Epilogue::GeluGrad, d_x, &layer.ffn_out, None, u, GradRows::All),
            self.back(Epilogue::Residual, u, &layer.ffn_in, Some(d_x), d_y, GradRows::All),
            self.norm_grad(d_y, x1, stats1, &layer.attention_norm),
            self.back(Epilogue::Plain, d_x, &layer.attention_out, None, d_y, GradRows::All),
            // Five products of the size of the scores: what the algorithm requires, not counting that scores are computed twice.
            query.costing(self.attention_cost(6, 5)),
            key.costing(self.attention_cost(4, 6)),
        ];
        let ends = prefix_grad.is_some() && made == GradRows::Prompt;
        steps.extend(prefix_grad);
        if !ends {
            steps.push(self.back(last, d_qkv, &layer.qkv, residual, d_h, made));
        }
        steps
    }

    /// A norm of the forward pass.
    pub(super) fn norm(&self, x: &wgpu::Buffer, norm: &Norm, y: &wgpu::Buffer, stats: &wgpu::Buffer) -> Step {
        let launch = self.launch(GradRows::All);
        let buffers = [x, &norm.gamma, &norm.beta, y, stats];
        let step = layer_norm::step(&self.parts.pipelines.layer_norm, &launch, buffers, norm_params(self.parts.spec));
        step.costing(KernelCost { bytes_per_row: 4 * 2 * self.parts.spec.hidden as u64, ..KernelCost::default() })
    }

    fn norm_grad(&self, d_y: &wgpu::Buffer, x: &wgpu::Buffer, stats: &wgpu::Buffer, norm: &Norm) -> Step {
        let hidden = self.parts.spec.hidden;
        let buffers = [d_y, x, stats, &norm.gamma, &self.scratch.x];
        let pipeline = &self.parts.pipelines.layer_norm_grad;
        let step = layer_norm_grad::step(pipeline, &self.launch(GradRows::All), buffers, hidden as u32);
        step.costing(KernelCost { bytes_per_row: 4 * 3 * hidden as u64, ..KernelCost::default() })
    }

    fn linear(
        &self,
        epilogue: Epilogue,
        a: &wgpu::Buffer,
        linear: &Linear,
        extra: Option<&wgpu::Buffer>,
        out: &wgpu::Buffer,
        pre: Option<&wgpu::Buffer>,
    ) -> Step {
        let buffers = matmul::Buffers { a, w: &linear.weight, bias: Some(&linear.bias), extra, out, pre };
        let (n, k) = linear.size;
        let pipeline = self.parts.pipelines.matmul(epilogue, n, k, matmul::rows(a, k));
        matmul::step(pipeline, &self.launch(GradRows::All), &buffers, n, k)
    }

    fn back(
        &self,
        epilogue: Epilogue,
        a: &wgpu::Buffer,
        linear: &Linear,
        extra: Option<&wgpu::Buffer>,
        out: &wgpu::Buffer,
        rows: GradRows,
    ) -> Step {
        let buffers = matmul::Buffers { a, w: &linear.weight, bias: None, extra, out, pre: None };
        let (k, n) = linear.size;
        let pipeline = self.parts.pipelines.matmul(epilogue, n, k, matmul::rows(a, k));
        matmul::step(pipeline, &self.launch(rows), &buffers, n, k)
    }

    fn heads(&self) -> attention::Params {
        attention::Params::new(self.parts.spec.heads as u32, self.parts.spec.head_size() as u32)
    }

    /// FLOPs for every pair of rows, and the number of `[T, D]` matrices moved.
    fn attention_cost(&self, flops: u64, matrices: u64) -> KernelCost {
        let hidden = self.parts.spec.hidden as u64;
        KernelCost { flops_per_pair: flops * hidden, bytes_per_row: 4 * matrices * hidden, ..KernelCost::default() }
    }
}

pub(super) fn norm_params(spec: &EncoderSpec) -> layer_norm::Params {
    layer_norm::Params { columns: spec.hidden as u32, eps: spec.layer_norm_eps as f32, pad: [0; 2] }
}
