//! The largest tables that are taken: what a browser's 4 GB hold as a file, as a table and as tokens.

use crate::error::{Error, Result};

/// Bytes of a file; of a workbook also when it is unpacked.
pub(super) const BYTES: usize = 256_000_000;
/// Rows, as many as a sheet of a spreadsheet has.
pub(super) const ROWS: usize = 1 << 20;
/// Rows times columns.
pub(super) const CELLS: usize = 1 << 24;

const HINT: &str = "give fewer rows, or only the columns with the text and the label";

/// # Errors
/// [`Error::Data`] for a file of too many bytes.
pub(super) fn bytes(bytes: usize) -> Result<()> {
    if bytes <= BYTES {
        return Ok(());
    }
    Err(Error::data(format!("the file has {} MB; at most {} MB are taken", bytes / 1_000_000, BYTES / 1_000_000), HINT))
}

/// # Errors
/// [`Error::Data`] for too many rows, and for too many cells.
pub(super) fn cells(rows: usize, columns: usize) -> Result<()> {
    if rows > ROWS {
        return Err(Error::data(format!("the table has more than {ROWS} rows, which is the most that is taken"), HINT));
    }
    if rows.saturating_mul(columns) > CELLS {
        let problem = format!("{rows} rows of {columns} columns are more than the {CELLS} cells that are taken");
        return Err(Error::data(problem, HINT));
    }
    Ok(())
}
