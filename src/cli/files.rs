//! Reads and writes files. A write is atomic: a reader finds the old files or the new ones, never a mixture.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::adapter::CONFIG_FILE;
use crate::cli::interrupt;
use crate::error::{Error, Result};

mod reading;

pub(crate) use reading::{Limit, Zipped, list, other_zip, read, read_adapter, read_config, read_config_over, zipped};

/// Prefix of the names of unfinished folders.
const UNFINISHED: &str = ".softprompt-";
/// Files that file managers leave in folders.
const CLUTTER: [&str; 3] = [".DS_Store", "Thumbs.db", "desktop.ini"];

/// An [`Error::Io`] about `path`.
pub(crate) fn io_error(path: &Path, problem: impl Into<String>, hint: impl Into<String>) -> Error {
    Error::Io { path: path.display().to_string(), problem: problem.into(), hint: hint.into() }
}

/// An error of the system about `path`, with a hint for the usual cases.
pub(crate) fn system_error(path: &Path, error: &std::io::Error) -> Error {
    let (problem, hint) = match error.kind() {
        ErrorKind::NotFound => ("no such file or folder".to_owned(), "check the path"),
        ErrorKind::PermissionDenied => ("permission denied".to_owned(), "check its permissions"),
        ErrorKind::StorageFull => ("the disk is full".to_owned(), "free some space"),
        ErrorKind::IsADirectory => ("is a folder, not a file".to_owned(), "give a file"),
        ErrorKind::NotADirectory => ("a part of this path is a file, not a folder".to_owned(), "check the path"),
        _ => (error.to_string(), "check the path and the disk"),
    };
    io_error(path, problem, hint)
}

/// A temporary folder on the same disk as `target`; [`Unfinished::finish`] moves its files there. Removed when dropped and at
/// Ctrl-C.
#[derive(Debug)]
pub(crate) struct Unfinished {
    folder: PathBuf,
    target: PathBuf,
}

impl Unfinished {
    /// Creates it next to `target`, with missing parent folders, or inside `target` if that exists.
    ///
    /// # Errors
    /// [`Error::Io`] if the system refuses.
    pub(crate) fn new(target: &Path) -> Result<Self> {
        let parent = if target.is_dir() { target } else { parent(target) };
        fs::create_dir_all(parent).map_err(|error| system_error(parent, &error))?;
        let mut attempt = 0;
        let folder = loop {
            let folder = parent.join(format!("{UNFINISHED}{}-{attempt}", std::process::id()));
            match fs::create_dir(&folder) {
                Ok(()) => break folder,
                Err(error) if error.kind() == ErrorKind::AlreadyExists => attempt += 1,
                Err(error) => {
                    return Err(io_error(parent, format!("cannot write into this folder: {error}"), "choose another folder"));
                }
            }
        };
        interrupt::remember(&folder);
        Ok(Self { folder, target: target.to_owned() })
    }

    /// Path of the temporary folder.
    #[must_use]
    pub(crate) fn path(&self) -> &Path {
        &self.folder
    }

    /// Writes a file into it and flushes it to the disk.
    ///
    /// # Errors
    /// [`Error::Io`] if the system refuses.
    pub(crate) fn write(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let path = self.folder.join(name);
        let written = File::create(&path).and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()));
        written.map_err(|error| system_error(&path, &error))
    }

    /// Moves the files to the target: with one rename if the target does not exist, otherwise file by file. The latter also works
    /// if the target is a mounted volume, and does not touch its other files.
    ///
    /// # Errors
    /// [`Error::Io`] if the system refuses.
    pub(crate) fn finish(self) -> Result<()> {
        if !self.target.exists() && fs::rename(&self.folder, &self.target).is_ok() {
            return Ok(());
        }
        for entry in fs::read_dir(&self.folder).map_err(|error| system_error(&self.folder, &error))? {
            let entry = entry.map_err(|error| system_error(&self.folder, &error))?;
            let path = self.target.join(entry.file_name());
            fs::rename(entry.path(), &path).map_err(|error| system_error(&path, &error))?;
        }
        Ok(())
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        // It no longer exists if it was renamed.
        let _ = fs::remove_dir_all(&self.folder);
        interrupt::forget(&self.folder);
    }
}

