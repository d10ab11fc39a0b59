//! The compute engine: the frozen encoder's forward pass and input gradient, twice (WGSL and CPU), behind one trait.
//!
//! Legend of the shape letters used everywhere: B examples, T packed rows, P prompt rows, D hidden, H heads, F feed-forward
//! neurons, L layers, V vocabulary.

use std::sync::Arc;

use crate::data::batch::{PackedBatch, RowSource};
use crate::error::{Error, Result};
use crate::model::spec::EncoderSpec;

pub mod boundary;
pub mod compute;
pub mod cpu;
mod cpu_engine;
pub mod wgsl;
mod wgsl_engine;

/// What the rows of an example are reduced to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pooling {
    /// Mean of all rows of the example, prompt rows too.
    Mean,
    /// One row of the example, counted from its first prompt row.
    Row(u32),
}

/// The frozen encoder on one device: what [`boundary`] puts into burn's graph as one operation.
pub trait Engine: Send + Sync {
    /// How burn holds rows on this engine's device.
    type Tensor;

    /// Checks a batch and brings it to the device. It stays current until the next one.
    ///
    /// # Errors
    /// [`Error::Model`] for a token id or a length that the encoder has no embedding for; [`Error::Device`] where the
    /// device has no room for it.
    fn prepare(&self, batch: &Arc<PackedBatch>) -> Result<()>;

    /// Prompt rows `[P, D]` to pooled rows `[B, D]` of the current batch; with `keep`, activations stay for
    /// [`Engine::backward`].
    fn forward(&self, prompt: Self::Tensor, pooling: Pooling, keep: bool, examples: usize) -> Self::Tensor;

    /// Gradient of the pooled rows `[B, D]` to the gradient of the prompt rows `[P, D]`, after a forward pass that kept its
    /// activations.
    fn backward(&self, d_pooled: Self::Tensor, pooling: Pooling) -> Self::Tensor;
}

/// Checks that the encoder has an embedding for everything in a batch.
///
/// # Errors
/// [`Error::Model`] with the token id or the length that is too large.
pub fn check_batch(batch: &PackedBatch, spec: &EncoderSpec) -> Result<()> {
    if let Some(id) = batch.tokens().iter().find(|&&id| id as usize >= spec.vocab) {
        return Err(Error::model(
            format!("token id {id} is not among the {} word embeddings of the encoder", spec.vocab),
            "use the tokenizer.json that belongs to this encoder",
        ));
    }
    if batch.longest() > spec.max_positions {
        return Err(Error::model(
            format!("{} prompt and text rows, but the encoder has {} positions", batch.longest(), spec.max_positions),
            "use a smaller data.max_tokens or prompt.length",
        ));
    }
    Ok(())
}

/// Marks a row of a [`RowInfo`] that comes from the prompt.
pub const PROMPT_BIT: u32 = 1 << 31;

/// What the kernels know about one packed row; the layout that `shaders/lib/rows.wgsl` declares.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, bytemuck::Pod, bytemuck::Zeroable)]
pub struct RowInfo {
    /// First row of its example.
    pub start: u32,
    /// One past the last row of its example.
    pub end: u32,
    /// Row of the word table, or [`PROMPT_BIT`] with the row of the prompt.
    pub source: u32,
    /// Its example.
    pub example: u32,
}

/// The rows that an input gradient is made for. Below the lowest layer with a prompt nothing is trained, so that there only the
/// prompt rows need one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GradRows {
    /// All packed rows, `[T, ..]`.
    All,
    /// The prompt rows only, example after example, `[B P, ..]`.
    Prompt,
}

impl GradRows {
    /// The packed row of each row that is made.
    #[must_use]
    pub fn list(self, rows: &[RowInfo]) -> Vec<usize> {
        let made = |row: &RowInfo| self == Self::All || row.source & PROMPT_BIT != 0;
        rows.iter().enumerate().filter(|(_, row)| made(row)).map(|(t, _)| t).collect()
    }
}

/// The [`RowInfo`] of every row of a batch; `slot` says which row of the word table holds a token id.
pub fn row_infos(batch: &PackedBatch, mut slot: impl FnMut(u32) -> u32) -> Vec<RowInfo> {
    let offsets = batch.offsets();
    batch
        .row_sources()
        .map(|(example, _, source)| RowInfo {
            start: offsets[example],
            end: offsets[example + 1],
            source: match source {
                RowSource::Prompt(row) => PROMPT_BIT | row,
                RowSource::Token(id) => slot(id),
            },
            example: example as u32,
        })
        .collect()
}
