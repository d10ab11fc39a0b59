//! Matrix product with a fused epilogue: pipelines and launch of `shaders/matmul.wgsl`.

use super::device::Gpu;
use super::kernel::{Kernel, Launch};
use super::recorder::{DispatchSize, KernelCost, Step};
use super::source::Shader;
use super::tile::{Operands, Source, Tile};
use crate::engine::cpu::matmul::Epilogue;
use crate::error::Result;
use crate::model::spec::EncoderSpec;

/// The kernel's name.
pub const NAME: &str = "matmul";

/// Parameters, in the layout that the shader declares.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, bytemuck::Pod, bytemuck::Zeroable)]
pub struct Params {
    /// Columns N of `out`.
    pub n: u32,
    /// Columns K of `a`.
    pub k: u32,
    /// Padding: zero.
    pub pad: [u32; 2],
}

/// One pipeline of the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Variant {
    /// The orientation of the weight, and what happens to the result.
    pub epilogue: Epilogue,
    /// How the operands are read.
    pub operands: Operands,
    /// The tile.
    pub tile: Tile,
}

impl Variant {
    /// The variant for a product with N columns and sums over K.
    #[must_use]
    pub fn of(epilogue: Epilogue, n: usize, k: usize, tile: Tile) -> Self {
        let operands = tile.operands(n, k);
        Self { epilogue, operands, tile: tile.reading(operands) }
    }

    /// All variants.
    pub fn all() -> impl Iterator<Item = Self> {
        use Epilogue::{Bias, BiasGelu, BiasResidual, GeluGrad, Plain, Residual};
        let operands = |tile: Tile| match tile.source {
            Source::Texture => &[Operands::Texture][..],
            Source::Staged | Source::Direct => &[Operands::Vector, Operands::Scalar],
        };
        [Bias, BiasResidual, BiasGelu, Plain, Residual, GeluGrad].into_iter().flat_map(move |epilogue| {
            Tile::ALL
                .into_iter()
                .flat_map(move |tile| operands(tile).iter().map(move |&operands| Self { epilogue, operands, tile }))
        })
    }
}

/// All products of an encoder: epilogue, N and K. The last two are those of recomputation and of the lowest layer.
#[must_use]
pub fn products(spec: &EncoderSpec) -> [(Epilogue, usize, usize); 10] {
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
        (Epilogue::Bias, f, d),
        (Epilogue::Plain, d, 3 * d),
    ]
}

/// The shader of a variant.
#[must_use]
pub fn shader(variant: Variant) -> Shader {
    let Variant { epilogue, operands, tile } = variant;
    let epilogue = match epilogue {
        Epilogue::Bias => "lib/epilogue_bias.wgsl",
        Epilogue::BiasResidual => "lib/epilogue_bias_residual.wgsl",
        Epilogue::BiasGelu => "lib/epilogue_bias_gelu.wgsl",
        Epilogue::Plain => "lib/epilogue_plain.wgsl",
        Epilogue::Residual => "lib/epilogue_residual.wgsl",
        Epilogue::GeluGrad => "lib/epilogue_gelu_grad.wgsl",
    };
    let operands = match operands {
        Operands::Vector => "lib/matmul_vector.wgsl",
        Operands::Scalar => "lib/matmul_scalar.wgsl",
        Operands::Texture => "lib/matmul_texture.wgsl",
    };
    let source = match tile.source {
        Source::Staged => "lib/matmul_staged.wgsl",
        Source::Direct | Source::Texture => "lib/matmul_direct.wgsl",
    };
    Shader {
        slots: vec![("epilogue", epilogue), ("operands", operands), ("tile", source)],
        constants: vec![
            ("THREADS_X", tile.threads.0),
            ("THREADS_Y", tile.threads.1),
            ("BLOCK_COLUMNS", tile.blocks.0),
            ("BLOCK_ROWS", tile.blocks.1),
            ("STAGE", tile.stage),
        ],
        ..Shader::new(NAME)
    }
}

/// A weight `[out, in]` on the device.
#[derive(Debug)]
pub enum Weight {
    /// Row by row.
    Buffer(wgpu::Buffer),
    /// Texel `(x, y)` is row `y`, columns `4 x` to `4 x + 3`.
    Texture(wgpu::TextureView),
}

