//! Lines next to the header and after the rows that are not part of the data: types, dashes, questions, totals.

use csv::StringRecord;

use super::super::record::{is_blank, length};
use super::super::rows_are;
use super::{Layout, cells, is_number, known, same_names};

/// Words of a row that states the type of each column.
#[rustfmt::skip]
const TYPES: &[&str] = &[
    "string", "str", "text", "varchar", "char", "int", "integer", "int64", "float", "float64", "double", "number", "numeric", "bool",
    "boolean", "object", "date", "datetime", "timestamp", "category", "categorical", "nominal", "ordinal", "enum", "factor", "meta",
    "class", "continuous", "discrete", "real", "bigint", "longtext",
];
/// Units of measurement. Lower case.
#[rustfmt::skip]
const UNITS: &[&str] = &[
    "kg", "g", "mg", "t", "lb", "lbs", "oz", "m", "km", "cm", "mm", "ft", "in", "inch", "mi", "s", "sec", "seconds", "ms", "min", "minutes",
    "h", "hours", "days", "weeks", "months", "years", "%", "€", "$", "£", "¥", "eur", "usd", "gbp", "°c", "°f", "l", "ml", "hz", "khz",
    "mb", "gb", "kb", "px", "db", "w", "kw", "kwh", "v", "a", "n", "characters", "chars", "words", "tokens", "percent", "units", "count",
];
/// Beginnings of lines below the rows.
#[rustfmt::skip]
const TOTALS: &[&str] = &[
    "total", "totals", "grand total", "subtotal", "sum", "count", "number of rows", "rows", "records", "average", "mean", "end of",
    "summe", "gesamt", "anzahl", "gesamtergebnis", "total général", "total general", "suma", "totale", "totaal", "итого", "всего",
    "合计", "总计", "合計", "page", "generated", "exported", "source", "report", "confidential", "©",
];
/// Maximum number of lines below the rows.
const FOOTER: usize = 5;
/// Maximum number of lines below the header that describe the columns.
const HEADERS: usize = 3;

/// Lines below the header that are not rows: types, dashes, and the questions and ids of survey tools.
pub(super) fn second_headers(records: &[StringRecord], rows: &[u64], header: usize, layout: &mut Layout) {
    let next: Vec<usize> = (header + 1..records.len()).filter(|&at| !is_blank(&records[at])).take(HEADERS).collect();
    let survey = next.iter().position(|&at| cells(&records[at]).all(|cell| cell.starts_with("{\"ImportId\"")));
    let mut found = Vec::new();
    for (place, &at) in next.iter().enumerate() {
        let more = survey.is_some_and(|last| place <= last)
            || is_rule(&records[at])
            || types(&records[header], &records[at])
            || answers(&records[at])
            || in_brackets(&records[at])
            || questions(records, header, at);
        if !more {
            break;
        }
        found.push(at);
    }
    // If the file has only such rows, they are the rows.
    if found.is_empty() || header + 1 + found.len() >= records.len() {
        return;
    }
    let lines: Vec<u64> = found.iter().map(|&at| rows[at]).collect();
    layout.notes.push(format!("{} below the header but not part of the data, and left out", rows_are(&lines)));
    layout.left_out.extend(found);
}

/// A line below the header with a unit or a type for each column. Unlike [`second_headers`], it is used as a row where the header
/// row is named, because it may be one.
pub(super) fn units(records: &[StringRecord], rows: &[u64], header: usize, layout: &mut Layout) {
    let Some(at) = (header + 1..records.len()).find(|&at| !is_blank(&records[at])) else { return };
    if layout.left_out.contains(&at) || at + 1 >= records.len() || !describes(records, header, at) {
        return;
    }
    let text: Vec<&str> = cells(&records[at]).take(5).collect();
    layout.notes.push(format!(
        "{} below the header and states units or types (`{}`), and left out; --header-row {} uses it as a row",
        rows_are(&[rows[at]]),
        text.join("`, `"),
        rows[header]
    ));
    layout.left_out.push(at);
}

