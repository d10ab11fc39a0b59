//! Some rows of a long file, to look at.

use crate::rng::Rng;

/// Rows of a long file, at most `most`: one of every stretch, none of which is at a fixed place, since files may be sorted by class
/// or have their classes in turn.
pub(super) fn sample(rows: usize, most: usize) -> impl Iterator<Item = usize> {
    let step = rows.div_ceil(most).max(1);
    let mut rng = Rng::stream(0, "columns");
    (0..rows).step_by(step).map(move |start| start + if step == 1 { 0 } else { rng.below(step.min(rows - start)) })
}
