//! [`TableView`]: what there is to see of a data file before anything is trained.

use serde::Serialize;

use super::dataset::{ColumnChoice, DataReport};
use super::table::{Format, Line, Table};
use crate::config::DataConfig;

/// Rows that are shown of a file.
const PREVIEW_ROWS: usize = 20;
/// Letters that are shown of a cell.
const PREVIEW_LETTERS: usize = 600;
/// Classes that are told of.
const MOST_CLASSES: usize = 2000;

/// A data file as it was read, with the columns that were guessed or chosen.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(all(test, not(target_family = "wasm")), derive(ts_rs::TS))]
pub struct TableView {
    /// Names of the columns.
    pub columns: Vec<String>,
    /// Rows, without the header.
    pub rows: usize,
    /// Whether the file names the columns.
    pub has_header: bool,
    /// Row of the file with the names; none where there is none.
    pub header_row: Option<u64>,
    /// The first rows of the file as they stand, before a header was looked for: the rows that can be it. Of a long cell the
    /// beginning. Empty where the format names every value.
    pub head: Vec<Line>,
    /// Names of the sheets of a workbook; empty for other files.
    pub sheets: Vec<String>,
    /// The sheet that was read.
    pub sheet: Option<String>,
    /// What kind of file it is.
    pub format: Format,
    /// How its letters were written.
    pub encoding: &'static str,
    /// What stands between two cells.
    pub separator: String,
    /// The first rows, at most 20, cell by cell; of a long cell the beginning.
    pub preview: Vec<Vec<String>>,
    /// Index of the column of the texts.
    pub text_column: usize,
    /// Index of the column of the labels.
    pub label_column: usize,
    /// Columns that could be the texts, the chosen one first; only it where no other comes close, or where it was named.
    pub text_candidates: Vec<usize>,
    /// Columns that could be the labels, the chosen one first; only it where no other comes close, or where it was named.
    pub label_candidates: Vec<usize>,
    /// Classes; the report has the first 2,000 of more.
    pub class_count: usize,
    /// What was found in its rows.
    pub report: DataReport,
}

impl TableView {
    /// Nothing here fails for the columns' sake: the rows must be seen, so that a wrong guess can be corrected. Where nothing can be
    /// guessed, the first and the last column are shown, with the reason.
    #[must_use]
    pub fn new(table: Table, config: &DataConfig) -> Self {
        let guess = ColumnChoice::guess(&table, config);
        let unsure = guess.as_ref().err().map(ToString::to_string);
        let choice = guess.unwrap_or(ColumnChoice { text: 0, label: table.columns.len() - 1 });
        let mut report = DataReport::with_config(&table, choice, config);
        report.notes.extend(unsure);
        let class_count = report.classes.len();
        report.classes.truncate(MOST_CLASSES);
        report.similar_labels.truncate(MOST_CLASSES);
        let candidates = choice.candidates(&table, config);
        Self {
            rows: table.rows.len(),
            has_header: table.has_header,
            header_row: table.header_row,
            head: table
                .head
                .iter()
                .map(|line| Line { row: line.row, cells: line.cells.iter().map(|cell| shown(cell)).collect() })
                .collect(),
            sheets: table.sheets,
            sheet: table.sheet,
            format: table.format,
            encoding: table.encoding,
            separator: table.separator.to_string(),
            preview: table.rows.iter().take(PREVIEW_ROWS).map(|row| row.iter().map(|cell| shown(cell)).collect()).collect(),
            columns: table.columns,
            text_column: choice.text,
            label_column: choice.label,
            text_candidates: candidates.text,
            label_candidates: candidates.label,
            class_count,
            report,
        }
    }
}

/// The beginning of a cell: a page with one of a hundred megabytes would stand still.
fn shown(cell: &str) -> String {
    match cell.char_indices().nth(PREVIEW_LETTERS) {
        Some((end, _)) => format!("{}…", &cell[..end]),
        None => cell.to_owned(),
    }
}
