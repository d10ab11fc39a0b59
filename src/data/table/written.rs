//! Tables written by this program: CSV that every spreadsheet opens and that reads back unchanged.

use csv::{QuoteStyle, ReaderBuilder, StringRecord, Terminator, WriterBuilder};

use super::records::{Names, Records};
use super::{Format, Table};
use crate::error::{Error, Result};

const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";
/// Stands for the extra cells of a row with too many cells. Their content is lost, but the row must stay marked as unusable.
const SURPLUS: &str = "(more cells)";

impl Table {
    /// UTF-8 CSV with a header and all cells in quotes, which reads back to the same columns and rows. Rows are renumbered: the
    /// header is row
    /// 1. The header ends with LF and the rows with CRLF; the reader recognises such files by this and skips detection.
    ///
    /// # Errors
    /// Cannot fail in practice.
    pub fn to_csv(&self) -> Result<Vec<u8>> {
        let fault =
            |error: &dyn std::fmt::Display| Error::data(format!("the table cannot be written: {error}"), "report this as a bug");
        let writer = |terminator: Terminator, bytes: Vec<u8>| {
            WriterBuilder::new().quote_style(QuoteStyle::Always).flexible(true).terminator(terminator).from_writer(bytes)
        };
        let mut header = writer(Terminator::Any(b'\n'), BYTE_ORDER_MARK.to_vec());
        header.write_record(&self.columns).map_err(|error| fault(&error))?;
        let mut rows = writer(Terminator::CRLF, header.into_inner().map_err(|error| fault(&error))?);
        for (cells, row) in self.rows.iter().zip(&self.row_numbers) {
            let surplus = self.ragged.binary_search(row).is_ok().then_some(SURPLUS);
            rows.write_record(cells.iter().map(String::as_str).chain(surplus)).map_err(|error| fault(&error))?;
        }
        rows.into_inner().map_err(|error| fault(&error))
    }
}

/// The records of a file written by [`Table::to_csv`]; `None` for any other file.
pub(super) fn read(bytes: &[u8]) -> Option<Records> {
    let text = std::str::from_utf8(bytes.strip_prefix(BYTE_ORDER_MARK)?).ok()?;
    let quoted = |text: &str| text.starts_with('"') && text.ends_with('"');
    let mut reader = ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text.as_bytes());
    let mut header = StringRecord::new();
    reader.read_record(&mut header).ok().filter(|found| *found)?;
    let (names, rows) = text.split_at_checked(usize::try_from(reader.position().byte()).ok()?)?;
    let names = names.strip_suffix('\n')?;
    if !quoted(names) || !(rows.is_empty() || rows.strip_suffix("\r\n").is_some_and(quoted)) {
        return None;
    }
    let width = header.len();
    let mut records = vec![header];
    for record in reader.records() {
        let record = record.ok()?;
        if record.len() != width && (record.len() != width + 1 || record.get(width) != Some(SURPLUS)) {
            return None;
        }
        records.push(record);
    }
    let rows = (1..=records.len() as u64).collect();
    let mut read = Records::new(records, rows, Names::First, Format::Text);
    read.width = width;
    Some(read)
}
