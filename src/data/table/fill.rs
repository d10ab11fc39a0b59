//! Labels that are only written in the first row of a block, as in tables made for people.

use std::collections::HashSet;

use super::{Table, rows_list};

/// Minimum number of rows for detecting such a column.
const FEWEST: usize = 6;
/// Maximum length of a value of such a column, in characters.
const LONGEST: usize = 60;
/// Maximum number of rows per value, on average: with fewer values the other rows have no label yet.
const ROWS_PER_VALUE: usize = 20;

/// Fills down the only column that can be the label, if it is certain that it is written in blocks.
pub(super) fn down(table: &mut Table) {
    let blocks: Vec<usize> = (0..table.columns.len()).filter(|&column| is_in_blocks(table, column)).collect();
    let [column] = blocks[..] else { return };
    // If another column has a label in every row, a column with gaps is something else.
    if (0..table.columns.len()).any(|other| other != column && repeats(table, other)) {
        return;
    }
    let mut filled = Vec::new();
    let mut value = String::new();
    for (cells, &row) in table.rows.iter_mut().zip(&table.row_numbers) {
        if !cells[column].trim().is_empty() {
            value.clone_from(&cells[column]);
        } else if cells.iter().any(|cell| !cell.trim().is_empty()) {
            cells[column].clone_from(&value);
            filled.push(row);
        }
    }
    table.notes.push(format!(
        "the column `{}` has a value only in the first row of each block: {} {} the value above",
        table.columns[column],
        rows_list(&filled),
        if filled.len() == 1 { "gets" } else { "get" }
    ));
}

/// Whether a column is blank except in the first row of each block: the first row has a value, no two consecutive rows have one,
/// each value differs from the one before; each value heads one block, or all blocks have the same length; and another column has
/// no gaps.
fn is_in_blocks(table: &Table, column: usize) -> bool {
    let rows = &table.rows;
    if rows.len() < FEWEST || !table.ragged.is_empty() {
        return false;
    }
    let heads: Vec<usize> = (0..rows.len()).filter(|&at| !rows[at][column].trim().is_empty()).collect();
    let value = |at: usize| rows[at][column].trim();
    let starts = heads.len() >= 2 && heads[0] == 0 && rows.len() <= heads.len() * ROWS_PER_VALUE;
    if !starts || heads.iter().any(|&at| value(at).chars().count() > LONGEST) {
        return false;
    }
    let ends = heads.iter().skip(1).copied().chain([rows.len()]);
    let lengths: Vec<usize> = heads.iter().zip(ends).map(|(start, end)| end - start).collect();
    let distinct: HashSet<&str> = heads.iter().map(|&at| value(at)).collect();
    let long = lengths.iter().all(|&length| length >= 2);
    let changes = heads.windows(2).all(|pair| value(pair[0]) != value(pair[1]));
    let regular = distinct.len() == heads.len() || (distinct.len() >= 2 && lengths.iter().all(|&length| length == lengths[0]));
    let full = (0..table.columns.len()).any(|other| {
        other != column
            && rows.iter().all(|cells| cells.iter().all(|cell| cell.trim().is_empty()) || !cells[other].trim().is_empty())
    });
    long && changes && regular && full
}

/// Whether the values of a nearly complete column repeat, as labels do.
fn repeats(table: &Table, column: usize) -> bool {
    let values: Vec<&str> = table.rows.iter().map(|cells| cells[column].trim()).filter(|cell| !cell.is_empty()).collect();
    let distinct: HashSet<&str> = values.iter().copied().collect();
    values.len() * 10 >= table.rows.len() * 9 && distinct.len() >= 2 && distinct.len() * 2 <= values.len()
}
