//! Ctrl-C. During training, the first one asks the run to stop, so that the best parameters so far are saved. The second one, or
//! one at any other time, ends the program immediately.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

/// Exit code after Ctrl-C: 128 + SIGINT.
pub(crate) const EXIT_CODE: u8 = 130;

static TRAINING: AtomicBool = AtomicBool::new(false);
static REQUESTED: AtomicBool = AtomicBool::new(false);
static UNFINISHED: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

/// Installs the handler. If the system refuses, Ctrl-C ends the program as usual.
pub(crate) fn install() {
    let handler = || {
        if TRAINING.load(Ordering::SeqCst) && !REQUESTED.swap(true, Ordering::SeqCst) {
            return;
        }
        for path in UNFINISHED.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            let _ = if path.is_dir() { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) };
        }
        std::process::exit(i32::from(EXIT_CODE));
    };
    if let Err(error) = ctrlc::set_handler(handler) {
        log::warn!("Ctrl-C is not handled: {error}");
    }
}

/// Until the guard is dropped, the first Ctrl-C only sets the flag of [`requested`].
#[must_use]
pub(crate) fn hold() -> Held {
    TRAINING.store(true, Ordering::SeqCst);
    Held
}

/// Whether Ctrl-C was pressed since [`hold`].
pub(crate) fn requested() -> bool {
    REQUESTED.load(Ordering::SeqCst)
}

/// See [`hold`].
#[derive(Debug)]
pub(crate) struct Held;

impl Drop for Held {
    fn drop(&mut self) {
        TRAINING.store(false, Ordering::SeqCst);
    }
}

/// Remembers a folder or file that is removed if the program is interrupted before [`forget`] is called.
pub(crate) fn remember(path: &Path) {
    UNFINISHED.lock().unwrap_or_else(PoisonError::into_inner).push(path.to_owned());
}

/// Forgets a folder or file that is finished or removed.
pub(crate) fn forget(path: &Path) {
    UNFINISHED.lock().unwrap_or_else(PoisonError::into_inner).retain(|other| other != path);
}
