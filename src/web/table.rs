//! Data files.

use js_sys::Uint8Array;
use serde::Serialize;
use wasm_bindgen::prelude::*;

use super::model::Model;
use super::{parse, plain, thrown};
use crate::config::RunConfig;
use crate::data::dataset::{self, ColumnChoice};
use crate::data::edit::{Edit, NewRow};
use crate::data::table::{Part, Table};
use crate::data::view::TableView;
use crate::encoder::Encoder;
use crate::error::Result;
use crate::prompt;
use crate::text::count;

/// Texts that are counted in one call: about ten milliseconds.
const TEXTS_A_TURN: usize = 2000;

/// Reads a data file: its columns, the guessed ones, its first rows and the report.
///
/// # Errors
/// `data`, with row and column.
#[wasm_bindgen]
pub fn open_table(bytes: &[u8], config: JsValue) -> Result<JsValue, JsValue> {
    let config: RunConfig = parse(config)?;
    let table = Table::read(bytes, &config.data).map_err(thrown)?;
    plain(&TableView::new(table, &config.data))
}

/// The same for a held-out file, which is read as in a run: see [`Table::read_beside`].
///
/// # Errors
/// As [`open_table`].
#[wasm_bindgen]
pub fn open_beside(bytes: &[u8], config: JsValue) -> Result<JsValue, JsValue> {
    let config: RunConfig = parse(config)?;
    let table = Table::read_beside(bytes, &config.data).map_err(thrown)?;
    plain(&TableView::new(table, &config.data))
}

/// The names of a workbook's sheets, also where [`open_table`] fails because the sheet that it takes is no table. None for other
/// files.
#[wasm_bindgen]
pub fn sheets_of(bytes: &[u8]) -> Vec<String> {
    Table::sheets(bytes)
}

#[derive(Serialize)]
struct JoinedView {
    rows: usize,
    parts: Vec<Part>,
}

/// Joins files with the same columns: `{ csv, rows, parts }`, where `csv` is the joined table as CSV and `parts` says which of
/// its rows are from which file. `config` says how each file is read, and may be left out.
///
/// # Errors
/// `data`, with the name of the file that cannot be read or has different columns.
#[wasm_bindgen]
pub fn join_tables(names: Vec<String>, files: Vec<Uint8Array>, config: JsValue) -> Result<JsValue, JsValue> {
    // Without settings, header rows and sheets are detected.
    let config = if config.is_undefined() { RunConfig::default() } else { parse(config)? };
    let join = || -> Result<(Vec<u8>, JoinedView)> {
        let read = |(name, bytes): (String, Uint8Array)| {
            let table = Table::read(&bytes.to_vec(), &config.data).map_err(|error| error.in_file(&name))?;
            Ok((name, table))
        };
        let joined = Table::join(names.into_iter().zip(files).map(read).collect::<Result<_>>()?)?;
        Ok((joined.table.to_csv()?, JoinedView { rows: joined.table.rows.len(), parts: joined.parts }))
    };
    let (csv, view) = join().map_err(thrown)?;
    let view = plain(&view)?;
    js_sys::Reflect::set(&view, &"csv".into(), &Uint8Array::from(csv.as_slice()))?;
    Ok(view)
}

/// The held-out texts of a run on these files with these row numbers, in order: `null` for a number that is not a row.
///
/// # Errors
/// `data` for a table that cannot be read, or does not have the columns in the settings.
#[wasm_bindgen]
pub fn row_texts(table: &[u8], held_out: Option<Vec<u8>>, config: JsValue, numbers: Vec<f64>) -> Result<JsValue, JsValue> {
    let config: RunConfig = parse(config)?;
    let numbers: Vec<u64> = numbers.into_iter().map(|number| number as u64).collect();
    let read = || -> Result<Vec<Option<String>>> {
        let held_out = held_out.map(|bytes| Table::read_beside(&bytes, &config.data)).transpose()?;
        dataset::texts_of(&Table::read(table, &config.data)?, held_out.as_ref(), &config.data, &numbers)
    };
    plain(&read().map_err(thrown)?)
}

/// Changes labels or removes rows: the table after `edits` (`{ row, label }`; without a label, the row is removed) as CSV. `row`
/// is the row number in reports. A change applies to every row with the same text.
///
/// # Errors
/// `data` for a table that cannot be read, a row that does not exist, or if no row is left.
#[wasm_bindgen]
pub fn edit_table(bytes: &[u8], config: JsValue, edits: JsValue) -> Result<Vec<u8>, JsValue> {
    let (config, edits): (RunConfig, Vec<Edit>) = (parse(config)?, parse(edits)?);
    let edit = || -> Result<Vec<u8>> {
        let table = Table::read(bytes, &config.data)?;
        table.edited(ColumnChoice::guess(&table, &config.data)?, &edits)?.to_csv()
    };
    edit().map_err(thrown)
}

/// Appends typed rows (`{ text, label }`) to a table and returns it as CSV; without a table, the result has only these rows.
///
/// # Errors
/// `data` for a table that cannot be read and for a row without a text or a label.
#[wasm_bindgen]
pub fn append_rows(bytes: Option<Vec<u8>>, config: JsValue, rows: JsValue) -> Result<Vec<u8>, JsValue> {
    let (config, rows): (RunConfig, Vec<NewRow>) = (parse(config)?, parse(rows)?);
    let append = || -> Result<Vec<u8>> {
        let (mut table, columns) = match bytes {
            Some(bytes) => {
                let table = Table::read(&bytes, &config.data)?;
                let columns = ColumnChoice::guess(&table, &config.data)?;
                (table, columns)
            }
            None => (Table::blank(), ColumnChoice { text: 0, label: 1 }),
        };
        table.append(columns, &rows)?;
        table.to_csv()
    };
    append().map_err(thrown)
}

/// Counts the tokens of the texts of a table, and those that are truncated. It is pulled, because a large table takes seconds.
#[wasm_bindgen]
pub struct TokenCounter {
    model: Encoder,
    counter: count::TokenCounter,
}

#[wasm_bindgen]
impl TokenCounter {
    /// Prepares the count. `config` contains the columns, the maximum length of a text and the length of the prompt.
    ///
    /// # Errors
    /// `data` for a table that cannot be read, `config` if the prompt leaves no room for text.
    pub fn start(model: &Model, table: &[u8], config: JsValue) -> Result<TokenCounter, JsValue> {
        let config: RunConfig = parse(config)?;
        let model = model.model.clone();
        let start = || -> Result<count::TokenCounter> {
            let table = Table::read(table, &config.data)?;
            let columns = ColumnChoice::guess(&table, &config.data)?;
            let length = prompt::method(&config, model.spec()).prompt_length();
            let limit = model.text_limit(config.data.max_tokens, length)?;
            Ok(count::TokenCounter::new(dataset::usable_texts(&table, columns, &config.data), limit))
        };
        let counter = start().map_err(thrown)?;
        Ok(Self { model, counter })
    }

    /// Counts some more texts and returns the counts so far. It is finished when `done` equals `texts`.
    ///
    /// # Errors
    /// `model` if the tokenizer fails.
    #[wasm_bindgen(js_name = next)]
    pub fn count_more(&mut self) -> Result<JsValue, JsValue> {
        plain(&self.counter.count_next(self.model.tokenizer(), TEXTS_A_TURN).map_err(thrown)?)
    }
}
