//! Input gradient of [`super::layer_norm`].

use super::{Scalar, for_rows, row, sum_of};

/// `d_x = rstd (g - mean(g) - xhat mean(g xhat))` in every row, with `xhat = (x - mean) rstd` and `g = d_y gamma`.
///
/// * `d_y`, `x` `[T, D]`, `stats` `[T, 2]` (mean, rstd), `gamma` `[D]` -> `d_x` `[T, D]`
pub fn layer_norm_grad<F: Scalar>(d_y: &[F], x: &[F], stats: &[F], gamma: &[F], d_x: &mut [F]) {
    let hidden = gamma.len();
    assert_eq!(d_y.len(), d_x.len(), "d_y is [T, D]");
    assert_eq!(x.len(), d_x.len(), "x is [T, D]");
    for_rows(d_x, hidden, |t, d_x| {
        let stats = row(stats, 2, t);
        input_grad(row(d_y, hidden, t), row(x, hidden, t), (stats[0], stats[1]), gamma, d_x);
    });
}

/// The gradient of one row from its moments (mean, rstd).
#[inline(always)]
pub(super) fn input_grad<F: Scalar>(d_y: &[F], x: &[F], (mean, rstd): (F, F), gamma: &[F], d_x: &mut [F]) {
    let size = F::from_f64(x.len() as f64);
    for ((g, &d_y), &gamma) in d_x.iter_mut().zip(d_y).zip(gamma) {
        *g = d_y * gamma;
    }
    let mean_g = sum_of(d_x, x, |g, _| g) / size;
    let mean_gx = sum_of(d_x, x, |g, x| g * (x - mean) * rstd) / size;
    for (g, &x) in d_x.iter_mut().zip(x) {
        *g = rstd * (*g - mean_g - (x - mean) * rstd * mean_gx);
    }
}
