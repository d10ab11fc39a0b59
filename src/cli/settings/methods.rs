//! The flags of the methods, like those of [`super::Settings`].

use std::str::FromStr;

use clap::Args;

use super::{about, choice, decimal, described, shown, whole};
use crate::config::{
    Generator, HeadTransition, LateConfig, Method, ProgressiveConfig, PromptConfig, PruneConfig, Reads, RunConfig, Shrink,
    StageConfig, Vote,
};

const LPT: &str = "Late prompt tuning (LPT)";
const FPT: &str = "Progressive prompt tuning (FPT)";
const EPT: &str = "Efficient prompt tuning (EPT)";
const ENSEMBLE: &str = "Prompt ensemble";
const AUTO: &str = "Automatic selection";

/// Flags that override a [`PromptConfig`].
#[derive(Debug, Default, Args)]
pub(crate) struct MethodSettings {
    #[arg(long, visible_aliases = ["add_prompt_layer"], aliases = ["add-prompt-layer"],
          value_parser = whole::<usize>("prompt.late.layer"), value_name = "K", help_heading = LPT,
          help = about("prompt.late.layer"))]
    layer: Option<usize>,
    #[arg(long, value_name = "none|naive|average|max", value_parser = choice::<Generator>, help_heading = LPT,
          help = about("prompt.late.generator"))]
    generator: Option<Generator>,
    #[arg(long, value_name = "first|mean", value_parser = choice::<Reads>, help_heading = LPT,
          help = about("prompt.late.reads"))]
    reads: Option<Reads>,
    #[arg(long, visible_aliases = ["proj_down_size"], aliases = ["proj-down-size"],
          value_parser = whole::<usize>("prompt.late.bottleneck"), value_name = "C", help_heading = LPT,
          help = about("prompt.late.bottleneck"))]
    bottleneck: Option<usize>,
    #[arg(long, value_parser = decimal("prompt.late.generator_lr"), value_name = "RATE", help_heading = LPT,
          help = about("prompt.late.generator_lr"))]
    generator_lr: Option<f64>,
    #[arg(long, value_parser = whole::<u64>("prompt.late.cache_mb"), value_name = "MIB", help_heading = LPT,
          help = about("prompt.late.cache_mb"))]
    cache_mb: Option<u64>,

    #[arg(long, value_name = "prompt|efficient|deep|ensemble", value_parser = choice::<Method>, help_heading = FPT,
          help = about("prompt.progressive.base"))]
    base: Option<Method>,
    #[arg(long, value_name = "depth|width|compound", value_parser = choice::<Shrink>, help_heading = FPT,
          help = about("prompt.progressive.shrink"))]
    shrink: Option<Shrink>,
    #[arg(long, value_name = "SHARE:SIZE,..", value_parser = stages, help_heading = FPT,
          help = shown("prompt.progressive.stages",
                       stages_text(&ProgressiveConfig::default().stages)))]
    stages: Option<Stages>,
    #[arg(long, value_name = "carry|refit|reset", value_parser = choice::<HeadTransition>, help_heading = FPT,
          help = about("prompt.progressive.head"))]
    head_transition: Option<HeadTransition>,
    #[arg(long, value_parser = whole::<usize>("prompt.progressive.refit_steps"), value_name = "N", help_heading = FPT,
          help = about("prompt.progressive.refit_steps"))]
    refit_steps: Option<usize>,
    #[arg(long, value_parser = whole::<usize>("prompt.progressive.score_texts"), value_name = "N", help_heading = FPT,
          help = about("prompt.progressive.score_texts"))]
    score_texts: Option<usize>,

    #[arg(long, value_parser = whole::<usize>("prompt.efficient.rank"), value_name = "R", help_heading = EPT,
          help = about("prompt.efficient.rank"))]
    rank: Option<usize>,
    #[arg(long, value_parser = decimal("prompt.efficient.scale"), value_name = "X", help_heading = EPT,
          help = about("prompt.efficient.scale"))]
    update_scale: Option<f64>,
    #[arg(long, visible_aliases = ["lora_embedding_lr"], aliases = ["lora-embedding-lr"],
          value_parser = decimal("prompt.efficient.low_rank_lr"), value_name = "RATE", help_heading = EPT,
          help = about("prompt.efficient.low_rank_lr"))]
    low_rank_lr: Option<f64>,
    #[arg(long, help_heading = EPT, help = off("prompt.efficient.update", " Only with --no-fusion."))]
    no_update: bool,
    #[arg(long, help_heading = EPT, help = off("prompt.efficient.fusion", ""))]
    no_fusion: bool,
    #[arg(long, value_parser = whole::<usize>("prompt.efficient.attention"), value_name = "A", help_heading = EPT,
          help = about("prompt.efficient.attention"))]
    attention: Option<usize>,
    #[arg(long, value_parser = whole::<usize>("prompt.efficient.spaces"), value_name = "S", help_heading = EPT,
          help = about("prompt.efficient.spaces"))]
    spaces: Option<usize>,
    #[arg(long, value_parser = whole::<usize>("prompt.efficient.space_width"), value_name = "B", help_heading = EPT,
          help = about("prompt.efficient.space_width"))]
    space_width: Option<usize>,
    #[arg(long, help_heading = EPT, help = off("prompt.efficient.gate", ""))]
    no_gate: bool,
    #[arg(long, value_parser = decimal("prompt.efficient.module_lr"), value_name = "RATE", help_heading = EPT,
          help = about("prompt.efficient.module_lr"))]
    module_lr: Option<f64>,

    #[arg(long, visible_aliases = ["n_estimators"], aliases = ["n-estimators"],
          value_parser = whole::<usize>("prompt.ensemble.members"), value_name = "N", help_heading = ENSEMBLE,
          help = about("prompt.ensemble.members"))]
    members: Option<usize>,
    #[arg(long, value_name = "mean|majority", value_parser = choice::<Vote>, help_heading = ENSEMBLE,
          help = about("prompt.ensemble.vote"))]
    vote: Option<Vote>,

    #[arg(long, value_name = "ROWS:PIECES:SHARE", value_parser = prune, num_args = 0..=1, require_equals = true,
          default_missing_value = DEFAULT_PRUNE, help_heading = "Pruning",
          help = pruning())]
    prune: Option<PruneConfig>,

    #[arg(long, value_name = "METHOD,..", value_delimiter = ',', value_parser = choice::<Method>, help_heading = AUTO,
          help = shown("prompt.auto.candidates", names(&RunConfig::default().prompt.auto.candidates)))]
    candidates: Vec<Method>,
    #[arg(long, value_parser = decimal("prompt.auto.share"), value_name = "SHARE", help_heading = AUTO,
          help = about("prompt.auto.share"))]
    trial_share: Option<f64>,
    #[arg(long, value_parser = whole::<usize>("prompt.auto.rows"), value_name = "N", help_heading = AUTO,
          help = about("prompt.auto.rows"))]
    trial_rows: Option<usize>,
}

