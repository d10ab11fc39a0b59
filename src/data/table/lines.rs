//! Files that only contain texts: one column, which can be classified but not trained on.

use super::header::is_closing;
use super::{Format, HEADER_WORDS, Table, decode, dialect, limits};
use crate::config::DataConfig;
use crate::data::cells::is_blank;
use crate::data::names::is_text_name;
use crate::error::{Error, Result};

/// Extensions of table files.
const TABLES: [&str; 10] = ["csv", "tsv", "tab", "psv", "json", "jsonl", "ndjson", "xlsx", "xlsm", "xltx"];

/// What the file's name suggests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// A table.
    Table,
    /// A table separated by tabs.
    Tabs,
    /// One text per line, unless it is clearly a table.
    Lines,
}

impl Written {
    /// By the extension.
    #[must_use]
    pub fn by_name(name: &str) -> Self {
        let end = name.rsplit_once('.').map_or_else(String::new, |(_, end)| end.to_lowercase());
        match end.as_str() {
            "tsv" | "tab" => Self::Tabs,
            end if TABLES.contains(&end) => Self::Table,
            _ => Self::Lines,
        }
    }
}

impl Table {
    /// Reads a file of texts: any table that [`Table::from_bytes`] reads, a file with a single column, a JSON list of texts, or
    /// one text per line (then blank lines are rows, too). `known` is the expected name of the text column; `reading` may name
    /// the header row and the sheet.
    ///
    /// # Errors
    /// [`Error::Data`] for a file that cannot be read, and for one without texts.
    pub fn of_texts(bytes: &[u8], written: Written, known: Option<&str>, reading: &DataConfig) -> Result<Self> {
        limits::bytes(bytes.len())?;
        let is_name = |name: &str| is_text_name(name) || known.is_some_and(|known| known.eq_ignore_ascii_case(name.trim()));
        // A workbook cannot be decoded as text.
        let decoded = decode::decode(bytes);
        if let Ok(decoded) = &decoded {
            if let Some(texts) = strings(&decoded.text) {
                return Self::of_cells(texts.into_iter().zip(1..).collect(), None, decoded);
            }
            // A name alone in the first line: the lines below are not separated.
            let first = decoded.text.split(LINE_ENDS).find(|line| !is_blank(line)).unwrap_or_default().trim();
            if written != Written::Lines && is_name(first.trim_matches('"')) {
                return Self::of_single(decoded, written, &is_name);
            }
        }
        let table = match Self::read_columns(bytes, reading, 1) {
            Ok(table) => {
                let named = table.has_header && table.columns.iter().any(|name| is_name(name));
                let plain = table.format != Format::Text || table.separator == '\t' || named;
                let fits = match written {
                    Written::Table => true,
                    Written::Tabs => table.format != Format::Text || table.separator == '\t',
                    Written::Lines => plain,
                };
                if fits && decoded.as_ref().is_ok_and(|decoded| is_prose(&table, &decoded.text)) {
                    return decoded.and_then(|decoded| Self::of_prose(&decoded));
                }
                if fits {
                    return Ok(table);
                }
                None
            }
            Err(error) => {
                // Errors of a table are reported; a file without a second column contains only texts.
                let is_json = |text: &str| text.trim_start().starts_with(['{', '[']);
                let table = |text: &str| match written {
                    Written::Table => is_json(text) || dialect::has_columns(text),
                    Written::Tabs => is_json(text) || text.contains('\t'),
                    Written::Lines => false,
                };
                if decoded.as_ref().is_ok_and(|decoded| table(&decoded.text)) {
                    return Err(error);
                }
                Some(error)
            }
        };
        match (decoded, table) {
            (Ok(decoded), None) => Self::of_single(&decoded, written, &is_name),
            (Ok(decoded), Some(error)) => Self::of_single(&decoded, written, &is_name).map_err(|_| error),
            (Err(_), Some(error)) | (Err(error), None) => Err(error),
        }
    }

