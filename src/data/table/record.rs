//! Properties of a single record.

use csv::StringRecord;

/// Whether all cells are empty.
pub(super) fn is_blank(record: &StringRecord) -> bool {
    record.iter().all(|cell| cell.trim().is_empty())
}

/// Number of cells of a record, without empty ones at its end.
pub(super) fn length(record: &StringRecord) -> usize {
    (0..record.len()).rev().find(|&at| record.get(at).is_some_and(|cell| !cell.trim().is_empty())).map_or(0, |last| last + 1)
}

/// Whether it has this many cells, not counting empty ones at its end.
pub(super) fn fits(record: &StringRecord, width: usize) -> bool {
    record.len() >= width && record.iter().skip(width).all(|cell| cell.trim().is_empty())
}

/// Without quoting: whether a cell has a quote only at one end.
pub(super) fn half_quoted(record: &StringRecord) -> bool {
    record.iter().any(is_half_quoted)
}

/// Whether a cell begins or ends with a quote, but not both.
pub(super) fn is_half_quoted(cell: &str) -> bool {
    cell.starts_with('"') != cell.ends_with('"')
}
