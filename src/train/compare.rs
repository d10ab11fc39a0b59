//! [`Comparison`]: several methods on the same data, pulled event by event like a run.
//!
//! Results are paired by seed: all variants of a seed have the same split, order of the examples and held-out rows. For a budget
//! in seconds or FLOPs, the number of steps of a variant is computed once, for the first seed, from two short runs on a subset of
//! the training rows, of one and of three epochs: they give the cost of a step in the first epoch and in later ones (where hidden
//! states may be cached). The runs then have this number of steps, and a schedule that ends with them.

use std::collections::{HashMap, VecDeque};

use self::event::CompareEvent;
use self::measured::{majority, steps_within, test_rows};
use self::plan::{Plan, Spend};
use self::result::{Cell, CellResult, Point, Row, TestResult, rows};
use super::event::Event;
use super::job::Job;
use super::run::SampleLimits;
use crate::config::{Method, RunConfig};
use crate::data::dataset::{Dataset, TextRow};
use crate::data::table::Table;
use crate::encoder::Encoder;
use crate::error::Result;
use crate::eval::{Metrics, argmax};
use crate::predict::EVAL_BATCH;

pub mod event;
mod measured;
pub mod plan;
pub mod result;

/// The data of a comparison.
pub struct Tables {
    /// The training data.
    pub data: Table,
    /// The held-out file; without it, a share of `data` is held out, by the seed.
    pub held_out: Option<Table>,
    /// Test files, with their names.
    pub tests: Vec<(String, Table)>,
}

impl Tables {
    /// The split of a seed.
    ///
    /// # Errors
    /// As [`Dataset::from_table`] and [`Dataset::with_held_out`].
    pub fn dataset(&self, config: &RunConfig, seed: u64) -> Result<Dataset> {
        match &self.held_out {
            Some(held_out) => Dataset::with_held_out(&self.data, held_out, &config.data),
            None => Dataset::from_table(&self.data, &config.data, seed),
        }
    }
}

/// A comparison.
pub struct Comparison {
    model: Encoder,
    tables: Tables,
    plan: Plan,
    cells: Vec<Cell>,
    results: Vec<Option<CellResult>>,
    /// The next cell.
    next: usize,
    running: Option<Running>,
    /// Number of steps of each variant within the budget.
    steps: HashMap<String, usize>,
    pending: VecDeque<CompareEvent>,
    stopping: bool,
    over: bool,
}

/// A cell in progress.
struct Running {
    job: Job,
    result: CellResult,
    /// Logits of the test files so far.
    tests: VecDeque<(String, Vec<TextRow>)>,
    labels: Vec<String>,
    predicted: Vec<u32>,
    over: bool,
}

impl Comparison {
    /// Prepares a comparison; cells in `done` are not run again.
    ///
    /// # Errors
    /// [`crate::error::Error::Data`] for a file that cannot be used.
    pub fn start(model: Encoder, tables: Tables, plan: Plan, done: &[CellResult]) -> Result<Self> {
        let config = &plan.config;
        for seed in plan.seeds.iter().take(1) {
            let dataset = tables.dataset(config, *seed)?;
            for (name, table) in &tables.tests {
                test_rows(&tables.data, name, table, &dataset.labels, config)?;
            }
        }
        let cell = |&seed: &u64| plan.names().into_iter().map(move |name| Cell { name, seed });
        let cells: Vec<Cell> = plan.seeds.iter().flat_map(cell).collect();
        let of = |cell: &Cell| done.iter().find(|result| result.name == cell.name && result.seed == cell.seed).cloned();
        let results: Vec<Option<CellResult>> = cells.iter().map(of).collect();
        let mut comparison = Self {
            model,
            tables,
            cells: cells.clone(),
            next: 0,
            running: None,
            steps: HashMap::new(),
            pending: VecDeque::from([CompareEvent::Planned { cells }]),
            stopping: false,
            over: false,
            results,
            plan,
        };
        let rows = comparison.rows();
        for (cell, result) in comparison.results.iter().enumerate() {
            if let Some(result) = result {
                // The same seed, data and budget give the same steps.
                comparison.steps.entry(result.name.clone()).or_insert(result.planned_steps);
                let (result, rows) = (Box::new(result.clone()), rows.clone());
                comparison.pending.push_back(CompareEvent::CellDone { cell, result, rows });
            }
        }
        Ok(comparison)
    }

