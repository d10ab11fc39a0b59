//! The rows of one file: all of them, or divided by a split column.

use super::advice::{Lengths, advice};
use super::rows::{HeldOut, Rows, count, not_evaluated};
use super::split::{Given, GivenSplit};
use super::{ColumnChoice, DataReport, FEWEST_ROWS, TextRow};
use crate::config::DataConfig;
use crate::data::table::Table;
use crate::error::{Error, Result};

/// The rows of one file, divided by its split column if it has one.
pub(super) struct Parts {
    pub(super) labels: Vec<String>,
    /// Training rows; all rows if there is no split column.
    pub(super) train: Vec<TextRow>,
    /// Held-out rows of the split column.
    pub(super) held_out: Option<Vec<TextRow>>,
    /// The split column in use.
    pub(super) split: Option<GivenSplit>,
    pub(super) report: DataReport,
    /// Why the split column in the settings cannot be used.
    pub(super) refused: Option<Error>,
}

impl Parts {
    pub(super) fn new(table: &Table, columns: ColumnChoice, config: &DataConfig) -> Self {
        let named = config.split_column.is_some();
        let (mut parts, refused) = match Given::find(table, columns, config) {
            Ok(None) => {
                let mut parts = Self::whole(table, columns, config);
                parts.report.notes.extend(if named { None } else { Given::doubt(table, columns) });
                (parts, None)
            }
            Ok(Some(given)) => match Self::divided(table, columns, config, &given) {
                Ok(parts) => (parts, None),
                Err(error) if named => (Self::whole(table, columns, config), Some(error)),
                // A split column that was only detected must not make a file unusable.
                Err(error) => {
                    let mut parts = Self::whole(table, columns, config);
                    let column = &table.columns[given.column];
                    parts
                        .report
                        .notes
                        .push(format!("the split in column `{column}` is not used ({error}); a random split is used instead"));
                    (parts, None)
                }
            },
            Err(error) => (Self::whole(table, columns, config), Some(error)),
        };
        parts.refused = refused;
        parts.report.notes = [file_notes(table, columns, config), parts.report.notes].concat();
        parts
    }

    fn whole(table: &Table, columns: ColumnChoice, config: &DataConfig) -> Self {
        let Rows { labels, rows, report } = Rows::new(table, columns, config, |_| true);
        Self { labels, train: rows, held_out: None, split: None, report, refused: None }
    }

    /// # Errors
    /// [`Error::Data`] if the parts cannot be used: a held-out label without a training row, or too few rows.
    fn divided(table: &Table, columns: ColumnChoice, config: &DataConfig, given: &Given) -> Result<Self> {
        const PART: &str = "held-out part";
        let rows = Rows::new(table, columns, config, |at| given.trains(at));
        let classes = (rows.labels.as_slice(), config.merge_labels);
        let held_out = HeldOut::new(table, columns, classes, PART, |at| given.holds_out(at))?;
        let Rows { labels, rows, mut report } = rows.without(&held_out.rows, PART);
        if report.classes.iter().filter(|class| class.count > 0).count() < 2 || rows.len() < FEWEST_ROWS {
            let column = &table.columns[given.column];
            return Err(Error::data(
                format!(
                    "column `{column}` leaves {} training rows, but at least {FEWEST_ROWS} rows and 2 classes are needed",
                    rows.len()
                ),
                "add training rows, or set data.split_column (--split-column) to none",
            ));
        }
        let HeldOut { rows: held, empty, unlabelled, ragged, notes } = held_out;
        report.rows = table.rows.len();
        report.usable = rows.len() + held.len();
        report.empty += empty;
        report.unlabelled += unlabelled;
        report.ragged += ragged;
        report.set_aside = given.set_aside();
        let all: Vec<TextRow> = rows.iter().chain(&held).cloned().collect();
        count(&mut report.classes, &all);
        report.lengths = Lengths::new(&all);
        report.advice = advice(&report);
        let other = |count: usize, what: &str| if count > 0 { format!(", {count} rows {what}") } else { String::new() };
        let split = given.in_use(table, rows.len(), held.len());
        let mut said = vec![format!(
            "the split is taken from column `{}`: {} training rows, {} held-out rows{}{}; --split-column none selects a random split",
            table.columns[given.column],
            rows.len(),
            held.len(),
            other(report.set_aside, "of other parts (not used)"),
            other(given.blank, "without a value (trained on)"),
        )];
        said.append(&mut report.notes);
        said.extend(notes);
        not_evaluated(&mut said, &labels, &held);
        report.notes = said;
        Ok(Self { labels, train: rows, held_out: Some(held), split: Some(split), report, refused: None })
    }
}

/// Notes on the file and on the choice of its columns, before those on its rows.
pub(super) fn file_notes(table: &Table, columns: ColumnChoice, config: &DataConfig) -> Vec<String> {
    [table.notes.clone(), columns.candidates(table, config).notes].concat()
}
