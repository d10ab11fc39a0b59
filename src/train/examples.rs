//! The examples of a run, and the evaluation of a trainer on the held-out ones.

use std::ops::Range;

use super::step::Trainer;
use crate::data::batch::Example;
use crate::error::Result;
use crate::eval::{Metrics, argmax, cross_entropy};
use crate::predict::EVAL_BATCH;
use crate::rng::Rng;

/// All examples of a run, training examples first.
pub struct Examples {
    /// All examples, training ones first.
    pub all: Vec<Example>,
    /// Number of training examples.
    pub train_rows: usize,
    /// Class names, in the order of the logits.
    pub labels: Vec<String>,
    /// The held-out examples that are evaluated during training, ascending.
    pub watched: Vec<usize>,
}

/// Logits of watched examples.
#[derive(Debug, Default)]
pub struct Scored {
    /// `[n, C]`, row-major; for an ensemble, those of the vote.
    pub scores: Vec<f32>,
    /// Correct predictions of all members individually.
    pub members_right: usize,
}

impl Examples {
    /// The examples of a run; at most `most` of the held-out ones are evaluated during training.
    #[must_use]
    pub fn new(all: Vec<Example>, train_rows: usize, labels: Vec<String>, most: usize, seed: u64) -> Self {
        let watched = sample(&all, train_rows..all.len(), most, Rng::stream(seed, "watched"));
        Self { all, train_rows, labels, watched }
    }

    /// At most `most` of the training examples, ascending.
    #[must_use]
    pub fn learned(&self, most: usize, seed: u64) -> Vec<usize> {
        sample(&self.all, 0..self.train_rows, most, Rng::stream(seed, "learned"))
    }

    /// The held-out examples.
    #[must_use]
    pub fn held_out(&self) -> Range<usize> {
        self.train_rows..self.all.len()
    }

    /// Whether only a sample of the held-out examples is evaluated during training.
    #[must_use]
    pub fn partly_watched(&self) -> bool {
        self.watched.len() < self.held_out().len()
    }

    /// Appends the logits of the next watched examples, at most `most`; returns the number of finished ones.
    ///
    /// # Errors
    /// As [`Trainer::scores`].
    pub async fn score_next(&self, trainer: &Trainer, scored: &mut Scored, most: usize) -> Result<usize> {
        let begin = scored.scores.len() / self.labels.len();
        let end = begin.saturating_add(most).min(self.watched.len());
        for chunk in self.watched[begin..end].chunks(EVAL_BATCH) {
            let scores = trainer.member_scores(&self.all, chunk).await?;
            let truth = chunk.iter().cycle().map(|&example| self.all[example].label);
            scored.members_right +=
                self.predicted(&scores).into_iter().zip(truth).filter(|(class, truth)| class == truth).count();
            scored.scores.extend(trainer.vote_scores(scores));
        }
        Ok(end)
    }

    /// Mean cross-entropy and metrics from the logits of all watched examples.
    ///
    /// # Errors
    /// As [`Metrics::new`].
    pub fn judge(&self, scores: &[f32]) -> Result<(f64, Metrics)> {
        let truth: Vec<u32> = self.watched.iter().map(|&example| self.all[example].label).collect();
        Ok((cross_entropy(scores, &truth), self.metrics(&truth, scores)?))
    }

    /// The predicted class for every row of logits `[n, C]`.
    #[must_use]
    pub fn predicted(&self, scores: &[f32]) -> Vec<u32> {
        scores.chunks(self.labels.len()).map(|row| argmax(row) as u32).collect()
    }

    /// The metrics of logits `[n, C]` and labels `[n]`.
    ///
    /// # Errors
    /// As [`Metrics::new`].
    pub fn metrics(&self, truth: &[u32], scores: &[f32]) -> Result<Metrics> {
        Metrics::new(&self.labels, truth, &self.predicted(scores))
    }
}

/// At most `most` of the examples in a range, ascending: all of them, or a sample stratified by class, to within one example.
fn sample(all: &[Example], range: Range<usize>, most: usize, rng: Rng) -> Vec<usize> {
    draw(|example| all[example].label, range, most, rng)
}

/// At most `most` indices of a range, ascending, stratified by the class of each index; see [`sample`].
pub(super) fn draw(class: impl Fn(usize) -> u32, range: Range<usize>, most: usize, mut rng: Rng) -> Vec<usize> {
    let rows = range.len();
    let mut indices: Vec<usize> = range.collect();
    if rows <= most {
        return indices;
    }
    rng.shuffle(&mut indices);
    indices.sort_by_key(|&index| class(index));
    let mut drawn: Vec<usize> = (0..most).map(|i| indices[i * rows / most]).collect();
    drawn.sort_unstable();
    drawn
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_draw_keeps_the_shares_of_the_classes() {
        // Class 0 has six of ten rows, class 1 three, class 2 one.
        let all: Vec<Example> =
            (0..1000).map(|i| Example { tokens: vec![0], label: [0, 0, 1, 0, 0, 1, 0, 2, 0, 1][i % 10] }).collect();
        let draw = |most, seed| sample(&all, 200..1000, most, Rng::stream(seed, "test"));
        let drawn = draw(100, 1);
        assert_eq!(drawn.len(), 100);
        assert!(drawn.windows(2).all(|w| w[0] < w[1]) && drawn.iter().all(|i| (200..1000).contains(i)), "{drawn:?}");
        for (class, share) in [(0, 60_usize), (1, 30), (2, 10)] {
            let found = drawn.iter().filter(|&&i| all[i].label == class).count();
            assert!(found.abs_diff(share) <= 1, "class {class}: {found} of 100");
        }
        assert_eq!(drawn, draw(100, 1));
        assert_ne!(drawn, draw(100, 2));
        assert_eq!(draw(800, 1), (200..1000).collect::<Vec<_>>());
    }
}
