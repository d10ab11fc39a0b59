//! Importance of the neurons of a feed-forward block.

use super::Scalar;

/// For every neuron, the sum over the examples of the mean absolute activation over an example's rows, so that a long text counts
/// as much as a short one (Huang et al. 2022, FPT, section 3; `abs_activations` in the authors' code, which finally divides by
/// the number of texts).
///
/// * `offsets` `[B + 1]`, `g` `[T, F]` -> `scores` `[F]`
pub fn neuron_scores<F: Scalar>(offsets: &[u32], g: &[F], scores: &mut [F]) {
    scores.fill(F::ZERO);
    let neurons = scores.len();
    for ends in offsets.windows(2) {
        let rows = F::from_f64(f64::from(ends[1] - ends[0]));
        for g in g[ends[0] as usize * neurons..ends[1] as usize * neurons].chunks_exact(neurons) {
            for (score, &g) in scores.iter_mut().zip(g) {
                *score += if g < F::ZERO { -g } else { g } / rows;
            }
        }
    }
}
