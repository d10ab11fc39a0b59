//! [`Table`] -> [`Dataset`]: chooses the columns, reads the labels and splits the rows so that no text is on both sides. A report
//! accounts for every row of the file.

mod advice;
mod columns;
mod kinds;
mod labels;
mod looks;
mod notes;
mod part;
mod parts;
mod rows;
mod sample;
mod scores;
mod several;
mod split;
mod values;

use serde::Serialize;

use crate::config::DataConfig;
use crate::data::table::Table;
use crate::error::{Error, Result};
use crate::tensors::sha256_hex;
pub use advice::Lengths;
pub use columns::{Candidates, ColumnChoice, find_column, text_alone};
pub use labels::{ClassIndex, LabelGroup};
use parts::{Parts, file_notes};
use rows::{HeldOut, Rows};
use split::Given;
pub use split::GivenSplit;
pub use values::Reading;

/// Minimum number of usable rows.
const FEWEST_ROWS: usize = 4;

/// How the rows of a file are used. Every row is counted once: `rows = usable + empty + unlabelled + ragged + duplicates +
/// contradictory + leaked + set_aside`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(all(test, not(target_family = "wasm")), derive(ts_rs::TS))]
pub struct DataReport {
    /// Rows of the file, without the header.
    pub rows: usize,
    /// Rows that are used, in the training set or the held-out set.
    pub usable: usize,
    /// Rows without a text: not used.
    pub empty: usize,
    /// Rows with a text but no label: not used.
    pub unlabelled: usize,
    /// Rows with more cells than columns: not used, because it is unclear which cell belongs to which column.
    pub ragged: usize,
    /// Rows with the text and the label of an earlier row: not used, only the earlier row is. Texts are equal if they differ only
    /// in case, white space, invisible characters and Unicode form.
    pub duplicates: usize,
    /// Rows whose text occurs with different labels: none of them is used, because at most one label can be right.
    pub contradictory: usize,
    /// Training rows whose text is also held out by a held-out file or a split column: not used. Always 0 without these.
    pub leaked: usize,
    /// Rows that the split column assigns to neither the training set nor the held-out set, such as dev rows beside test rows:
    /// not used.
    pub set_aside: usize,
    /// Usable rows of each class, in the order of the labels.
    pub classes: Vec<ClassCount>,
    /// Labels that look the same, whether merged or not.
    pub similar_labels: Vec<LabelGroup>,
    /// Lengths of the usable texts.
    pub lengths: Lengths,
    /// What the user should know, one sentence each.
    pub notes: Vec<String>,
    /// What the user should do before training, one sentence each.
    pub advice: Vec<String>,
}

/// A class and its number of usable rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(all(test, not(target_family = "wasm")), derive(ts_rs::TS))]
pub struct ClassCount {
    /// The label as in the file; for merged labels, one of them.
    pub name: String,
    /// Usable rows.
    pub count: usize,
}

/// A text of a [`Dataset`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextRow {
    /// The text, without leading and trailing white space.
    pub text: String,
    /// Index into [`Dataset::labels`].
    pub label: u32,
    /// Row of its file, see [`Table::row_numbers`].
    pub row: u64,
}

/// Labelled texts for training and evaluation, each in the order of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dataset {
    /// Class names: sorted by value if all are numbers, otherwise by code point. Independent of the order of the file.
    pub labels: Vec<String>,
    /// The training set.
    pub train: Vec<TextRow>,
    /// The held-out set. No text of [`Self::train`] is in it, ignoring case and white space.
    pub held_out: Vec<TextRow>,
    /// How the rows are used.
    pub report: DataReport,
}

impl DataReport {
    /// The report on a table with the default settings, without checking whether it can be trained on.
    #[must_use]
    pub fn new(table: &Table, columns: ColumnChoice) -> Self {
        Self::with_config(table, columns, &DataConfig::default())
    }

    /// The report on a table, without checking whether it can be trained on.
    #[must_use]
    pub fn with_config(table: &Table, columns: ColumnChoice, config: &DataConfig) -> Self {
        let Parts { mut report, refused, .. } = Parts::new(table, columns, config);
        report.notes.extend(refused.map(|error| error.to_string()));
        report
    }

