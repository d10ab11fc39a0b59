//! The settings of each method. Maths and sources are where the methods are, in `src/prompt/`.

use serde::{Deserialize, Serialize};

use super::{Method, RunConfig};
use crate::error::{Error, Result};

/// Generator of the prompt of [`Method::Late`] (Liu et al. 2022, late prompt tuning, section 3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(all(test, not(target_family = "wasm")), derive(ts_rs::TS))]
pub enum Generator {
    /// Nothing: free rows, the same for every text.
    None,
    /// A bottleneck on one row of the text (NPG): see [`Reads`].
    #[default]
    Naive,
    /// A bottleneck on rows that are averages of P parts of the text (APPG).
    Average,
    /// The same with the largest value of each part (MPPG).
    Max,
}

/// The row that [`Generator::Naive`] reads: the authors' code has the first, `[CLS]`; the mean is what sentence encoders are trained for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(all(test, not(target_family = "wasm")), derive(ts_rs::TS))]
pub enum Reads {
    /// The first row of the text.
    #[default]
    First,
    /// The mean of the text's rows.
    Mean,
}

/// Settings of [`Method::Late`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[cfg_attr(all(test, not(target_family = "wasm")), derive(ts_rs::TS))]
pub struct LateConfig {
    /// Layers k below the prompt, 0 to L - 1; half of them if absent.
    pub layer: Option<usize>,
    /// Generator of the prompt.
    pub generator: Generator,
    /// The row that [`Generator::Naive`] reads.
    pub reads: Reads,
    /// Neurons c of the generator's bottleneck.
    pub bottleneck: usize,
    /// Learning rate of the generator; free rows take `optim.prompt_lr`.
    pub generator_lr: f64,
    /// Hidden states kept between epochs, in MiB of the memory that the encoder computes in; 0 keeps none.
    pub cache_mb: u64,
}

impl Default for LateConfig {
    fn default() -> Self {
        let (generator, reads) = (Generator::default(), Reads::default());
        Self { layer: None, generator, reads, bottleneck: 64, generator_lr: 3e-3, cache_mb: 512 }
    }
}

/// How the encoder is reduced in the stages of [`Method::Progressive`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(all(test, not(target_family = "wasm")), derive(ts_rs::TS))]
pub enum Shrink {
    /// Layers.
    Depth,
    /// Feed-forward neurons.
    Width,
    /// Both.
    #[default]
    Compound,
}

/// One stage on a partial encoder.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(all(test, not(target_family = "wasm")), derive(ts_rs::TS))]
pub struct StageConfig {
    /// Share of the steps.
    pub share: f64,
    /// Share of the layers, of the neurons, or of both that is kept.
    pub size: f64,
}

/// What happens to the head where the encoder grows: a head fitted to a partial encoder is wrong for the larger one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(all(test, not(target_family = "wasm")), derive(ts_rs::TS))]
pub enum HeadTransition {
    /// It is carried over with its optimizer state.
    #[default]
    Carry,
    /// It alone is trained for some steps before the prompt goes on.
    Refit,
    /// It starts again from zero.
    Reset,
}

/// Settings of [`Method::Progressive`]: the stages before the full encoder, which has the rest of the steps.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[cfg_attr(all(test, not(target_family = "wasm")), derive(ts_rs::TS))]
pub struct ProgressiveConfig {
    /// The method that is trained; one that starts below the lowest layer.
    pub base: Method,
    /// How the encoder is reduced.
    pub shrink: Shrink,
    /// Stages in order.
    pub stages: Vec<StageConfig>,
    /// What happens to the head.
    pub head: HeadTransition,
    /// Steps of [`HeadTransition::Refit`], taken from those of the stage.
    pub refit_steps: usize,
    /// Training texts that neurons are scored on, at most.
    pub score_texts: usize,
}

impl Default for ProgressiveConfig {
    /// Huang et al. 2022, FPT, section 4.1: 20, 20, 20 and 40 percent of the steps on 25, 50, 75 and 100 percent. The authors score
    /// neurons on 1,000 texts; of a small data set those are all, and a pass over them is about a tenth of a whole training.
    fn default() -> Self {
        let stage = |size| StageConfig { share: 0.2, size };
        Self {
            base: Method::Prompt,
            shrink: Shrink::default(),
            stages: vec![stage(0.25), stage(0.5), stage(0.75)],
            head: HeadTransition::default(),
            refit_steps: 20,
            score_texts: 64,
        }
    }
}

