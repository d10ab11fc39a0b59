//! Self-attention inside each example.

use super::{Scalar, add_scaled, dot, for_row_pairs};
use crate::engine::RowInfo;

/// What an attention adds to its scores, and which keys a query sees.
#[derive(Debug, Clone, Copy)]
pub struct Sight<'a, F> {
    /// `[2 M + 1, H]`: added to the score of a key at distance d (in rows, positive behind the query), the row `M + clamp(d, -M,
    /// M)`. Empty: nothing is added.
    pub bias: &'a [F],
    /// Keys farther away than this are not seen. Rows of the prompt are seen from everywhere and see everything.
    pub window: Option<usize>,
    /// Prompt rows P of each example.
    pub prompt: usize,
}

impl<F: Scalar> Sight<'_, F> {
    /// Every row of the example, without a bias.
    pub const ALL: Self = Sight { bias: &[], window: None, prompt: 0 };

    /// What is added to the score of query `t` and key `s`, which belong to an example that begins at `start`; `None` if the key is
    /// not seen.
    pub(super) fn of(&self, start: u32, t: usize, s: usize, head: usize, heads: usize) -> Option<F> {
        let from_start = |row: usize| row - start as usize;
        let of_prompt = from_start(t.min(s)) < self.prompt;
        if !of_prompt && self.window.is_some_and(|window| t.abs_diff(s) > window) {
            return None;
        }
        if self.bias.is_empty() {
            return Some(F::ZERO);
        }
        let largest = (self.bias.len() / heads - 1) / 2;
        let distance = t.abs_diff(s).min(largest);
        let row = if s < t { largest - distance } else { largest + distance };
        Some(self.bias[row * heads + head])
    }
}

/// `ctx = softmax(q k^T / sqrt(head size) + bias) v` for every row and head, over the rows of the row's example that it sees.
///
/// * `rows` `[T]`, `qkv` `[T, 3 D]` (q, k and v; in each, the heads one after another) -> `ctx` `[T, D]`, `lse` `[T, H]`:
///   the logarithm of the softmax's denominator, from which the backward pass recomputes the softmax
/// * `heads`, `head_size`: `D = heads * head_size`
pub fn attention<F: Scalar>(
    rows: &[RowInfo],
    qkv: &[F],
    ctx: &mut [F],
    lse: &mut [F],
    heads: usize,
    head_size: usize,
    sight: &Sight<'_, F>,
) {
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
            let added = |s: usize| sight.of(start, t, s, head, heads);
            for (p, s) in p.iter_mut().zip(start as usize..) {
                *p = dot(q, part(s, 1)) * scale + added(s).unwrap_or(F::ZERO);
            }
            // A row sees at least itself. A NaN score is not the maximum, but the sum is still NaN.
            let seen = p.iter().copied().zip(start as usize..).filter(|&(_, s)| added(s).is_some()).map(|(score, _)| score);
            let max = seen.fold(p[t - start as usize], |max, score| if score > max { score } else { max });
            for (p, s) in p.iter_mut().zip(start as usize..) {
                *p = if added(s).is_some() { (*p - max).exp() } else { F::ZERO };
            }
            let sum = p.iter().copied().sum::<F>();
            ctx.fill(F::ZERO);
            for (&p, s) in p.iter().zip(start as usize..) {
                add_scaled(ctx, p / sum, part(s, 2));
            }
            *lse = max + F::from_f64(sum.to_f64().ln());
        }
    });
}
