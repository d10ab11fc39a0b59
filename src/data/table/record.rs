//! What a single record looks like.

use csv::StringRecord;

/// Whether nothing is in it.
pub(super) fn is_blank(record: &StringRecord) -> bool {
    record.iter().all(|cell| cell.trim().is_empty())
}

/// Cells of a record, without empty ones at its end.
pub(super) fn length(record: &StringRecord) -> usize {
    (0..record.len()).rev().find(|&at| record.get(at).is_some_and(|cell| !cell.trim().is_empty())).map_or(0, |last| last + 1)
}

/// Whether it has so many cells, or more but empty ones.
pub(super) fn fits(record: &StringRecord, width: usize) -> bool {
    record.len() >= width && record.iter().skip(width).all(|cell| cell.trim().is_empty())
}

/// Without quoting: is there a cell with a quote on one end only?
pub(super) fn half_quoted(record: &StringRecord) -> bool {
    record.iter().any(is_half_quoted)
}

/// Does a cell begin or end with a quote, but not both?
pub(super) fn is_half_quoted(cell: &str) -> bool {
    cell.starts_with('"') != cell.ends_with('"')
}
