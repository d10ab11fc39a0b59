//! A lock on a place of results: two processes that write there would overwrite each other's files. The system releases it when
//! its process ends, however it ends; a file that a killed process left is taken over.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

use crate::cli::files::{io_error, system_error};
use crate::cli::{interrupt, output};
use crate::error::Result;

/// Number of times that a lock file is opened again because another process has removed it in the meantime.
const ATTEMPTS: usize = 100;

/// Held until it is dropped.
#[derive(Debug)]
pub(crate) struct Lock {
    path: PathBuf,
    _file: File,
}

impl Lock {
    /// Locks the file at `path`, which is made if it does not exist, for what is written to `place`.
    ///
    /// # Errors
    /// [`Error::Io`](crate::error::Error::Io) if another process holds the lock, or the file cannot be written.
    pub(crate) fn take(path: &Path, place: &Path) -> Result<Self> {
        let busy = || {
            let hint = "wait until it has finished, stop it, or choose another folder with --out";
            Err(io_error(place, "another process is writing its results here", hint))
        };
        for _ in 0..ATTEMPTS {
            let mut options = File::options();
            let opened = options.read(true).write(true).create(true).truncate(false).open(path);
            let file = opened.map_err(|error| system_error(path, &error))?;
            match file.try_lock() {
                Err(TryLockError::WouldBlock) => return busy(),
                // Some network drives have no locks: better without one than not at all.
                Err(TryLockError::Error(error)) => {
                    output::to_stderr(&format!(
                        "note: {} cannot be locked ({error}): let no other process write to {} meanwhile",
                        path.display(),
                        place.display()
                    ));
                }
                // The process that held it may have removed the file after it was opened here.
                Ok(()) if !is_at(&file, path) => continue,
                Ok(()) => {}
            }
            interrupt::remember(path);
            return Ok(Self { path: path.to_owned(), _file: file });
        }
        busy()
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Before the lock is released, so that nobody else can have it.
        let _ = fs::remove_file(&self.path);
        interrupt::forget(&self.path);
    }
}

/// Whether an open file is the one at `path`.
#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let id = |metadata: fs::Metadata| (metadata.dev(), metadata.ino());
    matches!((file.metadata().map(id), fs::metadata(path).map(id)), (Ok(ours), Ok(theirs)) if ours == theirs)
}

/// Elsewhere there is no stable way to ask whether it is the same file.
#[cfg(not(unix))]
fn is_at(_: &File, path: &Path) -> bool {
    path.exists()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_holds_it_at_a_time_and_nothing_is_left() {
        let folder = tempfile::tempdir().expect("a folder");
        let (path, place) = (folder.path().join("a.lock"), folder.path().join("a"));
        let first = Lock::take(&path, &place).expect("it is free");
        let refused = Lock::take(&path, &place).expect_err("it is held").report();
        assert!(refused.message.contains("another process is writing") && refused.hint.contains("--out"), "{refused:?}");
        drop(first);
        assert!(!path.exists());
        // The file that a killed process left.
        fs::write(&path, "").expect("written");
        drop(Lock::take(&path, &place).expect("nobody holds it"));
        assert!(!path.exists());
    }

    #[cfg(unix)]
    #[test]
    fn a_lock_on_a_file_that_was_removed_is_none() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.lock");
        let file = File::create(&path).expect("made");
        assert!(is_at(&file, &path));
        fs::remove_file(&path).expect("removed");
        assert!(!is_at(&file, &path));
        let _other = File::create(&path).expect("made");
        assert!(!is_at(&file, &path), "another file of the same name");
    }
}
