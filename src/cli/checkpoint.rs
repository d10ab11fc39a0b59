//! The checkpoint next to an adapter's folder: written at every evaluation, removed when the run is finished.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use pollster::block_on;

use crate::cli::files::{self, Limit, system_error};
use crate::error::{Error, Result};
use crate::train::checkpoint::Checkpoint;
use crate::train::job::Job;

/// The path of a run's checkpoint: next to the adapter's folder.
#[must_use]
pub(crate) fn path(out: &Path) -> PathBuf {
    beside(out, ".checkpoint")
}

/// The path of the lock on a folder of results: next to it.
#[must_use]
pub(crate) fn lock(out: &Path) -> PathBuf {
    beside(out, ".lock")
}

fn beside(out: &Path, end: &str) -> PathBuf {
    // `.` and `..` have no name to append to.
    let named = if out.file_name().is_none() { fs::canonicalize(out).ok() } else { None };
    let mut name = named.unwrap_or_else(|| out.to_owned()).into_os_string();
    name.push(end);
    PathBuf::from(name)
}

/// Writes the state of the run over the previous checkpoint. Does nothing before there is a state to resume from.
///
/// # Errors
/// [`Error::Io`] if the file cannot be written; [`Error::Device`] if the device failed.
pub(crate) fn write(out: &Path, job: &Job) -> Result<()> {
    let Some(run) = job.run() else { return Ok(()) };
    let checkpoint = match block_on(run.checkpoint()) {
        Ok(checkpoint) => checkpoint,
        // The run is finished, or it has no prompt.
        Err(Error::Config { .. }) => return Ok(()),
        Err(error) => return Err(error),
    };
    let (path, mut unfinished) = (path(out), OsString::from(path(out)));
    unfinished.push(format!(".{}", std::process::id()));
    let unfinished = PathBuf::from(unfinished);
    let bytes = checkpoint.to_bytes()?;
    let written = File::create(&unfinished).and_then(|mut file| file.write_all(&bytes).and_then(|()| file.sync_all()));
    let moved = written.and_then(|()| fs::rename(&unfinished, &path));
    moved.map_err(|error| {
        let _ = fs::remove_file(&unfinished);
        system_error(&path, &error)
    })
}

/// The checkpoint of a run, if there is one.
///
/// # Errors
/// [`Error::Io`] if it cannot be read, [`Error::Adapter`] if it is not a checkpoint.
pub(crate) fn read(out: &Path) -> Result<Option<Checkpoint>> {
    let path = path(out);
    if !path.exists() {
        return Ok(None);
    }
    Checkpoint::from_bytes(&files::read(&path, Limit::CHECKPOINT)?).map(Some)
}

/// Removes the checkpoint of a finished run, and partly written checkpoints of killed processes.
pub(crate) fn remove(out: &Path) {
    let path = path(out);
    let _ = fs::remove_file(&path);
    let Some(name) = path.file_name().map(|name| format!("{}.", name.to_string_lossy())) else { return };
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let other = entry.file_name().to_string_lossy().into_owned();
        let id = other.strip_prefix(&name).unwrap_or_default();
        if !id.is_empty() && id.bytes().all(|letter| letter.is_ascii_digit()) {
            let _ = fs::remove_file(entry.path());
        }
    }
}
