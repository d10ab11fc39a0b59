//! ARFF, the format of Weka: first names and types, then rows with single quotes.

use csv::StringRecord;

use super::super::records::{Names, Records};
use super::super::{Format, styles};
use crate::error::{Error, Result};

/// # Errors
/// [`Error::Data`] for sparse rows, and for a file without attributes or data.
pub(super) fn read(text: &str, first: &[&str]) -> Result<Option<Records>> {
    let keyword = |line: &str, word: &str| line.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word));
    if !first.iter().any(|line| keyword(line, "@relation")) || !first.iter().any(|line| keyword(line, "@attribute")) {
        return Ok(None);
    }
    let broken = |what: &str| Error::data(format!("this ARFF file {what}"), "export the table as CSV");
    let mut names = Vec::new();
    let (mut body, mut data) = (String::with_capacity(text.len()), false);
    // Lines that are not rows become blank lines, so that row numbers do not change.
    for line in text.lines() {
        let bare = line.trim();
        if data && !bare.starts_with('%') {
            if bare.starts_with('{') {
                return Err(broken("has sparse rows, which are not supported"));
            }
            body.push_str(line);
        } else if keyword(bare, "@attribute") {
            names.push(name_of(bare["@attribute".len()..].trim()).to_owned());
        } else if keyword(bare, "@data") {
            data = true;
        }
        body.push('\n');
    }
    if names.len() < 2 || body.trim().is_empty() {
        return Err(broken("has fewer than two attributes, or no rows"));
    }
    let reading = styles::read(&body, Some(b','))?;
    let missing = |record: StringRecord| -> StringRecord {
        let position = record.position().cloned();
        let mut cells: StringRecord = record.iter().map(|cell| if cell.trim() == "?" { "" } else { cell.trim() }).collect();
        cells.set_position(position);
        cells
    };
    let width = names.len();
    let records = std::iter::once(StringRecord::from(names)).chain(reading.records.into_iter().map(missing)).collect();
    let rows = std::iter::once(0).chain(reading.rows).collect();
    let mut records = Records::new(records, rows, Names::Given, Format::Text);
    records.width = width;
    Ok(Some(records))
}

/// The name of an attribute, possibly quoted.
fn name_of(line: &str) -> &str {
    match line.chars().next() {
        Some(quote @ ('\'' | '"')) => line[1..].split(quote).next().unwrap_or_default(),
        _ => line.split_whitespace().next().unwrap_or_default(),
    }
}
