//! The end of a run. If only a sample of the held-out rows was evaluated during training, the best prompt and the best linear
//! probe are first evaluated on all of them.

use super::account::Piece;
use super::{Best, Run, Stage};
use crate::error::Result;
use crate::eval::Metrics;
use crate::eval::answers::Answers;
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
    async fn go_on(&mut self, data: &Examples) -> Result<()> {
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
}

impl Run {
    /// The predictions of the best parameters so far for every single held-out row that the metrics are computed on; after a
    /// stop, these are the watched rows. They are saved at the evaluation and not computed again.
    ///
    /// # Errors
    /// [`crate::error::Error::Adapter`] before the first evaluation.
    pub fn held_out(&self) -> Result<Answers> {
        let Best { scores, whole, .. } = self.best()?;
        let indices = if *whole { self.examples.held_out().collect() } else { self.examples.watched.clone() };
        let truth = indices.iter().map(|&index| self.examples.all[index].label).collect();
        let rows = indices.iter().map(|&index| index - self.examples.train_rows).collect();
        Answers::new(self.examples.labels.clone(), rows, truth, scores)
    }

    /// The end, or first the evaluation on all held-out rows, unless the user has stopped the run.
    pub(super) fn finish(&mut self) -> Result<Option<Stage>> {
        if self.examples.partly_watched() {
            if !self.stopping {
                let mut probe = self.adapter()?;
                probe.config = without_prompt(&probe.config);
                probe.stored = Vec::new();
                if let Some(probe::Best { trained, .. }) = &self.probe {
                    (probe.head_weight, probe.head_bias) = (trained.head_weight.clone(), trained.head_bias.clone());
                }
                let mut predictors = vec![self.predictor()?];
                if self.probe.is_some() {
                    predictors.push(Predictor::on(&self.compute, self.model.clone(), probe)?);
                }
                return Ok(Some(Stage::Finishing(Box::new(Finish::new(predictors)))));
            }
            let (watched, held_out) = (self.examples.watched.len(), self.examples.held_out().len());
            let message = format!("stopped: the metrics are for {watched} of the {held_out} held-out rows");
            self.warn(message);
        }
        self.done();
        Ok(None)
    }

    /// Evaluates some more held-out rows and, after the last, ends the run.
    pub(super) async fn measure(&mut self, mut finish: Box<Finish>) -> Result<Option<Stage>> {
        if self.stopping {
            return self.finish();
        }
        self.piece = Piece::Evaluation;
        finish.go_on(&self.examples).await?;
        let (done, total) = (finish.done, self.examples.held_out().len());
        self.pending.push_back(Event::Measuring { done, total });
        if done < total {
            return Ok(Some(Stage::Finishing(finish)));
        }
        let mut metrics = finish.metrics(&self.examples)?.into_iter();
        if let (Some(best), Some(metrics)) = (&mut self.best, metrics.next()) {
            best.metrics = metrics;
            (best.scores, best.whole) = (finish.scores.swap_remove(0), true);
        }
        if let (Some(probe), Some(metrics)) = (&mut self.probe, metrics.next()) {
            probe.metrics = metrics;
        }
        self.done();
        Ok(None)
    }

    fn done(&mut self) {
        let Some(best) = &self.best else { return };
        self.pending.push_back(Event::Done {
            accuracy: best.metrics.accuracy,
            macro_f1: best.metrics.macro_f1,
            probe_accuracy: self.probe_accuracy(),
            majority_accuracy: self.majority_accuracy,
            steps: self.progress.step,
            seconds: self.elapsed().as_secs_f64(),
            device: self.compute.name.clone(),
            stopped_early: self.round_step() < self.budget.steps || self.prunes_next(),
            per_class: best.metrics.per_class.clone(),
            confusion: best.metrics.confusion.clone(),
        });
    }
}
