//! The split into training and held-out rows.

use super::TextRow;
use crate::rng::Rng;

/// Holds out `fraction` of each class, rounded, but at least one row and not all; of a class with a single row none. Both parts
/// keep the order of `rows`, in which no text occurs twice.
pub(super) fn stratified(rows: Vec<TextRow>, classes: usize, fraction: f64, seed: u64) -> (Vec<TextRow>, Vec<TextRow>) {
    let mut members: Vec<Vec<usize>> = vec![Vec::new(); classes];
    for (i, row) in rows.iter().enumerate() {
        members[row.label as usize].push(i);
    }
    let mut rng = Rng::stream(seed, "split");
    let mut out = vec![false; rows.len()];
    for class in &mut members {
        let wanted = (class.len() as f64 * fraction).round() as usize;
        let held_out = wanted.max(1).min(class.len().saturating_sub(1));
        rng.shuffle(class);
        class[..held_out].iter().for_each(|&i| out[i] = true);
    }
    let (mut train, mut held_out) = (Vec::with_capacity(rows.len()), Vec::new());
    for (row, out) in rows.into_iter().zip(out) {
        if out { held_out.push(row) } else { train.push(row) }
    }
    (train, held_out)
}
