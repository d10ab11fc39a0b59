//! All kernels of one encoder, compiled.

use std::collections::BTreeMap;

use super::attention::Blocking;
use super::device::Gpu;
use super::kernel::{Kernel, compile_all};
use super::matmul::{self, Variant};
use super::tile::Tile;
use super::tune::{self, Tiles};
use super::{
    attention, attention_grad_key, attention_grad_query, embed, embed_grad, insert, insert_grad, layer_norm, layer_norm_grad,
    neuron_scores, pool, pool_grad, prefix, prefix_grad, update_grad,
};
use crate::engine::cpu::matmul::Epilogue;
use crate::error::{Error, Result};
use crate::model::spec::EncoderSpec;

/// All kernels of one encoder.
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
    pub(super) insert: Kernel,
    pub(super) insert_grad: Kernel,
    pub(super) update_grad: Kernel,
    pub(super) prefix: Kernel,
    pub(super) prefix_grad: Kernel,
    pub(super) neuron_scores: Kernel,
    matmul: Vec<Product>,
    tiles: Tiles,
}

/// A pipeline of the product kernel, with N and K of a product that uses it.
#[derive(Debug, Clone)]
pub(super) struct Product {
    pub(super) kernel: Kernel,
    pub(super) variant: Variant,
    pub(super) size: (usize, usize),
}

impl Pipelines {
    /// Compiles the kernels for an encoder of this shape, with the fastest tiles.
    ///
    /// # Errors
    /// [`Error::Device`] with the name of the first kernel that does not compile; [`Error::Model`] for a head size that the
    /// attention kernels do not support.
    pub async fn new(gpu: &Gpu, spec: &EncoderSpec) -> Result<Self> {
        Self::with(gpu, spec, tune::tiles(gpu, spec).await).await
    }

    /// Compiles the kernels for an encoder of this shape, with these tiles.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub async fn with(gpu: &Gpu, spec: &EncoderSpec, tiles: Tiles) -> Result<Self> {
        let head = attention::check_head_size(spec)?;
        let blocking = Blocking::choose(gpu, head);
        let lanes = layer_norm::lanes(gpu);
        let mut variants: Vec<(Variant, (usize, usize))> = Vec::new();
        for (epilogue, n, k) in matmul::products(spec) {
            for tile in tiles.of(epilogue, n, k) {
                let variant = Variant::of(epilogue, n, k, tile);
                if !variants.iter().any(|(known, _)| *known == variant) {
                    variants.push((variant, (n, k)));
                }
            }
        }
        let others = [
            embed::shader(lanes),
            embed_grad::shader(lanes),
            attention::shader(head, blocking),
            attention_grad_query::shader(head, blocking),
            attention_grad_key::shader(head, blocking),
            layer_norm::shader(lanes),
            layer_norm_grad::shader(lanes),
            pool::shader(),
            pool_grad::shader(),
            insert::shader(),
            insert_grad::shader(),
            update_grad::shader(lanes),
            prefix::shader(),
            prefix_grad::shader(),
            neuron_scores::shader(),
        ];
        let mut shaders = Vec::from(others.map(|shader| (None, shader)));
        shaders.extend(variants.into_iter().map(|(variant, size)| (Some((variant, size)), matmul::shader(variant))));
        let (mut matmul, mut others) = (Vec::new(), BTreeMap::new());
        for (product, kernel) in compile_all(gpu, &shaders).await? {
            match product {
                Some((variant, size)) => matmul.push(Product { kernel, variant, size }),
                None => _ = others.insert(kernel.name, kernel),
            }
        }
        let mut take = |name: &str| {
            let missing = || Error::device(format!("the kernel {name} was not compiled"), "please report this message");
            others.remove(name).ok_or_else(missing)
        };
        Ok(Self {
            embed: take(embed::NAME)?,
            embed_grad: take(embed_grad::NAME)?,
            blocking,
            attention: take(attention::NAME)?,
            attention_grad_query: take(attention_grad_query::NAME)?,
            attention_grad_key: take(attention_grad_key::NAME)?,
            layer_norm: take(layer_norm::NAME)?,
            layer_norm_grad: take(layer_norm_grad::NAME)?,
            pool: take(pool::NAME)?,
            pool_grad: take(pool_grad::NAME)?,
            insert: take(insert::NAME)?,
            insert_grad: take(insert_grad::NAME)?,
            update_grad: take(update_grad::NAME)?,
            prefix: take(prefix::NAME)?,
            prefix_grad: take(prefix_grad::NAME)?,
            neuron_scores: take(neuron_scores::NAME)?,
            matmul,
            tiles,
        })
    }

    /// The product with this epilogue and these sizes, which must be among those of the spec, for about `rows` rows.
    pub(super) fn matmul(&self, epilogue: Epilogue, n: u32, k: u32, rows: u32) -> (&Kernel, Variant) {
        let tile = self.tiles.tile(epilogue, n, k, rows);
        let wanted = Variant::of(epilogue, n as usize, k as usize, tile);
        let found = self.matmul.iter().find(|product| product.variant == wanted);
        let product = found.expect("every product of the spec was compiled");
        (&product.kernel, product.variant)
    }

    /// All pipelines of the product kernel.
    pub(super) fn products(&self) -> &[Product] {
        &self.matmul
    }

    /// The tile that determines how weights are stored.
    pub(super) fn storage(&self) -> Tile {
        self.tiles.storage()
    }

    /// The tile of each product.
    #[must_use]
    pub fn tiles(&self) -> &Tiles {
        &self.tiles
    }
}
