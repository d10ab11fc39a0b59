//! [`WgslEncoder`]: the frozen encoder on a wgpu device, forward pass and gradient of the trained input.
//!
//! One pass is: [`WgslEncoder::prepare`] a batch and its route, bring the trained input into the buffers of [`WgslEncoder::input`]
//! and, where the prompt joins after a layer, the text's states into [`WgslEncoder::states_buffer`], record [`WgslEncoder::forward`],
//! read [`WgslEncoder::pooled_buffer`]; for the gradient bring `d_pooled` into its buffer, record [`WgslEncoder::backward`], read
//! [`WgslEncoder::gradients`]. Recorded work has to be submitted before the next batch is prepared. Nothing
//! here waits for the device, except where it says `async`.

mod buffers;
mod passes;

pub(super) use passes::{begin, replay};

use std::sync::{Arc, Mutex};

use super::arena::Arena;
use super::batch_buffers::Capacity;
use super::device::{Gpu, lock};
use super::parts::EncoderParts;
use super::pipelines::Pipelines;
use super::recorder::BatchSize;
use super::self_test::self_test;
use super::tune::Tiles;
use super::weights::{Weights, WordTable, check_fit};
use crate::config::Recompute;
use crate::data::batch::PackedBatch;
use crate::engine::{Entry, Pooling, Route, check_route};
use crate::error::{Error, Result};
use crate::model::spec::{EncoderSpec, EncoderWeights};

/// A frozen post-norm BERT encoder on a wgpu device.
#[derive(Debug)]
pub struct WgslEncoder {
    spec: EncoderSpec,
    pipelines: Pipelines,
    weights: Weights,
    pub(super) state: Mutex<State>,
    /// Last, so that it is dropped after everything that is the device's.
    gpu: Collected,
}

/// A device that lets go of what was dropped before this: wgpu keeps whatever the latest work used until it is asked, and burn keeps
/// the device for as long as the program runs.
#[derive(Debug)]
struct Collected(Arc<Gpu>);

impl Drop for Collected {
    fn drop(&mut self) {
        self.0.collect();
    }
}

impl std::ops::Deref for Collected {
    type Target = Arc<Gpu>;

    fn deref(&self) -> &Arc<Gpu> {
        &self.0
    }
}

/// What changes from batch to batch.
#[derive(Debug)]
pub(super) struct State {
    table: WordTable,
    pub(super) arena: Arena,
    pub(super) size: BatchSize,
    /// The current batch's.
    route: Route,
    /// Rows of its trained input: prompt, update, prefix.
    input_rows: [usize; 3],
    /// Pairs of rows of one example.
    pairs: u64,
    /// Whether the arena holds the activations of a tracked forward pass over the current batch.
    pub(super) activations_saved: bool,
    recompute: Recompute,
}

impl WgslEncoder {
    /// Compiles every kernel that the encoder needs and uploads its weights; of the word embeddings only rows that are used
    /// follow later, which is why the weights on the host stay.
    ///
    /// # Errors
    /// [`Error::Device`] where a kernel does not compile (it is named) or a weight is larger than the device binds;
    /// [`Error::Model`] where the weights do not fit the spec, or the head size is not one that the kernels know.
    pub async fn new(gpu: Arc<Gpu>, weights: &Arc<EncoderWeights>) -> Result<Self> {
        check_fit(&gpu, &weights.spec)?;
        let pipelines = Pipelines::new(&gpu, &weights.spec).await?;
        Self::build(gpu, weights, pipelines)
    }