    /// One text per line, with a note on its commas.
    fn of_prose(decoded: &decode::Decoded) -> Result<Self> {
        let mut table = Self::of_cells(lines(&decoded.text).map(str::to_owned).zip(1..).collect(), None, decoded)?;
        let note = "some rows have a comma and others do not, so each line is read as one text, with its commas";
        table.notes.push(note.to_owned());
        Ok(table)
    }

    fn of_single(decoded: &decode::Decoded, written: Written, is_name: &dyn Fn(&str) -> bool) -> Result<Self> {
        if written == Written::Lines {
            let cells: Vec<(String, u64)> = lines(&decoded.text).map(str::to_owned).zip(1..).collect();
            let named = cells.first().is_some_and(|(name, _)| HEADER_WORDS.contains(&name.trim().to_lowercase().as_str()));
            return Self::of_cells(cells, named.then_some(true), decoded);
        }
        let reading = dialect::single(&decoded.text)?;
        let first = |record: &csv::StringRecord| record.get(0).unwrap_or_default().to_owned();
        let cells: Vec<(String, u64)> = reading.records.iter().map(first).zip(reading.rows).collect();
        let named = cells.first().is_some_and(|(name, _)| {
            let name = name.trim();
            // A first text of one word must not be lost: only what is written like a name is a header.
            let identifier = name.contains('_') && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
            is_name(name) || HEADER_WORDS.contains(&name.to_lowercase().as_str()) || identifier
        });
        Self::of_cells(cells, named.then_some(true), decoded)
    }

    /// # Errors
    /// [`Error::Data`] if there is no text.
    fn of_cells(mut cells: Vec<(String, u64)>, named: Option<bool>, decoded: &decode::Decoded) -> Result<Self> {
        limits::cells(cells.len(), 1)?;
        let name = if named == Some(true) && !cells.is_empty() { Some(cells.remove(0).0.trim().to_owned()) } else { None };
        if cells.iter().all(|(cell, _)| is_blank(cell)) {
            return Err(Error::data("the file has no texts", "give a file with a text in each row"));
        }
        // Below a single column, nothing shows that a last line is no text.
        let last = cells.iter().rfind(|(cell, _)| !is_blank(cell)).filter(|(cell, _)| is_closing(cell));
        let closing =
            last.map(|(cell, row)| format!("the last row ({row}) looks like a total, but is read as a text: `{}`", cell.trim()));
        let (rows, row_numbers) = cells.into_iter().map(|(cell, row)| (vec![cell], row)).unzip();
        Ok(Self {
            has_header: name.is_some(),
            columns: vec![name.unwrap_or_else(|| "text".to_owned())],
            rows,
            row_numbers,
            encoding: decoded.encoding,
            notes: decoded.notes.iter().cloned().chain(closing).collect(),
            ..Self::blank()
        })
    }
}

/// Whether the commas of a table without a header belong to texts: not every line has one, and after each there is a blank.
fn is_prose(table: &Table, text: &str) -> bool {
    let mut commas = text.match_indices(',').peekable();
    let spaced = |(at, _): (usize, &str)| text[at + 1..].starts_with(' ');
    table.format == Format::Text
        && table.separator == ','
        && !table.has_header
        && !text.contains('"')
        && commas.peek().is_some()
        && commas.all(spaced)
        && lines(text).any(|line| !is_blank(line) && !line.contains(','))
}

const LINE_ENDS: [char; 2] = ['\n', '\r'];

/// Lines, with any of the three line endings.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest.filter(|text| !text.is_empty())?;
        let Some(end) = text.find(LINE_ENDS) else {
            rest = None;
            return Some(text);
        };
        let width = if text[end..].starts_with("\r\n") { 2 } else { 1 };
        rest = Some(&text[end + width..]);
        Some(&text[..end])
    })
}

/// A JSON list of texts, or one JSON text per line.
fn strings(text: &str) -> Option<Vec<String>> {
    let text = text.trim();
    let filled = |texts: Vec<Option<String>>| texts.into_iter().map(Option::unwrap_or_default).collect();
    if text.starts_with('[') {
        return serde_json::from_str(text).ok().filter(|texts: &Vec<_>| !texts.is_empty()).map(filled);
    }
    None
}
