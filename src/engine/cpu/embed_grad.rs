//! Gradient of [`super::embed`] at the prompt.

use super::layer_norm::moments;
use super::layer_norm_grad::input_grad;
use super::{Scalar, for_rows, row};

/// Of every prompt row, the sum of its examples' gradients (in the order of the examples) through the norm. The norm's
/// input is the same in every example, so that summing first is exact and costs one norm instead of B.
///
/// The gradient of an embedding comes in two parts, which are added: along the residual and through the first layer's product.
///
/// * `offsets` `[B + 1]`, `d_residual` `[T, D]`, `d_product` `[B P, D]`, `prompt` `[P, D]`, `position` `[positions, D]`, `gamma`
///   `[D]` -> `d_prompt` `[P, D]`
/// * `eps`: epsilon of the norm
#[allow(clippy::too_many_arguments, reason = "the arguments are the shader's bindings, in their order")]
pub fn embed_grad<F: Scalar>(
    offsets: &[u32],
    d_residual: &[F],
    d_product: &[F],
    prompt: &[F],
    position: &[F],
    gamma: &[F],
    d_prompt: &mut [F],
    eps: f64,
) {
    let hidden = gamma.len();
    assert_eq!(d_prompt.len(), prompt.len(), "d_prompt is [P, D]");
    let length = prompt.len() / hidden;
    for_rows(d_prompt, hidden, |p, d_prompt| {
        let mut d_y = vec![F::ZERO; hidden];
        let examples = offsets.len().saturating_sub(1);
        for (example, &start) in offsets[..examples].iter().enumerate() {
            let (residual, product) = (row(d_residual, hidden, start as usize + p), row(d_product, hidden, example * length + p));
            for ((sum, &residual), &product) in d_y.iter_mut().zip(residual).zip(product) {
                *sum += residual + product;
            }
        }
        let x: Vec<F> = row(prompt, hidden, p).iter().zip(row(position, hidden, p)).map(|(&x, &p)| x + p).collect();
        input_grad(&d_y, &x, moments(&x, eps), gamma, d_prompt);
    });
}
