//! Checks a [`Checkpoint`] against the run that it resumes, before any of it is used. Completeness and finite values of the
//! matrices are checked where they are read.

use super::{Run, Stage};
use crate::error::{Error, Result};
use crate::prompt::{self, Sizes};
use crate::train::checkpoint::{Checkpoint, Place, damaged};
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
        let Some(Stage::Training(training)) = &self.stage else { return Err(other("method")) };
        let Some(trainer) = &training.trainer else { return Err(other("method")) };
        self.check_orders(checkpoint, training.orders.len())?;
        self.check_place(&checkpoint.place)?;
        let Place { step, round, before, .. } = checkpoint.place;
        check_states(trainer, &checkpoint.matrices, step, round)?;
        let (classes, watched) = (self.examples.labels.len(), self.examples.watched.len());
        if let Some(best) = &checkpoint.best {
            if best.scores.len() != watched * classes {
                return Err(other("split of the data"));
            }
            ensure((before..=step).contains(&best.step), "the step of the best parameters")?;
            ensure(best.loss.is_finite(), "the loss of the best parameters")?;
            ensure(self.is_ours(&best.trained, trainer.members()), "the best parameters")?;
            // Pruning rewinds to them.
            let wanted = round + 1 < self.rounds.rounds;
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
            let head = probe.trained.stored.is_empty() && self.is_head(&probe.trained, 1);
            ensure(probe.loss.is_finite() && head, "the linear probe")?;
        }
        Ok(())
    }

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
            ensure(*cursor == Order::behind(rows, batch, checkpoint.place.step), "the position in the order of the examples")?;
        }
        Ok(())
    }

    fn check_place(&self, &Place { step, stale, stage, round, before, .. }: &Place) -> Result<()> {
        let (rounds, steps) = (&self.rounds, self.budget.steps);
        ensure(round < rounds.rounds, "the round")?;
        let begins = if round == 0 { before == 0 } else { before > 0 && before <= steps * round };
        ensure(begins && before <= step && step - before <= steps, "the step")?;
        ensure(stale <= step - before, "the number of evaluations without a lower loss")?;
        // A stopped run is on the full encoder, whatever the step.
        let last = rounds.count() - 1;
        let at = |step: usize| if round > 0 { last } else { rounds.at(step, steps) };
        let fits = match stage {
            None => rounds.count() == 1 || step == 0,
            Some(stage) => stage == last || stage == at(step - before) || (step > before && stage == at(step - before - 1)),
        };
        ensure(fits, "the stage")
    }

    /// Whether these are trained parameters of this run's method.
    fn is_ours(&self, trained: &Trained, members: usize) -> bool {
        let (method, spec) = (prompt::method(&self.config, self.model.spec()), self.model.spec());
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

/// Checks trained matrices after a number of steps in this round: a prompt is pruned only in its second round.
fn check_states(trainer: &Trainer, states: &[MatrixState], step: usize, round: usize) -> Result<()> {
    trainer.check_state(states)?;
    let pruned = trainer.prunable().map(|(place, _)| place).filter(|_| round > 0);
    for (place, MatrixState { name, moments, mask, .. }) in states.iter().enumerate() {
        ensure(moments.as_ref().is_none_or(|&(time, ..)| (1..=step).contains(&time)), &format!("the optimizer state of {name}"))?;
        let mask_fits = match mask {
            None => pruned != Some(place),
            Some(mask) => pruned == Some(place) && mask.iter().all(|&left| left == 0.0 || left == 1.0),
        };
        ensure(mask_fits, &format!("the mask of {name}"))?;
    }
    Ok(())
}
