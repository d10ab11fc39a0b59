//! [`TableView`]: what the page shows of a data file before training.

use serde::Serialize;

use super::dataset::{ColumnChoice, DataReport, GivenSplit};
use super::table::{Format, Line, Table};
use crate::config::DataConfig;

/// Maximum number of rows in the preview.
const PREVIEW_ROWS: usize = 20;
/// Maximum number of characters of a cell in the preview.
const PREVIEW_LETTERS: usize = 600;
/// Maximum number of classes in the report.
const MOST_CLASSES: usize = 2000;

/// A data file with its guessed or chosen columns.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(all(test, not(target_family = "wasm")), derive(ts_rs::TS))]
pub struct TableView {
    /// Names of the columns.
    pub columns: Vec<String>,
    /// Rows, without the header.
    pub rows: usize,
    /// Whether the file has a header.
    pub has_header: bool,
    /// Row of the file with the column names; `None` if there is none.
    pub header_row: Option<u64>,
    /// The first rows of the file as they are, before header detection: the candidates for the header. Long cells are truncated.
    /// Empty if the format names every value.
    pub head: Vec<Line>,
    /// Names of the sheets of a workbook; empty for other files.
    pub sheets: Vec<String>,
    /// The sheet that was read.
    pub sheet: Option<String>,
    /// The format of the file.
    pub format: Format,
    /// The encoding of the file.
    pub encoding: &'static str,
    /// The separator between cells.
    pub separator: String,
    /// The first rows, at most 20, cell by cell. Long cells are truncated.
    pub preview: Vec<Vec<String>>,
    /// Index of the text column.
    pub text_column: usize,
    /// Index of the label column.
    pub label_column: usize,
    /// Columns that could contain the texts, the chosen one first. Only the chosen one if no other comes close or if it was
    /// named.
    pub text_candidates: Vec<usize>,
    /// Columns that could contain the labels, the chosen one first. Only the chosen one if no other comes close or if it was
    /// named.
    pub label_candidates: Vec<usize>,
    /// Number of classes. The report lists at most the first 2,000.
    pub class_count: usize,
    /// The split column in use; `None` for a random split.
    pub split: Option<GivenSplit>,
    /// Why the split column in the settings cannot be used.
    pub split_problem: Option<String>,
    /// Of the report's notes, the one on the labels that [`DataConfig::merge_labels`] merges, or would merge.
    pub merge_note: Option<String>,
    /// What was found in the rows.
    pub report: DataReport,
}

impl TableView {
    /// Never fails because of the columns: the user must see the rows to correct a wrong guess. If no columns can be guessed, the
    /// first and the last one are shown, with the reason.
    #[must_use]
    pub fn new(table: Table, config: &DataConfig) -> Self {
        let guess = ColumnChoice::guess(&table, config);
        let unsure = guess.as_ref().err().map(ToString::to_string);
        let choice = guess.unwrap_or(ColumnChoice { text: 0, label: table.columns.len() - 1 });
        let (mut report, split) = DataReport::with_split(&table, choice, config);
        let (split, split_problem) = split.map_or_else(|error| (None, Some(error.to_string())), |split| (split, None));
        let merge_note = report.similar_note(config.merge_labels);
        report.notes.extend(unsure);
        let class_count = report.classes.len();
        report.classes.truncate(MOST_CLASSES);
        report.similar_labels.truncate(MOST_CLASSES);
        let candidates = choice.candidates(&table, config);
        Self {
            rows: table.rows.len(),
            has_header: table.has_header,
            header_row: table.header_row,
            head: shown_head(&table.head),
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
            split,
            split_problem,
            merge_note,
            report,
        }
    }
}

/// The first rows of a file, with long cells truncated.
pub(crate) fn shown_head(head: &[Line]) -> Vec<Line> {
    head.iter().map(|line| Line { row: line.row, cells: line.cells.iter().map(|cell| shown(cell)).collect() }).collect()
}

/// The beginning of a cell: displaying a cell of a hundred megabytes would freeze the page.
fn shown(cell: &str) -> String {
    match cell.char_indices().nth(PREVIEW_LETTERS) {
        Some((end, _)) => format!("{}…", &cell[..end]),
        None => cell.to_owned(),
    }
}
