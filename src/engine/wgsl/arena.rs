//! `Arena`: all buffers that depend on the size of a batch, planned once for a capacity, with every step recorded on them.
//!
//! Without tracking, every layer writes to the same set of buffers; with it, each layer has its own set, and the backward pass
//! takes over the forward pass's scratch buffers, which it does not need any more. With recomputation the largest two
//! buffers of each set are shared, and made again on the way back.

use super::device::Gpu;
use super::kernel::Launch;
use super::layer::{Kept, Layers, Scratch, norm_params};
use super::pipelines::Pipelines;
use super::recorder::{BatchSize, Step};
use super::weights::Weights;
use super::{embed, embed_grad, pool, pool_grad};
use crate::engine::{GradRows, Pooling, RowInfo};
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

/// What only a tracked pass needs. The steps own the buffers that they bind.
#[derive(Debug)]
struct Tracked {
    layers: Vec<Vec<Step>>,
    backward: Vec<Step>,
    recompute: bool,
}

/// Buffers for batches of up to so many rows, examples and prompt rows, and the steps on them.
#[derive(Debug)]
pub(super) struct Arena {
    capacity: BatchSize,
    /// The uniform with the size of the current batch.
    batch: wgpu::Buffer,
    /// The same with its prompt rows only.
    prompt_rows: wgpu::Buffer,
    /// `[T]` [`RowInfo`].
    rows: wgpu::Buffer,
    /// First row of every block of rows that attention works on.
    blocks: wgpu::Buffer,
    /// `[B + 1]`.
    offsets: wgpu::Buffer,
    /// `[P, D]`, written by the caller.
    pub(super) prompt: wgpu::Buffer,
    /// `[B, D]`.
    pub(super) pooled: wgpu::Buffer,
    /// `[B, D]`, written by the caller.
    pub(super) d_pooled: wgpu::Buffer,
    /// `[P, D]`.
    pub(super) d_prompt: wgpu::Buffer,
    scratch: Scratch,
    kept: Kept,
    embed: Step,
    layers: Vec<Vec<Step>>,
    tracked: Option<Tracked>,
    pools: Vec<(Pooling, Step, Step)>,
}

/// Values a row that a layer keeps: all, and those that recomputation makes again.
fn kept_widths(spec: &EncoderSpec) -> (usize, usize) {
    let again = 3 * spec.hidden + spec.ffn;
    (again + 2 * spec.hidden + spec.heads + 4, again)
}

/// Values a row of the scratch buffers.
fn scratch_width(spec: &EncoderSpec) -> usize {
    3 * spec.hidden + wide(spec) + spec.heads
}

fn wide(spec: &EncoderSpec) -> usize {
    spec.ffn.max(3 * spec.hidden)
}

fn room(gpu: &Gpu, name: &str, count: u32, width: usize) -> Result<wgpu::Buffer> {
    gpu.storage(name, u64::from(count) * width as u64 * size_of::<f32>() as u64)
}

