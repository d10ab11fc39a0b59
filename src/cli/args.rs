//! The commands and their flags.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use clap::{Args, Parser, Subcommand};

use crate::cli::settings::{Settings, about, choice, whole};
use crate::cli::{checkpoint, files};
use crate::config::{DataConfig, DeviceChoice, RunConfig};
use crate::error::{Error, Result};
use crate::train::checkpoint::Checkpoint;
use crate::train::compare::plan::{self, Plan};

const AFTER_HELP: &str = "\
Exit codes:
  0    success
  1    failure; the reason is on stderr
  2    invalid arguments or settings
  130  stopped by Ctrl-C; `train` has saved its best parameters so far

Environment:
  SOFTPROMPT_CACHE    folder for downloaded encoders
  SOFTPROMPT_HUB      address of the model hub, for a mirror
  SOFTPROMPT_OFFLINE  1: never download (same as --offline)
  SOFTPROMPT_PROGRESS_SECONDS
                      seconds between progress lines when stderr is not a terminal [default: 10]";

/// Train text classifiers by prompt tuning on a small frozen encoder, and use them.
#[derive(Debug, Parser)]
#[command(name = "softprompt", version, after_help = AFTER_HELP, subcommand_required = true, arg_required_else_help = true)]
pub(crate) struct Cli {
    /// The command.
    #[command(subcommand)]
    pub(crate) command: Command,
    /// Write one JSON object per line to stdout, for scripts
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Never download anything
    #[arg(long, global = true)]
    pub offline: bool,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Train a soft prompt on a table of labelled texts
    Train(TrainArgs),
    /// Compare methods on the same data: a table, plots and JSON
    Compare(CompareArgs),
    /// Evaluate an adapter on a file of labelled texts
    Eval(EvalArgs),
    /// Predict the classes of texts: one per line from stdin, or those of a file
    Predict(PredictArgs),
    /// Show what an adapter (folder or zip) or a data file contains
    Inspect(InspectArgs),
    /// Download an encoder, or print its folder
    #[command(subcommand)]
    Model(ModelCommand),
}

/// `softprompt train`.
#[derive(Debug, Args)]
pub(crate) struct TrainArgs {
    /// Table with one text and one label per row: CSV, TSV, JSONL, JSON or XLSX; several files with the same columns are combined
    #[arg(value_name = "DATA", required = true)]
    pub data: Vec<PathBuf>,
    /// Folder to write the adapter to; an adapter that is already there is replaced [default: <DATA>-adapter in the current folder,
    /// named after the first file]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Held-out file; without it, a share of DATA is held out
    #[arg(long, value_name = "FILE")]
    pub held_out: Option<PathBuf>,
    /// Also write a report: a single HTML file, which contains texts of DATA
    #[arg(long, value_name = "FILE.html")]
    pub report: Option<PathBuf>,
    /// The encoder.
    #[command(flatten)]
    pub model: ModelArgs,
    /// Resume a stopped or killed run from the checkpoint next to --out, with its settings. Other flags must match the
    /// checkpoint, except --device. Without a checkpoint, the run starts from the beginning, unless --out holds its result: a
    /// finished run is not trained again
    #[arg(long)]
    pub resume: bool,
    /// Settings from a JSON file (as under "config" in an adapter's softprompt.json); flags override it. Settings of other methods
    /// may be in it and have no effect
    #[arg(long, value_name = "FILE.json")]
    pub config: Option<PathBuf>,
    /// Settings.
    #[command(flatten)]
    pub settings: Settings,
}

impl TrainArgs {
    /// The checkpoint to resume from; `None` without `--resume`, or if there is no checkpoint.
    ///
    /// # Errors
    /// A broken checkpoint, or a given setting that differs from it.
    pub(crate) fn checkpoint(&self) -> Result<Option<Checkpoint>> {
        let found = if self.resume { checkpoint::read(&self.out())? } else { None };
        if let Some(Checkpoint { config, chosen, .. }) = &found {
            self.settings.check_against(self.config.as_deref(), config, *chosen, "checkpoint")?;
        }
        Ok(found)
    }

