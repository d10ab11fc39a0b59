//! `Arena`: all buffers that depend on the size of a batch, planned once for a capacity, with every step recorded on them.
//!
//! Without tracking, every layer writes to the same set of buffers; with it, each layer has its own set, and the backward pass
//! takes over the forward pass's scratch buffers, which it does not need any more.

use super::device::Gpu;
use super::kernel::Launch;
use super::pipelines::Pipelines;
use super::recorder::{BatchSize, Step};
use super::weights::{Layer, Linear, Weights};
use super::{
    attention, attention_grad_key, attention_grad_query, embed, embed_grad, layer_norm, layer_norm_grad, matmul, pool, pool_grad,
};
use crate::engine::cpu::matmul::Epilogue;
use crate::engine::{Pooling, RowInfo};
use crate::error::Result;
use crate::model::spec::EncoderSpec;

/// What an arena is planned with.
#[derive(Clone, Copy)]
pub(super) struct Plan<'a> {
    pub(super) gpu: &'a Gpu,
    pub(super) spec: &'a EncoderSpec,
    pub(super) pipelines: &'a Pipelines,
    pub(super) weights: &'a Weights,
}

/// Activations of one layer that its backward pass needs.
#[derive(Debug)]
struct Kept {
    qkv: wgpu::Buffer,
    ctx: wgpu::Buffer,
    lse: wgpu::Buffer,
    x1: wgpu::Buffer,
    stats1: wgpu::Buffer,
    u: wgpu::Buffer,
    x2: wgpu::Buffer,
    stats2: wgpu::Buffer,
}

impl Kept {
    fn new(plan: &Plan<'_>, rows: u32) -> Result<Self> {
        let &EncoderSpec { hidden, heads, ffn, .. } = plan.spec;
        let wide = |name: &str, width: usize| room(plan.gpu, name, rows, width);
        Ok(Self {
            qkv: wide("qkv", 3 * hidden)?,
            ctx: wide("ctx", hidden)?,
            lse: wide("lse", heads)?,
            x1: wide("x1", hidden)?,
            stats1: wide("stats1", 2)?,
            u: wide("u", ffn)?,
            x2: wide("x2", hidden)?,
            stats2: wide("stats2", 2)?,
        })
    }
}

/// What only a tracked pass needs. The steps own the buffers that they bind.
#[derive(Debug)]
struct Tracked {
    layers: Vec<Vec<Step>>,
    backward: Vec<Step>,
}

/// Buffers for batches of up to so many rows, examples and prompt rows, and the steps on them.
#[derive(Debug)]
pub(super) struct Arena {
    capacity: BatchSize,
    /// The uniform with the size of the current batch.
    pub(super) batch: wgpu::Buffer,
    /// `[T]` [`RowInfo`].
    pub(super) rows: wgpu::Buffer,
    /// `[B + 1]`.
    pub(super) offsets: wgpu::Buffer,
    /// `[P, D]`, written by the caller.
    pub(super) prompt: wgpu::Buffer,
    /// `[B, D]`.
    pub(super) pooled: wgpu::Buffer,
    /// `[B, D]`, written by the caller.
    pub(super) d_pooled: wgpu::Buffer,
    /// `[P, D]`.
    pub(super) d_prompt: wgpu::Buffer,
    /// `[T, D]`: output of the embeddings, then of each layer.
    pub(super) h: wgpu::Buffer,
    h1: wgpu::Buffer,
    g: wgpu::Buffer,
    kept: Kept,
    embed: Step,
    layers: Vec<Vec<Step>>,
    tracked: Option<Tracked>,
    pools: Vec<(Pooling, Step, Step)>,
}

fn room(gpu: &Gpu, name: &str, count: u32, width: usize) -> Result<wgpu::Buffer> {
    gpu.storage(name, u64::from(count) * width as u64 * size_of::<f32>() as u64)
}

impl Arena {
    /// Plans buffers for batches up to `capacity`, and records the untracked steps on them.
    ///
    /// # Errors
    /// [`crate::error::Error::Device`] where a buffer is larger than the device binds.
    pub(super) fn new(plan: &Plan<'_>, table: &wgpu::Buffer, capacity: BatchSize) -> Result<Self> {
        let &Plan { gpu, spec, weights, .. } = plan;
        let BatchSize { rows, examples, prompt, .. } = capacity;
        let d = spec.hidden;
        let batch = gpu.uniform("batch", &BatchSize::default());
        let row_infos = room(gpu, "rows", rows, size_of::<RowInfo>() / size_of::<f32>())?;
        let h = room(gpu, "h", rows, d)?;
        let prompt = room(gpu, "prompt", prompt, d)?;
        let embed = embed_step(plan, &Launch { gpu, batch: &batch }, [&row_infos, table, &prompt], &h);
        let mut arena = Self {
            capacity,
            batch,
            rows: row_infos,
            offsets: room(gpu, "offsets", examples + 1, 1)?,
            d_prompt: room(gpu, "d_prompt", capacity.prompt, d)?,
            prompt,
            pooled: room(gpu, "pooled", examples, d)?,
            d_pooled: room(gpu, "d_pooled", examples, d)?,
            h,
            h1: room(gpu, "h1", rows, d)?,
            g: room(gpu, "g", rows, spec.ffn)?,
            kept: Kept::new(plan, rows)?,
            embed,
            layers: Vec::new(),
            tracked: None,
            pools: Vec::new(),
        };
        arena.layers = weights.layers.iter().map(|layer| arena.layer_steps(plan, layer, &arena.kept)).collect();
        Ok(arena)
    }

