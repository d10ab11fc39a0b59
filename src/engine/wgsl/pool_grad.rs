//! Gradient of pooling: pipeline and launch of `shaders/pool_grad.wgsl`.

use super::kernel::{Kernel, Launch, bindings};
use super::pool::Params;
use super::recorder::{DispatchSize, Step};
use super::source::Shader;

/// The kernel's name.
pub const NAME: &str = "pool_grad";

/// The shader.
#[must_use]
pub fn shader() -> Shader {
    Shader::new(NAME)
}

/// `[rows, d_pooled, d_h]`: rows `[T]`, d_pooled `[B, D]` -> d_h `[T, D]`.
pub fn step(kernel: &Kernel, launch: &Launch<'_>, buffers: [&wgpu::Buffer; 3], params: Params) -> Step {
    kernel.step(launch, &bindings(buffers), &params, DispatchSize::RowThreads(params.columns))
}
