//! The forward and the backward pass, recorded, and timed kernel by kernel.

use super::{State, WgslEncoder};
use crate::engine::wgsl::device::lock;
use crate::engine::wgsl::profile::{Clock, Timing, profile};
use crate::engine::wgsl::recorder::{BatchSize, Step};
use crate::error::{Error, Result};

impl WgslEncoder {
    /// Records the forward pass over the current batch, from [`Self::input`] to [`Self::pooled_buffer`]; with `save_activations`,
    /// the activations for [`Self::backward`] are saved until the next [`Self::prepare`] or forward pass. If the pass is not
    /// possible, nothing is recorded, and [`Gpu::check`](crate::engine::wgsl::device::Gpu::check) returns an error.
    pub fn forward(&self, commands: &mut wgpu::CommandEncoder, save_activations: bool) {
        let state = &mut *lock(&self.state);
        if let Err(error) = self.record_forward(state, commands, save_activations) {
            self.gpu.report(format!("the forward pass cannot be recorded: {error}"));
        }
    }

    /// Records the backward pass of the last forward pass, which saved its activations: from [`Self::d_pooled_buffer`] to
    /// [`Self::gradients`]. It consumes the activations. If the pass is not possible, nothing is recorded, and
    /// [`Gpu::check`](crate::engine::wgsl::device::Gpu::check) returns an error.
    pub fn backward(&self, commands: &mut wgpu::CommandEncoder) {
        let state = &mut *lock(&self.state);
        if !state.activations_saved {
            self.gpu.report("a backward pass without a forward pass that saved its activations".to_owned());
            return;
        }
        if state.input_rows == [0; 3] {
            return;
        }
        state.activations_saved = false;
        let (_, pool_grad) = state.arena.pool(&self.parts(), state.route.pooling);
        let mut pass = begin(commands, "backward");
        for step in std::iter::once(&pool_grad).chain(state.arena.backward()) {
            step.replay(&mut pass, state.size);
        }
    }

    /// Times every kernel of a tracked forward pass and its backward pass over the current batch, with the current content of the
    /// buffers of its input and of the gradient.
    ///
    /// # Errors
    /// [`Error::Model`] without a batch; [`Error::Device`] if the device raised an error.
    pub async fn profile(&self) -> Result<(Clock, Vec<Timing>)> {
        let (steps, size, pairs) = {
            let state = &mut *lock(&self.state);
            if state.size.rows == 0 {
                return Err(Error::model("there is no batch", "prepare one first"));
            }
            let recompute = self.recomputes(state);
            let route = state.route;
            state.arena.track(&self.parts(), &route, recompute)?;
            state.activations_saved = false;
            let (pool, pool_grad) = state.arena.pool(&self.parts(), route.pooling);
            let forward = state.arena.forward(&route, true).flatten().cloned();
            let backward = state.arena.backward().iter().cloned();
            let steps: Vec<Step> = forward.chain([pool, pool_grad]).chain(backward).collect();
            (steps, state.size, state.pairs)
        };
        profile(&self.gpu, &steps, size, pairs).await
    }

    fn record_forward(&self, state: &mut State, commands: &mut wgpu::CommandEncoder, save_activations: bool) -> Result<()> {
        if state.size.rows == 0 {
            return Err(Error::model("there is no batch", "prepare one first"));
        }
        let route = state.route;
        if save_activations {
            let recompute = self.recomputes(state);
            state.arena.track(&self.parts(), &route, recompute)?;
        }
        state.activations_saved = save_activations;
        if route.prefix {
            // A prefix has no embeddings; its rows only have to be finite.
            commands.clear_buffer(&state.arena.buffers.prompt, 0, None);
        }
        let (pool, _) = state.arena.pool(&self.parts(), route.pooling);
        let mut pass = begin(commands, "forward");
        for steps in state.arena.forward(&route, save_activations) {
            replay(&mut pass, steps, state.size);
        }
        pool.replay(&mut pass, state.size);
        Ok(())
    }
}

pub(in crate::engine::wgsl) fn begin<'a>(commands: &'a mut wgpu::CommandEncoder, label: &str) -> wgpu::ComputePass<'a> {
    commands.begin_compute_pass(&wgpu::ComputePassDescriptor { label: Some(label), timestamp_writes: None })
}

pub(in crate::engine::wgsl) fn replay(pass: &mut wgpu::ComputePass<'_>, steps: &[Step], size: BatchSize) {
    for step in steps {
        step.replay(pass, size);
    }
}
