//! The learning rates and evaluations at each step.

use super::step::LearningRates;
use crate::config::{OptimConfig, RunConfig, Schedule};
use crate::error::Result;

/// The number of steps of a run, with their learning rates.
pub struct Budget {
    /// Optimizer steps of the whole run.
    pub steps: usize,
    evaluations: usize,
    optim: OptimConfig,
}

impl Budget {
    /// The budget of a config with `train_rows` examples.
    ///
    /// # Errors
    /// As [`RunConfig::total_steps`].
    pub fn new(config: &RunConfig, train_rows: usize) -> Result<Self> {
        let steps = config.total_steps(train_rows)?;
        Ok(Self { steps, evaluations: config.eval.evaluations.min(steps), optim: config.optim.clone() })
    }

    /// Learning rates of `step`, counted from 0.
    #[must_use]
    pub fn rates(&self, step: usize) -> LearningRates {
        let factor = factor(&self.optim, step, self.steps);
        LearningRates { prompt: self.optim.prompt_lr * factor, head: self.optim.head_lr * factor, factor }
    }

    /// Whether an evaluation follows after `step` steps. Evaluations are evenly spaced; the last one is after the last step.
    #[must_use]
    pub fn evaluates_after(&self, step: usize) -> bool {
        let evaluations = |steps: usize| (steps as u64 * self.evaluations as u64) / self.steps as u64;
        evaluations(step) > evaluations(step.saturating_sub(1))
    }
}

/// The factor of the learning rates in `step`, counted from 0, of `steps`: the warm-up over the first `ceil(warmup_fraction *
/// steps)` steps, then the decay of the schedule.
#[must_use]
pub fn factor(config: &OptimConfig, step: usize, steps: usize) -> f64 {
    let warmup = (config.warmup_fraction * steps as f64).ceil() as usize;
    if step < warmup {
        return (step + 1) as f64 / warmup as f64;
    }
    let done = (step - warmup) as f64 / (steps - warmup).max(1) as f64;
    match config.schedule {
        Schedule::Cosine => 0.5 * (1.0 + (std::f64::consts::PI * done).cos()),
        Schedule::Linear => 1.0 - done,
        Schedule::Constant => 1.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rises_then_falls() {
        let config = OptimConfig { warmup_fraction: 0.2, ..OptimConfig::default() };
        let factors: Vec<f64> = (0..10).map(|step| factor(&config, step, 10)).collect();
        assert_eq!(factors[..3], [0.5, 1.0, 1.0]);
        assert!(factors[2..].windows(2).all(|w| w[1] < w[0]), "{factors:?}");
        assert!(factors[9] > 0.0 && factors[9] < 0.05, "{factors:?}");
    }

    #[test]
    fn constant_stays() {
        let config = OptimConfig { schedule: Schedule::Constant, warmup_fraction: 0.0, ..OptimConfig::default() };
        assert!((0..10).all(|step| factor(&config, step, 10) == 1.0));
    }

    #[test]
    fn linear_ends_above_zero() {
        let config = OptimConfig { schedule: Schedule::Linear, warmup_fraction: 0.0, ..OptimConfig::default() };
        assert!((factor(&config, 5, 10) - 0.5).abs() < 1e-12);
        assert!((factor(&config, 9, 10) - 0.1).abs() < 1e-12);
    }
}
