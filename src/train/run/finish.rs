//! The end of a run. If only a sample of the held-out rows was evaluated during training, the best prompt and the best linear
//! probe are first evaluated on all of them.

use super::account::Piece;
use super::{Phase, Run};
use crate::error::Result;
use crate::eval::Metrics;
use crate::predict::{EVAL_BATCH, Predictor};
use crate::prompt::without_prompt;
use crate::train::event::Event;
use crate::train::examples::Examples;
use crate::train::probe;

/// A final evaluation in progress.
pub(super) struct Finish {
    /// For the prompt, then for the linear probe.
    predictors: Vec<Predictor>,
    /// Logits `[n, C]` of each predictor so far.
    scores: Vec<Vec<f32>>,
    done: usize,
}

impl Finish {
    fn new(predictors: Vec<Predictor>) -> Self {
        Self { scores: predictors.iter().map(|_| Vec::new()).collect(), predictors, done: 0 }
    }

    /// Evaluates some more rows.
    async fn measure_next(&mut self, data: &Examples) -> Result<()> {
        let held_out = &data.all[data.held_out()];
        let end = (self.done + EVAL_BATCH).min(held_out.len());
        for (predictor, scores) in self.predictors.iter().zip(&mut self.scores) {
            scores.extend(predictor.scores(&held_out[self.done..end]).await?);
        }
        self.done = end;
        Ok(())
    }

    /// The metrics of each predictor, when all rows are done.
    fn metrics(&self, data: &Examples) -> Result<Vec<Metrics>> {
        let truth: Vec<u32> = data.all[data.held_out()].iter().map(|example| example.label).collect();
        self.scores.iter().map(|scores| data.metrics(&truth, scores)).collect()
    }

    /// The end, or first the evaluation on all held-out rows, unless the user has stopped the run.
    pub(super) fn begin(run: &mut Run) -> Result<Option<Phase>> {
        if run.setup.examples.partly_watched() {
            if !run.stopping {
                let mut probe = run.adapter()?;
                probe.config = without_prompt(&probe.config);
                probe.stored = Vec::new();
                if let Some(probe::Best { trained, .. }) = &run.results.probe {
                    (probe.head_weight, probe.head_bias) = (trained.head_weight.clone(), trained.head_bias.clone());
                }
                let mut predictors = vec![run.predictor()?];
                if run.results.probe.is_some() {
                    predictors.push(Predictor::on(&run.setup.compute, run.setup.model.clone(), probe)?);
                }
                return Ok(Some(Phase::Finishing(Box::new(Finish::new(predictors)))));
            }
            let (watched, held_out) = (run.setup.examples.watched.len(), run.setup.examples.held_out().len());
            let message = format!("stopped: the metrics are for {watched} of the {held_out} held-out rows");
            run.events.warn(message);
        }
        run.done();
        Ok(None)
    }

    /// Evaluates some more held-out rows and, after the last, ends the run.
    pub(super) async fn advance(mut self: Box<Self>, run: &mut Run) -> Result<Option<Phase>> {
        if run.stopping {
            return Self::begin(run);
        }
        run.account.piece = Piece::Evaluation;
        self.measure_next(&run.setup.examples).await?;
        let (done, total) = (self.done, run.setup.examples.held_out().len());
        run.events.push(Event::Measuring { done, total });
        if done < total {
            return Ok(Some(Phase::Finishing(self)));
        }
        let mut metrics = self.metrics(&run.setup.examples)?.into_iter();
        if let (Some(best), Some(metrics)) = (&mut run.results.best, metrics.next()) {
            best.metrics = metrics;
            (best.scores, best.whole) = (self.scores.swap_remove(0), true);
        }
        if let (Some(probe), Some(metrics)) = (&mut run.results.probe, metrics.next()) {
            probe.metrics = metrics;
        }
        run.done();
        Ok(None)
    }
}

impl Run {
    /// Pushes the last event.
    fn done(&mut self) {
        let Some(best) = &self.results.best else { return };
        let stopped_early = !self.progress.has_no_steps_left() || self.progress.prunes_next();
        self.events.push(Event::Done {
            accuracy: best.metrics.accuracy,
            macro_f1: best.metrics.macro_f1,
            probe_accuracy: self.results.probe_accuracy(),
            majority_accuracy: self.setup.majority_accuracy,
            steps: self.progress.step,
            seconds: self.account.elapsed().as_secs_f64(),
            device: self.setup.compute.name.clone(),
            stopped_early,
            stopped_by_user: stopped_early && self.stopping && !self.progress.ended_early(),
            per_class: best.metrics.per_class.clone(),
            confusion: best.metrics.confusion.clone(),
        });
    }
}
