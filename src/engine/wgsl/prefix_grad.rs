//! Gradient of the keys and values of prefix rows: pipeline and launch of `shaders/prefix_grad.wgsl`.

use super::kernel::{Kernel, Launch, bindings};
use super::recorder::{DispatchSize, Step};
use super::source::Shader;

/// The kernel's name.
pub const NAME: &str = "prefix_grad";

/// Parameters, in the layout that the shader declares.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
pub struct Params {
    /// Hidden size D.
    pub columns: u32,
    /// The layer.
    pub layer: u32,
    /// Layers L.
    pub layers: u32,
    /// 1: d_qkv has the prompt rows only.
    pub prompt_only: u32,
}

/// The shader.
#[must_use]
pub fn shader() -> Shader {
    Shader::new(NAME)
}

/// `[offsets, d_qkv, d_prefix]`: offsets `[B + 1]`, d_qkv `[T, 3 D]` or `[B P, 3 D]`, of which the first P rows of every example
/// become zero -> one layer of d_prefix `[P, 2 L D]`.
pub fn step(kernel: &Kernel, launch: &Launch<'_>, buffers: [&wgpu::Buffer; 3], params: Params) -> Step {
    let dispatch = DispatchSize::PromptThreads { each: 3 * params.columns, per_example: false };
    kernel.step(launch, &bindings(buffers), &params, dispatch)
}
