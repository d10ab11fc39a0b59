//! Detects the header row, and lines above, below and after the rows that are not part of the data.

use std::collections::HashSet;

use csv::StringRecord;

use super::{record::is_blank, rows_are};
use crate::data::cells::normalised;
use crate::data::names::Named;
use crate::error::{Error, Result};

mod around;
mod below;

pub(super) use around::is_closing;

/// Number of rows that are searched for a header.
const DEPTH: usize = 50;
/// Number of rows below a candidate that are compared with it.
const BELOW: usize = 2000;
/// Maximum number of words in a cell that looks like a name rather than a text.
const NAME_WORDS: usize = 3;
/// Maximum number of characters in such a cell.
const NAME_LETTERS: usize = 40;
/// Minimum number of texts of several words below a single word that make the word a possible column name.
const DOUBT_ROWS: usize = 10;

/// Names that identify a header whatever is below it. Lower case.
#[rustfmt::skip]
pub(super) const HEADER_WORDS: &[&str] = &[
    "text", "texts", "sentence", "sentences", "message", "label", "labels", "category", "class", "intent", "target", "sentiment",
    "topic", "utterance", "v1", "v2", "label_text", "label_name", "id", "idx", "index",
];

/// The role of each record of a file.
#[derive(Debug, Default)]
pub(super) struct Layout {
    /// The record with the column names.
    pub(super) header: Option<usize>,
    /// The column names, if there is a header.
    pub(super) names: Vec<String>,
    /// Records that are neither the header nor rows.
    pub(super) left_out: Vec<usize>,
    pub(super) notes: Vec<String>,
}

impl Layout {
    /// This record is the header, and no record is left out.
    pub(super) fn named(header: usize, record: &StringRecord) -> Self {
        let names = record.iter().map(str::to_owned).collect();
        Self { header: Some(header), names, ..Self::default() }
    }
}

/// Finds the header: the given row (0: there is none), or one of the first rows of the file.
///
/// # Errors
/// [`Error::Data`] for a row that does not exist or is blank.
pub(super) fn find(records: &[StringRecord], rows: &[u64], width: usize, wanted: Option<u64>) -> Result<Layout> {
    let header = match wanted {
        Some(0) => None,
        Some(row) => Some(named_row(records, rows, row)?),
        None => search(records, width),
    };
    let Some(at) = header else {
        let mut layout = Layout::default();
        if wanted.is_none() {
            layout.notes.extend(doubt(records, rows));
            around::footer(records, rows, width, &mut layout);
            below::second_table(records, rows, width, &mut layout);
            below::sentence(records, rows, width, &mut layout);
        }
        return Ok(layout);
    };
    let mut layout = Layout::named(at, &records[at]);
    if wanted.is_none() && layout.names[0].trim_start().starts_with('#') {
        layout.names[0] = layout.names[0].trim_start().trim_start_matches('#').to_owned();
    }
    let above: Vec<usize> = (0..at).collect();
    let lines: Vec<u64> = above.iter().filter(|&&i| !is_blank(&records[i])).map(|&i| rows[i]).collect();
    if !lines.is_empty() {
        layout.notes.push(format!("{} above the header (row {}) and left out", rows_are(&lines), rows[at]));
    }
    layout.left_out.extend(above);
    around::second_headers(records, rows, at, &mut layout);
    if wanted.is_none() {
        around::units(records, rows, at, &mut layout);
        around::repeated(records, rows, at, &mut layout);
        around::footer(records, rows, width, &mut layout);
        below::second_table(records, rows, width, &mut layout);
        below::sentence(records, rows, width, &mut layout);
    }
    Ok(layout)
}

fn named_row(records: &[StringRecord], rows: &[u64], row: u64) -> Result<usize> {
    let at = rows.binary_search(&row).ok().filter(|&at| !is_blank(&records[at]));
    at.ok_or_else(|| Error::Data {
        problem: match rows.last() {
            Some(&last) if row > last => format!("row {row} cannot be the header: the last row of the file is {last}"),
            _ => format!("row {row} cannot be the header: it is blank, or belongs to the row above it"),
        },
        hint: "give the number of the row with the column names, or 0 if there is none".into(),
        row: Some(row),
        column: None,
    })
}

/// Why a record is considered a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sure {
    /// It has at least two common names and only names.
    Words,
    /// The rows below it are of a different kind.
    Looks,
}