/// Whether all cells are units, types or dashes, at least one of them no dash, and none occurs again in its column. A single cell
/// must be above numbers.
fn describes(records: &[StringRecord], header: usize, at: usize) -> bool {
    let record = &records[at];
    let rest = &records[at + 1..records.len().min(at + 1 + super::BELOW)];
    let dash = |cell: &str| matches!(cell, "-" | "–" | "—" | "--");
    let states = |cell: &str| {
        let lower = cell.to_lowercase();
        let brackets = [('(', ')'), ('[', ']'), ('<', '>'), ('{', '}')];
        let inside = brackets.iter().any(|&(open, close)| cell.len() > 2 && cell.starts_with(open) && cell.ends_with(close));
        inside && cell.split_whitespace().count() <= super::NAME_WORDS
            || TYPES.contains(&lower.as_str())
            || UNITS.contains(&lower.as_str())
            || lower.split_whitespace().all(|word| TYPES.contains(&word) || matches!(word, "free" | "short" | "long"))
    };
    let filled: Vec<(usize, &str)> = record.iter().map(str::trim).enumerate().filter(|(_, cell)| !cell.is_empty()).collect();
    let below = |column: usize| rest.iter().filter_map(move |other| other.get(column)).map(str::trim);
    let fresh = |&(column, cell): &(usize, &str)| below(column).all(|other| other != cell);
    let numbers = |column: usize| below(column).all(|cell| cell.is_empty() || is_number(cell));
    record.len() <= records[header].len()
        && filled.iter().any(|(_, cell)| states(cell))
        && filled.iter().all(|(_, cell)| states(cell) || dash(cell))
        && filled.iter().all(fresh)
        && (filled.len() > 1 || filled.iter().all(|&(column, _)| numbers(column)))
}

/// Only dashes.
pub(super) fn is_rule(record: &StringRecord) -> bool {
    cells(record).all(|cell| cell.len() >= 2 && cell.bytes().all(|byte| matches!(byte, b'-' | b'=' | b':' | b'+' | b'_' | b' ')))
        && cells(record).count() > 0
}

/// A type for each name; at least two.
fn types(names: &StringRecord, record: &StringRecord) -> bool {
    let typed = |cell: &str| TYPES.contains(&cell.to_lowercase().as_str()) || cell.to_lowercase().starts_with("varchar(");
    let count = cells(record).count();
    // `text,class` below a header that is not these names themselves.
    count >= 2 && count == cells(names).count() && cells(record).all(typed)
}

/// Units or remarks: each cell is in brackets.
fn in_brackets(record: &StringRecord) -> bool {
    let inside = |cell: &str, open, close| cell.starts_with(open) && cell.ends_with(close);
    cells(record).count() > 1
        && cells(record).all(|cell| inside(cell, '(', ')') || inside(cell, '[', ']') || inside(cell, '<', '>'))
}

/// What SurveyMonkey writes below its questions.
fn answers(record: &StringRecord) -> bool {
    let count = cells(record).count();
    count > 0 && cells(record).all(|cell| matches!(cell, "Response" | "Open-Ended Response"))
}

/// Questions below the column names: at least one cell ends with a question mark, while the names and the other values of the
/// column do not.
fn questions(records: &[StringRecord], header: usize, at: usize) -> bool {
    let record = &records[at];
    if at != header + 1 || record.len() != records[header].len() {
        return false;
    }
    let rest = &records[at + 1..records.len().min(at + 1 + super::BELOW)];
    let asks = |column: usize| record.get(column).is_some_and(|cell| cell.trim_end().ends_with('?'));
    let alone = |column: usize| {
        let values: Vec<&str> =
            rest.iter().filter_map(|other| other.get(column)).filter(|cell| !cell.trim().is_empty()).collect();
        let distinct: std::collections::HashSet<&str> = values.iter().copied().collect();
        values.len() >= 4 && distinct.len() * 2 <= values.len() && !values.iter().any(|value| value.trim_end().ends_with('?'))
    };
    let named = |column: usize| records[header].get(column).is_some_and(|name| !name.contains(char::is_whitespace));
    (0..record.len()).any(|column| asks(column) && alone(column) && named(column))
}

