//! What a large table costs before the first step, and whether the steps depend on its size:
//!
//! ```text
//! cargo bench --bench import [-- [--rows 100000] [--steps 40] [--device cpu|gpu] [--learned 1000,5000] [--write FILE]]
//! ```
//!
//! The rows are composed of parts of `examples/data/snips.csv`, always the same ones. `--write` only writes them to a file;
//! `--learned` only measures the accuracy of the linear probe with that many training rows.
#![allow(
    missing_docs,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a program that prints, and ends where it cannot go on"
)]

use std::collections::HashSet;
use std::path::PathBuf;
use std::time::Instant;

use pollster::block_on;
use softprompt::config::{DeviceChoice, RunConfig};
use softprompt::data::batch::{Example, PackedBatch};
use softprompt::data::dataset::Dataset;
use softprompt::data::table::Table;
use softprompt::encoder::Encoder;
use softprompt::rng::Rng;
use softprompt::train::event::Event;
use softprompt::train::run::{Run, SampleLimits};

const SNIPS: &str = include_str!("../examples/data/snips.csv");

/// A table of `rows` texts of 6 to 30 words: the beginning of a text, the end of another one and some words of a third one, all
/// of the same class. Texts are almost never repeated.
fn large_table(rows: usize) -> String {
    let mut classes: Vec<(&str, Vec<Vec<&str>>)> = Vec::new();
    for line in SNIPS.lines().skip(1) {
        let (text, label) = line.rsplit_once(',').unwrap();
        let words = text.trim_matches('"').split(' ').collect();
        match classes.iter_mut().find(|(name, _)| *name == label) {
            Some((_, texts)) => texts.push(words),
            None => classes.push((label, vec![words])),
        }
    }
    let mut rng = Rng::stream(0, "large table");
    let mut table = String::from("text,label\n");
    for row in 0..rows {
        let (label, texts) = &classes[row % classes.len()];
        let mut piece = || {
            let words = &texts[rng.below(texts.len())];
            (words, rng.below(words.len()))
        };
        let ((first, end), (second, begin), (third, some)) = (piece(), piece(), piece());
        let words = first[..=end].iter().chain(&second[begin..]).chain(&third[..some]);
        let text = words.copied().collect::<Vec<_>>().join(" ").replace('"', "");
        // Quoted, as spreadsheets write texts with commas.
        table += &format!("\"{text}\",{label}\n");
    }
    table
}

struct Args {
    rows: usize,
    steps: usize,
    device: DeviceChoice,
    learned: Vec<usize>,
    write: Option<PathBuf>,
}

fn args() -> Args {
    let mut args = Args { rows: 100_000, steps: 40, device: DeviceChoice::Cpu, learned: Vec::new(), write: None };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut value = || words.next().unwrap_or_else(|| panic!("{word} wants a value"));
        match word.as_str() {
            "--rows" => args.rows = value().parse().unwrap(),
            "--steps" => args.steps = value().parse().unwrap(),
            "--device" if value() == "gpu" => args.device = DeviceChoice::Gpu,
            "--learned" => args.learned = value().split(',').map(|number| number.parse().unwrap()).collect(),
            "--write" => args.write = Some(value().into()),
            _ => {}
        }
    }
    args
}

fn model() -> Option<Encoder> {
    let given = std::env::var_os("SOFTPROMPT_MODEL").map(PathBuf::from);
    let folder = given.or_else(softprompt::cli::default_model_folder)?;
    let file = |name: &str| std::fs::read(folder.join(name)).ok();
    Encoder::from_bytes("all-MiniLM-L6-v2", &file("config.json")?, &file("tokenizer.json")?, &file("model.safetensors")?).ok()
}

fn timed<T>(what: &str, job: impl FnOnce() -> T) -> T {
    let begin = Instant::now();
    let out = job();
    println!("{what:44} {:8.3} s", begin.elapsed().as_secs_f64());
    out
}

