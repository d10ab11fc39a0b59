//! Converts the files of an encoder to the form that everything else reads: `config.json`, `tokenizer.json`, `model.safetensors`.
//! A `vocab.txt` becomes a `tokenizer.json`, settings of `tokenizer_config.json` are applied to it, and shards are joined.

use super::folder::{FolderChoice, TOKENIZER, VOCABULARY};
use super::foreign::{self, Meant};
use super::spec::EncoderWeights;
use super::{config, weights};
use crate::error::{Error, Result};
use crate::tensors;
use crate::text::settings::followed;
use crate::text::tokenizer::Tokenizer;
use crate::text::vocabulary;

/// The bytes of an encoder's files in that form.
#[derive(Debug, Clone, Copy)]
pub struct EncoderFiles<'a> {
    /// `config.json`.
    pub config: &'a [u8],
    /// `tokenizer.json`.
    pub tokenizer: &'a [u8],
    /// `model.safetensors`.
    pub weights: &'a [u8],
}

/// The content of the files.
pub struct Loaded {
    /// The weights.
    pub weights: EncoderWeights,
    /// The tokenizer.
    pub tokenizer: Tokenizer,
    /// Notes on the files.
    pub notes: Vec<String>,
}

impl EncoderFiles<'_> {
    /// Parses the files.
    ///
    /// # Errors
    /// [`Error::Model`] with the file, what is wrong with it, and what to do.
    pub fn load(&self) -> Result<Loaded> {
        let (spec, mut notes) = config::read(self.config)?;
        // Before the weights, because it is fast.
        check(TOKENIZER, self.tokenizer)?;
        let tokenizer = Tokenizer::from_bytes(self.tokenizer)?;
        let (weights, about) = weights::read(spec, self.weights)?;
        notes.extend(about);
        tokenizer.check_vocab(weights.spec.vocab)?;
        Ok(Loaded { weights, tokenizer, notes })
    }
}

/// The same, owned, with notes on the conversion from the files of a folder.
#[derive(Debug)]
pub struct EncoderBytes {
    /// `config.json`.
    pub config: Vec<u8>,
    /// `tokenizer.json`.
    pub tokenizer: Vec<u8>,
    /// `model.safetensors`.
    pub weights: Vec<u8>,
    /// Notes on the conversion.
    pub notes: Vec<String>,
}

impl EncoderBytes {
    /// Reads and converts the files of a folder; `read` returns the bytes of a path.
    ///
    /// # Errors
    /// Those of `read`, of [`tokenizer_of`] and of [`joined`].
    pub fn read(choice: &FolderChoice, mut read: impl FnMut(&str) -> Result<Vec<u8>>) -> Result<Self> {
        let config = read(&choice.config)?;
        let tokenizer = read(&choice.tokenizer)?;
        let beside = choice.tokenizer_config.as_deref().map(&mut read).transpose()?;
        let added = choice.added_tokens.as_deref().map(&mut read).transpose()?;
        let (tokenizer, notes) = tokenizer_of(&choice.tokenizer, tokenizer, beside.as_deref(), added.as_deref())?;
        let mut weights = choice.weights.iter().map(|path| read(path)).collect::<Result<Vec<_>>>()?;
        let weights = match &weights[..] {
            [_] => weights.swap_remove(0),
            _ => joined(&choice.weights.iter().map(String::as_str).zip(weights.iter().map(Vec::as_slice)).collect::<Vec<_>>())?,
        };
        Ok(Self { config, tokenizer, weights, notes })
    }

    /// The files, borrowed.
    #[must_use]
    pub fn files(&self) -> EncoderFiles<'_> {
        EncoderFiles { config: &self.config, tokenizer: &self.tokenizer, weights: &self.weights }
    }
}

/// The `tokenizer.json` of a folder, with notes. `path` is the path of its `tokenizer.json` or `vocab.txt`, and `bytes` the
/// content. The folder may also have a `tokenizer_config.json` and, for a vocabulary, an `added_tokens.json`.
///
/// # Errors
/// [`Error::Model`] if a file has other content than its name says, or a vocabulary belongs to another kind of tokenizer.
pub fn tokenizer_of(path: &str, bytes: Vec<u8>, config: Option<&[u8]>, added: Option<&[u8]>) -> Result<(Vec<u8>, Vec<String>)> {
    let vocabulary = path.ends_with(VOCABULARY);
    check(if vocabulary { VOCABULARY } else { TOKENIZER }, &bytes)?;
    for (name, bytes) in [("tokenizer_config.json", config), ("added_tokens.json", added)] {
        bytes.map(|bytes| check(name, bytes)).transpose()?;
    }
    if vocabulary {
        return vocabulary::tokenizer_json(&bytes, config, added);
    }
    let changed = config.map(|config| followed(&bytes, config)).transpose()?.flatten();
    Ok(changed.unwrap_or((bytes, Vec::new())))
}

/// Joins shards to one `model.safetensors`; each shard comes with its name.
///
/// # Errors
/// [`Error::Model`] with the shard that cannot be read or repeats a tensor.
pub fn joined(shards: &[(&str, &[u8])]) -> Result<Vec<u8>> {
    for (name, bytes) in shards {
        if let Some((what, hint)) = foreign::recognise(bytes, Meant::Safetensors) {
            return Err(Error::model(format!("{name} {what}"), hint));
        }
    }
    tensors::join(shards)
        .map_err(|problem| Error::model(problem, "put all shards of one model into the folder, complete and undamaged"))
}

fn check(name: &str, bytes: &[u8]) -> Result<()> {
    match foreign::recognise(bytes, Meant::Text) {
        Some((what, hint)) => Err(Error::model(format!("{name} {what}"), hint)),
        None => Ok(()),
    }
}
