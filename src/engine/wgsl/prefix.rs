//! Keys and values of prefix rows: pipeline and launch of `shaders/prefix.wgsl`.

use super::kernel::{Kernel, Launch, bindings};
use super::recorder::{DispatchSize, Step};
use super::source::Shader;

/// The kernel's name.
pub const NAME: &str = "prefix";

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
    /// Padding: zero.
    pub pad: u32,
}

/// The shader.
#[must_use]
pub fn shader() -> Shader {
    Shader::new(NAME)
}

/// `[offsets, prefix, qkv]`: offsets `[B + 1]`, prefix `[P, 2 L D]`, qkv `[T, 3 D]`, of which the keys and values of the first P
/// rows of every example are written.
pub fn step(kernel: &Kernel, launch: &Launch<'_>, buffers: [&wgpu::Buffer; 3], params: Params) -> Step {
    let dispatch = DispatchSize::PromptThreads { each: 2 * params.columns, per_example: true };
    kernel.step(launch, &bindings(buffers), &params, dispatch)
}
