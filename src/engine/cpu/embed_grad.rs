//! Gradient of [`super::embed`] with respect to the prompt.

use super::insert_grad::{examples_of, prompt_length};
use super::layer_norm::moments;
use super::layer_norm_grad::input_grad;
use super::{Scalar, for_rows, row};

/// For every prompt row, the sum of its examples' gradients (in the order of the examples) through the norm. The norm's input is
/// the same in every example, so summing first is exact and needs one norm instead of B. With `per_example`, the gradient of its
/// only example.
///
/// The gradient of an embedding has two parts, which are added: along the residual and through the first layer's product. If
/// every row has a gradient ([`crate::engine::GradRows::All`]), `d_residual` is their sum and `d_product` is empty.
///
/// * `offsets` `[B + 1]`, `d_residual` `[T, D]`, `d_product` `[B P, D]` or empty, `prompt` `[P, D]` or `[B P, D]`, `position`
///   `[positions, D]`, `gamma` `[D]` -> `d_prompt`, as `prompt`
/// * `eps`: epsilon of the norm
/// * `per_example`: whether the prompt is `[B P, D]`
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
    per_example: bool,
) {
    let hidden = gamma.len();
    assert_eq!(d_prompt.len(), prompt.len(), "d_prompt is as the prompt");
    let examples = offsets.len().saturating_sub(1);
    let length = prompt_length(prompt.len() / hidden, examples, per_example);
    for_rows(d_prompt, hidden, |at, d_prompt| {
        let mut d_y = vec![F::ZERO; hidden];
        let p = at % length;
        for example in examples_of(at, length, examples, per_example) {
            let residual = row(d_residual, hidden, offsets[example] as usize + p);
            if d_product.is_empty() {
                d_y.iter_mut().zip(residual).for_each(|(sum, &residual)| *sum += residual);
                continue;
            }
            let product = row(d_product, hidden, example * length + p);
            for ((sum, &residual), &product) in d_y.iter_mut().zip(residual).zip(product) {
                *sum += residual + product;
            }
        }
        let x: Vec<F> = row(prompt, hidden, at).iter().zip(row(position, hidden, p)).map(|(&x, &p)| x + p).collect();
        input_grad(&d_y, &x, moments(&x, eps), gamma, d_prompt);
    });
}
