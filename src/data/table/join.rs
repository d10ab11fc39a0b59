//! Joins several files into one [`Table`].

use std::collections::HashSet;

use serde::Serialize;

use super::{Table, limits};
use crate::error::{Error, Result};

/// Several files joined into one table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Joined {
    /// The rows of all files, in order, numbered as by [`Table::to_csv`].
    pub table: Table,
    /// The files.
    pub parts: Vec<Part>,
}

/// A file of a [`Joined`] table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(all(test, not(target_family = "wasm")), derive(ts_rs::TS))]
pub struct Part {
    /// Name of the file.
    pub name: String,
    /// Rows, without a header.
    pub rows: usize,
    /// Row number of its first row in the joined table.
    pub first_row: u64,
    /// Notes on the file.
    pub notes: Vec<String>,
}

impl Table {
    /// Appends tables with the same columns: columns with the same names, in any order, or else the same number of columns. The
    /// joined columns have the names of the first file with a header.
    ///
    /// # Errors
    /// [`Error::Data`] for a file with different columns (the message names both files and their columns), for no file, and for
    /// too many rows.
    pub fn join(tables: Vec<(String, Self)>) -> Result<Joined> {
        let Some((first, _)) = tables.first() else {
            return Err(Error::data("no file was given", "give at least one"));
        };
        let names = tables.iter().find(|(_, table)| table.has_header).or(tables.first());
        let (leader, columns) = names.map_or((first.clone(), Vec::new()), |(name, table)| (name.clone(), table.columns.clone()));
        let mut joined = Self { columns: columns.clone(), has_header: true, ..Self::blank() };
        let mut parts = Vec::with_capacity(tables.len());
        for (name, table) in tables {
            let mut notes = table.notes.clone();
            let order = order(&columns, &table).ok_or_else(|| {
                Error::data(
                    format!(
                        "{name} has different columns than {leader}: {} instead of {}",
                        listing(&table.columns),
                        listing(&columns)
                    ),
                    "use files with the same columns, or one file at a time",
                )
            })?;
            if table.has_header && table.columns.iter().any(|column| !columns.contains(column)) {
                notes.push(format!("its columns {} are used as {}, in this order", listing(&table.columns), listing(&columns)));
            }
            let before = joined.rows.len() as u64 + 2;
            parts.push(Part { name, rows: table.rows.len(), first_row: before, notes });
            let ragged: HashSet<u64> = table.ragged.into_iter().collect();
            for (at, (mut cells, row)) in (before..).zip(table.rows.into_iter().zip(table.row_numbers)) {
                joined.rows.push(order.iter().map(|&column| std::mem::take(&mut cells[column])).collect());
                joined.row_numbers.push(at);
                if ragged.contains(&row) {
                    joined.ragged.push(at);
                }
            }
            limits::cells(joined.rows.len(), columns.len())?;
        }
        Ok(Joined { table: joined, parts })
    }
}

/// The position of each of `columns` in a table.
fn order(columns: &[String], table: &Table) -> Option<Vec<usize>> {
    if columns.len() != table.columns.len() {
        return None;
    }
    let distinct = columns.iter().collect::<HashSet<_>>().len() == columns.len();
    let by_name = || columns.iter().map(|name| table.columns.iter().position(|column| column == name)).collect();
    if distinct
        && table.has_header
        && let Some(order) = by_name()
    {
        return Some(order);
    }
    Some((0..columns.len()).collect())
}

fn listing(columns: &[String]) -> String {
    columns.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}
