//! The buffers of the current batch's input, output and gradients.

use super::WgslEncoder;
use crate::engine::wgsl::batch_buffers::BatchBuffers;
use crate::engine::wgsl::device::lock;
use crate::engine::wgsl::recorder::BatchSize;
use crate::error::Result;

impl WgslEncoder {
    /// The trained input `[R, D]` of the current batch, to be written before the forward pass: buffers and their rows, in order.
    /// The buffers of all accessors belong to the current batch: call them after [`Self::prepare`].
    #[must_use]
    pub fn input(&self) -> Vec<(wgpu::Buffer, usize)> {
        let state = lock(&self.state);
        let BatchBuffers { prompt, update, prefix, .. } = &state.arena.buffers;
        with_rows([prompt, update, prefix], state.input_rows)
    }

    /// The gradient of the trained input `[R, D]`: buffers and their rows, in order.
    #[must_use]
    pub fn gradients(&self) -> Vec<(wgpu::Buffer, usize)> {
        let state = lock(&self.state);
        let BatchBuffers { d_prompt, d_update, d_prefix, .. } = &state.arena.buffers;
        with_rows([d_prompt, d_update, d_prefix], state.input_rows)
    }

    /// Hidden states `[T - B P, D]` of the text, to be written before the forward pass if the prompt is inserted after a layer.
    #[must_use]
    pub fn states_buffer(&self) -> wgpu::Buffer {
        lock(&self.state).arena.buffers.states.clone()
    }

    /// Prompt rows `[P, D]` of the current batch, or `[B P, D]`.
    #[must_use]
    pub fn prompt_buffer(&self) -> wgpu::Buffer {
        lock(&self.state).arena.buffers.prompt.clone()
    }

    /// Pooled rows `[B, D]`.
    #[must_use]
    pub fn pooled_buffer(&self) -> wgpu::Buffer {
        lock(&self.state).arena.buffers.pooled.clone()
    }

    /// Gradient of the pooled rows `[B, D]`, to be written before the backward pass.
    #[must_use]
    pub fn d_pooled_buffer(&self) -> wgpu::Buffer {
        lock(&self.state).arena.buffers.d_pooled.clone()
    }

    /// Gradient of the prompt rows.
    #[must_use]
    pub fn d_prompt_buffer(&self) -> wgpu::Buffer {
        lock(&self.state).arena.buffers.d_prompt.clone()
    }

    /// Examples B of the current batch.
    #[must_use]
    pub fn examples(&self) -> usize {
        lock(&self.state).size.examples as usize
    }

    /// Prompt rows P of each example of the current batch.
    #[must_use]
    pub fn prompt_length(&self) -> usize {
        lock(&self.state).size.prompt as usize
    }

    /// Text rows of the current batch.
    #[must_use]
    pub fn text_rows(&self) -> usize {
        let BatchSize { rows, examples, prompt, .. } = lock(&self.state).size;
        (rows - examples * prompt) as usize
    }

    /// The first `len` values of a buffer.
    ///
    /// # Errors
    /// [`Error::Device`](crate::error::Error::Device) if the device raised an error.
    pub async fn read(&self, buffer: &wgpu::Buffer, len: usize) -> Result<Vec<f32>> {
        self.gpu.read(buffer, len).await
    }
}

fn with_rows(buffers: [&wgpu::Buffer; 3], rows: [usize; 3]) -> Vec<(wgpu::Buffer, usize)> {
    buffers.into_iter().cloned().zip(rows).filter(|(_, rows)| *rows > 0).collect()
}
