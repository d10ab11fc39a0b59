//! [`Method::Auto`]: trials of the candidate methods on a subset of the training rows, each with its own complete schedule; the
//! method with the lowest held-out loss is chosen. All trials have the same rows, held-out rows, order and number of steps. A
//! method with fewer steps because its steps cost more would be judged on less training than the following run gives it.

use std::collections::VecDeque;

use web_time::Instant;

use super::cost::Cost;
use super::event::Event;
use super::examples::draw;
use super::run::{Run, SampleLimits};
use crate::config::describe::method_label;
use crate::config::{Method, RunConfig};
use crate::data::dataset::{Dataset, TextRow};
use crate::encoder::Encoder;
use crate::error::Result;
use crate::rng::Rng;

/// Maximum number of held-out rows of a trial: every trial evaluates them, and they determine the accuracy to within 2 percentage
/// points.
const HELD_OUT: usize = 500;
/// Held-out evaluations of a trial: one, at the end of its schedule. On a small table, each costs as much as several steps.
const EVALUATIONS: usize = 1;

/// Trials in progress.
pub(super) struct Trials {
    model: Encoder,
    /// The data of the trials.
    part: Dataset,
    config: RunConfig,
    /// Steps of each trial.
    steps: usize,
    /// Steps of the following run.
    whole: usize,
    /// Steps done so far.
    taken: usize,
    /// Time of the finished trials, in seconds.
    seconds: f64,
    left: VecDeque<Method>,
    all: usize,
    running: Option<(Method, Box<Run>, Instant)>,
    behind: Vec<Trial>,
    cost: Cost,
}

struct Trial {
    method: Method,
    loss: f64,
    accuracy: f64,
}

impl Trials {
    /// Trials of the candidates of a config, on a sample of the rows.
    ///
    /// # Errors
    /// As [`RunConfig::total_steps`].
    pub(super) fn new(model: Encoder, dataset: &Dataset, config: &RunConfig) -> Result<Self> {
        let auto = &config.prompt.auto;
        let whole = config.total_steps(dataset.train.len())?;
        let steps = auto.share * whole as f64 / auto.candidates.len() as f64;
        let rows = |rows: &[TextRow], most: usize, stream: &str| -> Vec<TextRow> {
            let drawn = draw(|row| rows[row].label, 0..rows.len(), most, Rng::stream(config.seed, stream));
            drawn.into_iter().map(|row| rows[row].clone()).collect()
        };
        let part = Dataset {
            train: rows(&dataset.train, auto.rows, "trial"),
            held_out: rows(&dataset.held_out, HELD_OUT, "trial held-out"),
            ..dataset.clone()
        };
        Ok(Self {
            model,
            part,
            config: config.clone(),
            steps: (steps as usize).max(1),
            whole,
            taken: 0,
            seconds: 0.0,
            left: auto.candidates.iter().copied().collect(),
            all: auto.candidates.len(),
            running: None,
            behind: Vec::new(),
            cost: Cost::default(),
        })
    }

    /// The cost of the trials so far.
    pub(super) fn cost(&self) -> Cost {
        self.running.as_ref().map_or(Cost::default(), |(_, run, _)| run.cost()).after(&self.cost)
    }

    /// The time of the trials so far, in seconds.
    pub(super) fn seconds(&self) -> f64 {
        self.seconds + self.running.as_ref().map_or(0.0, |(_, _, begin)| begin.elapsed().as_secs_f64())
    }

    /// The settings of a trial: those of the run with fewer steps and without early stopping.
    fn trial(&self, method: Method) -> RunConfig {
        let mut config = self.config.clone();
        config.prompt.method = method;
        config.optim.steps = Some(self.steps);
        config.eval.evaluations = EVALUATIONS;
        config.eval.patience = None;
        config
    }

    /// Works until the next event; `None` when all trials are finished. A candidate that fails is left out.
    pub(super) async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some((method, mut run, begin)) = self.running.take() {
                match run.next().await {
                    Ok(Some(Event::Step { step, .. })) => {
                        self.taken += 1;
                        let (done, total) = ((self.all - self.left.len() - 1) * self.steps + step, self.all * self.steps);
                        self.running = Some((method, run, begin));
                        return Some(Event::Trying { method: name(method), done, total });
                    }
                    Ok(Some(Event::Eval { loss, accuracy, best: true, .. })) => {
                        self.behind.retain(|trial| trial.method != method);
                        self.behind.push(Trial { method, loss, accuracy });
                        self.running = Some((method, run, begin));
                    }
                    Ok(Some(_)) => self.running = Some((method, run, begin)),
                    Ok(None) => {
                        let seconds = begin.elapsed().as_secs_f64();
                        self.seconds += seconds;
                        self.cost = run.cost().after(&self.cost);
                        let Some(Trial { loss, accuracy, .. }) = self.behind.iter().find(|trial| trial.method == method) else {
                            continue;
                        };
                        return Some(Event::Trial { method: name(method), loss: *loss, accuracy: *accuracy, seconds });
                    }
                    Err(error) => {
                        self.seconds += begin.elapsed().as_secs_f64();
                        self.cost = run.cost().after(&self.cost);
                        self.behind.retain(|trial| trial.method != method);
                        return Some(left_out(method, &error));
                    }
                }
                continue;
            }
            let method = self.left.pop_front()?;
            let begin = Instant::now();
            let limits = SampleLimits { learned: 0, ..SampleLimits::default() };
            match Run::with_limits(self.model.clone(), self.part.clone(), self.trial(method), limits).await {
                Ok(run) => self.running = Some((method, Box::new(run), begin)),
                Err(error) => return Some(left_out(method, &error)),
            }
        }
    }

    /// The method with the lowest held-out loss so far (the first of equal ones), and why; the first candidate if none was
    /// evaluated.
    pub(super) fn chosen(&self) -> (Method, String) {
        let mut trials: Vec<&Trial> = self.behind.iter().collect();
        trials.sort_by(|a, b| a.loss.total_cmp(&b.loss));
        let Some((best, others)) = trials.split_first() else {
            let method = self.config.prompt.auto.candidates.first().copied().unwrap_or_default();
            return (method, format!("{} is selected: no method was evaluated", label(method)));
        };
        let others: Vec<String> = others.iter().map(|trial| format!("{} {:.3}", label(trial.method), trial.loss)).collect();
        let others = if others.is_empty() { "no other method was evaluated".to_owned() } else { others.join(", ") };
        let reason = format!(
            "{} is selected: after {} steps on {} training rows, it has the lowest held-out loss, {:.3} ({others}); the trials took {:.0}% \
             of the steps of the following run and {:.1} s",
            label(best.method),
            self.steps,
            self.part.train.len(),
            best.loss,
            100.0 * self.taken as f64 / self.whole as f64,
            self.seconds(),
        );
        (best.method, reason)
    }
}

fn left_out(method: Method, error: &crate::error::Error) -> Event {
    Event::Warning { message: format!("{} is left out: {error}", label(method)) }
}

/// The displayed name of a method.
fn label(method: Method) -> String {
    method_label(&name(method)).to_owned()
}

/// The name of a method in the settings.
pub(super) fn name(method: Method) -> String {
    serde_json::to_value(method).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

/// Whether a config uses automatic selection.
pub(super) fn wanted(config: &RunConfig) -> Result<bool> {
    config.validate().map(|()| config.prompt.method == Method::Auto)
}
