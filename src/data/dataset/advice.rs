//! What a person who knows such data would say about a table.

use super::{ClassCount, DataReport, TextRow};
use serde::Serialize;

/// Rows of a class below which its figures are luck.
const FEW_OF_CLASS: usize = 10;
/// Rows below which the held-out part is too small to say much.
const FEW: usize = 50;
/// Share of one class from which accuracy says little.
const LOPSIDED: f64 = 0.9;
/// Share of rows that are not used from which something is probably wrong with the file.
const LOST: f64 = 0.2;
/// Characters of the median text below which the column is probably another one.
const SHORT: usize = 4;
/// Classes that are listed by name.
const LISTED: usize = 4;

/// How long the usable texts are, in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[cfg_attr(all(test, not(target_family = "wasm")), derive(ts_rs::TS))]
pub struct Lengths {
    /// The shortest text.
    pub shortest: usize,
    /// The text in the middle; of two the longer one.
    pub median: usize,
    /// The longest text.
    pub longest: usize,
}

impl Lengths {
    pub(super) fn new(rows: &[TextRow]) -> Self {
        let mut lengths: Vec<usize> = rows.iter().map(|row| row.text.chars().count()).collect();
        lengths.sort_unstable();
        let at = |index: usize| lengths.get(index).copied().unwrap_or(0);
        Self { shortest: at(0), median: at(lengths.len() / 2), longest: at(lengths.len().saturating_sub(1)) }
    }
}

/// Plain sentences on what is likely to go wrong with these rows, and what helps; the most important first.
pub(super) fn advice(report: &DataReport) -> Vec<String> {
    let DataReport { rows, usable, classes, lengths, .. } = report;
    let (rows, usable) = (*rows, *usable);
    if usable == 0 {
        return vec!["no row has both a text and a label: choose other columns".into()];
    }
    if let [class] = classes.as_slice() {
        return vec![format!(
            "all usable rows have the label `{}`: there is nothing to tell apart; choose another label column, or add rows of other classes",
            class.name
        )];
    }
    let mut found = Vec::new();
    if classes.len() * 3 > usable * 2 {
        found.push(format!(
            "the label column has {} different values in {usable} rows: choose another label column",
            classes.len()
        ));
        return found;
    }
    let few: Vec<&ClassCount> = classes.iter().filter(|class| class.count < FEW_OF_CLASS).collect();
    if usable < FEW_OF_CLASS * classes.len() {
        found.push(format!(
            "{} classes for {usable} rows are {:.1} rows a class: {FEW_OF_CLASS} or more of each are a start, 50 are good",
            classes.len(),
            usable as f64 / classes.len() as f64
        ));
    } else if let [class] = few.as_slice() {
        found.push(format!(
            "class `{}` has only {}: add some, {FEW_OF_CLASS} or more are a start, 50 are good",
            class.name,
            rows_of(class.count)
        ));
    } else if !few.is_empty() {
        let mut names: Vec<String> = few.iter().take(LISTED).map(|class| format!("`{}` {}", class.name, class.count)).collect();
        if few.len() > LISTED {
            names.push("...".into());
        }
        found.push(format!(
            "{} classes have fewer than {FEW_OF_CLASS} rows ({}): add some, or put classes together",
            few.len(),
            names.join(", ")
        ));
    } else if usable < FEW {
        found.push(format!("{} can be used: with fewer than {FEW} the figures say little", rows_of(usable)));
    }
    if let Some(class) = classes.iter().max_by_key(|class| class.count)
        && class.count as f64 >= LOPSIDED * usable as f64
    {
        found.push(format!(
            "{:.0} % of the rows are of class `{}`: always answering that is right as often; look at the macro F1, and add rows of other classes",
            (class.count as f64 / usable as f64 * 100.0).floor(),
            class.name
        ));
    }
    if (rows - usable) as f64 > LOST * rows as f64 {
        found.push(format!(
            "{:.0} % of the rows are not used, for the reasons given",
            (rows - usable) as f64 / rows as f64 * 100.0
        ));
    }
    if lengths.median < SHORT {
        found.push(format!(
            "half of the texts have {} characters or fewer: choose another text column if these are no texts",
            lengths.median
        ));
    }
    found
}

fn rows_of(count: usize) -> String {
    if count == 1 { "1 row".into() } else { format!("{count} rows") }
}
