//! Selects the parts of a trained prompt to prune: plain arithmetic on their importance `I_i = E_x |dL(x) / dgamma_i|` under a
//! mask `P^ = gamma P`, by token and then by piece (Ma et al. 2022, "XPrompt: Exploring the Extreme of Prompt Tuning", arXiv
//! 2210.04457, section 3). Since `dL / dgamma_i = <dL / dP_i, P_i>`, it follows from existing gradients.

/// A mask over parts of `width` elements: 0 for the given share of the parts in `active`, the least important ones, and for parts
/// not in `active`; otherwise 1. Equally important parts are pruned in order. With N members, whose parts are concatenated, each
/// is pruned separately: each loses the same share, and at least one part of each remains.
///
/// # Panics
/// If the members have different numbers of parts.
#[must_use]
pub fn mask(importance: &[f32], active: &[bool], share: f64, width: usize, members: usize) -> Vec<f32> {
    assert!(importance.len().is_multiple_of(members), "members have as many parts each");
    let each = importance.len() / members;
    let parts = importance.chunks(each).zip(active.chunks(each));
    parts.flat_map(|(importance, active)| of_one(importance, active, share, width)).collect()
}

fn of_one(importance: &[f32], active: &[bool], share: f64, width: usize) -> Vec<f32> {
    let mut left: Vec<usize> = (0..importance.len()).filter(|&part| active[part]).collect();
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
        assert_eq!(mask(&importance, &[true; 4], 0.5, 1, 1), [1.0, 0.0, 0.0, 1.0]);
        assert_eq!(mask(&importance, &[true; 4], 0.25, 2, 1), [1.0, 1.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0]);
        // What is gone stays away and does not count.
        assert_eq!(mask(&importance, &[true, false, true, true], 0.4, 1, 1), [1.0, 0.0, 0.0, 1.0]);
        assert_eq!(mask(&importance, &[true, false, true, true], 0.3, 1, 1), [1.0, 0.0, 1.0, 1.0]);
    }

    #[test]
    fn one_part_stays_and_equal_parts_go_in_their_order() {
        assert_eq!(mask(&[1.0, 1.0, 1.0], &[true; 3], 0.4, 1, 1), [0.0, 1.0, 1.0]);
        assert_eq!(mask(&[1.0, 2.0], &[true; 2], 0.99, 1, 1), [0.0, 1.0]);
        assert_eq!(mask(&[1.0, 2.0], &[true, false], 0.99, 1, 1), [1.0, 0.0]);
    }

    #[test]
    fn every_member_is_pruned_by_itself() {
        // All that the second member has matters less than anything of the first.
        let importance = [30.0, 10.0, 20.0, 40.0, 0.3, 0.4, 0.1, 0.2];
        assert_eq!(mask(&importance, &[true; 8], 0.5, 1, 2), [1.0, 0.0, 0.0, 1.0, 1.0, 1.0, 0.0, 0.0]);
        assert_eq!(mask(&importance, &[true; 8], 0.99, 1, 2), [0.0, 0.0, 0.0, 1.0, 0.0, 1.0, 0.0, 0.0]);
        assert_eq!(mask(&importance, &[true; 8], 0.5, 1, 1), [1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0]);
        let active = [true, true, true, false, true, false, true, true];
        assert_eq!(mask(&importance, &active, 0.4, 1, 2), [1.0, 0.0, 1.0, 0.0, 1.0, 0.0, 0.0, 1.0]);
    }
}
