//! Rewrites a text with another style of quotes, cell by cell, as CSV.

use std::cell::Cell;

use csv::ReaderBuilder;

use super::super::quotes::in_parts;
use super::{Rewritten, Style};

/// Maximum length in bytes of a cell in single quotes with line breaks.
const LONGEST: usize = 20_000;
/// Share of the lines that must be one quoted cell.
const LINES: f64 = 0.9;
/// Opening quotes with their closing quotes.
const CURLY: [(char, &str); 7] = [
    ('\u{201C}', "\u{201D}\u{201C}"),
    ('\u{201D}', "\u{201D}"),
    ('\u{201E}', "\u{201C}\u{201D}"),
    ('\u{AB}', "\u{BB}"),
    ('\u{BB}', "\u{AB}"),
    ('\u{2018}', "\u{2019}"),
    ('\u{201A}', "\u{2018}\u{2019}"),
];

/// A text with the cells of a style rewritten as CSV cells; `None` if it is not in that style. Line breaks keep their positions.
pub(super) fn rewritten(text: &str, separator: u8, style: Style) -> Option<Rewritten> {
    match style {
        Style::Lines => lines(text, separator),
        Style::Tabs => (separator == b'\t').then(|| tabs(text)),
        _ => cells(text, separator, style),
    }
}

/// Cells of a column, and the number of enclosed ones.
#[derive(Clone, Copy, Default)]
struct Column {
    filled: usize,
    enclosed: usize,
}

fn cells(text: &str, separator: u8, style: Style) -> Option<Rewritten> {
    let bytes = text.as_bytes();
    let walk = Walk { text, bytes, separator, style, closing: Cell::new((usize::MAX, 0, false)) };
    let mut out = String::with_capacity(text.len() + text.len() / 16);
    let mut columns: Vec<Column> = Vec::new();
    let (mut at, mut found, mut column) = (0, 0, 0);
    while at < bytes.len() {
        let enclosed = walk.enclosed(at);
        let end = match &enclosed {
            Some(cell) => {
                out.push('"');
                out.push_str(&cell.content);
                out.push('"');
                found += usize::from(cell.counts);
                cell.end
            }
            // A quote at the beginning of a cell that encloses nothing is an error in the file.
            None if bytes[at] == b'"' => return None,
            None => {
                let end = walk.end_of(at);
                out.push_str(&text[at..end]);
                end
            }
        };
        if columns.len() <= column && column < super::super::limits::COLUMNS {
            columns.push(Column::default());
        }
        if let Some(column) = columns.get_mut(column)
            && !text[at..end].trim().is_empty()
        {
            column.filled += 1;
            column.enclosed += usize::from(enclosed.is_some_and(|cell| cell.counts));
        }
        at = end;
        column = if bytes.get(at) == Some(&separator) { column + 1 } else { 0 };
        if at < bytes.len() {
            out.push(char::from(bytes[at]));
            at += 1;
        }
    }
    // The header need not be enclosed.
    let share = |column: &Column| column.enclosed as f64 / column.filled.saturating_sub(1).max(1) as f64;
    let share = columns.iter().filter(|column| column.enclosed > 1).map(share).fold(0.0, f64::max);
    Some(Rewritten { text: out, found, share })
}

/// An enclosed cell, with its content as between CSV quotes.
struct Enclosed {
    content: String,
    /// Offset of the separator or line break after it.
    end: usize,
    /// Whether it is in the style in question, and not plain CSV.
    counts: bool,
}

struct Walk<'a> {
    text: &'a str,
    bytes: &'a [u8],
    separator: u8,
    style: Style,
    /// From where a closing single quote was looked for, where the search ended, and whether it is there. Without this, every
    /// cell that begins with an apostrophe would be read up to the next closing quote, however far it is.
    closing: Cell<(usize, usize, bool)>,
}

