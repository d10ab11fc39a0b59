//! The WGSL engine behind burn's wgpu tensors: copies a few kilobytes in and out, on the one queue that both share.

use std::sync::Arc;

use burn::backend::wgpu::CubeTensor;
use burn::tensor::Shape;
use burn_cubecl::kernel::into_contiguous;
use cubecl::wgpu::{AutoCompiler, WgpuServer};

use super::{Engine, Route, wgsl::encoder::WgslEncoder};
use crate::config::Recompute;
use crate::data::batch::PackedBatch;
use crate::error::Result;
use crate::model::spec::{EncoderSpec, EncoderWeights};

/// The frozen encoder on a wgpu device that burn shares.
pub struct WgslEngine {
    encoder: WgslEncoder,
}

impl WgslEngine {
    /// Wraps an encoder; prompts must live on the burn device made of its wgpu handles.
    #[must_use]
    pub fn new(encoder: WgslEncoder) -> Self {
        Self { encoder }
    }

    /// An encoder with other weights on the same device, its products cut into the same tiles.
    ///
    /// # Errors
    /// As [`WgslEncoder::new`].
    pub(super) async fn with_weights(&self, weights: &Arc<EncoderWeights>) -> Result<Self> {
        let (gpu, tiles) = (self.encoder.gpu().clone(), self.encoder.tiles().clone());
        let engine = Self::new(WgslEncoder::with_tiles(gpu, weights, tiles).await?);
        Ok(engine)
    }

    /// The first error that the device raised outside of a call, if any.
    ///
    /// # Errors
    /// [`crate::error::Error::Device`] with its text.
    pub fn check(&self) -> Result<()> {
        self.encoder.gpu().check()
    }

    /// Sizes of the encoder.
    pub(super) fn spec(&self) -> &EncoderSpec {
        self.encoder.spec()
    }

    /// As [`WgslEncoder::set_recompute`].
    pub fn set_recompute(&self, recompute: Recompute) {
        self.encoder.set_recompute(recompute);
    }

    /// Runs recorded work between a copy in and a copy out. burn's buffers stay out of our bind groups: several of its
    /// tensors may share one buffer, and one buffer may not be read and written by the same dispatch.
    fn run(
        &self,
        input: CubeTensor,
        into: &wgpu::Buffer,
        from: &wgpu::Buffer,
        rows: usize,
        input_rows: usize,
        record: impl FnOnce(&mut wgpu::CommandEncoder),
    ) -> CubeTensor {
        let hidden = self.encoder.spec().hidden;
        let input = into_contiguous(input);
        let bytes = rows * hidden * size_of::<f32>();
        let client = input.client.clone();
        let shape = Shape::new([rows, hidden]);
        let output = CubeTensor::new_contiguous(client.clone(), input.device.clone(), shape, client.empty(bytes), input.dtype);
        client.flush().expect("burn's pending work reaches the queue before ours");
        let resource = |tensor: &CubeTensor| {
            client.get_resource::<WgpuServer<AutoCompiler>>(tensor.handle.clone()).expect("a tensor of the shared device")
        };
        let (source, target) = (resource(&input), resource(&output));
        let (source, target) = (source.resource(), target.resource());
        let gpu = self.encoder.gpu();
        let mut commands = gpu.device.create_command_encoder(&wgpu::CommandEncoderDescriptor { label: Some("frozen encoder") });
        let input_bytes = (input_rows * hidden * size_of::<f32>()) as u64;
        if input_bytes > 0 {
            commands.copy_buffer_to_buffer(&source.buffer, source.offset, into, 0, input_bytes);
        }
        record(&mut commands);
        commands.copy_buffer_to_buffer(from, 0, &target.buffer, target.offset, bytes as u64);
        gpu.queue.submit([commands.finish()]);
        output
    }
}

impl Engine for WgslEngine {
    type Tensor = CubeTensor;
    type Cache = ();

    fn prepare(&self, batch: &Arc<PackedBatch>, _route: Route) -> Result<()> {
        self.encoder.prepare(batch)
    }

    fn forward(&self, prompt: CubeTensor, _states: CubeTensor, route: Route, keep: bool, examples: usize) -> CubeTensor {
        let (into, from) = (self.encoder.prompt_buffer(), self.encoder.pooled_buffer());
        let prompt_rows = self.encoder.prompt_length();
        self.run(prompt, &into, &from, examples, prompt_rows, |commands| self.encoder.forward(commands, keep, route.pooling))
    }

    fn backward(&self, d_pooled: CubeTensor, route: Route) -> CubeTensor {
        let (into, from) = (self.encoder.d_pooled_buffer(), self.encoder.d_prompt_buffer());
        let (examples, prompt_rows) = (self.encoder.examples(), self.encoder.prompt_length());
        self.run(d_pooled, &into, &from, prompt_rows, examples, |commands| self.encoder.backward(commands, route.pooling))
    }

    fn cache(&self, _budget: u64) {}

    fn states(
        &self,
        _batch: &Arc<PackedBatch>,
        _layers: usize,
        _cache: Option<(&(), &[u32])>,
        _like: Self::Tensor,
    ) -> Result<Self::Tensor> {
        Err(crate::error::Error::device("hidden states are not there yet", "wait"))
    }

    fn neuron_scores(&self, _batch: &Arc<PackedBatch>, _prompt: Self::Tensor) -> Result<Self::Tensor> {
        Err(crate::error::Error::device("neuron scores are not there yet", "wait"))
    }
}
