//! Saves a run as a [`Checkpoint`] and resumes it.

use std::sync::Arc;
use std::time::Duration;

use super::baseline::Baseline;
use super::check::other;
use super::results::Best;
use super::{Phase, Run};
use crate::config::{DeviceChoice, RunConfig};
use crate::data::batch::{Example, PackedBatch};
use crate::data::dataset::Dataset;
use crate::encoder::Encoder;
use crate::error::{Error, Result};
use crate::eval::Metrics;
use crate::train::checkpoint::{Checkpoint, Counters, Machine, SavedBest, SavedProbe};
use crate::train::event::Event;
use crate::train::order::Order;
use crate::train::probe;

impl Run {
    /// Whether all events have been returned, so that a [`Run::checkpoint`] matches the events so far.
    #[must_use]
    pub fn has_no_pending_events(&self) -> bool {
        self.events.is_empty()
    }

    /// The device of the run.
    #[must_use]
    pub fn device(&self) -> DeviceChoice {
        if self.setup.compute.gpu { DeviceChoice::Gpu } else { DeviceChoice::Cpu }
    }

    /// The complete state, from which [`Run::resume`] continues.
    ///
    /// # Errors
    /// [`Error::Config`] if the run has no prompt or is finished, in which case [`Run::adapter`] is its result; [`Error::Device`]
    /// if the device failed.
    pub async fn checkpoint(&self) -> Result<Checkpoint> {
        let (Some(Phase::Training(training)), true) = (&self.phase, self.setup.has_prompt()) else {
            return Err(Error::config(
                "run",
                "the run is finished or has no prompt, so there is nothing to resume",
                "export the adapter instead",
            ));
        };
        let Some(trainer) = &training.trainer else {
            return Err(Error::config("run", "the run has not started", "try again later"));
        };
        let best = self.results.best.as_ref().map(|best| SavedBest {
            step: best.step,
            loss: best.loss,
            trained: best.trained.clone(),
            scores: best.scores.clone(),
            state: best.state.clone(),
        });
        let probe = match (&training.baseline, &self.results.probe) {
            (Baseline::Known, Some(probe)) => {
                Some(SavedProbe { loss: probe.loss, trained: probe.trained.clone(), predicted: probe.predicted.clone() })
            }
            _ => None,
        };
        let milliseconds = |seconds: f64| (seconds * 1e3) as u64;
        Ok(Checkpoint {
            config: self.setup.config.clone(),
            data_sha256: self.setup.data_sha256.clone(),
            encoder_sha256: self.setup.model.files_sha256().to_owned(),
            machine: Some(Machine { device: self.device(), name: self.setup.compute.machine.clone() }),
            chosen: self.chosen,
            counters: Counters {
                step: self.progress.step,
                stale: self.progress.stale,
                due: training.due,
                stage: self.progress.stage,
                round: self.progress.round,
                before: self.progress.before,
                milliseconds: (
                    milliseconds(self.account.elapsed().as_secs_f64()),
                    milliseconds(self.account.stepping),
                    milliseconds(self.account.cost.seconds),
                ),
                work: (self.account.cost.flops, self.account.cost.evaluation_flops, self.account.cost.peak_bytes),
            },
            orders: training.orders.iter().map(|order| (order.state().0, order.state().1.to_vec(), order.state().2)).collect(),
            matrices: trainer.state().await?,
            best,
            probe,
        })
    }

    /// Resumes a run with the same data and encoder; on the same machine, with the same bits as without an interruption. If the
    /// settings leave the device open, the device of the checkpoint is used if possible. The first event is [`Event::Started`]
    /// again.
    ///
    /// # Errors
    /// [`Error::Adapter`] if data, encoder or settings differ from those of the checkpoint, or if it is damaged; and as
    /// [`Run::start`].
    pub async fn resume(model: Encoder, dataset: Dataset, checkpoint: Checkpoint) -> Result<Self> {
        let device = match (checkpoint.config.device, &checkpoint.machine) {
            (DeviceChoice::Auto, Some(Machine { device: DeviceChoice::Gpu, .. })) => {
                let sample = Arc::new(PackedBatch::new(&[Example { tokens: vec![0], label: 0 }], 0));
                let open = model.compute(DeviceChoice::Gpu, &sample).await;
                if open.is_ok() { DeviceChoice::Gpu } else { DeviceChoice::Auto }
            }
            (DeviceChoice::Auto, Some(machine)) => machine.device,
            (chosen, _) => chosen,
        };
        Self::resume_on(model, dataset, checkpoint, device).await
    }

