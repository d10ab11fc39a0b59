//! The compute engine: the frozen encoder's forward pass and input gradient, implemented twice (WGSL and CPU) behind one trait.
//!
//! Shape letters, used everywhere: B examples, T packed rows, P prompt rows, D hidden size, H heads, F feed-forward neurons, L
//! layers, V vocabulary.

use std::sync::Arc;

use crate::data::batch::{PackedBatch, RowSource};
use crate::error::{Error, Result};
use crate::model::spec::EncoderSpec;
use crate::program::plan::{Purpose, Tap};

pub mod boundary;
pub mod compute;
pub mod cpu;
mod cpu_engine;
pub mod flops;
mod turn;
pub mod wgsl;
mod wgsl_engine;

pub use crate::program::{Entry, Pooling};

/// How a batch goes through the encoder, and the meaning of the rows of its trained input.
///
/// The trained input of every pass is one matrix `[R, D]`, whose gradient is computed: first the prompt rows, then the rows of
/// the update, then the rows of the prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route {
    /// Where prompt rows enter.
    pub entry: Entry,
    /// The pooling of the output.
    pub pooling: Pooling,
    /// Whether each example has its own prompt rows, `[B P, D]` instead of `[P, D]`.
    pub per_example: bool,
    /// Rows N of an additive update of the text embeddings (before their norm): row i is added to the i-th token of every text,
    /// so N is at least the length of the longest text. 0: there is no update. Only with [`Entry::Words`].
    pub update: usize,
    /// Whether the batch's prompt rows are prefix rows. They have no embedding (their packed rows start from zero): in every
    /// layer, their keys and values are replaced by trained ones, row `p` of `[P, 2 L D]` in the order `k_0 | v_0 | k_1 | v_1 |
    /// ..` of PEFT's `PREFIX_TUNING`, which is `2 L` rows of the input each. Only with [`Entry::Words`] and a pooling without the
    /// prefix rows.
    pub prefix: bool,
}

impl Route {
    /// Prompt rows shared by all examples, before the lowest layer.
    #[must_use]
    pub fn words(pooling: Pooling) -> Self {
        Self { entry: Entry::Words, pooling, per_example: false, update: 0, prefix: false }
    }

    /// The lowest layer of the pass.
    #[must_use]
    pub fn lowest_layer(&self) -> usize {
        match self.entry {
            Entry::Words => 0,
            Entry::After(layers) => layers,
        }
    }

    /// What a pass on this route computes, in an encoder of `layers` layers, pooled after the last one.
    #[must_use]
    pub fn purpose(&self, prompt_length: usize, layers: usize, tracked: bool, recompute: bool) -> Purpose {
        Purpose {
            entry: self.entry,
            prompt: prompt_length > 0 && !self.prefix,
            update: self.update > 0,
            prefix: prompt_length > 0 && self.prefix,
            taps: vec![Tap { layers, pooling: self.pooling }],
            end: layers,
            scores: false,
            tracked,
            recompute,
        }
    }

    /// The numbers of rows of prompt, update and prefix in the trained input, for a batch and an encoder with `layers` layers.
    #[must_use]
    pub fn input_rows(&self, batch: &PackedBatch, layers: usize) -> [usize; 3] {
        let prompt = match (self.prefix, self.per_example) {
            (true, _) => 0,
            (false, true) => batch.examples() * batch.prompt_length(),
            (false, false) => batch.prompt_length(),
        };
        [prompt, self.update, if self.prefix { batch.prompt_length() * 2 * layers } else { 0 }]
    }

    /// The rows that need an input gradient in the lowest layer of the pass. Below it, only trained rows get one.
    #[must_use]
    pub fn lowest_grad(&self) -> GradRows {
        if self.update > 0 { GradRows::All } else { GradRows::Prompt }
    }

    /// The [`RowInfo`] of every row of a batch on this route; `slot` returns the row of a token id in the word table. With
    /// [`Entry::After`], the text rows are numbered as in the hidden states, and `slot` is not called.
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

/// The frozen encoder on one device, which [`boundary`] adds to burn's graph as one operation. Any number of threads may use it
/// concurrently, each with its own passes.
pub trait Engine: Send + Sync {
    /// burn's type of tensors on this engine's device.
    type Tensor;
    /// A pass in progress: its batch, its route, and the buffers of its activations. It ends when it is dropped.
    type Pass: Send;
    /// Cached hidden states of examples.
    type Cache: Send + Sync;

    /// Checks a batch, uploads it to the device and reserves memory for its pass; `tracked` if a backward pass may follow.
    ///
    /// # Errors
    /// [`Error::Model`] for a token id or a length that the encoder has no embedding for, or an unsupported route;
    /// [`Error::DeviceMemory`] if there is not enough memory; [`Error::Device`] if the engine supports only one pass at a time
    /// and this thread already has one.
    fn begin(&self, batch: &Arc<PackedBatch>, route: Route, tracked: bool) -> Result<Self::Pass>;

