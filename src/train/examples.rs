//! The examples of a run, and how a trainer does on those that are held out.

use std::ops::Range;

use super::step::Trainer;
use crate::data::batch::Example;
use crate::error::Result;
use crate::eval::{Metrics, argmax, cross_entropy};
use crate::predict::EVAL_BATCH;
use crate::rng::Rng;

/// All examples of a run: those that are trained on, then those that are held out.
pub struct Examples {
    /// All examples, training ones first.
    pub all: Vec<Example>,
    /// How many are trained on.
    pub train_rows: usize,
    /// Class names, in the order of the logits.
    pub labels: Vec<String>,
    /// The held-out examples that are evaluated while training, rising.
    pub watched: Vec<usize>,
}

/// Class scores of watched examples.
#[derive(Debug, Default)]
pub struct Scored {
    /// `[n, C]`, row-major: of an ensemble those that it decides by.
    pub scores: Vec<f32>,
    /// Right answers of all members, each asked alone.
    pub members_right: usize,
}

impl Examples {
    /// Watches at most `most` of the held-out examples.
    #[must_use]
    pub fn new(all: Vec<Example>, train_rows: usize, labels: Vec<String>, most: usize, seed: u64) -> Self {
        let watched = sample(&all, train_rows..all.len(), most, Rng::stream(seed, "watched"));
        Self { all, train_rows, labels, watched }
    }

    /// At most `most` of the examples that are trained on, rising.
    #[must_use]
    pub fn learned(&self, most: usize, seed: u64) -> Vec<usize> {
        sample(&self.all, 0..self.train_rows, most, Rng::stream(seed, "learned"))
    }

    /// The held-out examples.
    #[must_use]
    pub fn held_out(&self) -> Range<usize> {
        self.train_rows..self.all.len()
    }

    /// Whether the held-out examples are too many to be evaluated while training.
    #[must_use]
    pub fn partly_watched(&self) -> bool {
        self.watched.len() < self.held_out().len()
    }

    /// Appends the class scores of the next watched examples, at most `most`; says how many are done now.
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

    /// Mean cross-entropy and metrics of the class scores of all watched examples.
    ///
    /// # Errors
    /// As [`Metrics::new`].
    pub fn judge(&self, scores: &[f32]) -> Result<(f64, Metrics)> {
        let truth: Vec<u32> = self.watched.iter().map(|&example| self.all[example].label).collect();
        Ok((cross_entropy(scores, &truth), self.metrics(&truth, scores)?))
    }

    /// The class of every row of class scores `[n, C]`.
    #[must_use]
    pub fn predicted(&self, scores: &[f32]) -> Vec<u32> {
        scores.chunks(self.labels.len()).map(|row| argmax(row) as u32).collect()
    }

    /// The figures of class scores `[n, C]` against the truth `[n]`.
    ///
    /// # Errors
    /// As [`Metrics::new`].
    pub fn metrics(&self, truth: &[u32], scores: &[f32]) -> Result<Metrics> {
        Metrics::new(&self.labels, truth, &self.predicted(scores))
    }
}

/// At most `most` of the examples in a range, rising: all of them, or a draw that has of each class its share, to within one.
fn sample(all: &[Example], range: Range<usize>, most: usize, rng: Rng) -> Vec<usize> {
    draw(|example| all[example].label, range, most, rng)
}

/// At most `most` of a range, rising, by the class of each index; see [`sample`].
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
