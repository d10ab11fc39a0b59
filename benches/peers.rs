//! The native training step compared with alternatives:
//!
//! * `torch`: ours on the CPU against PyTorch + PEFT on the CPU, with the same number of threads
//!   (`benches/peers/torch_step.py`);
//! * `cuda`: our WGSL kernels against PyTorch + PEFT on an NVIDIA card, in f32, f32 with TF32 products and bf16 (the latter two
//!   for orientation: their losses are not the same to 1e-3), only where it is asked for;
//! * `burn`: our WGSL kernels against burn's own tensor operations, on the same wgpu device and queue;
//! * `products`: the matrix products inside our step on the CPU against the crate `gemm` alone on the same shapes.
//!
//! ```text
//! pip install -r benches/peers/requirements.txt
//! cargo bench --bench peers -- [--python PYTHON] [--only torch,cuda,burn,products] [--sets snips,sms_spam,imdb,equal]
//!                              [--batches 16,32] [--repeats 2] [--burn-steps 5] [--threads 2] [--model DIR] [--json FILE]
//! ```
//!
//! Every comparison does the same work: the token ids of `benches/batches.json`, a prompt of 10 rows initialised with the word
//! embeddings of tokens 2000 to 2009, a head initialised to zero, the default config with constant learning rates. The peers pad
//! to the longest text of a batch and have the padded batches ready; ours packs its batch within the step. Both sides alternate,
//! A B A B, and the losses of their first eight steps must agree to 1e-3, or the program fails. A step ends when its loss is on
//! the host. Times are medians of the steps after the warm-up.
//!
//! The machine should be idle: PyTorch's threads busy-wait for each other, and another process makes its steps many times slower.
//! On a busy machine, a warning is printed.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a benchmark prints its results")]

#[path = "peers/burn_ops.rs"]
mod burn_ops;
mod common;
#[path = "peers/products.rs"]
mod products;
#[path = "peers/torch.rs"]
mod torch;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use serde_json::{Value, json};
use softprompt::config::RunConfig;
use softprompt::engine::compute::Compute;
use softprompt::model::spec::EncoderWeights;

use common::{FIRST_TOKEN, Ours, Outcome, Set, mean, median, timed};

/// Maximum difference between the losses of two sides.
const TOLERANCE: f64 = 1e-3;
/// Number of steps whose losses are compared. The first alone is not informative: with a head of zeros, its loss is ln C.
const CHECKED: usize = 8;
/// Pause between two sides, until the threads of the one that has just finished are asleep.
const PAUSE: Duration = Duration::from_millis(20);

#[derive(Debug, Parser)]
#[command(name = "peers", about = "The native training step compared with alternatives")]
struct Args {
    /// Comparisons: torch, cuda, burn, products
    #[arg(long, value_delimiter = ',', default_value = "torch,burn,products")]
    only: Vec<String>,
    /// Sets of batches.json: snips, sms_spam, imdb, equal (default: all; burn and products: snips,sms_spam)
    #[arg(long, value_delimiter = ',')]
    sets: Option<Vec<String>>,
    /// Texts per step, at most 32 (default: 16,32; burn: 16)
    #[arg(long, value_delimiter = ',')]
    batches: Option<Vec<usize>>,
    /// Timed passes over the 8 batches of a set, after one warm-up pass
    #[arg(long, default_value_t = 2)]
    repeats: usize,
    /// Timed steps against burn, after one warm-up step
    #[arg(long, default_value_t = 5)]
    burn_steps: usize,
    /// CPU threads of each side
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// Folder of all-MiniLM-L6-v2 (default: the cache folder of the command line)
    #[arg(long)]
    model: Option<PathBuf>,
    /// A Python with torch, transformers and peft (default: the environment variable PYTHON, then python3)
    #[arg(long)]
    python: Option<PathBuf>,
    /// Also write the results to this file
    #[arg(long)]
    json: Option<PathBuf>,
    /// Passed by cargo
    #[arg(long, hide = true)]
    bench: bool,
}

/// The common inputs of all comparisons.
struct Bench {
    args: Args,
    folder: PathBuf,
    weights: Arc<EncoderWeights>,
    sets: BTreeMap<String, Set>,
    config: RunConfig,
}