    /// Works until the next event; `None` after [`CompareEvent::Done`]. An error in a cell ends only that cell.
    pub async fn next(&mut self) -> Option<CompareEvent> {
        loop {
            if let Some(event) = self.pending.pop_front() {
                return Some(event);
            }
            if self.over {
                return None;
            }
            if self.stopping {
                // A later comparison that receives these results will run the missing cells.
                self.running = None;
                self.next = self.cells.len();
            }
            if self.running.is_some() {
                if let Err(error) = self.advance().await {
                    self.fail(&error);
                }
            } else if self.next < self.cells.len() {
                if self.results[self.next].is_some() {
                    self.next += 1;
                } else if let Err(error) = self.begin().await {
                    self.fail(&error);
                }
            } else {
                self.over = true;
                return Some(CompareEvent::Done { rows: self.rows() });
            }
        }
    }

    /// Ends the comparison: the current cell is cancelled, finished ones remain.
    pub fn stop(&mut self) {
        self.stopping = true;
    }

    /// Results of the finished cells.
    pub fn results(&self) -> impl Iterator<Item = &CellResult> {
        self.results.iter().flatten()
    }

    /// The table so far.
    #[must_use]
    pub fn rows(&self) -> Vec<Row> {
        rows(&self.plan.names(), &self.results().cloned().collect::<Vec<_>>())
    }

    fn fail(&mut self, error: &crate::error::Error) {
        let report = error.report();
        let error = if report.hint.is_empty() { report.message } else { format!("{}; {}", report.message, report.hint) };
        self.running = None;
        self.pending.push_back(CompareEvent::CellFailed { cell: self.next, error });
        self.next += 1;
    }

    fn finish(&mut self, result: CellResult) {
        let result = result.rounded();
        self.running = None;
        self.results[self.next] = Some(result.clone());
        let rows = self.rows();
        self.pending.push_back(CompareEvent::CellDone { cell: self.next, result: Box::new(result), rows });
        self.next += 1;
    }

    /// The settings of the next cell, including its steps within the budget.
    async fn config(&mut self, name: &str, dataset: &Dataset, seed: u64) -> Result<RunConfig> {
        let variant = self.plan.variants.iter().find(|variant| variant.name == name);
        let mut config = variant.map_or_else(|| self.plan.config.clone(), |variant| variant.config.clone());
        config.seed = seed;
        let probe = config.prompt.method == Method::Probe;
        // With pruning, the budget covers both rounds.
        let rounds = 1 + usize::from(config.prompt.prune.is_some());
        config.optim.steps = match (self.plan.budget, self.steps.get(name)) {
            (None, _) => return Ok(config),
            (Some(Spend::Steps(steps)), _) => Some((steps / rounds).max(1)),
            (Some(_), _) if probe => return Ok(config),
            (Some(_), Some(&steps)) => Some(steps),
            (Some(spend), None) => {
                let steps = steps_within(spend, &self.model, dataset, &config).await?;
                self.steps.insert(name.to_owned(), steps);
                Some(steps)
            }
        };
        Ok(config)
    }

