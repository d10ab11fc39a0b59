//! The order in which examples are trained on.

use crate::rng::Rng;

/// Endless batches of example indices: every epoch is a fresh shuffle, its last batch may be smaller.
#[derive(Debug, Clone)]
pub struct Order {
    rng: Rng,
    indices: Vec<usize>,
    cursor: usize,
    batch: usize,
}

impl Order {
    /// Over `0..examples`, from the stream `order` of a seed.
    #[must_use]
    pub fn new(examples: usize, batch: usize, seed: u64) -> Self {
        let indices: Vec<usize> = (0..examples).collect();
        Self { rng: Rng::stream(seed, "order"), cursor: indices.len(), indices, batch }
    }

    /// The next batch.
    pub fn next_batch(&mut self) -> &[usize] {
        if self.cursor >= self.indices.len() {
            self.rng.shuffle(&mut self.indices);
            self.cursor = 0;
        }
        let begin = self.cursor;
        self.cursor = (begin + self.batch).min(self.indices.len());
        &self.indices[begin..self.cursor]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_holds_every_example_once_and_the_next_is_another_order() {
        let mut order = Order::new(10, 4, 7);
        let mut epoch = || -> Vec<usize> { (0..3).flat_map(|_| order.next_batch().to_vec()).collect() };
        let (first, second) = (epoch(), epoch());
        assert_ne!(first, second);
        for mut seen in [first, second] {
            seen.sort_unstable();
            assert_eq!(seen, (0..10).collect::<Vec<_>>());
        }
    }
}
