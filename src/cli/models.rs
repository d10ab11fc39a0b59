//! Finds and loads encoders: a folder with the encoder's files, or an id whose files are cached or downloaded now.

use std::path::{Path, PathBuf};

use crate::cli::fetch::{self, DEFAULT_MODEL, DEFAULT_WEIGHTS};
use crate::cli::files::{self, Limit};
use crate::cli::progress::Download;
use crate::encoder::Encoder;
use crate::error::{Error, Result};
use crate::model::files::EncoderBytes;
use crate::model::folder::choose;
use crate::tensors::sha256_hex;

/// How encoders are found.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Models {
    /// Never download.
    pub offline: bool,
    /// How downloads are shown.
    pub download: Download,
}

impl Models {
    /// Loads the encoder from the folder `name` or, if there is no such folder, the encoder with that id. Prints notes about its
    /// files.
    ///
    /// # Errors
    /// [`Error::Io`] if it is neither or cannot be downloaded; [`Error::Model`] if the encoder is not supported.
    pub(crate) fn load(self, name: &str) -> Result<Encoder> {
        let model = self.find(name)?;
        for note in model.notes() {
            self.download.note(&format!("note: {name}: {note}"));
        }
        Ok(model)
    }

    fn find(self, name: &str) -> Result<Encoder> {
        if Path::new(name).is_dir() {
            return load_folder(name, Path::new(name));
        }
        if !fetch::is_id(name) {
            let hint = format!("pass --model with a folder, or with an id such as {DEFAULT_MODEL}");
            return Err(Error::Io {
                path: name.to_owned(),
                problem: "neither a folder with an encoder nor an id of the hub".to_owned(),
                hint,
            });
        }
        let kept = fetch::folder(name)?;
        let folder = if fetch::is_complete(&kept) { kept } else { self.fetch(name)? };
        load_known(name, &folder)
    }

    /// Downloads the encoder `id` into the cache, unless it is already there and intact, and returns its folder.
    ///
    /// # Errors
    /// As [`fetch::fetch`].
    pub(crate) fn fetch(self, id: &str) -> Result<PathBuf> {
        let folder = fetch::folder(id)?;
        if fetch::is_complete(&folder) && load_known(id, &folder).is_ok() {
            return Ok(folder);
        }
        fetch::fetch(id, self.offline, self.download, |folder| load_known(id, folder).map(drop))
    }
}

/// Loads from a folder of the cache. If the checksum of the weights is known, they must match it.
fn load_known(id: &str, folder: &Path) -> Result<Encoder> {
    let model = load_folder(id, folder)?;
    match fetch::known_weights(id) {
        Some(known) if known != model.sha256() => Err(fetch::damaged(folder, model.sha256(), known)),
        _ => Ok(model),
    }
}

fn load_folder(name: &str, folder: &Path) -> Result<Encoder> {
    let load = || {
        let choice = choose(&files::list(folder)?)?;
        let bytes = EncoderBytes::read(&choice, |path| files::read(&folder.join(path), Limit::ENCODER))?;
        // Known weights get their public name wherever they are, so that the adapter names the same encoder on every machine.
        let sha256 = sha256_hex(&bytes.weights);
        let name = if sha256 == DEFAULT_WEIGHTS { DEFAULT_MODEL } else { name };
        Encoder::from_folder(name, &bytes, sha256)
    };
    load().map_err(|error| error.of_model(&folder.display().to_string()))
}
