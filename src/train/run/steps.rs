//! The steps of a run, and the results of each held-out evaluation.

use burn::tensor::Tensor;
use web_time::Instant;

use super::{Best, Run};
use crate::engine::compute::read;
use crate::error::{Error, Result};
use crate::train::event::Event;
use crate::train::examples::Scored;
use crate::train::order::Order;
use crate::train::step::Trainer;

/// Losses are read back after about this many seconds, and after at most [`MOST_STEPS`] steps. A step never waits for the CPU,
/// and the CPU is never further ahead.
const GROUP_SECONDS: f64 = 0.25;
const MOST_STEPS: usize = 16;

impl Run {
    /// A group of steps up to the next evaluation, and their losses. Returns whether the evaluation is due.
    pub(super) async fn step(&mut self, trainer: &mut Trainer, orders: &mut [Order]) -> Result<bool> {
        let begin = Instant::now();
        let (mut losses, mut rows) = (Vec::new(), 0);
        let mut due = false;
        while !due && losses.len() < self.progress.group && self.round_step() < self.budget.steps && !self.enters_stage() {
            let rates = self.rates();
            let indices: Vec<usize> = orders.iter_mut().flat_map(|order| order.next_batch().to_vec()).collect();
            let (loss, batch_rows) = trainer.step(&self.examples.all, &indices, rates)?;
            losses.push((loss, rates.prompt));
            rows += batch_rows;
            self.progress.step += 1;
            due = self.budget.evaluates_after(self.round_step());
        }
        // A partial encoder, or its absence, is counted besides the full encoder.
        let whole = if self.is_partial() || !self.has_prompt() { self.compute.encoder.weight_bytes() } else { 0 };
        self.report(losses, rows, begin, whole + trainer.memory_bytes()).await?;
        trainer.check()?;
        Ok(due)
    }

    /// Reads the losses of a group back and reports its steps.
    async fn report(&mut self, losses: Vec<(Tensor<1>, f64)>, rows: usize, begin: Instant, memory_bytes: u64) -> Result<()> {
        let (tensors, rates): (Vec<_>, Vec<_>) = losses.into_iter().unzip();
        let values = read(Tensor::cat(tensors, 0)).await?;
        let group_seconds = begin.elapsed().as_secs_f64();
        self.progress.stepping += group_seconds;
        let per_step = group_seconds / values.len() as f64;
        self.progress.group = ((GROUP_SECONDS / per_step) as usize).clamp(1, MOST_STEPS);
        let left = (self.all_steps() - self.progress.step) as f64 * self.progress.stepping / self.progress.step as f64;
        let first = self.progress.step + 1 - values.len();
        for (i, (&loss, learning_rate)) in values.iter().zip(rates).enumerate() {
            if !loss.is_finite() {
                return Err(Error::Diverged { step: first + i, loss });
            }
            self.pending.push_back(Event::Step {
                step: first + i,
                steps: self.all_steps(),
                loss,
                learning_rate,
                tokens_per_second: rows as f64 / group_seconds,
                seconds: self.elapsed().as_secs_f64(),
                seconds_left: left,
                memory_bytes,
            });
        }
        Ok(())
    }

    /// Reports an evaluation and saves the parameters if they are the best so far. On a partial encoder none are saved, because
    /// its metrics are those of another model.
    pub(super) async fn keep(&mut self, Scored { scores, members_right }: Scored, trainer: &Trainer) -> Result<()> {
        let (loss, metrics) = self.examples.judge(&scores)?;
        if !loss.is_finite() {
            return Err(Error::Diverged { step: self.progress.step, loss: loss as f32 });
        }
        let best = !self.is_partial() && self.best.as_ref().is_none_or(|best| loss < best.loss);
        self.progress.stale = if best || self.is_partial() { 0 } else { self.progress.stale + 1 };
        self.pending.push_back(Event::Eval {
            step: self.progress.step,
            loss,
            accuracy: metrics.accuracy,
            macro_f1: metrics.macro_f1,
            members_accuracy: (trainer.members() > 1)
                .then(|| members_right as f64 / (trainer.members() * self.examples.watched.len()) as f64),
            best,
        });
        if best {
            let state = if self.prunes_next() { Some(trainer.state().await?) } else { None };
            let trained = trainer.trained().await?;
            self.best = Some(Best { step: self.progress.step, loss, trained, metrics, scores, whole: false, state });
        }
        Ok(())
    }
}
