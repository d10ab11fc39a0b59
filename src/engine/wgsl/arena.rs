//! `Arena`: all buffers whose size depends on the batch, allocated once for a capacity, with every step recorded on them.
//!
//! Without tracking, all layers use the same set of buffers; `track.rs` adds what tracking needs. Layers below the entry of a
//! route are not replayed.

use super::device::Gpu;
use super::kernel::Launch;
use super::layer::{Kept, Layers, Scratch, norm_params};
use super::pipelines::Pipelines;
use super::recorder::{BatchSize, Step};
use super::track::Tracked;
use super::weights::Weights;
use super::{embed, insert, neuron_scores, pool, pool_grad, prefix};
use crate::data::batch::PackedBatch;
use crate::engine::{Entry, GradRows, Pooling, Route, RowInfo};
use crate::error::{Error, Result};
use crate::model::spec::EncoderSpec;

/// The inputs of an arena's construction.
#[derive(Clone, Copy)]
pub(super) struct Plan<'a> {
    pub(super) gpu: &'a Gpu,
    pub(super) spec: &'a EncoderSpec,
    pub(super) pipelines: &'a Pipelines,
    pub(super) weights: &'a Weights,
}

/// The capacity of an arena, in rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Capacity {
    /// Packed rows T.
    pub(super) rows: u32,
    /// Examples B.
    pub(super) examples: u32,
    /// Rows of the prompt input: P, or B P if every example has its own.
    pub(super) prompt: u32,
    /// Rows N of the update.
    pub(super) update: u32,
    /// Rows of the prefix, 2 L P.
    pub(super) prefix: u32,
    /// Hidden states of the text, if the prompt is inserted after a layer.
    pub(super) states: u32,
}

impl Capacity {
    /// Before the first batch.
    pub(super) const SMALLEST: Self = Self { rows: 1, examples: 1, prompt: 1, update: 0, prefix: 0, states: 0 };

    /// The capacity for a batch after shared prompt rows, at the word embeddings.
    ///
    /// # Errors
    /// [`Error::Model`] for a batch without rows, or with too many.
    pub(super) fn new(rows: usize, examples: usize, prompt: usize) -> Result<Self> {
        let count = |count: usize| u32::try_from(count).ok();
        match (count(rows), count(examples), count(prompt)) {
            (Some(rows), Some(examples), Some(prompt)) if rows > 0 && examples > 0 => {
                Ok(Self { rows, examples, prompt, ..Self::SMALLEST })
            }
            _ => Err(Error::model(format!("a batch of {examples} examples and {rows} rows"), "use a batch of 1 example or more")),
        }
    }

    /// The capacity for a batch on a route.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub(super) fn of(batch: &PackedBatch, route: &Route, layers: usize) -> Result<Self> {
        let [prompt, update, prefix] = route.input_rows(batch, layers);
        // Prefix rows start from rows of zeros.
        let capacity = Self::new(batch.rows(), batch.examples(), prompt.max(batch.prompt_length()))?;
        let states = if route.entry == Entry::Words { 0 } else { capacity.rows };
        Ok(Self { update: update as u32, prefix: prefix as u32, states, ..capacity })
    }

    fn with(self, other: Self, f: impl Fn(u32, u32, u32) -> u32) -> Self {
        Self {
            rows: f(self.rows, other.rows, 64),
            examples: f(self.examples, other.examples, 16),
            prompt: f(self.prompt, other.prompt, 1),
            update: f(self.update, other.update, 1),
            prefix: f(self.prefix, other.prefix, 1),
            states: f(self.states, other.states, 64),
        }
    }

    /// A capacity for a batch that did not fit: slightly larger, so that the next larger batch fits.
    pub(super) fn grown(self, size: Self) -> Self {
        self.with(size, |old, new, step| if new > old { new.next_multiple_of(step) } else { old })
    }
}

