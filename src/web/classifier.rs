//! Classification with an adapter, without a run.

use serde::Serialize;
use wasm_bindgen::prelude::*;

use super::model::Model;
use super::{parse, plain, thrown};
use crate::adapter::{Adapter, AdapterMetrics, BaseModel};
use crate::config::{DataConfig, DeviceChoice, HeadKind, Method};
use crate::error::Result;
use crate::predict::Predictor;
use crate::predict::file::{FileProgress, LabelledFile};

#[derive(Serialize)]
struct AdapterInfo<'a> {
    labels: &'a [String],
    method: Method,
    head: HeadKind,
    prompt_length: usize,
    max_tokens: usize,
    text_column: Option<&'a str>,
    label_column: Option<&'a str>,
    encoder: &'a BaseModel,
    metrics: Option<AdapterMetrics>,
    peft: bool,
    seed: u64,
    data_sha256: Option<&'a str>,
    read_by: &'static str,
}

fn info(adapter: &Adapter) -> AdapterInfo<'_> {
    let data = &adapter.config.data;
    AdapterInfo {
        labels: &adapter.labels,
        method: adapter.config.prompt.method,
        head: adapter.config.head.kind,
        prompt_length: adapter.prompt_length(),
        max_tokens: data.max_tokens,
        text_column: data.text_column.as_deref(),
        label_column: data.label_column.as_deref(),
        encoder: &adapter.base_model,
        metrics: adapter.metrics,
        peft: adapter.is_peft(),
        seed: adapter.config.seed,
        data_sha256: adapter.data_sha256.as_deref(),
        read_by: concat!("softprompt ", env!("CARGO_PKG_VERSION")),
    }
}

/// The content of an adapter's zip: classes, method, metrics, and the encoder that it needs.
///
/// # Errors
/// `adapter`, with what is wrong with the zip.
#[wasm_bindgen]
pub fn adapter_info(zip: &[u8]) -> Result<JsValue, JsValue> {
    plain(&info(&Adapter::from_zip(zip).map_err(thrown)?))
}

/// An encoder with an adapter, ready to classify.
#[wasm_bindgen]
pub struct Classifier {
    predictor: Predictor,
}

#[wasm_bindgen]
impl Classifier {
    /// Loads an adapter's zip; `device` is `"auto"`, `"gpu"` or `"cpu"`.
    ///
    /// # Errors
    /// `adapter` for a zip that is damaged or for another encoder, which it names; `device` if the device cannot be used.
    pub async fn load(model: &Model, zip: &[u8], device: JsValue) -> Result<Classifier, JsValue> {
        let device: DeviceChoice = parse(device)?;
        let model = model.model.clone();
        let adapter = Adapter::from_zip(zip).map_err(thrown)?;
        Ok(Self { predictor: Predictor::new(model, adapter, device).await.map_err(thrown)? })
    }

    /// Class names.
    #[wasm_bindgen(getter)]
    pub fn labels(&self) -> Vec<String> {
        self.predictor.adapter().labels.clone()
    }

    /// The device.
    #[wasm_bindgen(getter)]
    pub fn device(&self) -> String {
        self.predictor.device().to_owned()
    }

    /// The content of the adapter.
    ///
    /// # Errors
    /// Cannot fail in practice.
    pub fn info(&self) -> Result<JsValue, JsValue> {
        plain(&info(self.predictor.adapter()))
    }

    /// Classifies texts.
    ///
    /// # Errors
    /// `device` if the device failed.
    pub async fn classify(&self, texts: Vec<String>) -> Result<JsValue, JsValue> {
        plain(&self.predictor.predict(&texts).await.map_err(thrown)?)
    }
}

/// A file that is classified some rows at a time, so that the worker can respond in between.
#[wasm_bindgen]
pub struct Labelling {
    file: LabelledFile,
}

#[wasm_bindgen]
impl Labelling {
    /// Reads a file for a classifier: a table, or one text per row. `text_column` is a name or a number counted from 1;
    /// `header_row` and `sheet` are the same as in the data settings.
    ///
    /// # Errors
    /// `data` for a file that cannot be read and for a column that does not exist.
    pub fn open(
        classifier: &Classifier,
        bytes: &[u8],
        name: &str,
        text_column: Option<String>,
        header_row: Option<u32>,
        sheet: Option<String>,
    ) -> Result<Labelling, JsValue> {
        let reading = DataConfig { header_row: header_row.map(|row| row as usize), sheet, ..DataConfig::default() };
        let adapter = classifier.predictor.adapter();
        Ok(Self { file: LabelledFile::open(bytes, name, adapter, text_column.as_deref(), &reading).map_err(thrown)? })
    }

    /// Columns, number of rows, the text column, and the first rows.
    ///
    /// # Errors
    /// Cannot fail in practice.
    pub fn view(&self) -> Result<JsValue, JsValue> {
        plain(&self.file.view())
    }

    /// Classifies the next rows; `false` if none is left.
    ///
    /// # Errors
    /// `device` if the device failed.
    pub async fn next(&mut self, classifier: &Classifier) -> Result<bool, JsValue> {
        self.file.next(&classifier.predictor).await.map_err(thrown)
    }

    /// Progress and results so far.
    ///
    /// # Errors
    /// Cannot fail in practice.
    pub fn progress(&self) -> Result<JsValue, JsValue> {
        plain::<FileProgress>(&self.file.progress())
    }

    /// The file with its two additional columns.
    ///
    /// # Errors
    /// Cannot fail in practice.
    pub fn bytes(&self) -> Result<Vec<u8>, JsValue> {
        self.file.to_bytes().map_err(thrown)
    }

    /// `tsv` or `csv`.
    #[wasm_bindgen(getter)]
    pub fn extension(&self) -> String {
        self.file.extension().to_owned()
    }
}
