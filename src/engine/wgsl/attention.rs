//! Self-attention inside each example: pipeline and launch of `shaders/attention.wgsl`.

use super::kernel::{Kernel, Launch, bindings};
use super::recorder::{Step, Work};
use super::source::Shader;
use crate::engine::GradRows;
use crate::error::{Error, Result};
use crate::model::spec::EncoderSpec;

/// The name it has everywhere.
pub const NAME: &str = "attention";

/// Largest head size: a thread keeps up to four vectors of it.
pub const LARGEST_HEAD: u32 = 128;

/// The layout that `shaders/lib/heads.wgsl` declares, for all three attention kernels.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
pub struct Params {
    /// Heads H.
    pub heads: u32,
    /// 1 / sqrt(head size).
    pub scale: f32,
    /// Gradients: 1 where only those of the prompt rows are made.
    pub prompt_only: u32,
    /// Zero.
    pub pad: u32,
}

impl Params {
    /// For so many heads of this size.
    #[must_use]
    pub fn new(heads: u32, head_size: u32) -> Self {
        Self { heads, scale: f64::from(head_size).sqrt().recip() as f32, prompt_only: 0, pad: 0 }
    }

    /// The same for gradients at these rows.
    #[must_use]
    pub fn at(self, rows: GradRows) -> Self {
        Self { prompt_only: u32::from(rows == GradRows::Prompt), ..self }
    }
}

/// The head size, if the kernels can do it.
///
/// # Errors
/// [`Error::Model`] where it is not a multiple of 4 up to [`LARGEST_HEAD`].
pub fn check_head_size(spec: &EncoderSpec) -> Result<u32> {
    let head = spec.head_size();
    if head == 0 || !head.is_multiple_of(4) || head > LARGEST_HEAD as usize || head * spec.heads != spec.hidden {
        return Err(Error::model(
            format!("{} heads share a hidden size of {}: the GPU kernels cannot do that", spec.heads, spec.hidden),
            "use the CPU, or an encoder whose head size is a multiple of 4, at most 128",
        ));
    }
    Ok(head as u32)
}

/// The shader for a head size.
#[must_use]
pub fn shader(head_size: u32) -> Shader {
    Shader { constants: vec![("HEAD_SIZE", head_size)], ..Shader::new(NAME) }
}

/// `[rows, qkv, ctx, lse]`: rows `[T]`, qkv `[T, 3 D]` -> ctx `[T, D]`, lse `[T, H]`.
pub fn step(kernel: &Kernel, launch: &Launch<'_>, buffers: [&wgpu::Buffer; 4], params: Params) -> Step {
    kernel.step(launch, &bindings(buffers), &params, Work::RowThreads(params.heads))
}
