//! Pooling.

use super::{Scalar, for_rows, row};
use crate::engine::Pooling;

/// Reduces the rows of every example to one: their mean, or one of them.
///
/// * `offsets` `[B + 1]`, `h` `[T, hidden]` -> `pooled` `[B, hidden]`
///
/// # Panics
/// If an example does not have the row of [`Pooling::Row`].
pub fn pool<F: Scalar>(offsets: &[u32], h: &[F], pooled: &mut [F], pooling: Pooling, hidden: usize) {
    assert_eq!(pooled.len(), offsets.len().saturating_sub(1) * hidden, "pooled is [B, D]");
    for_rows(pooled, hidden, |example, pooled| {
        let (start, end) = (offsets[example] as usize, offsets[example + 1] as usize);
        match pooling {
            Pooling::Mean | Pooling::MeanFrom(_) => {
                let start = start + pooling.first();
                assert!(start < end, "example {example} has no row to pool");
                let scale = F::ONE / F::from_f64((end - start) as f64);
                pooled.fill(F::ZERO);
                for t in start..end {
                    for (sum, &h) in pooled.iter_mut().zip(row(h, hidden, t)) {
                        *sum += h;
                    }
                }
                pooled.iter_mut().for_each(|sum| *sum *= scale);
            }
            Pooling::Row(r) => {
                assert!(start + (r as usize) < end, "example {example} has no row {r}");
                pooled.copy_from_slice(row(h, hidden, start + r as usize));
            }
        }
    });
}
