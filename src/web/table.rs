//! Data files.

use serde::Serialize;
use wasm_bindgen::prelude::*;

use super::{parse, plain, thrown};
use crate::config::RunConfig;
use crate::data::dataset::{ColumnChoice, DataReport};
use crate::data::table::Table;
use crate::error::Result;

/// Rows that the page shows of a file.
const PREVIEW_ROWS: usize = 20;

#[derive(Serialize)]
struct TableView {
    columns: Vec<String>,
    rows: usize,
    has_header: bool,
    encoding: &'static str,
    separator: String,
    preview: Vec<Vec<String>>,
    text_column: usize,
    label_column: usize,
    report: DataReport,
}

/// Reads a data file: its columns, the guessed ones, its first rows and what was found.
///
/// # Errors
/// `data`, with row and column.
#[wasm_bindgen]
pub fn open_table(bytes: &[u8], config: JsValue) -> Result<JsValue, JsValue> {
    let config: RunConfig = parse(config)?;
    let view = || -> Result<TableView> {
        let table = Table::from_bytes(bytes)?;
        // Nothing here fails for the columns' sake: the page must show the rows, so that a wrong guess can be corrected. Where
        // nothing can be guessed, the first and the last column are shown, with the reason.
        let guess = ColumnChoice::guess(&table, &config.data);
        let unsure = guess.as_ref().err().map(ToString::to_string);
        let choice = guess.unwrap_or(ColumnChoice { text: 0, label: table.columns.len() - 1 });
        let mut report = DataReport::new(&table, choice);
        report.notes.extend(unsure);
        Ok(TableView {
            rows: table.rows.len(),
            has_header: table.has_header,
            encoding: table.encoding,
            separator: table.separator.to_string(),
            preview: table.rows.iter().take(PREVIEW_ROWS).cloned().collect(),
            columns: table.columns,
            text_column: choice.text,
            label_column: choice.label,
            report,
        })
    };
    plain(&view().map_err(thrown)?)
}
