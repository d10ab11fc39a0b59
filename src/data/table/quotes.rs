//! Checks whether the quotes of a text are consistent, and whether they enclose whole rows.

use std::collections::{HashMap, HashSet};

use csv::StringRecord;

/// The meaning of `"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Quotes {
    /// It encloses cells; inside them, it is doubled.
    Doubled,
    /// It encloses cells; inside them, it is written as `\"`.
    Backslash,
    /// An ordinary character.
    None,
}

/// Whether a cell begins and ends with a quote, but the first quote inside it closes and the last one opens: `"A" and "B"` is a text
/// with two quoted parts, not a quoted cell.
pub(super) fn in_parts(cell: &str, is_quote: impl Fn(char) -> bool) -> bool {
    let letters: Vec<char> = cell.trim().chars().collect();
    let quote = |at: usize| is_quote(letters[at]);
    if letters.len() < 4 || !quote(0) || !quote(letters.len() - 1) {
        return false;
    }
    let (mut first, mut last) = (None, None);
    for at in 1..letters.len() - 1 {
        // Two quotes, one after another, are one quote inside a cell.
        if !quote(at) || quote(at - 1) && at > 1 || quote(at + 1) && at + 2 < letters.len() {
            continue;
        }
        let (before, after) = (letters[at - 1], letters[at + 1]);
        let closes = !before.is_whitespace() && (after.is_whitespace() || ",.;:!?)".contains(after));
        let opens = (before.is_whitespace() || "([-—,".contains(before)) && !after.is_whitespace();
        if closes != opens {
            first = first.or(Some(closes));
            last = Some(closes);
        }
    }
    first == Some(true) && last == Some(false)
}

/// Values that occur often in the first and the last column. They reveal a row inside a quoted cell.
pub(super) struct Frequent<'a> {
    width: usize,
    first: HashSet<&'a str>,
    last: HashSet<&'a str>,
}

impl<'a> Frequent<'a> {
    pub(super) fn new(records: &'a [StringRecord], width: usize) -> Self {
        let repeated = |column: usize| {
            let mut counts = HashMap::new();
            let whole = records.iter().filter(|record| record.len() == width);
            let rows =
                whole.filter_map(|record| record.get(column)).inspect(|&cell| *counts.entry(cell).or_insert(0_u32) += 1).count();
            // A column of texts is not usable for this, even if some texts occur twice.
            if counts.len() * 4 > rows * 3 {
                counts.clear();
            }
            counts.into_iter().filter(|&(cell, count)| count > 1 && !cell.is_empty()).map(|(cell, _)| cell).collect()
        };
        Self { width, first: repeated(0), last: repeated(width.saturating_sub(1)) }
    }

    /// Whether a cell with several lines contains a line that is a row.
    pub(super) fn swallowed(&self, cell: &str, separator: u8) -> bool {
        self.width >= 2
            && cell.contains(['\n', '\r'])
            && cell.lines().any(|line| {
                let mut cells = line.split(char::from(separator));
                let (first, last) = (cells.next().unwrap_or_default(), cells.next_back().unwrap_or_default());
                cells.count() + 2 == self.width && (self.first.contains(first) || self.last.contains(last))
            })
    }
}

/// Inconsistencies in the quotes of a text.
#[derive(Default)]
pub(super) struct Scan {
    /// Byte offsets of the quotes of each cell whose closing quote is followed by more text.
    pub(super) torn: Vec<(usize, usize)>,
    /// Byte offset of a quote that is never closed.
    pub(super) unclosed: Option<usize>,
}

/// Scans the quotes of a text (the `csv` crate accepts any without reporting them).
pub(super) fn scan(text: &str, separator: u8, quotes: Quotes) -> Scan {
    let bytes = text.as_bytes();
    let ends_cell = |byte: u8| byte == separator || byte == b'\n' || byte == b'\r';
    let mut scan = Scan::default();
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at] == b'"' {
            let open = at;
            at += 1;
            loop {
                match bytes.get(at) {
                    None => {
                        scan.unclosed = Some(open);
                        return scan;
                    }
                    Some(b'\\') if quotes == Quotes::Backslash => at += 2,
                    Some(b'"') if bytes.get(at + 1) == Some(&b'"') => at += 2,
                    Some(b'"') => break,
                    Some(_) => at += 1,
                }
            }
            if bytes.get(at + 1).is_some_and(|&byte| !ends_cell(byte)) {
                scan.torn.push((open, at));
            }
            at += 1;
        }
        at += bytes[at..].iter().take_while(|&&byte| !ends_cell(byte)).count() + 1;
    }
    scan
}
