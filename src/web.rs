//! The page's side of the crate, and the only file with `wasm_bindgen`. Bytes and plain objects cross; all of it runs in one
//! dedicated worker.

use std::sync::Arc;

use js_sys::Uint8Array;
use serde::Serialize;
use serde::de::DeserializeOwned;
use wasm_bindgen::prelude::*;
use web_time::Instant;

use crate::config::RunConfig;
use crate::data::batch::{Example, PackedBatch};
use crate::data::dataset::{ColumnChoice, DataReport, Dataset};
use crate::data::table::Table;
use crate::engine::compute;
use crate::engine::cpu::matmul::{Epilogue, MatmulSize, matmul};
use crate::error::{Error, Result};
use crate::model;
use crate::model::head::Head;
use crate::prompt::{self, Parameter};
use crate::train::compare::plan::Plan;
use crate::train::compare::result::CellResult;
use crate::train::compare::{self, Tables};
use crate::train::job::Job;
use crate::train::step::{LearningRates, Source, Trainer};

/// Rows that the page shows of a file.
const PREVIEW_ROWS: usize = 20;

fn plain<T: Serialize + ?Sized>(value: &T) -> Result<JsValue, JsValue> {
    // `to_value` would make `Map`s, which do not survive `{...object}`.
    value.serialize(&serde_wasm_bindgen::Serializer::json_compatible()).map_err(JsValue::from)
}

fn parse<T: DeserializeOwned>(value: JsValue) -> Result<T, JsValue> {
    serde_wasm_bindgen::from_value(value).map_err(|error| {
        thrown(Error::config(
            "config",
            error.to_string(),
            "use the fields that default_config() has, with values of the same kind",
        ))
    })
}

fn thrown(error: Error) -> JsValue {
    plain(&error.report()).unwrap_or_else(|_| JsValue::from_str(&error.to_string()))
}

/// Readable panics and log lines in the console; safe to call again.
#[wasm_bindgen(start)]
pub fn start() {
    static CONSTRUCTED: std::sync::Once = std::sync::Once::new();
    CONSTRUCTED.call_once(construct);
    console_error_panic_hook::set_once();
    // A second call finds a logger in place, which is what it wants.
    let _ = console_log::init_with_level(log::Level::Warn);
}

/// Runs the constructors that dependencies have registered. A module that does not do this itself has the linker do it, in front of
/// every exported function and at each call of it: milliseconds for every value that crosses.
#[allow(unsafe_code, reason = "the linker's own function, which has no safe declaration")]
fn construct() {
    unsafe extern "C" {
        fn __wasm_call_ctors();
    }
    // SAFETY: it takes nothing, and is called once, before anything else of this module.
    unsafe { __wasm_call_ctors() }
}

/// `RunConfig` with every default.
///
/// # Errors
/// Never, in practice.
#[wasm_bindgen]
pub fn default_config() -> Result<JsValue, JsValue> {
    plain(&RunConfig::default())
}

/// Throws where a setting cannot work.
///
/// # Errors
/// The first such setting.
#[wasm_bindgen]
pub fn validate_config(config: JsValue) -> Result<(), JsValue> {
    parse::<RunConfig>(config)?.validate().map_err(thrown)
}

/// A config with what it leaves out filled in, so that nobody else needs the defaults of its optional parts.
///
/// # Errors
/// `config` for a value of another kind.
#[wasm_bindgen]
pub fn complete_config(config: JsValue) -> Result<JsValue, JsValue> {
    plain(&parse::<RunConfig>(config)?)
}

/// What can be said about the GPU before anything is loaded.
///
/// # Errors
/// Never: no GPU is a report, too.
#[wasm_bindgen]
pub async fn detect_device() -> Result<JsValue, JsValue> {
    plain(&compute::detect().await)
}

#[derive(Serialize)]
struct TableView {
    columns: Vec<String>,
    rows: usize,
    has_header: bool,
    encoding: &'static str,
    separator: String,
    preview: Vec<Vec<String>>,
    text_column: usize,
    label_column: usize,
    report: DataReport,
}

