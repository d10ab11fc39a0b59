//! Quotes that differ from CSV: with spaces around them, single or curly ones, or around a whole line. A text in such a style is
//! rewritten as CSV and parsed again; the result is used if it explains the rows better than the original.

use std::borrow::Cow;

use super::dialect::{self, Reading, SEPARATORS};
use super::quotes::{Frequent, Quotes};
use super::{raw, record};
use crate::error::Result;

mod cells;

use cells::rewritten;

/// How cells are enclosed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    /// `"`, with spaces around it.
    Blanks,
    /// `'`, without line breaks inside.
    Single,
    /// `'`, with line breaks inside.
    SingleLines,
    /// `“` and `”`, or similar.
    Curly,
    /// Not enclosed: `\` precedes a separator that is part of a cell.
    Escaped,
    /// Tabs; consecutive tabs are one separator.
    Tabs,
    /// Each line is one cell in quotes.
    Lines,
}

/// In the order in which they are tried; of equally good ones, the first is used.
const STYLES: [Style; 7] =
    [Style::Blanks, Style::Single, Style::SingleLines, Style::Curly, Style::Escaped, Style::Tabs, Style::Lines];
/// Number of bytes that are examined for a style.
const SAMPLE: usize = 1 << 22;
/// Share of the rows that a style must explain if its quotes are rare.
const SURE: f64 = 0.98;
/// Share of enclosed cells in a column from which the style is certain.
const COLUMN: f64 = 0.8;

/// A text rewritten as CSV.
pub(super) struct Rewritten {
    pub(super) text: String,
    /// Number of cells enclosed in this style, or of escaped separators.
    pub(super) found: usize,
    /// The largest share of enclosed cells among the non-empty cells of a column.
    pub(super) share: f64,
}

impl Style {
    pub(super) fn note(self) -> &'static str {
        match self {
            Self::Blanks => "spaces between separators and quotes are ignored",
            Self::Single | Self::SingleLines => "cells are in single quotes, which are removed",
            Self::Curly => "cells are in curly quotes, which are removed",
            Self::Escaped => "backslashes before separators that belong to a text are removed",
            Self::Tabs => "several consecutive tabs are treated as one",
            Self::Lines => "each line as a whole is in quotes, which are removed",
        }
    }

    /// Whether a text contains the characters of the style. A cheap check, which may be wrong.
    fn possible(self, text: &str) -> bool {
        match self {
            Self::Blanks => text.contains(" \"") || text.contains("\" ") || text.contains("\t\""),
            Self::Single | Self::SingleLines => text.matches('\'').nth(3).is_some(),
            Self::Curly => text.contains(['\u{201C}', '\u{201E}', '\u{AB}', '\u{2018}', '\u{201D}']),
            Self::Escaped => SEPARATORS.iter().any(|&separator| {
                let escaped = ['\\', char::from(separator)].iter().collect::<String>();
                text.contains(&escaped)
            }),
            Self::Tabs => text.contains("\t\t"),
            Self::Lines => text.trim_start().starts_with('"') || text.contains("\n\"") || text.contains("\r\""),
        }
    }
}

/// Parses a text in the most plausible way, with any style of quotes.
///
/// # Errors
/// As [`dialect::read`], if no other style is better.
pub(super) fn read(text: &str, separator: Option<u8>) -> Result<Reading> {
    let plain = dialect::read(text, separator);
    let possible: Vec<Style> = STYLES.into_iter().filter(|style| style.possible(text)).collect();
    // A wrongly stated separator must not hide the real one.
    let plain = match plain {
        Ok(reading) if reading.width < 2 && separator.is_some() && possible.is_empty() => return dialect::read(text, None),
        plain => plain,
    };
    let plain = plain.map(|mut reading| {
        if reading.quotes == Quotes::Doubled {
            reading.raw = raw::cells(text, text, &reading.records, reading.separator, false);
        }
        reading
    });
    if possible.is_empty() {
        return plain;
    }
    let sample = sample(text);
    let whole = sample.len() == text.len();
    let sampled = if whole { None } else { dialect::read(sample, separator).ok() };
    let plain_sample = if whole { plain.as_ref().ok() } else { sampled.as_ref() };
    let mut best = plain_sample.map_or(0.0, explained);
    let mut chosen: Option<(Style, u8)> = None;
    for style in possible {
        for &by in separators(separator).iter().filter(|&&by| sample.as_bytes().contains(&by)) {
            let Some(other) = rewritten(sample, by, style).filter(|other| other.found > 0) else { continue };
            let Ok(reading) = dialect::read(&other.text, Some(by)) else { continue };
            let score = explained(&reading);
            let better = score > best + 1e-9;
            let certain = match style {
                // Spaces next to quotes at both ends of a cell are not accidental.
                Style::Blanks => score >= best - 1e-9,
                // An apostrophe may open in one row and another one close in a later row.
                Style::SingleLines => other.share >= COLUMN && score >= best - 1e-9 && !swallows(&reading, plain_sample),
                Style::Single | Style::Curly => (other.share >= COLUMN && score >= best - 1e-9) || (better && score >= SURE),
                Style::Escaped => better,
                Style::Tabs | Style::Lines => better && score >= SURE,
            };
            // Of equally good styles, the first one.
            if reading.width >= 2 && certain && (chosen.is_none() || better) {
                best = best.max(score);
                chosen = Some((style, by));
            }
        }
    }
    let Some((style, by)) = chosen else { return plain };
    let Some(rewritten) = rewritten(text, by, style) else { return plain };
    let mut reading = dialect::read(&rewritten.text, Some(by))?;
    if style == Style::Blanks {
        reading.raw = raw::cells(text, &rewritten.text, &reading.records, by, true);
    }
    let note = reading.note.take().map_or_else(|| style.note().to_owned(), |note| format!("{}; {note}", style.note()));
    reading.note = Some(note);
    Ok(reading)
}

/// Whether a cell with several lines contains a row, judged by the repeating values of this reading or of the plain one.
fn swallows(reading: &Reading, plain: Option<&Reading>) -> bool {
    let both = [Some(reading), plain];
    both.into_iter().flatten().map(|of| Frequent::new(&of.records, of.width)).any(|frequent| {
        reading.records.iter().any(|record| record.iter().any(|cell| frequent.swallowed(cell, reading.separator)))
    })
}

fn separators(named: Option<u8>) -> Cow<'static, [u8]> {
    named.map_or(Cow::Borrowed(&SEPARATORS), |separator| Cow::Owned(vec![separator]))
}

fn sample(text: &str) -> &str {
    let mut end = text.len().min(SAMPLE);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    if end == text.len() { text } else { text[..end].rfind('\n').map_or(text, |end| &text[..=end]) }
}

/// How much of the rows a reading explains: the share of rows with the most common number of cells, reduced if the first row,
/// which contains the names, has fewer.
fn explained(reading: &Reading) -> f64 {
    if reading.width < 2 {
        return 0.0;
    }
    let first = reading.records.iter().find(|record| !record::is_blank(record));
    let narrow = first.is_some_and(|first| record::length(first) < reading.width && record::length(first) > 1);
    // Quotes that remain at one end of a cell do not explain anything.
    let apostrophe = |cell: &str| cell.starts_with('\'') != cell.ends_with('\'');
    let half = |cell: &str| record::is_half_quoted(cell) || apostrophe(cell);
    let quoted = reading.records.iter().filter(|record| record.iter().any(half)).count();
    reading.consistent - if narrow { 0.1 } else { 0.0 } - quoted as f64 / reading.records.len().max(1) as f64
}
