//! Text -> records: detects the separator and whether `"` is a quote. The `csv` crate parses; this file chooses its parameters.

use std::collections::HashMap;

use csv::{ReaderBuilder, StringRecord};

use super::limits;
use super::quotes::{Frequent, Quotes, in_parts, scan};
use super::record::{fits, half_quoted, is_blank};
use crate::error::{Error, Result};

/// A text parsed in one way.
pub(super) struct Reading {
    pub(super) separator: u8,
    pub(super) quotes: Quotes,
    pub(super) records: Vec<StringRecord>,
    /// Row number of each record, see [`super::Table::row_numbers`].
    pub(super) rows: Vec<u64>,
    /// Number of cells of most records.
    pub(super) width: usize,
    /// Share of the non-blank records with `width` cells, not counting empty cells at the end.
    pub(super) consistent: f64,
    pub(super) note: Option<String>,
    /// Raw cells, see [`super::raw`]; empty if they were not looked up.
    pub(super) raw: Vec<Option<StringRecord>>,
    /// The file exceeds the limits of rows or cells; the rest was not read.
    cut: bool,
}

impl Reading {
    /// # Errors
    /// [`Error::Data`] for a file that exceeds the limits.
    pub(super) fn check(&self) -> Result<()> {
        match self.cut {
            false => Ok(()),
            true if self.records.len() > limits::ROWS => limits::cells(self.records.len(), 1),
            true => limits::filled(usize::MAX),
        }
    }
}

/// Candidate separators; if all else is equal, the first one is used.
pub(super) const SEPARATORS: [u8; 4] = [b'\t', b';', b',', b'|'];
const SAMPLE: usize = 1 << 18;
/// Share of consistent rows from which a file is read without quoting, if its quotes are inconsistent.
const UNQUOTED: f64 = 0.98;

/// Parses a text in the most plausible way, with `"` as the only quote.
///
/// # Errors
/// As [`records`].
pub(super) fn read(text: &str, separator: Option<u8>) -> Result<Reading> {
    let separator = separator.or_else(|| sniff(text)).ok_or_else(|| Error::data("only one column was found", hint(text)))?;
    choose_quotes(text, separator)
}

/// The hint for a text without a separator.
fn hint(text: &str) -> String {
    let lines = || text.lines().map(str::trim).filter(|line| !line.is_empty()).take(1000);
    let prefixes: Vec<&str> = lines().filter_map(|line| line.split_once(": ")).map(|(label, _)| label).collect();
    let distinct: std::collections::HashSet<&str> = prefixes.iter().copied().collect();
    if prefixes.len() >= 4 && prefixes.len() * 10 >= lines().count() * 9 && distinct.len() * 2 <= prefixes.len() {
        return "the lines look like `label: text`: replace the first `: ` of each line with a tab".into();
    }
    "each row needs a text and a label, separated by a comma, a semicolon or a tab; a text that contains the separator must be in double quotes".into()
}

/// A separator as a phrase.
pub(super) fn name_of(separator: u8) -> &'static str {
    match separator {
        b'\t' => "a tab",
        b';' => "a semicolon",
        b',' => "a comma",
        b'|' => "a vertical bar",
        _ => "the separator",
    }
}

/// The separator that gives the most regular table for the beginning of the text, if any gives two columns.
fn sniff(text: &str) -> Option<u8> {
    let sample = match text.char_indices().nth(SAMPLE).and_then(|(end, _)| text[..end].rfind('\n')) {
        Some(end) => &text[..end],
        None => text,
    };
    let mut best: Option<(f64, usize, u8)> = None;
    for separator in SEPARATORS {
        for quotes in [Quotes::Doubled, Quotes::None] {
            let mut reading = parse(sample, separator, quotes);
            let mut trouble = reading.records.iter().filter(|record| half_quoted(record)).count();
            if quotes == Quotes::Doubled {
                let scan = scan(sample, separator, quotes);
                trouble = scan.torn.len();
                if scan.unclosed.is_some() {
                    reading.records.pop();
                }
            }
            if reading.width < 2 || reading.records.is_empty() {
                continue;
            }
            let score = reading.consistent - trouble as f64 / reading.records.len() as f64;
            // A separator that gives more columns with the same regularity is the real one, because a list inside a cell is
            // separated, too. Tabs take precedence, because they do not occur by accident.
            let columns = if separator == b'\t' { usize::MAX } else { reading.width };
            if best.is_none_or(|(other, width, _)| score > other || (score == other && columns > width)) {
                best = Some((score, columns, separator));
            }
        }
    }
    best.map(|(_, _, separator)| separator)
}

