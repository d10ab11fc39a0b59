//! Gradient of attention at the keys and values: pipeline and launch of `shaders/attention_grad_key.wgsl`.

use super::attention::Params;
use super::kernel::{Kernel, Launch, bindings};
use super::recorder::{Step, Work};
use super::source::Shader;

/// The name it has everywhere.
pub const NAME: &str = "attention_grad_key";

/// The shader for a head size.
#[must_use]
pub fn shader(head_size: u32) -> Shader {
    Shader { constants: vec![("HEAD_SIZE", head_size)], ..Shader::new(NAME) }
}

/// `[rows, qkv, d_ctx, lse, delta, offsets, d_qkv]`: rows `[T]`, qkv `[T, 3 D]`, d_ctx `[T, D]`, lse, delta `[T, H]`, offsets
/// `[B + 1]` -> the k and v thirds of d_qkv `[T, 3 D]`, or `[B P, 3 D]` where it is launched over the prompt rows.
pub fn step(kernel: &Kernel, launch: &Launch<'_>, buffers: [&wgpu::Buffer; 7], params: Params) -> Step {
    kernel.step(launch, &bindings(buffers), &params, Work::RowThreads(params.heads))
}
