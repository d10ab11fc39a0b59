//! Samples rows of a long file.

use crate::rng::Rng;

/// At most `most` rows: one at a random position in each of equally long ranges, since files may be sorted by class or alternate
/// between classes.
pub(super) fn sample(rows: usize, most: usize) -> impl Iterator<Item = usize> {
    let step = rows.div_ceil(most).max(1);
    let mut rng = Rng::stream(0, "columns");
    (0..rows).step_by(step).map(move |start| start + if step == 1 { 0 } else { rng.below(step.min(rows - start)) })
}