/// Buffers for batches up to a capacity, and the steps on them.
#[derive(Debug)]
pub(super) struct Arena {
    pub(super) capacity: Capacity,
    /// The uniform with the size of the current batch.
    batch: wgpu::Buffer,
    /// The same with only its prompt rows.
    prompt_rows: wgpu::Buffer,
    /// `[T]` [`RowInfo`].
    pub(super) rows: wgpu::Buffer,
    /// First row of every block of rows in the attention kernels.
    blocks: wgpu::Buffer,
    /// `[B + 1]`.
    pub(super) offsets: wgpu::Buffer,
    /// The word table, `[U, D]`.
    pub(super) table: wgpu::Buffer,
    /// The trained input, written by the caller: `[P, D]` or `[B P, D]`; `[N, D]`; `[P, 2 L D]`.
    pub(super) prompt: wgpu::Buffer,
    pub(super) update: wgpu::Buffer,
    pub(super) prefix: wgpu::Buffer,
    /// `[T - B P, D]`, written by the caller.
    pub(super) states: wgpu::Buffer,
    /// `[B, D]`.
    pub(super) pooled: wgpu::Buffer,
    /// `[B, D]`, written by the caller.
    pub(super) d_pooled: wgpu::Buffer,
    /// Gradients of the trained input.
    pub(super) d_prompt: wgpu::Buffer,
    pub(super) d_update: wgpu::Buffer,
    pub(super) d_prefix: wgpu::Buffer,
    pub(super) scratch: Scratch,
    pub(super) kept: Kept,
    /// The input of the layers: embeddings without and with an update, and hidden states with an inserted prompt.
    embed: [Step; 2],
    insert: Step,
    layers: Vec<Vec<Step>>,
    /// The same with a prefix.
    prefixed: Vec<Vec<Step>>,
    pub(super) tracked: Option<Tracked>,
    pools: Vec<(Pooling, Step, Step)>,
}

/// Elements per row of the scratch buffers.
pub(super) fn scratch_width(spec: &EncoderSpec) -> usize {
    3 * spec.hidden + wide(spec) + spec.heads
}

fn wide(spec: &EncoderSpec) -> usize {
    spec.ffn.max(3 * spec.hidden)
}

pub(super) fn room(gpu: &Gpu, name: &str, count: u32, width: usize) -> Result<wgpu::Buffer> {
    gpu.storage(name, u64::from(count) * width as u64 * size_of::<f32>() as u64)
}

impl Arena {
    /// Allocates buffers for batches up to `capacity`, and records the untracked steps on them.
    ///
    /// # Errors
    /// [`crate::error::Error::Device`] if a buffer is larger than the device can bind.
    pub(super) fn new(plan: &Plan<'_>, table: &wgpu::Buffer, capacity: Capacity) -> Result<Self> {
        let &Plan { gpu, spec, weights, .. } = plan;
        let Capacity { rows, examples, .. } = capacity;
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
        let [prompt, d_prompt] = [room(gpu, "prompt", capacity.prompt, d)?, room(gpu, "d_prompt", capacity.prompt, d)?];
        let [update, d_update] = [room(gpu, "update", capacity.update, d)?, room(gpu, "d_update", capacity.update, d)?];
        let [prefix, d_prefix] = [room(gpu, "prefix", capacity.prefix, d)?, room(gpu, "d_prefix", capacity.prefix, d)?];
        let states = room(gpu, "states", capacity.states, d)?;
        let launch = Launch { gpu, batch: &batch, rows: GradRows::All };
        let embed =
            [false, true].map(|updates| embed_step(plan, &launch, [&row_infos, table, &prompt, &update], updates, &scratch.h));
        let insert = insert::step(&plan.pipelines.insert, &launch, [&row_infos, &prompt, &states, &scratch.h], d as u32);
        let mut arena = Self {
            capacity,
            batch,
            prompt_rows: gpu.uniform("prompt_rows", &BatchSize::default()),
            rows: row_infos,
            // No block is empty, so there are at most as many as rows.
            blocks: room(gpu, "blocks", rows, 1)?,
            offsets: room(gpu, "offsets", examples + 1, 1)?,
            table: table.clone(),
            prompt,
            update,
            prefix,
            states,
            pooled: room(gpu, "pooled", examples, d)?,
            d_pooled: room(gpu, "d_pooled", examples, d)?,
            d_prompt,
            d_update,
            d_prefix,
            scratch,
            kept: super::track::keep(plan, rows, None)?,
            embed,
            insert,
            layers: Vec::new(),
            prefixed: Vec::new(),
            tracked: None,
            pools: Vec::new(),
        };
        arena.layers = weights.layers.iter().map(|layer| arena.layers(plan).forward(layer, &arena.kept, None)).collect();
        if capacity.prefix > 0 {
            let prefixed = weights.layers.iter().enumerate().map(|(number, layer)| {
                let prefix = arena.prefix_step(plan, number, &arena.kept.qkv);
                arena.layers(plan).forward(layer, &arena.kept, Some(prefix))
            });
            arena.prefixed = prefixed.collect();
        }
        Ok(arena)
    }

