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
pub mod flops;
mod turn;
pub mod wgsl;
mod wgsl_engine;

/// What the rows of an example are reduced to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pooling {
    /// Mean of all rows of the example, prompt rows too.
    Mean,
    /// Mean of the rows of the example from this one on: with the number of prompt rows, of its text.
    MeanFrom(u32),
    /// One row of the example, counted from its first prompt row.
    Row(u32),
}

impl Pooling {
    /// The first row of an example that counts.
    #[must_use]
    pub fn first(self) -> usize {
        match self {
            Self::Mean => 0,
            Self::MeanFrom(row) | Self::Row(row) => row as usize,
        }
    }
}

/// Where the prompt rows of a batch join its text rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Entry {
    /// Before the lowest layer, as word embeddings: they get positions `0..P`, token type 0 and the norm of the embeddings, and
    /// the text's positions start at P (Hugging Face PEFT).
    #[default]
    Words,
    /// After so many layers (0: behind the norm of the embeddings), as they are: no position, type or norm. The text's positions
    /// start at 0 (Liu et al. 2022, late prompt tuning).
    After(usize),
}

/// How a batch goes through the encoder, and what the rows of its trained input are.
///
/// The trained input of every pass is one matrix `[R, D]`, of which the gradient is made: first the prompt rows, then the rows of
/// the update, then the rows of the prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route {
    /// Where prompt rows join.
    pub entry: Entry,
    /// What comes out.
    pub pooling: Pooling,
    /// Whether each example has prompt rows of its own, `[B P, D]` instead of `[P, D]`.
    pub per_example: bool,
    /// Rows N of an additive update of the text embeddings (before their norm): row i is added to the i-th token of every text, so
    /// that N is at least the length of the longest. 0: there is none. Only with [`Entry::Words`].
    pub update: usize,
    /// Whether the batch's prompt rows are prefix rows. They have no embedding of their own (their rows of the batch start from
    /// zero): in every layer their keys and values are replaced by trained ones, row `p` of `[P, 2 L D]` in the order `k_0 | v_0 |
    /// k_1 | v_1 | ..` of PEFT's `PREFIX_TUNING`, which is `2 L` rows of the input each. Only with [`Entry::Words`] and a pooling
    /// that leaves the prefix rows out.
    pub prefix: bool,
}

impl Route {
    /// Prompt rows shared by all examples, before the lowest layer.
    #[must_use]
    pub fn words(pooling: Pooling) -> Self {
        Self { entry: Entry::Words, pooling, per_example: false, update: 0, prefix: false }
    }

    /// The lowest layer that is run.
    #[must_use]
    pub fn lowest_layer(&self) -> usize {
        match self.entry {
            Entry::Words => 0,
            Entry::After(layers) => layers,
        }
    }

    /// Rows of the trained input that are prompt, update and prefix, for a batch and an encoder of so many layers.
    #[must_use]
    pub fn input_rows(&self, batch: &PackedBatch, layers: usize) -> [usize; 3] {
        let prompt = match (self.prefix, self.per_example) {
            (true, _) => 0,
            (false, true) => batch.examples() * batch.prompt_length(),
            (false, false) => batch.prompt_length(),
        };
        [prompt, self.update, if self.prefix { batch.prompt_length() * 2 * layers } else { 0 }]
    }

    /// The rows that need an input gradient in the lowest layer that is run. Below it only what is trained gets one.
    #[must_use]
    pub fn lowest_grad(&self) -> GradRows {
        if self.update > 0 { GradRows::All } else { GradRows::Prompt }
    }

    /// The [`RowInfo`] of every row of a batch on this route; `slot` says which row of the word table holds a token id. With
    /// [`Entry::After`], the text rows are numbered as in the states, and `slot` is not asked.
    pub fn row_infos(&self, batch: &PackedBatch, mut slot: impl FnMut(u32) -> u32) -> Vec<RowInfo> {
        let (offsets, length) = (batch.offsets(), batch.prompt_length() as u32);
        let mut text = 0..;
        batch
            .row_sources()
            .map(|(example, _, source)| RowInfo {
                start: offsets[example],
                end: offsets[example + 1],
                source: match source {
                    RowSource::Prompt(row) if self.per_example => PROMPT_BIT | (example as u32 * length + row),
                    RowSource::Prompt(row) => PROMPT_BIT | row,
                    RowSource::Token(id) if self.entry == Entry::Words => slot(id),
                    RowSource::Token(_) => text.next().unwrap_or_default(),
                },
                example: example as u32,
            })
            .collect()
    }
}

/// The frozen encoder on one device: what [`boundary`] puts into burn's graph as one operation. Any number of threads may use it at
/// once, each with passes of its own.
pub trait Engine: Send + Sync {
    /// How burn holds rows on this engine's device.
    type Tensor;
    /// A pass under way: its batch, its route, and what its activations are in. It ends when it is dropped.
    type Pass: Send;
    /// Hidden states of examples, kept where this engine finds them again.
    type Cache: Send + Sync;

