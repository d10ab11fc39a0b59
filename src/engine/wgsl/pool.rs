//! Pooling: pipeline and launch of `shaders/pool.wgsl`.

use super::kernel::{Kernel, Launch, bindings};
use super::recorder::{DispatchSize, Step};
use super::source::Shader;
use crate::engine::Pooling;

/// The kernel's name.
pub const NAME: &str = "pool";

/// Parameters, in the layout that the shader declares; `pool_grad` declares the same.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, bytemuck::Pod, bytemuck::Zeroable)]
pub struct Params {
    /// Hidden size D.
    pub columns: u32,
    /// 1: the mean of the rows from the one below on. 0: that row.
    pub mean: u32,
    /// Row of the example, counted from its first.
    pub row: u32,
    /// Padding: zero.
    pub pad: u32,
}

impl Params {
    /// Parameters for this pooling.
    #[must_use]
    pub fn new(pooling: Pooling, columns: u32) -> Self {
        let (mean, row) = match pooling {
            Pooling::Mean => (1, 0),
            Pooling::MeanFrom(row) => (1, row),
            Pooling::Row(row) => (0, row),
        };
        Self { columns, mean, row, pad: 0 }
    }
}

/// The shader.
#[must_use]
pub fn shader() -> Shader {
    Shader::new(NAME)
}

/// `[offsets, h, pooled]`: offsets `[B + 1]`, h `[T, D]` -> pooled `[B, D]`.
pub fn step(kernel: &Kernel, launch: &Launch<'_>, buffers: [&wgpu::Buffer; 3], params: Params) -> Step {
    kernel.step(launch, &bindings(buffers), &params, DispatchSize::ExampleThreads(params.columns))
}
