//! [`BatchBuffers`]: all buffers whose size depends on the batch, allocated once for a capacity, and the individual steps on
//! them.

use super::kernel::Launch;
use super::layer::{Layers, SavedLayer, Scratch, norm_params};
use super::parts::EncoderParts;
use super::recorder::{BatchSize, Step};
use super::weights::Weights;
use super::{embed, insert, neuron_scores, pool, pool_grad, prefix, prefix_grad};
use crate::data::batch::PackedBatch;
use crate::engine::{Entry, GradRows, Pooling, Route, RowInfo};
use crate::error::{Error, Result};
use crate::model::spec::EncoderSpec;

/// A capacity for batches, in rows.
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
    /// The capacity before the first batch.
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

/// Buffers for batches up to a capacity.
#[derive(Debug)]
pub(super) struct BatchBuffers {
    pub(super) capacity: Capacity,
    /// The uniform with the size of the current batch.
    batch: wgpu::Buffer,
    /// The same with only the batch's prompt rows.
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
    /// Activations of each layer in turn of an untracked pass, and of the lowest layer of a tracked one.
    pub(super) saved: SavedLayer,
}

/// Elements per row of the scratch buffers.
pub(super) fn scratch_width(spec: &EncoderSpec) -> usize {
    3 * spec.hidden + wide(spec) + spec.heads
}

fn wide(spec: &EncoderSpec) -> usize {
    spec.ffn.max(3 * spec.hidden)
}

impl BatchBuffers {
    /// Allocates buffers for batches up to `capacity`.
    ///
    /// # Errors
    /// [`Error::Device`] if a buffer is larger than the device can bind.
    pub(super) fn new(parts: &EncoderParts<'_>, table: &wgpu::Buffer, capacity: Capacity) -> Result<Self> {
        let &EncoderParts { gpu, spec, .. } = parts;
        let Capacity { rows, examples, .. } = capacity;
        let d = spec.hidden;
        let matrix = |name: &str, count: u32, width: usize| gpu.matrix(name, count, width);
        Ok(Self {
            capacity,
            batch: gpu.uniform("batch", &BatchSize::default()),
            prompt_rows: gpu.uniform("prompt_rows", &BatchSize::default()),
            rows: matrix("rows", rows, size_of::<RowInfo>() / size_of::<f32>())?,
            // No block is empty, so there are at most as many as rows.
            blocks: matrix("blocks", rows, 1)?,
            offsets: matrix("offsets", examples + 1, 1)?,
            table: table.clone(),
            prompt: matrix("prompt", capacity.prompt, d)?,
            update: matrix("update", capacity.update, d)?,
            prefix: matrix("prefix", capacity.prefix, d)?,
            states: matrix("states", capacity.states, d)?,
            pooled: matrix("pooled", examples, d)?,
            d_pooled: matrix("d_pooled", examples, d)?,
            d_prompt: matrix("d_prompt", capacity.prompt, d)?,
            d_update: matrix("d_update", capacity.update, d)?,
            d_prefix: matrix("d_prefix", capacity.prefix, d)?,
            scratch: Scratch {
                h: matrix("h", rows, d)?,
                x: matrix("x", rows, d)?,
                y: matrix("y", rows, d)?,
                wide: matrix("wide", rows, wide(spec))?,
                delta: matrix("delta", rows, spec.heads)?,
            },
            saved: SavedLayer::new(parts, rows, None)?,
        })
    }

    /// Uploads a batch to the device.
    pub(super) fn write(&self, queue: &wgpu::Queue, rows: &[RowInfo], blocks: &[u32], offsets: &[u32], size: BatchSize) {
        queue.write_buffer(&self.blocks, 0, bytemuck::cast_slice(blocks));
        queue.write_buffer(&self.rows, 0, bytemuck::cast_slice(rows));
        queue.write_buffer(&self.offsets, 0, bytemuck::cast_slice(offsets));
        queue.write_buffer(&self.batch, 0, bytemuck::bytes_of(&size));
        queue.write_buffer(&self.prompt_rows, 0, bytemuck::bytes_of(&size.prompt_rows()));
    }

