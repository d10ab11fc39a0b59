//! What an encoder cannot represent in some texts: words that its vocabulary lacks, and texts without any token.

use std::collections::{HashMap, HashSet};

use super::script;
use super::tokenizer::{Encoded, Tokenizer};
use crate::error::Result;

/// Share of unknown tokens from which a note is given.
const WORTH_SAYING: f64 = 0.01;
/// Maximum number of words whose characters are examined.
const MOST_WORDS: usize = 20_000;
/// Maximum number of scripts that a note names.
const NAMED: usize = 3;
/// Length in characters from which a WordPiece tokenizer usually does not split a word.
const LONG_WORD: usize = 100;
const LONG: &str = "words of more than 100 characters";

/// Counts unknown tokens, text by text.
#[derive(Debug, Default)]
pub struct Unseen {
    texts: usize,
    /// Tokens, without special tokens.
    tokens: usize,
    /// Of these, unknown tokens: words that the vocabulary lacks.
    pub unknown: usize,
    /// Texts without any token.
    pub empty: usize,
    /// Texts with unknown tokens only.
    pub lost: usize,
    /// Words that have been examined.
    words: HashSet<String>,
    /// Whether the vocabulary lacks a character.
    lacks: HashMap<char, bool>,
    /// Number of words by what the vocabulary lacks of them.
    missing: HashMap<&'static str, usize>,
}

impl Unseen {
    /// Adds a text and its tokens.
    ///
    /// # Errors
    /// As [`Tokenizer::pieces`].
    pub fn add(&mut self, tokenizer: &Tokenizer, text: &str, encoded: &Encoded) -> Result<()> {
        let tokens = encoded.ids.len().saturating_sub(tokenizer.special_tokens());
        let unknown = match tokenizer.unknown() {
            Some(unknown) => encoded.ids.iter().filter(|&&id| id == unknown).count(),
            None => 0,
        };
        self.texts += 1;
        self.tokens += tokens;
        self.unknown += unknown;
        self.empty += usize::from(tokens == 0);
        self.lost += usize::from(tokens > 0 && unknown == tokens);
        if unknown > 0 {
            for word in text.split_whitespace() {
                self.look(tokenizer, word)?;
            }
        }
        Ok(())
    }

    fn look(&mut self, tokenizer: &Tokenizer, word: &str) -> Result<()> {
        if self.words.len() >= MOST_WORDS || self.words.contains(word) {
            return Ok(());
        }
        self.words.insert(word.to_owned());
        let is_unknown = |text: &str| Ok(tokenizer.pieces(text)?.iter().any(|&id| Some(id) == tokenizer.unknown()));
        if !is_unknown(word)? {
            return Ok(());
        }
        let mut scripts = HashSet::new();
        for c in word.chars() {
            let lacks = match self.lacks.get(&c) {
                Some(&lacks) => lacks,
                None => {
                    let lacks = is_unknown(c.encode_utf8(&mut [0; 4]))?;
                    self.lacks.insert(c, lacks);
                    lacks
                }
            };
            if lacks {
                scripts.insert(script::name(c));
            }
        }
        if scripts.is_empty() && word.chars().count() > LONG_WORD {
            scripts.insert(LONG);
        }
        for script in scripts {
            *self.missing.entry(script).or_default() += 1;
        }
        Ok(())
    }

    /// What the vocabulary lacks, the most frequent first.
    fn lacking(&self) -> Vec<&'static str> {
        let mut found: Vec<_> = self.missing.iter().collect();
        // Equal ones by name, because a map has no order.
        found.sort_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
        found.into_iter().map(|(name, _)| *name).collect()
    }

    /// Notes for the user before training; empty if nearly everything is represented.
    #[must_use]
    pub fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        let share = self.unknown as f64 / self.tokens.max(1) as f64;
        if share >= WORTH_SAYING || self.lost > 0 {
            let lacking = self.lacking();
            let named = &lacking[..lacking.len().min(NAMED)];
            let mut note = format!("{:.1}% of the tokens are unknown to the encoder ([UNK])", share * 100.0);
            if !named.is_empty() {
                note += &format!("; not in its vocabulary: {}", named.join(", "));
            }
            note += ". It cannot distinguish such words";
            if self.lost > 0 {
                note += &format!(", and {} have only such tokens", of(self.lost, self.texts));
            }
            note += ". ";
            note += &match named.first() {
                Some(&LONG) => "Insert spaces into these words".to_owned(),
                _ => match named.iter().find_map(|name| script::encoder_for(name)) {
                    Some(encoder) => format!("Use an encoder whose vocabulary has them, such as {encoder}"),
                    None => "Use an encoder that was trained on such texts".to_owned(),
                },
            };
            notes.push(note);
        }
        if self.empty > 0 {
            notes.push(format!(
                "{} have no tokens: they are empty, or contain only invisible characters",
                of(self.empty, self.texts)
            ));
        }
        notes
    }
}

/// `3 of 40 texts`.
fn of(some: usize, all: usize) -> String {
    format!("{some} of {all} {}", if all == 1 { "text" } else { "texts" })
}
