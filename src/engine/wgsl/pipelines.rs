//! All kernels of one encoder, compiled.

use super::attention::Blocking;
use super::device::Gpu;
use super::kernel::Kernel;
use super::{
    attention, attention_grad_key, attention_grad_query, embed, embed_grad, layer_norm, layer_norm_grad, pool, pool_grad,
};
use super::{matmul, matmul::Variant};
use crate::engine::cpu::matmul::Epilogue;
use crate::error::Result;
use crate::model::spec::EncoderSpec;

/// Every kernel that one encoder needs.
#[derive(Debug, Clone)]
pub struct Pipelines {
    pub(super) embed: Kernel,
    pub(super) embed_grad: Kernel,
    pub(super) blocking: Blocking,
    pub(super) attention: Kernel,
    pub(super) attention_grad_query: Kernel,
    pub(super) attention_grad_key: Kernel,
    pub(super) layer_norm: Kernel,
    pub(super) layer_norm_grad: Kernel,
    pub(super) pool: Kernel,
    pub(super) pool_grad: Kernel,
    matmul: Vec<(Variant, Kernel)>,
    tile: matmul::Tile,
}

impl Pipelines {
    /// Compiles what an encoder of this shape needs.
    ///
    /// # Errors
    /// [`crate::error::Error::Device`] with the name of the first kernel that does not compile; [`crate::error::Error::Model`] for a head size that the
    /// attention kernels do not know.
    pub async fn new(gpu: &Gpu, spec: &EncoderSpec) -> Result<Self> {
        let head = attention::check_head_size(spec)?;
        let blocking = Blocking::choose(gpu, head);
        let lanes = layer_norm::lanes(gpu);
        let tile = matmul::Tile::choose(gpu);
        let mut matmul: Vec<(Variant, Kernel)> = Vec::new();
        for (epilogue, n, k) in matmul::products(spec) {
            let variant = Variant::of(epilogue, n, k, tile);
            if !matmul.iter().any(|(known, _)| *known == variant) {
                matmul.push((variant, Kernel::compile(gpu, &matmul::shader(variant)).await?));
            }
        }
        Ok(Self {
            embed: Kernel::compile(gpu, &embed::shader(lanes)).await?,
            embed_grad: Kernel::compile(gpu, &embed_grad::shader(lanes)).await?,
            blocking,
            attention: Kernel::compile(gpu, &attention::shader(head, blocking)).await?,
            attention_grad_query: Kernel::compile(gpu, &attention_grad_query::shader(head, blocking)).await?,
            attention_grad_key: Kernel::compile(gpu, &attention_grad_key::shader(head, blocking)).await?,
            layer_norm: Kernel::compile(gpu, &layer_norm::shader(lanes)).await?,
            layer_norm_grad: Kernel::compile(gpu, &layer_norm_grad::shader(lanes)).await?,
            pool: Kernel::compile(gpu, &pool::shader()).await?,
            pool_grad: Kernel::compile(gpu, &pool_grad::shader()).await?,
            matmul,
            tile,
        })
    }

    /// The product with this epilogue and these sizes, which must be among those of the spec.
    pub(super) fn matmul(&self, epilogue: Epilogue, n: u32, k: u32) -> (&Kernel, Variant) {
        let wanted = Variant::of(epilogue, n as usize, k as usize, self.tile);
        let found = self.matmul.iter().find(|(variant, _)| *variant == wanted);
        let (variant, kernel) = found.expect("every product of the spec was compiled");
        (kernel, *variant)
    }
}
