//! Data files: read, with the file's name in every error, and what is in them in words.

use std::path::Path;

use crate::cli::files;
use crate::cli::output::{count, one_line, table, thousands};
use crate::data::dataset::{ColumnChoice, DataReport};
use crate::data::table::Table;
use crate::error::{Error, Result};

/// Classes of which the counts are listed; of more, the largest and the smallest.
const LISTED_CLASSES: usize = 12;

/// Reads a data file.
///
/// # Errors
/// [`Error::Io`] where it cannot be read, [`Error::Data`] where it is not a table.
pub(crate) fn read(path: &Path) -> Result<Table> {
    in_file(path, Table::from_bytes(&files::read(path)?))
}

/// Puts the file's name before what is wrong with its data.
///
/// # Errors
/// That of `result`.
pub(crate) fn in_file<T>(path: &Path, result: Result<T>) -> Result<T> {
    result.map_err(|error| match error {
        Error::Data { problem, hint, row, column } => {
            Error::Data { problem: format!("{}: {problem}", path.display()), hint, row, column }
        }
        error => error,
    })
}

/// What was found in a data file: a few lines for people.
#[must_use]
pub(crate) fn describe(path: &Path, table: &Table, columns: ColumnChoice, report: &DataReport) -> String {
    let separator = match table.separator {
        '\t' => "tab".to_owned(),
        other => format!("`{other}`"),
    };
    let header = if table.has_header { "with a header" } else { "without a header" };
    let mut lines = vec![
        format!(
            "{}: {} ({}, separated by {separator}, {header})",
            path.display(),
            count(report.rows, "row", "rows"),
            table.encoding
        ),
        format!("text: {}   label: {}", named(table, columns.text), named(table, columns.label)),
    ];
    let mut parts = vec![format!("{} usable", thousands(report.usable))];
    let others = [
        (report.empty, "without text"),
        (report.unlabelled, "without label"),
        (report.ragged, "with too many cells"),
        (report.duplicates, "repeated"),
        (report.contradictory, "contradictory"),
        (report.leaked, "also held out"),
    ];
    parts.extend(others.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{} {what}", thousands(*n))));
    lines.push(parts.join(", "));
    lines.push(classes(report));
    lines.extend(report.notes.iter().map(|note| format!("note: {}", one_line(note, 400))));
    lines.join("\n")
}

fn named(table: &Table, column: usize) -> String {
    format!("`{}` (column {})", one_line(&table.columns[column], 40), column + 1)
}

fn classes(report: &DataReport) -> String {
    let mut sorted: Vec<_> = report.classes.iter().collect();
    // A stable sort: classes of the same size stay in the order of the labels.
    sorted.sort_by_key(|class| std::cmp::Reverse(class.count));
    let mut rows: Vec<Vec<String>> = sorted.iter().map(|class| vec![one_line(&class.name, 40), thousands(class.count)]).collect();
    if rows.len() > LISTED_CLASSES {
        let hidden = rows.len() - LISTED_CLASSES;
        let half = LISTED_CLASSES / 2;
        rows.splice(half..half + hidden, [vec![format!("... {hidden} more")]]);
    }
    format!("{}:\n{}", count(report.classes.len(), "class", "classes"), table(&rows))
}
