//! Gradient of [`super::embed`] with respect to the update of the text.

use super::embed::text_input;
use super::layer_norm::moments;
use super::layer_norm_grad::input_grad;
use super::{Scalar, add_scaled, for_rows, row};
use crate::engine::RowInfo;

/// For every row i of the update, the sum over the examples with an i-th text row (in the order of the examples) of that row's
/// gradient through the norm. The norm's input is recomputed, because it differs in every example. 0 if no example is that long.
///
/// * `offsets` `[B + 1]`, `rows` `[T]`, `d_h` `[T, D]` (the whole gradient at the embeddings), `table` `[U, D]`, `update` `[N, D]`,
///   `position` `[positions, D]`, `gamma` `[D]` -> `d_update` `[N, D]`
/// * `prompt_length`: prompt rows P of each example
/// * `eps`: epsilon of the norm
#[allow(clippy::too_many_arguments, reason = "the arguments are the shader's bindings, in their order")]
pub fn update_grad<F: Scalar>(
    offsets: &[u32],
    rows: &[RowInfo],
    d_h: &[F],
    table: &[F],
    update: &[F],
    position: &[F],
    gamma: &[F],
    d_update: &mut [F],
    prompt_length: usize,
    eps: f64,
) {
    let hidden = gamma.len();
    assert_eq!(d_h.len(), rows.len() * hidden, "d_h is [T, D]");
    assert_eq!(d_update.len(), update.len(), "d_update is [N, D]");
    for_rows(d_update, hidden, |i, d_update| {
        let (mut x, mut d_x) = (vec![F::ZERO; hidden], vec![F::ZERO; hidden]);
        let place = prompt_length + i;
        d_update.fill(F::ZERO);
        for example in offsets.windows(2) {
            let t = example[0] as usize + place;
            if t >= example[1] as usize {
                continue;
            }
            text_input(table, update, position, rows[t].source as usize, place, prompt_length, &mut x);
            input_grad(row(d_h, hidden, t), &x, moments(&x, eps), gamma, &mut d_x);
            add_scaled(d_update, F::ONE, &d_x);
        }
    });
}
