//! Compares the given flags with the settings of a run that they are to resume.

use std::path::Path;

use serde_json::Value;

use super::{Settings, flag_of};
use crate::cli::files;
use crate::config::describe::{Setting, groups, value_at};
use crate::config::{Method, RunConfig};
use crate::error::{Error, Result};

impl Settings {
    /// Checks that every setting given by a flag or in a `--config` file matches those of a run: `whose` is `checkpoint`, or what
    /// else has them. The device may differ. With `chosen`, trials may have chosen its method.
    ///
    /// # Errors
    /// [`Error::Config`] with each setting that differs; [`Error::Io`] if the file cannot be read.
    pub(crate) fn check_against(&self, file: Option<&Path>, theirs: &RunConfig, chosen: bool, whose: &str) -> Result<()> {
        let with_flags = |mut config: RunConfig| {
            self.apply(&mut config);
            // It names the method that the trials chose.
            if chosen && config.prompt.method == Method::Auto {
                config.prompt.method = theirs.prompt.method;
            }
            serde_json::to_value(config).unwrap_or_default()
        };
        let flags = with_flags(theirs.clone());
        let ours = with_flags(match file {
            Some(path) => files::read_config_over(path, theirs)?,
            None => theirs.clone(),
        });
        let theirs = serde_json::to_value(theirs).unwrap_or_default();
        let source = |setting: &Setting| match file {
            Some(path) if value_at(&flags, setting.path) == value_at(&theirs, setting.path) => {
                format!("{} {} of {}", setting.path, text(setting, &ours), path.display())
            }
            _ => flag(setting, &ours),
        };
        let differences: Vec<String> = settings()
            .filter(|setting| setting.path != "device" && value_at(&ours, setting.path) != value_at(&theirs, setting.path))
            .map(|setting| format!("{} differs from the {whose}'s {}", source(setting), text(setting, &theirs)))
            .collect();
        if differences.is_empty() {
            return Ok(());
        }
        let hint =
            format!("omit the differing flags to resume with the settings of the {whose}, or omit --resume to start again");
        Err(Error::config("resume", differences.join("; "), hint))
    }
}

/// Every setting; an optional group counts as one.
fn settings() -> impl Iterator<Item = &'static Setting> {
    let inside =
        |path: &str| path.rsplit_once('.').is_some_and(|(part, _)| groups().iter().any(|group| holds(group.options, part)));
    groups().iter().flat_map(|group| group.options).filter(move |setting| !inside(setting.path))
}

fn holds(settings: &[Setting], path: &str) -> bool {
    settings.iter().any(|setting| setting.path == path)
}

/// A setting as its flag, such as `--seed 7`.
fn flag(setting: &Setting, config: &Value) -> String {
    let name = |path: &'static str| flag_of(path).unwrap_or(path).to_owned();
    match value_at(config, setting.path) {
        // A switch is a flag without a value.
        Some(Value::Bool(_)) => name(setting.path),
        // `--epochs` turns `--steps` off.
        Some(Value::Null) if setting.path == "optim.steps" => name("optim.epochs"),
        _ => format!("{} {}", name(setting.path), text(setting, config)),
    }
}

/// The value of a setting, written as for its flag.
fn text(setting: &Setting, config: &Value) -> String {
    match value_at(config, setting.path) {
        None | Some(Value::Null) => format!("({})", setting.absent.unwrap_or("none")),
        Some(Value::String(word)) => word.clone(),
        Some(value) => value.to_string(),
    }
}
