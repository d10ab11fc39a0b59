//! The WGSL engine for burn's wgpu tensors: copies a few kilobytes in and out, on the queue that both share.

use std::sync::Arc;

use burn::backend::wgpu::CubeTensor;
use burn::tensor::Shape;
use burn_cubecl::kernel::into_contiguous;
use cubecl::wgpu::{AutoCompiler, WgpuServer};

use super::turn::{Claim, Turn};
use super::wgsl::{cache::StateCache, encoder::WgslEncoder, states::BufferOffset};
use super::{Engine, Entry, Pooling, Route};
use crate::config::Recompute;
use crate::data::batch::PackedBatch;
use crate::error::Result;
use crate::model::spec::{EncoderSpec, EncoderWeights};

/// The frozen encoder on a wgpu device that burn shares.
pub struct WgslEngine {
    encoder: WgslEncoder,
    /// There is only one set of buffers for a batch.
    turn: Arc<Turn>,
}

/// A pass in progress: no other thread can prepare a batch until it is finished.
pub struct WgslPass {
    claim: Claim,
    route: Route,
    examples: usize,
}

/// Buffers, with the number of rows of a matrix that each of them contains, in order.
type BufferRows = Vec<(wgpu::Buffer, usize)>;

impl WgslEngine {
    /// Wraps an encoder; prompts must be on the burn device made from its wgpu handles.
    #[must_use]
    pub fn new(encoder: WgslEncoder) -> Self {
        Self { encoder, turn: Arc::default() }
    }

    /// An encoder with other weights on the same device, with the same tiles.
    ///
    /// # Errors
    /// As [`WgslEncoder::new`].
    pub(super) async fn with_weights(&self, weights: &Arc<EncoderWeights>) -> Result<Self> {
        let (gpu, tiles) = (self.encoder.gpu().clone(), self.encoder.tiles().clone());
        let engine = Self::new(WgslEncoder::with_tiles(gpu, weights, tiles).await?);
        Ok(engine)
    }

    /// The first error that the device raised outside a call, if any.
    ///
    /// # Errors
    /// [`crate::error::Error::Device`] with its text.
    pub fn check(&self) -> Result<()> {
        self.encoder.gpu().check()
    }

    /// Size of the weights on the device in bytes, and of the word embeddings in use.
    pub(super) fn weight_bytes(&self) -> u64 {
        let (layers, words) = self.encoder.weight_bytes();
        layers + words
    }

    /// As [`WgslEncoder::activation_bytes`].
    pub(super) fn activation_bytes(&self) -> u64 {
        self.encoder.activation_bytes()
    }

    /// Sizes of the encoder.
    pub(super) fn spec(&self) -> &EncoderSpec {
        self.encoder.spec()
    }

    /// As [`WgslEncoder::set_recompute`], after the passes of other threads.
    pub fn set_recompute(&self, recompute: Recompute) {
        // Without a claim, this thread has a pass, and its activations are discarded.
        let _claim = self.turn.claim().ok();
        self.encoder.set_recompute(recompute);
    }

    /// Ends the pass of this thread if there will be no backward pass.
    pub(super) fn discard(&self) {
        self.turn.discard();
    }

    /// Bytes of rows of the hidden size.
    fn bytes(&self, rows: usize) -> u64 {
        (rows * self.spec().hidden * size_of::<f32>()) as u64
    }

    /// Runs recorded work between copies in and a copy out; `record` records it into a new tensor. burn's buffers are not used in
    /// our bind groups: several of its tensors may share one buffer, and a buffer cannot be read and written by the same
    /// dispatch.
    fn run<T>(
        &self,
        like: &CubeTensor,
        inputs: Vec<(CubeTensor, BufferRows)>,
        shape: [usize; 2],
        record: impl FnOnce(&mut wgpu::CommandEncoder, BufferOffset<'_>) -> T,
    ) -> (CubeTensor, T) {
        let inputs: Vec<_> = inputs.into_iter().map(|(input, parts)| (into_contiguous(input), parts)).collect();
        let client = like.client.clone();
        let memory = client.empty(shape[0] * shape[1] * size_of::<f32>());
        let output = CubeTensor::new_contiguous(client.clone(), like.device.clone(), Shape::new(shape), memory, like.dtype);
        client.flush().expect("burn's pending work reaches the queue before ours");
        let resource = |tensor: &CubeTensor| {
            client.get_resource::<WgpuServer<AutoCompiler>>(tensor.handle.clone()).expect("a tensor of the shared device")
        };
        let gpu = self.encoder.gpu();
        let mut commands = gpu.device.create_command_encoder(&wgpu::CommandEncoderDescriptor { label: Some("frozen encoder") });
        for (input, parts) in &inputs {
            let source = resource(input);
            let source = source.resource();
            let mut from = source.offset;
            for (into, rows) in parts {
                let bytes = self.bytes(*rows);
                commands.copy_buffer_to_buffer(&source.buffer, from, into, 0, bytes);
                from += bytes;
            }
        }
        let target = resource(&output);
        let target = target.resource();
        let recorded = record(&mut commands, (&target.buffer, target.offset));
        gpu.queue.submit([commands.finish()]);
        (output, recorded)
    }
}

impl Engine for WgslEngine {
    type Tensor = CubeTensor;
    type Pass = WgslPass;
    type Cache = StateCache;

