//! [`Tokenizer`]: loads the hub's `tokenizer.json` with Hugging Face's `tokenizers` crate.

use std::collections::HashMap;
use std::sync::OnceLock;

#[cfg(not(target_family = "wasm"))]
use rayon::prelude::*;
use tokenizers::{ModelWrapper, NormalizerWrapper, PreTokenizerWrapper, Tokenizer as Inner};

use super::parts::{self, Unknown};
use crate::error::{Error, Result};
use crate::tensors::sha256_hex;

/// Maximum size of the file in bytes. Files on the hub have from half a million (BERT) to about twenty million bytes (250,000
/// tokens); parsed, one takes several times as much memory.
const MAX_BYTES: usize = 1 << 26;

/// A text on which tokenizers with the same tokens differ if they treat capitals, accents, punctuation or scripts differently.
const SAMPLE: &str = "The QUICK brown fox isn't naïve: 3.14 € at café-bar's `#1`, e\u{301}tude\tÀÉÎ groß İstanbul 東京で ภาษาไทย Привет 👍🏽\n\u{200b}end…";

/// A tokenised text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Encoded {
    /// Token ids, `[CLS]` first and `[SEP]` last (or the special tokens of the encoder's own template).
    pub ids: Vec<u32>,
    /// Number of tokens truncated from the end of the text.
    pub cut: usize,
}

/// Converts texts to token ids.
pub struct Tokenizer {
    inner: Inner,
    /// Special tokens before the text, `[CLS]`.
    before: Vec<u32>,
    /// Special tokens after the text, `[SEP]`.
    after: Vec<u32>,
    max_id: u32,
    /// The unknown token, if there is one.
    unknown: Option<u32>,
    /// Whether each word can be tokenised independently, see [`splits_at_spaces`].
    by_words: bool,
    /// See [`Tokenizer::sha256`]; empty until it is asked for.
    sha256: OnceLock<String>,
}

impl Tokenizer {
    /// Reads the hub's `tokenizer.json`. Its padding and truncation settings are ignored: batches are packed, and the maximum
    /// length is a setting of the run.
    ///
    /// # Errors
    /// [`Error::Model`] if it is too large, cannot be read, has no unknown token, or adds no special tokens.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        const HINT: &str = "use the tokenizer.json from the same place as the weights";
        if bytes.len() > MAX_BYTES {
            return Err(Error::model(format!("tokenizer.json has {} bytes; the limit is {MAX_BYTES}", bytes.len()), HINT));
        }
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let unknown =
            parts::check(bytes).map_err(|problem| Error::model(format!("tokenizer.json cannot be read: {problem}"), HINT))?;
        let mut inner =
            Inner::from_bytes(bytes).map_err(|error| Error::model(format!("tokenizer.json cannot be read: {error}"), HINT))?;
        inner.with_padding(None);
        inner.with_truncation(None).map_err(broken)?;

