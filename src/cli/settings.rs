//! The training flags. Each is an `Option` that overrides one field of [`RunConfig`]; the defaults that `--help` shows are read
//! from [`RunConfig::default`].

use clap::Args;
use serde::Serialize;
use serde::de::{DeserializeOwned, IntoDeserializer, value};

use crate::config::{DeviceChoice, HeadKind, Method, PromptInit, Recompute, RunConfig, Schedule};

mod methods;

/// Flags that override a [`RunConfig`].
#[derive(Debug, Default, Args)]
pub(crate) struct Settings {
    #[arg(long, value_name = "NAME|NUMBER", help_heading = "Data", help = "Column of the texts [default: guessed]")]
    text_column: Option<String>,
    #[arg(long, value_name = "NAME|NUMBER", help_heading = "Data", help = "Column of the labels [default: guessed]")]
    label_column: Option<String>,
    #[arg(long, value_name = "SHARE", help_heading = "Data",
          help = help("Share of the rows to hold out, by class", |c| &c.data.held_out_fraction))]
    held_out_fraction: Option<f64>,
    #[arg(long, value_name = "N", help_heading = "Data", help = help("Cut texts to this many tokens", |c| &c.data.max_tokens))]
    max_tokens: Option<usize>,

    #[arg(long, value_name = "auto|probe|prompt|late|progressive|efficient|deep|ensemble", value_parser = choice::<Method>,
          help_heading = "Prompt and head",
          help = help("How the prompt is made and trained; `probe`: no prompt; `auto`: the best of some in short trials",
                      |c| &c.prompt.method))]
    method: Option<Method>,
    #[arg(long, value_name = "P", help_heading = "Prompt and head", help = help("Virtual tokens", |c| &c.prompt.length))]
    prompt_length: Option<usize>,
    #[arg(long, value_name = "random|vocabulary|labels|text:WORDS", value_parser = init, help_heading = "Prompt and head",
          help = help("How the prompt starts", |c| &c.prompt.init))]
    init: Option<PromptInit>,
    #[arg(long, value_name = "mean|text|cls|peft", value_parser = choice::<HeadKind>, help_heading = "Prompt and head",
          help = help("What the head reads; `peft` makes an adapter that Hugging Face PEFT loads", |c| &c.head.kind))]
    head: Option<HeadKind>,
    #[arg(long, value_name = "X", help_heading = "Prompt and head",
          help = help("Features are multiplied by this before the head", |c| &c.head.feature_scale))]
    feature_scale: Option<f64>,

    #[arg(
        long,
        value_name = "N",
        conflicts_with = "epochs",
        help_heading = "Training",
        help = "Optimizer steps, instead of epochs"
    )]
    steps: Option<usize>,
    #[arg(long, value_name = "N", help_heading = "Training", help = help("Passes over the training rows", |c| &c.optim.epochs))]
    epochs: Option<usize>,
    #[arg(long, value_name = "N", help_heading = "Training", help = help("Texts a step", |c| &c.optim.batch_size))]
    batch_size: Option<usize>,
    #[arg(long, value_name = "RATE", help_heading = "Training", help = help("Learning rate of the prompt", |c| &c.optim.prompt_lr))]
    lr: Option<f64>,
    #[arg(long, value_name = "RATE", help_heading = "Training", help = help("Learning rate of the head", |c| &c.optim.head_lr))]
    head_lr: Option<f64>,
    #[arg(long, value_name = "cosine|linear|constant", value_parser = choice::<Schedule>, help_heading = "Training",
          help = help("How the learning rates fall after the warm-up", |c| &c.optim.schedule))]
    schedule: Option<Schedule>,
    #[arg(long, value_name = "SHARE", help_heading = "Training",
          help = help("Share of the steps in which the learning rates rise from zero", |c| &c.optim.warmup_fraction))]
    warmup: Option<f64>,
    #[arg(long, value_name = "X", help_heading = "Training", help = help("Decoupled weight decay", |c| &c.optim.weight_decay))]
    weight_decay: Option<f64>,
    #[arg(long, value_name = "NORM", help_heading = "Training", help = help("Largest norm of the gradients", |c| &c.optim.clip_norm))]
    clip: Option<f64>,
    #[arg(long, value_name = "N", help_heading = "Training",
          help = help("Evaluations on the held-out rows, evenly spaced", |c| &c.eval.evaluations))]
    evaluations: Option<usize>,
    #[arg(long, value_name = "N|never", value_parser = patience, help_heading = "Training",
          help = help("Stop after so many evaluations without a lower held-out loss", |c| &c.eval.patience))]
    patience: Option<Patience>,
    #[arg(long, value_name = "N", help_heading = "Training", help = help("Every random draw comes from it", |c| &c.seed))]
    seed: Option<u64>,
    #[arg(long, value_name = "auto|gpu|cpu", value_parser = choice::<DeviceChoice>, help_heading = "Training",
          help = help("Where the encoder runs; `auto` measures both", |c| &c.device))]
    device: Option<DeviceChoice>,
    #[arg(long, value_name = "auto|on|off", value_parser = choice::<Recompute>, help_heading = "Training",
          help = help("Make activations again instead of keeping them: less GPU memory, more time", |c| &c.recompute))]
    recompute: Option<Recompute>,

    #[command(flatten)]
    methods: methods::MethodSettings,
}

impl Settings {
    /// Overrides the fields whose flags were given.
    pub(crate) fn apply(&self, config: &mut RunConfig) {
        let RunConfig { data, prompt, head, optim, eval, seed, device, recompute } = config;
        if self.text_column.is_some() {
            data.text_column.clone_from(&self.text_column);
        }
        if self.label_column.is_some() {
            data.label_column.clone_from(&self.label_column);
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
            // `steps` of a --config file would win over the flag.
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

/// Evaluations without progress before a run stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Patience(Option<usize>);

/// `about` with the default of a setting behind it.
pub(crate) fn help<T: Serialize>(about: &str, field: impl Fn(&RunConfig) -> &T) -> String {
    let value = serde_json::to_value(field(&RunConfig::default())).unwrap_or_default();
    format!("{about} [default: {}]", value.as_str().map_or_else(|| value.to_string(), str::to_owned))
}

/// A setting that is one of a few words, by its serde names.
///
/// # Errors
/// The words that there are.
pub(crate) fn choice<T: DeserializeOwned>(word: &str) -> Result<T, value::Error> {
    T::deserialize(word.into_deserializer())
}

fn init(word: &str) -> Result<PromptInit, String> {
    match word.split_once(':') {
        Some(("text", text)) => Ok(PromptInit::Text(text.to_owned())),
        _ => match word {
            "random" => Ok(PromptInit::Random),
            "vocabulary" => Ok(PromptInit::Vocabulary),
            "labels" => Ok(PromptInit::Labels),
            _ => Err("expected `random`, `vocabulary`, `labels` or `text:` and some words".to_owned()),
        },
    }
}

fn patience(word: &str) -> Result<Patience, String> {
    match word {
        "never" => Ok(Patience(None)),
        number => number.parse().map(|n| Patience(Some(n))).map_err(|_| "expected a number or `never`".to_owned()),
    }
}
