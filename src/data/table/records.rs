//! [`Records`]: a file's rows before anybody has looked for a header.

use csv::StringRecord;

use super::Format;

/// A file's rows before anybody has looked for a header. The fields without a comment are those of [`Table`].
pub(super) struct Records {
    pub(super) records: Vec<StringRecord>,
    /// Of each record.
    pub(super) rows: Vec<u64>,
    /// Columns, empty ones at the end too.
    pub(super) width: usize,
    pub(super) names: Names,
    pub(super) format: Format,
    pub(super) encoding: &'static str,
    pub(super) separator: u8,
    pub(super) quoting: bool,
    pub(super) notes: Vec<String>,
    pub(super) sheets: Vec<String>,
    pub(super) sheet: Option<String>,
}

/// Where the names of the columns are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Names {
    /// Nobody has said: a header is looked for, and with it lines above it and below the last row.
    Unknown,
    /// In the first record, which is a row of the file. Nothing else is looked for.
    First,
    /// In the first record, which is no row of the file: the format names every value.
    Given,
}

impl Records {
    /// Rows of UTF-8 text with a comma between their cells.
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
            notes: Vec::new(),
            sheets: Vec::new(),
            sheet: None,
        }
    }
}
