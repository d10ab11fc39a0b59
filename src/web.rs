//! The page's side of the crate, and the only folder with `wasm_bindgen`. Bytes and plain objects cross; all of it runs in one
//! dedicated worker.

pub mod classifier;
pub mod comparison;
pub mod model;
pub mod run;
pub mod stepper;
pub mod table;
pub mod understanding;

use serde::Serialize;
use serde::de::DeserializeOwned;
use wasm_bindgen::prelude::*;

use crate::config::{RunConfig, describe};
use crate::engine::compute;
use crate::error::{Error, Result};

fn plain<T: Serialize + ?Sized>(value: &T) -> Result<JsValue, JsValue> {
    // `to_value` would make `Map`s, which do not survive `{...object}`.
    value.serialize(&serde_wasm_bindgen::Serializer::json_compatible()).map_err(JsValue::from)
}

fn parse<T: DeserializeOwned>(value: JsValue) -> Result<T, JsValue> {
    let wrong = |problem: String| {
        thrown(Error::config("config", problem, "use the fields that default_config() has, with values of the same kind"))
    };
    // By way of JSON: read from the object itself, a field that is misspelt would go unnoticed.
    let json: serde_json::Value = serde_wasm_bindgen::from_value(value).map_err(|error| wrong(error.to_string()))?;
    serde_json::from_value(json).map_err(|error| wrong(error.to_string()))
}

fn thrown(error: Error) -> JsValue {
    plain(&error.report()).unwrap_or_else(|_| JsValue::from_str(&error.to_string()))
}

/// Readable panics and log lines in the console; safe to call again.
#[wasm_bindgen(start)]
pub fn start() {
    static CONSTRUCTED: std::sync::Once = std::sync::Once::new();
    CONSTRUCTED.call_once(construct);
    console_error_panic_hook::set_once();
    // A second call finds a logger in place, which is what it wants.
    let _ = console_log::init_with_level(log::Level::Warn);
}

/// Runs the constructors that dependencies have registered. A module that does not do this itself has the linker do it, in front of
/// every exported function and at each call of it: milliseconds for every value that crosses.
#[allow(unsafe_code, reason = "the linker's own function, which has no safe declaration")]
fn construct() {
    unsafe extern "C" {
        fn __wasm_call_ctors();
    }
    // SAFETY: it takes nothing, and is called once, before anything else of this module.
    unsafe { __wasm_call_ctors() }
}

/// `RunConfig` with every default.
///
/// # Errors
/// Never, in practice.
#[wasm_bindgen]
pub fn default_config() -> Result<JsValue, JsValue> {
    plain(&RunConfig::default())
}

/// What every setting is: groups of settings with their names, words, limits and choices.
///
/// # Errors
/// Never, in practice.
#[wasm_bindgen]
pub fn describe_config() -> Result<JsValue, JsValue> {
    plain(describe::groups())
}

/// Throws where a setting cannot work.
///
/// # Errors
/// The first such setting.
#[wasm_bindgen]
pub fn validate_config(config: JsValue) -> Result<(), JsValue> {
    parse::<RunConfig>(config)?.validate().map_err(thrown)
}

/// A config with what it leaves out filled in, so that nobody else needs the defaults of its optional parts.
///
/// # Errors
/// `config` for a value of another kind.
#[wasm_bindgen]
pub fn complete_config(config: JsValue) -> Result<JsValue, JsValue> {
    plain(&parse::<RunConfig>(config)?)
}

/// What can be said about the GPU before anything is loaded.
///
/// # Errors
/// Never: no GPU is a report, too.
#[wasm_bindgen]
pub async fn detect_device() -> Result<JsValue, JsValue> {
    plain(&compute::detect().await)
}
