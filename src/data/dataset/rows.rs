//! Sorts the rows of a table into usable and unusable ones.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::advice::{Lengths, advice};
use super::labels::{ClassIndex, Merging, looks_missing};
use super::notes::{self, some};
use super::values::{Inside, Reading};
use super::{ClassCount, ColumnChoice, DataReport, TextRow, several};
use crate::config::DataConfig;
use crate::data::cells::{normalised, shown};
use crate::data::table::{Format, Table};
use crate::error::{Error, Result};

/// The usable rows of a table, or of a part of it, in order.
pub(super) struct Rows {
    pub(super) labels: Vec<String>,
    pub(super) rows: Vec<TextRow>,
    pub(super) report: DataReport,
}

impl Rows {
    /// The rows whose index passes `part`. The report covers only these.
    pub(super) fn new(table: &Table, columns: ColumnChoice, config: &DataConfig, part: impl Fn(usize) -> bool) -> Self {
        let Sorted { filled, rows: all, empty, unlabelled, ragged, mut notes } = Sorted::new(table, columns, part);
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        filled.iter().for_each(|cells| *counts.entry(&cells.label).or_default() += 1);
        let merging = Merging::new(&counts, config.merge_labels);
        let keys: Vec<String> = filled.iter().map(|cells| normalised(&cells.text)).collect();
        // For each text: the class of its first row, and whether another row has a different label.
        let mut texts: HashMap<&str, (&str, bool)> = HashMap::with_capacity(keys.len());
        for (key, cells) in keys.iter().zip(&filled) {
            let class = merging.class(&cells.label);
            let (first, contradicted) = texts.entry(key).or_insert((class, false));
            *contradicted |= *first != class;
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
        notes::rows(&mut notes, &duplicates, "the text and the label of an earlier row; duplicates are used once");
        notes::rows(&mut notes, &contradictory, "a text that also occurs with another label; contradictory rows are not used");
        let labelled = keys.iter().zip(&filled).map(|(key, cells)| (key.as_str(), merging.class(&cells.label)));
        notes.extend(several::rows(&labelled.collect::<Vec<_>>()));

        let all_classes: BTreeSet<&str> = filled.iter().map(|cells| merging.class(&cells.label)).collect();
        let used: BTreeSet<&str> = usable.iter().map(|cells| merging.class(&cells.label)).collect();
        let lost = all_classes.difference(&used).copied();
        notes::classes(&mut notes, lost, "is left out: it has no usable row", "are left out: they have no usable row");
        notes.extend([true, false].into_iter().filter_map(|merged| notes::similar(&merging.groups, merged)));
        let raw: Vec<(&str, usize)> = counts.iter().map(|(label, rows)| (*label, *rows)).collect();
        notes.extend(missing_labels(&raw));
        let plain: Vec<_> = raw.into_iter().filter(|(label, _)| !label.starts_with(['[', '{'])).collect();
        notes.extend(several::note(&plain));
        let labels = sorted_labels(used);
        let index: HashMap<&str, u32> = labels.iter().enumerate().map(|(i, label)| (label.as_str(), i as u32)).collect();
        let row = |cells: &&Cells<'_>| TextRow {
            text: cells.text.clone().into_owned(),
            label: index[merging.class(&cells.label)],
            row: cells.row,
        };
        let rows: Vec<TextRow> = usable.iter().map(row).collect();
        let mut report = DataReport {
            rows: all,
            usable: rows.len(),
            empty,
            unlabelled,
            ragged,
            duplicates: duplicates.len(),
            contradictory: contradictory.len(),
            leaked: 0,
            set_aside: 0,
            classes: labels.iter().map(|name| ClassCount { name: name.clone(), count: 0 }).collect(),
            similar_labels: merging.groups,
            lengths: Lengths::new(&rows),
            notes,
            advice: Vec::new(),
        };
        count(&mut report.classes, &rows);
        report.advice = advice(&report);
        Self { labels, rows, report }
    }

    /// Removes texts that are also held out, so that they are not trained on.
    pub(super) fn without(mut self, held_out: &[TextRow], which: &str) -> Self {
        let known: HashSet<String> = held_out.iter().map(|row| normalised(&row.text)).collect();
        let before = self.rows.len();
        self.rows.retain(|row| !known.contains(&normalised(&row.text)));
        let report = &mut self.report;
        report.leaked = before - self.rows.len();
        report.usable = self.rows.len();
        count(&mut report.classes, &self.rows);
        report.lengths = Lengths::new(&self.rows);
        report.advice = advice(report);
        if report.leaked > 0 {
            report.notes.push(match report.leaked {
                1 => format!("1 training row has a text that is also in the {which}; it is not trained on"),
                rows => format!("{rows} training rows have a text that is also in the {which}; they are not trained on"),
            });
        }
        let lost = report.classes.iter().filter(|class| class.count == 0).map(|class| class.name.as_str());
        notes::classes(&mut report.notes, lost, "has no training row left", "have no training row left");
        self
    }
}

