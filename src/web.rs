//! The page's interface to the crate, and the only folder with `wasm_bindgen`. Bytes and plain objects are passed; everything
//! runs in one dedicated worker.

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
    // `to_value` would create `Map`s, which `{...object}` does not copy.
    value.serialize(&serde_wasm_bindgen::Serializer::json_compatible()).map_err(JsValue::from)
}

fn parse<T: DeserializeOwned>(value: JsValue) -> Result<T, JsValue> {
    let wrong = |problem: String| {
        thrown(Error::config("config", problem, "use the fields that default_config() has, with values of the same kind"))
    };
    // Through JSON, because a misspelt field of the object itself would go unnoticed.
    let json: serde_json::Value = serde_wasm_bindgen::from_value(value).map_err(|error| wrong(error.to_string()))?;
    serde_json::from_value(json).map_err(|error| wrong(error.to_string()))
}

fn thrown(error: Error) -> JsValue {
    plain(&error.report()).unwrap_or_else(|_| JsValue::from_str(&error.to_string()))
}

/// Readable panics and log lines in the console; safe to call repeatedly.
#[wasm_bindgen(start)]
pub fn start() {
    static CONSTRUCTED: std::sync::Once = std::sync::Once::new();
    CONSTRUCTED.call_once(construct);
    console_error_panic_hook::set_once();
    // A second call finds that a logger is already set, which is fine.
    let _ = console_log::init_with_level(log::Level::Warn);
}

/// Runs the constructors registered by dependencies. If a module does not do this itself, the linker inserts it before every
/// exported function and on every call, which takes milliseconds for every value that is passed.
#[allow(unsafe_code, reason = "the linker's own function, which has no safe declaration")]
fn construct() {
    unsafe extern "C" {
        fn __wasm_call_ctors();
    }
    // SAFETY: it takes no arguments and is called once, before anything else in this module.
    unsafe { __wasm_call_ctors() }
}

/// A `RunConfig` with all defaults.
///
/// # Errors
/// Cannot fail in practice.
#[wasm_bindgen]
pub fn default_config() -> Result<JsValue, JsValue> {
    plain(&RunConfig::default())
}

/// The settings in groups, with their labels, descriptions, limits and choices.
///
/// # Errors
/// Cannot fail in practice.
#[wasm_bindgen]
pub fn describe_config() -> Result<JsValue, JsValue> {
    plain(describe::groups())
}

/// Throws if a setting is invalid.
///
/// # Errors
/// The first invalid setting.
#[wasm_bindgen]
pub fn validate_config(config: JsValue) -> Result<(), JsValue> {
    parse::<RunConfig>(config)?.validate().map_err(thrown)
}

/// A config with its missing fields filled in, so that callers do not need the defaults of optional parts.
///
/// # Errors
/// `config` for an invalid value.
#[wasm_bindgen]
pub fn complete_config(config: JsValue) -> Result<JsValue, JsValue> {
    plain(&parse::<RunConfig>(config)?)
}

/// Describes the GPU before anything is loaded.
///
/// # Errors
/// Never; a missing GPU is reported as well.
#[wasm_bindgen]
pub async fn detect_device() -> Result<JsValue, JsValue> {
    plain(&compute::detect().await)
}
