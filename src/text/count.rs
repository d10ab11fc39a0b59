//! [`TokenCounter`]: counts how much of some texts fits into an encoder's input.

use serde::Serialize;

use super::tokenizer::Tokenizer;
use super::unseen::Unseen;
use crate::error::Result;

/// The counts so far.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[cfg_attr(all(test, not(target_family = "wasm")), derive(ts_rs::TS))]
pub struct TokenCount {
    /// Texts that have been counted.
    pub done: usize,
    /// Number of all texts.
    pub texts: usize,
    /// Tokens of the counted texts, including `[CLS]` and `[SEP]`, before truncation.
    pub tokens: usize,
    /// Maximum number of tokens of a text.
    pub limit: usize,
    /// Texts that are longer and are truncated.
    pub long: usize,
    /// Tokens that are lost by truncation, in total.
    pub cut: usize,
    /// Unknown tokens (`[UNK]`) after truncation: words that the vocabulary lacks.
    pub unknown: usize,
    /// Texts without any token besides `[CLS]` and `[SEP]`.
    pub empty: usize,
    /// Notes for the user, once all texts are counted.
    pub notes: Vec<String>,
}

/// Counts the tokens of texts in chunks, so that the caller can do other things in between.
#[derive(Debug)]
pub struct TokenCounter {
    texts: Vec<String>,
    count: TokenCount,
    unseen: Unseen,
}

impl TokenCounter {
    /// A counter for these texts. `limit` is the maximum number of tokens of a text.
    #[must_use]
    pub fn new(texts: Vec<String>, limit: usize) -> Self {
        let count = TokenCount { texts: texts.len(), limit, ..TokenCount::default() };
        Self { texts, count, unseen: Unseen::default() }
    }

    /// Counts at most `most` more texts.
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