    async fn begin(&mut self) -> Result<()> {
        let Cell { name, seed } = self.cells[self.next].clone();
        self.pending.push_back(CompareEvent::CellStarted { cell: self.next, name: name.clone(), seed });
        let dataset = self.tables.dataset(&self.plan.config, seed)?;
        let mut tests = VecDeque::new();
        for (name, table) in &self.tables.tests {
            tests.push_back((name.clone(), test_rows(&self.tables.data, name, table, &dataset.labels, &self.plan.config)?));
        }
        let variant = self.plan.variants.iter().any(|variant| variant.name == name);
        if !variant {
            let result = majority(name, seed, &dataset, &tests)?;
            self.finish(result);
            return Ok(());
        }
        let config = self.config(&name, &dataset, seed).await?;
        let labels = dataset.labels.clone();
        let planned_steps = config.total_steps(dataset.train.len())?;
        let limits = SampleLimits { learned: 0, ..SampleLimits::default() };
        let job = Job::with_limits(self.model.clone(), dataset, config, limits).await?;
        let result = CellResult { planned_steps, ..CellResult::new(name, seed) };
        self.running = Some(Running { job, result, tests, labels, predicted: Vec::new(), over: false });
        Ok(())
    }

    /// Continues the current cell.
    async fn advance(&mut self) -> Result<()> {
        let Some(running) = &mut self.running else { return Ok(()) };
        if !running.over {
            match running.job.next().await? {
                Some(event) => {
                    running.note(&event);
                    self.pending.push_back(CompareEvent::Run { cell: self.next, run: event });
                }
                None => running.over = true,
            }
            return Ok(());
        }
        if let Some((done, total)) = running.test().await? {
            self.pending.push_back(CompareEvent::Run { cell: self.next, run: Event::Measuring { done, total } });
            return Ok(());
        }
        let result = running.result.clone();
        self.finish(result);
        Ok(())
    }
}

impl Running {
    /// Records what the result needs from an event.
    fn note(&mut self, event: &Event) {
        let (cost, result) = (self.job.cost(), &mut self.result);
        match event {
            Event::Started { device, .. } => result.device.clone_from(device),
            Event::Chosen { method, .. } => result.chosen = Some(method.clone()),
            &Event::Eval { step, loss, accuracy, members_accuracy, best, .. } => {
                result.curve.push(Point { seconds: cost.seconds, step, accuracy, loss });
                if best {
                    (result.best_step, result.loss, result.members_accuracy) = (step, Some(loss), members_accuracy);
                }
            }
            &Event::Done { accuracy, macro_f1, steps, seconds, .. } => {
                (result.accuracy, result.macro_f1, result.steps, result.seconds) = (accuracy, macro_f1, steps, seconds);
                (result.prompt_parameters, result.head_parameters) = (cost.prompt_parameters, cost.head_parameters);
                (result.training_seconds, result.peak_bytes) = (cost.seconds, cost.peak_bytes);
                (result.flops, result.evaluation_flops) = (cost.flops as f64, cost.evaluation_flops as f64);
                result.adapter_bytes = cost.adapter_bytes;
            }
            _ => {}
        }
    }

    /// Evaluates some more rows of a test file: how many of them are done, and their number; `None` if no file is left.
    async fn test(&mut self) -> Result<Option<(usize, usize)>> {
        let Some((name, rows)) = self.tests.front() else { return Ok(None) };
        let begin = self.predicted.len();
        let end = (begin + EVAL_BATCH).min(rows.len());
        let texts: Vec<&str> = rows[begin..end].iter().map(|row| row.text.as_str()).collect();
        let scores = self.job.predictor()?.logits(&texts).await?;
        self.predicted.extend(scores.chunks(self.labels.len()).map(|row| argmax(row) as u32));
        let total = rows.len();
        if end == total {
            let truth: Vec<u32> = rows.iter().map(|row| row.label).collect();
            let Metrics { accuracy, macro_f1, .. } = Metrics::new(&self.labels, &truth, &self.predicted)?;
            self.result.tests.push(TestResult { name: name.clone(), accuracy, macro_f1 });
            self.tests.pop_front();
            self.predicted.clear();
        }
        Ok(Some((end, total)))
    }
}