fn choose_quotes(text: &str, separator: u8) -> Result<Reading> {
    let mut quoted = parse(text, separator, Quotes::Doubled);
    quoted.check()?;
    if !text.contains('"') {
        return Ok(quoted);
    }
    let quotes = scan(text, separator, Quotes::Doubled);
    let clean = quotes.torn.is_empty() && quotes.unclosed.is_none();
    let frequent = Frequent::new(&quoted.records, quoted.width);
    let swallowing =
        (0..quoted.records.len()).find(|&i| quoted.records[i].iter().any(|cell| frequent.swallowed(cell, separator)));
    if clean && swallowing.is_none() {
        return Ok(quoted);
    }
    let plain = parse(text, separator, Quotes::None);
    if plain.width >= 2 && plain.consistent >= UNQUOTED && !has_quoted_column(&plain) {
        return Ok(plain);
    }
    if !clean {
        let scan = scan(text, separator, Quotes::Backslash);
        if scan.torn.is_empty() && scan.unclosed.is_none() {
            return Ok(parse(text, separator, Quotes::Backslash));
        }
    }
    let error = |problem: String, open: usize| {
        let record = quoted.records.partition_point(|record| start_of(record) <= open).saturating_sub(1);
        Error::Data {
            problem,
            hint: "close the quote; inside a quoted text, write a quote twice (\"\")".into(),
            row: quoted.rows.get(record).copied(),
            column: None,
        }
    };
    // Torn quotes first: if a quote is missing in the middle, all later ones are inverted, and the last one is not closed.
    let frequent_plain = Frequent::new(&plain.records, plain.width);
    let swallows = |cell: &str| frequent.swallowed(cell, separator) || frequent_plain.swallowed(cell, separator);
    if let Some(&(open, close)) = quotes.torn.iter().find(|&&(open, close)| swallows(&text[open + 1..close])) {
        let lines = text[open..close].lines().count();
        return Err(error(
            format!("a double quote opens here and is closed only {} lines later, before the text of another row", lines - 1),
            open,
        ));
    }
    if let Some(open) = quotes.unclosed {
        let lines = text[open..].lines().count();
        return Err(error(
            format!("a double quote opens here and is never closed: the remaining {lines} lines are inside it"),
            open,
        ));
    }
    let torn = quotes.torn.len() - mend(&mut quoted.records, text, separator, &quotes.torn);
    quoted.note = match swallowing {
        None if torn == 0 => None,
        Some(i) => Some(format!("row {}: a quoted cell contains lines that look like rows; check its quotes", quoted.rows[i])),
        None => Some(format!(
            "{} cells have a double quote inside quotes that is not written twice; a quote may be missing from their text",
            torn
        )),
    };
    Ok(quoted)
}

/// Gives cells that begin and end with different quoted parts (`"A" and "B"`) the quotes that belong to them. Returns their number.
fn mend(records: &mut [StringRecord], text: &str, separator: u8, torn: &[(usize, usize)]) -> usize {
    let mut mended = 0;
    for &(open, close) in torn {
        let rest = text[close + 1..].find(|letter| matches!(letter, '\n' | '\r') || letter == char::from(separator));
        let raw = &text[open..rest.map_or(text.len(), |rest| close + 1 + rest)];
        let at = records.partition_point(|record| start_of(record) <= open).saturating_sub(1);
        let parsed = format!("{}{}", text[open + 1..close].replace("\"\"", "\""), &raw[close + 1 - open..]);
        let Some(record) = records.get_mut(at).filter(|_| in_parts(raw, |letter| letter == '"')) else { continue };
        let Some(place) = record.iter().position(|cell| cell == parsed) else { continue };
        let cells: Vec<&str> = record.iter().enumerate().map(|(at, cell)| if at == place { raw } else { cell }).collect();
        let mut whole = StringRecord::from(cells);
        whole.set_position(record.position().cloned());
        *record = whole;
        mended += 1;
    }
    mended
}