impl MethodSettings {
    /// Overrides the fields whose flags were given.
    pub(super) fn apply(&self, prompt: &mut PromptConfig) {
        use super::set;
        let PromptConfig { late, progressive, efficient, ensemble, auto, .. } = prompt;
        let LateConfig { layer, generator, reads, bottleneck, generator_lr, cache_mb } = late;
        if self.layer.is_some() {
            *layer = self.layer;
        }
        set(&self.generator, generator);
        set(&self.reads, reads);
        set(&self.bottleneck, bottleneck);
        set(&self.generator_lr, generator_lr);
        set(&self.cache_mb, cache_mb);
        set(&self.base, &mut progressive.base);
        set(&self.shrink, &mut progressive.shrink);
        if let Some(Stages(stages)) = &self.stages {
            progressive.stages.clone_from(stages);
        }
        set(&self.head_transition, &mut progressive.head);
        set(&self.refit_steps, &mut progressive.refit_steps);
        set(&self.score_texts, &mut progressive.score_texts);
        set(&self.rank, &mut efficient.rank);
        set(&self.update_scale, &mut efficient.scale);
        set(&self.low_rank_lr, &mut efficient.low_rank_lr);
        efficient.update &= !self.no_update;
        efficient.fusion &= !self.no_fusion;
        set(&self.attention, &mut efficient.attention);
        set(&self.spaces, &mut efficient.spaces);
        set(&self.space_width, &mut efficient.space_width);
        efficient.gate &= !self.no_gate;
        set(&self.module_lr, &mut efficient.module_lr);
        set(&self.members, &mut ensemble.members);
        set(&self.vote, &mut ensemble.vote);
        if !self.candidates.is_empty() {
            auto.candidates.clone_from(&self.candidates);
        }
        set(&self.trial_share, &mut auto.share);
        set(&self.trial_rows, &mut auto.rows);
        if self.prune.is_some() {
            prompt.prune.clone_from(&self.prune);
        }
    }
}

