//! Methods side by side.

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

/// What is compared.
#[derive(Deserialize)]
struct Asked {
    variants: Vec<String>,
    seeds: Vec<u64>,
    budget: Option<String>,
}

/// Methods side by side on the same data.
#[wasm_bindgen]
pub struct Comparison {
    comparison: compare::Comparison,
}

#[wasm_bindgen]
impl Comparison {
    /// Gets ready. `plan` has `variants`, methods with settings of their own, as on the command line; `seeds`, numbers below 2^53; and,
    /// where each run may take so much only, a `budget` such as `steps:500`. Results in `done`, as the events have them, need not be
    /// worked out again.
    ///
    /// # Errors
    /// `data` or `config`, with the variant or the budget that cannot work.
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

    /// Works until there is something to tell: an event, or `undefined` when the comparison is over. What a variant cannot do is an
    /// event, too.
    ///
    /// # Errors
    /// Never, in practice.
    pub async fn next(&mut self) -> Result<JsValue, JsValue> {
        match self.comparison.next().await {
            Some(event) => plain(&event),
            None => Ok(JsValue::UNDEFINED),
        }
    }

    /// The next event ends the comparison: what is done stays, the run under way is given up.
    pub fn stop(&mut self) {
        self.comparison.stop();
    }
}
