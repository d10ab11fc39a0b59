//! Compares the given flags with the settings of a checkpoint.

use std::path::Path;

use serde_json::Value;

use super::Settings;
use crate::cli::files;
use crate::config::describe::{Setting, groups, value_at};
use crate::config::{Method, RunConfig};
use crate::error::{Error, Result};
use crate::train::checkpoint::Checkpoint;

/// The flag of each setting.
const FLAGS: &[(&str, &str)] = &[
    ("data.text_column", "--text-column"),
    ("data.label_column", "--label-column"),
    ("data.merge_labels", "--merge-labels"),
    ("data.split_column", "--split-column"),
    ("data.header_row", "--header-row"),
    ("data.sheet", "--sheet"),
    ("data.held_out_fraction", "--held-out-fraction"),
    ("data.max_tokens", "--max-tokens"),
    ("prompt.method", "--method"),
    ("prompt.length", "--prompt-length"),
    ("prompt.init", "--init"),
    ("prompt.late.layer", "--layer"),
    ("prompt.late.generator", "--generator"),
    ("prompt.late.reads", "--reads"),
    ("prompt.late.bottleneck", "--bottleneck"),
    ("prompt.late.generator_lr", "--generator-lr"),
    ("prompt.late.cache_mb", "--cache-mb"),
    ("prompt.progressive.base", "--base"),
    ("prompt.progressive.shrink", "--shrink"),
    ("prompt.progressive.stages", "--stages"),
    ("prompt.progressive.head", "--head-transition"),
    ("prompt.progressive.refit_steps", "--refit-steps"),
    ("prompt.progressive.score_texts", "--score-texts"),
    ("prompt.efficient.rank", "--rank"),
    ("prompt.efficient.scale", "--update-scale"),
    ("prompt.efficient.low_rank_lr", "--low-rank-lr"),
    ("prompt.efficient.update", "--no-update"),
    ("prompt.efficient.fusion", "--no-fusion"),
    ("prompt.efficient.attention", "--attention"),
    ("prompt.efficient.spaces", "--spaces"),
    ("prompt.efficient.space_width", "--space-width"),
    ("prompt.efficient.gate", "--no-gate"),
    ("prompt.efficient.module_lr", "--module-lr"),
    ("prompt.ensemble.members", "--members"),
    ("prompt.ensemble.vote", "--vote"),
    ("prompt.prune", "--prune"),
    ("prompt.auto.candidates", "--candidates"),
    ("prompt.auto.share", "--trial-share"),
    ("prompt.auto.rows", "--trial-rows"),
    ("head.kind", "--head"),
    ("head.feature_scale", "--feature-scale"),
    ("optim.prompt_lr", "--lr"),
    ("optim.head_lr", "--head-lr"),
    ("optim.weight_decay", "--weight-decay"),
    ("optim.batch_size", "--batch-size"),
    ("optim.steps", "--steps"),
    ("optim.epochs", "--epochs"),
    ("optim.warmup_fraction", "--warmup"),
    ("optim.schedule", "--schedule"),
    ("optim.clip_norm", "--clip"),
    ("eval.evaluations", "--evaluations"),
    ("eval.patience", "--patience"),
    ("seed", "--seed"),
    ("recompute", "--recompute"),
];

impl Settings {
    /// Checks that every setting given by a flag or in a `--config` file matches the checkpoint. The device may differ.
    ///
    /// # Errors
    /// [`Error::Config`] with each setting that differs; [`Error::Io`] if the file cannot be read.
    pub(crate) fn check_against(&self, file: Option<&Path>, checkpoint: &Checkpoint) -> Result<()> {
        let theirs = &checkpoint.config;
        let with_flags = |mut config: RunConfig| {
            self.apply(&mut config);
            // The checkpoint names the method that the trials chose.
            if checkpoint.chosen && config.prompt.method == Method::Auto {
                config.prompt.method = theirs.prompt.method;
            }
            serde_json::to_value(config).unwrap_or_default()
        };
        let flags = with_flags(theirs.clone());
        let ours = with_flags(match file {
            Some(path) => files::read_config_over(path, theirs)?,
            None => theirs.clone(),
        });
        let theirs = serde_json::to_value(theirs).unwrap_or_default();
        let source = |setting: &Setting| match file {
            Some(path) if value_at(&flags, setting.path) == value_at(&theirs, setting.path) => {
                format!("{} {} of {}", setting.path, text(setting, &ours), path.display())
            }
            _ => flag(setting, &ours),
        };
        let differences: Vec<String> = settings()
            .filter(|setting| setting.path != "device" && value_at(&ours, setting.path) != value_at(&theirs, setting.path))
            .map(|setting| format!("{} differs from the checkpoint's {}", source(setting), text(setting, &theirs)))
            .collect();
        if differences.is_empty() {
            return Ok(());
        }
        let hint = "omit the differing flags to resume with the settings of the checkpoint, or omit --resume to start again";
        Err(Error::config("resume", differences.join("; "), hint))
    }
}

/// Every setting; an optional group counts as one.
fn settings() -> impl Iterator<Item = &'static Setting> {
    let inside =
        |path: &str| path.rsplit_once('.').is_some_and(|(part, _)| groups().iter().any(|group| holds(group.options, part)));
    groups().iter().flat_map(|group| group.options).filter(move |setting| !inside(setting.path))
}

fn holds(settings: &[Setting], path: &str) -> bool {
    settings.iter().any(|setting| setting.path == path)
}

/// A setting as its flag, such as `--seed 7`.
fn flag(setting: &Setting, config: &Value) -> String {
    let name = |path: &str| FLAGS.iter().find(|(known, _)| *known == path).map_or(path, |(_, flag)| *flag).to_owned();
    match value_at(config, setting.path) {
        // A switch is a flag without a value.
        Some(Value::Bool(_)) => name(setting.path),
        // `--epochs` turns `--steps` off.
        Some(Value::Null) if setting.path == "optim.steps" => name("optim.epochs"),
        _ => format!("{} {}", name(setting.path), text(setting, config)),
    }
}

/// The value of a setting, written as for its flag.
fn text(setting: &Setting, config: &Value) -> String {
    match value_at(config, setting.path) {
        None | Some(Value::Null) => format!("({})", setting.absent.unwrap_or("none")),
        Some(Value::String(word)) => word.clone(),
        Some(value) => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::cli::args::Cli;

    #[test]
    fn every_setting_has_the_flag_that_is_named() {
        let command = Cli::command();
        let train = command.find_subcommand("train").expect("it is there");
        let flags: Vec<String> = train.get_arguments().filter_map(|arg| arg.get_long()).map(|long| format!("--{long}")).collect();
        for setting in settings().filter(|setting| setting.path != "device") {
            let named: Vec<_> = FLAGS.iter().filter(|(path, _)| *path == setting.path).collect();
            assert!(matches!(named[..], [(_, flag)] if flags.iter().any(|known| known == flag)), "{}: {named:?}", setting.path);
        }
    }
}
