//! The predictions of a run for its held-out rows, in parts that the page requests.

use serde::Serialize;
use wasm_bindgen::prelude::*;

use super::run::{Context, Run};
use super::{plain, thrown};
use crate::error::Result;
use crate::eval::answers::Answers;
use crate::eval::calibration::Calibration;
use crate::eval::interval::Interval;
use crate::nearest::{Nearest, nearest};
use crate::report::Report;

/// Number of nearest tokens for each prompt row.
const NEIGHBOURS: usize = 8;

#[derive(Serialize)]
struct Understanding {
    rows: usize,
    mistakes: usize,
    accuracy: Interval,
    macro_f1: Interval,
    calibration: Calibration,
}

/// A held-out row with its prediction.
#[derive(Serialize)]
struct AnsweredRow<'a> {
    row: u64,
    text: &'a str,
    truth: &'a str,
    predicted: &'a str,
    probability: f32,
    truth_probability: f32,
}

/// A part of many rows.
#[derive(Serialize)]
struct Part<'a> {
    total: usize,
    rows: Vec<AnsweredRow<'a>>,
}

impl Run {
    fn some(&self, answers: &Answers, chosen: &[usize], from: usize, most: usize) -> Result<JsValue, JsValue> {
        let row = |&answer: &usize| {
            let row = self.context.held_out.get(answers.rows[answer])?;
            let (truth, predicted) = (answers.truth[answer] as usize, answers.predicted[answer] as usize);
            Some(AnsweredRow {
                row: row.row,
                text: &row.text,
                truth: &answers.labels[truth],
                predicted: &answers.labels[predicted],
                probability: answers.confidence(answer),
                truth_probability: answers.probabilities(answer)[truth],
            })
        };
        plain(&Part { total: chosen.len(), rows: chosen.iter().skip(from).take(most).filter_map(row).collect() })
    }

    fn neighbours(&self) -> Result<Nearest> {
        Ok(nearest(&self.run.adapter()?, self.context.model.weights(), self.context.model.tokenizer(), NEIGHBOURS))
    }

    fn written(&self, file: &str) -> Result<String> {
        let Context { held_out, data, course, .. } = &self.context;
        let (adapter, answers, nearest) = (self.run.adapter()?, self.run.held_out()?, self.neighbours()?);
        Report { file, data, adapter: &adapter, course, answers: &answers, held_out, nearest: &nearest }.to_html()
    }
}

#[wasm_bindgen]
impl Run {
    /// The held-out metrics with confidence intervals, the calibration, and the number of mistakes.
    ///
    /// # Errors
    /// `adapter` before the first evaluation.
    pub fn understand(&self) -> Result<JsValue, JsValue> {
        let answers = self.run.held_out().map_err(thrown)?;
        plain(&Understanding {
            rows: answers.count(),
            mistakes: answers.mistakes().len(),
            accuracy: answers.accuracy_interval(),
            macro_f1: answers.macro_f1_interval(),
            calibration: answers.calibration(),
        })
    }

    /// The mistakes, by falling probability: at most `most`, after the first `from`.
    ///
    /// # Errors
    /// `adapter` before the first evaluation.
    pub fn mistakes(&self, from: usize, most: usize) -> Result<JsValue, JsValue> {
        let answers = self.run.held_out().map_err(thrown)?;
        self.some(&answers, &answers.mistakes(), from, most)
    }

    /// The rows with one label and one predicted class, both by index: at most `most`, after the first `from`.
    ///
    /// # Errors
    /// `adapter` before the first evaluation.
    pub fn cell(&self, truth: u32, predicted: u32, from: usize, most: usize) -> Result<JsValue, JsValue> {
        let answers = self.run.held_out().map_err(thrown)?;
        self.some(&answers, &answers.cell(truth, predicted), from, most)
    }

    /// The vocabulary tokens nearest to each prompt row. Scans the whole vocabulary.
    ///
    /// # Errors
    /// `adapter` before the first evaluation.
    pub fn nearest(&self) -> Result<JsValue, JsValue> {
        plain(&self.neighbours().map_err(thrown)?)
    }

    /// The report as a self-contained HTML file; `file` is the name of the data.
    ///
    /// # Errors
    /// `adapter` before the first evaluation.
    pub fn report(&self, file: &str) -> Result<String, JsValue> {
        self.written(file).map_err(thrown)
    }
}