    /// [`Self::new`] with products cut into these tiles, without a measurement.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub async fn with_tiles(gpu: Arc<Gpu>, weights: &Arc<EncoderWeights>, tiles: Tiles) -> Result<Self> {
        let pipelines = Pipelines::with(&gpu, &weights.spec, tiles).await?;
        Self::build(gpu, weights, pipelines)
    }

    fn build(gpu: Arc<Gpu>, weights: &Arc<EncoderWeights>, pipelines: Pipelines) -> Result<Self> {
        let spec = weights.spec.clone();
        let on_device = Weights::new(&gpu, weights, pipelines.storage())?;
        let table = WordTable::new(&gpu, weights.clone())?;
        let parts = EncoderParts { gpu: &gpu, spec: &spec, pipelines: &pipelines, weights: &on_device };
        let arena = Arena::new(&parts, &table.buffer, Capacity::SMALLEST)?;
        let state = State {
            table,
            arena,
            size: BatchSize::default(),
            route: Route::words(Pooling::Mean),
            input_rows: [0; 3],
            pairs: 0,
            activations_saved: false,
            recompute: Recompute::Auto,
        };
        Ok(Self { spec, pipelines, weights: on_device, state: Mutex::new(state), gpu: Collected(gpu) })
    }

    /// Runs every kernel of this encoder once, on few rows of the true widths, and compares it with its CPU twin.
    ///
    /// # Errors
    /// [`Error::Device`] with the name of the first kernel that computes wrongly on this very GPU.
    pub async fn self_test(&self) -> Result<()> {
        self_test(&self.gpu, &self.pipelines, &self.spec).await
    }

    /// Which tile each product takes.
    #[must_use]
    pub fn tiles(&self) -> &Tiles {
        self.pipelines.tiles()
    }

    /// The device.
    #[must_use]
    pub fn gpu(&self) -> &Arc<Gpu> {
        &self.gpu
    }

    /// Sizes of the encoder.
    #[must_use]
    pub fn spec(&self) -> &EncoderSpec {
        &self.spec
    }

    /// Loads word embeddings ahead of the first batch that uses them.
    ///
    /// # Errors
    /// [`Error::Model`] for an id outside the vocabulary; [`Error::Device`] where the table gets larger than the device binds.
    pub fn load_tokens(&self, ids: impl IntoIterator<Item = u32>) -> Result<()> {
        self.load(&mut lock(&self.state), ids)
    }

    /// Makes room for batches of this size ahead of the first one: `rows` T, `examples` B, `prompt` P shared rows. What the arena
    /// held is gone where it grows.
    ///
    /// # Errors
    /// [`Error::Device`] where a buffer is larger than the device binds.
    pub fn reserve(&self, rows: usize, examples: usize, prompt: usize) -> Result<()> {
        self.grow(&mut lock(&self.state), Capacity::new(rows, examples, prompt)?)
    }

    /// Whether tracked passes from now on keep all activations, or make the largest again on the way back: a third of the memory
    /// for a quarter more time, and the same bits. Activations kept for the current batch are gone where this changes it.
    pub fn set_recompute(&self, recompute: Recompute) {
        let state = &mut *lock(&self.state);
        if state.recompute != recompute {
            (state.recompute, state.activations_saved) = (recompute, false);
        }
    }

    /// Bytes of activations of a tracked pass on the current batch's route, for the largest batch so far.
    #[must_use]
    pub fn activation_bytes(&self) -> u64 {
        let state = lock(&self.state);
        state.arena.activation_bytes(&self.spec, &state.route, self.recomputes(&state))
    }

    /// Bytes on the device of the weights, and of the word embeddings that are there.
    #[must_use]
    pub fn weight_bytes(&self) -> (u64, u64) {
        (self.weights.bytes(), lock(&self.state).table.buffer.size())
    }

    /// Checks a batch and brings it to the device: it is the current one until the next. Loads the word embeddings it needs
    /// and makes room for it; nothing is allocated once both have been seen. Activations kept for an earlier batch are gone.
    ///
    /// # Errors
    /// [`Error::Model`] for an empty batch, a token id or a length that the encoder has no embedding for, a row to pool that an
    /// example does not have, or a route that the encoder cannot take; [`Error::Device`] where it is too large for the device.
    pub fn prepare(&self, batch: &PackedBatch, route: Route) -> Result<()> {
        let layers = self.spec.layers;
        let capacity = Capacity::of(batch, &route, layers)?;
        let lengths = || batch.offsets().windows(2).map(|pair| pair[1] - pair[0]);
        let shortest = lengths().min().unwrap_or(0) as usize;
        if shortest == 0 {
            return Err(Error::model("an example has no rows", "give each text one token at least"));
        }
        check_route(batch, &route, &self.spec)?;
        let first = route.pooling.first();
        if first >= shortest {
            return Err(Error::model(format!("an example has no row {first}"), "pool a row that every example has"));
        }
        let state = &mut *lock(&self.state);
        if route.entry == Entry::Words {
            self.load(state, batch.tokens().iter().copied())?;
        }
        self.grow(state, capacity)?;
        let blocks = self.pipelines.blocking.blocks(batch.offsets());
        let prompt = batch.prompt_length() as u32;
        let size = BatchSize { rows: capacity.rows, examples: capacity.examples, prompt, blocks: blocks.len() as u32 };
        (state.size, state.activations_saved) = (size, false);
        // No prefix rows: no prefix.
        state.route = Route { prefix: route.prefix && prompt > 0, ..route };
        state.input_rows = route.input_rows(batch, layers);
        state.pairs = lengths().map(|length| u64::from(length) * u64::from(length)).sum();
        let rows = route.row_infos(batch, |id| state.table.slot(id).expect("every token of the batch was loaded"));
        state.arena.buffers.write(&self.gpu.queue, &rows, &blocks, batch.offsets(), size);
        Ok(())
    }

    pub(super) fn parts(&self) -> EncoderParts<'_> {
        EncoderParts { gpu: &self.gpu, spec: &self.spec, pipelines: &self.pipelines, weights: &self.weights }
    }

    fn load(&self, state: &mut State, ids: impl IntoIterator<Item = u32>) -> Result<()> {
        if state.table.load(&self.gpu, ids)? {
            state.arena.set_table(&self.parts(), &state.table.buffer);
        }
        Ok(())
    }

    fn grow(&self, state: &mut State, size: Capacity) -> Result<()> {
        let grown = state.arena.buffers.capacity.grown(size);
        if grown != state.arena.buffers.capacity {
            (state.size, state.activations_saved) = (BatchSize::default(), false);
            // The old buffers go first: both would not always fit.
            state.arena = Arena::new(&self.parts(), &state.table.buffer, Capacity::SMALLEST)?;
            state.arena = Arena::new(&self.parts(), &state.table.buffer, grown)?;
        }
        Ok(())
    }

    /// Whether the backward pass of this arena makes activations again.
    fn recomputes(&self, state: &State) -> bool {
        match state.recompute {
            Recompute::On => true,
            Recompute::Off => false,
            // WebGPU tells no amount of memory. The largest buffer that an adapter gives says how much it has to give.
            Recompute::Auto => {
                state.arena.activation_bytes(&self.spec, &state.route, false) > self.gpu.device.limits().max_buffer_size
            }
        }
    }
}

pub(super) fn command_encoder(gpu: &Gpu, label: &str) -> wgpu::CommandEncoder {
    gpu.device.create_command_encoder(&wgpu::CommandEncoderDescriptor { label: Some(label) })
}
