//! The compute engine: the frozen encoder's forward pass and input gradient, twice (WGSL and CPU), behind one trait.
//!
//! Legend of the shape letters used everywhere: B examples, T packed rows, P prompt rows, D hidden, H heads, F feed-forward
//! neurons, L layers, V vocabulary.

use crate::data::batch::{PackedBatch, RowSource};

pub mod cpu;

/// What the rows of an example are reduced to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pooling {
    /// Mean of all rows of the example, prompt rows too.
    Mean,
    /// One row of the example, counted from its first prompt row.
    Row(u32),
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
