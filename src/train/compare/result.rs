//! The results of a comparison: cells, and rows that aggregate the seeds of a variant.

use serde::{Deserialize, Serialize};

/// A variant with a seed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(all(test, not(target_family = "wasm")), derive(ts_rs::TS))]
pub struct Cell {
    /// The variant as written by the user.
    pub name: String,
    /// The seed of its split, order and initial values.
    pub seed: u64,
}

/// A held-out evaluation during the run.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(all(test, not(target_family = "wasm")), derive(ts_rs::TS))]
pub struct Point {
    /// Training time so far, without evaluations.
    pub seconds: f64,
    /// Steps so far.
    pub step: usize,
    /// Held-out accuracy.
    pub accuracy: f64,
    /// Held-out loss.
    pub loss: f64,
}

/// Metrics on a test file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(all(test, not(target_family = "wasm")), derive(ts_rs::TS))]
pub struct TestResult {
    /// The file's name.
    pub name: String,
    /// Accuracy.
    pub accuracy: f64,
    /// Macro-F1.
    pub macro_f1: f64,
}

/// The result of a run.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(all(test, not(target_family = "wasm")), derive(ts_rs::TS))]
pub struct CellResult {
    /// The variant as written by the user.
    pub name: String,
    /// Its seed.
    pub seed: u64,
    /// Held-out accuracy of the best parameters.
    pub accuracy: f64,
    /// Held-out macro-F1.
    pub macro_f1: f64,
    /// For an ensemble: the mean held-out accuracy of its members individually.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(all(test, not(target_family = "wasm")), ts(optional))]
    pub members_accuracy: Option<f64>,
    /// Lowest held-out loss; `None` if nothing was trained.
    pub loss: Option<f64>,
    /// Metrics on the test files.
    pub tests: Vec<TestResult>,
    /// Held-out evaluations during the run.
    pub curve: Vec<Point>,
    /// Trainable parameters without the head.
    pub prompt_parameters: usize,
    /// Trainable parameters of the head.
    pub head_parameters: usize,
    /// Training time in seconds, without evaluations.
    pub training_seconds: f64,
    /// Time of the whole run in seconds.
    pub seconds: f64,
    /// FLOPs of the training, in the encoder.
    pub flops: f64,
    /// FLOPs of the evaluations.
    pub evaluation_flops: f64,
    /// Peak memory of the encoder, where it computes.
    pub peak_bytes: u64,
    /// Bytes of the adapter's tensors.
    pub adapter_bytes: u64,
    /// Steps of a whole round of its schedule; 0 if nothing was trained.
    pub planned_steps: usize,
    /// Steps done.
    pub steps: usize,
    /// The best step.
    pub best_step: usize,
    /// The trained method, if the variant selects one automatically.
    pub chosen: Option<String>,
    /// The device.
    pub device: String,
}

/// Mean and standard deviation over seeds (with n - 1 in the denominator; 0 for a single seed).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(all(test, not(target_family = "wasm")), derive(ts_rs::TS))]
pub struct Spread {
    /// Mean.
    pub mean: f64,
    /// Standard deviation.
    pub deviation: f64,
}

/// Paired difference to the first variant, over the seeds that both have.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(all(test, not(target_family = "wasm")), derive(ts_rs::TS))]
pub struct Difference {
    /// Mean of the differences in held-out accuracy.
    pub mean: f64,
    /// Standard error of that mean; `None` for a single seed.
    pub error: Option<f64>,
    /// Number of seeds.
    pub seeds: usize,
}

/// Metrics on a test file, over seeds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(all(test, not(target_family = "wasm")), derive(ts_rs::TS))]
pub struct TestRow {
    /// The file's name.
    pub name: String,
    /// Accuracy.
    pub accuracy: Spread,
    /// Macro-F1.
    pub macro_f1: Spread,
}

/// A variant, over its seeds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(all(test, not(target_family = "wasm")), derive(ts_rs::TS))]
pub struct Row {
    /// The variant as written by the user.
    pub name: String,
    /// Number of finished seeds.
    pub seeds: usize,
    /// Held-out accuracy.
    pub accuracy: Spread,
    /// Held-out macro-F1.
    pub macro_f1: Spread,
    /// Lowest held-out loss; `None` if nothing was trained.
    pub loss: Option<Spread>,
    /// Metrics on the test files.
    pub tests: Vec<TestRow>,
    /// Difference in accuracy to the first variant; `None` for the first itself.
    pub difference: Option<Difference>,
    /// Trainable parameters without the head: the maximum over seeds.
    pub prompt_parameters: usize,
    /// Trainable parameters of the head.
    pub head_parameters: usize,
    /// Training time in seconds, without evaluations.
    pub training_seconds: Spread,
    /// Time of the whole run in seconds.
    pub seconds: Spread,
    /// Mean FLOPs of the training, in the encoder.
    pub flops: f64,
    /// Peak memory: the maximum over seeds.
    pub peak_bytes: u64,
    /// Size of the adapter: the maximum over seeds.
    pub adapter_bytes: u64,
    /// Mean steps.
    pub steps: f64,
}