impl Bench {
    fn new(args: Args) -> Outcome<Self> {
        let (folder, weights) = common::encoder(args.model.clone())?;
        Ok(Self { args, weights, folder, sets: common::sets()?, config: RunConfig::default() })
    }

    /// The chosen sets and batch sizes, or these.
    fn tasks(&self, sets: &[&str], batches: &[usize]) -> Outcome<Vec<(String, usize)>> {
        let sets = self.args.sets.clone().unwrap_or_else(|| sets.iter().map(ToString::to_string).collect());
        if let Some(unknown) = sets.iter().find(|name| !self.sets.contains_key(*name)) {
            return Err(format!("no set {unknown} in batches.json").into());
        }
        let batches = self.args.batches.clone().unwrap_or_else(|| batches.to_vec());
        if let Some(size) = batches.iter().find(|size| !(1..=32).contains(*size)) {
            return Err(format!("--batches {size}: a batch of batches.json has 32 texts").into());
        }
        Ok(sets.iter().flat_map(|set| batches.iter().map(move |&size| (set.clone(), size))).collect())
    }

    fn ours(&self, compute: &Compute, set: &str, size: usize) -> Outcome<Ours> {
        Ours::new(compute, &self.weights, &self.sets[set], size)
    }
}

/// Two sides, alternating: `warm_up` steps, then `steps` timed ones. The losses of the first steps must agree to `tolerance`.
fn in_turn(
    (checked, tolerance): (usize, f64),
    warm_up: usize,
    steps: usize,
    mut ours: impl FnMut(usize) -> Outcome<(f64, f64)>,
    mut theirs: impl FnMut(usize) -> Outcome<(f64, f64)>,
) -> Outcome<Compared> {
    let (mut a, mut b, mut difference) = (Vec::new(), Vec::new(), 0f64);
    for index in 0..warm_up + steps {
        std::thread::sleep(PAUSE);
        let (our_seconds, our_loss) = ours(index)?;
        std::thread::sleep(PAUSE);
        let (their_seconds, their_loss) = theirs(index)?;
        if index < checked {
            let apart = (our_loss - their_loss).abs();
            // NaN would pass a bare `>`.
            if apart.is_nan() || apart > tolerance {
                return Err(format!("step {index}: our loss is {our_loss}, theirs {their_loss}").into());
            }
            difference = difference.max(apart);
        }
        if index >= warm_up {
            a.push(our_seconds);
            b.push(their_seconds);
        }
    }
    Ok(Compared { ours: 1e3 * median(a), theirs: 1e3 * median(b), difference })
}

/// Median milliseconds of both sides, and the largest difference between their losses.
struct Compared {
    ours: f64,
    theirs: f64,
    difference: f64,
}

fn run(args: Args) -> Outcome<()> {
    if args.repeats == 0 || args.burn_steps == 0 {
        return Err("--repeats and --burn-steps are 1 or more".into());
    }
    let load = common::load();
    common::warn_of_load();
    rayon::ThreadPoolBuilder::new().num_threads(args.threads).build_global()?;
    let bench = Bench::new(args)?;
    let mut results = serde_json::Map::new();
    for name in &bench.args.only {
        let result: Value = match name.as_str() {
            "torch" => torch::cpu(&bench)?,
            "cuda" => torch::cuda(&bench)?,
            "burn" => burn_ops::run(&bench)?,
            "products" => products::run(&bench)?,
            other => return Err(format!("--only {other}: torch, cuda, burn or products").into()),
        };
        results.insert(name.clone(), result);
    }
    if let Some(path) = &bench.args.json {
        let threads = bench.args.threads;
        let all = json!({ "version": env!("CARGO_PKG_VERSION"), "threads": threads, "load": load, "results": results });
        std::fs::write(path, format!("{all:#}\n"))?;
    }
    Ok(())
}

fn main() -> ExitCode {
    let args = Args::parse();
    // `cargo test --all-targets` also runs this, without `--bench`.
    if !args.bench {
        println!("run by cargo bench --bench peers");
        return ExitCode::SUCCESS;
    }
    match run(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
