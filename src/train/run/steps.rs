//! The steps of a run, and the results of each held-out evaluation.

use burn::tensor::Tensor;
use web_time::Instant;

use super::Run;
use super::results::Best;
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
        while !due
            && losses.len() < self.account.group
            && !self.progress.has_no_steps_left()
            && !self.progress.enters_stage(self.stopping)
        {
            let rates = self.progress.rates();
            let indices: Vec<usize> = orders.iter_mut().flat_map(|order| order.next_batch().to_vec()).collect();
            let (loss, batch_rows) = trainer.step(&self.setup.examples.all, &indices, rates)?;
            losses.push((loss, rates.prompt));
            rows += batch_rows;
            self.progress.step += 1;
            due = self.progress.evaluates_now();
        }
        // A partial encoder, or its absence, is counted besides the full encoder.
        let beside = self.progress.is_partial() || !self.setup.has_prompt();
        let whole = if beside { self.setup.compute.encoder.weight_bytes() } else { 0 };
        self.report(losses, rows, begin, whole + trainer.memory_bytes()).await?;
        trainer.check()?;
        Ok(due)
    }

    /// Reads the losses of a group back and reports its steps.
    async fn report(&mut self, losses: Vec<(Tensor<1>, f64)>, rows: usize, begin: Instant, memory_bytes: u64) -> Result<()> {
        let (tensors, rates): (Vec<_>, Vec<_>) = losses.into_iter().unzip();
        let values = read(Tensor::cat(tensors, 0)).await?;
        let group_seconds = begin.elapsed().as_secs_f64();
        self.account.stepping += group_seconds;
        let per_step = group_seconds / values.len() as f64;
        self.account.group = ((GROUP_SECONDS / per_step) as usize).clamp(1, MOST_STEPS);
        let (steps, done) = (self.progress.all_steps(), self.progress.step);
        let left = (steps - done) as f64 * self.account.stepping / done as f64;
        let first = done + 1 - values.len();
        for (i, (&loss, learning_rate)) in values.iter().zip(rates).enumerate() {
            if !loss.is_finite() {
                return Err(Error::Diverged { step: first + i, loss });
            }
            self.events.push(Event::Step {
                step: first + i,
                steps,
                loss,
                learning_rate,
                tokens_per_second: rows as f64 / group_seconds,
                seconds: self.account.elapsed().as_secs_f64(),
                seconds_left: left,
                memory_bytes,
            });
        }
        Ok(())
    }

    /// Reports an evaluation and saves the parameters if they are the best so far. On a partial encoder none are saved, because
    /// its metrics are those of another model.
    pub(super) async fn save_evaluation(&mut self, Scored { scores, members_right }: Scored, trainer: &Trainer) -> Result<()> {
        let (loss, metrics) = self.setup.examples.judge(&scores)?;
        if !loss.is_finite() {
            return Err(Error::Diverged { step: self.progress.step, loss: loss as f32 });
        }
        let partial = self.progress.is_partial();
        let best = !partial && self.results.best.as_ref().is_none_or(|best| loss < best.loss);
        self.progress.stale = if best || partial { 0 } else { self.progress.stale + 1 };
        self.events.push(Event::Eval {
            step: self.progress.step,
            loss,
            accuracy: metrics.accuracy,
            macro_f1: metrics.macro_f1,
            members_accuracy: (trainer.members() > 1)
                .then(|| members_right as f64 / (trainer.members() * self.setup.examples.watched.len()) as f64),
            best,
        });
        if best {
            let state = if self.progress.prunes_next() { Some(trainer.state().await?) } else { None };
            let trained = trainer.trained().await?;
            self.results.best = Some(Best { step: self.progress.step, loss, trained, metrics, scores, whole: false, state });
        }
        Ok(())
    }
}
