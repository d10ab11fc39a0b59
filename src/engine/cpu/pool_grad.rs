//! Gradient of [`super::pool`].

use super::{Scalar, add_scaled, for_rows, row};
use crate::engine::{Pooling, RowInfo};

/// Distributes an example's gradient to its rows: an equal share to each, or all of it to the pooled row.
///
/// * `rows` `[T]`, `d_pooled` `[B, hidden]` -> `d_h` `[T, hidden]`
pub fn pool_grad<F: Scalar>(rows: &[RowInfo], d_pooled: &[F], d_h: &mut [F], pooling: Pooling, hidden: usize) {
    assert_eq!(d_h.len(), rows.len() * hidden, "d_h is [T, D]");
    for_rows(d_h, hidden, |t, d_h| {
        let RowInfo { start, end, example, .. } = rows[t];
        let share = match pooling {
            Pooling::Mean => F::ONE / F::from_f64(f64::from(end - start)),
            Pooling::MeanFrom(r) if t >= (start + r) as usize => F::ONE / F::from_f64(f64::from(end - start - r)),
            Pooling::Row(r) if t == (start + r) as usize => F::ONE,
            Pooling::MeanFrom(_) | Pooling::Row(_) => F::ZERO,
        };
        d_h.fill(F::ZERO);
        add_scaled(d_h, share, row(d_pooled, hidden, example as usize));
    });
}
