//! [`CompareEvent`]: the events of a comparison, the same for the terminal, `--json` and the page.

use serde::Serialize;

use super::result::{Cell, CellResult, Row};
use crate::train::event::Event;

/// An event of a comparison.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[cfg_attr(all(test, not(target_family = "wasm")), derive(ts_rs::TS))]
pub enum CompareEvent {
    /// All cells, seed by seed. Cells that are already done follow immediately as [`CompareEvent::CellDone`].
    Planned {
        /// All cells; other events refer to them by index.
        cells: Vec<Cell>,
    },
    /// A cell has started.
    CellStarted {
        /// Index of the cell.
        cell: usize,
        /// Its variant.
        name: String,
        /// Its seed.
        seed: u64,
    },
    /// An event of the cell's run.
    Run {
        /// Index of the cell.
        cell: usize,
        /// The event.
        run: Event,
    },
    /// A cell is done.
    CellDone {
        /// Index of the cell.
        cell: usize,
        /// Its result.
        result: Box<CellResult>,
        /// The table including it.
        rows: Vec<Row>,
    },
    /// A cell has failed; the others continue.
    CellFailed {
        /// Index of the cell.
        cell: usize,
        /// What is wrong, and what to do.
        error: String,
    },
    /// All cells are done or have failed.
    Done {
        /// The table.
        rows: Vec<Row>,
    },
}
