//! Gradient of attention at the queries: pipeline and launch of `shaders/attention_grad_query.wgsl`.

use super::attention::Params;
use super::kernel::{Kernel, Launch, bindings};
use super::recorder::{Step, Work};
use super::source::Shader;

/// The name it has everywhere.
pub const NAME: &str = "attention_grad_query";

/// The shader for a head size.
#[must_use]
pub fn shader(head_size: u32) -> Shader {
    Shader { constants: vec![("HEAD_SIZE", head_size)], ..Shader::new(NAME) }
}

/// `[rows, qkv, d_ctx, lse, d_qkv, delta]`: rows `[T]`, qkv `[T, 3 D]`, d_ctx `[T, D]`, lse `[T, H]` -> the q third of d_qkv
/// `[T, 3 D]` or `[B P, 3 D]`, delta `[T, H]`. Always launched over all rows: delta is made for all.
pub fn step(kernel: &Kernel, launch: &Launch<'_>, buffers: [&wgpu::Buffer; 6], params: Params) -> Step {
    kernel.step(launch, &bindings(buffers), &params, Work::RowThreads(params.heads))
}
