//! [`Answers`]: the prediction for every single row, from which all metrics are computed.

use super::calibration::Calibration;
use super::interval::{Interval, macro_f1, wilson};
use super::{Metrics, argmax, softmax};
use crate::error::{Error, Result};

/// Labelled rows with their predictions. n rows, C classes.
#[derive(Debug, Clone, PartialEq)]
pub struct Answers {
    /// Class names: `[C]`.
    pub labels: Vec<String>,
    /// Positions of the rows in the held-out set: `[n]`, ascending.
    pub rows: Vec<usize>,
    /// Class indices of the labels: `[n]`.
    pub truth: Vec<u32>,
    /// Class indices of the predictions: `[n]`.
    pub predicted: Vec<u32>,
    /// `[n, C]`, row-major.
    probabilities: Vec<f32>,
}

impl Answers {
    /// From logits `[n, C]`.
    ///
    /// # Errors
    /// [`Error::Data`] if there are no rows, or the lengths do not match.
    pub fn new(labels: Vec<String>, rows: Vec<usize>, truth: Vec<u32>, scores: &[f32]) -> Result<Self> {
        let classes = labels.len();
        if truth.is_empty() || rows.len() != truth.len() || scores.len() != truth.len() * classes {
            let problem = format!("{} scores of {classes} classes for {} labelled rows", scores.len(), truth.len());
            return Err(Error::data(problem, "compare predictions with the labels of the same rows"));
        }
        let scores = scores.chunks(classes);
        let predicted = scores.clone().map(|row| argmax(row) as u32).collect();
        Ok(Self { labels, rows, truth, predicted, probabilities: scores.flat_map(softmax).collect() })
    }

    /// Number of rows.
    #[must_use]
    pub fn count(&self) -> usize {
        self.truth.len()
    }

    /// Probabilities of all classes for a row: `[C]`.
    #[must_use]
    pub fn probabilities(&self, answer: usize) -> &[f32] {
        &self.probabilities[answer * self.labels.len()..][..self.labels.len()]
    }

    /// Probability of the predicted class.
    #[must_use]
    pub fn confidence(&self, answer: usize) -> f32 {
        self.probabilities(answer)[self.predicted[answer] as usize]
    }

    /// Whether the prediction is the label.
    #[must_use]
    pub fn is_right(&self, answer: usize) -> bool {
        self.truth[answer] == self.predicted[answer]
    }

    /// All metrics.
    ///
    /// # Errors
    /// As [`Metrics::new`].
    pub fn metrics(&self) -> Result<Metrics> {
        Metrics::new(&self.labels, &self.truth, &self.predicted)
    }

    /// 95% confidence interval of the accuracy.
    #[must_use]
    pub fn accuracy_interval(&self) -> Interval {
        let right = (0..self.count()).filter(|&answer| self.is_right(answer)).count();
        wilson(right as u64, self.count() as u64)
    }

    /// 95% confidence interval of the macro-F1.
    #[must_use]
    pub fn macro_f1_interval(&self) -> Interval {
        macro_f1(self.labels.len(), &self.truth, &self.predicted)
    }

    /// Calibration of the probabilities.
    #[must_use]
    pub fn calibration(&self) -> Calibration {
        Calibration::new((0..self.count()).map(|answer| (self.confidence(answer), self.is_right(answer))))
    }

    /// The mistakes, by falling probability; of equally confident ones, the first row first. Many of the most confident ones are
    /// label errors (Northcutt, Jiang and Chuang 2021, "Confident Learning").
    #[must_use]
    pub fn mistakes(&self) -> Vec<usize> {
        let mut wrong: Vec<usize> = (0..self.count()).filter(|&answer| !self.is_right(answer)).collect();
        wrong.sort_by(|&a, &b| self.confidence(b).total_cmp(&self.confidence(a)));
        wrong
    }

    /// The rows with one label and one predicted class, by falling probability.
    #[must_use]
    pub fn cell(&self, truth: u32, predicted: u32) -> Vec<usize> {
        let fits = |&answer: &usize| self.truth[answer] == truth && self.predicted[answer] == predicted;
        let mut found: Vec<usize> = (0..self.count()).filter(fits).collect();
        found.sort_by(|&a, &b| self.confidence(b).total_cmp(&self.confidence(a)));
        found
    }
}
