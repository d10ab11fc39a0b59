//! Comparisons of methods.

use serde::Deserialize;
use wasm_bindgen::prelude::*;

use super::model::Model;
use super::{parse, plain, thrown};
use crate::config::RunConfig;
use crate::data::table::Table;
use crate::error::Result;
use crate::train::compare::plan::Plan;
use crate::train::compare::result::CellResult;
use crate::train::compare::{self, Tables};

/// The plan of a comparison.
#[derive(Deserialize)]
struct Asked {
    variants: Vec<String>,
    seeds: Vec<u64>,
    budget: Option<String>,
}

/// A comparison of methods on the same data.
#[wasm_bindgen]
pub struct Comparison {
    comparison: compare::Comparison,
}

#[wasm_bindgen]
impl Comparison {
    /// Prepares a comparison. `plan` has `variants`, methods with settings of their own, as on the command line; `seeds`, numbers
    /// below 2^53; and optionally a `budget` of each run, such as `steps:500`. Results in `done`, as in the events, are not
    /// computed again.
    ///
    /// # Errors
    /// `data` or `config`, with the invalid variant or budget.
    pub fn start(
        model: &Model,
        table: Vec<u8>,
        held_out: Option<Vec<u8>>,
        config: JsValue,
        plan: JsValue,
        done: JsValue,
    ) -> Result<Comparison, JsValue> {
        let config: RunConfig = parse(config)?;
        let done: Vec<CellResult> = parse(done)?;
        let Asked { variants, seeds, budget } = parse(plan)?;
        let start = || -> Result<compare::Comparison> {
            let reading = config.data.clone();
            let plan = Plan::new(config, &variants, seeds, budget.as_deref().map(str::parse).transpose()?)?;
            let held_out = held_out.as_deref().map(|bytes| Table::read_beside(bytes, &reading)).transpose()?;
            let tables = Tables { data: Table::read(&table, &reading)?, held_out, tests: Vec::new() };
            compare::Comparison::start(model.model.clone(), tables, plan, &done)
        };
        Ok(Self { comparison: start().map_err(thrown)? })
    }

    /// Works until the next event and returns it; `undefined` when the comparison is finished. The failure of a variant is an
    /// event, too.
    ///
    /// # Errors
    /// Cannot fail in practice.
    pub async fn next(&mut self) -> Result<JsValue, JsValue> {
        match self.comparison.next().await {
            Some(event) => plain(&event),
            None => Ok(JsValue::UNDEFINED),
        }
    }

    /// The next event ends the comparison: finished runs remain, the current run is cancelled.
    pub fn stop(&mut self) {
        self.comparison.stop();
    }
}
