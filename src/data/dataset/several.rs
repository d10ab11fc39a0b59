//! Cells with several labels, such as `billing|urgent`.

use std::collections::{HashMap, HashSet};

use super::notes::some;

/// Separators between the labels of a cell.
const SEPARATORS: [char; 5] = ['|', ';', ',', '/', '+'];

/// Minimum number of texts with several labels.
const FEWEST: usize = 3;

/// A note if cells contain several labels, that is, if labels with a separator are composed of other labels. `labels` come with
/// their number of rows.
pub(super) fn note(labels: &[(&str, usize)]) -> Option<String> {
    let (separator, rows, examples) =
        SEPARATORS.into_iter().filter_map(|separator| combined(labels, separator)).max_by_key(|(_, rows, _)| *rows)?;
    let (noun, verb) = if rows == 1 { ("row", "has") } else { ("rows", "have") };
    Some(format!(
        "{rows} {noun} {verb} several labels in a cell, separated by `{separator}` ({}): each combination is treated as a separate class",
        some(&examples)
    ))
}

/// Maximum number of labels of a text, on average.
const MOST: usize = 10;
/// Share of the rows that must have a text with several labels.
const SHARE: usize = 5;

/// A note if many texts are on several rows, each with one of their labels. `rows` are texts with their classes.
pub(super) fn rows(rows: &[(&str, &str)]) -> Option<String> {
    let mut texts: HashMap<&str, Vec<&str>> = HashMap::new();
    rows.iter().for_each(|(text, class)| texts.entry(text).or_default().push(class));
    let distinct = |classes: &[&str]| classes.iter().collect::<HashSet<_>>().len();
    let several: Vec<&Vec<&str>> = texts.values().filter(|classes| distinct(classes) > 1).collect();
    let affected: usize = several.iter().map(|classes| classes.len()).sum();
    // A text that different people labelled has a label more than once.
    let once = several.iter().filter(|classes| distinct(classes) == classes.len()).count();
    if several.len() < FEWEST || affected > several.len() * MOST || affected * SHARE < rows.len() || once * 10 < several.len() * 9
    {
        return None;
    }
    Some(format!(
        "{} of {} texts are on several rows, each time with another label ({affected} rows): this looks like several labels for a text, one in each row, but a text can only have one; none of these rows is used: keep one row for each text",
        several.len(),
        texts.len()
    ))
}

/// Labels that are composed of others with one separator, and their number of rows.
fn combined<'a>(labels: &[(&'a str, usize)], separator: char) -> Option<(char, usize, Vec<&'a str>)> {
    let parts = |label: &'a str| -> Vec<&'a str> { label.split(separator).map(str::trim).collect() };
    let combinations: Vec<&(&str, usize)> = labels
        .iter()
        .filter(|(label, _)| label.contains(separator) && parts(label).iter().all(|part| !part.is_empty()))
        .collect();
    let alone: HashSet<&str> = labels.iter().filter(|(label, _)| !label.contains(separator)).map(|(label, _)| *label).collect();
    let mut uses: HashMap<&str, usize> = HashMap::new();
    combinations.iter().flat_map(|(label, _)| parts(label)).for_each(|part| *uses.entry(part).or_default() += 1);
    // A part is a label if it also occurs alone or in another combination. A title with a comma has no such parts.
    let known = uses.iter().filter(|(part, uses)| alone.contains(*part) || **uses > 1).count();
    if combinations.is_empty() || known * 2 < uses.len() || known < 2 {
        return None;
    }
    let rows = combinations.iter().map(|(_, rows)| rows).sum();
    Some((separator, rows, combinations.iter().map(|(label, _)| *label).collect()))
}
