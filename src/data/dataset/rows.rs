//! Which rows of a table can be used, and what became of the others.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::advice::{Lengths, advice};
use super::{ClassCount, ColumnChoice, DataReport, TextRow};
use crate::data::table::{Table, rows_have};
use crate::error::{Error, Result};

/// The usable rows of a table, in its order.
pub(super) struct Rows {
    pub(super) labels: Vec<String>,
    pub(super) rows: Vec<TextRow>,
    pub(super) report: DataReport,
}

impl Rows {
    pub(super) fn new(table: &Table, columns: ColumnChoice) -> Self {
        let Sorted { filled, empty, unlabelled, ragged, mut notes } = Sorted::new(table, columns);
        let keys: Vec<String> = filled.iter().map(|cells| normalised(cells.text)).collect();
        // Of each text: the label of its first row, and whether another row says otherwise.
        let mut texts: HashMap<&str, (&str, bool)> = HashMap::with_capacity(keys.len());
        for (key, cells) in keys.iter().zip(&filled) {
            let (first, contradicted) = texts.entry(key).or_insert((cells.label, false));
            *contradicted |= *first != cells.label;
        }
        let (mut usable, mut duplicates, mut contradictory) = (Vec::new(), Vec::new(), Vec::new());
        let mut seen: HashSet<&str> = HashSet::with_capacity(keys.len());
        for (key, cells) in keys.iter().zip(&filled) {
            if texts[key.as_str()].1 {
                contradictory.push(cells.row);
            } else if seen.insert(key) {
                usable.push(cells);
            } else {
                duplicates.push(cells.row);
            }
        }
        note(&mut notes, &duplicates, "the text and the label of an earlier row, which is used once");
        note(&mut notes, &contradictory, "a text that also occurs with another label; no such row is used");

        let all: BTreeSet<&str> = filled.iter().map(|cells| cells.label).collect();
        let kept: BTreeSet<&str> = usable.iter().map(|cells| cells.label).collect();
        notes.extend(all.difference(&kept).map(|label| format!("class `{label}` is left out: it has no usable row")));
        let labels = sorted_labels(kept);
        notes.extend(twins(&labels));
        let index: HashMap<&str, u32> = labels.iter().enumerate().map(|(i, label)| (label.as_str(), i as u32)).collect();
        let row = |cells: &Cells<'_>| TextRow { text: cells.text.to_owned(), label: index[cells.label], row: cells.row };
        let rows: Vec<TextRow> = usable.into_iter().map(row).collect();
        let mut counts = vec![0; labels.len()];
        rows.iter().for_each(|row| counts[row.label as usize] += 1);
        let mut report = DataReport {
            rows: table.rows.len(),
            usable: rows.len(),
            empty,
            unlabelled,
            ragged,
            duplicates: duplicates.len(),
            contradictory: contradictory.len(),
            leaked: 0,
            classes: labels.iter().zip(counts).map(|(name, count)| ClassCount { name: name.clone(), count }).collect(),
            lengths: Lengths::new(&rows),
            notes,
            advice: Vec::new(),
        };
        report.advice = advice(&report);
        Self { labels, rows, report }
    }
}

/// The rows of a held-out file, all that have a text and a label, and what to say about it.
///
/// # Errors
/// [`Error::Data`] for a label that is not among `labels`, with its row, and if no row is left.
pub(super) fn for_evaluation(table: &Table, columns: ColumnChoice, labels: &[String]) -> Result<(Vec<TextRow>, Vec<String>)> {
    let Sorted { filled, mut notes, .. } = Sorted::new(table, columns);
    let index: HashMap<&str, u32> = labels.iter().enumerate().map(|(i, label)| (label.as_str(), i as u32)).collect();
    let mut texts: HashMap<String, &str> = HashMap::new();
    let (mut rows, mut repeated) = (Vec::with_capacity(filled.len()), Vec::new());
    for cells in filled {
        let label = *index.get(cells.label).ok_or_else(|| Error::Data {
            problem: format!("the held-out file has the label `{}`, which the training file does not have", cells.label),
            hint: format!("the training file's labels are {}", some_of(labels)),
            row: Some(cells.row),
            column: Some(table.columns[columns.label].clone()),
        })?;
        if texts.insert(normalised(cells.text), cells.label).is_some() {
            repeated.push(cells.row);
        }
        rows.push(TextRow { text: cells.text.to_owned(), label, row: cells.row });
    }
    if rows.is_empty() {
        return Err(Error::data("the held-out file has no row with a text and a label", super::columns::listing(table)));
    }
    note(&mut notes, &repeated, "the text of an earlier row; they are evaluated all the same");
    Ok((rows, notes.iter().map(|note| format!("held-out file: {note}")).collect()))
}