/// Reads a data file: its columns, the guessed ones, its first rows and what was found.
///
/// # Errors
/// `data`, with row and column.
#[wasm_bindgen]
pub fn open_table(bytes: &[u8], config: JsValue) -> Result<JsValue, JsValue> {
    let config: RunConfig = parse(config)?;
    let view = || -> Result<TableView> {
        let table = Table::from_bytes(bytes)?;
        // Nothing here fails for the columns' sake: the page must show the rows, so that a wrong guess can be corrected. Where
        // nothing can be guessed, the first and the last column are shown, with the reason.
        let guess = ColumnChoice::guess(&table, &config.data);
        let unsure = guess.as_ref().err().map(ToString::to_string);
        let choice = guess.unwrap_or(ColumnChoice { text: 0, label: table.columns.len() - 1 });
        let mut report = DataReport::new(&table, choice);
        report.notes.extend(unsure);
        Ok(TableView {
            rows: table.rows.len(),
            has_header: table.has_header,
            encoding: table.encoding,
            separator: table.separator.to_string(),
            preview: table.rows.iter().take(PREVIEW_ROWS).cloned().collect(),
            columns: table.columns,
            text_column: choice.text,
            label_column: choice.label,
            report,
        })
    };
    plain(&view().map_err(thrown)?)
}

/// A frozen encoder with its tokenizer.
#[wasm_bindgen]
pub struct Model {
    model: model::Model,
}

#[wasm_bindgen]
impl Model {
    /// From the bytes of `config.json`, `tokenizer.json` and `model.safetensors`. `sha256` is that of the weights, where they
    /// have been checked against it.
    ///
    /// # Errors
    /// `model`, with what is unsupported, missing or of the wrong shape.
    pub fn load(
        name: &str,
        config: &[u8],
        tokenizer: &[u8],
        weights: &Uint8Array,
        sha256: Option<String>,
    ) -> Result<Model, JsValue> {
        let weights = weights.to_vec();
        let model = match sha256 {
            Some(sha256) => model::Model::from_checked(name, config, tokenizer, &weights, sha256),
            None => model::Model::from_bytes(name, config, tokenizer, &weights),
        };
        Ok(Self { model: model.map_err(thrown)? })
    }

    /// Transformer layers.
    #[wasm_bindgen(getter)]
    pub fn layers(&self) -> usize {
        self.model.spec().layers
    }

    /// Hidden size.
    #[wasm_bindgen(getter)]
    pub fn hidden(&self) -> usize {
        self.model.spec().hidden
    }
}

/// A training run.
#[wasm_bindgen]
pub struct Run {
    run: Job,
}

#[wasm_bindgen]
impl Run {
    /// Opens the device and gets ready.
    ///
    /// # Errors
    /// `data`, `config`, `model` or `device`.
    pub async fn start(model: &Model, table: Vec<u8>, held_out: Option<Vec<u8>>, config: JsValue) -> Result<Run, JsValue> {
        let config: RunConfig = parse(config)?;
        let model = model.model.clone();
        let dataset = || -> Result<Dataset> {
            let table = Table::from_bytes(&table)?;
            match &held_out {
                Some(bytes) => Dataset::with_held_out(&table, &Table::from_bytes(bytes)?, &config.data),
                None => Dataset::from_table(&table, &config.data, config.seed),
            }
        };
        let dataset = dataset().map_err(thrown)?;
        Ok(Self { run: Job::start(model, dataset, config).await.map_err(thrown)? })
    }

    /// Works until there is something to tell: an event, or `undefined` when the run is over.
    ///
    /// # Errors
    /// `diverged` or `device`; the best parameters so far stay available.
    pub async fn next(&mut self) -> Result<JsValue, JsValue> {
        match self.run.next().await.map_err(thrown)? {
            Some(event) => plain(&event),
            None => Ok(JsValue::UNDEFINED),
        }
    }

    /// The next events end the run with the best parameters so far.
    pub fn stop(&mut self) {
        self.run.stop();
    }

    /// The adapter as the bytes of a zip file.
    ///
    /// # Errors
    /// `adapter` before the first evaluation.
    pub fn adapter(&self) -> Result<Vec<u8>, JsValue> {
        self.run.adapter().and_then(|adapter| adapter.to_zip()).map_err(thrown)
    }

