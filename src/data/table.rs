//! Bytes -> [`Table`]: CSV, TSV, JSON and workbooks as they are found in the wild.

mod decode;
mod dialect;
mod join;
mod json;
mod limits;
mod lines;
mod quotes;
mod workbook;
mod written;

use std::collections::HashSet;

use csv::StringRecord;
use serde::Serialize;

use crate::error::{Error, Result};
pub use join::{Joined, Part};
pub use lines::Written;

/// A data file as rows of cells, before anybody has said what its columns mean.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// Name of each column; `column N`, counted from 1, where the file gives none.
    pub columns: Vec<String>,
    /// Whether the names are the file's own first row.
    pub has_header: bool,
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
    /// What the reader should know about the file: damaged bytes, rows of other lengths, odd quotes.
    pub notes: Vec<String>,
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

/// First cells by which a header is known. Lower case.
#[rustfmt::skip]
const HEADER_WORDS: &[&str] = &[
    "text", "texts", "sentence", "sentences", "message", "label", "labels", "category", "class", "intent", "target", "sentiment",
    "topic", "utterance", "v1", "v2", "label_text", "label_name", "id", "idx", "index",
];

impl Table {
    /// Reads a CSV or TSV file, JSON objects (one a line, or a list of them) or the first sheet with content of a workbook (.xlsx).
    /// Which of them it is, encoding, separator, quoting and header are found by looking; see [`Table`] for the result. A first
    /// line `sep=;`, as spreadsheets write it, is obeyed.
    ///
    /// # Errors
    /// [`Error::Data`] for a file that is empty, binary (it says what it looks like), has a single column, has rows that do not
    /// agree on a number of columns, or a quote that swallows rows; for a line that is no JSON object; for a workbook that is
    /// damaged or protected by a password; and for more than 256 MB (of a workbook also when it is unpacked), 1,048,576 rows or
    /// 16,777,216 cells.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        Self::read(bytes, 2)
    }

    /// The same for a table of so many columns at least.
    fn read(bytes: &[u8], fewest: usize) -> Result<Self> {
        limits::bytes(bytes.len())?;
        if let Some(records) = written::read(bytes) {
            return Self::from_records(records, fewest);
        }
        if workbook::is_workbook(bytes) {
            return Self::from_records(workbook::read(bytes)?, fewest);
        }
        let decoded = decode::decode(bytes)?;
        if let Some(format) = json::format_of(&decoded.text) {
            return Self::from_records(json::read(&decoded, format)?, fewest);
        }
        let (separator, text) = separator_line(&decoded.text);
        let reading = dialect::read(text, separator)?;
        Self::from_records(
            Records {
                records: reading.records,
                rows: reading.rows,
                width: reading.width,
                header: None,
                format: Format::Text,
                encoding: decoded.encoding,
                separator: reading.separator,
                quoting: reading.quotes != quotes::Quotes::None,
                notes: decoded.note.into_iter().chain(reading.note).collect(),
            },
            fewest,
        )
    }

    /// # Errors
    /// [`Error::Data`] for fewer columns than these, and for no rows.
    fn from_records(read: Records, fewest: usize) -> Result<Self> {
        let Records { mut records, mut rows, width, header, format, encoding, separator, quoting, mut notes } = read;
        let empty = |column: usize| records.iter().all(|record| record.get(column).is_none_or(|cell| cell.trim().is_empty()));
        let columns = (0..width).rev().find(|&column| !empty(column)).map_or(0, |last| last + 1);
        let has_header = header.unwrap_or_else(|| has_header(&records, columns));
        let header = has_header.then(|| (records.remove(0), rows.remove(0))).map(|(record, _)| record);
        if columns < fewest {
            return Err(Error::data("only one column has any content", "each row needs a text and a label"));
        }
        if records.is_empty() {
            return Err(Error::data("the file has a header but no rows", "give a file with a text and a label in each row"));
        }
        limits::cells(records.len(), columns)?;

        let (mut ragged, mut short) = (Vec::new(), Vec::new());
        for (record, &row) in records.iter().zip(&rows) {
            if record.iter().skip(columns).any(|cell| !cell.trim().is_empty()) {
                ragged.push(row);
            } else if record.len() < columns && record.iter().any(|cell| !cell.trim().is_empty()) {
                short.push(row);
            }
        }
        if !ragged.is_empty() {
            let separator = dialect::name_of(separator);
            notes.push(format!(
                "{} more cells than the {columns} columns; put texts that contain {separator} in double quotes",
                rows_have(&ragged)
            ));
        }
        if !short.is_empty() {
            notes.push(format!(
                "{} fewer cells than the {columns} columns; the missing ones are taken as empty",
                rows_have(&short)
            ));
        }
        let broken = broken_rows(header.as_ref(), &records, &rows, columns);
        if !broken.is_empty() {
            let rows = rows_have(&broken);
            notes.push(format!("{rows} cells in mostly empty columns without a name; the text may have been broken apart there"));
        }
        let name = |column: usize| {
            let name = header.as_ref().and_then(|header| header.get(column)).map(str::trim).filter(|name| !name.is_empty());
            name.map_or_else(|| format!("column {}", column + 1), str::to_owned)
        };
        let cells = |record: &StringRecord| (0..columns).map(|i| record.get(i).unwrap_or_default().to_owned()).collect();
        Ok(Self {
            columns: (0..columns).map(name).collect(),
            has_header,
            rows: records.iter().map(cells).collect(),
            row_numbers: rows,
            ragged,
            format,
            encoding,
            separator: char::from(separator),
            quoting,
            notes,
        })
    }
}