    fn begin(&self, batch: &Arc<PackedBatch>, route: Route, _tracked: bool) -> Result<WgslPass> {
        let claim = self.turn.claim()?;
        self.encoder.prepare(batch, route)?;
        Ok(WgslPass { claim, route, examples: batch.examples() })
    }

    fn forward(&self, pass: &mut WgslPass, input: CubeTensor, states: CubeTensor, save_activations: bool) -> CubeTensor {
        let (encoder, &mut WgslPass { route, examples, .. }) = (&self.encoder, pass);
        let like = input.clone();
        let mut inputs = vec![(input, encoder.input())];
        if route.entry != Entry::Words {
            inputs.push((states, vec![(encoder.states_buffer(), encoder.text_rows())]));
        }
        let record = |commands: &mut wgpu::CommandEncoder, (target, offset): BufferOffset<'_>| {
            encoder.forward(commands, save_activations);
            commands.copy_buffer_to_buffer(&encoder.pooled_buffer(), 0, target, offset, self.bytes(examples));
        };
        self.run(&like, inputs, [examples, self.spec().hidden], record).0
    }

    fn backward(&self, pass: WgslPass, d_pooled: CubeTensor) -> CubeTensor {
        assert!(pass.claim.holds(), "a backward pass through a graph that was discarded");
        let encoder = &self.encoder;
        let (like, gradients) = (d_pooled.clone(), encoder.gradients());
        let rows = gradients.iter().map(|(_, rows)| rows).sum();
        let inputs = vec![(d_pooled, vec![(encoder.d_pooled_buffer(), encoder.examples())])];
        let record = |commands: &mut wgpu::CommandEncoder, (target, mut offset): BufferOffset<'_>| {
            encoder.backward(commands);
            for (gradient, rows) in gradients {
                let bytes = self.bytes(rows);
                commands.copy_buffer_to_buffer(&gradient, 0, target, offset, bytes);
                offset += bytes;
            }
        };
        self.run(&like, inputs, [rows, self.spec().hidden], record).0
    }

    fn has(&self, cache: &StateCache, key: u32, rows: usize) -> bool {
        cache.find(key, (rows * self.spec().hidden * size_of::<f32>()) as u64).is_some()
    }

    fn cache_bytes(&self, cache: &StateCache) -> u64 {
        cache.bytes()
    }

    fn cache(&self, budget: u64) -> StateCache {
        self.encoder.cache(budget)
    }

    fn states(
        &self,
        batch: &Arc<PackedBatch>,
        layers: usize,
        cache: Option<(&StateCache, &[u32])>,
        like: CubeTensor,
    ) -> Result<CubeTensor> {
        let _claim = self.turn.claim()?;
        let shape = [batch.rows(), self.spec().hidden];
        let (states, recorded) =
            self.run(&like, Vec::new(), shape, |commands, target| self.encoder.states(commands, batch, layers, cache, target));
        recorded.map(|()| states)
    }

    fn neuron_scores(&self, batch: &Arc<PackedBatch>, prompt: CubeTensor) -> Result<CubeTensor> {
        let _claim = self.turn.claim()?;
        self.encoder.prepare(batch, Route::words(Pooling::Mean))?;
        let (like, inputs) = (prompt.clone(), vec![(prompt, self.encoder.input())]);
        let EncoderSpec { layers, ffn, .. } = *self.spec();
        let (scores, recorded) =
            self.run(&like, inputs, [layers, ffn], |commands, target| self.encoder.neuron_scores(commands, target));
        recorded.map(|()| scores)
    }
}