    /// Whether a batch fits.
    pub(super) fn fits(&self, size: BatchSize) -> bool {
        let BatchSize { rows, examples, prompt, .. } = self.capacity;
        size.rows <= rows && size.examples <= examples && size.prompt <= prompt
    }

    /// A capacity for a batch that did not fit: a little more, so that the next slightly larger batch does.
    pub(super) fn grown(&self, size: BatchSize) -> BatchSize {
        let up = |old: u32, new: u32, step: u32| if new > old { new.next_multiple_of(step) } else { old };
        BatchSize {
            rows: up(self.capacity.rows, size.rows, 128),
            examples: up(self.capacity.examples, size.examples, 16),
            prompt: up(self.capacity.prompt, size.prompt, 1),
            pad: 0,
        }
    }

    /// Rebinds the embedding step to a word table that was replaced.
    pub(super) fn set_table(&mut self, plan: &Plan<'_>, table: &wgpu::Buffer) {
        let launch = Launch { gpu: plan.gpu, batch: &self.batch };
        self.embed = embed_step(plan, &launch, [&self.rows, table, &self.prompt], &self.h);
    }

    /// Makes room for tracked passes, at the first one.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub(super) fn track(&mut self, plan: &Plan<'_>) -> Result<()> {
        if self.tracked.is_some() {
            return Ok(());
        }
        let rows = self.capacity.rows;
        let upper = plan.weights.layers.iter().skip(1).map(|_| Kept::new(plan, rows)).collect::<Result<Vec<_>>>()?;
        let d_y = room(plan.gpu, "d_y", rows, plan.spec.hidden)?;
        let d_qkv = room(plan.gpu, "d_qkv", rows, 3 * plan.spec.hidden)?;
        let delta = room(plan.gpu, "delta", rows, plan.spec.heads)?;
        let kept = || std::iter::once(&self.kept).chain(&upper);
        let layers = plan.weights.layers.iter().zip(kept()).map(|(layer, kept)| self.layer_steps(plan, layer, kept)).collect();
        let pairs: Vec<_> = plan.weights.layers.iter().zip(kept()).collect();
        let mut backward: Vec<Step> = Vec::new();
        for (layer, kept) in pairs.into_iter().rev() {
            backward.extend(self.layer_grad_steps(plan, layer, kept, [&d_y, &d_qkv, &delta]));
        }
        let Plan { pipelines, weights, .. } = plan;
        let buffers = [&self.offsets, &self.h, &self.prompt, &weights.position, &weights.embed_norm.gamma, &self.d_prompt];
        backward.push(embed_grad::step(&pipelines.embed_grad, &self.launch(plan), buffers, norm_params(plan.spec)));
        self.tracked = Some(Tracked { layers, backward });
        Ok(())
    }

    /// Steps of the embeddings and of each layer, lowest first.
    pub(super) fn forward(&self, keep: bool) -> impl Iterator<Item = &[Step]> {
        let tracked = self.tracked.as_ref().filter(|_| keep);
        let layers = tracked.map_or(&self.layers, |tracked| &tracked.layers);
        std::iter::once(std::slice::from_ref(&self.embed)).chain(layers.iter().map(Vec::as_slice))
    }

    /// Steps from `d_h` (in `h`) to `d_prompt`; none before [`Self::track`].
    pub(super) fn backward(&self) -> &[Step] {
        self.tracked.as_ref().map_or(&[], |tracked| &tracked.backward)
    }

    /// The steps of pooling and of its gradient.
    pub(super) fn pool(&mut self, plan: &Plan<'_>, pooling: Pooling) -> (Step, Step) {
        if let Some((_, pool, grad)) = self.pools.iter().find(|(known, ..)| *known == pooling) {
            return (pool.clone(), grad.clone());
        }
        let launch = self.launch(plan);
        let params = pool::Params::new(pooling, plan.spec.hidden as u32);
        let pool = pool::step(&plan.pipelines.pool, &launch, [&self.offsets, &self.h, &self.pooled], params);
        let grad = pool_grad::step(&plan.pipelines.pool_grad, &launch, [&self.rows, &self.d_pooled, &self.h], params);
        self.pools.push((pooling, pool.clone(), grad.clone()));
        (pool, grad)
    }

    fn launch<'a>(&'a self, plan: &Plan<'a>) -> Launch<'a> {
        Launch { gpu: plan.gpu, batch: &self.batch }
    }

    /// One layer from `h` to `h`.
    fn layer_steps(&self, plan: &Plan<'_>, layer: &Layer, kept: &Kept) -> Vec<Step> {
        let &Plan { spec, pipelines, .. } = plan;
        let launch = self.launch(plan);
        let (d, f) = (spec.hidden as u32, spec.ffn as u32);
        let Kept { qkv, ctx, lse, x1, stats1, u, x2, stats2 } = kept;
        let linear = |epilogue, a, linear: &Linear, extra, out, pre, (n, k)| {
            let buffers = matmul::Buffers { a, w: &linear.weight, bias: Some(&linear.bias), extra, out, pre };
            matmul::step(pipelines.matmul(epilogue, n, k), &launch, &buffers, n, k)
        };
        let norm = |x, norm: &super::weights::Norm, y, stats| {
            layer_norm::step(&pipelines.layer_norm, &launch, [x, &norm.gamma, &norm.beta, y, stats], norm_params(spec))
        };
        vec![
            linear(Epilogue::Bias, &self.h, &layer.qkv, None, qkv, None, (3 * d, d)),
            attention::step(&pipelines.attention, &launch, [&self.rows, qkv, ctx, lse], head_params(spec)),
            linear(Epilogue::BiasResidual, ctx, &layer.attention_out, Some(&self.h), x1, None, (d, d)),
            norm(x1, &layer.attention_norm, &self.h1, stats1),
            linear(Epilogue::BiasGelu, &self.h1, &layer.ffn_in, None, &self.g, Some(u), (f, d)),
            linear(Epilogue::BiasResidual, &self.g, &layer.ffn_out, Some(&self.h1), x2, None, (d, f)),
            norm(x2, &layer.ffn_norm, &self.h, stats2),
        ]
    }

    /// The gradient of one layer, from `d_h` to `d_h`.
    fn layer_grad_steps(&self, plan: &Plan<'_>, layer: &Layer, kept: &Kept, own: [&wgpu::Buffer; 3]) -> Vec<Step> {
        let &Plan { spec, pipelines, .. } = plan;
        let launch = self.launch(plan);
        let (d, f) = (spec.hidden as u32, spec.ffn as u32);
        let Kept { qkv, ctx, lse, x1, stats1, u, x2, stats2 } = kept;
        let [d_y, d_qkv, delta] = own;
        let (d_h, d_x, d_u) = (&self.h, &self.h1, &self.g);
        let back = |epilogue, a, linear: &Linear, extra, out, (n, k)| {
            let buffers = matmul::Buffers { a, w: &linear.weight, bias: None, extra, out, pre: None };
            matmul::step(pipelines.matmul(epilogue, n, k), &launch, &buffers, n, k)
        };
        let norm = |d_y, x, stats, norm: &super::weights::Norm| {
            layer_norm_grad::step(&pipelines.layer_norm_grad, &launch, [d_y, x, stats, &norm.gamma, d_x], d)
        };
        let heads = head_params(spec);
        let (query, key) = (&pipelines.attention_grad_query, &pipelines.attention_grad_key);
        // d_y holds the gradient at h1 until the norm has used it, then the one at ctx.
        vec![
            norm(d_h, x2, stats2, &layer.ffn_norm),
            back(Epilogue::GeluGrad, d_x, &layer.ffn_out, Some(u), d_u, (f, d)),
            back(Epilogue::Residual, d_u, &layer.ffn_in, Some(d_x), d_y, (d, f)),
            norm(d_y, x1, stats1, &layer.attention_norm),
            back(Epilogue::Plain, d_x, &layer.attention_out, None, d_y, (d, d)),
            attention_grad_query::step(query, &launch, [&self.rows, qkv, ctx, d_y, lse, d_qkv, delta], heads),
            attention_grad_key::step(key, &launch, [&self.rows, qkv, d_y, lse, delta, d_qkv], heads),
            back(Epilogue::Residual, d_qkv, &layer.qkv, Some(d_x), d_h, (d, 3 * d)),
        ]
    }
}

fn norm_params(spec: &EncoderSpec) -> layer_norm::Params {
    layer_norm::Params { columns: spec.hidden as u32, eps: spec.layer_norm_eps as f32, pad: [0; 2] }
}

fn head_params(spec: &EncoderSpec) -> attention::Params {
    attention::Params::new(spec.heads as u32, spec.head_size() as u32)
}

fn embed_step(plan: &Plan<'_>, launch: &Launch<'_>, [rows, table, prompt]: [&wgpu::Buffer; 3], h: &wgpu::Buffer) -> Step {
    let Weights { position, embed_norm, .. } = plan.weights;
    let buffers = [rows, table, prompt, position, &embed_norm.gamma, &embed_norm.beta, h];
    embed::step(&plan.pipelines.embed, launch, buffers, norm_params(plan.spec))
}
