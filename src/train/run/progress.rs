//! [`Progress`]: the position of a run in its plan of rounds, stages and steps.

use crate::config::{HeadTransition, RunConfig};
use crate::prompt::{Growth, PromptMethod, Stage};
use crate::train::schedule::Budget;
use crate::train::step::LearningRates;

/// The plan: rounds with the same number of steps, the first of them in stages on partial encoders.
pub(super) struct Rounds {
    /// The steps of one round.
    pub(super) budget: Budget,
    /// Number of evaluations without a lower held-out loss after which a round ends.
    patience: Option<usize>,
    /// Stages on partial encoders; one on the full encoder follows.
    pub(super) stages: Vec<Stage>,
    pub(super) growth: Growth,
    /// Number of rounds.
    pub(super) count: usize,
}

impl Rounds {
    pub(super) fn new(budget: Budget, config: &RunConfig, method: &dyn PromptMethod) -> Self {
        let count = 1 + usize::from(config.prompt.prune.is_some());
        Self { budget, patience: config.eval.patience, stages: method.stages(), growth: method.growth(), count }
    }

    /// Number of stages of the first round, including the one on the full encoder.
    pub(super) fn stage_count(&self) -> usize {
        self.stages.len() + 1
    }

    /// The step of the first round at which a stage ends.
    pub(super) fn end(&self, stage: usize) -> usize {
        if stage >= self.stages.len() {
            return self.budget.steps;
        }
        let share: f64 = self.stages[..=stage].iter().map(|stage| stage.share).sum();
        (share * self.budget.steps as f64).round() as usize
    }

    /// The stage of a step of the first round, counted from 0.
    pub(super) fn stage_at(&self, step: usize) -> usize {
        (0..self.stages.len()).find(|&stage| step < self.end(stage)).unwrap_or(self.stages.len())
    }
}

/// The position of a run in its plan.
pub(super) struct Progress {
    pub(super) rounds: Rounds,
    /// Steps done.
    pub(super) step: usize,
    /// Evaluations without a lower held-out loss.
    pub(super) stale: usize,
    /// The current stage; `None` before the first step.
    pub(super) stage: Option<usize>,
    /// Finished rounds.
    pub(super) round: usize,
    /// Steps before this round.
    pub(super) before: usize,
    /// Importance of the neurons `[L, F]`, if stages have fewer neurons.
    pub(super) neuron_scores: Option<Vec<f32>>,
}

impl Progress {
    /// The start of a plan.
    pub(super) fn new(rounds: Rounds) -> Self {
        Self { rounds, step: 0, stale: 0, stage: None, round: 0, before: 0, neuron_scores: None }
    }

    /// Steps of this round so far.
    pub(super) fn round_step(&self) -> usize {
        self.step - self.before
    }

    /// Number of steps of the whole run, as far as known.
    pub(super) fn all_steps(&self) -> usize {
        self.before + self.rounds.budget.steps * (self.rounds.count - self.round)
    }

    /// Whether an evaluation follows the last step.
    pub(super) fn evaluates_now(&self) -> bool {
        self.rounds.budget.evaluates_after(self.round_step())
    }

    /// Whether all steps of this round are done.
    pub(super) fn has_no_steps_left(&self) -> bool {
        self.round_step() >= self.rounds.budget.steps
    }

    /// Whether this round has no steps left, or early stopping applies. Called when no evaluation is due.
    pub(super) fn round_is_over(&self) -> bool {
        self.is_stale() || self.has_no_steps_left()
    }

    /// Whether early stopping ends this round.
    fn is_stale(&self) -> bool {
        self.rounds.patience.is_some_and(|patience| self.stale >= patience)
    }

    /// Whether early stopping has ended the whole run.
    pub(super) fn ended_early(&self) -> bool {
        self.is_stale() && !self.prunes_next()
    }

    /// Whether the prompt is pruned after this round.
    pub(super) fn prunes_next(&self) -> bool {
        self.round + 1 < self.rounds.count
    }

    /// Whether the current stage is on a partial encoder.
    pub(super) fn is_partial(&self) -> bool {
        self.stage.is_some_and(|stage| stage + 1 < self.rounds.stage_count())
    }

    /// The next stage. If the user stops the run, it is the full encoder, because only parameters on it can be the result.
    pub(super) fn next_stage(&self, stopping: bool) -> usize {
        let whole = stopping || self.round > 0;
        if whole { self.rounds.stages.len() } else { self.rounds.stage_at(self.round_step()) }
    }

    /// Whether the next step, or the last evaluation of a stopped run, is in another stage.
    pub(super) fn enters_stage(&self, stopping: bool) -> bool {
        self.rounds.stage_count() > 1 && self.stage != Some(self.next_stage(stopping))
    }

    /// Learning rates of the next step.
    pub(super) fn rates(&self) -> LearningRates {
        let rates = self.rounds.budget.rates(self.round_step());
        let Growth { head, refit_steps, .. } = self.rounds.growth;
        let stage = self.stage.unwrap_or(0);
        if head != HeadTransition::Refit || stage == 0 || self.round > 0 || self.rounds.stage_count() == 1 {
            return rates;
        }
        let since = self.round_step() - self.rounds.end(stage - 1);
        if since < refit_steps { LearningRates { prompt: 0.0, factor: 0.0, ..rates } } else { rates }
    }

    /// Begins the next round.
    pub(super) fn enter_round(&mut self) {
        self.round += 1;
        self.before = self.step;
        self.stale = 0;
    }
}
