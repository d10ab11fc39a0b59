//! Gradient of [`super::attention`] at the queries.

use super::{Scalar, add_scaled, dot, for_row_pairs, row};
use crate::engine::RowInfo;

/// With `p = exp(score - lse)` and `ds = p (d_ctx v - delta)`: `d_q = scale sum_s(ds k_s)`.
///
/// * `rows` `[T]`, `qkv` `[T, 3 D]`, `ctx`, `d_ctx` `[T, D]`, `lse` `[T, H]` -> `d_qkv` `[T, 3 D]` (the q third only; the rest
///   is left as it was), `delta` `[T, H]` = `sum(d_ctx ctx)` of each head
/// * `heads`, `head_size`: `D = heads * head_size`
#[allow(clippy::too_many_arguments, reason = "the arguments are the shader's bindings, in their order")]
pub fn attention_grad_query<F: Scalar>(
    rows: &[RowInfo],
    qkv: &[F],
    ctx: &[F],
    d_ctx: &[F],
    lse: &[F],
    d_qkv: &mut [F],
    delta: &mut [F],
    heads: usize,
    head_size: usize,
) {
    let hidden = heads * head_size;
    assert_eq!(d_qkv.len(), rows.len() * 3 * hidden, "d_qkv is [T, 3 D]");
    assert_eq!(qkv.len(), d_qkv.len(), "qkv is [T, 3 D]");
    assert_eq!(delta.len(), rows.len() * heads, "delta is [T, H]");
    let scale = F::ONE / F::from_f64(head_size as f64).sqrt();
    for_row_pairs((d_qkv, 3 * hidden), (delta, heads), |t, d_qkv, delta| {
        let RowInfo { start, end, .. } = rows[t];
        let mut p = vec![F::ZERO; (end - start) as usize];
        for (head, (d_q, delta)) in d_qkv[..hidden].chunks_exact_mut(head_size).zip(delta).enumerate() {
            let part = |t: usize, third: usize| &qkv[(3 * t + third) * hidden + head * head_size..][..head_size];
            let q = part(t, 0);
            let ctx = row(ctx, head_size, t * heads + head);
            let d_ctx = row(d_ctx, head_size, t * heads + head);
            let lse = lse[t * heads + head];
            for (p, s) in p.iter_mut().zip(start as usize..) {
                *p = dot(q, part(s, 1)) * scale - lse;
            }
            p.iter_mut().for_each(|p| *p = p.exp());
            *delta = dot(d_ctx, ctx);
            d_q.fill(F::ZERO);
            for (&p, s) in p.iter().zip(start as usize..) {
                let d_score = p * (dot(d_ctx, part(s, 2)) - *delta);
                add_scaled(d_q, d_score * scale, part(s, 1));
            }
        }
    });
}
