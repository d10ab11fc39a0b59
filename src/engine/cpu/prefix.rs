//! Trained keys and values instead of those of the first rows.

use super::Scalar;

/// Overwrites k and v of the first P rows of every example with those of one layer's prefix (Li and Liang 2021, in the order of
/// PEFT's `PREFIX_TUNING`): k of layer l of prefix row p is row `2 L p + 2 l` of the prefix, v the next.
///
/// * `offsets` `[B + 1]`, `prefix` `[2 L P, hidden]` -> `qkv` `[T, 3 hidden]` (k and v of the prefix rows only; the rest is
///   unchanged)
/// * `layer` l of `layers` L
pub fn prefix<F: Scalar>(offsets: &[u32], prefix: &[F], qkv: &mut [F], layer: usize, layers: usize, hidden: usize) {
    for &start in &offsets[..offsets.len().saturating_sub(1)] {
        for (p, row) in prefix.chunks_exact(2 * layers * hidden).enumerate() {
            let trained = &row[2 * layer * hidden..][..2 * hidden];
            qkv[(start as usize + p) * 3 * hidden + hidden..][..2 * hidden].copy_from_slice(trained);
        }
    }
}