    /// The same, with the split that a column states: why the column in the settings cannot be used, or the one in use.
    pub(super) fn with_split(table: &Table, columns: ColumnChoice, config: &DataConfig) -> (Self, Result<Option<GivenSplit>>) {
        let Parts { mut report, refused, split, .. } = Parts::new(table, columns, config);
        report.notes.extend(refused.as_ref().map(ToString::to_string));
        (report, refused.map_or(Ok(split), Err))
    }

    /// The note on labels that look the same and are merged, or are not.
    pub(super) fn similar_note(&self, merged: bool) -> Option<String> {
        notes::similar(&self.similar_labels, merged)
    }
}

/// The texts of the usable rows of a table, in order.
#[must_use]
pub fn usable_texts(table: &Table, columns: ColumnChoice, config: &DataConfig) -> Vec<String> {
    let Parts { train, held_out, .. } = Parts::new(table, columns, config);
    let mut rows: Vec<TextRow> = train.into_iter().chain(held_out.into_iter().flatten()).collect();
    rows.sort_by_key(|row| row.row);
    rows.into_iter().map(|row| row.text).collect()
}

/// The held-out texts with these row numbers; `None` for a number that is not a row.
///
/// # Errors
/// [`Error::Data`] if a column is not found.
pub fn texts_of(table: &Table, held_out: Option<&Table>, config: &DataConfig, numbers: &[u64]) -> Result<Vec<Option<String>>> {
    let columns = ColumnChoice::guess(table, config)?;
    let (table, columns) = match held_out {
        Some(other) => (other, columns.in_other(table, other, config)?),
        None => (table, columns),
    };
    let reading = Reading::of_texts(table, columns.text);
    let text = |number: &u64| {
        let at = table.row_numbers.binary_search(number).ok()?;
        Some(reading.value(table.rows[at].get(columns.text)?).into_owned())
    };
    Ok(numbers.iter().map(text).collect())
}

/// Which rows, by index, the split column holds out; `None` if the table has no split column.
///
/// # Errors
/// [`Error::Data`] if the named column does not exist or does not say which rows are held out.
pub fn held_out_rows(table: &Table, columns: ColumnChoice, config: &DataConfig) -> Result<Option<Vec<bool>>> {
    let given = Given::find(table, columns, config)?;
    Ok(given.map(|given| (0..table.rows.len()).map(|at| given.holds_out(at)).collect()))
}

impl Dataset {
    /// SHA-256 of all texts and labels, in order, each terminated by a zero byte. It identifies the data of a result without
    /// containing any of it.
    #[must_use]
    pub fn sha256(&self) -> String {
        let mut bytes = Vec::new();
        for row in self.train.iter().chain(&self.held_out) {
            for part in [row.text.as_str(), self.labels[row.label as usize].as_str()] {
                bytes.extend_from_slice(part.as_bytes());
                bytes.push(0);
            }
        }
        sha256_hex(&bytes)
    }

    /// Chooses the columns and sorts the rows. If the file has a split column, it says which rows are held out; otherwise
    /// `config.held_out_fraction` of each class is. That split depends only on the rows, the fraction and the seed. A class with
    /// at least two rows has at least one on each side; a class with a single row is only trained on and named in the notes.
    ///
    /// # Errors
    /// [`Error::Data`] if a column does not exist, for fewer than 2 classes or 4 usable rows, and for so many classes that the
    /// label column must be wrong.
    pub fn from_table(table: &Table, config: &DataConfig, seed: u64) -> Result<Self> {
        let columns = ColumnChoice::guess(table, config)?;
        let Parts { labels, train, held_out, mut report, refused, .. } = Parts::new(table, columns, config);
        if let Some(error) = refused {
            return Err(error);
        }
        check(table, columns, &report)?;
        if let Some(held_out) = held_out {
            return Ok(Self { labels, train, held_out, report });
        }
        let (train, held_out) = split::stratified(train, labels.len(), config.held_out_fraction, seed);
        let single = report.classes.iter().filter(|class| class.count == 1).map(|class| class.name.as_str());
        let (one, many) =
            ("has a single row: it is trained on but not evaluated", "have a single row: they are trained on but not evaluated");
        notes::classes(&mut report.notes, single, one, many);
        Ok(Self { labels, train, held_out, report })
    }

