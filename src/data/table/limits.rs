//! The largest tables that are taken: what a browser's 4 GB hold as a file, as a table and as tokens.

use crate::error::{Error, Result};

/// Bytes of a file; of a workbook also when it is unpacked.
pub(super) const BYTES: usize = 256_000_000;
/// Rows, as many as a sheet of a spreadsheet has.
pub(super) const ROWS: usize = 1 << 20;
/// Columns; more are no table of texts, and no page can show them.
pub(super) const COLUMNS: usize = 1000;
/// Separators in a line: what has more is no line of a table.
pub(super) const SEPARATORS: usize = 100_000;
/// Rows times columns.
pub(super) const CELLS: usize = 1 << 24;

pub(super) const HINT: &str = "give fewer rows, or only the columns with the text and the label";

/// # Errors
/// [`Error::Data`] for a file of too many bytes.
pub(super) fn bytes(bytes: usize) -> Result<()> {
    if bytes <= BYTES {
        return Ok(());
    }
    Err(Error::data(format!("the file has {} MB; at most {} MB are taken", bytes / 1_000_000, BYTES / 1_000_000), HINT))
}

/// # Errors
/// [`Error::Data`] for too many cells that hold something.
pub(super) fn filled(cells: usize) -> Result<()> {
    if cells <= CELLS {
        return Ok(());
    }
    Err(Error::data(format!("the table has more than {CELLS} cells, which is the most that is taken"), HINT))
}

/// # Errors
/// [`Error::Data`] for too many rows, columns or cells.
pub(super) fn cells(rows: usize, columns: usize) -> Result<()> {
    if rows > ROWS {
        return Err(Error::data(format!("the table has more than {ROWS} rows, which is the most that is taken"), HINT));
    }
    if columns > COLUMNS {
        return Err(Error::data(format!("the table has {columns} columns; at most {COLUMNS} are taken"), HINT));
    }
    filled(rows.saturating_mul(columns))
}