/// Whether some separator gives at least two columns.
pub(super) fn has_columns(text: &str) -> bool {
    sniff(text).is_some()
}

/// A file with a single column: its lines, or its quoted cells if the quoting is consistent.
///
/// # Errors
/// [`Error::Data`] for a file that exceeds the limits.
pub(super) fn single(text: &str) -> Result<Reading> {
    // Not used as a separator in any file.
    const NOTHING: u8 = 0x1F;
    let found = scan(text, NOTHING, Quotes::Doubled);
    let clean = found.torn.is_empty() && found.unclosed.is_none();
    let reading = parse(text, NOTHING, if clean { Quotes::Doubled } else { Quotes::None });
    reading.check()?;
    Ok(reading)
}

fn parse(text: &str, separator: u8, quotes: Quotes) -> Reading {
    let mut reader = ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(separator)
        .quoting(quotes != Quotes::None)
        .escape((quotes == Quotes::Backslash).then_some(b'\\'))
        .from_reader(text.as_bytes());
    // A flexible reader can only fail on I/O or invalid UTF-8, and the input is a str.
    let mut cells = 0;
    let mut fits_in = |record: &StringRecord| {
        cells += record.len();
        cells <= limits::CELLS
    };
    // One more than the limit plus the header.
    let records: Vec<StringRecord> =
        reader.records().filter_map(Result::ok).take_while(&mut fits_in).take(limits::ROWS + 2).collect();
    let cut = cells > limits::CELLS || records.len() > limits::ROWS + 1;
    let mut widths = HashMap::new();
    let mut filled = 0_usize;
    for record in records.iter().filter(|record| !is_blank(record)) {
        *widths.entry(record.len()).or_insert(0_usize) += 1;
        filled += 1;
    }
    let width = widths.iter().map(|(&width, &count)| (count, width)).max().map_or(0, |(_, width)| width);
    let agreeing = records.iter().filter(|record| !is_blank(record) && fits(record, width)).count();
    let rows = rows_of(text, &records);
    Reading {
        separator,
        quotes,
        records,
        rows,
        width,
        consistent: agreeing as f64 / filled.max(1) as f64,
        note: None,
        raw: Vec::new(),
        cut,
    }
}

fn start_of(record: &StringRecord) -> usize {
    record.position().map_or(0, |position| position.byte() as usize)
}

/// Row number of each record, as in a spreadsheet: blank lines count, line breaks inside a cell do not.
fn rows_of(text: &str, records: &[StringRecord]) -> Vec<u64> {
    let newline = if text.contains('\n') { b'\n' } else { b'\r' };
    let count = |bytes: &[u8]| bytes.iter().filter(|&&byte| byte == newline).count() as u64;
    let bytes = text.as_bytes();
    let (mut at, mut line, mut inside, mut row) = (0, 1, 0, 0);
    let mut rows = Vec::with_capacity(records.len());
    for record in records {
        // The reader skips blank lines before a record and reports the position where it began to skip.
        let start = start_of(record).max(at);
        let start = start + bytes[start..].iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        line += count(&bytes[at..start]);
        // At least one more than before: different line breaks in one file cannot always be distinguished.
        row = u64::saturating_sub(line, inside).max(row + 1);
        rows.push(row);
        inside += count(record.as_slice().as_bytes());
        at = start;
    }
    rows
}

/// Without quoting: whether nearly all cells of some column are in quotes.
fn has_quoted_column(plain: &Reading) -> bool {
    (0..plain.width).any(|column| {
        let cells =
            || plain.records.iter().filter_map(|record| record.get(column)).map(str::trim).filter(|cell| !cell.is_empty());
        let whole = |cell: &&str| cell.len() > 1 && cell.starts_with('"') && cell.ends_with('"');
        let quoted = cells().filter(whole).filter(|cell| !in_parts(cell, |letter| letter == '"')).count();
        quoted > 1 && quoted * 10 >= cells().count() * 8
    })
}