    /// Uses one file for training and another as held-out file. All rows of the held-out file with a text and a label are used,
    /// including duplicates; training rows whose text occurs in it are not used. Split columns are ignored. The report covers the
    /// training file; notes on the held-out file are included.
    ///
    /// # Errors
    /// As [`Self::from_table`], and for a held-out label that does not occur in the training file (with its row).
    pub fn with_held_out(train: &Table, held_out: &Table, config: &DataConfig) -> Result<Self> {
        let columns = ColumnChoice::guess(train, config)?;
        let mut rows = Rows::new(train, columns, config, |_| true);
        check(train, columns, &rows.report)?;
        let mut notes = file_notes(train, columns, config);
        if let Ok(Some(given)) = Given::find(train, columns, config) {
            let column = &train.columns[given.column];
            notes.push(format!("the split in column `{column}` is not used, because a held-out file is given"));
        }
        rows.report.notes = [notes, rows.report.notes].concat();
        let classes = (rows.labels.as_slice(), config.merge_labels);
        let other = columns.in_other(train, held_out, config)?;
        let HeldOut { rows: held, notes, .. } = HeldOut::new(held_out, other, classes, FILE, |_| true)?;
        rows.report.notes.extend(held_out.notes.iter().map(|note| format!("{FILE}: {note}")).chain(notes));
        let Rows { labels, rows: train, mut report } = rows.without(&held, FILE);
        rows::not_evaluated(&mut report.notes, &labels, &held);
        if report.classes.iter().filter(|class| class.count > 0).count() < 2 || train.len() < FEWEST_ROWS {
            return Err(Error::data(
                format!("nearly all training texts are also in the held-out file: only {} training rows are left", train.len()),
                "use a held-out file with other texts, or none to hold out a share of the training file",
            ));
        }
        Ok(Self { labels, train, held_out: held, report })
    }
}

/// The name of the held-out file in messages.
const FILE: &str = "held-out file";

impl Dataset {
    /// All rows of a further file that have a text and a label, with the classes of the training file.
    ///
    /// # Errors
    /// [`Error::Data`] if a column does not exist, for a label that is not in `labels` (with its row), and if there are no rows.
    pub fn rows_of(train: &Table, other: &Table, labels: &[String], config: &DataConfig) -> Result<Vec<TextRow>> {
        let columns = ColumnChoice::guess(train, config)?.in_other(train, other, config)?;
        Ok(HeldOut::new(other, columns, (labels, config.merge_labels), FILE, |_| true)?.rows)
    }
}

/// Checks whether the table can be trained on.
fn check(table: &Table, columns: ColumnChoice, report: &DataReport) -> Result<()> {
    let fail = |problem: String, hint: String| {
        Err(Error::Data { problem, hint, row: None, column: Some(table.columns[columns.label].clone()) })
    };
    let other = || format!("choose another label column: {}", columns::listing(table));
    if report.usable < FEWEST_ROWS {
        let problem = format!(
            "only {} of {} rows can be used ({} without text, {} without label, {} with too many cells, {} duplicate, {} contradictory)",
            report.usable, report.rows, report.empty, report.unlabelled, report.ragged, report.duplicates, report.contradictory
        );
        let text = &table.columns[columns.text];
        return fail(
            problem,
            format!("give at least {FEWEST_ROWS} rows with a label and a text (here taken from column `{text}`)"),
        );
    }
    if let [class] = report.classes.as_slice() {
        return fail(
            format!("all rows have the same label, `{}`, but a classifier needs at least two classes", class.name),
            other(),
        );
    }
    let classes = report.classes.len();
    if classes * 3 > report.usable * 2 {
        let share = |test: fn(&str) -> bool| report.classes.iter().filter(|class| test(&class.name)).count() * 2 > classes;
        let what = if share(|name| name.parse::<f64>().is_ok()) {
            "it looks like an id or a measurement"
        } else if share(|name| name.contains(char::is_whitespace)) {
            "it looks like text"
        } else {
            "it looks like an id"
        };
        return fail(format!("the label column has {classes} different values in {} rows: {what}", report.usable), other());
    }
    Ok(())
}