    /// From the trained input `[R, D]` to pooled rows `[B, D]`. With `save_activations`, activations are saved in the pass for
    /// [`Engine::backward`]. `states` `[T - B P, D]` are the hidden states where the prompt is inserted, with [`Entry::After`]
    /// (otherwise ignored).
    fn forward(&self, pass: &mut Self::Pass, input: Self::Tensor, states: Self::Tensor, save_activations: bool) -> Self::Tensor;

    /// From the gradient of the pooled rows `[B, D]` to the gradient of the trained input `[R, D]`, after a forward pass that
    /// saved its activations.
    ///
    /// # Panics
    /// If the pass was discarded.
    fn backward(&self, pass: Self::Pass, d_pooled: Self::Tensor) -> Self::Tensor;

    /// An empty cache of hidden states with at most `budget` bytes.
    fn cache(&self, budget: u64) -> Self::Cache;

    /// Whether a cache contains the hidden states of an example with this number of rows.
    fn has(&self, cache: &Self::Cache, key: u32, rows: usize) -> bool;

    /// Size of the states in a cache in bytes.
    fn cache_bytes(&self, cache: &Self::Cache) -> u64;

    /// Hidden states `[T, D]` after `layers` layers (0: after the norm of the embeddings), of a batch without prompt rows. With a
    /// cache and a key for each example, cached states are copied, and missing ones are computed and cached within the budget;
    /// the bits are the same. `like` is any tensor of this device.
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

    /// For every neuron of every layer, the sum over the examples of the mean absolute activation `|gelu(W1 x + b1)|` over an
    /// example's rows (including prompt rows): `[L, F]`, for a batch after shared prompt rows `[P, D]` (Huang et al. 2022, FPT,
    /// section 3).
    ///
    /// # Errors
    /// As [`Engine::begin`].
    fn neuron_scores(&self, batch: &Arc<PackedBatch>, prompt: Self::Tensor) -> Result<Self::Tensor>;
}

/// Checks that the encoder supports a route with a batch, and has an embedding for everything in it.
///
/// # Errors
/// [`Error::Model`] with what is wrong.
pub fn check_route(batch: &PackedBatch, route: &Route, spec: &EncoderSpec) -> Result<()> {
    let prompt = batch.prompt_length();
    let text = batch.longest().saturating_sub(prompt);
    let words = route.entry == Entry::Words;
    let problem = match *route {
        Route { entry: Entry::After(layers), .. } if layers >= spec.layers => {
            Some(format!("a prompt inserted after {layers} of {} layers", spec.layers))
        }
        Route { update, .. } if update > 0 && !words => Some("an update of embeddings that are not computed".to_owned()),
        Route { update, .. } if update > 0 && update < text => {
            Some(format!("an update of {update} rows for a text of {text} tokens"))
        }
        Route { prefix: true, pooling, per_example, .. } if !words || per_example || pooling.first() < prompt => {
            Some("a prefix with another prompt, or a pooled prefix".to_owned())
        }
        _ => None,
    };
    if let Some(problem) = problem {
        return Err(Error::model(problem, "report this as a bug"));
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

/// Description of a packed row for the kernels, with the layout declared in `shaders/lib/rows.wgsl`.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, bytemuck::Pod, bytemuck::Zeroable)]
pub struct RowInfo {
    /// First row of its example.
    pub start: u32,
    /// One past the last row of its example.
    pub end: u32,
    /// Row of the word table (of the hidden states, with [`Entry::After`]), or [`PROMPT_BIT`] with the row of the prompt.
    pub source: u32,
    /// Its example.
    pub example: u32,
}

/// The rows whose input gradient is computed. Below the lowest layer with a prompt nothing is trained, so there only the prompt
/// rows need one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GradRows {
    /// All packed rows, `[T, ..]`.
    All,
    /// The prompt rows only, example after example, `[B P, ..]`.
    Prompt,
}

impl GradRows {
    /// The packed row of each of these rows.
    #[must_use]
    pub fn list(self, rows: &[RowInfo]) -> Vec<usize> {
        let made = |row: &RowInfo| self == Self::All || row.source & PROMPT_BIT != 0;
        rows.iter().enumerate().filter(|(_, row)| made(row)).map(|(t, _)| t).collect()
    }
}

/// The [`RowInfo`] of every row of a batch after shared prompt rows, at the word embeddings; `slot` returns the row of a token id
/// in the word table.
pub fn row_infos(batch: &PackedBatch, slot: impl FnMut(u32) -> u32) -> Vec<RowInfo> {
    Route::words(Pooling::Mean).row_infos(batch, slot)
}
