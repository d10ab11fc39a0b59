//! The page's side of the crate, and the only file with `wasm_bindgen`. Bytes and plain objects cross; all of it runs in one
//! dedicated worker.

use js_sys::Uint8Array;
use serde::Serialize;
use serde::de::DeserializeOwned;
use wasm_bindgen::prelude::*;

use crate::config::RunConfig;
use crate::data::dataset::{ColumnChoice, DataReport, Dataset};
use crate::data::table::Table;
use crate::engine::compute;
use crate::error::{Error, Result};
use crate::model;
use crate::train::run;

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
    console_error_panic_hook::set_once();
    // A second call finds a logger in place, which is what it wants.
    let _ = console_log::init_with_level(log::Level::Warn);
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
    run: run::Run,
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
        Ok(Self { run: run::Run::start(model, dataset, config).await.map_err(thrown)? })
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
