//! The split into training set and held-out set: by a column of the file, or at random.

use serde::Serialize;

use super::TextRow;
use super::columns::{self, ColumnChoice};
use super::part::{Part, flag, part};
use crate::config::DataConfig;
use crate::data::cells::is_blank;
use crate::data::table::Table;
use crate::error::{Error, Result};
use crate::rng::Rng;

/// Common names of split columns, used if several columns are candidates.
const NAMES: &[&str] = &["split", "set", "subset", "fold", "partition", "part", "dataset", "usage"];

/// Maximum number of values to list for each part.
const LISTED: usize = 20;

/// The split that a column of the file states, as it is used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(all(test, not(target_family = "wasm")), derive(ts_rs::TS))]
pub struct GivenSplit {
    /// Index of the column.
    pub column: usize,
    /// Its name.
    pub name: String,
    /// Training rows, without those that are not used.
    pub training: usize,
    /// Held-out rows, without those that are not used.
    pub held_out: usize,
    /// Rows of parts that are not used, such as dev rows beside test rows.
    pub set_aside: usize,
    /// Rows without a value; they are training rows.
    pub without_value: usize,
    /// The values of the training rows, as in the file; at most 20, as of the other parts.
    pub training_values: Vec<String>,
    /// The values of the held-out rows.
    pub held_out_values: Vec<String>,
    /// The values of the rows that are set aside.
    pub set_aside_values: Vec<String>,
}

/// The content of a split column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Given {
    pub(super) column: usize,
    /// The part of each row; a row without a value is trained on.
    parts: Vec<Part>,
    /// The part that is held out: the test part, or the dev part if there is no test part.
    held_out: Part,
    /// Number of rows without a value.
    pub(super) blank: usize,
}

impl Given {
    /// The split column named in the settings, or a detected one: every non-empty cell names a part, and there are training rows
    /// and other rows.
    ///
    /// # Errors
    /// [`Error::Data`] if the named column does not exist or does not say which rows are held out.
    pub(super) fn find(table: &Table, columns: ColumnChoice, config: &DataConfig) -> Result<Option<Self>> {
        let Some(name) = &config.split_column else { return Ok(Self::look(table, columns)) };
        let none = name.trim().is_empty() || name.trim().eq_ignore_ascii_case("none");
        if none && !table.columns.contains(name) {
            return Ok(None);
        }
        let column = columns::find_column(table, name)?;
        let wrong = |problem: String, row: Option<u64>| {
            let hint = "name a column with the values train, test, dev or validation, or none".to_owned();
            Error::Data { problem, hint, row, column: Some(table.columns[column].clone()) }
        };
        if column == columns.text || column == columns.label {
            return Err(wrong("the split column cannot be the text column or the label column".into(), None));
        }
        let flag = flag(&table.columns[column]);
        for (cells, &row) in table.rows.iter().zip(&table.row_numbers) {
            let cell = &cells[column];
            if !is_blank(cell) && part(cell, flag).is_none() {
                return Err(wrong(format!("`{}` is not train, test, dev or validation", cell.trim()), Some(row)));
            }
        }
        Self::of(table, column)
            .map(Some)
            .ok_or_else(|| wrong("the split column needs both training rows and held-out rows".into(), None))
    }

    fn look(table: &Table, columns: ColumnChoice) -> Option<Self> {
        let mut free: Vec<usize> =
            (0..table.columns.len()).filter(|&column| column != columns.text && column != columns.label).collect();
        free.sort_by_key(|&column| !is_named(table, column));
        free.into_iter().find_map(|column| Self::of(table, column).filter(|given| given.blank * 2 <= table.rows.len()))
    }

