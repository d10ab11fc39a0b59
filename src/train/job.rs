//! [`Job`]: a [`Run`] whose method may be chosen first ([`crate::config::Method::Auto`]).

use std::collections::VecDeque;

use super::auto::{self, Trials};
use super::cost::Cost;
use super::event::Event;
use super::run::{Run, SampleLimits};
use crate::adapter::Adapter;
use crate::config::RunConfig;
use crate::data::dataset::Dataset;
use crate::encoder::Encoder;
use crate::error::{Error, Result};
use crate::eval::answers::Answers;
use crate::predict::Predictor;

/// A run, pulled as [`Run`] is.
pub struct Job {
    state: State,
    pending: VecDeque<Event>,
    /// What was tried before the run.
    before: Cost,
    stopping: bool,
}

enum State {
    Trying(Box<Waiting>),
    Running(Box<Run>),
    /// The chosen run could not be started.
    Broken,
}

/// Trials, and what the run after them needs.
struct Waiting {
    trials: Trials,
    model: Encoder,
    dataset: Dataset,
    config: RunConfig,
    limits: SampleLimits,
}

impl From<Run> for Job {
    fn from(run: Run) -> Self {
        Self { state: State::Running(Box::new(run)), pending: VecDeque::new(), before: Cost::default(), stopping: false }
    }
}

impl Job {
    /// Gets ready. With [`crate::config::Method::Auto`] the events of the trials come first, then those of the run, from
    /// [`Event::Started`] on; without it there are only the latter.
    ///
    /// # Errors
    /// As [`Run::start`].
    pub async fn start(model: Encoder, dataset: Dataset, config: RunConfig) -> Result<Self> {
        Self::with_limits(model, dataset, config, SampleLimits::default()).await
    }

    /// [`Job::start`] with other limits than the usual ones.
    ///
    /// # Errors
    /// As [`Run::start`].
    pub async fn with_limits(model: Encoder, dataset: Dataset, config: RunConfig, limits: SampleLimits) -> Result<Self> {
        if !auto::wanted(&config)? {
            return Ok(Self::from(Run::with_limits(model, dataset, config, limits).await?));
        }
        let trials = Trials::new(model.clone(), &dataset, &config)?;
        let waiting = Waiting { trials, model, dataset, config, limits };
        let state = State::Trying(Box::new(waiting));
        Ok(Self { state, pending: VecDeque::new(), before: Cost::default(), stopping: false })
    }

    /// As [`Run::next`].
    ///
    /// # Errors
    /// As [`Run::next`], and as [`Run::start`] where the run begins after the trials.
    pub async fn next(&mut self) -> Result<Option<Event>> {
        if let Some(event) = self.pending.pop_front() {
            return Ok(Some(event));
        }
        match &mut self.state {
            State::Running(run) => return run.next().await,
            State::Broken => return Ok(None),
            State::Trying(waiting) if !self.stopping => {
                if let Some(event) = waiting.trials.next().await {
                    return Ok(Some(event));
                }
            }
            State::Trying(_) => {}
        }
        let State::Trying(waiting) = std::mem::replace(&mut self.state, State::Broken) else { return Ok(None) };
        let Waiting { trials, model, dataset, mut config, limits } = *waiting;
        self.before = trials.cost();
        let ((method, reason), seconds) = (trials.chosen(), trials.seconds());
        config.prompt.method = method;
        let mut run = Run::with_limits(model, dataset, config, limits).await?;
        run.chosen = true;
        if self.stopping {
            run.stop();
        }
        self.state = State::Running(Box::new(run));
        Ok(Some(Event::Chosen { method: auto::name(method), reason, seconds }))
    }

    /// As [`Run::stop`]. While methods are tried, the best so far is taken, and its run is ended at once.
    pub fn stop(&mut self) {
        self.stopping = true;
        if let State::Running(run) = &mut self.state {
            run.stop();
        }
    }

    /// The run, unless methods are still being tried.
    #[must_use]
    pub fn run(&self) -> Option<&Run> {
        if let State::Running(run) = &self.state { Some(run) } else { None }
    }

    /// As [`Run::adapter`]; its settings name the chosen method.
    ///
    /// # Errors
    /// As [`Run::adapter`].
    pub fn adapter(&self) -> Result<Adapter> {
        self.known()?.adapter()
    }

    /// As [`Run::predictor`].
    ///
    /// # Errors
    /// As [`Run::adapter`].
    pub fn predictor(&self) -> Result<Predictor> {
        self.known()?.predictor()
    }

    /// As [`Run::held_out`].
    ///
    /// # Errors
    /// As [`Run::held_out`].
    pub fn held_out(&self) -> Result<Answers> {
        self.known()?.held_out()
    }

    /// As [`Run::cost`], with that of the trials.
    #[must_use]
    pub fn cost(&self) -> Cost {
        match &self.state {
            State::Running(run) => run.cost().after(&self.before),
            State::Trying(waiting) => waiting.trials.cost(),
            State::Broken => self.before,
        }
    }

    fn known(&self) -> Result<&Run> {
        self.run().ok_or_else(|| Error::adapter("no method is chosen yet", "wait for the first held-out evaluation"))
    }
}
