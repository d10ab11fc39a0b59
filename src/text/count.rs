//! [`TokenCounter`]: how much of some texts an encoder takes in.

use serde::Serialize;

use super::tokenizer::Tokenizer;
use super::unseen::Unseen;
use crate::error::Result;

/// What was counted so far.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
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
    /// Tokens that stand for a word which the encoder's vocabulary lacks (`[UNK]`), of those that it takes in.
    pub unknown: usize,
    /// Texts without any token besides `[CLS]` and `[SEP]`.
    pub empty: usize,
    /// What the user should know about these, once all texts are counted.
    pub notes: Vec<String>,
}

/// Counts the tokens of texts piece by piece, so that a caller can do other things between.
#[derive(Debug)]
pub struct TokenCounter {
    texts: Vec<String>,
    count: TokenCount,
    unseen: Unseen,
}

impl TokenCounter {
    /// Nothing is counted yet. `limit` is the longest text in tokens.
    #[must_use]
    pub fn new(texts: Vec<String>, limit: usize) -> Self {
        let count = TokenCount { texts: texts.len(), limit, ..TokenCount::default() };
        Self { texts, count, unseen: Unseen::default() }
    }

    /// Counts at most `most` further texts.
    ///
    /// # Errors
    /// As [`Tokenizer::encode`].
    pub fn count_next(&mut self, tokenizer: &Tokenizer, most: usize) -> Result<TokenCount> {
        let end = self.count.done.saturating_add(most).min(self.texts.len());
        let texts = &self.texts[self.count.done..end];
        for (text, encoded) in texts.iter().zip(tokenizer.encode_batch(texts, self.count.limit)?) {
            self.unseen.add(tokenizer, text, &encoded)?;
            self.count.tokens += encoded.ids.len() + encoded.cut;
            self.count.long += usize::from(encoded.cut > 0);
            self.count.cut += encoded.cut;
        }
        (self.count.unknown, self.count.empty) = (self.unseen.unknown, self.unseen.empty);
        self.count.done = end;
        if end == self.texts.len() {
            self.count.notes = self.unseen.notes();
        }
        Ok(self.count.clone())
    }
}