/// A file's rows before anybody has looked for a header. The fields without a comment are those of [`Table`].
struct Records {
    records: Vec<StringRecord>,
    /// Of each record.
    rows: Vec<u64>,
    /// Columns, empty ones at the end too.
    width: usize,
    /// Whether the first record is one; found by looking where the format does not say.
    header: Option<bool>,
    format: Format,
    encoding: &'static str,
    separator: u8,
    quoting: bool,
    notes: Vec<String>,
}

/// Rows with something in a column that has no name and is empty in most rows: the program that wrote the file took a part of a
/// text for another cell.
fn broken_rows(header: Option<&StringRecord>, records: &[StringRecord], rows: &[u64], columns: usize) -> Vec<u64> {
    let Some(header) = header else { return Vec::new() };
    let filled = |record: &StringRecord, column: usize| record.get(column).is_some_and(|cell| !cell.trim().is_empty());
    let nameless = (0..columns).filter(|&column| !filled(header, column));
    let sparse = nameless.filter(|&column| records.iter().filter(|record| filled(record, column)).count() * 2 < records.len());
    let sparse: Vec<usize> = sparse.collect();
    let broken = records.iter().zip(rows).filter(|(record, _)| sparse.iter().any(|&column| filled(record, column)));
    broken.map(|(_, &row)| row).collect()
}

/// `1 row (5) has`, `3 rows (2, 5, 9) have`, `40 rows (2, 5, 9, 11, 12, ...) have`.
pub(super) fn rows_have(rows: &[u64]) -> String {
    let mut list = rows.iter().take(5).map(u64::to_string).collect::<Vec<_>>().join(", ");
    if rows.len() > 5 {
        list.push_str(", ...");
    }
    let (noun, verb) = if rows.len() == 1 { ("row", "has") } else { ("rows", "have") };
    format!("{} {noun} ({list}) {verb}", rows.len())
}

/// The separator that a first line `sep=X` names, and the text with that line blank (a blank line still counts as a row).
fn separator_line(text: &str) -> (Option<u8>, &str) {
    let line = text.lines().next().unwrap_or_default();
    match line.strip_prefix("sep=").map(str::as_bytes) {
        Some(&[separator @ (b',' | b';' | b'\t' | b'|')]) => (Some(separator), &text[line.len()..]),
        _ => (None, text),
    }
}

/// Is the first record a row of names? It is not, if its value for some column whose values repeat (a label) occurs again
/// below, or if it has a number above numbers; otherwise it is, if it holds a usual name, if such a column never repeats it, or
/// if it has a word above a column of numbers or of sentences.
fn has_header(records: &[StringRecord], columns: usize) -> bool {
    let Some((first, rest)) = records.split_first() else { return false };
    let is_number = |cell: &str| cell.trim().parse::<f64>().is_ok();
    // pandas names columns that have no name by their numbers.
    if first.len() == columns && first.iter().enumerate().all(|(i, name)| name == i.to_string()) {
        return rest.iter().any(|record| record.iter().any(|cell| !cell.is_empty() && !is_number(cell)));
    }
    let mut header = false;
    for column in 0..columns {
        let name = first.get(column).unwrap_or_default().trim();
        if name.is_empty() {
            continue;
        }
        let cells: Vec<&str> =
            rest.iter().filter_map(|record| record.get(column)).map(str::trim).filter(|cell| !cell.is_empty()).collect();
        let distinct = cells.iter().collect::<HashSet<_>>();
        let repeats = cells.len() >= 2 && distinct.len() * 2 <= cells.len();
        let numbers = !cells.is_empty() && cells.iter().all(|cell| is_number(cell));
        if (repeats && distinct.contains(&name)) || (numbers && is_number(name)) {
            return false;
        }
        let sentences = cells.iter().filter(|cell| cell.contains(char::is_whitespace)).count() * 10 >= cells.len() * 9;
        let known = HEADER_WORDS.contains(&name.to_lowercase().as_str()) && !distinct.contains(&name);
        header |= known || repeats || numbers || (sentences && !cells.is_empty() && !name.contains(char::is_whitespace));
    }
    header
}