/// Counts the rows of each class.
pub(super) fn count(classes: &mut [ClassCount], rows: &[TextRow]) {
    classes.iter_mut().for_each(|class| class.count = 0);
    rows.iter().for_each(|row| classes[row.label as usize].count += 1);
}

/// A note on the classes without a held-out row.
pub(super) fn not_evaluated(notes: &mut Vec<String>, labels: &[String], held_out: &[TextRow]) {
    let there: HashSet<u32> = held_out.iter().map(|row| row.label).collect();
    let missing = labels.iter().zip(0..).filter(|(_, class)| !there.contains(class)).map(|(label, _)| label.as_str());
    let (one, many) = ("has no held-out row: it is not evaluated", "have no held-out row: they are not evaluated");
    notes::classes(notes, missing, one, many);
}

/// Rows for evaluation: all that have a text and a label.
pub(super) struct HeldOut {
    pub(super) rows: Vec<TextRow>,
    pub(super) empty: usize,
    pub(super) unlabelled: usize,
    pub(super) ragged: usize,
    /// Notes for the user, one sentence each.
    pub(super) notes: Vec<String>,
}

impl HeldOut {
    /// The rows whose index passes `part`; `which` is their name in messages, such as `held-out file`.
    ///
    /// # Errors
    /// [`Error::Data`] for a label that is not in `labels`, with its row, and if there are no rows.
    pub(super) fn new(
        table: &Table,
        columns: ColumnChoice,
        (labels, merge): (&[String], bool),
        which: &str,
        part: impl Fn(usize) -> bool,
    ) -> Result<Self> {
        let Sorted { filled, empty, unlabelled, ragged, mut notes, .. } = Sorted::new(table, columns, part);
        let index = ClassIndex::new(labels, merge);
        let mut texts: HashSet<String> = HashSet::new();
        let (mut rows, mut repeated, mut other) = (Vec::with_capacity(filled.len()), Vec::new(), BTreeSet::new());
        for cells in filled {
            let label = index.find(&cells.label).ok_or_else(|| unknown(table, columns, &cells, (labels, &index), which))?;
            if !index.is_exact(&cells.label) {
                other.insert((label, cells.label.clone().into_owned()));
            }
            if !texts.insert(normalised(&cells.text)) {
                repeated.push(cells.row);
            }
            rows.push(TextRow { text: cells.text.into_owned(), label, row: cells.row });
        }
        if rows.is_empty() {
            return Err(Error::data(format!("the {which} has no row with a text and a label"), super::columns::listing(table)));
        }
        notes::rows(&mut notes, &repeated, "the text of an earlier row; duplicates are also evaluated");
        if !other.is_empty() {
            let list: Vec<String> = other
                .iter()
                .take(5)
                .map(|(class, label)| format!("`{}` is `{}`", shown(label), shown(&labels[*class as usize])))
                .collect();
            let more = if other.len() > 5 { ", ..." } else { "" };
            notes.push(format!("labels in a different notation than in the training data are merged: {}{more}", list.join(", ")));
        }
        let notes = notes.iter().map(|note| format!("{which}: {note}")).collect();
        Ok(Self { rows, empty, unlabelled, ragged, notes })
    }
}

fn unknown(
    table: &Table,
    columns: ColumnChoice,
    cells: &Cells<'_>,
    (labels, index): (&[String], &ClassIndex),
    which: &str,
) -> Error {
    let similar = index.similar(&cells.label).map(|class| {
        format!("; it looks like `{}`: data.merge_labels (--merge-labels) merges them", shown(&labels[class as usize]))
    });
    Error::Data {
        problem: format!("the {which} has the label `{}`, which the training data does not have", shown(&cells.label)),
        hint: format!("the labels of the training data are {}{}", some(labels), similar.unwrap_or_default()),
        row: Some(cells.row),
        column: Some(table.columns[columns.label].clone()),
    }
}

/// A row with a text and a label, both without leading and trailing white space.
struct Cells<'a> {
    text: Cow<'a, str>,
    label: Cow<'a, str>,
    row: u64,
}

/// The rows of a table, or of a part of it, sorted by whether they have a text and a label.
struct Sorted<'a> {
    filled: Vec<Cells<'a>>,
    rows: usize,
    empty: usize,
    unlabelled: usize,
    ragged: usize,
    notes: Vec<String>,
}

