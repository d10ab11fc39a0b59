//! Layer norm.

use super::{Scalar, for_row_pairs, row, sum_of};

/// `y = (x - mean) rstd gamma + beta` in every row.
///
/// * `x` `[T, D]`, `gamma`, `beta` `[D]` -> `y` `[T, D]`, `stats` `[T, 2]`: mean and `rstd = 1 / sqrt(variance + eps)`, with
///   the biased variance
pub fn layer_norm<F: Scalar>(x: &[F], gamma: &[F], beta: &[F], y: &mut [F], stats: &mut [F], eps: f64) {
    let hidden = gamma.len();
    assert_eq!(beta.len(), hidden, "beta is [D]");
    assert_eq!(x.len(), y.len(), "y is [T, D]");
    assert_eq!(stats.len() * hidden, x.len() * 2, "stats is [T, 2]");
    for_row_pairs((y, hidden), (stats, 2), |t, y, stats| {
        y.copy_from_slice(row(x, hidden, t));
        let (mean, rstd) = normalise(y, gamma, beta, eps);
        stats.copy_from_slice(&[mean, rstd]);
    });
}

/// Mean and reciprocal standard deviation of one row, in two passes: no cancellation if the mean is large.
#[inline(always)]
pub(super) fn moments<F: Scalar>(x: &[F], eps: f64) -> (F, F) {
    let size = F::from_f64(x.len() as f64);
    let mean = sum_of(x, x, |x, _| x) / size;
    let variance = sum_of(x, x, |x, _| (x - mean) * (x - mean)) / size;
    (mean, F::ONE / (variance + F::from_f64(eps)).sqrt())
}

/// Normalises one row in place and returns its moments.
#[inline(always)]
pub(super) fn normalise<F: Scalar>(x: &mut [F], gamma: &[F], beta: &[F], eps: f64) -> (F, F) {
    let (mean, rstd) = moments(x, eps);
    for ((x, &gamma), &beta) in x.iter_mut().zip(gamma).zip(beta) {
        *x = (*x - mean) * rstd * gamma + beta;
    }
    (mean, rstd)
}