/// Settings of [`Method::Efficient`]; with `fusion` off and no `spaces` it is DePT (Shi and Lipani 2024).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[cfg_attr(all(test, not(target_family = "wasm")), derive(ts_rs::TS))]
pub struct EfficientConfig {
    /// Rank r of the update `A B` of the text embeddings.
    pub rank: usize,
    /// The update is multiplied by this over the root of r.
    pub scale: f64,
    /// Learning rate of A and B.
    pub low_rank_lr: f64,
    /// Whether the text embeddings are updated at all.
    pub update: bool,
    /// Whether the prompt attends to the low-rank knowledge.
    pub fusion: bool,
    /// Width a of that attention.
    pub attention: usize,
    /// Spaces S that the prompt is projected into; 0: none.
    pub spaces: usize,
    /// Width b of a space.
    pub space_width: usize,
    /// Whether a gate weighs the spaces; else each has the same weight.
    pub gate: bool,
    /// Learning rate of fusion, spaces and gate.
    pub module_lr: f64,
}

impl Default for EfficientConfig {
    fn default() -> Self {
        Self {
            rank: 10,
            scale: 8.0,
            low_rank_lr: 5e-4,
            update: true,
            fusion: true,
            attention: 16,
            spaces: 2,
            space_width: 8,
            gate: true,
            module_lr: 1e-3,
        }
    }
}

/// How an ensemble votes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(all(test, not(target_family = "wasm")), derive(ts_rs::TS))]
pub enum Vote {
    /// By the mean of the members' probabilities.
    #[default]
    Mean,
    /// For each member its class (Lester et al. 2021, section 6); ties go to the larger mean probability.
    Majority,
}

/// Settings of [`Method::Ensemble`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[cfg_attr(all(test, not(target_family = "wasm")), derive(ts_rs::TS))]
pub struct EnsembleConfig {
    /// Prompts N, each with a head of its own.
    pub members: usize,
    /// How they vote.
    pub vote: Vote,
}

impl Default for EnsembleConfig {
    fn default() -> Self {
        Self { members: 5, vote: Vote::default() }
    }
}

/// Pruning of a trained prompt, then training what is left again from where it was (Ma et al. 2022, XPrompt).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[cfg_attr(all(test, not(target_family = "wasm")), derive(ts_rs::TS))]
pub struct PruneConfig {
    /// Share of the prompt rows that is pruned, the least important first.
    pub tokens: f64,
    /// Pieces k that a row is cut into.
    pub pieces: usize,
    /// Share of the pieces left that is pruned.
    pub piece_share: f64,
}

impl Default for PruneConfig {
    fn default() -> Self {
        Self { tokens: 0.2, pieces: 16, piece_share: 0.2 }
    }
}

/// Settings of [`Method::Auto`]: short runs of some methods, then the best.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[cfg_attr(all(test, not(target_family = "wasm")), derive(ts_rs::TS))]
pub struct AutoConfig {
    /// Candidate methods.
    pub candidates: Vec<Method>,
    /// Share of the steps of a whole run that all trials have together.
    pub share: f64,
    /// Training rows that a trial learns from at most.
    pub rows: usize,
}

impl Default for AutoConfig {
    /// In the encoder, no step of a late prompt or of a prefix costs more than one of prompt tuning with as many rows
    /// (`engine::flops`), so that among these the share of the steps bounds that of the work.
    fn default() -> Self {
        Self { candidates: vec![Method::Prompt, Method::Late, Method::Deep], share: 0.5, rows: 1000 }
    }
}

/// Checks what the settings of the methods have to do with each other.
pub(super) fn validate(RunConfig { prompt, .. }: &RunConfig) -> Result<()> {
    if prompt.efficient.fusion && !prompt.efficient.update {
        let problem = "the prompt cannot attend to an update that is off";
        return Err(Error::config("prompt.efficient.fusion", problem, "turn prompt.efficient.update on, or fusion off"));
    }
    let stages = &prompt.progressive.stages;
    let total: f64 = stages.iter().map(|stage| stage.share).sum();
    if stages.is_empty() || total >= 1.0 {
        let problem = format!("{} stages with {total} of the steps in total", stages.len());
        let hint = "give at least one stage, and less than 1 in total: the full encoder has the remaining steps";
        return Err(Error::config("prompt.progressive.stages", problem, hint));
    }
    Ok(())
}
