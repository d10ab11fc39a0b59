//! Self-attention inside each example.

use super::{Scalar, add_scaled, dot, for_row_pairs};
use crate::engine::RowInfo;

/// `ctx = softmax(q k^T / sqrt(head size)) v` for every row and head, over the rows of the row's example.
///
/// * `rows` `[T]`, `qkv` `[T, 3 D]` (q, k and v; in each, the heads one after another) -> `ctx` `[T, D]`, `lse` `[T, H]`:
///   the logarithm of the softmax's denominator, from which the backward pass recomputes the softmax
/// * `heads`, `head_size`: `D = heads * head_size`
pub fn attention<F: Scalar>(rows: &[RowInfo], qkv: &[F], ctx: &mut [F], lse: &mut [F], heads: usize, head_size: usize) {
    let hidden = heads * head_size;
    assert_eq!(qkv.len(), rows.len() * 3 * hidden, "qkv is [T, 3 D]");
    assert_eq!(ctx.len(), rows.len() * hidden, "ctx is [T, D]");
    assert_eq!(lse.len(), rows.len() * heads, "lse is [T, H]");
    let scale = F::ONE / F::from_f64(head_size as f64).sqrt();
    for_row_pairs((ctx, hidden), (lse, heads), |t, ctx, lse| {
        let RowInfo { start, end, .. } = rows[t];
        let mut p = vec![F::ZERO; (end - start) as usize];
        for (head, (ctx, lse)) in ctx.chunks_exact_mut(head_size).zip(lse).enumerate() {
            let part = |t: usize, third: usize| &qkv[(3 * t + third) * hidden + head * head_size..][..head_size];
            let q = part(t, 0);
            for (p, s) in p.iter_mut().zip(start as usize..) {
                *p = dot(q, part(s, 1)) * scale;
            }
            // A row attends at least to itself. A NaN score is not the maximum, but the sum is still NaN.
            let max = p.iter().copied().fold(p[0], |max, score| if score > max { score } else { max });
            p.iter_mut().for_each(|p| *p = (*p - max).exp());
            let sum = p.iter().copied().sum::<F>();
            ctx.fill(F::ZERO);
            for (&p, s) in p.iter().zip(start as usize..) {
                add_scaled(ctx, p / sum, part(s, 2));
            }
            *lse = max + F::from_f64(sum.to_f64().ln());
        }
    });
}
