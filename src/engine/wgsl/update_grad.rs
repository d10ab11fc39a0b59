//! Gradient of the update of the text embeddings: pipeline and launch of `shaders/update_grad.wgsl`.

use super::kernel::{Kernel, Launch, bindings};
use super::layer_norm;
use super::recorder::{DispatchSize, Step};
use super::source::Shader;

/// The kernel's name.
pub const NAME: &str = "update_grad";

/// Parameters, in the layout that the shader declares.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
pub struct Params {
    /// Hidden size D.
    pub columns: u32,
    /// Epsilon of the norm.
    pub eps: f32,
    /// Rows N of the update.
    pub length: u32,
    /// Padding: zero.
    pub pad: u32,
}

/// The shader with `lanes` threads per row, a power of two.
#[must_use]
pub fn shader(lanes: u32) -> Shader {
    Shader { overrides: vec![("LANES", f64::from(lanes))], ..Shader::new(NAME) }
}

/// `[offsets, rows, d_h, table, update, position, gamma, d_update]`: offsets `[B + 1]`, rows `[T]`, d_h `[T, D]`, table `[U, D]`,
/// update `[N, D]`, position `[positions, D]`, gamma `[D]` -> d_update `[N, D]`.
pub fn step(kernel: &Kernel, launch: &Launch<'_>, buffers: [&wgpu::Buffer; 8], norm: layer_norm::Params, length: u32) -> Step {
    let params = Params { columns: norm.columns, eps: norm.eps, length, pad: 0 };
    kernel.step(launch, &bindings(buffers), &params, DispatchSize::Groups(length))
}