/// The stages of one flag; clap would treat a list as several values.
#[derive(Debug, Clone)]
struct Stages(Vec<StageConfig>);

/// Value of `--prune` alone; the test below checks that it equals [`PruneConfig::default`].
const DEFAULT_PRUNE: &str = "0.2:16:0.2";

fn stages_text(stages: &[StageConfig]) -> String {
    stages.iter().map(|stage| format!("{}:{}", stage.share, stage.size)).collect::<Vec<_>>().join(",")
}

fn prune_text(prune: &PruneConfig) -> String {
    format!("{}:{}:{}", prune.tokens, prune.pieces, prune.piece_share)
}

/// Help of a flag that turns a setting off.
fn off(path: &str, more: &str) -> String {
    format!("Turns off: {}", described(path, more))
}

fn pruning() -> String {
    let parts = " ROWS: share of the tokens that is pruned; PIECES: pieces per token; SHARE: share of the pieces that is pruned.";
    let default = prune_text(&PruneConfig::default());
    format!("{} [default: no; --prune alone: {default}]", described("prompt.prune", parts))
}

fn names(methods: &[Method]) -> String {
    let name = |method: &Method| serde_json::to_value(method).ok().and_then(|name| name.as_str().map(str::to_owned));
    methods.iter().filter_map(name).collect::<Vec<_>>().join(",")
}

fn stages(word: &str) -> Result<Stages, String> {
    let stage = |part: &str| {
        let (share, size) = part.split_once(':').ok_or("expected stages as SHARE:SIZE, such as 0.2:0.5,0.3:0.75")?;
        Ok(StageConfig { share: number(share)?, size: number(size)? })
    };
    word.split(',').map(stage).collect::<Result<_, String>>().map(Stages)
}

fn prune(word: &str) -> Result<PruneConfig, String> {
    let parts: Vec<&str> = word.split(':').collect();
    let [tokens, pieces, piece_share] = parts[..] else {
        return Err(format!("expected ROWS:PIECES:SHARE, such as {DEFAULT_PRUNE}"));
    };
    Ok(PruneConfig { tokens: number(tokens)?, pieces: number(pieces)?, piece_share: number(piece_share)? })
}

fn number<T: FromStr>(word: &str) -> Result<T, String> {
    word.trim().parse().map_err(|_| format!("{word:?} is not a number"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_become_settings() {
        assert_eq!(prune(DEFAULT_PRUNE), Ok(PruneConfig::default()));
        let default = ProgressiveConfig::default().stages;
        assert_eq!(stages_text(&default), "0.2:0.25,0.2:0.5,0.2:0.75");
        assert_eq!(stages(&stages_text(&default)).map(|Stages(stages)| stages), Ok(default));
        assert_eq!(names(&[Method::Probe, Method::Late]), "probe,late");
        for wrong in ["", "0.2", "0.2:", "0.2:x", "0.2:0.5,", "0.2:0.5:0.1"] {
            assert!(stages(wrong).is_err(), "{wrong:?}");
        }
        for wrong in ["", "0.2", "0.2:16", "0.2:1.5:0.2", "0.2:16:0.2:1"] {
            assert!(prune(wrong).is_err(), "{wrong:?}");
        }
    }
}
