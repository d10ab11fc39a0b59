//! Progress for people, on stderr: a bar where it is a terminal, otherwise a line from time to time.

use std::io::Write;

use indicatif::{ProgressBar, ProgressStyle};

use crate::cli::output::{clock, count, percent, thousands};
use crate::train::event::Event;

/// Shows the events of a run.
pub(crate) struct Training {
    bar: ProgressBar,
    visible: bool,
    loss: Option<f32>,
    held_out: Option<f64>,
}

impl Training {
    /// Shows nothing where not `visible`.
    #[must_use]
    pub(crate) fn new(visible: bool) -> Self {
        Self { bar: ProgressBar::hidden(), visible, loss: None, held_out: None }
    }

    /// Shows one event.
    pub(crate) fn show(&mut self, event: &Event) {
        if !self.visible {
            return;
        }
        match event {
            Event::Started { train_rows, held_out_rows, classes, device, device_reason, .. } => {
                let (texts, classes) = (count(*train_rows, "text", "texts"), count(classes.len(), "class", "classes"));
                self.say(&format!("Training on {texts} of {classes}, measured on {} held out", thousands(*held_out_rows)));
                self.say(&format!("Device: {device} ({device_reason})"));
            }
            // In turn with the steps, it is their bar that matters.
            Event::Preparing { .. } if self.loss.is_some() => {}
            Event::Preparing { done, total } => {
                if self.bar.position() == 0 {
                    self.bar = ProgressBar::new(*total as u64).with_style(style("{bar:30} {percent} % of the linear probe"));
                }
                self.bar.set_position(*done as u64);
            }
            Event::Probe { accuracy, .. } => {
                if self.loss.is_none() {
                    self.finish();
                }
                self.say(&format!("Linear probe, without a prompt: {} held-out accuracy", percent(*accuracy)));
            }
            Event::Step { step, steps, loss, tokens_per_second, seconds_left, .. } => {
                if self.loss.is_none() {
                    self.bar = ProgressBar::new(*steps as u64).with_style(style("{bar:30} {pos}/{len} | {msg}"));
                }
                self.loss = Some(*loss);
                let held_out = self.held_out.map_or_else(String::new, |accuracy| format!(" | held-out {}", percent(accuracy)));
                let (speed, left) = (thousands(*tokens_per_second as usize), clock(*seconds_left));
                self.bar.set_message(format!("loss {loss:.3}{held_out} | {speed} tokens/s | {left} left"));
                self.bar.set_position(*step as u64);
            }
            Event::Eval { step, loss, accuracy, best, .. } => {
                self.held_out = Some(*accuracy);
                let train_loss = self.loss.map_or_else(String::new, |loss| format!("loss {loss:.3}, "));
                let best = if *best { ", the best so far" } else { "" };
                self.say(&format!("step {step}: {train_loss}held-out loss {loss:.3}, accuracy {}{best}", percent(*accuracy)));
            }
            Event::Measuring { done, total } => {
                self.bar.set_message(format!("measuring: {} of {} held-out texts", thousands(*done), thousands(*total)));
            }
            Event::Stage { stage, stages, layers, neurons, steps } => {
                let (layers, steps) = (count(*layers, "layer", "layers"), count(*steps, "step", "steps"));
                self.say(&format!("stage {stage} of {stages}: {layers} of {} neurons, {steps}", thousands(*neurons)));
            }
            Event::Pruned { rows, pieces, of } => {
                let rows = count(*rows, "row", "rows");
                self.say(&format!("pruned: {rows} and {pieces} of {of} pieces are left and trained again"));
            }
            Event::Trying { method, done, total } => {
                if self.bar.position() == 0 {
                    self.bar =
                        ProgressBar::new(*total as u64).with_style(style("{bar:30} {percent} % of the short runs | {msg}"));
                }
                self.bar.set_message(method.clone());
                self.bar.set_position(*done as u64);
            }
            Event::Trial { method, loss, accuracy, seconds } => {
                self.say(&format!(
                    "tried {method}: held-out loss {loss:.3}, accuracy {}, {}",
                    percent(*accuracy),
                    clock(*seconds)
                ));
            }
            Event::Chosen { reason, .. } => {
                self.finish();
                self.say(reason);
            }
            Event::Warning { message } => self.say(&format!("warning: {message}")),
            Event::Done { .. } => self.finish(),
        }
    }

    /// A line that stays, above the bar.
    pub(crate) fn say(&self, line: &str) {
        if self.visible {
            self.bar.suspend(|| {
                let _ = writeln!(std::io::stderr(), "{line}");
            });
        }
    }

    /// Removes the bar.
    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

/// A bar for texts that go once through the encoder.
#[must_use]
pub(crate) fn texts(total: usize, visible: bool) -> ProgressBar {
    if !visible {
        return ProgressBar::hidden();
    }
    ProgressBar::new(total as u64).with_style(style("{bar:30} {pos}/{len} texts through the encoder | {eta} left"))
}

/// Shows downloads.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Download {
    visible: bool,
}

impl Download {
    /// Shows nothing where not `visible`.
    #[must_use]
    pub(crate) fn new(visible: bool) -> Self {
        Self { visible }
    }

    /// Whether anything is shown.
    #[must_use]
    pub(crate) fn is_visible(self) -> bool {
        self.visible
    }

    /// A bar for one file of `size` bytes.
    #[must_use]
    pub(crate) fn file(self, name: &str, size: Option<u64>) -> ProgressBar {
        if !self.visible {
            return ProgressBar::hidden();
        }
        let bar = match size {
            Some(size) => ProgressBar::new(size).with_style(style(
                "{msg:18} {bar:30} {decimal_bytes}/{decimal_total_bytes} | {decimal_bytes_per_sec} | {eta} left",
            )),
            None => ProgressBar::no_length().with_style(style("{msg:18} {decimal_bytes} | {decimal_bytes_per_sec}")),
        };
        bar.with_message(name.to_owned())
    }

    /// A line that stays.
    pub(crate) fn note(self, line: &str) {
        if self.visible {
            let _ = writeln!(std::io::stderr(), "{line}");
        }
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("=> ")
}