    /// Classifies texts with the best parameters so far.
    ///
    /// # Errors
    /// `adapter` before the first evaluation, `device` where the device failed.
    pub async fn predict(&self, texts: Vec<String>) -> Result<JsValue, JsValue> {
        let predictor = self.run.predictor().map_err(thrown)?;
        plain(&predictor.predict(&texts).await.map_err(thrown)?)
    }
}

/// Methods side by side on the same data.
#[wasm_bindgen]
pub struct Comparison {
    comparison: compare::Comparison,
}

#[wasm_bindgen]
impl Comparison {
    /// Gets ready. `variants` are methods with settings of their own, as on the command line; `seeds` are numbers, each below 2^53;
    /// results in `done`, as the events have them, need not be worked out again.
    ///
    /// # Errors
    /// `data` or `config`, with the variant that cannot work.
    pub fn start(
        model: &Model,
        table: Vec<u8>,
        held_out: Option<Vec<u8>>,
        config: JsValue,
        variants: Vec<String>,
        seeds: Vec<f64>,
        done: JsValue,
    ) -> Result<Comparison, JsValue> {
        let config: RunConfig = parse(config)?;
        let done: Vec<CellResult> = parse(done)?;
        let seeds = seeds.into_iter().map(|seed| seed as u64).collect();
        let start = || -> Result<compare::Comparison> {
            let plan = Plan::new(config, &variants, seeds, None)?;
            let held_out = held_out.as_deref().map(Table::from_bytes).transpose()?;
            let tables = Tables { data: Table::from_bytes(&table)?, held_out, tests: Vec::new() };
            compare::Comparison::start(model.model.clone(), tables, plan, &done)
        };
        Ok(Self { comparison: start().map_err(thrown)? })
    }

    /// Works until there is something to tell: an event, or `undefined` when the comparison is over. What a variant cannot do is an
    /// event, too.
    ///
    /// # Errors
    /// Never, in practice.
    pub async fn next(&mut self) -> Result<JsValue, JsValue> {
        match self.comparison.next().await {
            Some(event) => plain(&event),
            None => Ok(JsValue::UNDEFINED),
        }
    }

    /// The next event ends the comparison: what is done stays, the run under way is given up.
    pub fn stop(&mut self) {
        self.comparison.stop();
    }
}

/// Training steps on token ids that the caller gives, for benchmarks and comparisons: what a [`Run`] does in a step, with
/// constant learning rates and without the tokenizer, the shuffling and the evaluations around it.
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
    /// Opens the device of `config` and gets ready. `tokens` are those of all examples, one after another, `lengths` of them
    /// each; `labels` are class indices below `classes`; `prompt` are the first prompt rows `[P, D]`. The head starts at zero.
    ///
    /// # Errors
    /// `config` where the numbers do not fit together, otherwise as [`Run::start`].
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
            let problem = format!("{} examples do not fill a batch of {batch_size}", examples.len());
            return Err(thrown(Error::config("optim.batch_size", problem, "give more examples")));
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

    /// What the steps run on.
    #[wasm_bindgen(getter)]
    pub fn device(&self) -> String {
        self.device.clone()
    }

    /// One optimizer step on batch `i`, counted from 0 and again from the first after the last whole one; its loss before
    /// the update, read back, so that the device has finished the forward and the backward pass.
    ///
    /// # Errors
    /// `device` where the device failed.
    pub async fn step(&mut self, i: usize) -> Result<f32, JsValue> {
        let first = i % (self.examples.len() / self.batch_size) * self.batch_size;
        let indices: Vec<usize> = (first..first + self.batch_size).collect();
        let (loss, _) = self.trainer.step(&self.examples, &indices, self.rates).map_err(thrown)?;
        let loss = compute::read(loss).await.map_err(thrown)?;
        self.trainer.check().map_err(thrown)?;
        Ok(loss[0])
    }
}

/// Cuts token ids into examples.
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

/// Seconds that the CPU path takes for one matrix product `[m, k] x [k, n]`, the weight stored as `[n, k]` where `transposed`
/// (as in a forward pass, with its bias) and as `[k, n]` otherwise: the mean of `repeats`. For benchmarks.
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
