//! A training run.

use wasm_bindgen::prelude::*;

use super::model::Model;
use super::{parse, plain, thrown};
use crate::config::RunConfig;
use crate::data::dataset::{DataReport, Dataset, TextRow};
use crate::data::table::Table;
use crate::encoder::Encoder;
use crate::error::{Error, Result};
use crate::report::Course;
use crate::train::checkpoint::Checkpoint;
use crate::train::job::Job;
use crate::train::run;

fn dataset(table: &[u8], held_out: Option<&[u8]>, config: &RunConfig) -> Result<Dataset> {
    let table = Table::read(table, &config.data)?;
    match held_out {
        Some(bytes) => Dataset::with_held_out(&table, &Table::read_beside(bytes, &config.data)?, &config.data),
        None => Dataset::from_table(&table, &config.data, config.seed),
    }
}

/// What a report needs beside the run itself: the encoder's words, the held-out texts, and the course of the training so far.
pub(super) struct Context {
    pub(super) model: Encoder,
    pub(super) held_out: Vec<TextRow>,
    pub(super) data: DataReport,
    pub(super) course: Course,
}

impl Context {
    fn new(model: &Encoder, dataset: &Dataset) -> Self {
        Self { model: model.clone(), held_out: dataset.held_out.clone(), data: dataset.report.clone(), course: Course::default() }
    }
}

/// A training run.
#[wasm_bindgen]
pub struct Run {
    pub(super) run: Job,
    pub(super) context: Context,
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
        let dataset = dataset(&table, held_out.as_deref(), &config).map_err(thrown)?;
        let context = Context::new(&model, &dataset);
        Ok(Self { run: Job::start(model, dataset, config).await.map_err(thrown)?, context })
    }

    /// Goes on from a checkpoint, on the same data and encoder: on the same device, bit for bit as if it had never stopped. The
    /// first event is `started` again. `device` is what [`Run::device`] said, where the settings leave it open, or another one.
    ///
    /// # Errors
    /// `adapter` where the checkpoint is damaged or belongs to other data or another encoder; and as [`Run::start`].
    pub async fn resume(
        model: &Model,
        table: Vec<u8>,
        held_out: Option<Vec<u8>>,
        checkpoint: &[u8],
        device: JsValue,
    ) -> Result<Run, JsValue> {
        let checkpoint = Checkpoint::from_bytes(checkpoint).map_err(thrown)?;
        let device = if device.is_undefined() { checkpoint.config.device } else { parse(device)? };
        let dataset = dataset(&table, held_out.as_deref(), &checkpoint.config).map_err(thrown)?;
        let context = Context::new(&model.model, &dataset);
        let resumed = run::Run::resume_on(model.model.clone(), dataset, checkpoint, device).await.map_err(thrown)?;
        Ok(Self { run: Job::from(resumed), context })
    }

    /// The device that it runs on, as the settings name it; `undefined` while methods are tried.
    ///
    /// # Errors
    /// Never, in practice.
    pub fn device(&self) -> Result<JsValue, JsValue> {
        self.run.run().map_or(Ok(JsValue::UNDEFINED), |run| plain(&run.device()))
    }

    /// Everything that [`Run::resume`] needs, and no event between it and those that were told; `undefined` where there is nothing
    /// to go on with: while methods are tried, where the method has no prompt, once the steps are over, and while there is more to tell.
    ///
    /// # Errors
    /// `device` where the device failed.
    pub async fn checkpoint(&self) -> Result<Option<Vec<u8>>, JsValue> {
        let Some(run) = self.run.run().filter(|run| run.has_no_pending_events()) else { return Ok(None) };
        match run.checkpoint().await {
            Ok(checkpoint) => checkpoint.to_bytes().map(Some).map_err(thrown),
            Err(Error::Config { .. }) => Ok(None),
            Err(error) => Err(thrown(error)),
        }
    }

    /// Works until there is something to tell: an event, or `undefined` when the run is over.
    ///
    /// # Errors
    /// `diverged` or `device`; the best parameters so far stay available.
    pub async fn next(&mut self) -> Result<JsValue, JsValue> {
        match self.run.next().await.map_err(thrown)? {
            Some(event) => {
                self.context.course.take(&event);
                plain(&event)
            }
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