impl CellResult {
    /// A cell that has not started.
    #[must_use]
    pub fn new(name: String, seed: u64) -> Self {
        Self { name, seed, ..Self::default() }
    }

    /// The same numbers with 15 significant digits. Decimal numbers of that length read back exactly, so a continued comparison
    /// has unchanged results.
    #[must_use]
    pub fn rounded(self) -> Self {
        let round = |figure: f64| format!("{figure:.14e}").parse().unwrap_or(figure);
        let test = |test: TestResult| TestResult { accuracy: round(test.accuracy), macro_f1: round(test.macro_f1), ..test };
        let point = |point: Point| Point {
            seconds: round(point.seconds),
            accuracy: round(point.accuracy),
            loss: round(point.loss),
            ..point
        };
        Self {
            accuracy: round(self.accuracy),
            macro_f1: round(self.macro_f1),
            loss: self.loss.map(round),
            members_accuracy: self.members_accuracy.map(round),
            tests: self.tests.into_iter().map(test).collect(),
            curve: self.curve.into_iter().map(point).collect(),
            training_seconds: round(self.training_seconds),
            seconds: round(self.seconds),
            flops: round(self.flops),
            evaluation_flops: round(self.evaluation_flops),
            ..self
        }
    }
}

impl Spread {
    /// Mean and standard deviation of some numbers; zeros if there are none.
    #[must_use]
    pub fn of(values: &[f64]) -> Self {
        let count = values.len() as f64;
        let mean = values.iter().sum::<f64>() / count.max(1.0);
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        Self { mean, deviation: if values.len() > 1 { (squares / (count - 1.0)).sqrt() } else { 0.0 } }
    }
}

impl Difference {
    /// The second number of each pair minus the first; `None` if there are no pairs.
    #[must_use]
    pub fn of(pairs: &[(f64, f64)]) -> Option<Self> {
        let differences: Vec<f64> = pairs.iter().map(|(first, second)| second - first).collect();
        let Spread { mean, deviation } = Spread::of(&differences);
        let error = (pairs.len() > 1).then(|| deviation / (pairs.len() as f64).sqrt());
        (!pairs.is_empty()).then_some(Self { mean, error, seeds: pairs.len() })
    }
}

/// A row for each of `names` that has a cell, in order; differences are to the first name, paired by seed.
#[must_use]
pub fn rows(names: &[String], cells: &[CellResult]) -> Vec<Row> {
    let of = |name: &String| -> Vec<&CellResult> { cells.iter().filter(|cell| cell.name == *name).collect() };
    let first = names.first().map(of).unwrap_or_default();
    let row = |name: &String| {
        let cells = of(name);
        let model = cells.first()?;
        let spread = |figure: &dyn Fn(&CellResult) -> f64| Spread::of(&cells.iter().map(|cell| figure(cell)).collect::<Vec<_>>());
        let losses: Vec<f64> = cells.iter().filter_map(|cell| cell.loss).collect();
        let tests = model.tests.iter().map(|test| {
            let measured: Vec<&TestResult> =
                cells.iter().filter_map(|cell| cell.tests.iter().find(|other| other.name == test.name)).collect();
            let spread =
                |figure: fn(&TestResult) -> f64| Spread::of(&measured.iter().map(|test| figure(test)).collect::<Vec<_>>());
            TestRow { name: test.name.clone(), accuracy: spread(|test| test.accuracy), macro_f1: spread(|test| test.macro_f1) }
        });
        let pair = |cell: &&CellResult| {
            let other = first.iter().find(|other| other.seed == cell.seed)?;
            Some((other.accuracy, cell.accuracy))
        };
        let pairs: Vec<(f64, f64)> = cells.iter().filter_map(pair).collect();
        let most = |figure: fn(&CellResult) -> u64| cells.iter().map(|cell| figure(cell)).max().unwrap_or(0);
        Some(Row {
            name: name.clone(),
            seeds: cells.len(),
            accuracy: spread(&|cell| cell.accuracy),
            macro_f1: spread(&|cell| cell.macro_f1),
            loss: (!losses.is_empty()).then(|| Spread::of(&losses)),
            tests: tests.collect(),
            difference: if Some(name) == names.first() { None } else { Difference::of(&pairs) },
            prompt_parameters: cells.iter().map(|cell| cell.prompt_parameters).max().unwrap_or(0),
            head_parameters: model.head_parameters,
            training_seconds: spread(&|cell| cell.training_seconds),
            seconds: spread(&|cell| cell.seconds),
            flops: spread(&|cell| cell.flops).mean,
            peak_bytes: most(|cell| cell.peak_bytes),
            adapter_bytes: most(|cell| cell.adapter_bytes),
            steps: spread(&|cell| cell.steps as f64).mean,
        })
    };
    names.iter().filter_map(row).collect()
}