        // The special tokens around a text are determined once, with a word that no template contains. Truncating a text is then
        // truncating a list.
        let text = ids(&inner, "a", false)?;
        let whole = ids(&inner, "a", true)?;
        let at = (!text.is_empty()).then(|| whole.windows(text.len()).position(|window| window == text)).flatten();
        let at = at.ok_or_else(|| Error::model("tokenizer.json produces no tokens for the text \"a\"", HINT))?;
        let (before, after) = (whole[..at].to_vec(), whole[at + text.len()..].to_vec());
        if before.is_empty() || after.is_empty() {
            return Err(Error::model("tokenizer.json adds no special tokens ([CLS], [SEP]) to a text", HINT));
        }
        // A hieroglyph: a tokenizer without an unknown token fails here and not in the middle of a run.
        ids(&inner, "\u{13000}", false)?;
        let max_id = inner.get_vocab(true).into_values().chain(whole).max().unwrap_or(0);
        let by_words = splits_at_spaces(&inner);
        let unknown = match unknown {
            Some(Unknown::Token(token)) => inner.token_to_id(&token),
            Some(Unknown::Id(id)) => Some(id),
            None => None,
        };
        Ok(Self { inner, before, after, max_id, unknown, by_words, sha256: OnceLock::new() })
    }

    /// Token ids of a text with its special tokens, at most `max_tokens` in total; a longer text is truncated at the end.
    ///
    /// # Errors
    /// [`Error::Config`] if `max_tokens` leaves no room for the special tokens and one more; [`Error::Model`] if the tokenizer
    /// fails.
    pub fn encode(&self, text: &str, max_tokens: usize) -> Result<Encoded> {
        Ok(self.framed(self.pieces(text)?, self.room(max_tokens)?))
    }

    /// [`Tokenizer::encode`] of many texts, in order; natively in parallel. If the tokenizer allows it, each word is tokenised
    /// only once for many texts.
    ///
    /// # Errors
    /// Those of [`Tokenizer::encode`].
    pub fn encode_batch<T: AsRef<str> + Sync>(&self, texts: &[T], max_tokens: usize) -> Result<Vec<Encoded>> {
        let room = self.room(max_tokens)?;
        // The texts of a chunk share a cache of words. There are more chunks than threads, because some take longer.
        #[cfg(not(target_family = "wasm"))]
        let chunks = texts.par_chunks(texts.len().div_ceil(4 * rayon::current_num_threads()).max(1));
        #[cfg(target_family = "wasm")]
        let chunks = texts.chunks(texts.len().max(1));
        let encoded: Result<Vec<Vec<Encoded>>> = chunks.map(|texts| self.encode_chunk(texts, room)).collect();
        Ok(encoded?.into_iter().flatten().collect())
    }

    fn encode_chunk<T: AsRef<str>>(&self, texts: &[T], room: usize) -> Result<Vec<Encoded>> {
        // For each word, the range of its tokens in `pieces`.
        let mut words: HashMap<&str, (usize, usize)> = HashMap::new();
        let mut pieces: Vec<u32> = Vec::new();
        let mut encoded = Vec::with_capacity(texts.len());
        for text in texts.iter().map(AsRef::as_ref) {
            if !self.by_words {
                encoded.push(self.framed(self.pieces(text)?, room));
                continue;
            }
            let mut ids = Vec::new();
            for word in text.split(' ').filter(|word| !word.is_empty()) {
                let (begin, end) = match words.get(word) {
                    Some(&place) => place,
                    None => {
                        let begin = pieces.len();
                        pieces.extend(self.pieces(word)?);
                        words.insert(word, (begin, pieces.len()));
                        (begin, pieces.len())
                    }
                };
                ids.extend_from_slice(&pieces[begin..end]);
            }
            encoded.push(self.framed(ids, room));
        }
        Ok(encoded)
    }

    /// Number of tokens that fit beside the special tokens.
    fn room(&self, max_tokens: usize) -> Result<usize> {
        let special = self.before.len() + self.after.len();
        max_tokens.checked_sub(special).filter(|&room| room > 0).ok_or_else(|| {
            let problem = format!("{max_tokens} tokens leave no room for text beside {special} special tokens");
            Error::config("data.max_tokens", problem, format!("use {} or more", special + 1))
        })
    }

    /// The first `room` tokens of a text, enclosed in the special tokens.
    fn framed(&self, text: Vec<u32>, room: usize) -> Encoded {
        let kept = text.len().min(room);
        Encoded { ids: [self.before.as_slice(), &text[..kept], &self.after].concat(), cut: text.len() - kept }
    }

    /// Tokens of a text without special tokens; empty for an empty text.
    ///
    /// # Errors
    /// [`Error::Model`] if the tokenizer fails.
    pub fn pieces(&self, text: &str) -> Result<Vec<u32>> {
        ids(&self.inner, text, false)
    }

    /// The id of the unknown token (`[UNK]`); `None` if any text can be tokenised.
    #[must_use]
    pub fn unknown(&self) -> Option<u32> {
        self.unknown
    }

    /// Number of special tokens around a text.
    #[must_use]
    pub fn special_tokens(&self) -> usize {
        self.before.len() + self.after.len()
    }

    /// One more than the largest id that can occur.
    #[must_use]
    pub fn vocab_size(&self) -> usize {
        (self.max_id as usize).saturating_add(1)
    }

    /// The tokens with ids below `count` that can be part of a text. `None` for an id without a token, for special tokens
    /// (`[CLS]`, `<pad>`) and for unused ones (`[unused12]`). `[count]`.
    #[must_use]
    pub fn words(&self, count: usize) -> Vec<Option<String>> {
        let added = self.inner.get_added_tokens_decoder();
        let word = |id: u32| {
            let token = self.inner.id_to_token(id)?;
            let reserved = token.len() > 2 && token.starts_with('[') && token.ends_with(']');
            let special = added.get(&id).is_some_and(|token| token.special);
            (!reserved && !special).then_some(token)
        };
        (0..count as u32).map(word).collect()
    }

    /// SHA-256 of what the tokenizer does, in hexadecimal: of all its tokens with their ids, and of the token ids of a text with
    /// capitals, accents, punctuation and several scripts. Files that differ only in their formatting have the same.
    ///
    /// # Errors
    /// [`Error::Model`] if the tokenizer fails.
    pub fn sha256(&self) -> Result<&str> {
        if let Some(known) = self.sha256.get() {
            return Ok(known);
        }
        let mut tokens: Vec<(u32, String)> = self.inner.get_vocab(true).into_iter().map(|(token, id)| (id, token)).collect();
        tokens.sort_unstable();
        let mut bytes = Vec::new();
        for (id, token) in &tokens {
            bytes.extend(id.to_le_bytes());
            bytes.extend((token.len() as u64).to_le_bytes());
            bytes.extend(token.as_bytes());
        }
        let ids = [self.before.clone(), self.pieces(SAMPLE)?, self.after.clone()].concat();
        bytes.extend(ids.into_iter().flat_map(u32::to_le_bytes));
        Ok(self.sha256.get_or_init(|| sha256_hex(&bytes)))
    }

    /// Checks that every id has a row in a table of `vocab` word embeddings.
    ///
    /// # Errors
    /// [`Error::Model`] with both sizes.
    pub fn check_vocab(&self, vocab: usize) -> Result<()> {
        if self.vocab_size() <= vocab {
            return Ok(());
        }
        let problem = format!("tokenizer.json has {} tokens, but the encoder has embeddings for {vocab}", self.vocab_size());
        let hint = "tokenizer.json and model.safetensors must be of the same model; if tokens were added, the embeddings \
                    must be resized, too (resize_token_embeddings)";
        Err(Error::model(problem, hint))
    }
}

/// Whether nothing in a tokenizer depends on text across a space (U+0020): BERT's own normalizer works character by character
/// (and combining marks belong to the character before them), its pre-tokenizer always splits at spaces, and no added token
/// contains a space or strips one next to it.
fn splits_at_spaces(inner: &Inner) -> bool {
    let plain = |content: &str| !content.contains(' ');
    matches!(inner.get_normalizer(), Some(NormalizerWrapper::BertNormalizer(_)))
        && matches!(inner.get_pre_tokenizer(), Some(PreTokenizerWrapper::BertPreTokenizer(_)))
        && matches!(inner.get_model(), ModelWrapper::WordPiece(_))
        && inner.get_added_tokens_decoder().values().all(|token| plain(&token.content) && !token.lstrip && !token.rstrip)
}

fn ids(inner: &Inner, text: &str, special: bool) -> Result<Vec<u32>> {
    inner.encode_fast(text, special).map(|encoding| encoding.get_ids().to_vec()).map_err(broken)
}

fn broken(error: impl std::fmt::Display) -> Error {
    Error::model(format!("tokenizer.json does not work: {error}"), "use the tokenizer.json from the same place as the weights")
}
