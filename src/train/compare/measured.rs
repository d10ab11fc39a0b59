//! Parts of a comparison besides its runs: the majority class, test files, and the number of steps within a budget.

use std::collections::VecDeque;

use super::plan::Spend;
use super::result::{CellResult, TestResult};
use crate::config::RunConfig;
use crate::data::dataset::{Dataset, TextRow};
use crate::data::table::Table;
use crate::encoder::Encoder;
use crate::error::{Error, Result};
use crate::eval::Metrics;
use crate::rng::Rng;
use crate::train::examples::draw;
use crate::train::job::Job;
use crate::train::run::SampleLimits;

/// Steps per epoch of the short runs; the stages of a progressive run with the default shares are whole steps of it.
const SHORT: usize = 20;
/// Held-out rows of the short runs; their evaluation is not counted.
const JUDGED: usize = 8;

/// The rows of a test file, with the class names `labels` of the training.
pub(super) fn test_rows(data: &Table, name: &str, table: &Table, labels: &[String], config: &RunConfig) -> Result<Vec<TextRow>> {
    Dataset::rows_of(data, table, labels, &config.data).map_err(|error| match error {
        Error::Data { problem, hint, row, column } => {
            Error::Data { problem: format!("{name}: {}", problem.replace("held-out file", "test file")), hint, row, column }
        }
        error => error,
    })
}

/// Always predicts the most frequent training class (of equally frequent ones, the lowest).
pub(super) fn majority(
    name: String,
    seed: u64,
    dataset: &Dataset,
    tests: &VecDeque<(String, Vec<TextRow>)>,
) -> Result<CellResult> {
    let mut counts = vec![0_usize; dataset.labels.len()];
    dataset.train.iter().for_each(|row| counts[row.label as usize] += 1);
    let most = counts.iter().copied().max().unwrap_or(0);
    let class = counts.iter().position(|&count| count == most).unwrap_or(0) as u32;
    let judge = |rows: &[TextRow]| {
        let truth: Vec<u32> = rows.iter().map(|row| row.label).collect();
        Metrics::new(&dataset.labels, &truth, &vec![class; truth.len()])
    };
    let Metrics { accuracy, macro_f1, .. } = judge(&dataset.held_out)?;
    let test = |(name, rows): &(String, Vec<TextRow>)| {
        let Metrics { accuracy, macro_f1, .. } = judge(rows)?;
        Ok(TestResult { name: name.clone(), accuracy, macro_f1 })
    };
    let tests = tests.iter().map(test).collect::<Result<_>>()?;
    Ok(CellResult { accuracy, macro_f1, tests, ..CellResult::new(name, seed) })
}

/// The number of steps within a budget, see [`super`].
pub(super) async fn steps_within(spend: Spend, model: &Encoder, dataset: &Dataset, config: &RunConfig) -> Result<usize> {
    let batch = config.optim.batch_size;
    let rows = draw(|row| dataset.train[row].label, 0..dataset.train.len(), SHORT * batch, Rng::stream(config.seed, "budget"));
    let part = Dataset {
        train: rows.into_iter().map(|row| dataset.train[row].clone()).collect(),
        held_out: dataset.held_out.iter().take(JUDGED).cloned().collect(),
        ..dataset.clone()
    };
    let short = part.train.len().div_ceil(batch);
    let epoch = dataset.train.len().div_ceil(batch);
    // The first run of a process also compiles and measures kernels.
    let warm_up = if matches!(spend, Spend::Seconds(_)) { Some(2) } else { None };
    let mut costs = Vec::new();
    for steps in warm_up.into_iter().chain([short, 3 * short]) {
        let mut config = config.clone();
        config.optim.steps = Some(steps);
        (config.eval.evaluations, config.eval.patience) = (1, None);
        let limits = SampleLimits { learned: 0, ..SampleLimits::default() };
        let mut job = Job::with_limits(model.clone(), part.clone(), config, limits).await?;
        while job.next().await?.is_some() {}
        costs.push(if let Spend::Flops(_) = spend { job.cost().flops as f64 } else { job.cost().seconds });
    }
    let most = match spend {
        Spend::Steps(steps) => return Ok(steps),
        Spend::Seconds(most) | Spend::Flops(most) => most,
    };
    let (first, all) = (costs[costs.len() - 2], costs[costs.len() - 1]);
    Ok(steps_for(most, first / short as f64, (all - first) / (2 * short) as f64, epoch))
}

/// The number of steps with a total cost of `most`, if a step of the first epoch costs `cold` and a later one `warm`; at least
/// 1.
fn steps_for(most: f64, cold: f64, warm: f64, epoch: usize) -> usize {
    let first = cold * epoch as f64;
    let steps = if most <= first || warm <= 0.0 { most / cold } else { epoch as f64 + (most - first) / warm };
    // Casting infinity saturates; no run has that many steps.
    (steps.round() as usize).clamp(1, 10_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_epochs_may_be_cheaper() {
        assert_eq!(steps_for(100.0, 2.0, 1.0, 80), 50);
        assert_eq!(steps_for(100.0, 2.0, 1.0, 40), 60);
        assert_eq!(steps_for(100.0, 2.0, 2.0, 40), 50);
        assert_eq!(steps_for(0.1, 2.0, 2.0, 40), 1);
    }
}