/// Detects the header: the first row with common names, if no row of the table is above it; otherwise the first row that differs
/// from the rows below it. Lines above it may be other content.
fn search(records: &[StringRecord], width: usize) -> Option<usize> {
    let depth = records.len().min(DEPTH);
    let most = (BELOW * 10 / width.max(1)).clamp(20, BELOW);
    let candidates = |sure: Sure| {
        (0..depth).filter(move |&at| {
            let below = &records[at + 1..records.len().min(at + 1 + most)];
            judge(&records[at], below, width, at == 0) == Some(sure) && nothing_above(records, at, below, sure)
        })
    };
    if let Some(at) = candidates(Sure::Words).next() {
        return Some(at);
    }
    // A line above the header can look like one; then the header is the one whose cells look like names.
    let mut looks = candidates(Sure::Looks).peekable();
    let first = *looks.peek()?;
    let reads_as_names = |at: usize| cells(&records[at]).all(reads_as_name);
    Some(looks.take_while(|&at| at < first + 4).find(|&at| reads_as_names(at)).unwrap_or(first))
}

fn cells(record: &StringRecord) -> impl Iterator<Item = &str> {
    record.iter().map(str::trim).filter(|cell| !cell.is_empty())
}

fn reads_as_name(cell: &str) -> bool {
    cell.split_whitespace().count() <= NAME_WORDS && cell.chars().count() <= NAME_LETTERS
}

/// Whether a record is a header, judged by the rows below it.
fn judge(record: &StringRecord, below: &[StringRecord], width: usize, first: bool) -> Option<Sure> {
    let names: Vec<&str> = cells(record).collect();
    // A title above a table is not its header.
    if names.is_empty() || (names.len() == 1 && width > 1) || names.iter().any(|name| is_date(name)) {
        return None;
    }
    if !first && (names.iter().any(|name| is_number(name)) || record.len() > width) {
        return None;
    }
    let comment = names[0].starts_with('#') || names[0].starts_with("//") || names[0].starts_with('%');
    let words = names.iter().filter(|name| known(name)).count();
    if words >= 2 && names.iter().all(|name| reads_as_name(name)) && !recurs(record, below) {
        return Some(Sure::Words);
    }
    (looks(record, below, width) && !(comment && words == 0 && !reads_as_name(names[0]))).then_some(Sure::Looks)
}

/// Whether it is a common name of a text column.
pub(super) fn is_text_name(name: &str) -> bool {
    Named::new(name).text >= 1.0
}

/// Whether it is a common name of a label column.
pub(super) fn is_label_name(name: &str) -> bool {
    Named::new(name).label >= 1.0
}

/// Whether it is a common name of a text column or a label column.
pub(super) fn is_usual(name: &str) -> bool {
    is_text_name(name) || is_label_name(name)
}

/// A common name, possibly after a comment character.
fn known(name: &str) -> bool {
    let name = name.trim_start_matches('#').trim();
    is_usual(name) || HEADER_WORDS.contains(&name.to_lowercase().as_str())
}

/// Whether a cell occurs again in its column below, in a record that is not a copy of the whole record.
fn recurs(record: &StringRecord, below: &[StringRecord]) -> bool {
    below
        .iter()
        .filter(|other| !same_names(other, record))
        .any(|other| record.iter().zip(other.iter()).any(|(name, cell)| !name.trim().is_empty() && name.trim() == cell.trim()))
}

/// Whether two cells can be the same name in two notations: a long text beside a name need not be looked at.
fn similar_length(a: &str, b: &str) -> bool {
    a.len().max(b.len()) <= 4 * a.len().min(b.len()) + 16
}

/// Whether two records hold the same names: in other notations too, as in files put under one another.
fn same_names(one: &StringRecord, other: &StringRecord) -> bool {
    one.len() == other.len()
        && one.iter().zip(other.iter()).all(|(a, b)| a == b || (similar_length(a, b) && normalised(a) == normalised(b)))
}

fn is_number(cell: &str) -> bool {
    cell.trim().parse::<f64>().is_ok()
}

/// A date or a time in machine notation: digits and punctuation.
fn is_date(cell: &str) -> bool {
    let digits = cell.bytes().filter(u8::is_ascii_digit).count();
    digits >= 4
        && !is_number(cell)
        && cell.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'-' | b'/' | b'.' | b':' | b' ' | b'T' | b'Z' | b'+'))
}

