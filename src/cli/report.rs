//! `softprompt train --report`.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::adapter::{CARD_FILE, CONFIG_FILE, MANIFEST_FILE, SCRIPT_FILE, TENSORS_FILE};
use crate::cli::files;
use crate::data::dataset::{DataReport, Dataset, TextRow};
use crate::encoder::Encoder;
use crate::error::Result;
use crate::nearest::nearest;
use crate::report::{Course, Report};
use crate::train::event::Event;
use crate::train::job::Job;

/// Number of bytes of an existing file that show whether it is a report.
const FIRST_BYTES: u64 = 256;
/// Number of nearest tokens shown for each prompt row.
const NEIGHBOURS: usize = 8;

/// What a report needs besides the run.
pub(crate) struct Notes {
    path: PathBuf,
    file: String,
    model: Encoder,
    held_out: Vec<TextRow>,
    data: DataReport,
    course: Course,
}

impl Notes {
    /// Starts collecting for a report at `path`, on these data files.
    #[must_use]
    pub(crate) fn new(path: &Path, data: &[PathBuf], model: &Encoder, dataset: &Dataset) -> Self {
        let names = data.iter().filter_map(|file| file.file_name()).map(|name| name.to_string_lossy().into_owned());
        let file = names.collect::<Vec<_>>().join(", ");
        let (held_out, data) = (dataset.held_out.clone(), dataset.report.clone());
        Self { path: path.to_owned(), file, model: model.clone(), held_out, data, course: Course::default() }
    }

    /// Records an event.
    pub(crate) fn take(&mut self, event: &Event) {
        self.course.take(event);
    }

    /// Writes the report and returns its path.
    ///
    /// # Errors
    /// As [`Job::held_out`], and [`crate::error::Error::Io`] if it cannot be written.
    pub(crate) fn write(&self, run: &Job) -> Result<&Path> {
        let Self { file, model, held_out, data, course, .. } = self;
        let (adapter, answers) = (run.adapter()?, run.held_out()?);
        let nearest = nearest(&adapter, model.weights(), model.tokenizer(), NEIGHBOURS);
        let report = Report { file, data, adapter: &adapter, course, answers: &answers, held_out, nearest: &nearest };
        check_is_report(&self.path)?;
        files::write_file(&self.path, report.to_html()?.as_bytes())?;
        Ok(&self.path)
    }
}

/// Checks that a report can be written to `path`, beside an adapter in `out`, before time is spent on anything.
///
/// # Errors
/// [`crate::error::Error::Io`] if it cannot, or would replace another file.
pub(crate) fn check_beside(path: &Path, out: &Path) -> Result<()> {
    let hint = "choose another file for --report, such as report.html";
    let tidy: PathBuf = path.components().collect();
    if tidy == out {
        return Err(files::io_error(path, "is the folder of the adapter (--out)", hint));
    }
    let of_adapter = [CONFIG_FILE, TENSORS_FILE, MANIFEST_FILE, CARD_FILE, SCRIPT_FILE];
    if tidy.parent() == Some(out) && of_adapter.iter().any(|name| tidy.ends_with(name)) {
        return Err(files::io_error(path, "is a file of the adapter, not a report", hint));
    }
    files::check_file(path)?;
    check_is_report(path)
}

/// # Errors
/// [`crate::error::Error::Io`] for an existing file that is no HTML page: it may be the data, or a file of the adapter.
fn check_is_report(path: &Path) -> Result<()> {
    let mut first = Vec::new();
    // If it does not exist, there is nothing to replace; if it cannot be read, writing it fails with the reason.
    let read = File::open(path).and_then(|file| file.take(FIRST_BYTES).read_to_end(&mut first));
    if read.is_err() {
        return Ok(());
    }
    let begin: Vec<u8> = first.trim_ascii_start().iter().take(9).map(u8::to_ascii_lowercase).collect();
    let blank = begin.is_empty() && first.len() < FIRST_BYTES as usize;
    if blank || begin.starts_with(b"<!doctype") || begin.starts_with(b"<html") {
        return Ok(());
    }
    Err(files::io_error(path, "exists and is not a report", "choose another file for --report, such as report.html"))
}
