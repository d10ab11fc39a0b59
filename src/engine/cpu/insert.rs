//! Insertion of prompt rows after the embeddings.

use super::{Scalar, for_rows, row};
use crate::engine::{PROMPT_BIT, RowInfo};

/// `h_t` = its row of the prompt or of the text's hidden states, unchanged: no position, token type or norm (Liu et al. 2022,
/// late prompt tuning).
///
/// * `rows` `[T]`, `prompt` `[P, hidden]` or `[B P, hidden]`, `states` `[T - B P, hidden]` -> `h` `[T, hidden]`
///
/// # Panics
/// If a row's source does not exist.
pub fn insert<F: Scalar>(rows: &[RowInfo], prompt: &[F], states: &[F], h: &mut [F], hidden: usize) {
    assert_eq!(h.len(), rows.len() * hidden, "h is [T, D]");
    for_rows(h, hidden, |t, h| {
        let source = rows[t].source;
        h.copy_from_slice(match source & PROMPT_BIT {
            0 => row(states, hidden, source as usize),
            _ => row(prompt, hidden, (source & !PROMPT_BIT) as usize),
        });
    });
}
