//! Scores of classes: a column for each class, whose numbers say how much a text belongs to it.

use super::notes::some;
use crate::data::cells::is_blank;
use crate::data::table::Table;

/// How far the scores of a row may be from adding up to 1, for each column: they are rounded.
const ROUNDED: f64 = 0.011;
/// Maximum number of columns that are tried.
const MOST: usize = 200;

/// A note if the label column is one of several with scores of classes: numbers from 0 to 1 that add up to 1 in each row, or 1 in
/// one column and -1 in the others. Columns of 0 and 1 are one-hot labels, which have a note of their own.
pub(super) fn note(table: &Table, label: usize) -> Option<String> {
    let row = |at: usize, column: usize| table.rows[at].get(column).and_then(|cell| cell.trim().parse::<f64>().ok());
    let full: Vec<usize> =
        (0..table.rows.len()).filter(|&at| table.rows[at].get(label).is_some_and(|cell| !is_blank(cell))).collect();
    if full.len() < 4 || table.columns.len() > MOST {
        return None;
    }
    let within = |column: usize, test: &dyn Fn(f64) -> bool| full.iter().all(|&at| row(at, column).is_some_and(test));
    let list = |test: &dyn Fn(f64) -> bool| -> Vec<usize> {
        if !within(label, test) {
            return Vec::new();
        }
        (0..table.columns.len()).filter(|&column| within(column, test)).collect()
    };
    let values = |columns: &[usize], at: usize| -> Vec<f64> { columns.iter().filter_map(|&column| row(at, column)).collect() };
    let shares = list(&|value| (0.0..=1.0).contains(&value));
    let sums = shares.len() > 1
        && full.iter().all(|&at| (values(&shares, at).iter().sum::<f64>() - 1.0).abs() <= ROUNDED * shares.len() as f64)
        && full.iter().any(|&at| values(&shares, at).iter().any(|value| value.fract() != 0.0));
    let signs = list(&|value| value == 1.0 || value == -1.0);
    let one = signs.len() > 1
        && full.iter().any(|&at| values(&signs, at).contains(&-1.0))
        && full.iter().filter(|&&at| values(&signs, at).iter().filter(|value| **value == 1.0).count() == 1).count() * 10
            >= full.len() * 9;
    let (columns, what) = match (sums, one) {
        (true, _) => (shares, "numbers that add up to 1 in each row"),
        (_, true) => (signs, "1 in one column and -1 in the others"),
        _ => return None,
    };
    let names: Vec<&str> = columns.iter().map(|&column| table.columns[column].as_str()).collect();
    Some(format!(
        "columns {} are scores of classes ({what}): only `{}` is used as the label, and its numbers are the classes; put the name of the class with the largest score into a single column",
        some(&names),
        table.columns[label]
    ))
}
