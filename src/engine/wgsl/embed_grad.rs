//! Gradient of the embedding with respect to the prompt: pipeline and launch of `shaders/embed_grad.wgsl`.

use super::kernel::{Kernel, Launch, bindings};
use super::layer_norm;
use super::recorder::{DispatchSize, Step};
use super::source::Shader;

/// The kernel's name.
pub const NAME: &str = "embed_grad";

/// Parameters, in the layout that the shader declares.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
pub struct Params {
    /// Hidden size D.
    pub columns: u32,
    /// Epsilon of the norm.
    pub eps: f32,
    /// 1: every example has its own prompt rows.
    pub per_example: u32,
    /// 1: d_residual is the whole gradient.
    pub whole: u32,
}

/// The shader with `lanes` threads per row, a power of two.
#[must_use]
pub fn shader(lanes: u32) -> Shader {
    Shader { overrides: vec![("LANES", f64::from(lanes))], ..Shader::new(NAME) }
}

/// The shape of the embedding's gradient.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GradientLayout {
    /// Whether every example has its own prompt rows.
    pub per_example: bool,
    /// Whether `d_residual` is the whole gradient; then `d_product` is not read.
    pub whole: bool,
}

/// `[offsets, d_residual, d_product, prompt, position, gamma, d_prompt]`: offsets `[B + 1]`, d_residual `[T, D]`, d_product
/// `[B P, D]`, prompt `[P, D]` or `[B P, D]`, position `[positions, D]`, gamma `[D]` -> d_prompt, as prompt.
pub fn step(
    kernel: &Kernel,
    launch: &Launch<'_>,
    buffers: [&wgpu::Buffer; 7],
    norm: layer_norm::Params,
    layout: GradientLayout,
) -> Step {
    let layer_norm::Params { columns, eps, .. } = norm;
    let params = Params { columns, eps, per_example: u32::from(layout.per_example), whole: u32::from(layout.whole) };
    kernel.step(launch, &bindings(buffers), &params, DispatchSize::PromptRows { per_example: layout.per_example })
}
