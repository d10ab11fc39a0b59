//! Prompt rows in front of hidden states: pipeline and launch of `shaders/insert.wgsl`.

use super::kernel::{Kernel, Launch, bindings};
use super::recorder::{DispatchSize, Step};
use super::source::Shader;

/// The kernel's name.
pub const NAME: &str = "insert";

/// Parameters, in the layout that the shader declares.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
pub struct Params {
    /// Hidden size D.
    pub columns: u32,
    /// Padding: zero.
    pub pad: [u32; 3],
}

/// The shader.
#[must_use]
pub fn shader() -> Shader {
    Shader::new(NAME)
}

/// `[rows, prompt, states, h]`: rows `[T]`, prompt `[P, D]` or `[B P, D]`, states `[T - B P, D]` -> h `[T, D]`.
pub fn step(kernel: &Kernel, launch: &Launch<'_>, buffers: [&wgpu::Buffer; 4], columns: u32) -> Step {
    kernel.step(launch, &bindings(buffers), &Params { columns, pad: [0; 3] }, DispatchSize::RowThreads(columns))
}
