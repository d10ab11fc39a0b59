//! Gradient of [`super::attention`] with respect to queries.

use super::attention::Sight;
use super::{Scalar, add_scaled, dot, for_rows, row};
use crate::engine::{GradRows, RowInfo};

/// With `p = exp(score - lse)` of the keys that a query sees, `delta = sum_s(p_s d_ctx v_s)` and `ds = p (d_ctx v - delta)`: `d_q = scale sum_s(ds_s k_s)`.
///
/// * `rows` `[T]`, `qkv` `[T, 3 D]`, `d_ctx` `[T, D]`, `lse` `[T, H]` -> `d_qkv` `[T, 3 D]` or `[B P, 3 D]` (the q third only;
///   the rest is left as it was), `delta` `[T, H]`
/// * `heads`, `head_size`: `D = heads * head_size`
/// * `made`: the rows of `d_qkv`; `delta` is computed for all
#[allow(clippy::too_many_arguments, reason = "the arguments are the shader's bindings, in their order")]
pub fn attention_grad_query<F: Scalar>(
    rows: &[RowInfo],
    qkv: &[F],
    d_ctx: &[F],
    lse: &[F],
    d_qkv: &mut [F],
    delta: &mut [F],
    heads: usize,
    head_size: usize,
    made: GradRows,
    sight: &Sight<'_, F>,
) {
    let hidden = heads * head_size;
    let made = made.list(rows);
    assert_eq!(qkv.len(), rows.len() * 3 * hidden, "qkv is [T, 3 D]");
    assert_eq!(d_qkv.len(), made.len() * 3 * hidden, "d_qkv is [T, 3 D] or [B P, 3 D]");
    assert_eq!(delta.len(), rows.len() * heads, "delta is [T, H]");
    let scale = F::ONE / F::from_f64(head_size as f64).sqrt();
    let part = |t: usize, third: usize, head: usize| &qkv[(3 * t + third) * hidden + head * head_size..][..head_size];
    // p of every key, of row t and a head.
    let attend = |t: usize, head: usize, p: &mut Vec<F>| {
        let RowInfo { start, end, .. } = rows[t];
        let q = part(t, 0, head);
        p.clear();
        p.extend((start as usize..end as usize).map(|s| match sight.of(start, t, s, head, heads) {
            Some(added) => (dot(q, part(s, 1, head)) * scale + added - lse[t * heads + head]).exp(),
            None => F::ZERO,
        }));
    };
    for_rows(delta, heads, |t, delta| {
        let mut p = Vec::new();
        for (head, delta) in delta.iter_mut().enumerate() {
            attend(t, head, &mut p);
            let d_ctx = row(d_ctx, head_size, t * heads + head);
            *delta = p.iter().zip(rows[t].start as usize..).map(|(&p, s)| p * dot(d_ctx, part(s, 2, head))).sum();
        }
    });
    let delta = &*delta;
    for_rows(d_qkv, 3 * hidden, |i, d_qkv| {
        let t = made[i];
        let mut p = Vec::new();
        for (head, d_q) in d_qkv[..hidden].chunks_exact_mut(head_size).enumerate() {
            attend(t, head, &mut p);
            let d_ctx = row(d_ctx, head_size, t * heads + head);
            d_q.fill(F::ZERO);
            for (&p, s) in p.iter().zip(rows[t].start as usize..) {
                let d_score = p * (dot(d_ctx, part(s, 2, head)) - delta[t * heads + head]);
                add_scaled(d_q, d_score * scale, part(s, 1, head));
            }
        }
    });
}
