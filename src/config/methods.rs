//! The settings of each method. Formulas and sources are in `src/prompt/`.

use serde::{Deserialize, Serialize};

use super::{Method, RunConfig};
use crate::error::{Error, Result};

/// Generator of the prompt of [`Method::Late`] (Liu et al. 2022, late prompt tuning, section 3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(all(test, not(target_family = "wasm")), derive(ts_rs::TS))]
pub enum Generator {
    /// No generator: free rows, the same for every text.
    None,
    /// A bottleneck applied to one vector of the text (NPG): see [`Reads`].
    #[default]
    Naive,
    /// A bottleneck applied to the averages of P parts of the text (APPG).
    Average,
    /// The same with the maximum of each part (MPPG).
    Max,
}

/// The vector that [`Generator::Naive`] reads. The authors' code reads `[CLS]`; sentence encoders are trained for the mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(all(test, not(target_family = "wasm")), derive(ts_rs::TS))]
pub enum Reads {
    /// The hidden state of the first token, `[CLS]`.
    #[default]
    First,
    /// The mean of the text's hidden states.
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
    /// The vector that [`Generator::Naive`] reads.
    pub reads: Reads,
    /// Bottleneck size c of the generator.
    pub bottleneck: usize,
    /// Learning rate of the generator; free rows use `optim.prompt_lr`.
    pub generator_lr: f64,
    /// Size of the hidden-state cache in MiB, in the memory of the compute device; 0 turns it off.
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
    /// Fewer layers.
    Depth,
    /// Fewer feed-forward neurons.
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
    /// Share of the layers, of the neurons, or of both in the partial encoder.
    pub size: f64,
}

/// What happens to the head when the encoder grows. A head fitted to a partial encoder does not fit a larger one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(all(test, not(target_family = "wasm")), derive(ts_rs::TS))]
pub enum HeadTransition {
    /// It is carried over with its optimizer state.
    #[default]
    Carry,
    /// It is trained alone for some steps before the prompt is trained further.
    Refit,
    /// It is reinitialised to zero.
    Reset,
}

/// Settings of [`Method::Progressive`]: the stages before the full encoder, which has the remaining steps.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[cfg_attr(all(test, not(target_family = "wasm")), derive(ts_rs::TS))]
pub struct ProgressiveConfig {
    /// The method that is trained progressively; its prompt must enter below the lowest layer.
    pub base: Method,
    /// How the encoder is reduced.
    pub shrink: Shrink,
    /// Stages in order.
    pub stages: Vec<StageConfig>,
    /// What happens to the head.
    pub head: HeadTransition,
    /// Steps of [`HeadTransition::Refit`], taken from those of the stage.
    pub refit_steps: usize,
    /// Maximum number of training texts for scoring neurons.
    pub score_texts: usize,
}

impl Default for ProgressiveConfig {
    /// Huang et al. 2022, FPT, section 4.1: 20, 20, 20 and 40 percent of the steps on 25, 50, 75 and 100 percent. The authors
    /// score neurons on 1,000 texts. In a small data set, that is every text, and scoring takes about a tenth of the whole run.
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

/// Settings of [`Method::Efficient`]; with `fusion` off and 0 `spaces`, it is DePT (Shi and Lipani 2024).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[cfg_attr(all(test, not(target_family = "wasm")), derive(ts_rs::TS))]
pub struct EfficientConfig {
    /// Rank r of the update `A B` of the text embeddings.
    pub rank: usize,
    /// The update is multiplied by this over the square root of r.
    pub scale: f64,
    /// Learning rate of A and B.
    pub low_rank_lr: f64,
    /// Whether the text embeddings are updated at all.
    pub update: bool,
    /// Prompt fusion: whether the prompt attends to the low-rank update.
    pub fusion: bool,
    /// Attention size a of the prompt fusion.
    pub attention: usize,
    /// Number of projection spaces S; 0 turns them off.
    pub spaces: usize,
    /// Dimension b of a projection space.
    pub space_width: usize,
    /// Whether a trained gate weights the spaces; without it, the weights are equal.
    pub gate: bool,
    /// Learning rate of fusion, projection spaces and gate.
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
    /// Soft voting: the mean of the members' probabilities.
    #[default]
    Mean,
    /// Hard voting: one vote per member (Lester et al. 2021, section 6); ties go to the class with the larger mean probability.
    Majority,
}

/// Settings of [`Method::Ensemble`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[cfg_attr(all(test, not(target_family = "wasm")), derive(ts_rs::TS))]
pub struct EnsembleConfig {
    /// Number of prompts N, each with its own head.
    pub members: usize,
    /// How they vote.
    pub vote: Vote,
}

impl Default for EnsembleConfig {
    fn default() -> Self {
        Self { members: 5, vote: Vote::default() }
    }
}

/// Pruning of a trained prompt, then training the remaining prompt from its current state (Ma et al. 2022, XPrompt).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[cfg_attr(all(test, not(target_family = "wasm")), derive(ts_rs::TS))]
pub struct PruneConfig {
    /// Share of the prompt rows that is pruned, the least important first.
    pub tokens: f64,
    /// Pieces k that a row is split into.
    pub pieces: usize,
    /// Share of the remaining pieces that is pruned.
    pub piece_share: f64,
}

impl Default for PruneConfig {
    fn default() -> Self {
        Self { tokens: 0.2, pieces: 16, piece_share: 0.2 }
    }
}

/// Settings of [`Method::Auto`]: trials of the candidate methods, then a run of the best.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[cfg_attr(all(test, not(target_family = "wasm")), derive(ts_rs::TS))]
pub struct AutoConfig {
    /// Candidate methods.
    pub candidates: Vec<Method>,
    /// Trial budget of all trials in total, as a share of the steps of a run.
    pub share: f64,
    /// Maximum number of training rows in a trial.
    pub rows: usize,
}

impl Default for AutoConfig {
    /// In the encoder, no step of late prompt tuning or of a prefix costs more than a step of prompt tuning with the same number
    /// of rows (`engine::flops`). For these methods, the share of the steps is therefore an upper bound for the share of the
    /// compute.
    fn default() -> Self {
        Self { candidates: vec![Method::Prompt, Method::Late, Method::Deep], share: 0.5, rows: 1000 }
    }
}

/// Checks settings of the methods that depend on each other.
pub(super) fn validate(RunConfig { prompt, .. }: &RunConfig) -> Result<()> {
    if prompt.efficient.fusion && !prompt.efficient.update {
        let problem = "the prompt cannot attend to an update that is off";
        return Err(Error::config(
            "prompt.efficient.fusion",
            problem,
            "turn the low-rank embedding update on, or the prompt fusion off",
        ));
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