/// Repetitions of the header among the rows, where files were concatenated.
pub(super) fn repeated(records: &[StringRecord], rows: &[u64], header: usize, layout: &mut Layout) {
    let names = &records[header];
    if cells(names).filter(|name| known(name)).count() < 2 {
        return;
    }
    let again: Vec<usize> = (header + 1..records.len()).filter(|&at| same_names(&records[at], names)).collect();
    if again.is_empty() {
        return;
    }
    let lines: Vec<u64> = again.iter().map(|&at| rows[at]).collect();
    layout.notes.push(format!("{} identical to the header and left out", rows_are(&lines)));
    layout.left_out.extend(again);
}

/// Lines below the last row, such as a total or an author.
pub(super) fn footer(records: &[StringRecord], rows: &[u64], width: usize, layout: &mut Layout) {
    let start = layout.header.map_or(0, |header| header + 1);
    // If most rows have only one cell, such a line is a row.
    let several = records[start..].iter().filter(|record| cells(record).count() > 1).count();
    let width = if several * 2 > records.len() - start { width } else { 1 };
    let mut found: Vec<usize> = Vec::new();
    for at in (start..records.len()).rev().take(FOOTER) {
        if is_blank(&records[at]) {
            continue;
        }
        if !is_footer(records, start, at, width) {
            break;
        }
        found.push(at);
    }
    found.reverse();
    // Do not read a table of three rows as one row and a footer.
    if found.is_empty() || records.len() - start < found.len() + 3 {
        return;
    }
    let lines: Vec<u64> = found.iter().map(|&at| rows[at]).collect();
    let text = cells(&records[found[0]]).collect::<Vec<_>>().join(" ");
    let text: String = text.chars().take(60).collect();
    layout.notes.push(format!("{} below the last row of the table and left out: `{text}`", rows_are(&lines)));
    layout.left_out.extend(found);
}

/// Whether a text alone looks like what stands below a table: `(3 rows)`, `Total: 3`.
pub(in crate::data::table) fn is_closing(text: &str) -> bool {
    let (counts, begins) = closing(text);
    let few = text.split_whitespace().count() <= 4 && text.contains(|letter: char| letter.is_ascii_digit());
    (counts || begins) && few
}

/// Whether a cell is a number of rows, and whether it begins like a total.
fn closing(first: &str) -> (bool, bool) {
    let lower = first.trim().to_lowercase();
    let bare = lower.trim_start_matches(['(', '-', '*', '#', ' ']);
    let counts = bare.split_once(' ').is_some_and(|(number, what)| {
        number.parse::<u64>().is_ok()
            && what.trim_end_matches(')').split(' ').next().is_some_and(|word| matches!(word, "rows" | "row" | "records"))
    });
    let begins = TOTALS.iter().any(|word| {
        bare.strip_prefix(word)
            .is_some_and(|rest| !rest.starts_with(|letter: char| letter.is_alphanumeric() && letter.is_ascii()))
    });
    (counts, begins)
}

fn is_footer(records: &[StringRecord], start: usize, at: usize, width: usize) -> bool {
    let record = &records[at];
    let mut filled = cells(record);
    let Some(first) = filled.next() else { return false };
    let rest: Vec<&str> = filled.collect();
    let (counts, begins) = closing(first);
    let comment = first.starts_with("# ") || first.starts_with("-- ") || first.starts_with("// ");
    // Fewer cells than the rows, or numbers where they have other values.
    let narrow = rest.is_empty() && width > 1;
    let numbers = !rest.is_empty() && rest.iter().all(|cell| is_number(cell)) && {
        let column = length(record).saturating_sub(1);
        let value = record.get(column).unwrap_or_default().trim();
        records[start..at].iter().all(|other| other.get(column).is_none_or(|cell| cell.trim() != value))
            && records[start..at]
                .iter()
                .any(|other| other.get(column).is_some_and(|cell| !is_number(cell) && !cell.trim().is_empty()))
    };
    // A total of a column of numbers, with empty cells where the rows have values.
    let typical = records[start..at].iter().filter(|other| cells(other).count() > rest.len() + 1).count();
    let sums = !rest.is_empty() && rest.iter().all(|cell| is_number(cell)) && typical * 2 > at - start;
    let numbers = numbers || sums;
    (narrow && (counts || begins || comment || is_rule(record))) || (numbers && begins && first.split_whitespace().count() <= 4)
}
