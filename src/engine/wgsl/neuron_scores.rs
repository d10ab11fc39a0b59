//! Importance of neurons: pipeline and launch of `shaders/neuron_scores.wgsl`.

use super::kernel::{Kernel, Launch, bindings};
use super::recorder::{DispatchSize, Step, THREADS};
use super::source::Shader;

/// The kernel's name.
pub const NAME: &str = "neuron_scores";

/// Parameters, in the layout that the shader declares.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
pub struct Params {
    /// Neurons F.
    pub columns: u32,
    /// Padding: zero.
    pub pad: [u32; 3],
}

/// The shader.
#[must_use]
pub fn shader() -> Shader {
    Shader::new(NAME)
}

/// `[offsets, g, scores]`: offsets `[B + 1]`, g `[T, F]` -> scores `[F]`.
pub fn step(kernel: &Kernel, launch: &Launch<'_>, buffers: [&wgpu::Buffer; 3], columns: u32) -> Step {
    let dispatch = DispatchSize::Groups(columns.div_ceil(THREADS));
    kernel.step(launch, &bindings(buffers), &Params { columns, pad: [0; 3] }, dispatch)
}