    /// Checks a batch, brings it to the device and makes room for its pass; `tracked` where a backward pass may follow.
    ///
    /// # Errors
    /// [`Error::Model`] for a token id or a length that the encoder has no embedding for, or a route that it cannot take;
    /// [`Error::DeviceMemory`] where there is no room for it; [`Error::Device`] where the engine has room for one pass only and this
    /// thread has one under way.
    fn begin(&self, batch: &Arc<PackedBatch>, route: Route, tracked: bool) -> Result<Self::Pass>;

    /// The trained input `[R, D]` to pooled rows `[B, D]`; with `save_activations`, activations stay in the pass for [`Engine::backward`].
    /// `states` `[T - B P, D]` are the text rows where the prompt joins, with [`Entry::After`] (else ignored).
    fn forward(&self, pass: &mut Self::Pass, input: Self::Tensor, states: Self::Tensor, save_activations: bool) -> Self::Tensor;

    /// Gradient of the pooled rows `[B, D]` to the gradient of the trained input `[R, D]`, after a forward pass that kept its
    /// activations.
    ///
    /// # Panics
    /// Where the pass was discarded.
    fn backward(&self, pass: Self::Pass, d_pooled: Self::Tensor) -> Self::Tensor;

    /// An empty cache of hidden states after a number of layers, for at most so many bytes.
    fn cache(&self, budget: u64) -> Self::Cache;

    /// Whether a cache has the states of an example of so many rows.
    fn has(&self, cache: &Self::Cache, key: u32, rows: usize) -> bool;

    /// Bytes of the states in a cache.
    fn cache_bytes(&self, cache: &Self::Cache) -> u64;

    /// Text rows `[T, D]` after `layers` layers (0: behind the norm of the embeddings) of a batch without prompt rows. With a
    /// cache and a key for each example, what is there is copied and what is missing is computed and kept while the budget lasts:
    /// the same bits either way. `like` is any tensor of this device.
    ///
    /// # Errors
    /// As [`Engine::begin`].
    fn states(
        &self,
        batch: &Arc<PackedBatch>,
        layers: usize,
        cache: Option<(&Self::Cache, &[u32])>,
        like: Self::Tensor,
    ) -> Result<Self::Tensor>;

    /// Of every neuron of every layer, the sum over the examples of the mean over an example's rows (prompt rows too) of the
    /// absolute activation `|gelu(W1 x + b1)|`: `[L, F]`, for a batch behind shared prompt rows `[P, D]` (Huang et al. 2022, FPT,
    /// section 3).
    ///
    /// # Errors
    /// As [`Engine::begin`].
    fn neuron_scores(&self, batch: &Arc<PackedBatch>, prompt: Self::Tensor) -> Result<Self::Tensor>;
}

/// Checks that the encoder can take a route with a batch, and has an embedding for everything in it.
///
/// # Errors
/// [`Error::Model`] with what is wrong.
pub fn check_route(batch: &PackedBatch, route: &Route, spec: &EncoderSpec) -> Result<()> {
    let prompt = batch.prompt_length();
    let text = batch.longest().saturating_sub(prompt);
    let words = route.entry == Entry::Words;
    let problem = match *route {
        Route { entry: Entry::After(layers), .. } if layers >= spec.layers => {
            Some(format!("a prompt that joins after {layers} of {} layers", spec.layers))
        }
        Route { update, .. } if update > 0 && !words => Some("an update of embeddings that are not made".to_owned()),
        Route { update, .. } if update > 0 && update < text => {
            Some(format!("an update of {update} rows for a text of {text} tokens"))
        }
        Route { prefix: true, pooling, per_example, .. } if !words || per_example || pooling.first() < prompt => {
            Some("a prefix together with another prompt, or pooled".to_owned())
        }
        _ => None,
    };
    if let Some(problem) = problem {
        return Err(Error::model(problem, "report this as a fault"));
    }
    check_tokens(batch, spec)?;
    check_positions(if words { batch.longest() } else { text }, spec)
}

/// Checks that the encoder has an embedding for everything in a batch.
///
/// # Errors
/// [`Error::Model`] with the token id or the length that is too large.
pub fn check_batch(batch: &PackedBatch, spec: &EncoderSpec) -> Result<()> {
    check_tokens(batch, spec)?;
    check_positions(batch.longest(), spec)
}

fn check_tokens(batch: &PackedBatch, spec: &EncoderSpec) -> Result<()> {
    if let Some(id) = batch.tokens().iter().find(|&&id| id as usize >= spec.vocab) {
        return Err(Error::model(
            format!("token id {id} is not among the {} word embeddings of the encoder", spec.vocab),
            "use the tokenizer.json that belongs to this encoder",
        ));
    }
    Ok(())
}

fn check_positions(rows: usize, spec: &EncoderSpec) -> Result<()> {
    if rows > spec.max_positions {
        return Err(Error::model(
            format!("{rows} prompt and text rows, but the encoder has {} positions", spec.max_positions),
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
    /// Row of the word table (of the states, with [`Entry::After`]), or [`PROMPT_BIT`] with the row of the prompt.
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

/// The [`RowInfo`] of every row of a batch behind shared prompt rows, at the word embeddings; `slot` says which row of the word
/// table holds a token id.
pub fn row_infos(batch: &PackedBatch, slot: impl FnMut(u32) -> u32) -> Vec<RowInfo> {
    Route::words(Pooling::Mean).row_infos(batch, slot)
}
