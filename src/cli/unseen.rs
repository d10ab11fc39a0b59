//! Reports what the encoder cannot represent in the texts, before anything is computed with it.

use crate::encoder::Encoder;
use crate::error::Result;
use crate::text::count::TokenCounter;

/// Notes on texts that the encoder cannot represent, each truncated to `max_tokens` tokens. Empty if nearly everything is
/// represented.
///
/// # Errors
/// As [`TokenCounter::count_next`].
pub(crate) fn notes<'a>(model: &Encoder, texts: impl IntoIterator<Item = &'a str>, max_tokens: usize) -> Result<Vec<String>> {
    let texts: Vec<String> = texts.into_iter().map(str::to_owned).collect();
    let all = texts.len();
    let mut counter = TokenCounter::new(texts, model.text_limit(max_tokens, 0)?);
    Ok(counter.count_next(model.tokenizer(), all)?.notes)
}
