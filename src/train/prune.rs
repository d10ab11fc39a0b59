//! Which parts of a trained prompt are pruned (XPrompt): plain arithmetic on their importance.

/// A mask over parts of `width` elements: 0 for the share of the parts in `kept` that matters least and for those that are not in
/// it, else 1. Equal parts go in their order; one part at least stays.
#[must_use]
pub fn mask(importance: &[f32], kept: &[bool], share: f64, width: usize) -> Vec<f32> {
    let mut left: Vec<usize> = (0..importance.len()).filter(|&part| kept[part]).collect();
    let pruned = ((left.len() as f64 * share).floor() as usize).min(left.len().saturating_sub(1));
    left.sort_by(|&a, &b| importance[a].total_cmp(&importance[b]));
    let mut mask = vec![0.0; importance.len() * width];
    for &part in &left[pruned..] {
        mask[part * width..][..width].fill(1.0);
    }
    mask
}

#[cfg(test)]
mod tests {
    use super::mask;

    #[test]
    fn the_least_important_parts_go_first() {
        let importance = [3.0, 1.0, 2.0, 4.0];
        assert_eq!(mask(&importance, &[true; 4], 0.5, 1), [1.0, 0.0, 0.0, 1.0]);
        assert_eq!(mask(&importance, &[true; 4], 0.25, 2), [1.0, 1.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0]);
        // What is gone stays away and does not count.
        assert_eq!(mask(&importance, &[true, false, true, true], 0.4, 1), [1.0, 0.0, 0.0, 1.0]);
        assert_eq!(mask(&importance, &[true, false, true, true], 0.3, 1), [1.0, 0.0, 1.0, 1.0]);
    }

    #[test]
    fn one_part_stays_and_equal_parts_go_in_their_order() {
        assert_eq!(mask(&[1.0, 1.0, 1.0], &[true; 3], 0.4, 1), [0.0, 1.0, 1.0]);
        assert_eq!(mask(&[1.0, 2.0], &[true; 2], 0.99, 1), [0.0, 1.0]);
        assert_eq!(mask(&[1.0, 2.0], &[true, false], 0.99, 1), [1.0, 0.0]);
    }
}
