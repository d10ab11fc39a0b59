//! Checks a [`Checkpoint`] against the run that it resumes, before any of it is used. Completeness and finite values of the
//! matrices are checked where they are read.

use super::progress::Progress;
use super::setup::Setup;
use super::{Phase, Run};
use crate::error::{Error, Result};
use crate::prompt::Sizes;
use crate::train::checkpoint::{Checkpoint, Counters, damaged};
use crate::train::order::Order;
use crate::train::step::{MatrixState, Trained, Trainer};

/// The error for a checkpoint of something else.
pub(super) fn other(what: &str) -> Error {
    Error::adapter(format!("the checkpoint was made with another {what}"), "use the same files, or start the run again")
}

/// Checks a condition on a checkpoint.
fn ensure(holds: bool, what: &str) -> Result<()> {
    if holds { Ok(()) } else { Err(damaged(format!("{what} does not match its settings and data"))) }
}

impl Run {
    /// Checks a checkpoint of the same data, encoder and settings.
    ///
    /// # Errors
    /// [`Error::Adapter`] with the first invalid part.
    pub(super) fn check(&self, checkpoint: &Checkpoint) -> Result<()> {
        let Some(Phase::Training(training)) = &self.phase else { return Err(other("method")) };
        let Some(trainer) = &training.trainer else { return Err(other("method")) };
        self.setup.check_orders(checkpoint, training.orders.len())?;
        self.progress.check_counters(&checkpoint.counters)?;
        let Counters { step, round, before, .. } = checkpoint.counters;
        check_states(trainer, &checkpoint.matrices, step, round)?;
        let (classes, watched) = (self.setup.examples.labels.len(), self.setup.examples.watched.len());
        if let Some(best) = &checkpoint.best {
            if best.scores.len() != watched * classes {
                return Err(other("split of the data"));
            }
            ensure((before..=step).contains(&best.step), "the step of the best parameters")?;
            ensure(best.loss.is_finite(), "the loss of the best parameters")?;
            ensure(self.setup.is_ours(&best.trained, trainer.members()), "the best parameters")?;
            // Pruning rewinds to them.
            let wanted = round + 1 < self.progress.rounds.count;
            ensure(best.state.is_some() == wanted, "the state of the best parameters")?;
            if let Some(state) = &best.state {
                check_states(trainer, state, best.step, round)?;
            }
        }
        if let Some(probe) = &checkpoint.probe {
            let known = |&class: &u32| (class as usize) < classes;
            if probe.predicted.len() != watched || !probe.predicted.iter().all(known) {
                return Err(other("split of the data"));
            }
            let head = probe.trained.stored.is_empty() && self.setup.is_head(&probe.trained, 1);
            ensure(probe.loss.is_finite() && head, "the linear probe")?;
        }
        Ok(())
    }
}

impl Setup {
    /// Checks that every member's order contains each training example once, and that its position matches the number of steps.
    fn check_orders(&self, checkpoint: &Checkpoint, members: usize) -> Result<()> {
        let (rows, batch) = (self.examples.train_rows, self.config.optim.batch_size);
        if checkpoint.orders.len() != members {
            return Err(other("method"));
        }
        for (_, indices, cursor) in &checkpoint.orders {
            let mut seen = vec![false; rows];
            let each = indices.iter().all(|&i| i < rows && !std::mem::replace(&mut seen[i], true));
            if !each || indices.len() != rows {
                return Err(other("split of the data"));
            }
            ensure(*cursor == Order::behind(rows, batch, checkpoint.counters.step), "the position in the order of the examples")?;
        }
        Ok(())
    }

    /// Whether these are trained parameters of this run's method.
    fn is_ours(&self, trained: &Trained, members: usize) -> bool {
        let (method, spec) = (self.method(), self.model.spec());
        let Ok(longest) = self.model.text_limit(self.config.data.max_tokens, method.prompt_length()) else { return false };
        let wanted = method.stored(Sizes { hidden: spec.hidden, layers: spec.layers, longest });
        let found = trained.stored.iter().map(|matrix| (matrix.name.as_str(), matrix.shape));
        found.eq(wanted) && self.is_head(trained, members)
    }

    /// Whether the head has this number of members.
    fn is_head(&self, trained: &Trained, members: usize) -> bool {
        let (rows, hidden) = (members * self.examples.labels.len(), self.model.spec().hidden);
        trained.head_weight.len() == rows * hidden && trained.head_bias.len() == rows
    }
}

impl Progress {
    /// Checks the counters of a run with this plan; `self` is its start.
    fn check_counters(&self, &Counters { step, stale, stage, round, before, .. }: &Counters) -> Result<()> {
        let rounds = &self.rounds;
        let steps = rounds.budget.steps;
        ensure(round < rounds.count, "the round")?;
        let begins = if round == 0 { before == 0 } else { before > 0 && before <= steps * round };
        ensure(begins && before <= step && step - before <= steps, "the step")?;
        ensure(stale <= step - before, "the number of evaluations without a lower loss")?;
        // A stopped run is on the full encoder, whatever the step.
        let last = rounds.stages.len();
        let at = |step: usize| if round > 0 { last } else { rounds.stage_at(step) };
        let fits = match stage {
            None => last == 0 || step == 0,
            Some(stage) => stage == last || stage == at(step - before) || (step > before && stage == at(step - before - 1)),
        };
        ensure(fits, "the stage")
    }
}

/// Checks trained matrices after a number of steps in this round: a prompt is pruned only in its second round.
fn check_states(trainer: &Trainer, states: &[MatrixState], step: usize, round: usize) -> Result<()> {
    trainer.check_state(states)?;
    let pruned = trainer.prunable().map(|(name, _)| name).filter(|_| round > 0);
    for MatrixState { name, moments, mask, .. } in states {
        ensure(moments.as_ref().is_none_or(|&(time, ..)| (1..=step).contains(&time)), &format!("the optimizer state of {name}"))?;
        let mask_fits = match mask {
            None => pruned != Some(name.as_str()),
            Some(mask) => pruned == Some(name.as_str()) && mask.iter().all(|&left| left == 0.0 || left == 1.0),
        };
        ensure(mask_fits, &format!("the mask of {name}"))?;
    }
    Ok(())
}
