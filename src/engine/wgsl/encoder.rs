//! [`WgslEncoder`]: the frozen encoder on a wgpu device, forward pass and gradient at the prompt.
//!
//! One pass is: [`WgslEncoder::prepare`] a batch, bring the prompt into [`WgslEncoder::prompt_buffer`], record
//! [`WgslEncoder::forward`], read [`WgslEncoder::pooled_buffer`]; for the gradient bring `d_pooled` into its buffer, record
//! [`WgslEncoder::backward`], read `d_prompt`. Recorded work has to be submitted before the next batch is prepared. Nothing
//! here waits for the device, except where it says `async`.

use std::sync::{Arc, Mutex};

use super::arena::{Arena, Plan};
use super::device::{Gpu, lock};
use super::pipelines::Pipelines;
use super::profile::{Clock, Timing, profile};
use super::recorder::{BatchSize, Step};
use super::self_test::self_test;
use super::tune::Tiles;
use super::weights::{Weights, WordTable};
use crate::config::Recompute;
use crate::data::batch::PackedBatch;
use crate::engine::{Pooling, check_batch, row_infos};
use crate::error::{Error, Result};
use crate::model::spec::{EncoderSpec, EncoderWeights};

/// A frozen post-norm BERT encoder on a wgpu device.
#[derive(Debug)]
pub struct WgslEncoder {
    gpu: Arc<Gpu>,
    spec: EncoderSpec,
    pipelines: Pipelines,
    weights: Weights,
    state: Mutex<State>,
}

/// What changes from batch to batch.
#[derive(Debug)]
struct State {
    table: WordTable,
    arena: Arena,
    size: BatchSize,
    /// Rows of the shortest example.
    shortest: u32,
    /// Pairs of rows of one example.
    pairs: u64,
    /// Whether the arena holds the activations of a tracked forward pass over the current batch.
    kept: bool,
    recompute: Recompute,
}

/// Capacity before the first batch.
const SMALLEST: BatchSize = BatchSize { rows: 1, examples: 1, prompt: 1, blocks: 0 };

