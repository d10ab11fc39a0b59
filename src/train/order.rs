//! The order of the training examples.

use crate::rng::Rng;

/// Endless batches of example indices. Every epoch is a new shuffle; its last batch may be smaller.
#[derive(Debug, Clone)]
pub struct Order {
    rng: Rng,
    indices: Vec<usize>,
    cursor: usize,
    batch: usize,
}

impl Order {
    /// An order of `0..examples`, from the stream `order` of a seed.
    #[must_use]
    pub fn new(examples: usize, batch: usize, seed: u64) -> Self {
        Self::over((0..examples).collect(), batch, seed)
    }

    /// As [`Order::new`], for a member of an ensemble. The first member has the same order as without an ensemble.
    #[must_use]
    pub fn of_member(member: usize, examples: usize, batch: usize, seed: u64) -> Self {
        let mut order = Self::new(examples, batch, seed);
        if member > 0 {
            order.rng = Rng::stream(seed, &format!("order {member}"));
        }
        order
    }

    /// The state: that of the generator, the order of the examples, and how many of them are done.
    #[must_use]
    pub fn state(&self) -> (u64, &[usize], usize) {
        (self.rng.state(), &self.indices, self.cursor)
    }

    /// How many examples of an epoch are done after a number of batches.
    #[must_use]
    pub fn behind(examples: usize, batch: usize, batches: usize) -> usize {
        let batch = batch.max(1);
        match batches.checked_sub(1) {
            // The next batch begins an epoch.
            None => examples,
            Some(before) => (before % examples.div_ceil(batch).max(1) + 1).saturating_mul(batch).min(examples),
        }
    }

    /// Restores [`Order::state`].
    #[must_use]
    pub fn from_state((rng, indices, cursor): (u64, Vec<usize>, usize), batch: usize) -> Self {
        Self { rng: Rng::from_state(rng), indices, cursor, batch }
    }

    /// An order of these examples; at least one.
    #[must_use]
    pub fn over(indices: Vec<usize>, batch: usize, seed: u64) -> Self {
        Self { rng: Rng::stream(seed, "order"), cursor: indices.len(), indices, batch }
    }

    /// The examples of the next `batches` batches, ascending and without duplicates; the order itself is unchanged.
    #[must_use]
    pub fn reach(&self, batches: usize) -> Vec<usize> {
        let mut order = self.clone();
        // An epoch contains every example once; from any position, two epochs cover all of them.
        let most = 2 * self.indices.len().div_ceil(self.batch.max(1));
        let mut seen: Vec<usize> = (0..batches.min(most)).flat_map(|_| order.next_batch().to_vec()).collect();
        seen.sort_unstable();
        seen.dedup();
        seen
    }

    /// The next batch.
    pub fn next_batch(&mut self) -> &[usize] {
        if self.cursor >= self.indices.len() {
            self.rng.shuffle(&mut self.indices);
            self.cursor = 0;
        }
        let begin = self.cursor;
        self.cursor = begin.saturating_add(self.batch).min(self.indices.len());
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

    #[test]
    fn what_is_behind_follows_from_the_number_of_batches() {
        for (examples, batch) in [(10, 4), (8, 4), (3, 100), (1, 1)] {
            let mut order = Order::new(examples, batch, 7);
            for batches in 0..9 {
                assert_eq!(order.state().2, Order::behind(examples, batch, batches), "{examples} by {batch}, {batches}");
                order.next_batch();
            }
        }
    }

    #[test]
    fn the_reach_is_what_the_batches_will_hold() {
        let mut order = Order::over((10..20).collect(), 4, 7);
        let reach = order.reach(2);
        let mut seen = [order.next_batch().to_vec(), order.next_batch().to_vec()].concat();
        seen.sort_unstable();
        assert_eq!((reach.len(), &reach), (8, &seen));
        assert_eq!(order.reach(100), (10..20).collect::<Vec<_>>());
    }
}
