//! Gradient of the embedding at the prompt: pipeline and launch of `shaders/embed_grad.wgsl`.

use super::kernel::{Kernel, Launch, bindings};
use super::layer_norm::Params;
use super::recorder::{Step, Work};
use super::source::Shader;

/// The name it has everywhere.
pub const NAME: &str = "embed_grad";

/// The shader with so many threads a row, a power of two.
#[must_use]
pub fn shader(lanes: u32) -> Shader {
    Shader { overrides: vec![("LANES", f64::from(lanes))], ..Shader::new(NAME) }
}

/// `[offsets, d_residual, d_product, prompt, position, gamma, d_prompt]`: offsets `[B + 1]`, d_residual `[T, D]`, d_product
/// `[B P, D]`, prompt `[P, D]`, position `[positions, D]`, gamma `[D]` -> d_prompt `[P, D]`.
pub fn step(kernel: &Kernel, launch: &Launch<'_>, buffers: [&wgpu::Buffer; 7], params: Params) -> Step {
    kernel.step(launch, &bindings(buffers), &params, Work::PromptRows)
}
