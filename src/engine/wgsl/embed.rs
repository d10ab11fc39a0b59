//! Embedding assembly: pipeline and launch of `shaders/embed.wgsl`.

use super::kernel::{Kernel, Launch, bindings};
use super::layer_norm;
use super::recorder::{DispatchSize, Step};
use super::source::Shader;

/// The kernel's name.
pub const NAME: &str = "embed";

/// Parameters, in the layout that the shader declares.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
pub struct Params {
    /// Hidden size D.
    pub columns: u32,
    /// Epsilon of the norm.
    pub eps: f32,
    /// 1: there is an update.
    pub update: u32,
    /// Padding: zero.
    pub pad: u32,
}

/// The shader with `lanes` threads per row, a power of two.
#[must_use]
pub fn shader(lanes: u32) -> Shader {
    Shader { overrides: vec![("LANES", f64::from(lanes))], ..Shader::new(NAME) }
}

/// `[rows, table, prompt, update, position, gamma, beta, h]`: rows `[T]`, table `[U, D]`, prompt `[P, D]` or `[B P, D]`, update
/// `[N, D]` (any, where there is none), position `[positions, D]`, gamma, beta `[D]` -> h `[T, D]`.
pub fn step(kernel: &Kernel, launch: &Launch<'_>, buffers: [&wgpu::Buffer; 8], norm: layer_norm::Params, update: bool) -> Step {
    let params = Params { columns: norm.columns, eps: norm.eps, update: u32::from(update), pad: 0 };
    kernel.step(launch, &bindings(buffers), &params, DispatchSize::Rows)
}