    /// Creates the steps of layers on these buffers.
    pub(super) fn layers<'a>(&'a self, parts: &EncoderParts<'a>) -> Layers<'a> {
        let Self { rows, blocks, batch, prompt_rows, scratch, .. } = self;
        Layers { parts: *parts, rows, blocks, batch, prompt_rows, scratch }
    }

    /// The common inputs of all steps over the packed rows.
    pub(super) fn launch<'a>(&'a self, parts: &EncoderParts<'a>) -> Launch<'a> {
        Launch { gpu: parts.gpu, batch: &self.batch, rows: GradRows::All }
    }

    /// The step that writes the embeddings of the current batch, with or without an update, to `h`.
    pub(super) fn embed(&self, parts: &EncoderParts<'_>, updates: bool, h: &wgpu::Buffer) -> Step {
        let Weights { position, embed_norm, .. } = parts.weights;
        let Self { rows, table, prompt, update, .. } = self;
        let buffers = [rows, table, prompt, update, position, &embed_norm.gamma, &embed_norm.beta, h];
        embed::step(&parts.pipelines.embed, &self.launch(parts), buffers, norm_params(parts.spec), updates)
    }

    /// The step that writes prompt rows and hidden states to `h`.
    pub(super) fn insert(&self, parts: &EncoderParts<'_>, h: &wgpu::Buffer) -> Step {
        let buffers = [&self.rows, &self.prompt, &self.states, h];
        insert::step(&parts.pipelines.insert, &self.launch(parts), buffers, parts.spec.hidden as u32)
    }

    /// The step that writes the input of a route's layers to `h`.
    pub(super) fn first(&self, parts: &EncoderParts<'_>, route: &Route, h: &wgpu::Buffer) -> Step {
        match route.entry {
            Entry::Words => self.embed(parts, route.update > 0, h),
            Entry::After(_) => self.insert(parts, h),
        }
    }

    /// The step that writes the prefix into the keys and values of a layer.
    pub(super) fn prefix(&self, parts: &EncoderParts<'_>, layer: usize, qkv: &wgpu::Buffer) -> Step {
        let EncoderSpec { hidden, layers, .. } = *parts.spec;
        let params = prefix::Params { columns: hidden as u32, layer: layer as u32, layers: layers as u32, pad: 0 };
        prefix::step(&parts.pipelines.prefix, &self.launch(parts), [&self.offsets, &self.prefix, qkv], params)
    }

    /// The step that extracts the gradient of the prefix from that of qkv.
    pub(super) fn prefix_grad(&self, parts: &EncoderParts<'_>, layer: usize, made: GradRows) -> Step {
        let EncoderSpec { hidden, layers, .. } = *parts.spec;
        let prompt_only = u32::from(made == GradRows::Prompt);
        let params = prefix_grad::Params { columns: hidden as u32, layer: layer as u32, layers: layers as u32, prompt_only };
        let buffers = [&self.offsets, &self.scratch.wide, &self.d_prefix];
        prefix_grad::step(&parts.pipelines.prefix_grad, &self.launch(parts), buffers, params)
    }

    /// The step that sums the examples' mean activations of a layer, just computed without tracking, into `[F]`.
    pub(super) fn neuron_scores(&self, parts: &EncoderParts<'_>, scores: &wgpu::Buffer) -> Step {
        let buffers = [&self.offsets, &self.scratch.wide, scores];
        neuron_scores::step(&parts.pipelines.neuron_scores, &self.launch(parts), buffers, parts.spec.ffn as u32)
    }

    /// The steps of pooling and of its gradient.
    pub(super) fn pool(&self, parts: &EncoderParts<'_>, pooling: Pooling) -> (Step, Step) {
        let launch = self.launch(parts);
        let params = pool::Params::new(pooling, parts.spec.hidden as u32);
        let h = &self.scratch.h;
        let pool = pool::step(&parts.pipelines.pool, &launch, [&self.offsets, h, &self.pooled], params);
        let grad = pool_grad::step(&parts.pipelines.pool_grad, &launch, [&self.rows, &self.d_pooled, h], params);
        (pool, grad)
    }
}
