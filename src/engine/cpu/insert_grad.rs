//! Gradient of [`super::insert`] with respect to the prompt.

use super::{Scalar, for_rows, row};

/// For every prompt row, the sum of its examples' gradients (in the order of the examples); with `per_example`, the gradient of
/// its only example. It has two parts, as in [`super::embed_grad`]: along the residual and through the first product.
///
/// * `offsets` `[B + 1]`, `d_residual` `[T, hidden]`, `d_product` `[B P, hidden]` or empty -> `d_prompt` `[P, hidden]` or `[B P, hidden]`
pub fn insert_grad<F: Scalar>(
    offsets: &[u32],
    d_residual: &[F],
    d_product: &[F],
    d_prompt: &mut [F],
    hidden: usize,
    per_example: bool,
) {
    let examples = offsets.len().saturating_sub(1);
    let length = prompt_length(d_prompt.len() / hidden, examples, per_example);
    let product = !d_product.is_empty();
    assert!(!product || d_product.len() == examples * length * hidden, "d_product is [B P, D], or empty");
    for_rows(d_prompt, hidden, |p, d_prompt| {
        d_prompt.fill(F::ZERO);
        for example in examples_of(p, length, examples, per_example) {
            let p = p % length;
            let residual = row(d_residual, hidden, offsets[example] as usize + p);
            if !product {
                d_prompt.iter_mut().zip(residual).for_each(|(sum, &residual)| *sum += residual);
                continue;
            }
            let product = row(d_product, hidden, example * length + p);
            for ((sum, &residual), &product) in d_prompt.iter_mut().zip(residual).zip(product) {
                *sum += residual + product;
            }
        }
    });
}

/// Rows P of each example's prompt, if the prompt has `rows` rows, shared or not.
pub(super) fn prompt_length(rows: usize, examples: usize, per_example: bool) -> usize {
    if per_example { rows / examples.max(1) } else { rows }
}

/// The examples that a row of the prompt belongs to.
pub(super) fn examples_of(row: usize, length: usize, examples: usize, per_example: bool) -> std::ops::Range<usize> {
    if per_example { row / length..row / length + 1 } else { 0..examples }
}
