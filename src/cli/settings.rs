//! The training flags. Each is an `Option` that overrides one field of [`RunConfig`]. `--help` shows the description of the
//! setting and the default of [`RunConfig::default`]. The name of a setting in another tool is an alias if it accepts the same
//! values there; its spelling with hyphens is a hidden one.

use std::fmt::Display;

use clap::Args;
use serde_json::Value;

use crate::config::{DeviceChoice, HeadKind, Method, PromptInit, Recompute, RunConfig, Schedule, describe};

mod given;
mod methods;
mod names;
mod parse;

pub(crate) use names::{FLAGS, flag_of};
use parse::{Patience, decimal, init, patience};
pub(crate) use parse::{choice, whole};

/// Flags that override a [`RunConfig`].
#[derive(Debug, Default, Args)]
pub(crate) struct Settings {
    #[arg(long, visible_aliases = ["text_column_name"], aliases = ["text-column-name"],
          value_name = "NAME|NUMBER", help_heading = "Data", help = about("data.text_column"))]
    text_column: Option<String>,
    #[arg(long, visible_aliases = ["label_column_name", "target_column"], aliases = ["label-column-name", "target-column"],
          value_name = "NAME|NUMBER", help_heading = "Data", help = about("data.label_column"))]
    label_column: Option<String>,
    #[arg(long, help_heading = "Data", help = about("data.merge_labels"))]
    merge_labels: bool,
    #[arg(long, value_name = "NAME|NUMBER|none", help_heading = "Data", help = about("data.split_column"))]
    split_column: Option<String>,
    #[arg(long, value_parser = whole::<usize>("data.header_row"), value_name = "ROW", help_heading = "Data",
          help = about("data.header_row"))]
    header_row: Option<usize>,
    #[arg(long, value_name = "NAME", help_heading = "Data", help = about("data.sheet"))]
    sheet: Option<String>,
    #[arg(long, visible_aliases = ["test_size", "validation_split", "validation_fraction"],
          aliases = ["test-size", "validation-split", "validation-fraction"],
          value_parser = decimal("data.held_out_fraction"), value_name = "SHARE", help_heading = "Data",
          help = about("data.held_out_fraction"))]
    held_out_fraction: Option<f64>,
    #[arg(long, visible_aliases = ["max_seq_length", "max_length", "model_max_length"],
          aliases = ["max-seq-length", "max-length", "model-max-length"],
          value_parser = whole::<usize>("data.max_tokens"), value_name = "N", help_heading = "Data",
          help = about("data.max_tokens"))]
    max_tokens: Option<usize>,

    #[arg(long, value_name = "auto|probe|prompt|late|progressive|efficient|deep|ensemble", value_parser = choice::<Method>,
          help_heading = "Prompt and head",
          help = about("prompt.method"))]
    method: Option<Method>,
    #[arg(long, visible_aliases = ["num_virtual_tokens", "prefix_length", "pre_seq_len"],
          aliases = ["num-virtual-tokens", "prefix-length", "pre-seq-len"],
          value_parser = whole::<usize>("prompt.length"), value_name = "P", help_heading = "Prompt and head",
          help = about("prompt.length"))]
    prompt_length: Option<usize>,
    #[arg(long, value_name = "random|vocabulary|labels|text:WORDS", value_parser = init, help_heading = "Prompt and head",
          help = about("prompt.init"))]
    init: Option<PromptInit>,
    #[arg(long, value_name = "mean|text|cls|peft", value_parser = choice::<HeadKind>, help_heading = "Prompt and head",
          help = about("head.kind"))]
    head: Option<HeadKind>,
    #[arg(long, value_parser = decimal("head.feature_scale"), value_name = "X", help_heading = "Prompt and head",
          help = about("head.feature_scale"))]
    feature_scale: Option<f64>,

    #[arg(
        long,
        visible_aliases = ["max_steps"], aliases = ["max-steps"],
        value_parser = whole::<usize>("optim.steps"), value_name = "N",
        conflicts_with = "epochs",
        help_heading = "Training",
        help = about("optim.steps")
    )]
    steps: Option<usize>,
    #[arg(long, visible_aliases = ["num_train_epochs", "num_epochs"], aliases = ["num-train-epochs", "num-epochs"],
          value_parser = whole::<usize>("optim.epochs"), value_name = "N", help_heading = "Training",
          help = about("optim.epochs"))]
    epochs: Option<usize>,
    #[arg(long, visible_aliases = ["per_device_train_batch_size", "train_batch_size"],
          aliases = ["per-device-train-batch-size", "train-batch-size"],
          value_parser = whole::<usize>("optim.batch_size"), value_name = "N", help_heading = "Training",
          help = about("optim.batch_size"))]
    batch_size: Option<usize>,
    #[arg(long, visible_aliases = ["learning_rate"], aliases = ["learning-rate"],
          value_parser = decimal("optim.prompt_lr"), value_name = "RATE", help_heading = "Training",
          help = about("optim.prompt_lr"))]
    lr: Option<f64>,
    #[arg(long, visible_aliases = ["head_learning_rate"], aliases = ["head-learning-rate"],
          value_parser = decimal("optim.head_lr"), value_name = "RATE", help_heading = "Training", help = about("optim.head_lr"))]
    head_lr: Option<f64>,
    #[arg(long, visible_aliases = ["lr_scheduler_type"], aliases = ["lr-scheduler-type"],
          value_name = "cosine|linear|constant", value_parser = choice::<Schedule>, help_heading = "Training",
          help = about("optim.schedule"))]
    schedule: Option<Schedule>,
    #[arg(long, visible_aliases = ["warmup_ratio"], aliases = ["warmup-ratio"],
          value_parser = decimal("optim.warmup_fraction"), value_name = "SHARE", help_heading = "Training",
          help = about("optim.warmup_fraction"))]
    warmup: Option<f64>,
    #[arg(long, value_parser = decimal("optim.weight_decay"), value_name = "X", help_heading = "Training",
          help = about("optim.weight_decay"))]
    weight_decay: Option<f64>,
    #[arg(long, visible_aliases = ["max_grad_norm", "clip_grad_norm", "gradient_clip_val"],
          aliases = ["max-grad-norm", "clip-grad-norm", "gradient-clip-val"],
          value_parser = decimal("optim.clip_norm"), value_name = "NORM", help_heading = "Training",
          help = about("optim.clip_norm"))]
    clip: Option<f64>,
    #[arg(long, value_parser = whole::<usize>("eval.evaluations"), value_name = "N", help_heading = "Training",
          help = about("eval.evaluations"))]
    evaluations: Option<usize>,
    #[arg(long, visible_aliases = ["early_stopping_patience", "n_iter_no_change"],
          aliases = ["early-stopping-patience", "n-iter-no-change"],
          value_name = "N|never", value_parser = patience, help_heading = "Training",
          help = about("eval.patience"))]
    patience: Option<Patience>,
    #[arg(long, visible_aliases = ["random_state"], aliases = ["random-state"],
          value_parser = whole::<u64>("seed"), value_name = "N", help_heading = "Training", help = about("seed"))]
    seed: Option<u64>,
    #[arg(long, value_name = "auto|gpu|cpu", value_parser = choice::<DeviceChoice>, help_heading = "Training",
          help = about("device"))]
    device: Option<DeviceChoice>,
    #[arg(long, value_name = "auto|on|off", value_parser = choice::<Recompute>, help_heading = "Training",
          help = about("recompute"))]
    recompute: Option<Recompute>,

    #[command(flatten)]
    methods: methods::MethodSettings,
}

