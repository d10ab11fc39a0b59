//! Text -> records: which separator, and are quotes quotes. Parsing is the `csv` crate's; this file chooses how to call it.

use std::collections::HashMap;

use csv::{ReaderBuilder, StringRecord};

use super::limits;
use super::quotes::{Frequent, Quotes, scan};
use super::record::{fits, half_quoted, is_blank};
use crate::error::{Error, Result};

/// A text as read in one way.
pub(super) struct Reading {
    pub(super) separator: u8,
    pub(super) quotes: Quotes,
    pub(super) records: Vec<StringRecord>,
    /// Row of the file of each record, see [`super::Table::row_numbers`].
    pub(super) rows: Vec<u64>,
    /// Cells of most records.
    pub(super) width: usize,
    /// Share of the records that are not blank and have `width` cells, or more but empty ones.
    pub(super) consistent: f64,
    pub(super) note: Option<String>,
    /// The file has more rows or cells than are taken; the rest of it was not read.
    cut: bool,
}

impl Reading {
    /// # Errors
    /// [`Error::Data`] for a file that is larger than what is taken.
    pub(super) fn check(&self) -> Result<()> {
        match self.cut {
            false => Ok(()),
            true if self.records.len() > limits::ROWS => limits::cells(self.records.len(), 1),
            true => limits::filled(usize::MAX),
        }
    }
}

/// Candidates; where all else is equal, the first wins.
pub(super) const SEPARATORS: [u8; 4] = [b'\t', b';', b',', b'|'];
const SAMPLE: usize = 1 << 18;
/// A file whose rows agree this well without quotes is taken to have none, if its quotes make no sense as quotes.
const UNQUOTED: f64 = 0.98;

/// Reads a text in the way that makes most sense, with `"` as the only quote.
///
/// # Errors
/// As [`records`].
pub(super) fn read(text: &str, separator: Option<u8>) -> Result<Reading> {
    let separator = separator.or_else(|| sniff(text)).ok_or_else(|| Error::data("only one column was found", hint(text)))?;
    choose_quotes(text, separator)
}

/// What to do with a text in which no separator was found.
fn hint(text: &str) -> String {
    let lines = || text.lines().map(str::trim).filter(|line| !line.is_empty()).take(1000);
    let prefixes: Vec<&str> = lines().filter_map(|line| line.split_once(": ")).map(|(label, _)| label).collect();
    let distinct: std::collections::HashSet<&str> = prefixes.iter().copied().collect();
    if prefixes.len() >= 4 && prefixes.len() * 10 >= lines().count() * 9 && distinct.len() * 2 <= prefixes.len() {
        return "the lines look like `label: text`: put a tab in place of the first `: ` of each line".into();
    }
    "each row needs a text and a label, separated by a comma, a semicolon or a tab; a text that contains the separator belongs in double quotes".into()
}

/// A separator in words.
pub(super) fn name_of(separator: u8) -> &'static str {
    match separator {
        b'\t' => "a tab",
        b';' => "a semicolon",
        b',' => "a comma",
        b'|' => "a vertical bar",
        _ => "the separator",
    }
}

/// The separator that splits the beginning of the text into the most regular table, if any makes two columns.
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
            // A separator that makes more columns with equal regularity is the real one (a list inside a cell is separated
            // too); but nobody writes tabs by accident.
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
            hint: "close the quote, or write a quote inside a quoted text twice (\"\")".into(),
            row: quoted.rows.get(record).copied(),
            column: None,
        }
    };
    // Torn first: where a quote in the middle is lost, all later ones change sides, and the last one stays open.
    let frequent_plain = Frequent::new(&plain.records, plain.width);
    let swallows = |cell: &str| frequent.swallowed(cell, separator) || frequent_plain.swallowed(cell, separator);
    if let Some(&(open, close)) = quotes.torn.iter().find(|&&(open, close)| swallows(&text[open + 1..close])) {
        let lines = text[open..close].lines().count();
        return Err(error(
            format!("a double quote opens here and closes only {} lines later, before the text of another row", lines - 1),
            open,
        ));
    }
    if let Some(open) = quotes.unclosed {
        let lines = text[open..].lines().count();
        return Err(error(
            format!("a double quote opens here and never closes: it swallows the {lines} lines from here to the end"),
            open,
        ));
    }
    quoted.note = match swallowing {
        Some(i) => Some(format!("row {}: a quoted cell holds lines that look like rows; check its quotes", quoted.rows[i])),
        None => Some(format!(
            "{} cells have a double quote inside quotes that is not written twice; their text may lack a quote",
            quotes.torn.len()
        )),
    };
    Ok(quoted)
}

/// Whether some separator makes two columns or more.
pub(super) fn has_columns(text: &str) -> bool {
    sniff(text).is_some()
}

/// A file with a single column: its lines, or its quoted cells where all quotes make sense as quotes.
///
/// # Errors
/// [`Error::Data`] for a file that is larger than what is taken.
pub(super) fn single(text: &str) -> Result<Reading> {
    // Separates cells in no file.
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
    // The only errors a flexible reader can give are of input and UTF-8, and the input is a str.
    let mut cells = 0;
    let mut fits_in = |record: &StringRecord| {
        cells += record.len();
        cells <= limits::CELLS
    };
    // One more than the rows and their header.
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
    Reading { separator, quotes, records, rows, width, consistent: agreeing as f64 / filled.max(1) as f64, note: None, cut }
}

fn start_of(record: &StringRecord) -> usize {
    record.position().map_or(0, |position| position.byte() as usize)
}

/// Row of each record as a spreadsheet counts it: blank lines count, line breaks inside a cell do not.
fn rows_of(text: &str, records: &[StringRecord]) -> Vec<u64> {
    let newline = if text.contains('\n') { b'\n' } else { b'\r' };
    let count = |bytes: &[u8]| bytes.iter().filter(|&&byte| byte == newline).count() as u64;
    let bytes = text.as_bytes();
    let (mut at, mut line, mut inside, mut row) = (0, 1, 0, 0);
    let mut rows = Vec::with_capacity(records.len());
    for record in records {
        // The reader skips blank lines on its way to a record and reports where it began to skip.
        let start = start_of(record).max(at);
        let start = start + bytes[start..].iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        line += count(&bytes[at..start]);
        // At least one more than before: line breaks of two kinds in one file cannot all be told apart.
        row = u64::saturating_sub(line, inside).max(row + 1);
        rows.push(row);
        inside += count(record.as_slice().as_bytes());
        at = start;
    }
    rows
}

/// Without quoting: is there a column whose cells nearly all stand in quotes?
fn has_quoted_column(plain: &Reading) -> bool {
    (0..plain.width).any(|column| {
        let cells =
            || plain.records.iter().filter_map(|record| record.get(column)).map(str::trim).filter(|cell| !cell.is_empty());
        let quoted = cells().filter(|cell| cell.len() > 1 && cell.starts_with('"') && cell.ends_with('"')).count();
        quoted > 1 && quoted * 10 >= cells().count() * 8
    })
}
