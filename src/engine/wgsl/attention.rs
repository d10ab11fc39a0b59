//! Self-attention inside each example: pipeline and launch of `shaders/attention.wgsl`.

use super::device::Gpu;
use super::kernel::{Kernel, Launch, bindings};
use super::recorder::{DispatchSize, Step};
use super::source::Shader;
use crate::engine::GradRows;
use crate::error::{Error, Result};
use crate::model::spec::EncoderSpec;

/// The kernel's name.
pub const NAME: &str = "attention";

/// Largest head size: a thread holds up to four vectors of it.
pub const LARGEST_HEAD: u32 = 128;

/// Largest head size for which a thread computes two rows.
pub const LARGEST_HEAD_OF_TWO_ROWS: u32 = 64;

/// Parameters, in the layout that `shaders/lib/heads.wgsl` declares, for all three attention kernels.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
pub struct Params {
    /// Heads H.
    pub heads: u32,
    /// 1 / sqrt(head size).
    pub scale: f32,
    /// Gradients: 1 if only those of the prompt rows are computed.
    pub prompt_only: u32,
    /// Padding: zero.
    pub pad: u32,
}

impl Params {
    /// Parameters for a number of heads of this size.
    #[must_use]
    pub fn new(heads: u32, head_size: u32) -> Self {
        Self { heads, scale: f64::from(head_size).sqrt().recip() as f32, prompt_only: 0, pad: 0 }
    }

    /// The same, for gradients of these rows.
    #[must_use]
    pub fn at(self, rows: GradRows) -> Self {
        Self { prompt_only: u32::from(rows == GradRows::Prompt), ..self }
    }
}

/// The head size, if the kernels support it.
///
/// # Errors
/// [`Error::Model`] if it is not a multiple of 4, or larger than [`LARGEST_HEAD`].
pub fn check_head_size(spec: &EncoderSpec) -> Result<u32> {
    let head = spec.head_size();
    if head == 0 || !head.is_multiple_of(4) || head > LARGEST_HEAD as usize || head * spec.heads != spec.hidden {
        return Err(Error::model(
            format!("{} heads share a hidden size of {}: the GPU kernels do not support that", spec.heads, spec.hidden),
            "use the CPU, or an encoder whose head size is a multiple of 4, at most 128",
        ));
    }
    Ok(head as u32)
}

/// The division of rows in all three attention kernels: a workgroup computes a block of `lanes * rows` rows of one example and
/// one head, so that all its threads read the same keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Blocking {
    /// Threads of a workgroup.
    pub lanes: u32,
    /// Rows per thread, which share what the thread reads of a key.
    pub rows: u32,
}

impl Blocking {
    /// For GPUs: 32 threads with one row each, whose state (up to 4 vectors of a head, 128 registers for heads of 32) stays in
    /// registers.
    pub const GPU: Self = Self { lanes: 32, rows: 1 };
    /// For software GPUs: as many threads as vector lanes, with two rows each, for half as many loads.
    pub const SOFTWARE: Self = Self { lanes: 8, rows: 2 };
    /// The same for large heads, for which two rows would be too much code.
    pub const SOFTWARE_LARGE: Self = Self { lanes: 8, rows: 1 };
    /// All of them.
    pub const ALL: [Self; 3] = [Self::GPU, Self::SOFTWARE, Self::SOFTWARE_LARGE];

    /// The blocking for a GPU and a head size.
    #[must_use]
    pub fn choose(gpu: &Gpu, head_size: u32) -> Self {
        match (gpu.is_software(), head_size <= LARGEST_HEAD_OF_TWO_ROWS) {
            (false, _) => Self::GPU,
            (true, true) => Self::SOFTWARE,
            (true, false) => Self::SOFTWARE_LARGE,
        }
    }

    /// First row of every block of a batch with these offsets `[B + 1]`.
    #[must_use]
    pub fn blocks(self, offsets: &[u32]) -> Vec<u32> {
        let size = (self.lanes * self.rows) as usize;
        offsets.windows(2).flat_map(|pair| (pair[0]..pair[1]).step_by(size)).collect()
    }

    /// The constants of the shaders, for a head size.
    #[must_use]
    pub fn constants(self, head_size: u32) -> Vec<(&'static str, u32)> {
        vec![("QUADS", head_size / 4), ("LANES", self.lanes), ("ROWS", self.rows)]
    }
}

/// The shader for a head size.
#[must_use]
pub fn shader(head_size: u32, blocking: Blocking) -> Shader {
    Shader { constants: blocking.constants(head_size), ..Shader::new(NAME) }
}

/// `[rows, blocks, qkv, ctx, lse]`: rows `[T]`, blocks, qkv `[T, 3 D]` -> ctx `[T, D]`, lse `[T, H]`.
pub fn step(kernel: &Kernel, launch: &Launch<'_>, buffers: [&wgpu::Buffer; 5], params: Params) -> Step {
    kernel.step(launch, &bindings(buffers), &params, DispatchSize::Blocks(params.heads))
}
