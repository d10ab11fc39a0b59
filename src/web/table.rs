//! Data files.

use wasm_bindgen::prelude::*;

use super::{parse, plain, thrown};
use crate::config::RunConfig;
use crate::data::table::Table;
use crate::data::view::TableView;

/// Reads a data file: its columns, the guessed ones, its first rows and what was found.
///
/// # Errors
/// `data`, with row and column.
#[wasm_bindgen]
pub fn open_table(bytes: &[u8], config: JsValue) -> Result<JsValue, JsValue> {
    let config: RunConfig = parse(config)?;
    let table = Table::from_bytes(bytes).map_err(thrown)?;
    plain(&TableView::new(table, &config.data))
}
