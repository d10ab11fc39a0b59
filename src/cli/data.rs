//! Reads data files, with the file's name in every error, and describes them.

use std::path::{Path, PathBuf};

use crate::cli::Context;
use crate::cli::files::{self, Limit};
use crate::cli::output::{count, one_line, table, thousands};
use crate::config::DataConfig;
use crate::data::dataset::{ColumnChoice, DataReport, Lengths, held_out_rows};
use crate::data::table::{Format, Table};
use crate::error::Result;

/// Maximum number of classes to list with their counts; of more, the largest and the smallest are listed.
const LISTED_CLASSES: usize = 12;

/// Reads a data file.
///
/// # Errors
/// [`Error::Io`] if it cannot be read, [`Error::Data`] if it is not a table.
pub(crate) fn read(path: &Path, config: &DataConfig) -> Result<Table> {
    in_file(path, Table::read(&bytes(path)?, config))
}

/// The bytes of a data file.
///
/// # Errors
/// [`Error::Io`] if it cannot be read or is too large.
pub(crate) fn bytes(path: &Path) -> Result<Vec<u8>> {
    files::read(path, Limit::TABLE)
}

/// Reads a second file, such as the held-out file. It need not have the sheet that the settings name.
///
/// # Errors
/// As [`read`].
pub(crate) fn read_beside(path: &Path, config: &DataConfig) -> Result<Table> {
    in_file(path, Table::read_beside(&bytes(path)?, config))
}

/// Reads several data files.
///
/// # Errors
/// As [`read`].
pub(crate) fn read_all(paths: &[PathBuf], config: &DataConfig) -> Result<Vec<Table>> {
    paths.iter().map(|path| read(path, config)).collect()
}

/// Several data files as one table, and lines that describe each of them.
///
/// # Errors
/// [`Error::Data`] for a file with other columns.
pub(crate) fn join(paths: &[PathBuf], mut tables: Vec<Table>) -> Result<(Table, Vec<String>)> {
    if tables.len() == 1
        && let Some(table) = tables.pop()
    {
        return Ok((table, Vec::new()));
    }
    let names = paths.iter().map(|path| path.display().to_string());
    let joined = Table::join(names.zip(tables).collect())?;
    let mut lines = Vec::new();
    for part in &joined.parts {
        let last = part.first_row + part.rows as u64 - 1;
        lines.push(format!("{}: {}, numbered {} to {last}", part.name, count(part.rows, "row", "rows"), part.first_row));
        lines.extend(part.notes.iter().map(|note| format!("note: {}: {}", part.name, one_line(note, 400))));
    }
    Ok((joined.table, lines))
}

/// Warns of flags about reading and splitting that have no effect: the header row and the sheet on these tables, of which `table` is
/// the one that is trained on, and the held-out share if something else says which rows are held out.
pub(crate) fn warn_of_idle_flags(context: &Context, config: &DataConfig, tables: &[&Table], held_out: bool) {
    let mut notes = context.given.without_effect_on(config.header_row, tables);
    let split = || {
        let [table, ..] = tables else { return false };
        let columns = ColumnChoice::guess(table, config);
        columns.and_then(|columns| held_out_rows(table, columns, config)).is_ok_and(|rows| rows.is_some())
    };
    let share = "--held-out-fraction";
    if context.given.has(share) && held_out {
        notes.extend(context.given.misplaced(&[share], "--held-out names a file with the held-out rows"));
    } else if context.given.has(share) && split() {
        let why = "the split column says which rows are held out; --split-column none turns that off";
        notes.extend(context.given.misplaced(&[share], why));
    }
    for note in notes {
        context.warn(&note);
    }
}

/// A name for the files: the path of a single one, the number of several.
#[must_use]
pub(crate) fn name(paths: &[PathBuf]) -> String {
    match paths {
        [path] => path.display().to_string(),
        paths => format!("{} files", paths.len()),
    }
}

/// Prefixes data errors with the file's name.
///
/// # Errors
/// The error of `result`.
pub(crate) fn in_file<T>(path: &Path, result: Result<T>) -> Result<T> {
    result.map_err(|error| error.in_file(&path.display().to_string()))
}

/// Describes a data file in a few lines for the terminal.
#[must_use]
pub(crate) fn describe(name: &str, table: &Table, columns: ColumnChoice, report: &DataReport) -> String {
    let header = match table.header_row {
        Some(row) if row > 1 => format!("header in row {row}"),
        _ if table.has_header => "with header".to_owned(),
        _ => "without header".to_owned(),
    };
    let kind = match (table.format, table.separator) {
        (Format::Text, '\t') => format!("{}, separated by tab, {header}", table.encoding),
        (Format::Text, separator) => format!("{}, separated by `{separator}`, {header}", table.encoding),
        (Format::Jsonl, _) => "JSON Lines".to_owned(),
        (Format::Json, _) => "JSON".to_owned(),
        (Format::Xlsx, _) => format!("Excel workbook, {header}"),
    };
    let mut lines = vec![
        format!("{name}: {} ({kind})", count(report.rows, "row", "rows")),
        format!("text: {}   label: {}", named(table, columns.text), named(table, columns.label)),
    ];
    let mut parts = vec![format!("{} usable", thousands(report.usable))];
    let others = [
        (report.empty, "without text"),
        (report.unlabelled, "without label"),
        (report.ragged, "with too many cells"),
        (report.duplicates, "duplicate"),
        (report.contradictory, "contradictory"),
        (report.leaked, "also in the held-out set"),
        (report.set_aside, "left out by the split column"),
    ];
    parts.extend(others.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{} {what}", thousands(*n))));
    lines.push(parts.join(", "));
    let Lengths { shortest, median, longest } = report.lengths;
    lines.push(format!(
        "text length: {} to {} characters, median {}",
        thousands(shortest),
        thousands(longest),
        thousands(median)
    ));
    lines.push(classes(report));
    lines.extend(report.notes.iter().map(|note| format!("note: {}", one_line(note, 400))));
    lines.extend(report.advice.iter().map(|advice| format!("advice: {}", one_line(advice, 400))));
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
