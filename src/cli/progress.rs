//! Progress on stderr: a bar if it is a terminal, otherwise a line from time to time.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::cli::output::{clock, count, one_line, percent, thousands, to_stderr};
use crate::config::describe::method_label;
use crate::train::event::Event;

/// Shows the events of a run.
pub(crate) struct Training {
    bar: ProgressBar,
    visible: bool,
    lines: Lines,
    /// Whether the bar shows steps.
    stepping: bool,
    loss: Option<f32>,
    held_out: Option<f64>,
    /// The evaluation in progress, if it is shown.
    measuring: Option<Measuring>,
}

/// Progress of an evaluation of many texts.
struct Measuring {
    begin: Instant,
    /// Texts that were done at the first event.
    first: usize,
}

/// Lines instead of a bar, if stderr is not a terminal: at most one in an interval.
struct Lines {
    /// `None` if there is a bar.
    every: Option<Duration>,
    last: Instant,
}

impl Lines {
    /// Default interval in seconds.
    const EVERY: u64 = 10;

    fn new() -> Self {
        let seconds = std::env::var("SOFTPROMPT_PROGRESS_SECONDS").ok().and_then(|text| text.trim().parse().ok());
        let every = (!std::io::stderr().is_terminal()).then(|| Duration::from_secs(seconds.unwrap_or(Self::EVERY)));
        Self { every, last: Instant::now() }
    }

    /// Writes a line if the interval has passed.
    fn write(&mut self, line: impl FnOnce() -> String) {
        if self.every.is_some_and(|every| self.last.elapsed() >= every) {
            self.last = Instant::now();
            to_stderr(&line());
        }
    }
}

impl Training {
    /// Shows nothing unless `visible`.
    #[must_use]
    pub(crate) fn new(visible: bool) -> Self {
        Self {
            bar: ProgressBar::hidden(),
            visible,
            lines: Lines::new(),
            stepping: false,
            loss: None,
            held_out: None,
            measuring: None,
        }
    }

    /// Shows one event.
    pub(crate) fn show(&mut self, event: &Event) {
        if !self.visible {
            return;
        }
        if !matches!(event, Event::Measuring { .. }) && self.measuring.take().is_some() {
            self.bar.finish_and_clear();
            self.bar = ProgressBar::hidden();
            // The next step makes a new bar.
            self.stepping = false;
        }
        match event {
            Event::Started { train_rows, held_out_rows, classes, device, device_reason, .. } => {
                let [train, held_out] = [*train_rows, *held_out_rows].map(|rows| count(rows, "text", "texts"));
                self.say(&format!("Training set: {train} in {} classes. Held-out set: {held_out}.", classes.len()));
                self.say(&format!("Device: {device} ({device_reason})"));
            }
            // While steps are running, the bar is theirs.
            Event::Preparing { .. } if self.loss.is_some() => {}
            Event::Preparing { done, total } => {
                if self.bar.position() == 0 {
                    self.bar = ProgressBar::new(*total as u64).with_style(style("{bar:30} linear probe: {percent}%"));
                }
                self.bar.set_position(*done as u64);
                self.lines.write(|| format!("linear probe: {:.0}%", 100.0 * *done as f64 / (*total).max(1) as f64));
            }
            Event::Probe { accuracy, .. } => {
                if self.loss.is_none() {
                    self.finish();
                }
                self.say(&format!("Linear probe, without a prompt: {} held-out accuracy", percent(*accuracy)));
            }
            Event::Step { step, steps, loss, tokens_per_second, seconds_left, .. } => {
                if !std::mem::replace(&mut self.stepping, true) {
                    self.bar.finish_and_clear();
                    self.bar = ProgressBar::new(*steps as u64).with_style(style("{bar:30} {pos}/{len} | {msg}"));
                }
                self.loss = Some(*loss);
                let held_out = self.held_out.map_or_else(String::new, |accuracy| format!(" | held-out {}", percent(accuracy)));
                let (speed, left) = (thousands(*tokens_per_second as usize), clock(*seconds_left));
                let message = format!("loss {loss:.3}{held_out} | {speed} tokens/s | {left} left");
                self.bar.set_message(message.clone());
                self.bar.set_position(*step as u64);
                self.lines.write(|| format!("step {step} of {steps} | {message}"));
            }
            Event::Eval { step, loss, accuracy, best, .. } => {
                self.held_out = Some(*accuracy);
                let train_loss = self.loss.map_or_else(String::new, |loss| format!("loss {loss:.3}, "));
                let best = if *best { " (best so far)" } else { "" };
                self.say(&format!("step {step}: {train_loss}held-out loss {loss:.3}{best}, accuracy {}", percent(*accuracy)));
            }
            Event::Measuring { done, total } => self.measuring(*done, *total),
            Event::Stage { stage, stages, layers, neurons, steps } => {
                let (layers, steps) = (count(*layers, "layer", "layers"), count(*steps, "step", "steps"));
                self.say(&format!(
                    "stage {stage} of {stages}: partial encoder of {layers} with {} neurons, {steps}",
                    thousands(*neurons)
                ));
            }
            Event::Pruned { rows, pieces, of } => {
                let rows = count(*rows, "row", "rows");
                self.say(&format!("pruned: {rows} and {pieces} of {of} pieces remain and are trained again"));
            }
            Event::Trying { method, done, total } => {
                if self.bar.position() == 0 {
                    self.bar = ProgressBar::new(*total as u64).with_style(style("{bar:30} trials: {percent}% | {msg}"));
                }
                self.bar.set_message(method_label(method).to_owned());
                self.bar.set_position(*done as u64);
            }
            Event::Trial { method, loss, accuracy, seconds } => {
                self.say(&format!(
                    "trial of {}: held-out loss {loss:.3}, accuracy {}, {}",
                    method_label(method),
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

    /// An evaluation of many held-out texts has its own bar, or a line every few seconds.
    fn measuring(&mut self, done: usize, total: usize) {
        let bar = &mut self.bar;
        let shown = self.measuring.get_or_insert_with(|| {
            bar.finish_and_clear();
            *bar = ProgressBar::new(total as u64).with_style(style("{bar:30} {pos}/{len} held-out texts evaluated | {msg} left"));
            Measuring { begin: Instant::now(), first: done }
        });
        let seconds = shown.begin.elapsed().as_secs_f64();
        let left = seconds / done.saturating_sub(shown.first).max(1) as f64 * total.saturating_sub(done) as f64;
        let left = clock(left);
        bar.set_message(left.clone());
        bar.set_position(done as u64);
        self.lines.write(|| format!("{} of {} held-out texts evaluated, {left} left", thousands(done), thousands(total)));
    }

    /// A permanent line, above the bar.
    pub(crate) fn say(&self, line: &str) {
        if self.visible {
            self.bar.suspend(|| {
                to_stderr(line);
            });
        }
    }

    /// Removes the bar.
    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

/// A progress bar for texts that are run through the encoder.
#[must_use]
pub(crate) fn texts(total: usize, visible: bool) -> ProgressBar {
    if !visible {
        return ProgressBar::hidden();
    }
    ProgressBar::new(total as u64).with_style(style("{bar:30} {pos}/{len} texts | {eta} left"))
}

/// Shows downloads.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Download {
    visible: bool,
}

impl Download {
    /// Shows nothing unless `visible`.
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
        bar.with_message(one_line(name, 60))
    }

    /// A permanent line.
    pub(crate) fn note(self, line: &str) {
        if self.visible {
            to_stderr(line);
        }
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("=> ")
}
