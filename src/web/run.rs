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

/// What a report needs besides the run: the encoder's vocabulary, the held-out texts, and the course of the run so far.
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
    /// Opens the device and prepares the run.
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

    /// Resumes a run from a checkpoint, with the same data and encoder; on the same device, with the same bits as without an
    /// interruption. The first event is `started` again. `device` is the value of [`Run::device`] if the settings leave the
    /// device open, or another one.
    ///
    /// # Errors
    /// `adapter` if the checkpoint is damaged or belongs to other data or another encoder; and as [`Run::start`].
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

    /// The device of the run, as named in the settings; `undefined` during trials.
    ///
    /// # Errors
    /// Cannot fail in practice.
    pub fn device(&self) -> Result<JsValue, JsValue> {
        self.run.run().map_or(Ok(JsValue::UNDEFINED), |run| plain(&run.device()))
    }

    /// A checkpoint for [`Run::resume`] that matches the events so far. `undefined` if there is nothing to resume from: during
    /// trials, for a method without a prompt, when the steps are finished, and while events are pending.
    ///
    /// # Errors
    /// `device` if the device failed.
    pub async fn checkpoint(&self) -> Result<Option<Vec<u8>>, JsValue> {
        let Some(run) = self.run.run().filter(|run| run.has_no_pending_events()) else { return Ok(None) };
        match run.checkpoint().await {
            Ok(checkpoint) => checkpoint.to_bytes().map(Some).map_err(thrown),
            Err(Error::Config { .. }) => Ok(None),
            Err(error) => Err(thrown(error)),
        }
    }

    /// Works until the next event and returns it; `undefined` when the run is finished.
    ///
    /// # Errors
    /// `diverged` or `device`; the best parameters so far remain available.
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

    /// The adapter as a zip file.
    ///
    /// # Errors
    /// `adapter` before the first evaluation.
    pub fn adapter(&self) -> Result<Vec<u8>, JsValue> {
        self.run.adapter().and_then(|adapter| adapter.to_zip()).map_err(thrown)
    }

    /// Classifies texts with the best parameters so far.
    ///
    /// # Errors
    /// `adapter` before the first evaluation, `device` if the device failed.
    pub async fn predict(&self, texts: Vec<String>) -> Result<JsValue, JsValue> {
        let predictor = self.run.predictor().map_err(thrown)?;
        plain(&predictor.predict(&texts).await.map_err(thrown)?)
    }
}
