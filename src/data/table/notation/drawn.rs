//! Tables drawn with bars and dashes: Markdown, output of SQL clients.

use csv::StringRecord;

use super::super::Format;
use super::super::records::{Names, Records};

/// Number of lines that are searched for the first line of dashes.
const DEPTH: usize = 12;

/// The rows between the lines; the header is the row above the first line of dashes that follows a row.
pub(super) fn read(text: &str, first: &[&str]) -> Option<Records> {
    // `+---+`, or `---` and a bar. Header detection finds lines of dashes alone.
    let framed = |line: &&str| is_rule(line) && line.contains(['|', '+']);
    let rule = first.iter().take(DEPTH).position(framed)?;
    let barred = |at: usize| first.get(at).is_some_and(|line| line.contains('|') && !is_rule(line));
    let grid = barred(rule + 1) && first.get(rule + 2).is_some_and(|line| is_rule(line));
    let below = &first[rule + 1..];
    let rows = below.iter().filter(|line| !is_rule(line)).count();
    let with_bars = below.iter().filter(|line| !is_rule(line) && line.contains('|')).count();
    if !(grid || (rule > 0 && barred(rule - 1))) || with_bars * 10 < rows * 8 {
        return None;
    }
    let (mut records, mut rows): (Vec<StringRecord>, Vec<u64>) = (Vec::new(), Vec::new());
    let mut left_out = Vec::new();
    for (line, row) in text.lines().zip(1_u64..) {
        let line = line.trim();
        if line.is_empty() || is_rule(line) {
            continue;
        }
        if !line.contains('|') {
            left_out.push((row, line));
            continue;
        }
        let inner = line.strip_prefix('|').unwrap_or(line);
        let inner = if inner.ends_with("\\|") { inner } else { inner.strip_suffix('|').unwrap_or(inner) };
        records.push(StringRecord::from(cells(inner)));
        rows.push(row);
    }
    let width = records.first().map_or(0, StringRecord::len);
    if width < 2 || records.len() < 2 {
        return None;
    }
    let mut records = Records::new(records, rows, Names::First, Format::Text);
    records.width = width;
    records.separator = b'|';
    records.quoting = false;
    records.notes.push("the table is drawn with bars and dashes, which are removed".into());
    if let Some((row, line)) = left_out.first() {
        let line: String = line.chars().take(60).collect();
        let rows: Vec<u64> = left_out.iter().map(|(row, _)| *row).collect();
        debug_assert_eq!(*row, rows[0]);
        records.notes.push(format!("{} outside the table and left out: `{line}`", super::super::rows_are(&rows)));
    }
    Some(records)
}

/// A line of dashes, with bars and plus signs.
fn is_rule(line: &str) -> bool {
    line.matches('-').count() + line.matches('=').count() >= 3
        && line.bytes().all(|byte| matches!(byte, b'-' | b'=' | b'+' | b'|' | b':' | b' '))
}

/// The cells between bars; `\|` is a bar inside a cell.
fn cells(line: &str) -> Vec<String> {
    let mut cells = vec![String::new()];
    let mut letters = line.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' if letters.peek() == Some(&'|') => {
                letters.next();
                cells.last_mut().into_iter().for_each(|cell| cell.push('|'));
            }
            '|' => cells.push(String::new()),
            letter => cells.last_mut().into_iter().for_each(|cell| cell.push(letter)),
        }
    }
    cells.iter().map(|cell| cell.trim().to_owned()).collect()
}