fn keep(plan: &Plan<'_>, rows: u32, shared: Option<&Kept>) -> Result<Kept> {
    let &EncoderSpec { hidden, heads, ffn, .. } = plan.spec;
    let new = |name: &str, width: usize| room(plan.gpu, name, rows, width);
    let (qkv, u) = match shared {
        Some(kept) => (kept.qkv.clone(), kept.u.clone()),
        None => (new("qkv", 3 * hidden)?, new("u", ffn)?),
    };
    Ok(Kept {
        qkv,
        lse: new("lse", heads)?,
        x1: new("x1", hidden)?,
        stats1: new("stats1", 2)?,
        u,
        x2: new("x2", hidden)?,
        stats2: new("stats2", 2)?,
    })
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
        let scratch = Scratch {
            h: room(gpu, "h", rows, d)?,
            x: room(gpu, "x", rows, d)?,
            y: room(gpu, "y", rows, d)?,
            wide: room(gpu, "wide", rows, wide(spec))?,
            delta: room(gpu, "delta", rows, spec.heads)?,
        };
        let prompt = room(gpu, "prompt", prompt, d)?;
        let launch = Launch { gpu, batch: &batch, rows: GradRows::All };
        let embed = embed_step(plan, &launch, [&row_infos, table, &prompt], &scratch.h);
        let mut arena = Self {
            capacity,
            batch,
            prompt_rows: gpu.uniform("prompt_rows", &BatchSize::default()),
            rows: row_infos,
            // No block is empty.
            blocks: room(gpu, "blocks", rows, 1)?,
            offsets: room(gpu, "offsets", examples + 1, 1)?,
            d_prompt: room(gpu, "d_prompt", capacity.prompt, d)?,
            prompt,
            pooled: room(gpu, "pooled", examples, d)?,
            d_pooled: room(gpu, "d_pooled", examples, d)?,
            scratch,
            kept: keep(plan, rows, None)?,
            embed,
            layers: Vec::new(),
            tracked: None,
            pools: Vec::new(),
        };
        arena.layers = weights.layers.iter().map(|layer| arena.layers(plan).forward(layer, &arena.kept)).collect();
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
            rows: up(self.capacity.rows, size.rows, 64),
            examples: up(self.capacity.examples, size.examples, 16),
            prompt: up(self.capacity.prompt, size.prompt, 1),
            blocks: 0,
        }
    }

    /// Bytes of all activations of a tracked pass at this capacity.
    pub(super) fn activation_bytes(&self, spec: &EncoderSpec, recompute: bool) -> u64 {
        let (all, again) = kept_widths(spec);
        let kept = if recompute { spec.layers * (all - again) + again } else { spec.layers * all };
        u64::from(self.capacity.rows) * (kept + scratch_width(spec)) as u64 * size_of::<f32>() as u64
    }

    /// Brings a batch to the device.
    pub(super) fn write(&self, queue: &wgpu::Queue, rows: &[RowInfo], blocks: &[u32], offsets: &[u32], size: BatchSize) {
        queue.write_buffer(&self.blocks, 0, bytemuck::cast_slice(blocks));
        queue.write_buffer(&self.rows, 0, bytemuck::cast_slice(rows));
        queue.write_buffer(&self.offsets, 0, bytemuck::cast_slice(offsets));
        queue.write_buffer(&self.batch, 0, bytemuck::bytes_of(&size));
        queue.write_buffer(&self.prompt_rows, 0, bytemuck::bytes_of(&size.prompt_rows()));
    }

    /// Rebinds the embedding step to a word table that was replaced. The backward pass, where it embeds again, is planned again.
    pub(super) fn set_table(&mut self, plan: &Plan<'_>, table: &wgpu::Buffer) {
        let launch = self.layers(plan).launch(GradRows::All);
        self.embed = embed_step(plan, &launch, [&self.rows, table, &self.prompt], &self.scratch.h);
        self.tracked = self.tracked.take().filter(|tracked| !tracked.recompute);
    }

    /// Makes room for tracked passes, at the first one.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub(super) fn track(&mut self, plan: &Plan<'_>, table: &wgpu::Buffer, recompute: bool) -> Result<()> {
        if self.tracked.as_ref().is_some_and(|tracked| tracked.recompute == recompute) {
            return Ok(());
        }
        self.tracked = None;
        let shared = recompute.then_some(&self.kept);
        let upper =
            plan.weights.layers.iter().skip(1).map(|_| keep(plan, self.capacity.rows, shared)).collect::<Result<Vec<_>>>()?;
        let pairs: Vec<_> = plan.weights.layers.iter().zip(std::iter::once(&self.kept).chain(&upper)).collect();
        let make = self.layers(plan);
        let launch = make.launch(GradRows::All);
        let mut backward = Vec::new();
        for (number, &(layer, kept)) in pairs.iter().enumerate().rev() {
            // The uppermost layer's are still there.
            if recompute && number + 1 < pairs.len() {
                let input = match number.checked_sub(1) {
                    Some(below) => {
                        let (layer, kept) = pairs[below];
                        make.norm(&kept.x2, &layer.ffn_norm, &self.scratch.x, &kept.stats2)
                    }
                    None => embed_step(plan, &launch, [&self.rows, table, &self.prompt], &self.scratch.x),
                };
                backward.extend(make.again(input, layer, kept));
            }
            backward.extend(make.backward(layer, kept, if number == 0 { GradRows::Prompt } else { GradRows::All }));
        }
        let Plan { pipelines, weights, spec, .. } = plan;
        let (d_residual, d_product) = (&self.scratch.x, &self.scratch.h);
        let buffers =
            [&self.offsets, d_residual, d_product, &self.prompt, &weights.position, &weights.embed_norm.gamma, &self.d_prompt];
        backward.push(embed_grad::step(&pipelines.embed_grad, &launch, buffers, norm_params(spec)));
        let layers = pairs.iter().map(|(layer, kept)| make.forward(layer, kept)).collect();
        self.tracked = Some(Tracked { layers, backward, recompute });
        Ok(())
    }

    /// Steps of the embeddings and of each layer, lowest first.
    pub(super) fn forward(&self, keep: bool) -> impl Iterator<Item = &[Step]> {
        let tracked = self.tracked.as_ref().filter(|_| keep);
        let layers = tracked.map_or(&self.layers, |tracked| &tracked.layers);
        std::iter::once(std::slice::from_ref(&self.embed)).chain(layers.iter().map(Vec::as_slice))
    }

    /// Steps from `d_h` to `d_prompt`; none before [`Self::track`].
    pub(super) fn backward(&self) -> &[Step] {
        self.tracked.as_ref().map_or(&[], |tracked| &tracked.backward)
    }

    /// `[T, D]`: output of the embeddings, then of each layer.
    pub(super) fn h(&self) -> &wgpu::Buffer {
        &self.scratch.h
    }

    /// The steps of pooling and of its gradient.
    pub(super) fn pool(&mut self, plan: &Plan<'_>, pooling: Pooling) -> (Step, Step) {
        if let Some((_, pool, grad)) = self.pools.iter().find(|(known, ..)| *known == pooling) {
            return (pool.clone(), grad.clone());
        }
        let launch = self.layers(plan).launch(GradRows::All);
        let params = pool::Params::new(pooling, plan.spec.hidden as u32);
        let h = &self.scratch.h;
        let pool = pool::step(&plan.pipelines.pool, &launch, [&self.offsets, h, &self.pooled], params);
        let grad = pool_grad::step(&plan.pipelines.pool_grad, &launch, [&self.rows, &self.d_pooled, h], params);
        self.pools.push((pooling, pool.clone(), grad.clone()));
        (pool, grad)
    }

    fn layers<'a>(&'a self, plan: &Plan<'a>) -> Layers<'a> {
        let Self { rows, blocks, batch, prompt_rows, scratch, .. } = self;
        Layers { plan: *plan, rows, blocks, batch, prompt_rows, scratch }
    }
}

fn embed_step(plan: &Plan<'_>, launch: &Launch<'_>, [rows, table, prompt]: [&wgpu::Buffer; 3], h: &wgpu::Buffer) -> Step {
    let Weights { position, embed_norm, .. } = plan.weights;
    let buffers = [rows, table, prompt, position, &embed_norm.gamma, &embed_norm.beta, h];
    embed::step(&plan.pipelines.embed, launch, buffers, norm_params(plan.spec))
}
