//! `softprompt train --report`.

use std::fs;
use std::path::{Path, PathBuf};

use crate::cli::files;
use crate::data::dataset::{DataReport, Dataset, TextRow};
use crate::encoder::Encoder;
use crate::error::Result;
use crate::nearest::nearest;
use crate::report::{Course, Report};
use crate::train::event::Event;
use crate::train::job::Job;

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
    ///
    /// # Errors
    /// [`crate::error::Error::Io`] if the report could not be written there, or would replace another file; checked before time is spent on training.
    pub(crate) fn new(path: &Path, data: &[PathBuf], model: &Encoder, dataset: &Dataset) -> Result<Self> {
        check_is_report(path)?;
        files::check_file(path)?;
        let names = data.iter().filter_map(|file| file.file_name()).map(|name| name.to_string_lossy().into_owned());
        let file = names.collect::<Vec<_>>().join(", ");
        let (held_out, data) = (dataset.held_out.clone(), dataset.report.clone());
        Ok(Self { path: path.to_owned(), file, model: model.clone(), held_out, data, course: Course::default() })
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

/// # Errors
/// [`crate::error::Error::Io`] for an existing file that is no HTML page: it may be the data, or a file of the adapter.
fn check_is_report(path: &Path) -> Result<()> {
    let begin = match fs::read(path) {
        Ok(bytes) => bytes.trim_ascii_start().iter().take(9).map(u8::to_ascii_lowercase).collect::<Vec<u8>>(),
        // It does not exist, or writing it fails with the reason.
        Err(_) => return Ok(()),
    };
    if begin.is_empty() || begin.starts_with(b"<!doctype") || begin.starts_with(b"<html") {
        return Ok(());
    }
    Err(files::io_error(path, "exists and is not a report", "choose another file for --report, such as report.html"))
}
