//! Layer norm: pipeline and launch of `shaders/layer_norm.wgsl`.

use super::device::Gpu;
use super::kernel::{Kernel, Launch, bindings};
use super::recorder::{DispatchSize, Step};
use super::source::Shader;

/// The kernel's name.
pub const NAME: &str = "layer_norm";

/// Parameters, in the layout that the shader declares; the embedding kernels, which normalise too, declare the same.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
pub struct Params {
    /// Hidden size D.
    pub columns: u32,
    /// Epsilon of the norm.
    pub eps: f32,
    /// Padding: zero.
    pub pad: [u32; 2],
}

/// Threads per row, in every kernel that sums over one: two or more vector registers of a GPU, one of a CPU, where each step of
/// the reduction would need a switch between its "threads".
#[must_use]
pub fn lanes(gpu: &Gpu) -> u32 {
    if gpu.is_software() { 8 } else { 64 }
}

/// The shader with `lanes` threads per row, a power of two.
#[must_use]
pub fn shader(lanes: u32) -> Shader {
    Shader { overrides: vec![("LANES", f64::from(lanes))], ..Shader::new(NAME) }
}

/// `[x, gamma, beta, y, stats]`: x `[T, D]`, gamma, beta `[D]` -> y `[T, D]`, stats `[T, 2]`.
pub fn step(kernel: &Kernel, launch: &Launch<'_>, buffers: [&wgpu::Buffer; 5], params: Params) -> Step {
    kernel.step(launch, &bindings(buffers), &params, DispatchSize::Rows)
}
