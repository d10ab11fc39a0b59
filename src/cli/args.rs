//! The commands and their flags.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::{Args, Parser, Subcommand};

use crate::cli::settings::{Settings, about, choice};
use crate::cli::{checkpoint, files};
use crate::config::{DataConfig, DeviceChoice, RunConfig};
use crate::error::{Error, Result};
use crate::train::checkpoint::Checkpoint;
use crate::train::compare::plan::{self, Plan};

const AFTER_HELP: &str = "\
Exit codes:
  0    it worked
  1    it failed; the reason is on stderr
  2    a flag or a setting that cannot work
  130  stopped by Ctrl-C; a stopped training has saved its best so far

Environment:
  SOFTPROMPT_CACHE    folder that keeps downloaded encoders
  SOFTPROMPT_HUB      address of the model hub, for a mirror
  SOFTPROMPT_OFFLINE  1 = never download (the same as --offline)
  SOFTPROMPT_PROGRESS_SECONDS
                      time between two lines of progress where stderr is no terminal [default: 10]";

/// Tune a soft prompt for a small frozen text encoder, and use it.
#[derive(Debug, Parser)]
#[command(name = "softprompt", version, after_help = AFTER_HELP, subcommand_required = true, arg_required_else_help = true)]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
    /// Write one JSON object a line to stdout, for scripts
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Never download anything
    #[arg(long, global = true)]
    pub offline: bool,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Train a soft prompt on a table of labelled texts
    Train(TrainArgs),
    /// Compare methods on the same file: a table, a plot and JSON
    Compare(CompareArgs),
    /// Measure an adapter on a file of labelled texts
    Eval(EvalArgs),
    /// Label texts: one a line from stdin, or those of a file
    Predict(PredictArgs),
    /// Say what is in an adapter (folder or zip) or in a data file
    Inspect(InspectArgs),
    /// Fetch an encoder, or say where it is kept
    #[command(subcommand)]
    Model(ModelCommand),
}

/// `softprompt train`.
#[derive(Debug, Args)]
pub(crate) struct TrainArgs {
    /// Table with a text and a label a row: CSV, TSV, JSONL, JSON or XLSX; several with the same columns are put together
    #[arg(value_name = "DATA", required = true)]
    pub data: Vec<PathBuf>,
    /// Where the adapter goes [default: <DATA>-adapter in the current folder, by the first file]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Second file to measure on; without it a share of DATA is held out
    #[arg(long, value_name = "FILE")]
    pub held_out: Option<PathBuf>,
    /// Also write a report for people, with texts of DATA in it: one HTML file that stands alone
    #[arg(long, value_name = "FILE.html")]
    pub report: Option<PathBuf>,
    /// Which encoder.
    #[command(flatten)]
    pub model: ModelArgs,
    /// Continue a training that was stopped or killed from the checkpoint beside its --out, with its settings: flags that are given
    /// must be those of the checkpoint, but for --device. Without a checkpoint it starts from the beginning
    #[arg(long)]
    pub resume: bool,
    /// Settings from a JSON file (as in an adapter's softprompt.json under "config"); flags win over it
    #[arg(long, value_name = "FILE.json")]
    pub config: Option<PathBuf>,
    /// Settings.
    #[command(flatten)]
    pub settings: Settings,
}

impl TrainArgs {
    /// The checkpoint to continue from; none where that is not asked for, or there is none.
    ///
    /// # Errors
    /// A broken checkpoint, or a setting that is given and differs from it.
    pub(crate) fn checkpoint(&self) -> Result<Option<Checkpoint>> {
        let found = if self.resume { checkpoint::read(&self.out())? } else { None };
        if let Some(checkpoint) = &found {
            self.settings.check_against(self.config.as_deref(), checkpoint)?;
        }
        Ok(found)
    }

    /// The settings of this run: defaults, then the `--config` file, then the flags.
    ///
    /// # Errors
    /// An unreadable or unknown setting in the file, or a value that cannot work.
    pub(crate) fn run_config(&self) -> Result<RunConfig> {
        run_config(self.config.as_deref(), &self.settings)
    }

    /// Where the adapter goes.
    #[must_use]
    pub(crate) fn out(&self) -> PathBuf {
        self.out.clone().unwrap_or_else(|| {
            let stem = self.data.first().and_then(|data| data.file_stem());
            let mut name = stem.map_or_else(|| OsString::from("softprompt"), OsString::from);
            name.push("-adapter");
            PathBuf::from(name)
        })
    }
}

