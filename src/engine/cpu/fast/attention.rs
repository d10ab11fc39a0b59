//! Attention as small matrix products, one head of one example at a time.

use pulp::{Simd, WithSimd};

use super::product::{Panels, columns, pack, pack_transposed, packed_len, panel_width, product, rows, vector_panel};
use super::{dispatch, for_each, split_off, with_scratch};
use crate::engine::cpu::{Scalar, sum_of};

/// Number of query rows per block.
const QUERIES: usize = 48;

/// [`crate::engine::cpu::attention::attention`] for packed examples: `offsets` `[B + 1]`, `qkv` `[T, 3 D]` -> `ctx` `[T, D]`,
/// `lse` `[T, H]`.
pub fn attention(offsets: &[u32], qkv: &[f32], ctx: &mut [f32], lse: &mut [f32], heads: usize, head_size: usize) {
    let hidden = heads * head_size;
    let (rows, mut ctx, mut lse) = (qkv.len() / (3 * hidden), ctx, lse);
    assert_eq!(offsets.last().copied().unwrap_or(0) as usize, rows, "qkv is [T, 3 D]");
    assert_eq!((ctx.len(), lse.len()), (rows * hidden, rows * heads), "ctx is [T, D], lse is [T, H]");
    let mut items = Vec::new();
    for example in offsets.windows(2) {
        let (start, end) = (example[0] as usize, example[1] as usize);
        for first in (start..end).step_by(QUERIES) {
            let rows = QUERIES.min(end - first);
            let (ctx, lse) = (split_off(&mut ctx, rows * hidden), split_off(&mut lse, rows * heads));
            items.push((start, end, first, ctx, lse));
        }
    }
    let width = vector_panel();
    for_each(items, |(start, end, first, ctx, lse)| {
        let n = end - start;
        let sizes = [packed_len(head_size, n, width), packed_len(n, head_size, width), QUERIES * n];
        with_scratch(sizes, |[k, v, p]| dispatch(Forward { qkv, start, n, first, ctx, lse, heads, head_size, k, v, p }));
    });
}

/// A block of query rows of an example.
struct Forward<'a> {
    qkv: &'a [f32],
    /// First row of the example.
    start: usize,
    /// Rows of the example.
    n: usize,
    /// First query row.
    first: usize,
    ctx: &'a mut [f32],
    lse: &'a mut [f32],
    heads: usize,
    head_size: usize,
    /// Scratch: the transposed keys and the values in panels, the probabilities.
    k: &'a mut [f32],
    v: &'a mut [f32],
    p: &'a mut [f32],
}

impl WithSimd for Forward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { qkv, start, n, first, ctx, lse, heads, head_size, k, v, p } = self;
        let (hidden, width) = (heads * head_size, panel_width(simd));
        let stride = 3 * hidden;
        let queries = lse.len() / heads;
        let scale = 1.0 / (head_size as f32).sqrt();
        for head in 0..heads {
            let part = |row: usize, third: usize| &qkv[row * stride + third * hidden + head * head_size..];
            pack_transposed(part(start, 1), stride, head_size, n, width, k);
            pack(part(start, 2), stride, n, head_size, width, v);
            let q = rows(part(first, 0), stride);
            product(simd, q, queries, Panels { data: k, k: head_size, n }, (p, n), false, |_, _, p| multiply(p, scale));
            for (p, lse) in p.chunks_exact_mut(n).zip(lse.chunks_exact_mut(heads)) {
                let max = maximum(p);
                p.iter_mut().for_each(|p| *p = Scalar::exp(*p - max));
                let sum = sum_of(p, p, |p, _| p);
                multiply(p, 1.0 / sum);
                lse[head] = max + sum.ln();
            }
            let v = Panels { data: v, k: n, n: head_size };
            product(simd, rows(p, n), queries, v, (&mut ctx[head * head_size..], hidden), false, |_, _, _| {});
        }
    }
}

/// The gradient of [`attention`]: from `d_ctx` `[T, D]` to `d_qkv`. For each example, only the first `wanted` rows get a
/// gradient, or all; only these are in `d_qkv`, one example after another.
#[allow(clippy::too_many_arguments, reason = "inputs, output and sizes")]
pub fn attention_grad(
    offsets: &[u32],
    qkv: &[f32],
    d_ctx: &[f32],
    lse: &[f32],
    d_qkv: &mut [f32],
    wanted: Option<usize>,
    heads: usize,
    head_size: usize,
) {
    let hidden = heads * head_size;
    let (rows, mut d_qkv) = (qkv.len() / (3 * hidden), d_qkv);
    assert_eq!(offsets.last().copied().unwrap_or(0) as usize, rows, "qkv is [T, 3 D]");
    assert_eq!((d_ctx.len(), lse.len()), (rows * hidden, rows * heads), "d_ctx is [T, D], lse is [T, H]");
    let mut items = Vec::new();
    for example in offsets.windows(2) {
        let (start, n) = (example[0] as usize, (example[1] - example[0]) as usize);
        let wanted = wanted.unwrap_or(n);
        items.push((start, n, wanted, split_off(&mut d_qkv, wanted * 3 * hidden)));
    }
    let width = vector_panel();
    for_each(items, |(start, n, wanted, d_qkv)| {
        let (long, wide) = (packed_len(head_size, n, width), packed_len(n, head_size, width));
        let block = packed_len(QUERIES, head_size, width);
        with_scratch([long, long, wide, block, block, QUERIES * n, QUERIES * n], |scratch| {
            dispatch(Backward { qkv, d_ctx, lse, start, n, wanted, d_qkv, heads, head_size, scratch });
        });
    });
}

