//! Bytes -> [`Table`]: CSV, TSV, JSON and workbooks as they are found in the wild.

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
mod quotes;
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
pub use lines::Written;

/// A data file as rows of cells, before anybody has said what its columns mean.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// Name of each column; `column N`, counted from 1, where the file gives none.
    pub columns: Vec<String>,
    /// Whether the names are the file's own.
    pub has_header: bool,
    /// Row of the file that holds the names; none where there is no such row (JSON objects name each value).
    pub header_row: Option<u64>,
    /// Cells as they stand in the file, without the header: each row has as many as there are columns.
    pub rows: Vec<Vec<String>>,
    /// Row of the file of each of [`Self::rows`], rising: counted from 1 with the header and blank lines, as a spreadsheet
    /// counts (a line break inside a cell starts no row). In a JSON list: its objects, counted from 1.
    pub row_numbers: Vec<u64>,
    /// Row numbers, rising, of rows that had more cells than there are columns. The surplus is cut, and nobody can tell which
    /// cell is which, so that these rows are counted but not used.
    pub ragged: Vec<u64>,
    /// What kind of file it is.
    pub format: Format,
    /// WHATWG name of the encoding.
    pub encoding: &'static str,
    /// What separates the cells; a comma where nothing does.
    pub separator: char,
    /// Whether `"` encloses cells (rather than being a letter like any other).
    pub quoting: bool,
    /// What the reader should know about the file: damaged bytes, rows of other lengths, odd quotes; one note a kind.
    pub notes: Vec<String>,
    /// The first rows of the file as they stand, before a header was looked for; empty where rows have no header to look for.
    pub head: Vec<Line>,
    /// Names of the sheets of a workbook, in its order; empty for other files.
    pub sheets: Vec<String>,
    /// The sheet that was read.
    pub sheet: Option<String>,
}

/// A row of a file as it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(all(test, not(target_family = "wasm")), derive(ts_rs::TS), ts(rename = "FileLine"))]
pub struct Line {
    /// Its row number, as [`Table::row_numbers`] counts and [`DataConfig::header_row`] names it.
    pub row: u64,
    /// Its cells.
    pub cells: Vec<String>,
}

/// A kind of table file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(all(test, not(target_family = "wasm")), derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// Cells separated by a character: CSV, TSV.
    Text,
    /// A JSON object a line.
    Jsonl,
    /// A JSON list of objects.
    Json,
    /// An Excel workbook (.xlsx).
    Xlsx,
}

impl Table {
    /// [`Self::read`] with nothing named: header row and sheet are found by looking.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        Self::read(bytes, &DataConfig::default())
    }

    /// Reads a CSV or TSV file, JSON (objects, one a line or in a list, and the other shapes in which programs write a table)
    /// or a sheet of a workbook (.xlsx). Which of them it is, encoding, separator, quoting and header are found by looking;
    /// see [`Table`] for the result. A first line `sep=;`, as spreadsheets write it, is obeyed. Of the settings two are used:
    /// [`DataConfig::header_row`] and [`DataConfig::sheet`].
    ///
    /// # Errors
    /// [`crate::error::Error::Data`] for a file that is empty, binary or of another notation (it says what it looks like), has
    /// a single column, has rows that do not agree on a number of columns, or a quote that swallows rows; for a line that is
    /// no JSON; for a workbook that is damaged, protected by a password or has no such sheet; for a header row that the file
    /// does not have; and for more than 256 MB (of a workbook also when it is unpacked), 1,048,576 rows or 16,777,216 cells.
    pub fn read(bytes: &[u8], config: &DataConfig) -> Result<Self> {
        Self::read_columns(bytes, config, 2)
    }

    /// The same for a table of so many columns at least.
    fn read_columns(bytes: &[u8], config: &DataConfig, fewest: usize) -> Result<Self> {
        limits::bytes(bytes.len())?;
        if let Some(records) = written::read(bytes) {
            return Self::from_records(records, None, fewest);
        }
        let header_row = config.header_row.map(|row| row as u64);
        if workbook::is_workbook(bytes) {
            return Self::from_records(workbook::read(bytes, config.sheet.as_deref())?, header_row, fewest);
        }
        let decoded = decode::decode(bytes)?;
        if let Some(records) = json::read(&decoded)? {
            return Self::from_records(records, header_row, fewest);
        }
        let records = match notation::read(&decoded)? {
            Some(records) => records,
            None => text::records(&decoded)?,
        };
        Self::from_records(records, header_row, fewest)
    }

    /// The same for a file beside the one that the settings are about, such as a held-out file: a sheet that it does not have
    /// is not asked for.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn read_beside(bytes: &[u8], config: &DataConfig) -> Result<Self> {
        let sheet = config.sheet.clone().filter(|sheet| workbook::has_sheet(bytes, sheet));
        Self::read(bytes, &DataConfig { sheet, ..config.clone() })
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