/// Removes what a killed process left in `parent` more than a day ago.
pub(crate) fn remove_leftovers(parent: &Path) {
    let old = |entry: &fs::DirEntry| {
        let age = entry.metadata().and_then(|meta| meta.modified()).map(|time| time.elapsed().unwrap_or_default());
        entry.file_name().to_string_lossy().starts_with(UNFINISHED) && age.is_ok_and(|age| age > Duration::from_hours(24))
    };
    for entry in fs::read_dir(parent).into_iter().flatten().flatten().filter(old) {
        let _ = fs::remove_dir_all(entry.path());
    }
}

/// Checks that a folder of results can be written at `out`, before time is spent on them.
///
/// # Errors
/// [`Error::Io`] if `out` or one of the folders above it is something else, or is not writable.
pub(crate) fn check_folder(out: &Path, hint: &str) -> Result<()> {
    check_parents(out, hint)?;
    if !out.is_dir() && fs::symlink_metadata(out).is_ok() {
        let what = if out.is_file() { "a file" } else { "neither a folder nor a file" };
        return Err(io_error(out, format!("is {what}, but the results are a folder"), hint));
    }
    Unfinished::new(out).map(drop)
}

/// # Errors
/// [`Error::Io`] if something above `path` exists and is not a folder.
fn check_parents(path: &Path, hint: &str) -> Result<()> {
    let above = path.ancestors().skip(1).find(|parent| fs::symlink_metadata(parent).is_ok());
    match above.filter(|parent| !parent.is_dir()) {
        Some(parent) => Err(io_error(path, format!("cannot be written, because {} is not a folder", parent.display()), hint)),
        None => Ok(()),
    }
}

/// Checks that an adapter can be written to `out`, before time is spent on training.
///
/// # Errors
/// As [`check_folder`], and if `out` is a folder of something else.
pub(crate) fn check_adapter_folder(out: &Path) -> Result<()> {
    let hint = "choose another folder with --out";
    if out.is_dir() && !holds_adapter(out) {
        for entry in fs::read_dir(out).map_err(|error| system_error(out, &error))? {
            let name = entry.map_err(|error| system_error(out, &error))?.file_name();
            let name = name.to_string_lossy();
            if !name.starts_with(UNFINISHED) && !CLUTTER.contains(&&*name) {
                return Err(io_error(
                    out,
                    format!("is not an adapter and contains other files ({name}); nothing was changed"),
                    hint,
                ));
            }
        }
    }
    check_folder(out, hint)
}

/// Whether a folder has the file that makes it an adapter.
pub(crate) fn holds_adapter(out: &Path) -> bool {
    out.join(CONFIG_FILE).is_file()
}

/// Writes an adapter folder atomically, over an adapter that is there.
///
/// # Errors
/// As [`check_adapter_folder`].
pub(crate) fn write_adapter(out: &Path, adapter: &[(String, Vec<u8>)]) -> Result<()> {
    check_adapter_folder(out)?;
    let folder = Unfinished::new(out)?;
    for (name, bytes) in adapter {
        folder.write(name, bytes)?;
    }
    folder.finish()
}

fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Checks that a file can be written to `path`.
///
/// # Errors
/// [`Error::Io`] if it is a folder, a device or a pipe, or not writable.
pub(crate) fn check_file(path: &Path) -> Result<()> {
    if path.is_dir() || path.as_os_str().is_empty() {
        return Err(io_error(path, "is a folder, not a file", "give the name of a file in it"));
    }
    check_parents(path, "choose another folder")?;
    // It would be replaced by a file.
    if path.exists() && !path.is_file() {
        return Err(io_error(path, "is a device or a pipe, not a file", "give the name of a file"));
    }
    // The temporary folder is made inside `path` if that is a folder, so use a name next to it.
    Unfinished::new(&path.with_extension("unfinished")).map(drop)
}

/// Writes a file atomically.
///
/// # Errors
/// As [`check_file`].
pub(crate) fn write_file(path: &Path, bytes: &[u8]) -> Result<()> {
    const NAME: &str = "file";
    check_file(path)?;
    let folder = Unfinished::new(&path.with_extension("unfinished"))?;
    folder.write(NAME, bytes)?;
    fs::rename(folder.path().join(NAME), path).map_err(|error| system_error(path, &error))
}

/// A path, quoted for a shell if necessary.
#[must_use]
pub(crate) fn shell_word(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_alphanumeric() || "-_./\\:+,@%=~".contains(c);
    if !text.is_empty() && text.chars().all(plain) { text } else { format!("\"{text}\"") }
}

/// How the user started this program, for suggested commands.
#[must_use]
pub(crate) fn program() -> String {
    std::env::args_os().next().map_or_else(|| "softprompt".to_owned(), |program| shell_word(Path::new(&program)))
}