    /// The settings of this run: defaults, then the `--config` file, then the flags.
    ///
    /// # Errors
    /// An unreadable or unknown setting in the file, or an invalid value.
    pub(crate) fn run_config(&self) -> Result<RunConfig> {
        run_config(self.config.as_deref(), &self.settings)
    }

    /// The folder that the adapter is written to.
    #[must_use]
    pub(crate) fn out(&self) -> PathBuf {
        let name = |stem: Option<&OsStr>| folder_of(stem, "-adapter");
        self.out.as_deref().map_or_else(|| name(self.data.first().and_then(|data| data.file_stem())), tidy)
    }
}

/// A folder in the current one that is named after a file.
fn folder_of(stem: Option<&OsStr>, end: &str) -> PathBuf {
    let mut name = stem.map_or_else(|| OsString::from("softprompt"), OsString::from);
    name.push(end);
    PathBuf::from(name)
}

/// A path without a separator at its end: files beside the folder have its name, too.
fn tidy(path: &Path) -> PathBuf {
    path.components().collect()
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
    /// Table with one text and one label per row: CSV, TSV, JSONL, JSON or XLSX
    #[arg(value_name = "DATA")]
    pub data: PathBuf,
    /// Methods to compare; differences are relative to the first. A method may have settings of its own, as in
    /// `prompt,late,late+prompt.late.layer=2,prompt+prompt.length=20`. `dept` is efficient without fusion and projection spaces,
    /// `xprompt` is prompt with pruning. The linear probe and the majority class are always included
    #[arg(long, value_name = "A,B,C", default_value = "prompt,late,progressive,efficient")]
    pub methods: String,
    /// Number of seeds, counted from --seed, or a list of seeds. With the same seed, all methods have the same split, order and
    /// initial values
    #[arg(long, value_name = "N|1,2,3", default_value = "3")]
    pub seeds: String,
    /// Budget of each run, without evaluations, instead of --epochs: steps:N, seconds:S or flops:F
    #[arg(long, value_name = "KIND:N", conflicts_with_all = ["epochs", "steps"])]
    pub budget: Option<String>,
    /// Test file that every result is also measured on; may be repeated
    #[arg(long, value_name = "FILE")]
    pub test: Vec<PathBuf>,
    /// Folder for compare.json and the plots; results that are already there are reused [default: <DATA>-compare in the current
    /// folder]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Held-out file; without it, a share of DATA is held out, by the seed
    #[arg(long, value_name = "FILE")]
    pub held_out: Option<PathBuf>,
    /// The encoder.
    #[command(flatten)]
    pub model: ModelArgs,
    /// Settings of all methods from a JSON file (as under "config" in an adapter's softprompt.json); flags override it
    #[arg(long, value_name = "FILE.json")]
    pub config: Option<PathBuf>,
    /// Settings.
    #[command(flatten)]
    pub settings: Settings,
}

impl CompareArgs {
    /// What to compare.
    ///
    /// # Errors
    /// As [`TrainArgs::run_config`], and for an invalid method, seed or budget.
    pub(crate) fn plan(&self) -> Result<Plan> {
        let config = run_config(self.config.as_deref(), &self.settings)?;
        let wrong = |_| {
            Error::config("seeds", format!("`{}` is not a number of seeds", self.seeds), "use a number, or a list such as 1,2,3")
        };
        let numbers: Vec<u64> = self.seeds.split(',').map(|word| word.trim().parse().map_err(wrong)).collect::<Result<_>>()?;
        let seeds = match numbers.as_slice() {
            [count] if !self.seeds.contains(',') => (config.seed..).take((*count).min(1000) as usize).collect(),
            _ => numbers,
        };
        let budget = self.budget.as_deref().map(str::parse).transpose()?;
        Plan::new(config, &plan::split(&self.methods), seeds, budget)
    }

