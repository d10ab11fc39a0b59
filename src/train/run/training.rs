//! [`Training`]: the part of a run with its steps, its evaluations and the linear probe, which alternate.

use web_time::Instant;

use super::account::Piece;
use super::baseline::Baseline;
use super::finish::Finish;
use super::{Phase, Run};
use crate::error::Result;
use crate::train::event::Event;
use crate::train::examples::Scored;
use crate::train::order::Order;
use crate::train::step::Trainer;

/// Held-out texts between two events of an evaluation. In the browser, no message is processed in between.
const MOST_TEXTS: usize = 256;
/// Time of the linear probe alternating with the first steps, as a share of theirs. If it is not finished at the first
/// evaluation, the rest is computed then.
const BASELINE_SHARE: f64 = 0.5;

pub(super) struct Training {
    pub(super) baseline: Baseline,
    /// `None` until the features are computed, if the method has no prompt.
    pub(super) trainer: Option<Trainer>,
    /// One for each member.
    pub(super) orders: Vec<Order>,
    /// Whether an evaluation is next or in progress.
    pub(super) due: bool,
    /// The logits of the evaluation so far.
    scored: Scored,
}

impl Training {
    pub(super) fn new(baseline: Baseline, trainer: Option<Trainer>, orders: Vec<Order>) -> Self {
        Self { baseline, trainer, orders, due: false, scored: Scored::default() }
    }

    /// A unit of work: a part of the linear probe, a group of steps, or an evaluation.
    pub(super) async fn advance(mut self: Box<Self>, run: &mut Run) -> Result<Option<Phase>> {
        let due = self.due || run.stopping;
        let behind = run.account.baseline < BASELINE_SHARE * run.account.stepping;
        if !matches!(self.baseline, Baseline::Known) && (due || behind || self.trainer.is_none()) {
            // Without a prompt, the linear probe is the training itself: the features belong to the method.
            run.account.piece = if run.setup.has_prompt() { Piece::Baseline } else { Piece::Training };
            let begin = Instant::now();
            let baseline = std::mem::replace(&mut self.baseline, Baseline::Known);
            self.baseline = baseline.advance(&run.setup, &mut run.results, &mut run.events, &mut self.trainer).await?;
            run.account.baseline += begin.elapsed().as_secs_f64();
        } else if let Some(trainer) = &mut self.trainer {
            let Run { setup, progress, results, events, stopping, .. } = run;
            // An evaluation that is due belongs to the stage of the last step.
            if (*stopping || !self.due) && progress.enters_stage(*stopping) {
                progress.enter_next_stage(trainer, setup, events, *stopping).await?;
            } else if due {
                run.account.piece = Piece::Evaluation;
                let total = setup.examples.watched.len();
                let done = setup.examples.score_next(trainer, &mut self.scored, MOST_TEXTS).await?;
                if done < total {
                    self.due = true;
                    events.push(Event::Measuring { done, total });
                    return Ok(Some(Phase::Training(self)));
                }
                self.due = false;
                run.save_evaluation(std::mem::take(&mut self.scored), trainer).await?;
                if run.stopping || (run.progress.round_is_over() && !run.progress.prunes_next()) {
                    return Finish::begin(run);
                }
            } else if progress.round_is_over() {
                progress.prune(trainer, setup, results, events).await?;
            } else {
                self.due = run.step(trainer, &mut self.orders).await?;
            }
        }
        Ok(Some(Phase::Training(self)))
    }
}
