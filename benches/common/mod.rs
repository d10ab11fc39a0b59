//! Common parts of the benchmarks: the encoder, the batches, and our training step on them.
#![allow(dead_code, unreachable_pub, clippy::print_stderr, reason = "each benchmark uses its part")]

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use burn::tensor::Tensor;
use serde::Deserialize;
use softprompt::config::RunConfig;
use softprompt::data::batch::{Example, PackedBatch};
use softprompt::encoder::Encoder;
use softprompt::engine::compute::{Compute, read};
use softprompt::head::Head;
use softprompt::model::spec::EncoderWeights;
use softprompt::prompt::{self, Parameter};
use softprompt::train::step::{LearningRates, Source, Trainer};

/// Errors of a benchmark are text.
pub type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// The prompt is initialised with the word embeddings of consecutive tokens, starting with this one.
pub const FIRST_TOKEN: usize = 2000;

/// A set of `batches.json`.
#[derive(Deserialize)]
pub struct Set {
    pub classes: usize,
    pub batches: Vec<Batch>,
}

/// 32 texts.
#[derive(Deserialize)]
pub struct Batch {
    pub tokens: Vec<Vec<u32>>,
    pub labels: Vec<u32>,
}

impl Set {
    /// The first `size` examples of each batch.
    pub fn examples(&self, size: usize) -> Vec<Vec<Example>> {
        let example = |(tokens, &label): (&Vec<u32>, &u32)| Example { tokens: tokens.clone(), label };
        self.batches.iter().map(|b| b.tokens.iter().zip(&b.labels).take(size).map(example).collect()).collect()
    }

    /// Eight batches of texts with `tokens` tokens each, composed of the texts of this set.
    pub fn of_length(&self, tokens: usize, size: usize) -> Self {
        let mut stream = self.batches.iter().flat_map(|batch| &batch.tokens).flatten().copied().cycle();
        let batch = || Batch {
            tokens: (0..size).map(|_| stream.by_ref().take(tokens).collect()).collect(),
            labels: (0..size as u32).map(|i| i % self.classes as u32).collect(),
        };
        Self { classes: self.classes, batches: std::iter::repeat_with(batch).take(8).collect() }
    }
}

/// All sets.
pub fn sets() -> Outcome<BTreeMap<String, Set>> {
    Ok(serde_json::from_str(include_str!("../batches.json"))?)
}

/// The encoder in a folder, or in the cache folder of the command line; also returns the folder.
pub fn encoder(folder: Option<PathBuf>) -> Outcome<(PathBuf, Arc<EncoderWeights>)> {
    let folder = folder.or_else(softprompt::cli::default_model_folder).ok_or("pass --model DIR")?;
    let file = |name| {
        let path = folder.join(name);
        std::fs::read(&path).map_err(|error| format!("{}: {error}; pass --model DIR", path.display()))
    };
    let model = Encoder::from_bytes("encoder", &file("config.json")?, &file("tokenizer.json")?, &file("model.safetensors")?)?;
    Ok((folder, model.weights().clone()))
}

/// Our side: the training step of a run.
pub struct Ours {
    trainer: Trainer,
    pub batches: Vec<Vec<Example>>,
    indices: Vec<usize>,
    rates: LearningRates,
}

impl Ours {
    pub fn new(compute: &Compute, weights: &EncoderWeights, set: &Set, size: usize) -> Outcome<Self> {
        let config = RunConfig::default();
        let batches = set.examples(size);
        let (hidden, length) = (weights.spec.hidden, config.prompt.length);
        let values = prompt_start(weights, length).to_vec();
        let initial = vec![Parameter::new("prompt", [length, hidden], values)];
        let trainer = Trainer::new(
            compute,
            Source::Encoder(compute.encoder.clone()),
            weights,
            prompt::method(&config, &weights.spec),
            initial,
            Head::initial(set.classes, hidden),
            &config,
        )?;
        let rates = LearningRates { prompt: config.optim.prompt_lr, head: config.optim.head_lr, factor: 1.0 };
        let indices = (0..size.min(batches[0].len())).collect();
        Ok(Self { trainer, batches, indices, rates })
    }

    /// Step `index`, on the batch with that number: seconds and loss.
    pub fn step(&mut self, index: usize) -> Outcome<(f64, f64)> {
        let batch = &self.batches[index % self.batches.len()];
        timed(|| Ok(self.trainer.step(batch, &self.indices, self.rates)?.0))
    }

    /// Seconds of each of `count` steps if only the last loss is read back.
    pub fn queued_steps(&mut self, count: usize) -> Outcome<f64> {
        let (seconds, _) = timed(|| {
            for index in 1..count {
                self.trainer.step(&self.batches[index % self.batches.len()], &self.indices, self.rates)?;
            }
            Ok(self.trainer.step(&self.batches[0], &self.indices, self.rates)?.0)
        })?;
        Ok(seconds / count as f64)
    }

    /// Packed rows of each batch.
    pub fn rows(&self) -> Vec<usize> {
        let length = RunConfig::default().prompt.length;
        self.batches.iter().map(|batch| PackedBatch::new(batch, length).rows()).collect()
    }
}

/// The initial prompt `[P, D]` of every benchmark.
pub fn prompt_start(weights: &EncoderWeights, length: usize) -> &[f32] {
    let hidden = weights.spec.hidden;
    &weights.word[FIRST_TOKEN * hidden..(FIRST_TOKEN + length) * hidden]
}

/// Seconds until the loss is on the host, and the loss.
pub fn timed(step: impl FnOnce() -> Outcome<Tensor<1>>) -> Outcome<(f64, f64)> {
    let begin = Instant::now();
    let loss = pollster::block_on(read(step()?))?[0];
    Ok((begin.elapsed().as_secs_f64(), f64::from(loss)))
}

/// The middle value, or the mean of the middle two.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 { values[middle] } else { values[middle - 1].midpoint(values[middle]) }
}

/// CPU seconds of this process on all cores, if the system reports them: the cost of a software GPU, independent of other load.
pub fn cpu_seconds() -> Option<f64> {
    const TICKS: f64 = 100.0;
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The name in parentheses may contain spaces; user and system time are the 12th and 13th field after it.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<f64>().ok();
    Some((ticks()? + ticks()?) / TICKS)
}

/// The mean of counts.
pub fn mean(values: &[usize]) -> f64 {
    values.iter().sum::<usize>() as f64 / values.len() as f64
}

/// Running processes, averaged over the last minute, if the system reports it.
pub fn load() -> Option<f64> {
    std::fs::read_to_string("/proc/loadavg").ok()?.split(' ').next()?.parse().ok()
}

/// Prints a warning if the machine has other work.
pub fn warn_of_load() {
    if let Some(load) = load().filter(|&load| load > 0.5) {
        eprintln!("warning: the machine is busy (load {load}); the times are not reliable");
    }
}