/// Texts with the same key are the same to the user and to an uncased encoder: case and white space do not count.
pub(crate) fn normalised(text: &str) -> String {
    let mut key = String::with_capacity(text.len());
    for word in text.split_whitespace() {
        if !key.is_empty() {
            key.push(' ');
        }
        if word.is_ascii() {
            key.extend(word.bytes().map(|byte| char::from(byte.to_ascii_lowercase())));
        } else {
            key.push_str(&word.to_lowercase());
        }
    }
    key
}

/// A row with a text and a label, both without white space at their ends.
struct Cells<'a> {
    text: &'a str,
    label: &'a str,
    row: u64,
}

/// The rows of a table by whether they have a text and a label.
struct Sorted<'a> {
    filled: Vec<Cells<'a>>,
    empty: usize,
    unlabelled: usize,
    ragged: usize,
    notes: Vec<String>,
}

impl<'a> Sorted<'a> {
    fn new(table: &'a Table, columns: ColumnChoice) -> Self {
        let (mut filled, mut empty, mut unlabelled) = (Vec::with_capacity(table.rows.len()), Vec::new(), Vec::new());
        for (cells, &row) in table.rows.iter().zip(&table.row_numbers) {
            if table.ragged.binary_search(&row).is_ok() {
                continue;
            }
            match (cells[columns.text].trim(), cells[columns.label].trim()) {
                ("", _) => empty.push(row),
                (_, "") => unlabelled.push(row),
                (text, label) => filled.push(Cells { text, label, row }),
            }
        }
        let mut notes = table.notes.clone();
        note(&mut notes, &empty, "no text and cannot be used");
        note(&mut notes, &unlabelled, "no label and cannot be used");
        Self { filled, empty: empty.len(), unlabelled: unlabelled.len(), ragged: table.ragged.len(), notes }
    }
}

fn note(notes: &mut Vec<String>, rows: &[u64], what: &str) {
    if !rows.is_empty() {
        notes.push(format!("{} {what}", rows_have(rows)));
    }
}

/// By value if all are numbers, else by code point.
fn sorted_labels(labels: BTreeSet<&str>) -> Vec<String> {
    let value = |label: &str| label.parse::<f64>().ok().filter(|value| value.is_finite());
    let mut labels: Vec<String> = labels.into_iter().map(str::to_owned).collect();
    if let Some(values) = labels.iter().map(|label| value(label)).collect::<Option<Vec<f64>>>() {
        let mut both: Vec<(f64, String)> = values.into_iter().zip(labels).collect();
        both.sort_by(|a, b| a.0.total_cmp(&b.0));
        labels = both.into_iter().map(|(_, label)| label).collect();
    }
    labels
}

/// Notes on classes that look like misspellings of each other.
fn twins(labels: &[String]) -> Vec<String> {
    let mut folded: HashMap<String, &str> = HashMap::new();
    let mut notes = Vec::new();
    for label in labels {
        if let Some(other) = folded.insert(normalised(label), label) {
            notes.push(format!(
                "classes `{other}` and `{label}` differ only in case or white space; they are taken as two classes"
            ));
        }
    }
    notes
}

fn some_of(labels: &[String]) -> String {
    let mut list = labels.iter().take(10).map(|label| format!("`{label}`")).collect::<Vec<_>>().join(", ");
    if labels.len() > 10 {
        list.push_str(&format!(" and {} more", labels.len() - 10));
    }
    list
}
