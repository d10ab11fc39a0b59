//! [`TokenCounter`]: how much of some texts an encoder takes in.

use serde::Serialize;

use super::tokenizer::Tokenizer;
use crate::error::Result;

/// What was counted so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[cfg_attr(all(test, not(target_family = "wasm")), derive(ts_rs::TS))]
pub struct TokenCount {
    /// Texts that are counted.
    pub done: usize,
    /// Texts in all.
    pub texts: usize,
    /// Tokens of those that are counted, with `[CLS]` and `[SEP]`, before any is cut.
    pub tokens: usize,
    /// Longest text in tokens that is taken whole.
    pub limit: usize,
    /// Texts that are longer and lose their end.
    pub long: usize,
    /// Tokens that they lose together.
    pub cut: usize,
}

/// Counts the tokens of texts piece by piece, so that a caller can do other things between.
#[derive(Debug)]
pub struct TokenCounter {
    texts: Vec<String>,
    count: TokenCount,
}

impl TokenCounter {
    /// Nothing is counted yet. `limit` is the longest text in tokens.
    #[must_use]
    pub fn new(texts: Vec<String>, limit: usize) -> Self {
        let count = TokenCount { texts: texts.len(), limit, ..TokenCount::default() };
        Self { texts, count }
    }

    /// Counts at most `most` further texts.
    ///
    /// # Errors
    /// As [`Tokenizer::encode`].
    pub fn go_on(&mut self, tokenizer: &Tokenizer, most: usize) -> Result<TokenCount> {
        let end = self.count.done.saturating_add(most).min(self.texts.len());
        for encoded in tokenizer.encode_batch(&self.texts[self.count.done..end], self.count.limit)? {
            self.count.tokens += encoded.ids.len() + encoded.cut;
            self.count.long += usize::from(encoded.cut > 0);
            self.count.cut += encoded.cut;
        }
        self.count.done = end;
        Ok(self.count)
    }
}
