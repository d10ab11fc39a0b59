//! Gradient of [`super::attention`] with respect to keys and values.

use super::attention::Sight;
use super::{Scalar, add_scaled, dot, for_rows, row};
use crate::engine::{GradRows, RowInfo};

/// With `p = exp(score - lse)` and `ds = p (d_ctx v - delta)` of every row of the example that attends to this one:
/// `d_k = scale sum(ds q)`, `d_v = sum(p d_ctx)`.
///
/// * `rows` `[T]`, `qkv` `[T, 3 D]`, `d_ctx` `[T, D]`, `lse`, `delta` `[T, H]` -> `d_qkv` `[T, 3 D]` or `[B P, 3 D]` (the k and v
///   thirds only; the rest is left as it was)
/// * `heads`, `head_size`: `D = heads * head_size`
/// * `made`: the rows of `d_qkv`
#[allow(clippy::too_many_arguments, reason = "the arguments are the shader's bindings, in their order")]
pub fn attention_grad_key<F: Scalar>(
    rows: &[RowInfo],
    qkv: &[F],
    d_ctx: &[F],
    lse: &[F],
    delta: &[F],
    d_qkv: &mut [F],
    heads: usize,
    head_size: usize,
    made: GradRows,
    sight: &Sight<'_, F>,
) {
    let hidden = heads * head_size;
    let made = made.list(rows);
    assert_eq!(d_qkv.len(), made.len() * 3 * hidden, "d_qkv is [T, 3 D] or [B P, 3 D]");
    assert_eq!(qkv.len(), rows.len() * 3 * hidden, "qkv is [T, 3 D]");
    let scale = F::ONE / F::from_f64(head_size as f64).sqrt();
    for_rows(d_qkv, 3 * hidden, |i, d_qkv| {
        let t = made[i];
        let RowInfo { start, end, .. } = rows[t];
        let mut p = vec![F::ZERO; (end - start) as usize];
        let (d_k, d_v) = d_qkv[hidden..].split_at_mut(hidden);
        for (head, (d_k, d_v)) in d_k.chunks_exact_mut(head_size).zip(d_v.chunks_exact_mut(head_size)).enumerate() {
            let part = |t: usize, third: usize| &qkv[(3 * t + third) * hidden + head * head_size..][..head_size];
            let (k, v) = (part(t, 1), part(t, 2));
            for (p, s) in p.iter_mut().zip(start as usize..) {
                *p = match sight.of(start, s, t, head, heads) {
                    Some(added) => (dot(part(s, 0), k) * scale + added - lse[s * heads + head]).exp(),
                    None => F::ZERO,
                };
            }
            d_k.fill(F::ZERO);
            d_v.fill(F::ZERO);
            for (&p, s) in p.iter().zip(start as usize..) {
                let d_ctx = row(d_ctx, head_size, s * heads + head);
                let d_score = p * (dot(d_ctx, v) - delta[s * heads + head]);
                add_scaled(d_k, d_score * scale, part(s, 0));
                add_scaled(d_v, p, d_ctx);
            }
        }
    });
}