    /// Why a column that is named like a split column, and mostly names parts, is not used as one.
    pub(super) fn doubt(table: &Table, columns: ColumnChoice) -> Option<String> {
        let free = |column: &usize| *column != columns.text && *column != columns.label && is_named(table, *column);
        (0..table.columns.len()).filter(free).find_map(|column| {
            let name = &table.columns[column];
            let cells = || {
                table.rows.iter().map(|cells| cells[column].trim()).zip(&table.row_numbers).filter(|(cell, _)| !is_blank(cell))
            };
            let parts = cells().filter(|(cell, _)| part(cell, None).is_some()).count();
            if parts == 0 || parts * 2 < cells().count() {
                return None;
            }
            let why = match cells().find(|(cell, _)| part(cell, None).is_none()) {
                Some((cell, row)) => format!("`{cell}` in row {row} is not train, test, dev or validation"),
                None => "it does not have both training rows and held-out rows".to_owned(),
            };
            Some(format!("the split in column `{name}` is not used ({why}); a random split is used instead"))
        })
    }

    fn of(table: &Table, column: usize) -> Option<Self> {
        let flag = flag(&table.columns[column]);
        let mut blank = 0;
        let mut parts = Vec::with_capacity(table.rows.len());
        for cells in &table.rows {
            let cell = &cells[column];
            if is_blank(cell) {
                blank += 1;
                parts.push(Part::Train);
            } else {
                parts.push(part(cell, flag)?);
            }
        }
        let has = |part: Part| parts.contains(&part);
        let held_out = if has(Part::Test) { Part::Test } else { Part::Dev };
        (has(Part::Train) && has(held_out)).then_some(Self { column, parts, held_out, blank })
    }

    /// Whether a row, by index, is trained on.
    pub(super) fn trains(&self, at: usize) -> bool {
        self.parts[at] == Part::Train
    }

    /// Whether a row, by index, is held out.
    pub(super) fn holds_out(&self, at: usize) -> bool {
        self.parts[at] == self.held_out
    }

    /// Whether a row, by index, is in a part that is not used.
    fn sets_aside(&self, at: usize) -> bool {
        !self.trains(at) && !self.holds_out(at)
    }

    /// Number of rows in parts that are not used.
    pub(super) fn set_aside(&self) -> usize {
        (0..self.parts.len()).filter(|&at| self.sets_aside(at)).count()
    }

    /// The split as it is used, with these numbers of training rows and held-out rows.
    pub(super) fn in_use(&self, table: &Table, training: usize, held_out: usize) -> GivenSplit {
        let values = |part: &dyn Fn(usize) -> bool| {
            let mut values: Vec<String> = Vec::new();
            for (_, cells) in table.rows.iter().enumerate().filter(|(at, _)| part(*at)) {
                let cell = cells[self.column].trim();
                if values.len() < LISTED && !is_blank(cell) && values.iter().all(|value| value != cell) {
                    values.push(cell.to_owned());
                }
            }
            values
        };
        GivenSplit {
            column: self.column,
            name: table.columns[self.column].clone(),
            training,
            held_out,
            set_aside: self.set_aside(),
            without_value: self.blank,
            training_values: values(&|at| self.trains(at)),
            held_out_values: values(&|at| self.holds_out(at)),
            set_aside_values: values(&|at| self.sets_aside(at)),
        }
    }
}

/// Whether a column has a common name of split columns.
fn is_named(table: &Table, column: usize) -> bool {
    NAMES.contains(&table.columns[column].trim().to_lowercase().as_str())
}

/// Holds out `fraction` of each class, rounded, but at least one row and not all; none of a class with a single row. Both parts
/// keep the order of `rows`, in which no text occurs twice.
pub(super) fn stratified(rows: Vec<TextRow>, classes: usize, fraction: f64, seed: u64) -> (Vec<TextRow>, Vec<TextRow>) {
    let mut members: Vec<Vec<usize>> = vec![Vec::new(); classes];
    for (i, row) in rows.iter().enumerate() {
        members[row.label as usize].push(i);
    }
    let mut rng = Rng::stream(seed, "split");
    let mut out = vec![false; rows.len()];
    for class in &mut members {
        let wanted = (class.len() as f64 * fraction).round() as usize;
        let held_out = wanted.max(1).min(class.len().saturating_sub(1));
        rng.shuffle(class);
        class[..held_out].iter().for_each(|&i| out[i] = true);
    }
    let (mut train, mut held_out) = (Vec::with_capacity(rows.len()), Vec::new());
    for (row, out) in rows.into_iter().zip(out) {
        if out { held_out.push(row) } else { train.push(row) }
    }
    (train, held_out)
}
