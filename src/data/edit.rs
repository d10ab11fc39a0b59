//! Changes to single rows, which give a new [`Table`].

use std::collections::{HashMap, HashSet};

use serde::Deserialize;

use crate::data::cells::{is_blank, normalised};
use crate::data::dataset::{ColumnChoice, Reading};
use crate::data::table::{Format, Table};
use crate::error::{Error, Result};

/// A change to a row's label.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[cfg_attr(all(test, not(target_family = "wasm")), derive(ts_rs::TS))]
pub struct Edit {
    /// Row number, as in [`Table::row_numbers`] and in every report.
    pub row: u64,
    /// The new label; `None` removes the row.
    pub label: Option<String>,
}

/// A row that the user has typed.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct NewRow {
    /// The text.
    pub text: String,
    /// Its label.
    pub label: String,
}

impl Table {
    /// The table after some changes. All other cells and the order stay the same. A change applies to every row with the same
    /// text (see [`super::dataset::DataReport::duplicates`]), because a text with two labels would not be used at all.
    ///
    /// # Errors
    /// [`Error::Data`] for a row that does not exist, an empty label, two different changes to the same text, or if no row is
    /// left.
    pub fn edited(&self, columns: ColumnChoice, edits: &[Edit]) -> Result<Self> {
        let reading = Reading::of_texts(self, columns.text);
        let key = |cells: &[String]| normalised(&reading.value(&cells[columns.text]));
        let mut changes: HashMap<String, (u64, Option<&str>)> = HashMap::new();
        for Edit { row, label } in edits {
            let wrong = |problem: String, hint: &str| Error::Data { problem, hint: hint.into(), row: Some(*row), column: None };
            let at = self.row_numbers.binary_search(row);
            let at = at.map_err(|_| wrong("the table has no such row".into(), "use a row number from the report"))?;
            let label = label.as_deref().map(str::trim);
            if label.is_some_and(is_blank) {
                return Err(wrong("the new label is empty".into(), "give a label, or remove the row"));
            }
            let text = key(&self.rows[at]);
            if let Some((other, _)) = changes.insert(text, (*row, label)).filter(|(_, earlier)| *earlier != label) {
                let problem = format!("row {other} has the same text and is given another label");
                return Err(wrong(problem, "give both the same label, or undo one of the changes"));
            }
        }
        let named: HashSet<u64> = edits.iter().map(|edit| edit.row).collect();
        let mut table = self.clone();
        let mut kept = vec![true; table.rows.len()];
        for ((cells, row), kept) in table.rows.iter_mut().zip(&table.row_numbers).zip(&mut kept) {
            let text = key(cells);
            // Rows without a text do not count as equal.
            let change = changes.get(&text).filter(|_| !text.is_empty() || named.contains(row));
            match change {
                Some((_, Some(label))) => (*label).clone_into(&mut cells[columns.label]),
                Some((_, None)) => *kept = false,
                None => {}
            }
        }
        let mut flags = kept.iter();
        table.rows.retain(|_| flags.next() == Some(&true));
        let mut flags = kept.iter();
        table.row_numbers.retain(|_| flags.next() == Some(&true));
        table.ragged.retain(|row| table.row_numbers.binary_search(row).is_ok());
        if table.rows.is_empty() {
            return Err(Error::data("no row is left", "keep at least one row"));
        }
        Ok(table)
    }

    /// Appends rows to the table. Their other cells are empty.
    ///
    /// # Errors
    /// [`Error::Data`] for a row without a text or a label.
    pub fn append(&mut self, columns: ColumnChoice, rows: &[NewRow]) -> Result<()> {
        let wrong = |what: &str| Error::data(format!("the new row has no {what}"), "give a text and a label");
        for NewRow { text, label } in rows {
            let mut cells = vec![String::new(); self.columns.len()];
            for (what, column, value) in [("text", columns.text, text), ("label", columns.label, label)] {
                value.trim().clone_into(&mut cells[column]);
                if is_blank(&cells[column]) {
                    return Err(wrong(what));
                }
            }
            self.row_numbers.push(self.row_numbers.last().map_or(2, |last| last + 1));
            self.rows.push(cells);
        }
        Ok(())
    }

    /// A table with the columns `text` and `label` and no rows, for rows that the user types.
    #[must_use]
    pub fn blank() -> Self {
        Self {
            columns: vec!["text".into(), "label".into()],
            has_header: true,
            header_row: Some(1),
            rows: Vec::new(),
            row_numbers: Vec::new(),
            ragged: Vec::new(),
            format: Format::Text,
            encoding: encoding_rs::UTF_8.name(),
            separator: ',',
            quoting: true,
            notes: Vec::new(),
            head: Vec::new(),
            sheets: Vec::new(),
            sheet: None,
        }
    }
}
