//! [`CompareEvent`]: what a comparison tells, the same to the terminal, `--json` and the page.

use serde::Serialize;

use super::result::{Cell, CellResult, Row};
use crate::train::event::Event;

/// One thing that happened in a comparison.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[cfg_attr(all(test, not(target_family = "wasm")), derive(ts_rs::TS))]
pub enum CompareEvent {
    /// What will be run, seed after seed. Cells that are done already come as [`CompareEvent::CellDone`] right after it.
    Planned {
        /// All cells; the others are told by their index in it.
        cells: Vec<Cell>,
    },
    /// A cell has begun.
    CellStarted {
        /// Which.
        cell: usize,
        /// Its variant.
        name: String,
        /// Its seed.
        seed: u64,
    },
    /// Its run tells something.
    Run {
        /// Which cell.
        cell: usize,
        /// What.
        run: Event,
    },
    /// A cell is done.
    CellDone {
        /// Which.
        cell: usize,
        /// What it came to.
        result: Box<CellResult>,
        /// The table with it.
        rows: Vec<Row>,
    },
    /// A cell cannot be run; the others go on.
    CellFailed {
        /// Which.
        cell: usize,
        /// Why, and what to do.
        error: String,
    },
    /// No cell is left.
    Done {
        /// The table.
        rows: Vec<Row>,
    },
}
