//! Input gradient of layer norm: pipeline and launch of `shaders/layer_norm_grad.wgsl`.

use super::kernel::{Kernel, Launch, bindings};
use super::recorder::{DispatchSize, Step};
use super::source::Shader;

/// The kernel's name.
pub const NAME: &str = "layer_norm_grad";

/// Parameters, in the layout that the shader declares.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, bytemuck::Pod, bytemuck::Zeroable)]
pub struct Params {
    /// Hidden size D.
    pub columns: u32,
    /// Padding: zero.
    pub pad: [u32; 3],
}

/// The shader with `lanes` threads per row, a power of two.
#[must_use]
pub fn shader(lanes: u32) -> Shader {
    Shader { overrides: vec![("LANES", f64::from(lanes))], ..Shader::new(NAME) }
}

/// `[d_y, x, stats, gamma, d_x]`: d_y, x `[T, D]`, stats `[T, 2]`, gamma `[D]` -> d_x `[T, D]`.
pub fn step(kernel: &Kernel, launch: &Launch<'_>, buffers: [&wgpu::Buffer; 5], columns: u32) -> Step {
    kernel.step(launch, &bindings(buffers), &Params { columns, pad: [0; 3] }, DispatchSize::Rows)
}
