//! Embedding assembly: pipeline and launch of `shaders/embed.wgsl`.

use super::kernel::{Kernel, Launch, bindings};
use super::layer_norm::Params;
use super::recorder::{Step, Work};
use super::source::Shader;

/// The name it has everywhere.
pub const NAME: &str = "embed";

/// The shader with so many threads a row, a power of two.
#[must_use]
pub fn shader(lanes: u32) -> Shader {
    Shader { overrides: vec![("LANES", f64::from(lanes))], ..Shader::new(NAME) }
}

/// `[rows, table, prompt, position, gamma, beta, h]`: rows `[T]`, table `[U, D]`, prompt `[P, D]`, position `[positions, D]`,
/// gamma, beta `[D]` -> h `[T, D]`.
pub fn step(kernel: &Kernel, launch: &Launch<'_>, buffers: [&wgpu::Buffer; 7], params: Params) -> Step {
    kernel.step(launch, &bindings(buffers), &params, Work::Rows)
}
