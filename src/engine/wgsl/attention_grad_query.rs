//! Gradient of attention with respect to queries: pipeline and launch of `shaders/attention_grad_query.wgsl`.

use super::attention::{Blocking, Params};
use super::kernel::{Kernel, Launch, bindings};
use super::recorder::{DispatchSize, Step};
use super::source::Shader;

/// The kernel's name.
pub const NAME: &str = "attention_grad_query";

/// The shader for a head size.
#[must_use]
pub fn shader(head_size: u32, blocking: Blocking) -> Shader {
    Shader { constants: blocking.constants(head_size), ..Shader::new(NAME) }
}

/// `[rows, blocks, qkv, d_ctx, lse, d_qkv, delta]`: rows `[T]`, blocks, qkv `[T, 3 D]`, d_ctx `[T, D]`, lse `[T, H]` -> the q
/// third of d_qkv `[T, 3 D]` or `[B P, 3 D]`, delta `[T, H]`.
pub fn step(kernel: &Kernel, launch: &Launch<'_>, buffers: [&wgpu::Buffer; 7], params: Params) -> Step {
    kernel.step(launch, &bindings(buffers), &params, DispatchSize::Blocks(params.heads))
}
