//! The frozen encoder.

use js_sys::Uint8Array;
use wasm_bindgen::prelude::*;

use super::thrown;
use crate::model;

/// A frozen encoder with its tokenizer.
#[wasm_bindgen]
pub struct Model {
    pub(super) model: model::Model,
}

#[wasm_bindgen]
impl Model {
    /// From the bytes of `config.json`, `tokenizer.json` and `model.safetensors`. `sha256` is that of the weights, where they
    /// have been checked against it.
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
        let weights = weights.to_vec();
        let model = match sha256 {
            Some(sha256) => model::Model::from_checked(name, config, tokenizer, &weights, sha256),
            None => model::Model::from_bytes(name, config, tokenizer, &weights),
        };
        Ok(Self { model: model.map_err(thrown)? })
    }

    /// Name on the model hub.
    #[wasm_bindgen(getter)]
    pub fn name(&self) -> String {
        self.model.name().to_owned()
    }

    /// SHA-256 of its weights, in hexadecimal.
    #[wasm_bindgen(getter)]
    pub fn sha256(&self) -> String {
        self.model.sha256().to_owned()
    }

    /// Weights: numbers in all of its matrices.
    #[wasm_bindgen(getter)]
    pub fn weights(&self) -> usize {
        self.model.weights().count()
    }

    /// The weights as a `model.safetensors` in half precision. Loaded again with the hash of these, adapters take it for this encoder.
    ///
    /// # Errors
    /// `model` where a weight is too large for half precision.
    pub fn half(&self) -> Result<Vec<u8>, JsValue> {
        model::half::write(self.model.weights()).map_err(thrown)
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
