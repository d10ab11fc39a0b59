//! Embedding assembly.

use super::layer_norm::normalise;
use super::{Scalar, for_rows, row};
use crate::engine::{PROMPT_BIT, RowInfo};

/// `h_t = LN(source_t + position[t - start])`, where the source is a row of the word table or of the prompt. If there is an
/// update, its row i is added to the source of the i-th text row of every example (Shi and Lipani 2024, DePT).
///
/// * `rows` `[T]`, `table` `[U, D]`, `prompt` `[P, D]` or `[B P, D]`, `update` `[N, D]` (empty: none), `position` `[positions, D]`,
///   `gamma`, `beta` `[D]` -> `h` `[T, D]`
/// * `prompt_length`: prompt rows P of each example, for the number of a text row
/// * `eps`: epsilon of the norm
///
/// # Panics
/// If a row's source, position or update does not exist.
#[allow(clippy::too_many_arguments, reason = "the arguments are the shader's bindings, in their order")]
pub fn embed<F: Scalar>(
    rows: &[RowInfo],
    table: &[F],
    prompt: &[F],
    update: &[F],
    position: &[F],
    gamma: &[F],
    beta: &[F],
    h: &mut [F],
    prompt_length: usize,
    eps: f64,
) {
    let hidden = gamma.len();
    assert_eq!(beta.len(), hidden, "beta is [D]");
    assert_eq!(h.len(), rows.len() * hidden, "h is [T, D]");
    for_rows(h, hidden, |t, h| {
        let RowInfo { start, source, .. } = rows[t];
        let (at, is_prompt) = ((source & !PROMPT_BIT) as usize, source & PROMPT_BIT != 0);
        if !is_prompt && !update.is_empty() {
            text_input(table, update, position, at, t - start as usize, prompt_length, h);
        } else {
            let source = row(if is_prompt { prompt } else { table }, hidden, at);
            let position = row(position, hidden, t - start as usize);
            for ((h, &source), &position) in h.iter_mut().zip(source).zip(position) {
                *h = source + position;
            }
        }
        normalise(h, gamma, beta, eps);
    });
}

/// The norm's input of a text row with an update: row `source` of the table, row `place` of its example.
pub(super) fn text_input<F: Scalar>(
    table: &[F],
    update: &[F],
    position: &[F],
    source: usize,
    place: usize,
    prompt_length: usize,
    x: &mut [F],
) {
    let hidden = x.len();
    let (source, update) = (row(table, hidden, source), row(update, hidden, place - prompt_length));
    for (((x, &source), &update), &position) in x.iter_mut().zip(source).zip(update).zip(row(position, hidden, place)) {
        *x = source + update + position;
    }
}