/// All rows of an example.
struct Backward<'a> {
    qkv: &'a [f32],
    d_ctx: &'a [f32],
    lse: &'a [f32],
    /// First row of the example.
    start: usize,
    /// Rows of the example.
    n: usize,
    wanted: usize,
    d_qkv: &'a mut [f32],
    heads: usize,
    head_size: usize,
    scratch: [&'a mut [f32]; 7],
}

impl WithSimd for Backward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { qkv, d_ctx, lse, start, n, wanted, d_qkv, heads, head_size, scratch } = self;
        let [k_t, v_t, k, q, d_c, p, d_s] = scratch;
        let (hidden, width) = (heads * head_size, panel_width(simd));
        let stride = 3 * hidden;
        let scale = 1.0 / (head_size as f32).sqrt();
        for head in 0..heads {
            let part = |row: usize, third: usize| &qkv[(start + row) * stride + third * hidden + head * head_size..];
            pack_transposed(part(0, 1), stride, head_size, n, width, k_t);
            pack_transposed(part(0, 2), stride, head_size, n, width, v_t);
            pack(part(0, 1), stride, n, head_size, width, k);
            let (d_q, d_kv) = (head * head_size, hidden + head * head_size);
            for first in (0..n).step_by(QUERIES) {
                let queries = QUERIES.min(n - first);
                let (q_rows, d_c_rows) = (part(first, 0), &d_ctx[(start + first) * hidden + head * head_size..]);
                let (p, d_s) = (&mut p[..queries * n], &mut d_s[..queries * n]);
                product(simd, rows(q_rows, stride), queries, Panels { data: k_t, k: head_size, n }, (p, n), false, |i, _, p| {
                    let lse = lse[(start + first + i) * heads + head];
                    p.iter_mut().for_each(|p| *p = Scalar::exp(*p * scale - lse));
                });
                product(
                    simd,
                    rows(d_c_rows, hidden),
                    queries,
                    Panels { data: v_t, k: head_size, n },
                    (d_s, n),
                    false,
                    |_, _, _| {},
                );
                for (p, d_s) in p.chunks_exact(n).zip(d_s.chunks_exact_mut(n)) {
                    let delta = sum_of(p, d_s, |p, d_p| p * d_p);
                    for (d_s, &p) in d_s.iter_mut().zip(p) {
                        *d_s = p * (*d_s - delta) * scale;
                    }
                }
                if first < wanted {
                    let out = (&mut d_qkv[first * stride + d_q..], stride);
                    let k = Panels { data: k, k: n, n: head_size };
                    product(simd, rows(d_s, n), queries.min(wanted - first), k, out, false, |_, _, _| {});
                }
                pack(q_rows, stride, queries, head_size, width, q);
                pack(d_c_rows, hidden, queries, head_size, width, d_c);
                for (left, right, offset) in [(&*d_s, &*q, d_kv), (&*p, &*d_c, d_kv + hidden)] {
                    let right = Panels { data: right, k: queries, n: head_size };
                    product(simd, columns(left, n), wanted, right, (&mut d_qkv[offset..], stride), first > 0, |_, _, _| {});
                }
            }
        }
    }
}

#[inline(always)]
fn multiply(x: &mut [f32], by: f32) {
    x.iter_mut().for_each(|x| *x *= by);
}

/// The largest element, ignoring NaN.
#[inline(always)]
fn maximum(x: &[f32]) -> f32 {
    const LANES: usize = 16;
    let larger = |a: f32, b: f32| if b > a { b } else { a };
    let (chunks, rest) = x.as_chunks::<LANES>();
    let mut lanes = [f32::NEG_INFINITY; LANES];
    for chunk in chunks {
        for lane in 0..LANES {
            lanes[lane] = larger(lanes[lane], chunk[lane]);
        }
    }
    lanes.iter().chain(rest).fold(f32::NEG_INFINITY, |max, &x| larger(max, x))
}