impl Settings {
    /// The device, if it was given.
    pub(crate) fn device(&self) -> Option<DeviceChoice> {
        self.device
    }

    /// Overrides the fields whose flags were given.
    pub(crate) fn apply(&self, config: &mut RunConfig) {
        let RunConfig { data, prompt, head, optim, eval, seed, device, recompute } = config;
        if self.text_column.is_some() {
            data.text_column.clone_from(&self.text_column);
        }
        if self.label_column.is_some() {
            data.label_column.clone_from(&self.label_column);
        }
        data.merge_labels |= self.merge_labels;
        if self.split_column.is_some() {
            data.split_column.clone_from(&self.split_column);
        }
        if self.header_row.is_some() {
            data.header_row = self.header_row;
        }
        if self.sheet.is_some() {
            data.sheet.clone_from(&self.sheet);
        }
        set(&self.held_out_fraction, &mut data.held_out_fraction);
        set(&self.max_tokens, &mut data.max_tokens);
        set(&self.method, &mut prompt.method);
        set(&self.prompt_length, &mut prompt.length);
        set(&self.init, &mut prompt.init);
        set(&self.head, &mut head.kind);
        set(&self.feature_scale, &mut head.feature_scale);
        if self.steps.is_some() {
            optim.steps = self.steps;
        } else if self.epochs.is_some() {
            // `steps` of a --config file would override the flag.
            optim.steps = None;
        }
        set(&self.epochs, &mut optim.epochs);
        set(&self.batch_size, &mut optim.batch_size);
        set(&self.lr, &mut optim.prompt_lr);
        set(&self.head_lr, &mut optim.head_lr);
        set(&self.schedule, &mut optim.schedule);
        set(&self.warmup, &mut optim.warmup_fraction);
        set(&self.weight_decay, &mut optim.weight_decay);
        set(&self.clip, &mut optim.clip_norm);
        set(&self.evaluations, &mut eval.evaluations);
        if let Some(Patience(patience)) = self.patience {
            eval.patience = patience;
        }
        set(&self.seed, seed);
        set(&self.device, device);
        set(&self.recompute, recompute);
        self.methods.apply(prompt);
    }
}

