//! The frozen encoder.

use js_sys::Uint8Array;
use wasm_bindgen::prelude::*;

use serde::Serialize;

use super::{plain, thrown};
use crate::encoder::Encoder;
use crate::error::Error;
use crate::model::{config, files, folder, half};

#[derive(Serialize)]
struct Description {
    layers: usize,
    hidden: usize,
    bytes: f64,
    largest: f64,
}

/// Copies JavaScript's bytes into the crate's memory. Returns an error if there is no memory; running out of it would abort the
/// module.
fn copied(source: &Uint8Array) -> Result<Vec<u8>, Error> {
    let size = source.length() as usize;
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(size).map_err(|_| {
        let problem = format!("there is not enough memory for the {size} bytes of model.safetensors: a page has 4 GB in total");
        Error::model(problem, "use a smaller encoder, or the command line")
    })?;
    bytes.resize(size, 0);
    source.copy_to(&mut bytes);
    Ok(bytes)
}

/// Chooses the files of an encoder from the paths of a folder's files.
///
/// # Errors
/// `model`, with what is missing, what was found instead, and what to do.
#[wasm_bindgen]
pub fn choose_encoder(paths: Vec<String>) -> Result<JsValue, JsValue> {
    plain(&folder::choose(&paths).map_err(thrown)?)
}

/// The `tokenizer.json` of a folder as `{ bytes, notes }`: converted from a `vocab.txt`, or with the settings of the
/// `tokenizer_config.json` next to it. `path` is the path of the file with these bytes.
///
/// # Errors
/// `model`, with the file whose content is not what its name says.
#[wasm_bindgen]
pub fn encoder_tokenizer(
    path: &str,
    bytes: Vec<u8>,
    config: Option<Vec<u8>>,
    added: Option<Vec<u8>>,
) -> Result<JsValue, JsValue> {
    let (bytes, notes) = files::tokenizer_of(path, bytes, config.as_deref(), added.as_deref()).map_err(thrown)?;
    let made = js_sys::Object::new();
    js_sys::Reflect::set(&made, &"bytes".into(), &Uint8Array::from(bytes.as_slice()))?;
    js_sys::Reflect::set(&made, &"notes".into(), &plain(&notes)?)?;
    Ok(made.into())
}

/// Joins the shards of a `model.safetensors` to one file.
///
/// # Errors
/// `model`, with the shard that cannot be read.
#[wasm_bindgen]
pub fn join_shards(names: Vec<String>, shards: Vec<Uint8Array>) -> Result<Uint8Array, JsValue> {
    let shards = shards.iter().map(copied).collect::<Result<Vec<_>, _>>().map_err(thrown)?;
    let named: Vec<(&str, &[u8])> = names.iter().map(String::as_str).zip(shards.iter().map(Vec::as_slice)).collect();
    Ok(Uint8Array::from(files::joined(&named).map_err(thrown)?.as_slice()))
}

/// A frozen encoder with its tokenizer.
#[wasm_bindgen]
pub struct Model {
    pub(super) model: Encoder,
}

#[wasm_bindgen]
impl Model {
    /// Loads an encoder from the bytes of `config.json`, `tokenizer.json` and `model.safetensors`. `sha256` is the checksum of
    /// the weights, if they have already been checked against it.
    ///
    /// # Errors
    /// `model`, with what is unsupported, missing or of the wrong shape.
    pub fn load(
        name: &str,
        config: &[u8],
        tokenizer: &[u8],
        weights: &Uint8Array,
        sha256: Option<String>,
    ) -> Result<Model, JsValue> {
        let weights = copied(weights).map_err(thrown)?;
        let model = match sha256 {
            Some(sha256) => Encoder::from_checked(name, config, tokenizer, &weights, sha256),
            None => Encoder::from_bytes(name, config, tokenizer, &weights),
        };
        Ok(Self { model: model.map_err(thrown)? })
    }

    /// Name on the model hub.
    #[wasm_bindgen(getter)]
    pub fn name(&self) -> String {
        self.model.name().to_owned()
    }

    /// Notes on its files.
    #[wasm_bindgen(getter)]
    pub fn notes(&self) -> Vec<String> {
        self.model.notes().to_vec()
    }

    /// SHA-256 of its weights, in hexadecimal.
    #[wasm_bindgen(getter)]
    pub fn sha256(&self) -> String {
        self.model.sha256().to_owned()
    }

    /// Number of weights.
    #[wasm_bindgen(getter)]
    pub fn weights(&self) -> usize {
        self.model.weights().count()
    }

    /// The weights as a `model.safetensors` in half precision. If it is loaded with the checksum of the original, adapters accept
    /// it as the same encoder.
    ///
    /// # Errors
    /// `model` if a weight is too large for half precision.
    pub fn half(&self) -> Result<Vec<u8>, JsValue> {
        half::write(self.model.weights()).map_err(thrown)
    }

    /// Describes an encoder by its `config.json`, before the rest is downloaded: `{ layers, hidden, bytes, largest }`, where
    /// `bytes` is the size of its weights in memory, 4 bytes per number, and `largest` the size of the largest weight that is
    /// uploaded to a GPU.
    ///
    /// # Errors
    /// `model`, with the field that is unsupported.
    pub fn describe(config: &[u8]) -> Result<JsValue, JsValue> {
        let spec = config::parse(config).map_err(thrown)?;
        let bytes = 4.0 * spec.elements() as f64;
        let largest = 4.0 * (spec.largest_weight().1 * spec.hidden) as f64;
        plain(&Description { layers: spec.layers, hidden: spec.hidden, bytes, largest })
    }

    /// Transformer layers.
    #[wasm_bindgen(getter)]
    pub fn layers(&self) -> usize {
        self.model.spec().layers
    }

    /// Hidden size.
    #[wasm_bindgen(getter)]
    pub fn hidden(&self) -> usize {
        self.model.spec().hidden
    }
}