fn run_config(file: Option<&Path>, settings: &Settings) -> Result<RunConfig> {
    let mut config = file.map_or_else(|| Ok(RunConfig::default()), files::read_config)?;
    settings.apply(&mut config);
    config.validate()?;
    Ok(config)
}

/// `softprompt compare`.
#[derive(Debug, Args)]
pub(crate) struct CompareArgs {
    /// Table with a text and a label a row: CSV, TSV, JSONL, JSON or XLSX
    #[arg(value_name = "DATA")]
    pub data: PathBuf,
    /// What to compare, differences are told to the first: methods, each with settings of its own where wanted, such as
    /// `prompt,late,late+prompt.late.layer=2,prompt+prompt.length=20`; `dept` is efficient without fusion and spaces, `xprompt` is
    /// prompt with pruning. The linear probe and the majority class are always there
    #[arg(long, value_name = "A,B,C", default_value = "prompt,late,progressive,efficient")]
    pub methods: String,
    /// How many seeds, from --seed on, or which. A seed gives every method the same split, order and first values
    #[arg(long, value_name = "N|1,2,3", default_value = "3")]
    pub seeds: String,
    /// What each training may take, evaluations left out, instead of --epochs: steps:N, seconds:S or flops:F
    #[arg(long, value_name = "KIND:N", conflicts_with_all = ["epochs", "steps"])]
    pub budget: Option<String>,
    /// Further file to measure every result on; may be given again
    #[arg(long, value_name = "FILE")]
    pub test: Vec<PathBuf>,
    /// Where compare.json and the plots go; what is done there already is not run again [default: <DATA>-compare in the current
    /// folder]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Second file to measure on; without it a share of DATA is held out, by the seed
    #[arg(long, value_name = "FILE")]
    pub held_out: Option<PathBuf>,
    /// Which encoder.
    #[command(flatten)]
    pub model: ModelArgs,
    /// Settings of all methods from a JSON file (as in an adapter's softprompt.json under "config"); flags win over it
    #[arg(long, value_name = "FILE.json")]
    pub config: Option<PathBuf>,
    /// Settings.
    #[command(flatten)]
    pub settings: Settings,
}

impl CompareArgs {
    /// What is compared.
    ///
    /// # Errors
    /// As [`TrainArgs::run_config`], and for a method, seed or budget that cannot work.
    pub(crate) fn plan(&self) -> Result<Plan> {
        let config = run_config(self.config.as_deref(), &self.settings)?;
        let wrong =
            |_| Error::config("seeds", format!("`{}` is no number of seeds", self.seeds), "use a number, or seeds such as 1,2,3");
        let numbers: Vec<u64> = self.seeds.split(',').map(|word| word.trim().parse().map_err(wrong)).collect::<Result<_>>()?;
        let seeds = match numbers.as_slice() {
            [count] if !self.seeds.contains(',') => (config.seed..).take((*count).min(1000) as usize).collect(),
            _ => numbers,
        };
        let budget = self.budget.as_deref().map(str::parse).transpose()?;
        Plan::new(config, &plan::split(&self.methods), seeds, budget)
    }

    /// Where the results go.
    #[must_use]
    pub(crate) fn out(&self) -> PathBuf {
        self.out.clone().unwrap_or_else(|| {
            let mut name = self.data.file_stem().map_or_else(|| OsString::from("softprompt"), OsString::from);
            name.push("-compare");
            PathBuf::from(name)
        })
    }
}

