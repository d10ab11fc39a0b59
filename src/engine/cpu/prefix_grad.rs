//! Gradient of [`super::prefix`] with respect to the prefix.

use super::{Scalar, add_scaled};
use crate::engine::GradRows;

/// Sums the gradients of k and v of each prefix row over the examples (in order) into one layer's rows of `d_prefix`, and then
/// sets q, k and v of those rows to 0: no gradient flows from a prefix row into the layer below.
///
/// * `offsets` `[B + 1]`, `d_qkv` `[T, 3 hidden]` or `[B P, 3 hidden]` (in and out) -> `d_prefix` `[2 L P, hidden]` (rows
///   `2 L p + 2 l` and the next; the rest is left as it was)
/// * `layer` l of `layers` L
/// * `made`: the rows of `d_qkv`
pub fn prefix_grad<F: Scalar>(
    offsets: &[u32],
    d_qkv: &mut [F],
    d_prefix: &mut [F],
    layer: usize,
    layers: usize,
    hidden: usize,
    made: GradRows,
) {
    let length = d_prefix.len() / (2 * layers * hidden);
    let starts = &offsets[..offsets.len().saturating_sub(1)];
    for (p, row) in d_prefix.chunks_exact_mut(2 * layers * hidden).enumerate() {
        let d_kv = &mut row[2 * layer * hidden..][..2 * hidden];
        d_kv.fill(F::ZERO);
        for (example, &start) in starts.iter().enumerate() {
            let first = if made == GradRows::All { start as usize } else { example * length };
            let d_qkv = &mut d_qkv[(first + p) * 3 * hidden..][..3 * hidden];
            add_scaled(d_kv, F::ONE, &d_qkv[hidden..]);
            d_qkv.fill(F::ZERO);
        }
    }
}
