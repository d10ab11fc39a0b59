//! Bytes -> [`Table`]: reads CSV, TSV, JSON and workbooks, and detects their details.

mod assemble;
mod bare;
mod decode;
mod dialect;
mod fill;
mod header;
mod join;
mod json;
mod limits;
mod lines;
mod notation;
mod objects;
mod quotes;
mod raw;
mod record;
mod records;
mod styles;
mod text;
mod workbook;
mod written;

use serde::Serialize;

use crate::config::DataConfig;
use crate::error::Result;
use header::HEADER_WORDS;
pub use join::{Joined, Part};
pub use limits::BYTES as LARGEST_FILE;
pub use lines::Written;
use records::Records;

/// A data file as rows of cells. The meaning of the columns is not decided yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// Name of each column; `column N`, counted from 1, if the file does not name it.
    pub columns: Vec<String>,
    /// Whether the names are from the file.
    pub has_header: bool,
    /// Row of the file with the names; `None` if there is no such row (JSON objects name each value).
    pub header_row: Option<u64>,
    /// Cells as in the file, without the header. Each row has as many cells as there are columns.
    pub rows: Vec<Vec<String>>,
    /// Row number of each of [`Self::rows`], ascending: counted from 1 including the header and blank lines, as a spreadsheet
    /// counts (a line break inside a cell does not start a row). In a JSON list: the number of the object, counted from 1.
    pub row_numbers: Vec<u64>,
    /// Row numbers, ascending, of rows with more cells than columns. The extra cells are dropped. Such rows are counted but not
    /// used, because it is unclear which cell belongs to which column.
    pub ragged: Vec<u64>,
    /// The format of the file.
    pub format: Format,
    /// WHATWG name of the encoding.
    pub encoding: &'static str,
    /// The separator between cells; a comma if the format has none.
    pub separator: char,
    /// Whether `"` encloses cells. If not, it is an ordinary character.
    pub quoting: bool,
    /// Notes on the file, such as invalid bytes, rows of different lengths or unusual quotes; one per kind.
    pub notes: Vec<String>,
    /// The first rows of the file as they are, before header detection; empty for formats without a header row.
    pub head: Vec<Line>,
    /// Names of the sheets of a workbook, in order; empty for other files.
    pub sheets: Vec<String>,
    /// The sheet that was read.
    pub sheet: Option<String>,
}

/// A row of the file as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(all(test, not(target_family = "wasm")), derive(ts_rs::TS), ts(rename = "FileLine"))]
pub struct Line {
    /// Its row number, as in [`Table::row_numbers`] and [`DataConfig::header_row`].
    pub row: u64,
    /// Its cells.
    pub cells: Vec<String>,
}

/// A format of table files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(all(test, not(target_family = "wasm")), derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// Cells separated by a character: CSV, TSV.
    Text,
    /// One JSON object per line.
    Jsonl,
    /// A JSON list of objects.
    Json,
    /// An Excel workbook (.xlsx).
    Xlsx,
}

impl Table {
    /// [`Self::read`] without settings: header row and sheet are detected.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        Self::read(bytes, &DataConfig::default())
    }

    /// Reads a CSV or TSV file, JSON (objects, one per line or in a list, and other common shapes) or a sheet of a workbook
    /// (.xlsx). Format, encoding, separator, quoting and header are detected; see [`Table`] for the result. A first line such as
    /// `sep=;`, as written by spreadsheets, sets the separator. Only two settings are used: [`DataConfig::header_row`] and
    /// [`DataConfig::sheet`].
    ///
    /// # Errors
    /// [`crate::error::Error::Data`] for a file that is empty, binary or in another notation (the message names it), has a single
    /// column, has rows with different numbers of columns, or a quote that is closed in a later row; for a line that is not JSON;
    /// for a workbook that is damaged, protected by a password or does not have the named sheet; for a header row that does not
    /// exist; and for more than 256 MB (for a workbook, also when unpacked), 1,048,576 rows or 16,777,216 cells.
    pub fn read(bytes: &[u8], config: &DataConfig) -> Result<Self> {
        Self::read_columns(bytes, config, 2)
    }

    /// The names of a workbook's sheets, also where the one that [`Self::read`] would take is no table; none for other files.
    #[must_use]
    pub fn sheets(bytes: &[u8]) -> Vec<String> {
        if limits::bytes(bytes.len()).is_ok() { workbook::sheets(bytes) } else { Vec::new() }
    }

    /// [`Self::read`] for a table that must have a minimum number of columns.
    fn read_columns(bytes: &[u8], config: &DataConfig, fewest: usize) -> Result<Self> {
        Self::from_records(records_of(bytes, config.sheet.as_deref())?, config.header_row.map(|row| row as u64), fewest)
    }

    /// The same for a second file, such as a held-out file. The sheet in the settings is ignored if the file does not have it. The
    /// header row in the settings is that of the first file: it is used only if it has more of the columns in the settings than
    /// the detected header, or if no header is detected. That a file has no header (row 0) holds for the second one, too.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn read_beside(bytes: &[u8], config: &DataConfig) -> Result<Self> {
        let sheet = config.sheet.clone().filter(|sheet| workbook::has_sheet(bytes, sheet));
        let config = DataConfig { sheet, ..config.clone() };
        if matches!(config.header_row, None | Some(0)) {
            return Self::read(bytes, &config);
        }
        let records = records_of(bytes, config.sheet.as_deref())?;
        let named = Self::from_records(records.clone(), config.header_row.map(|row| row as u64), 2);
        let Ok(detected) = Self::from_records(records, None, 2) else { return named };
        let wanted = [&config.text_column, &config.label_column];
        let columns = |table: &Self| wanted.into_iter().flatten().filter(|name| table.columns.contains(name)).count();
        match named {
            Ok(named) if !detected.has_header || columns(&named) > columns(&detected) => Ok(named),
            _ => Ok(detected),
        }
    }
}

/// The records of a file in any format, before the header is found.
fn records_of(bytes: &[u8], sheet: Option<&str>) -> Result<Records> {
    limits::bytes(bytes.len())?;
    if let Some(records) = written::read(bytes) {
        return Ok(records);
    }
    if workbook::is_workbook(bytes) {
        return workbook::read(bytes, sheet);
    }
    let decoded = decode::decode(bytes)?;
    if let Some(records) = json::read(&decoded)? {
        return Ok(records);
    }
    match notation::read(&decoded)? {
        Some(records) => Ok(records),
        None => text::records(&decoded),
    }
}

/// `1 row (5)`, `3 rows (2, 5, 9)`, `40 rows (2, 5, 9, 11, 12, ...)`.
pub(super) fn rows_list(rows: &[u64]) -> String {
    let mut list = rows.iter().take(5).map(u64::to_string).collect::<Vec<_>>().join(", ");
    if rows.len() > 5 {
        list.push_str(", ...");
    }
    format!("{} {} ({list})", rows.len(), if rows.len() == 1 { "row" } else { "rows" })
}

/// `1 row (5) has`, `3 rows (2, 5, 9) have`, `40 rows (2, 5, 9, 11, 12, ...) have`.
pub(super) fn rows_have(rows: &[u64]) -> String {
    format!("{} {}", rows_list(rows), if rows.len() == 1 { "has" } else { "have" })
}

/// The same with `is` and `are`.
pub(super) fn rows_are(rows: &[u64]) -> String {
    format!("{} {}", rows_list(rows), if rows.len() == 1 { "is" } else { "are" })
}
