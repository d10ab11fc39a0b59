//! Metrics from predictions and labels. Independent of models and training.

pub mod answers;
pub mod calibration;
pub mod interval;
mod verdict;

use serde::Serialize;

use crate::config::Vote;
use crate::error::{Error, Result};
pub use verdict::verdict;

/// Metrics of predictions.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Metrics {
    /// Share of correct predictions.
    pub accuracy: f64,
    /// Mean F1 of the classes that occur as labels or predictions (like scikit-learn's `f1_score(average="macro")`).
    pub macro_f1: f64,
    /// Metrics of each class, in the order of the labels.
    pub per_class: Vec<ClassMetrics>,
    /// Confusion matrix `[C, C]`: row = label, column = predicted class.
    pub confusion: Vec<Vec<u64>>,
}

/// Metrics of one class; each is 0 where it would be 0 / 0.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(all(test, not(target_family = "wasm")), derive(ts_rs::TS))]
pub struct ClassMetrics {
    /// Its name.
    pub label: String,
    /// Share of the rows predicted as this class that have its label.
    pub precision: f64,
    /// Share of the rows with this label that are predicted as this class.
    pub recall: f64,
    /// Harmonic mean of precision and recall.
    pub f1: f64,
    /// Number of rows with this label.
    pub support: u64,
}

impl Metrics {
    /// Compares `predicted` with `truth`, both `[n]` of class indices below `labels.len()`.
    ///
    /// # Errors
    /// [`Error::Data`] if there are no rows, the lengths differ, or an index is not a class.
    pub fn new(labels: &[String], truth: &[u32], predicted: &[u32]) -> Result<Self> {
        let fail = |problem: String| Error::data(problem, "compare predictions with the labels of the same rows");
        if truth.is_empty() || truth.len() != predicted.len() {
            return Err(fail(format!("{} predictions for {} labelled rows", predicted.len(), truth.len())));
        }
        let classes = labels.len();
        if let Some(index) = truth.iter().chain(predicted).find(|&&index| index as usize >= classes) {
            return Err(fail(format!("class {index} of {classes}")));
        }
        let mut confusion = vec![vec![0_u64; classes]; classes];
        for (&truth, &predicted) in truth.iter().zip(predicted) {
            confusion[truth as usize][predicted as usize] += 1;
        }
        let ratio = |a: u64, b: u64| if b == 0 { 0.0 } else { a as f64 / b as f64 };
        let (mut right, mut f1_sum, mut present) = (0, 0.0, 0_u64);
        let mut per_class = Vec::with_capacity(classes);
        for (class, label) in labels.iter().enumerate() {
            let hits = confusion[class][class];
            let support: u64 = confusion[class].iter().sum();
            let claimed: u64 = confusion.iter().map(|row| row[class]).sum();
            let f1 = ratio(2 * hits, support + claimed);
            right += hits;
            f1_sum += f1;
            present += u64::from(support + claimed > 0);
            per_class.push(ClassMetrics {
                label: label.clone(),
                precision: ratio(hits, claimed),
                recall: ratio(hits, support),
                f1,
                support,
            });
        }
        Ok(Self { accuracy: ratio(right, truth.len() as u64), macro_f1: f1_sum / present as f64, per_class, confusion })
    }
}

/// Held-out accuracy of always predicting the most frequent training label (of equally frequent ones, the lowest). 0 if either is
/// empty.
#[must_use]
pub fn majority_accuracy(train_labels: &[u32], held_out_labels: &[u32]) -> f64 {
    let mut sorted = train_labels.to_vec();
    sorted.sort_unstable();
    let mut best: &[u32] = &[];
    for same in sorted.chunk_by(|a, b| a == b) {
        if same.len() > best.len() {
            best = same;
        }
    }
    let hits = held_out_labels.iter().filter(|label| best.first() == Some(*label)).count();
    if held_out_labels.is_empty() { 0.0 } else { hits as f64 / held_out_labels.len() as f64 }
}

/// Softmax of logits `[C]`, summed in f64. NaN if a logit is NaN or the largest is infinite.
#[must_use]
pub fn softmax(logits: &[f32]) -> Vec<f32> {
    let total = log_sum_exp(logits);
    logits.iter().map(|&logit| (f64::from(logit) - total).exp() as f32).collect()
}

/// Index of the largest logit; of equal ones, the lowest. NaN is never chosen, unless there is nothing else: then 0.
#[must_use]
pub fn argmax(logits: &[f32]) -> usize {
    let mut best = None;
    for (i, &logit) in logits.iter().enumerate() {
        if !logit.is_nan() && best.is_none_or(|(_, other)| logit > other) {
            best = Some((i, logit));
        }
    }
    best.map_or(0, |(i, _)| i)
}

/// Mean cross-entropy in nats of logits `[n, C]` (row-major) against class indices `[n]`, summed in f64. NaN if a logit is NaN,
/// if there are no rows, or if the shapes do not fit.
#[must_use]
pub fn cross_entropy(logits: &[f32], labels: &[u32]) -> f64 {
    let classes = logits.len() / labels.len().max(1);
    if classes == 0 || logits.len() != classes * labels.len() || labels.iter().any(|&label| label as usize >= classes) {
        return f64::NAN;
    }
    let rows = logits.chunks_exact(classes).zip(labels);
    rows.map(|(row, &label)| log_sum_exp(row) - f64::from(row[label as usize])).sum::<f64>() / labels.len() as f64
}

fn log_sum_exp(logits: &[f32]) -> f64 {
    let largest = logits.iter().fold(f64::NEG_INFINITY, |largest, &logit| largest.max(f64::from(logit)));
    largest + logits.iter().map(|&logit| (f64::from(logit) - largest).exp()).sum::<f64>().ln()
}

/// The logits `[B, C]` of an ensemble's vote, from those of its N members `[N B, C]`, one member after another: the logarithm of
/// the mean of their probabilities, or of their votes, with the mean probability as one more vote, which breaks ties (Lester et
/// al. 2021, section 6). For one member, its own logits.
#[must_use]
pub fn vote_scores(scores: Vec<f32>, members: usize, classes: usize, vote: Vote) -> Vec<f32> {
    if members <= 1 {
        return scores;
    }
    let each = scores.len() / members;
    let mut sums = vec![0f32; each];
    let mut votes = vec![0f32; each];
    for member in scores.chunks_exact(each) {
        for (row, scores) in member.chunks_exact(classes).enumerate() {
            votes[row * classes + argmax(scores)] += 1.0;
            sums[row * classes..][..classes].iter_mut().zip(softmax(scores)).for_each(|(sum, p)| *sum += p);
        }
    }
    let count = members as f32;
    let share = |(sum, votes): (&f32, &f32)| match vote {
        Vote::Mean => sum / count,
        Vote::Majority => (votes + sum / count) / (count + 1.0),
    };
    sums.iter().zip(&votes).map(share).map(|share| share.max(f32::MIN_POSITIVE).ln()).collect()
}