    /// Uploads a batch to the device.
    pub(super) fn write(&self, queue: &wgpu::Queue, rows: &[RowInfo], blocks: &[u32], offsets: &[u32], size: BatchSize) {
        queue.write_buffer(&self.blocks, 0, bytemuck::cast_slice(blocks));
        queue.write_buffer(&self.rows, 0, bytemuck::cast_slice(rows));
        queue.write_buffer(&self.offsets, 0, bytemuck::cast_slice(offsets));
        queue.write_buffer(&self.batch, 0, bytemuck::bytes_of(&size));
        queue.write_buffer(&self.prompt_rows, 0, bytemuck::bytes_of(&size.prompt_rows()));
    }

    /// Rebinds the embedding steps to a replaced word table. A backward pass that reads it is planned again.
    pub(super) fn set_table(&mut self, plan: &Plan<'_>, table: &wgpu::Buffer) {
        self.table = table.clone();
        let launch = self.layers(plan).launch(GradRows::All);
        let sources = [&self.rows, table, &self.prompt, &self.update];
        self.embed = [false, true].map(|updates| embed_step(plan, &launch, sources, updates, &self.scratch.h));
        self.tracked = self.tracked.take().filter(|tracked| !tracked.reads_table());
    }

    /// Steps for the input of the layers, and for each layer on the route, lowest first.
    pub(super) fn forward(&self, route: &Route, keep: bool) -> impl Iterator<Item = &[Step]> {
        let layers = match &self.tracked {
            Some(tracked) if keep => &tracked.layers[..],
            _ if route.prefix => &self.prefixed[..],
            _ => &self.layers[lowest(route)..],
        };
        let first = match route.entry {
            Entry::Words => &self.embed[usize::from(route.update > 0)],
            Entry::After(_) => &self.insert,
        };
        std::iter::once(std::slice::from_ref(first)).chain(layers.iter().map(Vec::as_slice))
    }

    /// The input of the layers, written to another buffer.
    pub(super) fn first_into(&self, plan: &Plan<'_>, route: &Route, h: &wgpu::Buffer) -> Step {
        let launch = self.layers(plan).launch(GradRows::All);
        match route.entry {
            Entry::Words => embed_step(plan, &launch, [&self.rows, &self.table, &self.prompt, &self.update], route.update > 0, h),
            Entry::After(_) => {
                let buffers = [&self.rows, &self.prompt, &self.states, h];
                insert::step(&plan.pipelines.insert, &launch, buffers, plan.spec.hidden as u32)
            }
        }
    }

    /// The step that writes the prefix into the keys and values of a layer.
    pub(super) fn prefix_step(&self, plan: &Plan<'_>, layer: usize, qkv: &wgpu::Buffer) -> Step {
        let EncoderSpec { hidden, layers, .. } = *plan.spec;
        let params = prefix::Params { columns: hidden as u32, layer: layer as u32, layers: layers as u32, pad: 0 };
        let launch = self.layers(plan).launch(GradRows::All);
        prefix::step(&plan.pipelines.prefix, &launch, [&self.offsets, &self.prefix, qkv], params)
    }

    /// The step that sums the examples' mean activations of a layer, just computed without tracking, into `[F]`.
    pub(super) fn neuron_scores(&self, plan: &Plan<'_>, scores: &wgpu::Buffer) -> Step {
        let launch = self.layers(plan).launch(GradRows::All);
        let buffers = [&self.offsets, &self.scratch.wide, scores];
        neuron_scores::step(&plan.pipelines.neuron_scores, &launch, buffers, plan.spec.ffn as u32)
    }

    /// `[T, D]`: the input of the layers, then the output of each layer.
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

    pub(super) fn layers<'a>(&'a self, plan: &Plan<'a>) -> Layers<'a> {
        let Self { rows, blocks, batch, prompt_rows, scratch, .. } = self;
        Layers { plan: *plan, rows, blocks, batch, prompt_rows, scratch }
    }
}

/// The lowest layer on a route.
pub(super) fn lowest(route: &Route) -> usize {
    match route.entry {
        Entry::Words => 0,
        Entry::After(layers) => layers,
    }
}

fn embed_step(
    plan: &Plan<'_>,
    launch: &Launch<'_>,
    [rows, table, prompt, update]: [&wgpu::Buffer; 4],
    updates: bool,
    h: &wgpu::Buffer,
) -> Step {
    let Weights { position, embed_norm, .. } = plan.weights;
    let buffers = [rows, table, prompt, update, position, &embed_norm.gamma, &embed_norm.beta, h];
    embed::step(&plan.pipelines.embed, launch, buffers, norm_params(plan.spec), updates)
}
