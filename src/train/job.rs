//! [`Job`]: a [`Run`] whose method may be selected first ([`crate::config::Method::Auto`]).

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

/// A run, pulled like [`Run`].
pub struct Job {
    state: State,
    pending: VecDeque<Event>,
    /// The cost of the trials.
    before: Cost,
    stopping: bool,
}

enum State {
    Trying(Box<Waiting>),
    Running(Box<Run>),
    /// The selected run could not be started.
    Broken,
}

/// The trials, and what the following run needs.
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
    /// Prepares the run. With [`crate::config::Method::Auto`], the events of the trials come first, then those of the run,
    /// starting with [`Event::Started`]; otherwise only the latter.
    ///
    /// # Errors
    /// As [`Run::start`].
    pub async fn start(model: Encoder, dataset: Dataset, config: RunConfig) -> Result<Self> {
        Self::with_limits(model, dataset, config, SampleLimits::default()).await
    }

    /// [`Job::start`] with other limits.
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
    /// As [`Run::next`], and as [`Run::start`] if the run starts after the trials.
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

    /// As [`Run::stop`]. During the trials, the best method so far is selected and its run is ended immediately.
    pub fn stop(&mut self) {
        self.stopping = true;
        if let State::Running(run) = &mut self.state {
            run.stop();
        }
    }

    /// The run; `None` during the trials.
    #[must_use]
    pub fn run(&self) -> Option<&Run> {
        if let State::Running(run) = &self.state { Some(run) } else { None }
    }

    /// As [`Run::adapter`]; its settings name the selected method.
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

    /// As [`Run::cost`], including the trials.
    #[must_use]
    pub fn cost(&self) -> Cost {
        match &self.state {
            State::Running(run) => run.cost().after(&self.before),
            State::Trying(waiting) => waiting.trials.cost(),
            State::Broken => self.before,
        }
    }

    fn known(&self) -> Result<&Run> {
        self.run().ok_or_else(|| Error::adapter("no method is selected yet", "wait for the first held-out evaluation"))
    }
}