    /// The folder that the results are written to.
    #[must_use]
    pub(crate) fn out(&self) -> PathBuf {
        self.out.as_deref().map_or_else(|| folder_of(self.data.file_stem(), "-compare"), tidy)
    }
}

/// `softprompt eval`.
#[derive(Debug, Args)]
pub(crate) struct EvalArgs {
    /// Adapter: a folder or a zip
    #[arg(value_name = "ADAPTER")]
    pub adapter: PathBuf,
    /// Table with one text and one label per row: CSV, TSV, JSONL, JSON or XLSX
    #[arg(value_name = "DATA")]
    pub data: PathBuf,
    /// Column of the texts [default: as in training if DATA has a column of that name, otherwise guessed]
    #[arg(long, value_name = "NAME|NUMBER")]
    pub text_column: Option<String>,
    /// How DATA is read.
    #[command(flatten)]
    pub reading: ReadingArgs,
    /// Column of the labels [default: as in training if DATA has a column of that name, otherwise guessed]
    #[arg(long, value_name = "NAME|NUMBER")]
    pub label_column: Option<String>,
    /// Treat labels that look like a label of the adapter as that label, such as `Spam` as `spam` [default: as in training]
    #[arg(long)]
    pub merge_labels: bool,
    /// Column with the values train, test or dev: only the held-out rows are measured. `none` measures all rows [default: as in
    /// training, otherwise detected]
    #[arg(long, value_name = "NAME|NUMBER|none")]
    pub split_column: Option<String>,
    /// The encoder.
    #[command(flatten)]
    pub model: ModelArgs,
    /// The compute device.
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
    /// File with texts, instead of stdin: a table (.csv, .tsv, .jsonl, .json, .xlsx), which needs no labels, or any other file
    /// with one text per line
    #[arg(long, value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// Column of the texts in FILE, which is then read as a table whatever its name is [default: guessed]
    #[arg(long, value_name = "NAME|NUMBER", requires = "file")]
    pub text_column: Option<String>,
    /// How FILE is read.
    #[command(flatten)]
    pub reading: ReadingArgs,
    /// The encoder.
    #[command(flatten)]
    pub model: ModelArgs,
    /// The compute device.
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
    /// Encoder to check the texts of a data file with: reports words that its vocabulary lacks
    #[arg(long, value_name = "DIR|ID")]
    pub model: Option<String>,
}

/// How a file is read, where detection fails. The training commands have the same flags among their settings.
#[derive(Debug, Default, Args)]
pub(crate) struct ReadingArgs {
    #[arg(long, value_parser = whole::<usize>("data.header_row"), value_name = "ROW", help = about("data.header_row"))]
    pub header_row: Option<usize>,
    #[arg(long, value_name = "NAME", help = about("data.sheet"))]
    pub sheet: Option<String>,
}

impl ReadingArgs {
    /// The same, as settings.
    pub(crate) fn config(&self) -> DataConfig {
        DataConfig { header_row: self.header_row, sheet: self.sheet.clone(), ..DataConfig::default() }
    }
}

/// `softprompt model`.
#[derive(Debug, Subcommand)]
pub(crate) enum ModelCommand {
    /// Download an encoder into the cache, check it, and print its folder
    Fetch(ModelId),
    /// Print the folder of a downloaded encoder
    Path(ModelId),
}

/// An encoder on the hub.
#[derive(Debug, Args)]
pub(crate) struct ModelId {
    /// owner/name on the hub
    #[arg(value_name = "ID", default_value = crate::cli::fetch::DEFAULT_MODEL)]
    pub id: String,
}

/// The encoder.
#[derive(Debug, Args)]
pub(crate) struct ModelArgs {
    /// Encoder: a folder with config.json, tokenizer.json and model.safetensors, or owner/name on the hub [default: the adapter's
    /// encoder; for training, sentence-transformers/all-MiniLM-L6-v2]
    #[arg(long, value_name = "DIR|ID")]
    pub model: Option<String>,
}
