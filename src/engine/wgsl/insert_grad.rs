//! Gradient of the prompt rows where they were inserted: pipeline and launch of `shaders/insert_grad.wgsl`.

use super::kernel::{Kernel, Launch, bindings};
use super::recorder::{DispatchSize, Step};
use super::source::Shader;

/// The kernel's name.
pub const NAME: &str = "insert_grad";

/// Parameters, in the layout that the shader declares.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
pub struct Params {
    /// Hidden size D.
    pub columns: u32,
    /// 1: every example has its own prompt rows.
    pub per_example: u32,
    /// Padding: zero.
    pub pad: [u32; 2],
}

/// The shader.
#[must_use]
pub fn shader() -> Shader {
    Shader::new(NAME)
}

/// `[offsets, d_residual, d_product, d_prompt]`: offsets `[B + 1]`, d_residual `[T, D]`, d_product `[B P, D]` -> d_prompt `[P,
/// D]`; `[B P, D]` if every example has its own rows.
pub fn step(kernel: &Kernel, launch: &Launch<'_>, buffers: [&wgpu::Buffer; 4], columns: u32, per_example: bool) -> Step {
    let params = Params { columns, per_example: u32::from(per_example), pad: [0; 2] };
    kernel.step(launch, &bindings(buffers), &params, DispatchSize::PromptThreads { each: columns, per_example })
}
