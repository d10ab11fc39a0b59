//! `softprompt train --resume` where the run is already finished: its adapter is there, and nothing is left to train.

use std::path::Path;

use serde::Serialize;

use crate::adapter::{Adapter, AdapterMetrics, MANIFEST_FILE};
use crate::cli::args::TrainArgs;
use crate::cli::output::{Output, percent};
use crate::cli::{checkpoint, files};
use crate::config::Method;
use crate::data::dataset::Dataset;
use crate::encoder::Encoder;
use crate::error::{Error, Result};

/// The last line of `--json`.
#[derive(Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum Notice {
    Done {
        /// Nothing was trained now.
        already_finished: bool,
        adapter: String,
        accuracy: f64,
        macro_f1: f64,
        probe_accuracy: f64,
        majority_accuracy: f64,
    },
}

/// The adapter of the finished run that `--resume` finds instead of a checkpoint, if there is one. A linear probe has no
/// checkpoint, so that nobody knows whether it was finished: it is trained again.
///
/// # Errors
/// A broken adapter, or a given setting that differs from those of the run.
pub(super) fn find(args: &TrainArgs) -> Result<Option<Adapter>> {
    let out = args.out();
    if !args.resume || checkpoint::path(&out).exists() || !out.join(MANIFEST_FILE).is_file() {
        return Ok(None);
    }
    let adapter = files::read_adapter(&out)?;
    if adapter.config.prompt.method == Method::Probe {
        return Ok(None);
    }
    args.settings.check_against(args.config.as_deref(), &adapter.config, true, "finished run")?;
    Ok(Some(adapter))
}

/// Says that the run is finished and how good it is.
///
/// # Errors
/// [`Error::Adapter`] if the adapter was trained with other data or another encoder; and if stdout cannot be written.
pub(super) fn report(output: &Output, out: &Path, adapter: &Adapter, dataset: &Dataset, model: &Encoder) -> Result<()> {
    let tokenizer = model.tokenizer().sha256()?;
    let base = &adapter.base_model;
    let differs = [
        ("data file", adapter.data_sha256.as_deref() != Some(dataset.sha256().as_str())),
        ("encoder", base.sha256.as_deref() != Some(model.sha256())),
        ("tokenizer", base.tokenizer_sha256.as_deref().is_some_and(|theirs| theirs != tokenizer)),
    ];
    if let Some((what, _)) = differs.iter().find(|(_, differs)| *differs) {
        return Err(Error::adapter(
            format!("the finished run in {} was made with another {what}", out.display()),
            "use the same files, or omit --resume to train again, which replaces the adapter",
        ));
    }
    let metrics = adapter.metrics;
    let figures = metrics.map_or_else(String::new, |AdapterMetrics { accuracy, macro_f1, probe_accuracy, .. }| {
        let [accuracy, macro_f1, probe] = [accuracy, macro_f1, probe_accuracy].map(percent);
        format!("\nheld-out accuracy {accuracy}, macro-F1 {macro_f1}, linear probe {probe}")
    });
    output.line(&format!(
        "This run is finished, so nothing is trained: the adapter is in {}.{figures}\nTo train again, omit --resume.",
        files::shell_word(out)
    ))?;
    let Some(AdapterMetrics { accuracy, macro_f1, probe_accuracy, majority_accuracy, .. }) = metrics else { return Ok(()) };
    let adapter = out.display().to_string();
    output.object(&Notice::Done { already_finished: true, adapter, accuracy, macro_f1, probe_accuracy, majority_accuracy })
}