/// Whether no record above is a row of the table. Below common names, a row is identified by a value that occurs again in a
/// column with repeating values; otherwise, by the same number and kinds of cells.
fn nothing_above(records: &[StringRecord], at: usize, below: &[StringRecord], sure: Sure) -> bool {
    let names = cells(&records[at]).count();
    let above: Vec<&StringRecord> = records[..at].iter().filter(|record| !is_blank(record)).collect();
    // More lines than rows cannot be a preamble.
    if at >= below.len() {
        return above.is_empty();
    }
    let values =
        |column: usize| below.iter().filter_map(move |record| record.get(column)).map(str::trim).filter(|cell| !cell.is_empty());
    above.iter().all(|record| {
        let narrow = cells(record).count() < names;
        let comment = cells(record).next().is_some_and(|cell| cell.starts_with(['#', '%']) || cell.starts_with("//"));
        let row = record.iter().enumerate().filter(|(_, cell)| !cell.trim().is_empty()).any(|(column, cell)| {
            let distinct: HashSet<&str> = values(column).collect();
            let count = values(column).count();
            count >= 2 && distinct.len() * 2 <= count && distinct.contains(cell.trim())
        });
        let value = |cell: &str| is_number(cell) || is_date(cell);
        let other_kind = || {
            record.iter().enumerate().any(|(column, cell)| {
                value(cell.trim()) && values(column).filter(|cell| !value(cell)).count() * 10 >= values(column).count() * 9
            })
        };
        !row && (narrow || comment || sure == Sure::Words || other_kind())
    })
}

/// Whether a record is a header. It is not, if its value in a column with repeating values (a label) occurs again below, or if it
/// has a number above numbers. Otherwise it is, if it contains a common name, if a column with repeating values never repeats its
/// value, or if it has a word above a column of numbers or of sentences. A sentence above sentences is a row.
fn looks(first: &StringRecord, rest: &[StringRecord], columns: usize) -> bool {
    // pandas names unnamed columns with their numbers.
    if first.len() == columns && first.iter().enumerate().all(|(i, name)| name == i.to_string()) {
        return rest.iter().any(|record| record.iter().any(|cell| !cell.is_empty() && !is_number(cell)));
    }
    let (mut header, mut certain, mut sentence) = (false, false, false);
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
        let word = HEADER_WORDS.contains(&name.to_lowercase().as_str()) && !distinct.contains(&name);
        certain |= word || numbers;
        header |= word || repeats || numbers || (sentences && !cells.is_empty() && !name.contains(char::is_whitespace));
        sentence |= sentences && !cells.is_empty() && is_sentence_like(name, &cells);
    }
    header && (certain || !sentence)
}

/// A note on a first row that is used as a row, although one of its cells is a single word above texts of several words.
fn doubt(records: &[StringRecord], rows: &[u64]) -> Option<String> {
    let at = records.iter().position(|record| !is_blank(record))?;
    let below = &records[at + 1..records.len().min(at + 1 + BELOW)];
    let texts = |column: usize| {
        let cells = || below.iter().filter_map(|record| record.get(column)).map(str::trim).filter(|cell| !cell.is_empty());
        let several = cells().filter(|cell| cell.contains(char::is_whitespace)).count();
        cells().count() >= DOUBT_ROWS && several == cells().count()
    };
    let is_name = |name: &str| !name.is_empty() && reads_as_name(name) && !name.contains(char::is_whitespace);
    let (_, name) = records[at]
        .iter()
        .map(str::trim)
        .enumerate()
        .find(|&(column, name)| is_name(name) && !is_number(name) && texts(column))?;
    let row = rows[at];
    Some(format!(
        "row {row} is used as a row, although its cell `{name}` reads like the name of a column: choose row {row} as the header row if it is one"
    ))
}

/// Whether a cell looks like the texts of its column: several words, with the same style of beginning.
fn is_sentence_like(name: &str, cells: &[&str]) -> bool {
    let lower = |cell: &str| cell.chars().next().is_some_and(char::is_lowercase);
    let same = cells.iter().filter(|cell| lower(cell) == lower(name)).count() * 10 >= cells.len() * 9;
    name.split_whitespace().count() > NAME_WORDS && !name.ends_with(['?', ':']) && same
}
