//! A text with separated cells -> records: handles a line that names the separator, and the style of quotes.

use super::decode::Decoded;
use super::dialect::SEPARATORS;
use super::quotes::Quotes;
use super::record::is_blank;
use super::records::{Names, Records};
use super::{Format, limits, styles};
use crate::error::{Error, Result};

/// The records of a text that is not in another notation.
///
/// # Errors
/// [`Error::Data`] for a quote that is closed in a later row (with its row), for a single column, and for a file that exceeds the
/// limits.
pub(super) fn records(decoded: &Decoded) -> Result<Records> {
    let (separator, text) = separator_line(&decoded.text);
    let is_separator = |byte: &&u8| SEPARATORS.contains(byte);
    let lines = text.as_bytes().split(|byte| matches!(byte, b'\n' | b'\r'));
    if let Some(index) = lines.map(|line| line.iter().filter(is_separator).count()).position(|count| count > limits::SEPARATORS) {
        let problem = format!("line {} has more than {} separators", index + 1, limits::SEPARATORS);
        return Err(Error::data(problem, limits::HINT));
    }
    let reading = styles::read(text, separator)?;
    reading.check()?;
    if reading.records.iter().all(is_blank) {
        return Err(Error::data("the file has no rows", "give a file with a text and a label in each row"));
    }
    let mut records = Records::new(reading.records, reading.rows, Names::Unknown, Format::Text);
    records.width = reading.width;
    records.encoding = decoded.encoding;
    records.separator = reading.separator;
    records.raw = reading.raw;
    records.quoting = reading.quotes != Quotes::None;
    records.notes = decoded.notes.iter().cloned().chain(reading.note).collect();
    Ok(records)
}

/// The separator named by a first line such as `sep=;`, in any common form, and the text with that line blanked (a blank line
/// still counts as a row).
fn separator_line(text: &str) -> (Option<u8>, &str) {
    let line = text.lines().next().unwrap_or_default();
    let bare = line.trim_start().trim_start_matches('"');
    let Some(named) = bare.get(..4).filter(|start| start.eq_ignore_ascii_case("sep=")).map(|_| &bare[4..]) else {
        return (None, text);
    };
    let named = named.trim_start_matches(['"', '\'']);
    let (separator, rest) = match named.strip_prefix("\\t") {
        Some(rest) => (b'\t', rest),
        None => match named.as_bytes() {
            [first, rest @ ..] if *first == b'\t' || (first.is_ascii_punctuation() && *first != b'"') => {
                (*first, std::str::from_utf8(rest).unwrap_or("?"))
            }
            _ => return (None, text),
        },
    };
    // Spreadsheets pad the line with separators, and may quote it.
    let nothing = |letter: char| letter.is_whitespace() || letter == '"' || letter == '\'' || letter == char::from(separator);
    if rest.chars().all(nothing) { (Some(separator), &text[line.len()..]) } else { (None, text) }
}
