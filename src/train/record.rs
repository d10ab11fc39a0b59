//! Records the events of a run for its report.

use super::event::Event;
use crate::report::{Course, Evaluation, Trial};

impl Course {
    /// Records an event.
    pub fn take(&mut self, event: &Event) {
        match event {
            Event::Started {
                train_rows,
                steps,
                device,
                device_reason,
                majority_accuracy,
                prompt_parameters,
                head_parameters,
                truncated_texts,
                ..
            } => {
                (self.train_rows, self.steps, self.truncated_texts) = (*train_rows, *steps, *truncated_texts);
                (self.device, self.device_reason) = (device.clone(), device_reason.clone());
                self.majority_accuracy = *majority_accuracy;
                self.parameters = (*prompt_parameters, *head_parameters);
            }
            Event::Probe { accuracy, .. } => self.probe_accuracy = Some(*accuracy),
            Event::Step { step, loss, seconds, .. } => {
                self.losses.push((*step, *loss));
                (self.steps_done, self.seconds) = (*step, *seconds);
            }
            Event::Eval { step, loss, accuracy, best, .. } => {
                self.evaluations.push(Evaluation { step: *step, loss: *loss, accuracy: *accuracy, best: *best });
            }
            Event::Trial { method, loss, accuracy, seconds } => {
                self.trials.push(Trial { method: method.clone(), loss: *loss, accuracy: *accuracy, seconds: *seconds });
            }
            Event::Chosen { reason, .. } => self.reason = Some(reason.clone()),
            Event::Warning { message } => self.warnings.push(message.clone()),
            Event::Done { probe_accuracy, majority_accuracy, steps, seconds, stopped_early, stopped_by_user, .. } => {
                self.probe_accuracy = Some(*probe_accuracy);
                self.majority_accuracy = *majority_accuracy;
                (self.steps_done, self.seconds) = (*steps, *seconds);
                (self.stopped_early, self.stopped_by_user) = (*stopped_early, *stopped_by_user);
            }
            Event::Preparing { .. }
            | Event::Stage { .. }
            | Event::Pruned { .. }
            | Event::Trying { .. }
            | Event::Measuring { .. } => {}
        }
    }
}