/// The first steps of a run over `rows` rows: seconds to the first event and to the first step, and tokens per second over all
/// groups except the first.
fn steps(model: &Encoder, dataset: Dataset, config: &RunConfig) {
    let (rows, begin) = (dataset.train.len() + dataset.held_out.len(), Instant::now());
    let mut run = block_on(Run::start(model.clone(), dataset, config.clone())).unwrap();
    let started = begin.elapsed().as_secs_f64();
    let (mut first, mut speeds, mut last) = (None, Vec::new(), 0.0);
    while let Some(event) = block_on(run.next()).unwrap() {
        match event {
            Event::Step { tokens_per_second, .. } => {
                if first.is_some() {
                    speeds.push(tokens_per_second);
                }
                first.get_or_insert_with(|| begin.elapsed().as_secs_f64());
                last = begin.elapsed().as_secs_f64();
            }
            // What follows is the evaluation.
            Event::Eval { .. } => break,
            _ => {}
        }
    }
    let evaluated = begin.elapsed().as_secs_f64();
    speeds.sort_by(f64::total_cmp);
    println!(
        "{rows:>7} rows: ready {started:.2} s, first step {:.2} s, {} steps {last:.2} s, evaluated {evaluated:.2} s; {:.0} tokens/s",
        first.unwrap_or_default(),
        config.optim.steps.unwrap_or_default(),
        speeds.get(speeds.len() / 2).copied().unwrap_or_default()
    );
}

/// Held-out accuracy of the linear probe with `learned` training rows, and its duration.
fn probe(model: &Encoder, dataset: &Dataset, config: &RunConfig, learned: usize) {
    let (limits, begin) = (SampleLimits { learned, ..SampleLimits::default() }, Instant::now());
    let mut run = block_on(Run::with_limits(model.clone(), dataset.clone(), config.clone(), limits)).unwrap();
    // A stopped run computes the linear probe immediately.
    run.stop();
    while let Some(event) = block_on(run.next()).unwrap() {
        if let Event::Probe { accuracy, .. } = event {
            let seconds = begin.elapsed().as_secs_f64();
            println!("probe on {learned:>6} rows: {:.2}% of {} watched rows, {seconds:.1} s", accuracy * 100.0, limits.watched);
            break;
        }
    }
}

fn main() {
    let args = args();
    let text = large_table(args.rows);
    if let Some(path) = &args.write {
        std::fs::write(path, text).unwrap();
        return;
    }
    let Some(model) = timed("encoder", model) else {
        println!("SKIPPED import: the default encoder is not here (run `softprompt model fetch`)");
        return;
    };
    let mut config = RunConfig { device: args.device, ..RunConfig::default() };
    config.optim.steps = Some(args.steps);
    config.eval.evaluations = 1;
    println!(
        "{} rows, {:.1} MB, {} different lines",
        args.rows,
        text.len() as f64 / 1e6,
        text.lines().collect::<HashSet<_>>().len()
    );

    let begin = Instant::now();
    let table = timed("table", || Table::from_bytes(text.as_bytes()).unwrap());
    let dataset = timed("columns, duplicates, split", || Dataset::from_table(&table, &config.data, 0).unwrap());
    let rows = || dataset.train.iter().chain(&dataset.held_out);
    for &learned in &args.learned {
        probe(&model, &dataset, &RunConfig { device: args.device, ..RunConfig::default() }, learned);
    }
    if !args.learned.is_empty() {
        return;
    }
    let texts: Vec<&str> = rows().map(|row| row.text.as_str()).collect();
    let encoded = timed("tokens", || model.tokenizer().encode_batch(&texts, config.data.max_tokens).unwrap());
    println!("{:44} {:8.3} s", "import and tokens", begin.elapsed().as_secs_f64());
    let examples: Vec<Example> =
        encoded.into_iter().zip(rows()).map(|(encoded, row)| Example { tokens: encoded.ids, label: row.label }).collect();
    let packed = timed("packing in batches of 16", || {
        examples.chunks(16).map(|chunk| PackedBatch::new(chunk, config.prompt.length).rows()).sum::<usize>()
    });
    println!("{packed} rows with {} prompt rows each, {} usable texts", config.prompt.length, examples.len());
    timed("hash of the data", || dataset.sha256());

    // Alternating, so that load on the machine affects both equally.
    for rows in [100, args.rows, 100, args.rows] {
        let table = Table::from_bytes(large_table(rows).as_bytes()).unwrap();
        steps(&model, Dataset::from_table(&table, &config.data, 0).unwrap(), &config);
    }
}
