//! Size limits of tables, so that a browser's 4 GB can hold the file, the table and its tokens.

use crate::error::{Error, Result};

/// Most bytes of a file; for a workbook, also when unpacked.
pub const BYTES: usize = 256_000_000;
/// Rows; the same as in a sheet of a spreadsheet.
pub(super) const ROWS: usize = 1 << 20;
/// Columns; a table of texts does not have more, and the page cannot show more.
pub(super) const COLUMNS: usize = 1000;
/// Separators per line; a line with more does not belong to a table.
pub(super) const SEPARATORS: usize = 100_000;
/// Rows times columns.
pub(super) const CELLS: usize = 1 << 24;

pub(super) const HINT: &str = "use fewer rows, or only the text column and the label column";

/// # Errors
/// [`Error::Data`] for a file with too many bytes.
pub(super) fn bytes(bytes: usize) -> Result<()> {
    if bytes <= BYTES {
        return Ok(());
    }
    Err(Error::data(format!("the file has {} MB; the limit is {} MB", bytes / 1_000_000, BYTES / 1_000_000), HINT))
}

/// # Errors
/// [`Error::Data`] for too many non-empty cells.
pub(super) fn filled(cells: usize) -> Result<()> {
    if cells <= CELLS {
        return Ok(());
    }
    Err(Error::data(format!("the table has more than {CELLS} cells, which is the limit"), HINT))
}

/// # Errors
/// [`Error::Data`] for too many rows, columns or cells.
pub(super) fn cells(rows: usize, columns: usize) -> Result<()> {
    if rows > ROWS {
        return Err(Error::data(format!("the table has more than {ROWS} rows, which is the limit"), HINT));
    }
    if columns > COLUMNS {
        return Err(Error::data(format!("the table has {columns} columns; the limit is {COLUMNS}"), HINT));
    }
    filled(rows.saturating_mul(columns))
}