fn set<T: Clone>(flag: &Option<T>, field: &mut T) {
    if let Some(value) = flag {
        field.clone_from(value);
    }
}

/// The description of a setting with its default.
pub(crate) fn about(path: &str) -> String {
    let defaults = serde_json::to_value(RunConfig::default()).unwrap_or_default();
    let value = describe::value_at(&defaults, path).unwrap_or(&Value::Null);
    let absent = describe::setting(path).and_then(|setting| setting.absent).unwrap_or_default();
    let default =
        if value.is_null() { absent.to_owned() } else { value.as_str().map_or_else(|| value.to_string(), str::to_owned) };
    shown(path, default)
}

/// The same, with a given text for the default.
fn shown(path: &str, default: impl Display) -> String {
    format!("{} [default: {default}]", described(path, ""))
}

/// Label and description of a setting, and additional text. [`crate::cli::flags::command`] adds its names in other tools.
fn described(path: &str, more: &str) -> String {
    let Some(setting) = describe::setting(path) else { return String::new() };
    format!("{}. {}{more}", setting.label, setting.help)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use clap::CommandFactory;

    use super::*;

    #[derive(Debug, clap::Parser)]
    struct Flags {
        #[command(flatten)]
        settings: Settings,
    }

    #[test]
    fn other_names_of_a_flag_are_those_of_its_setting() {
        let command = Flags::command();
        let mut taken = BTreeSet::new();
        let mut looked_at = 0;
        for flag in command.get_arguments() {
            let aliases = flag.get_all_aliases().unwrap_or_default();
            for name in flag.get_long().into_iter().chain(aliases.iter().copied()) {
                assert!(taken.insert(name.to_owned()), "--{name} is two flags");
            }
            let help = flag.get_help().map(ToString::to_string).unwrap_or_default();
            for alias in aliases {
                looked_at += 1;
                let spelled = [alias.replace('-', "_"), alias.replace('_', "-")];
                assert!(spelled.iter().all(|name| taken.contains(name)), "--{alias} with `_` and with `-`");
                let settings = describe::groups().iter().flat_map(|group| group.options);
                let named: Vec<_> = settings.filter(|setting| setting.also.contains(&spelled[0].as_str())).collect();
                assert!(named.len() == 1 && help.starts_with(named[0].label), "--{alias} is not a name of: {help}");
            }
        }
        assert!(looked_at > 30, "{looked_at}");
    }
}
