//! Training steps for benchmarks.

use std::sync::Arc;

use wasm_bindgen::prelude::*;
use web_time::Instant;

use super::model::Model;
use super::{parse, thrown};
use crate::config::RunConfig;
use crate::data::batch::{Example, PackedBatch};
use crate::engine::compute;
use crate::engine::cpu::matmul::{Epilogue, MatmulSize, matmul};
use crate::error::{Error, Result};
use crate::head::Head;
use crate::prompt::{self, Parameter};
use crate::train::step::{LearningRates, Source, Trainer};

/// Training steps on given token ids, for benchmarks and comparisons: the same as a step of a [`super::run::Run`], with constant
/// learning rates and without tokenizer, shuffling and evaluations.
#[wasm_bindgen]
pub struct Stepper {
    trainer: Trainer,
    examples: Vec<Example>,
    batch_size: usize,
    rates: LearningRates,
    device: String,
}

#[wasm_bindgen]
impl Stepper {
    /// Opens the device of `config` and prepares the steps. `tokens` are those of all examples, concatenated, with `lengths`
    /// tokens each; `labels` are class indices below `classes`; `prompt` are the initial prompt rows `[P, D]`. The head is
    /// initialised to zero.
    ///
    /// # Errors
    /// `config` if the numbers do not match, otherwise as [`super::run::Run::start`].
    #[allow(clippy::too_many_arguments, reason = "typed arrays cross as arguments of their own")]
    pub async fn start(
        model: &Model,
        tokens: Vec<u32>,
        lengths: Vec<u32>,
        labels: Vec<u32>,
        classes: usize,
        prompt: Vec<f32>,
        config: JsValue,
    ) -> Result<Stepper, JsValue> {
        let config: RunConfig = parse(config)?;
        config.validate().map_err(thrown)?;
        let model = model.model.clone();
        let examples = examples(&tokens, &lengths, &labels, classes).map_err(thrown)?;
        let batch_size = config.optim.batch_size;
        if examples.len() < batch_size {
            let problem = format!("{} examples are fewer than the batch size {batch_size}", examples.len());
            return Err(thrown(Error::config("optim.batch_size", problem, "use more examples")));
        }
        let method = prompt::method(&config, model.spec());
        let (length, hidden) = (method.prompt_length(), model.spec().hidden);
        if length == 0 || prompt.len() != length * hidden {
            let problem = format!("{} numbers are not {length} prompt rows of {hidden}", prompt.len());
            return Err(thrown(Error::config("prompt.length", problem, "give the values of every prompt row")));
        }
        let sample = Arc::new(PackedBatch::new(&examples[..batch_size], length));
        let compute = model.compute(config.device, &sample).await.map_err(thrown)?.compute;
        let initial = vec![Parameter::new("prompt", [length, hidden], prompt)];
        let (source, head) = (Source::Encoder(compute.encoder.clone()), Head::initial(classes, hidden));
        let trainer = Trainer::new(&compute, source, model.weights(), method, initial, head, &config).map_err(thrown)?;
        let rates = LearningRates { prompt: config.optim.prompt_lr, head: config.optim.head_lr, factor: 1.0 };
        Ok(Self { trainer, examples, batch_size, rates, device: compute.name })
    }

    /// The device.
    #[wasm_bindgen(getter)]
    pub fn device(&self) -> String {
        self.device.clone()
    }

    /// One optimizer step on batch `i`, counted from 0, repeating after the last full batch. Returns the loss before the update,
    /// read back, so that the device has finished the forward and the backward pass.
    ///
    /// # Errors
    /// `device` if the device failed.
    pub async fn step(&mut self, i: usize) -> Result<f32, JsValue> {
        let first = i % (self.examples.len() / self.batch_size) * self.batch_size;
        let indices: Vec<usize> = (first..first + self.batch_size).collect();
        let (loss, _) = self.trainer.step(&self.examples, &indices, self.rates).map_err(thrown)?;
        let loss = compute::read(loss).await.map_err(thrown)?;
        self.trainer.check().map_err(thrown)?;
        Ok(loss[0])
    }
}

/// Splits token ids into examples.
fn examples(tokens: &[u32], lengths: &[u32], labels: &[u32], classes: usize) -> Result<Vec<Example>> {
    let fit = lengths.iter().copied().map(u64::from).sum::<u64>() == tokens.len() as u64 && lengths.len() == labels.len();
    if !fit || lengths.contains(&0) || labels.iter().any(|&label| label as usize >= classes) {
        return Err(Error::config(
            "data",
            "the token ids, lengths and labels do not fit together",
            "give one length of 1 or more and one label below the number of classes for every example",
        ));
    }
    let mut rest = tokens;
    let cut = lengths.iter().zip(labels).map(|(&length, &label)| {
        let (tokens, after) = rest.split_at(length as usize);
        rest = after;
        Example { tokens: tokens.to_vec(), label }
    });
    Ok(cut.collect())
}

/// Seconds of one matrix product `[m, k] x [k, n]` on the CPU, with the weight stored as `[n, k]` if `transposed` (as in a
/// forward pass, with bias) and as `[k, n]` otherwise: the mean of `repeats`. For benchmarks.
#[wasm_bindgen]
pub fn cpu_matmul_seconds(m: usize, n: usize, k: usize, transposed: bool, repeats: usize) -> f64 {
    let numbers = |count: usize| (0..count).map(|i| (i % 17) as f32 * 0.01 - 0.08).collect::<Vec<f32>>();
    let (a, w, bias, mut out) = (numbers(m * k), numbers(n * k), numbers(n), vec![0.0; m * n]);
    let (epilogue, bias): (_, &[f32]) = if transposed { (Epilogue::Bias, &bias) } else { (Epilogue::Plain, &[]) };
    let begin = Instant::now();
    for _ in 0..repeats {
        matmul(&a, &w, bias, &[], &mut out, &mut [], epilogue, MatmulSize { m, n, k });
        std::hint::black_box(&mut out);
    }
    begin.elapsed().as_secs_f64() / repeats.max(1) as f64
}
