//! Advice on a table: what is likely to go wrong, and what to do about it.

use super::{ClassCount, DataReport, TextRow};
use serde::Serialize;

/// Minimum number of rows of a class for meaningful metrics.
const FEW_OF_CLASS: usize = 10;
/// Minimum number of rows for a held-out set that is large enough.
const FEW: usize = 50;
/// Share of the largest class from which accuracy is not informative.
const LOPSIDED: f64 = 0.9;
/// Share of unused rows from which something is probably wrong with the file.
const LOST: f64 = 0.2;
/// Median text length in characters below which the text column is probably wrong.
const SHORT: usize = 4;
/// Maximum number of classes to list by name.
const LISTED: usize = 4;

/// How long the usable texts are, in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[cfg_attr(all(test, not(target_family = "wasm")), derive(ts_rs::TS))]
pub struct Lengths {
    /// The shortest text.
    pub shortest: usize,
    /// The median; of two middle texts, the longer one.
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

/// Short advice on these rows, the most important first.
pub(super) fn advice(report: &DataReport) -> Vec<String> {
    let DataReport { rows, usable, classes, lengths, .. } = report;
    let (rows, usable) = (*rows, *usable);
    if usable == 0 {
        return vec!["no row has both a text and a label: choose other columns".into()];
    }
    if let [class] = classes.as_slice() {
        return vec![format!(
            "all usable rows have the label `{}`: choose another label column, or add rows of other classes",
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
            "{} classes in {usable} rows are {:.1} rows per class: at least {FEW_OF_CLASS} per class are recommended, 50 are better",
            classes.len(),
            usable as f64 / classes.len() as f64
        ));
    } else if let [class] = few.as_slice() {
        found.push(format!(
            "class `{}` has only {}: add more; at least {FEW_OF_CLASS} are recommended, 50 are better",
            class.name,
            rows_of(class.count)
        ));
    } else if !few.is_empty() {
        let mut names: Vec<String> = few.iter().take(LISTED).map(|class| format!("`{}` {}", class.name, class.count)).collect();
        if few.len() > LISTED {
            names.push("...".into());
        }
        found.push(format!(
            "{} classes have fewer than {FEW_OF_CLASS} rows ({}): add more, or merge classes",
            few.len(),
            names.join(", ")
        ));
    } else if usable < FEW {
        found.push(format!("only {} can be used: with fewer than {FEW}, the metrics are not reliable", rows_of(usable)));
    }
    if let Some(class) = classes.iter().max_by_key(|class| class.count)
        && class.count as f64 >= LOPSIDED * usable as f64
    {
        found.push(format!(
            "{:.0}% of the rows are in class `{}`: always predicting it has that accuracy; look at the macro-F1, and add rows of other classes",
            (class.count as f64 / usable as f64 * 100.0).floor(),
            class.name
        ));
    }
    if (rows - usable) as f64 > LOST * rows as f64 {
        found.push(format!(
            "{:.0}% of the rows are left out, for the reasons in the notes",
            (rows - usable) as f64 / rows as f64 * 100.0
        ));
    }
    if lengths.median < SHORT {
        found.push(format!(
            "half of the texts have {} characters or fewer: choose another text column if these are not the texts",
            lengths.median
        ));
    }
    found
}

fn rows_of(count: usize) -> String {
    if count == 1 { "1 row".into() } else { format!("{count} rows") }
}
