//! How much the neurons of a feed-forward block are used.

use super::Scalar;

/// Of every neuron, the sum over the rows of its absolute activation (Huang et al. 2022, FPT, section 3).
///
/// * `g` `[T, F]` -> `scores` `[F]`
pub fn neuron_scores<F: Scalar>(g: &[F], scores: &mut [F]) {
    scores.fill(F::ZERO);
    for g in g.chunks_exact(scores.len()) {
        for (score, &g) in scores.iter_mut().zip(g) {
            *score += if g < F::ZERO { -g } else { g };
        }
    }
}
