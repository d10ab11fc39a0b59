//! Embedding assembly.

use super::layer_norm::normalise;
use super::{Scalar, for_rows, row};
use crate::engine::{PROMPT_BIT, RowInfo};

/// `h_t = LN(source_t + position[t - start])`, where the source is a row of the word table or of the prompt.
///
/// * `rows` `[T]`, `table` `[U, D]`, `prompt` `[P, D]`, `position` `[positions, D]`, `gamma`, `beta` `[D]` -> `h` `[T, D]`
/// * `eps`: epsilon of the norm
///
/// # Panics
/// Where a row's source or position does not exist.
#[allow(clippy::too_many_arguments, reason = "the arguments are the shader's bindings, in their order")]
pub fn embed<F: Scalar>(
    rows: &[RowInfo],
    table: &[F],
    prompt: &[F],
    position: &[F],
    gamma: &[F],
    beta: &[F],
    h: &mut [F],
    eps: f64,
) {
    let hidden = gamma.len();
    assert_eq!(beta.len(), hidden, "beta is [D]");
    assert_eq!(h.len(), rows.len() * hidden, "h is [T, D]");
    for_rows(h, hidden, |t, h| {
        let RowInfo { start, source, .. } = rows[t];
        let source = match source & PROMPT_BIT {
            0 => row(table, hidden, source as usize),
            _ => row(prompt, hidden, (source & !PROMPT_BIT) as usize),
        };
        let position = row(position, hidden, t - start as usize);
        for ((h, &source), &position) in h.iter_mut().zip(source).zip(position) {
            *h = source + position;
        }
        normalise(h, gamma, beta, eps);
    });
}