impl<'a> Sorted<'a> {
    fn new(table: &'a Table, columns: ColumnChoice, part: impl Fn(usize) -> bool) -> Self {
        let (texts, labels) = (Reading::of_texts(table, columns.text), Reading::of_labels(table, columns.label));
        let mut sorted =
            Self { filled: Vec::with_capacity(table.rows.len()), rows: 0, empty: 0, unlabelled: 0, ragged: 0, notes: Vec::new() };
        let (mut empty, mut unlabelled, mut missing, mut rounded) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let mut inside = (Insides::default(), Insides::default());
        for (at, (cells, &row)) in table.rows.iter().zip(&table.row_numbers).enumerate() {
            if !part(at) {
                continue;
            }
            sorted.rows += 1;
            if table.ragged.binary_search(&row).is_ok() {
                sorted.ragged += 1;
                continue;
            }
            let (text, of_text) = texts.look(&cells[columns.text]);
            let (label, of_label) = labels.look(&cells[columns.label]);
            if table.format == Format::Xlsx && (is_rounded(&text) || is_rounded(&label)) {
                rounded.push(row);
            }
            inside.0.add(of_text, row);
            inside.1.add(of_label, row);
            if text.is_empty() {
                empty.push(row);
            } else if label.is_empty() {
                unlabelled.push(row);
            } else {
                if looks_missing(&text) {
                    missing.push(row);
                }
                sorted.filled.push(Cells { text, label, row });
            }
        }
        let notes = &mut sorted.notes;
        notes::rows(notes, &empty, "no text and cannot be used");
        notes::rows(notes, &unlabelled, "no label and cannot be used");
        inside.0.note(notes, &texts, "text");
        inside.1.note(notes, &labels, "label");
        notes::rows(
            notes,
            &rounded,
            "a whole number of more than 15 digits as text or label, of which a workbook keeps only 15: the other digits are 0, and different numbers may have become the same; store them as text",
        );
        notes::rows(notes, &missing, "a text that looks like a missing value, such as `nan`; it is used as it is");
        (sorted.empty, sorted.unlabelled) = (empty.len(), unlabelled.len());
        sorted
    }
}

/// Whether a cell is a whole number with more digits than a workbook keeps.
fn is_rounded(cell: &str) -> bool {
    let digits = cell.trim_start_matches('-');
    digits.len() > 15 && digits.bytes().all(|byte| byte.is_ascii_digit()) && digits[15..].bytes().all(|byte| byte == b'0')
}

/// Rows whose value was inside a list or an object.
#[derive(Default)]
struct Insides {
    one: Vec<u64>,
    several: Vec<u64>,
    nested: Vec<u64>,
}

impl Insides {
    fn add(&mut self, inside: Inside, row: u64) {
        match inside {
            Inside::Plain => {}
            Inside::One => self.one.push(row),
            Inside::Several => self.several.push(row),
            Inside::Nested => self.nested.push(row),
        }
    }

    fn note(&self, notes: &mut Vec<String>, reading: &Reading, what: &str) {
        let member = reading.member.as_ref().map(|member| format!(" (of objects, the member `{member}`)")).unwrap_or_default();
        notes::rows(notes, &self.one, &format!("a list or an object as {what}; the {what} inside it is used{member}"));
        let whole = if what == "label" { "each combination is treated as a separate class" } else { "the list is used as it is" };
        notes::rows(notes, &self.several, &format!("several values in a list as {what}; {whole}"));
        notes::rows(notes, &self.nested, &format!("an object as {what}; its JSON is used"));
    }
}

/// A note on labels that look like missing values.
fn missing_labels(labels: &[(&str, usize)]) -> Option<String> {
    let missing: Vec<&(&str, usize)> = labels.iter().filter(|(label, _)| looks_missing(label)).collect();
    if missing.is_empty() {
        return None;
    }
    let rows: usize = missing.iter().map(|(_, rows)| rows).sum();
    let list: Vec<String> = missing.iter().take(5).map(|(label, rows)| format!("`{label}` {rows}")).collect();
    let more = if missing.len() > 5 { ", ..." } else { "" };
    let (noun, verb) = if rows == 1 { ("row", "has") } else { ("rows", "have") };
    Some(format!(
        "{rows} {noun} {verb} a label that looks like a missing value ({}{more}); it is treated as a class: leave the cell empty if the row has no label",
        list.join(", ")
    ))
}

/// Sorted by value if all are numbers, otherwise by code point.
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
