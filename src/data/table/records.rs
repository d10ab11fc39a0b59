//! [`Records`]: the rows of a file before header detection.

use csv::StringRecord;

use super::Format;

/// The rows of a file before header detection. Fields without a comment are those of [`Table`].
#[derive(Clone)]
pub(super) struct Records {
    pub(super) records: Vec<StringRecord>,
    /// Row number of each record.
    pub(super) rows: Vec<u64>,
    /// Number of columns, including empty ones at the end.
    pub(super) width: usize,
    pub(super) names: Names,
    pub(super) format: Format,
    pub(super) encoding: &'static str,
    pub(super) separator: u8,
    pub(super) quoting: bool,
    /// The raw cells of records that may have been taken apart (see [`super::raw`]), for each record; empty if there are none.
    pub(super) raw: Vec<Option<StringRecord>>,
    pub(super) notes: Vec<String>,
    pub(super) sheets: Vec<String>,
    pub(super) sheet: Option<String>,
}

/// Where the column names are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Names {
    /// Unknown: the header is detected, and with it other lines above it and below the last row.
    Unknown,
    /// In the first record, which is a row of the file. Nothing is detected.
    First,
    /// In the first record, which is not a row of the file: the format names every value.
    Given,
}

impl Records {
    /// Rows of UTF-8 text, separated by commas.
    pub(super) fn new(records: Vec<StringRecord>, rows: Vec<u64>, names: Names, format: Format) -> Self {
        let width = records.iter().map(StringRecord::len).max().unwrap_or(0);
        Self {
            records,
            rows,
            width,
            names,
            format,
            encoding: encoding_rs::UTF_8.name(),
            separator: b',',
            quoting: true,
            raw: Vec::new(),
            notes: Vec::new(),
            sheets: Vec::new(),
            sheet: None,
        }
    }
}
