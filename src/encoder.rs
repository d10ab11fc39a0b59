//! [`Encoder`]: a loaded encoder, and the devices that it is open on.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::config::DeviceChoice;
use crate::data::batch::PackedBatch;
use crate::engine::compute::{CHOSEN_BY_YOU, Chosen, choose};
use crate::error::{Error, Result};
use crate::model::files::{EncoderBytes, EncoderFiles, Loaded};
use crate::model::spec::{EncoderSpec, EncoderWeights};
use crate::tensors::sha256_hex;
use crate::text::tokenizer::Tokenizer;

/// A frozen encoder with its tokenizer, loaded from the hub's files. Cheap to clone.
#[derive(Clone)]
pub struct Encoder {
    inner: Arc<Inner>,
}

struct Inner {
    name: String,
    sha256: String,
    files_sha256: String,
    weights: Arc<EncoderWeights>,
    tokenizer: Tokenizer,
    notes: Vec<String>,
    /// Open devices; the weights stay on the GPU between runs.
    devices: Mutex<Vec<(DeviceChoice, Chosen)>>,
}

impl Encoder {
    /// Loads an encoder from the bytes of `config.json`, `tokenizer.json` and `model.safetensors`.
    ///
    /// # Errors
    /// [`Error::Model`] with the unsupported architecture, the missing tensor or the wrong shape.
    pub fn from_bytes(name: &str, config: &[u8], tokenizer: &[u8], weights: &[u8]) -> Result<Self> {
        Self::from_checked(name, config, tokenizer, weights, sha256_hex(weights))
    }

    /// [`Encoder::from_bytes`] if the SHA-256 of `weights`, in lower-case hexadecimal, is already known. Computing it takes
    /// longer than everything else.
    ///
    /// # Errors
    /// As [`Encoder::from_bytes`].
    pub fn from_checked(name: &str, config: &[u8], tokenizer: &[u8], weights: &[u8], sha256: String) -> Result<Self> {
        Self::from_files(name, EncoderFiles { config, tokenizer, weights }, sha256)
    }

    /// An encoder from its files; `sha256` is that of the weights, in lower-case hexadecimal.
    ///
    /// # Errors
    /// As [`Encoder::from_bytes`].
    pub fn from_files(name: &str, files: EncoderFiles<'_>, sha256: String) -> Result<Self> {
        Self::with_notes(name, files, sha256, &[])
    }

    /// An encoder from the files of a folder.
    ///
    /// # Errors
    /// As [`Encoder::from_bytes`].
    pub fn from_folder(name: &str, bytes: &EncoderBytes, sha256: String) -> Result<Self> {
        Self::with_notes(name, bytes.files(), sha256, &bytes.notes)
    }

    fn with_notes(name: &str, files: EncoderFiles<'_>, sha256: String, earlier: &[String]) -> Result<Self> {
        let EncoderFiles { config, tokenizer, .. } = files;
        let files_sha256 = sha256_hex([sha256_hex(config), sha256_hex(tokenizer), sha256.clone()].join("\n").as_bytes());
        let Loaded { weights, tokenizer, notes } = files.load()?;
        let (name, weights, notes) = (name.to_owned(), Arc::new(weights), [earlier, &notes].concat());
        let inner = Inner { name, sha256, files_sha256, weights, tokenizer, notes, devices: Mutex::default() };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Notes on the files.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        &self.inner.notes
    }

    /// The name that it was loaded with, such as a hub id.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// SHA-256 of `model.safetensors`, in hexadecimal.
    #[must_use]
    pub fn sha256(&self) -> &str {
        &self.inner.sha256
    }

    /// SHA-256 over the checksums of all three files, because results also depend on the tokenizer and the config.
    #[must_use]
    pub fn files_sha256(&self) -> &str {
        &self.inner.files_sha256
    }

    /// Sizes of the encoder.
    #[must_use]
    pub fn spec(&self) -> &EncoderSpec {
        &self.inner.weights.spec
    }

    /// The weights on the host.
    #[must_use]
    pub fn weights(&self) -> &Arc<EncoderWeights> {
        &self.inner.weights
    }

    /// The tokenizer.
    #[must_use]
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.inner.tokenizer
    }

    /// Maximum number of tokens of a text after `prompt_length` prompt rows, including `[CLS]` and `[SEP]`; at most `wanted`.
    ///
    /// # Errors
    /// [`Error::Config`] if the prompt leaves no room for text.
    pub fn text_limit(&self, wanted: usize, prompt_length: usize) -> Result<usize> {
        let room = self.spec().max_positions.saturating_sub(prompt_length);
        if room < 3 {
            return Err(Error::config(
                "prompt.length",
                format!(
                    "{prompt_length} virtual tokens leave no room for text in the encoder's {} positions",
                    self.spec().max_positions
                ),
                "use a shorter prompt",
            ));
        }
        Ok(wanted.min(room))
    }

    /// The device for a choice. A device that was opened for the same choice, or an open device of the requested kind, is reused:
    /// its weights are loaded and its kernels compiled.
    ///
    /// # Errors
    /// As [`choose`].
    pub async fn compute(&self, choice: DeviceChoice, sample: &Arc<PackedBatch>) -> Result<Chosen> {
        if let Some(chosen) = self.open(choice) {
            return Ok(chosen);
        }
        let chosen = choose(&self.inner.weights, choice, sample).await?;
        let mut open = self.devices();
        // A second device of the same kind means that the first one has failed.
        open.retain(|(_, earlier)| earlier.compute.gpu != chosen.compute.gpu);
        open.push((choice, chosen.clone()));
        Ok(chosen)
    }

    fn open(&self, choice: DeviceChoice) -> Option<Chosen> {
        let devices = self.devices();
        let mut working = devices.iter().filter(|(_, chosen)| chosen.compute.encoder.check().is_ok());
        if let Some((_, chosen)) = working.clone().find(|(earlier, _)| *earlier == choice) {
            return Some(chosen.clone());
        }
        let gpu = match choice {
            DeviceChoice::Auto => return None,
            DeviceChoice::Gpu => true,
            DeviceChoice::Cpu => false,
        };
        let (_, chosen) = working.find(|(_, chosen)| chosen.compute.gpu == gpu)?;
        Some(Chosen { reason: CHOSEN_BY_YOU.to_owned(), ..chosen.clone() })
    }

    fn devices(&self) -> MutexGuard<'_, Vec<(DeviceChoice, Chosen)>> {
        self.inner.devices.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