impl Weight {
    /// Uploads a weight with this number of columns in the form that products with these operands read.
    ///
    /// # Errors
    /// [`crate::error::Error::Device`] if it is larger than the device can bind.
    pub fn upload(gpu: &Gpu, label: &str, values: &[f32], columns: usize, operands: Operands) -> Result<Self> {
        if operands != Operands::Texture {
            return Ok(Self::Buffer(gpu.upload(label, values)?));
        }
        let (wide, high) = (columns as u32 / 4, (values.len() / columns) as u32);
        let size = wgpu::Extent3d { width: wide, height: high, depth_or_array_layers: 1 };
        let texture = gpu.device.create_texture(&wgpu::TextureDescriptor {
            label: Some(label),
            size,
            mip_level_count: 1,
            sample_count: 1,
            dimension: wgpu::TextureDimension::D2,
            format: wgpu::TextureFormat::Rgba32Float,
            usage: wgpu::TextureUsages::TEXTURE_BINDING | wgpu::TextureUsages::COPY_DST,
            view_formats: &[],
        });
        let layout = wgpu::TexelCopyBufferLayout { offset: 0, bytes_per_row: Some(16 * wide), rows_per_image: None };
        gpu.queue.write_texture(texture.as_image_copy(), bytemuck::cast_slice(values), layout, size);
        Ok(Self::Texture(texture.create_view(&wgpu::TextureViewDescriptor::default())))
    }

    /// Size on the device in bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        match self {
            Self::Buffer(buffer) => buffer.size(),
            Self::Texture(view) => 16 * u64::from(view.texture().width()) * u64::from(view.texture().height()),
        }
    }

    fn binding(&self) -> wgpu::BindingResource<'_> {
        match self {
            Self::Buffer(buffer) => buffer.as_entire_binding(),
            Self::Texture(view) => wgpu::BindingResource::TextureView(view),
        }
    }
}

/// Buffers of a product, in the order of its bindings; `None` for those that its epilogue does not have.
#[derive(Debug, Clone, Copy)]
pub struct Buffers<'a> {
    /// `[T, K]`.
    pub a: &'a wgpu::Buffer,
    /// `[N, K]` (forward) or `[K, N]` (input gradient).
    pub w: &'a Weight,
    /// `[N]`.
    pub bias: Option<&'a wgpu::Buffer>,
    /// `[T, N]`.
    pub extra: Option<&'a wgpu::Buffer>,
    /// `[T, N]`; for [`Epilogue::GeluGrad`], it contains the input of the activation function.
    pub out: &'a wgpu::Buffer,
    /// `[T, N]`.
    pub pre: Option<&'a wgpu::Buffer>,
}

/// Number of rows of K values that a buffer can hold.
pub(super) fn rows(a: &wgpu::Buffer, k: u32) -> u32 {
    u32::try_from(a.size() / (4 * u64::from(k.max(1)))).unwrap_or(u32::MAX)
}

/// Whether an epilogue takes a bias, takes `extra`, and writes `pre`.
#[must_use]
pub fn takes(epilogue: Epilogue) -> (bool, bool, bool) {
    use Epilogue::{Bias, BiasGelu, BiasResidual, Residual};
    (matches!(epilogue, Bias | BiasResidual | BiasGelu), matches!(epilogue, BiasResidual | Residual), epilogue == BiasGelu)
}

/// The label of a product in profiles.
#[must_use]
pub fn label(epilogue: Epilogue, n: u32, k: u32) -> String {
    format!("{NAME} {epilogue:?} {k} -> {n}")
}

/// One product over all packed rows.
pub fn step((kernel, variant): (&Kernel, Variant), launch: &Launch<'_>, buffers: &Buffers<'_>, n: u32, k: u32) -> Step {
    let Buffers { a, w, bias, extra, out, pre } = *buffers;
    let whole = wgpu::Buffer::as_entire_binding;
    let all = [Some(whole(a)), Some(w.binding()), bias.map(whole), extra.map(whole), Some(whole(out)), pre.map(whole)];
    let used: Vec<_> = (0..).zip(all).filter_map(|(binding, resource)| Some((binding, resource?))).collect();
    let dispatch = DispatchSize::Tiles { rows: variant.tile.rows(), across: n.div_ceil(variant.tile.columns()) };
    let step = kernel.step_with(launch, &used, &Params { n, k, pad: [0; 2] }, dispatch);
    let (wide, long) = (u64::from(n), u64::from(k));
    let reads = u64::from(extra.is_some() || variant.epilogue == Epilogue::GeluGrad);
    let cost = KernelCost {
        flops_per_row: 2 * wide * long,
        bytes_per_row: 4 * (long + (1 + reads + u64::from(pre.is_some())) * wide),
        bytes: 4 * wide * long,
        flops_per_pair: 0,
    };
    Step { label: label(variant.epilogue, n, k), ..step.costing(cost) }
}