/// `softprompt eval`.
#[derive(Debug, Args)]
pub(crate) struct EvalArgs {
    /// Adapter: a folder or a zip
    #[arg(value_name = "ADAPTER")]
    pub adapter: PathBuf,
    /// Table with a text and a label a row: CSV, TSV, JSONL, JSON or XLSX
    #[arg(value_name = "DATA")]
    pub data: PathBuf,
    /// Column of the texts [default: as in training where DATA has that name, else guessed]
    #[arg(long, value_name = "NAME|NUMBER")]
    pub text_column: Option<String>,
    /// How DATA is read.
    #[command(flatten)]
    pub reading: ReadingArgs,
    /// Column of the labels [default: as in training where DATA has that name, else guessed]
    #[arg(long, value_name = "NAME|NUMBER")]
    pub label_column: Option<String>,
    /// Take labels that look like those of the adapter for them, such as `Spam` for `spam` [default: as in training]
    #[arg(long)]
    pub merge_labels: bool,
    /// Column with the words train, test or dev: only its held-out rows are measured. `none` measures all [default: as in
    /// training, else found by looking]
    #[arg(long, value_name = "NAME|NUMBER|none")]
    pub split_column: Option<String>,
    /// Which encoder.
    #[command(flatten)]
    pub model: ModelArgs,
    /// Where the encoder runs.
    #[arg(long, value_name = "auto|gpu|cpu", value_parser = choice::<DeviceChoice>,
          help = about("device"))]
    pub device: Option<DeviceChoice>,
}

/// `softprompt predict`.
#[derive(Debug, Args)]
pub(crate) struct PredictArgs {
    /// Adapter: a folder or a zip
    #[arg(value_name = "ADAPTER")]
    pub adapter: PathBuf,
    /// Texts from a file instead of stdin: a table (.csv, .tsv, .jsonl, .json, .xlsx), of texts alone too, or any other file with a text a line
    #[arg(long, value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// Column of the texts in FILE, which is then read as a table whatever its name [default: guessed]
    #[arg(long, value_name = "NAME|NUMBER", requires = "file")]
    pub text_column: Option<String>,
    /// How FILE is read.
    #[command(flatten)]
    pub reading: ReadingArgs,
    /// Which encoder.
    #[command(flatten)]
    pub model: ModelArgs,
    /// Where the encoder runs.
    #[arg(long, value_name = "auto|gpu|cpu", value_parser = choice::<DeviceChoice>,
          help = about("device"))]
    pub device: Option<DeviceChoice>,
}

/// `softprompt inspect`.
#[derive(Debug, Args)]
pub(crate) struct InspectArgs {
    /// Adapter (folder or zip) or data file
    #[arg(value_name = "PATH")]
    pub path: PathBuf,
    /// Column of the texts of a data file [default: guessed]
    #[arg(long, value_name = "NAME|NUMBER")]
    pub text_column: Option<String>,
    /// How a data file is read.
    #[command(flatten)]
    pub reading: ReadingArgs,
    /// Column of the labels of a data file [default: guessed]
    #[arg(long, value_name = "NAME|NUMBER")]
    pub label_column: Option<String>,
    #[arg(long, help = about("data.merge_labels"))]
    pub merge_labels: bool,
    #[arg(long, value_name = "NAME|NUMBER|none", help = about("data.split_column"))]
    pub split_column: Option<String>,
    /// Encoder to look at a data file with: says which words its vocabulary lacks
    #[arg(long, value_name = "DIR|ID")]
    pub model: Option<String>,
}

/// How a file is read, where looking does not find it. The training commands have the same flags among their settings.
#[derive(Debug, Default, Args)]
pub(crate) struct ReadingArgs {
    #[arg(long, value_name = "ROW", help = about("data.header_row"))]
    pub header_row: Option<usize>,
    #[arg(long, value_name = "NAME", help = about("data.sheet"))]
    pub sheet: Option<String>,
}

impl ReadingArgs {
    /// The same as settings.
    pub(crate) fn config(&self) -> DataConfig {
        DataConfig { header_row: self.header_row, sheet: self.sheet.clone(), ..DataConfig::default() }
    }
}

/// `softprompt model`.
#[derive(Debug, Subcommand)]
pub(crate) enum ModelCommand {
    /// Download an encoder into the cache, check it, and print its folder
    Fetch(ModelId),
    /// Print the folder of an encoder that was fetched before
    Path(ModelId),
}

/// An encoder on the hub.
#[derive(Debug, Args)]
pub(crate) struct ModelId {
    /// owner/name on the hub
    #[arg(value_name = "ID", default_value = crate::cli::fetch::DEFAULT_MODEL)]
    pub id: String,
}

/// Which encoder.
#[derive(Debug, Args)]
pub(crate) struct ModelArgs {
    /// Encoder: a folder with config.json, tokenizer.json and model.safetensors, or owner/name on the hub [default: the one
    /// of the adapter; for training sentence-transformers/all-MiniLM-L6-v2]
    #[arg(long, value_name = "DIR|ID")]
    pub model: Option<String>,
}
