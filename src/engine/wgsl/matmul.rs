//! Matrix product with a fused epilogue: pipelines and launch of `shaders/matmul.wgsl`.

use super::device::Gpu;
use super::kernel::{Kernel, Launch};
use super::recorder::{Cost, Step, Work};
use super::source::Shader;
use crate::engine::cpu::matmul::Epilogue;
use crate::model::spec::EncoderSpec;

/// The name it has everywhere.
pub const NAME: &str = "matmul";

/// The layout that the shader declares.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, bytemuck::Pod, bytemuck::Zeroable)]
pub struct Params {
    /// Columns N of `out`.
    pub n: u32,
    /// Columns K of `a`.
    pub k: u32,
    /// Zero.
    pub pad: [u32; 2],
}

/// How a product is cut into tiles.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tile {
    /// Through workgroup memory, or straight from the buffers.
    pub staged: bool,
    /// Threads of a workgroup, across and down.
    pub threads: (u32, u32),
    /// 4x4 blocks of a thread, across and down; `(1, 1)` or `(2, 2)` where staged, `(4, 2)` where not.
    pub blocks: (u32, u32),
}

impl Tile {
    /// 64 x 64 values through workgroup memory (8.3 KB), 8 x 8 a thread: for GPUs.
    pub const LARGE: Self = Self { staged: true, threads: (8, 8), blocks: (2, 2) };
    /// 32 x 32 values through workgroup memory, 4 x 4 a thread: four times the workgroups, for GPUs that `LARGE` leaves idle.
    pub const SMALL: Self = Self { staged: true, threads: (8, 8), blocks: (1, 1) };
    /// 8 rows of 128 values without workgroup memory, 8 x 16 a thread: for adapters computed by a CPU, whose vector lanes are
    /// the 8 threads. Measured on llvmpipe: 11 to 15 GFLOP a CPU second, `LARGE` 5.
    pub const DIRECT: Self = Self { staged: false, threads: (8, 1), blocks: (4, 2) };
    /// All of them.
    pub const ALL: [Self; 3] = [Self::LARGE, Self::SMALL, Self::DIRECT];

    /// The tile for an adapter.
    #[must_use]
    pub fn choose(gpu: &Gpu) -> Self {
        if gpu.is_software() { Self::DIRECT } else { Self::LARGE }
    }

    /// Rows of `out`.
    #[must_use]
    pub fn rows(self) -> u32 {
        4 * self.blocks.1 * self.threads.1
    }

    /// Columns of `out`.
    #[must_use]
    pub fn columns(self) -> u32 {
        4 * self.blocks.0 * self.threads.0
    }
}

/// One pipeline of the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Variant {
    /// Which way round the weight is, and what happens to the result.
    pub epilogue: Epilogue,
    /// Whether the operands are read four values at a time.
    pub vector: bool,
    /// How it is cut.
    pub tile: Tile,
}

impl Variant {
    /// The variant for a product of N columns and sums over K.
    #[must_use]
    pub fn of(epilogue: Epilogue, n: usize, k: usize, tile: Tile) -> Self {
        let vector = k.is_multiple_of(4) && (epilogue.transposed() || n.is_multiple_of(4));
        Self { epilogue, vector, tile }
    }

    /// Every variant there is.
    pub fn all() -> impl Iterator<Item = Self> {
        use Epilogue::{Bias, BiasGelu, BiasResidual, GeluGrad, Plain, Residual};
        [Bias, BiasResidual, BiasGelu, Plain, Residual, GeluGrad].into_iter().flat_map(|epilogue| {
            Tile::ALL.into_iter().flat_map(move |tile| [true, false].map(|vector| Self { epilogue, vector, tile }))
        })
    }
}

/// Every product of an encoder: its epilogue, N and K.
#[must_use]
pub fn products(spec: &EncoderSpec) -> [(Epilogue, usize, usize); 8] {
    let (d, f) = (spec.hidden, spec.ffn);
    [
        (Epilogue::Bias, 3 * d, d),
        (Epilogue::BiasResidual, d, d),
        (Epilogue::BiasGelu, f, d),
        (Epilogue::BiasResidual, d, f),
        (Epilogue::GeluGrad, f, d),
        (Epilogue::Residual, d, f),
        (Epilogue::Plain, d, d),
        (Epilogue::Residual, d, 3 * d),
    ]
}

/// The shader of a variant.
#[must_use]
pub fn shader(variant: Variant) -> Shader {
    let Variant { epilogue, vector, tile } = variant;
    let epilogue = match epilogue {
        Epilogue::Bias => "lib/epilogue_bias.wgsl",
        Epilogue::BiasResidual => "lib/epilogue_bias_residual.wgsl",
        Epilogue::BiasGelu => "lib/epilogue_bias_gelu.wgsl",
        Epilogue::Plain => "lib/epilogue_plain.wgsl",
        Epilogue::Residual => "lib/epilogue_residual.wgsl",
        Epilogue::GeluGrad => "lib/epilogue_gelu_grad.wgsl",
    };
    Shader {
        slots: vec![
            ("epilogue", epilogue),
            ("operands", if vector { "lib/matmul_vector.wgsl" } else { "lib/matmul_scalar.wgsl" }),
            ("tile", if tile.staged { "lib/matmul_staged.wgsl" } else { "lib/matmul_direct.wgsl" }),
        ],
        constants: vec![
            ("THREADS_X", tile.threads.0),
            ("THREADS_Y", tile.threads.1),
            ("BLOCK_COLUMNS", tile.blocks.0),
            ("BLOCK_ROWS", tile.blocks.1),
        ],
        ..Shader::new(NAME)
    }
}

/// Buffers of a product, in the order of its bindings; those that its epilogue does not know are `None`.
#[derive(Debug, Clone, Copy)]
pub struct Buffers<'a> {
    /// `[T, K]`.
    pub a: &'a wgpu::Buffer,
    /// `[N, K]` (forward) or `[K, N]` (input gradient).
    pub w: &'a wgpu::Buffer,
    /// `[N]`.
    pub bias: Option<&'a wgpu::Buffer>,
    /// `[T, N]`.
    pub extra: Option<&'a wgpu::Buffer>,
    /// `[T, N]`; [`Epilogue::GeluGrad`] finds the input of the activation there.
    pub out: &'a wgpu::Buffer,
    /// `[T, N]`.
    pub pre: Option<&'a wgpu::Buffer>,
}

/// One product over all packed rows.
pub fn step((kernel, variant): (&Kernel, Variant), launch: &Launch<'_>, buffers: &Buffers<'_>, n: u32, k: u32) -> Step {
    let Buffers { a, w, bias, extra, out, pre } = *buffers;
    let all = [Some(a), Some(w), bias, extra, Some(out), pre];
    let used: Vec<_> = (0..).zip(all).filter_map(|(binding, buffer)| Some((binding, buffer?))).collect();
    let work = Work::Tiles { rows: variant.tile.rows(), across: n.div_ceil(variant.tile.columns()) };
    let step = kernel.step(launch, &used, &Params { n, k, pad: [0; 2] }, work);
    let (wide, long) = (u64::from(n), u64::from(k));
    let reads = u64::from(extra.is_some() || variant.epilogue == Epilogue::GeluGrad);
    let cost = Cost {
        flops_per_row: 2 * wide * long,
        bytes_per_row: 4 * (long + (1 + reads + u64::from(pre.is_some())) * wide),
        bytes: 4 * wide * long,
        flops_per_pair: 0,
    };
    Step { label: format!("{NAME} {:?} {k} -> {n}", variant.epilogue), ..step.costing(cost) }
}