impl Walk<'_> {
    fn is_end(&self, at: usize) -> bool {
        self.bytes.get(at).is_none_or(|&byte| byte == self.separator || byte == b'\n' || byte == b'\r')
    }

    fn end_of(&self, at: usize) -> usize {
        at + self.bytes[at..].iter().take_while(|&&byte| byte != self.separator && byte != b'\n' && byte != b'\r').count()
    }

    fn behind_blanks(&self, at: usize) -> usize {
        let blank = |byte: &&u8| **byte == b' ' || (**byte == b'\t' && self.separator != b'\t');
        at + self.bytes[at..].iter().take_while(blank).count()
    }

    /// The cell that begins here, if it is enclosed.
    fn enclosed(&self, at: usize) -> Option<Enclosed> {
        let open = self.behind_blanks(at);
        match self.bytes.get(open)? {
            b'"' if open == at || self.style == Style::Blanks => self.double(at, open),
            b'\'' if matches!(self.style, Style::Single | Style::SingleLines) => self.single(open),
            byte if self.style == Style::Curly && !byte.is_ascii() => self.curly(open),
            _ if self.style == Style::Escaped => self.escaped(at),
            _ => None,
        }
    }

    fn double(&self, at: usize, open: usize) -> Option<Enclosed> {
        let mut close = open + 1;
        loop {
            close += self.bytes.get(close..)?.iter().position(|&byte| byte == b'"')?;
            if self.bytes.get(close + 1) != Some(&b'"') {
                break;
            }
            close += 2;
        }
        let end = self.behind_blanks(close + 1);
        let content = self.is_end(end).then(|| self.text[open + 1..close].to_owned())?;
        Some(Enclosed { content, end, counts: self.style == Style::Blanks && (open > at || end > close + 1) })
    }

    /// The next closing single quote, if it is on the same line or, for cells with line breaks, not too far away.
    fn closing(&self, open: usize) -> Option<usize> {
        let from = open + 1;
        let (start, end, found) = self.closing.get();
        if start <= from && from <= end {
            return Some(end).filter(|end| found && end - open <= LONGEST);
        }
        let mut at = from;
        let (end, found) = loop {
            match self.bytes.get(at) {
                None => break (self.bytes.len(), false),
                Some(b'\n' | b'\r') if self.style == Style::Single => break (at, false),
                Some(b'\'') => {
                    // Two of them, or one behind a backslash, are an apostrophe.
                    let run = self.bytes[at..].iter().take_while(|&&byte| byte == b'\'').count();
                    let escaped = usize::from(at > 0 && self.bytes[at - 1] == b'\\');
                    at += run;
                    if (run - escaped) % 2 == 1 && self.is_end(self.behind_blanks(at)) {
                        break (at - 1, true);
                    }
                }
                Some(_) => at += 1,
            }
        };
        self.closing.set((from, end, found));
        Some(end).filter(|end| found && end - open <= LONGEST)
    }

    fn single(&self, open: usize) -> Option<Enclosed> {
        self.closing(open)?;
        let mut content = String::new();
        let mut at = open + 1;
        loop {
            let next = self.bytes.get(at + 1);
            match *self.bytes.get(at)? {
                b'\'' => {
                    let end = self.behind_blanks(at + 1);
                    if self.is_end(end) {
                        let parts = in_parts(&self.text[open..=at], |letter| letter == '\'');
                        return (!parts).then_some(Enclosed { content, end, counts: true });
                    }
                    content.push('\'');
                    at += if next == Some(&b'\'') { 2 } else { 1 };
                }
                b'\\' if next == Some(&b'\'') => {
                    content.push('\'');
                    at += 2;
                }
                b'\n' | b'\r' if self.style == Style::Single || at - open > LONGEST => return None,
                _ => at += self.push(at, &mut content),
            }
        }
    }

    fn curly(&self, open: usize) -> Option<Enclosed> {
        let first = self.text[open..].chars().next()?;
        let (_, closing) = CURLY.iter().find(|(letter, _)| *letter == first)?;
        let mut content = String::new();
        let mut at = open + first.len_utf8();
        loop {
            let letter = self.text[at..].chars().next().filter(|letter| !matches!(letter, '\n' | '\r'))?;
            let end = self.behind_blanks(at + letter.len_utf8());
            if closing.contains(letter) && self.is_end(end) {
                let cell = &self.text[open..at + letter.len_utf8()];
                let parts = in_parts(cell, |letter| letter == first || closing.contains(letter));
                return (!parts).then_some(Enclosed { content, end, counts: true });
            }
            at += self.push(at, &mut content);
        }
    }

    /// A cell with `\` before a separator.
    fn escaped(&self, start: usize) -> Option<Enclosed> {
        let mut content = String::new();
        let (mut at, mut counts) = (start, false);
        while !self.is_end(at) {
            if self.bytes[at] == b'\\' && self.bytes.get(at + 1) == Some(&self.separator) {
                content.push(char::from(self.separator));
                at += 2;
                counts = true;
            } else {
                at += self.push(at, &mut content);
            }
        }
        counts.then_some(Enclosed { content, end: at, counts })
    }

    /// Appends the character here to the content of a CSV cell and returns its length in bytes.
    fn push(&self, at: usize, content: &mut String) -> usize {
        let Some(letter) = self.text[at..].chars().next() else { return 1 };
        if letter == '"' {
            content.push('"');
        }
        content.push(letter);
        letter.len_utf8()
    }
}

fn tabs(text: &str) -> Rewritten {
    let mut out = String::with_capacity(text.len());
    let (mut found, mut last) = (0, '\n');
    for letter in text.chars() {
        if letter == '\t' && last == '\t' {
            found += 1;
        } else {
            out.push(letter);
        }
        last = letter;
    }
    Rewritten { text: out, found, share: 0.0 }
}

/// Lines that are one cell with separators inside: removes the quotes around them.
fn lines(text: &str, separator: u8) -> Option<Rewritten> {
    let mut reader = ReaderBuilder::new();
    let reader = reader.has_headers(false).flexible(true).delimiter(separator).from_reader(text.as_bytes());
    let mut out = String::with_capacity(text.len());
    let (mut found, mut spaced, mut count, mut written) = (0, 0, 0, 0);
    let breaks = |text: &str| text.bytes().filter(|&byte| byte == b'\n').count();
    let newlines = if text.contains('\n') { '\n' } else { '\r' };
    let (mut seen, mut before) = (0, 0);
    for record in reader.into_records().map_while(Result::ok) {
        let start = record.position().map_or(0, |position| position.byte() as usize).min(text.len());
        let start = start + text[start..].bytes().take_while(|byte| matches!(byte, b'\n' | b'\r')).count();
        seen += breaks(&text[before..start]);
        before = start;
        // As many lines as before, so that row numbers do not change.
        while written < seen.max(count) {
            out.push(newlines);
            written += 1;
        }
        let cell = record.get(0).unwrap_or_default();
        let whole = record.len() == 1 && text[start..].starts_with('"') && cell.contains(char::from(separator));
        if whole {
            found += 1;
            spaced += usize::from(cell.rsplit(char::from(separator)).next().is_some_and(|last| last.starts_with(' ')));
            out.push_str(cell);
            written += breaks(cell);
        } else if count == 0 {
            let end = start + text[start..].bytes().take_while(|byte| !matches!(byte, b'\n' | b'\r')).count();
            out.push_str(&text[start..end]);
        } else {
            return None;
        }
        count += 1;
    }
    // Quoted texts, one per line, have spaces after their commas.
    (found as f64 >= LINES * count.saturating_sub(1) as f64 && spaced * 2 < found).then_some(Rewritten {
        text: out,
        found,
        share: 1.0,
    })
}