impl WgslEncoder {
    /// Compiles every kernel that the encoder needs and uploads its weights; of the word embeddings only rows that are used
    /// follow later, which is why the weights on the host stay.
    ///
    /// # Errors
    /// [`Error::Device`] where a kernel does not compile (it is named) or a weight is larger than the device binds;
    /// [`Error::Model`] where the weights do not fit the spec, or the head size is not one that the kernels know.
    pub async fn new(gpu: Arc<Gpu>, weights: &Arc<EncoderWeights>) -> Result<Self> {
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
        let plan = Plan { gpu: &gpu, spec: &spec, pipelines: &pipelines, weights: &on_device };
        let arena = Arena::new(&plan, &table.buffer, SMALLEST)?;
        let state =
            State { table, arena, size: BatchSize::default(), shortest: 0, pairs: 0, kept: false, recompute: Recompute::Auto };
        Ok(Self { gpu, spec, pipelines, weights: on_device, state: Mutex::new(state) })
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

    /// Makes room for batches of this size ahead of the first one: `rows` T, `examples` B, `prompt` P. What the arena held is
    /// gone where it grows.
    ///
    /// # Errors
    /// [`Error::Device`] where a buffer is larger than the device binds.
    pub fn reserve(&self, rows: usize, examples: usize, prompt: usize) -> Result<()> {
        self.grow(&mut lock(&self.state), batch_size(rows, examples, prompt)?)
    }

    /// Whether tracked passes from now on keep all activations, or make the largest again on the way back: a third of the memory
    /// for a quarter more time, and the same bits. Activations kept for the current batch are gone where this changes it.
    pub fn set_recompute(&self, recompute: Recompute) {
        let state = &mut *lock(&self.state);
        if state.recompute != recompute {
            (state.recompute, state.kept) = (recompute, false);
        }
    }

    /// Bytes of activations of a tracked pass, for the largest batch so far.
    #[must_use]
    pub fn activation_bytes(&self) -> u64 {
        let state = lock(&self.state);
        state.arena.activation_bytes(&self.spec, self.recomputes(&state))
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
    /// [`Error::Model`] for an empty batch, a token id or a length that the encoder has no embedding for; [`Error::Device`]
    /// where it is too large for the device.
    pub fn prepare(&self, batch: &PackedBatch) -> Result<()> {
        let size = batch_size(batch.rows(), batch.examples(), batch.prompt_length())?;
        let lengths = || batch.offsets().windows(2).map(|pair| pair[1] - pair[0]);
        let shortest = lengths().min().unwrap_or(0);
        if shortest == 0 {
            return Err(Error::model("an example has no rows", "give each text one token at least"));
        }
        check_batch(batch, &self.spec)?;
        let state = &mut *lock(&self.state);
        self.load(state, batch.tokens().iter().copied())?;
        self.grow(state, size)?;
        let blocks = self.pipelines.blocking.blocks(batch.offsets());
        let size = BatchSize { blocks: blocks.len() as u32, ..size };
        (state.size, state.shortest, state.kept) = (size, shortest, false);
        state.pairs = lengths().map(|length| u64::from(length) * u64::from(length)).sum();
        let rows = row_infos(batch, |id| state.table.slot(id).expect("every token of the batch was loaded"));
        state.arena.write(&self.gpu.queue, &rows, &blocks, batch.offsets(), size);
        Ok(())
    }

    /// Records the forward pass over the current batch, from the prompt in [`Self::prompt_buffer`] to
    /// [`Self::pooled_buffer`]; with `keep`, the activations that [`Self::backward`] needs stay until the next
    /// [`Self::prepare`] or forward pass. A pass that cannot be made records nothing and is an error of [`Gpu::check`].
    pub fn forward(&self, commands: &mut wgpu::CommandEncoder, keep: bool, pooling: Pooling) {
        let state = &mut *lock(&self.state);
        if let Err(error) = self.record_forward(state, commands, keep, pooling) {
            self.gpu.report(format!("the forward pass cannot be recorded: {error}"));
        }
    }

    /// Records the backward pass of the last forward pass, which kept its activations and pooled the same way: from
    /// [`Self::d_pooled_buffer`] to [`Self::d_prompt_buffer`]. It uses the activations up. A pass that cannot be made records nothing and is an error of
    /// [`Gpu::check`].
    pub fn backward(&self, commands: &mut wgpu::CommandEncoder, pooling: Pooling) {
        let state = &mut *lock(&self.state);
        if !state.kept {
            self.gpu.report("a backward pass without a forward pass that kept its activations".to_owned());
            return;
        }
        if state.size.prompt == 0 {
            return;
        }
        state.kept = false;
        let (_, pool_grad) = state.arena.pool(&self.plan(), pooling);
        let mut pass = begin(commands, "backward");
        for step in std::iter::once(&pool_grad).chain(state.arena.backward()) {
            step.replay(&mut pass, state.size);
        }
    }

    /// Prompt rows `[P, D]` of the current batch, to be written before the forward pass. Each accessor's buffer is the
    /// current batch's: take it after [`Self::prepare`].
    #[must_use]
    pub fn prompt_buffer(&self) -> wgpu::Buffer {
        lock(&self.state).arena.prompt.clone()
    }

    /// Pooled rows `[B, D]`.
    #[must_use]
    pub fn pooled_buffer(&self) -> wgpu::Buffer {
        lock(&self.state).arena.pooled.clone()
    }

    /// Gradient at the pooled rows `[B, D]`, to be written before the backward pass.
    #[must_use]
    pub fn d_pooled_buffer(&self) -> wgpu::Buffer {
        lock(&self.state).arena.d_pooled.clone()
    }

    /// Gradient at the prompt rows `[P, D]`.
    #[must_use]
    pub fn d_prompt_buffer(&self) -> wgpu::Buffer {
        lock(&self.state).arena.d_prompt.clone()
    }

    /// Examples B of the current batch.
    #[must_use]
    pub fn examples(&self) -> usize {
        lock(&self.state).size.examples as usize
    }

    /// Prompt rows P of the current batch.
    #[must_use]
    pub fn prompt_length(&self) -> usize {
        lock(&self.state).size.prompt as usize
    }

    /// The first `len` values of a buffer.
    ///
    /// # Errors
    /// [`Error::Device`] where the device raised an error.
    pub async fn read(&self, buffer: &wgpu::Buffer, len: usize) -> Result<Vec<f32>> {
        self.gpu.read(buffer, len).await
    }

    /// Output of the embeddings and of each layer for a batch and its prompt `[P, D]`, lowest first: `L + 1` times `[T, D]`.
    ///
    /// # Errors
    /// As [`Self::prepare`] and [`Self::read`]; [`Error::Model`] where the prompt is not `[P, D]`.
    pub async fn hidden_states(&self, batch: &PackedBatch, prompt: &[f32]) -> Result<Vec<Vec<f32>>> {
        if prompt.len() != batch.prompt_length() * self.spec.hidden {
            return Err(Error::model(
                format!("{} prompt values for {} rows of {}", prompt.len(), batch.prompt_length(), self.spec.hidden),
                "give a prompt of [P, D]",
            ));
        }
        self.prepare(batch)?;
        let values = batch.rows() * self.spec.hidden;
        let bytes = (values * size_of::<f32>()) as u64;
        let mut copies = Vec::new();
        {
            let state = lock(&self.state);
            self.gpu.queue.write_buffer(&state.arena.prompt, 0, bytemuck::cast_slice(prompt));
            let mut commands = command_encoder(&self.gpu, "hidden states");
            for steps in state.arena.forward(false) {
                replay(&mut begin(&mut commands, "layer"), steps, state.size);
                let copy = self.gpu.storage("hidden state", bytes)?;
                commands.copy_buffer_to_buffer(state.arena.h(), 0, &copy, 0, bytes);
                copies.push(copy);
            }
            self.gpu.queue.submit([commands.finish()]);
        }
        let mut states = Vec::new();
        for copy in copies {
            states.push(self.gpu.read(&copy, values).await?);
        }
        Ok(states)
    }

    /// Times every kernel of a tracked forward pass and its backward pass over the current batch, with whatever is in the
    /// prompt's and the gradient's buffers.
    ///
    /// # Errors
    /// [`Error::Model`] without a batch; [`Error::Device`] where the device raised an error.
    pub async fn profile(&self, pooling: Pooling) -> Result<(Clock, Vec<Timing>)> {
        let (steps, size, pairs) = {
            let state = &mut *lock(&self.state);
            if state.size.rows == 0 {
                return Err(Error::model("there is no batch", "prepare one first"));
            }
            let recompute = self.recomputes(state);
            state.arena.track(&self.plan(), &state.table.buffer, recompute)?;
            state.kept = false;
            let (pool, pool_grad) = state.arena.pool(&self.plan(), pooling);
            let forward = state.arena.forward(true).flatten().cloned();
            let backward = state.arena.backward().iter().cloned();
            let steps: Vec<Step> = forward.chain([pool, pool_grad]).chain(backward).collect();
            (steps, state.size, state.pairs)
        };
        profile(&self.gpu, &steps, size, pairs).await
    }

    fn plan(&self) -> Plan<'_> {
        Plan { gpu: &self.gpu, spec: &self.spec, pipelines: &self.pipelines, weights: &self.weights }
    }

    fn load(&self, state: &mut State, ids: impl IntoIterator<Item = u32>) -> Result<()> {
        if state.table.load(&self.gpu, ids)? {
            state.arena.set_table(&self.plan(), &state.table.buffer);
        }
        Ok(())
    }

    fn grow(&self, state: &mut State, size: BatchSize) -> Result<()> {
        if !state.arena.fits(size) {
            let grown = state.arena.grown(size);
            (state.size, state.kept) = (BatchSize::default(), false);
            // The old buffers go first: both would not always fit.
            state.arena = Arena::new(&self.plan(), &state.table.buffer, SMALLEST)?;
            state.arena = Arena::new(&self.plan(), &state.table.buffer, grown)?;
        }
        Ok(())
    }

    /// Whether the backward pass of this arena makes activations again.
    fn recomputes(&self, state: &State) -> bool {
        match state.recompute {
            Recompute::On => true,
            Recompute::Off => false,
            // WebGPU tells no amount of memory. The largest buffer that an adapter gives says how much it has to give.
            Recompute::Auto => state.arena.activation_bytes(&self.spec, false) > self.gpu.device.limits().max_buffer_size,
        }
    }

    fn record_forward(&self, state: &mut State, commands: &mut wgpu::CommandEncoder, keep: bool, pooling: Pooling) -> Result<()> {
        if state.size.rows == 0 {
            return Err(Error::model("there is no batch", "prepare one first"));
        }
        if let Pooling::Row(row) = pooling
            && row >= state.shortest
        {
            return Err(Error::model(format!("an example has no row {row}"), "pool a row that every example has"));
        }
        if keep {
            let recompute = self.recomputes(state);
            state.arena.track(&self.plan(), &state.table.buffer, recompute)?;
        }
        state.kept = keep;
        let (pool, _) = state.arena.pool(&self.plan(), pooling);
        let mut pass = begin(commands, "forward");
        for steps in state.arena.forward(keep) {
            replay(&mut pass, steps, state.size);
        }
        pool.replay(&mut pass, state.size);
        Ok(())
    }
}

fn batch_size(rows: usize, examples: usize, prompt: usize) -> Result<BatchSize> {
    let count = |count: usize| u32::try_from(count).ok();
    match (count(rows), count(examples), count(prompt)) {
        (Some(rows), Some(examples), Some(prompt)) if rows > 0 && examples > 0 => {
            Ok(BatchSize { rows, examples, prompt, blocks: 0 })
        }
        _ => Err(Error::model(format!("a batch of {examples} examples and {rows} rows"), "use a batch of 1 example or more")),
    }
}

fn command_encoder(gpu: &Gpu, label: &str) -> wgpu::CommandEncoder {
    gpu.device.create_command_encoder(&wgpu::CommandEncoderDescriptor { label: Some(label) })
}

fn begin<'a>(commands: &'a mut wgpu::CommandEncoder, label: &str) -> wgpu::ComputePass<'a> {
    commands.begin_compute_pass(&wgpu::ComputePassDescriptor { label: Some(label), timestamp_writes: None })
}

fn replay(pass: &mut wgpu::ComputePass<'_>, steps: &[Step], size: BatchSize) {
    for step in steps {
        step.replay(pass, size);
    }
}