    /// [`Run::resume`] on a given device. The settings are unchanged. If the machine differs from that of the checkpoint, an
    /// [`Event::Warning`] explains the consequences.
    ///
    /// # Errors
    /// As [`Run::resume`].
    pub async fn resume_on(model: Encoder, dataset: Dataset, checkpoint: Checkpoint, device: DeviceChoice) -> Result<Self> {
        // The previous format only has the checksum of the weights.
        let named = if checkpoint.machine.is_some() { model.files_sha256() } else { model.sha256() };
        if checkpoint.encoder_sha256 != named {
            return Err(other("encoder"));
        }
        if checkpoint.data_sha256 != dataset.sha256() {
            return Err(other("data file"));
        }
        let mut run = Self::start(model, dataset, RunConfig { device, ..checkpoint.config.clone() }).await?;
        run.setup.config.device = checkpoint.config.device;
        // Where the settings leave the device open, that of the checkpoint is nobody's choice.
        let same = device != checkpoint.config.device && checkpoint.machine.as_ref().is_some_and(|made| made.device == device);
        if let (true, Some(Event::Started { device_reason, .. })) = (same, run.events.first_mut()) {
            "as in the checkpoint".clone_into(device_reason);
        }
        run.check(&checkpoint)?;
        let Checkpoint { machine, chosen, counters, orders, matrices, best, probe, .. } = checkpoint;
        let truth: Vec<u32> = run.setup.examples.watched.iter().map(|&example| run.setup.examples.all[example].label).collect();
        let metrics = |predicted: &[u32]| Metrics::new(&run.setup.examples.labels, &truth, predicted);
        let best = match best {
            None => None,
            Some(SavedBest { step, loss, trained, scores, state }) => {
                let metrics = metrics(&run.setup.examples.predicted(&scores))?;
                Some(Best { step, loss, trained, metrics, scores, whole: false, state })
            }
        };
        let probe = match probe {
            None => None,
            Some(SavedProbe { loss, trained, predicted }) => {
                Some(probe::Best { loss, metrics: metrics(&predicted)?, trained, predicted })
            }
        };
        let Some(Phase::Training(mut training)) = run.phase.take() else {
            return Err(Error::config("run", "the run is finished, so there is nothing to resume", "start the run again"));
        };
        let Some(trainer) = &mut training.trainer else { return Err(other("method")) };
        trainer.set_state(&matrices)?;
        let batch = run.setup.config.optim.batch_size;
        training.orders = orders.into_iter().map(|state| Order::from_state(state, batch)).collect();
        let Counters { step, stale, due, stage, round, before, milliseconds: (whole, stepping, training_time), work } = counters;
        training.due = due;
        if probe.is_some() {
            training.baseline = Baseline::Known;
        }
        (run.progress.step, run.progress.stale) = (step, stale);
        (run.progress.round, run.progress.before) = (round, before);
        let cost = &mut run.account.cost;
        (cost.flops, cost.evaluation_flops, cost.peak_bytes) = work;
        cost.seconds = training_time as f64 / 1e3;
        run.account.stepping = stepping as f64 / 1e3;
        (run.results.best, run.results.probe, run.chosen) = (best, probe, chosen);
        if let Some(machine) = machine.filter(|machine| machine.name != run.setup.compute.machine) {
            let message = format!(
                "the checkpoint was made on {}, but the run resumes on {}: the result can differ slightly from that of an \
                 uninterrupted run",
                machine.name, run.setup.compute.machine
            );
            run.events.warn(message);
        }
        if let (Some(number), Some(trainer)) = (stage, &mut training.trainer) {
            run.progress.enter_stage(number, trainer, &run.setup, &mut run.events).await?;
        }
        run.phase = Some(Phase::Training(training));
        run.account.earlier = Duration::from_millis(whole);
        Ok(run)
    }
}
