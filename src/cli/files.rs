//! Files: read whole with an error that says what to do, and written so that a reader finds the old ones or the new ones,
//! never half of them.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use crate::adapter::{Adapter, CONFIG_FILE, MANIFEST_FILE, TENSORS_FILE};
use crate::cli::interrupt;
use crate::config::RunConfig;
use crate::error::{Error, Result};

/// How the names of unfinished folders start.
const UNFINISHED: &str = ".softprompt-";
/// Left by file managers in any folder they show.
const CLUTTER: [&str; 3] = [".DS_Store", "Thumbs.db", "desktop.ini"];

/// An [`Error::Io`] about `path`.
pub(crate) fn io_error(path: &Path, problem: impl Into<String>, hint: impl Into<String>) -> Error {
    Error::Io { path: path.display().to_string(), problem: problem.into(), hint: hint.into() }
}

/// What the system said about `path`, with a hint for the usual cases.
pub(crate) fn system_error(path: &Path, error: &std::io::Error) -> Error {
    let (problem, hint) = match error.kind() {
        ErrorKind::NotFound => ("no such file or folder".to_owned(), "check the path"),
        ErrorKind::PermissionDenied => ("permission denied".to_owned(), "check who may read and write it"),
        ErrorKind::StorageFull => ("the disk is full".to_owned(), "make room"),
        ErrorKind::IsADirectory => ("is a folder, not a file".to_owned(), "give a file"),
        _ => (error.to_string(), "check the path and the disk"),
    };
    io_error(path, problem, hint)
}

/// A whole file.
///
/// # Errors
/// [`Error::Io`] where it is missing, a folder or unreadable.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>> {
    // Reading a folder is an odd error on some systems.
    if path.is_dir() {
        return Err(io_error(path, "is a folder, not a file", "give a file"));
    }
    fs::read(path).map_err(|error| system_error(path, &error))
}

/// Paths of the files in a folder and in those below it, with `/` between their parts, some levels deep: an encoder may lie in a folder
/// of a sentence encoder, or in a snapshot of the hub's own cache.
///
/// # Errors
/// [`Error::Io`] where the folder cannot be read.
pub(crate) fn list(folder: &Path) -> Result<Vec<String>> {
    const LEVELS: usize = 4;
    const MOST: usize = 5000;
    let (mut found, mut left) = (Vec::new(), vec![(folder.to_owned(), String::new(), 0)]);
    while let Some((at, start, level)) = left.pop() {
        let entries = match fs::read_dir(&at) {
            Err(error) if level == 0 => return Err(system_error(&at, &error)),
            entries => entries.into_iter().flatten().flatten(),
        };
        for entry in entries {
            let path = entry.path();
            let name = format!("{start}{}", entry.file_name().to_string_lossy());
            if path.is_file() {
                found.push(name);
            } else if level + 1 < LEVELS && path.is_dir() {
                left.push((path, format!("{name}/"), level + 1));
            }
        }
        if found.len() > MOST {
            break;
        }
    }
    found.sort();
    Ok(found)
}

/// A [`RunConfig`] from JSON: the settings alone, or a file such as an adapter's `softprompt.json` that has them as `config`.
///
/// # Errors
/// [`Error::Io`] where it cannot be read or has an unknown setting.
pub(crate) fn read_config(path: &Path) -> Result<RunConfig> {
    read_config_over(path, &RunConfig::default())
}

/// The same over other settings: what the file leaves out is as it is there.
///
/// # Errors
/// As [`read_config`].
pub(crate) fn read_config_over(path: &Path, base: &RunConfig) -> Result<RunConfig> {
    let broken =
        |error: serde_json::Error| io_error(path, error.to_string(), "`softprompt inspect ADAPTER --json` shows all settings");
    let json: Value = serde_json::from_slice(&read(path)?).map_err(broken)?;
    let given = json.get("config").cloned().unwrap_or(json);
    // By itself first: what is wrong with the file is said of the file.
    serde_json::from_value::<RunConfig>(given.clone()).map_err(broken)?;
    let mut all = serde_json::to_value(base).map_err(broken)?;
    merge(&mut all, given);
    serde_json::from_value(all).map_err(broken)
}

/// Puts the values of one JSON object over those of another.
fn merge(below: &mut Value, above: Value) {
    match (below, above) {
        (Value::Object(below), Value::Object(above)) => {
            for (name, value) in above {
                merge(below.entry(name).or_insert(Value::Null), value);
            }
        }
        (below, above) => *below = above,
    }
}

/// A new folder on the same disk as `target`, whose files [`Unfinished::finish`] moves there. Removed when dropped and at
/// Ctrl-C.
#[derive(Debug)]
pub(crate) struct Unfinished {
    folder: PathBuf,
    target: PathBuf,
}

impl Unfinished {
    /// Makes it beside `target` with the folders above, or inside of it where it exists already.
    ///
    /// # Errors
    /// [`Error::Io`] where the system refuses.
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

    /// Where it is.
    #[must_use]
    pub(crate) fn path(&self) -> &Path {
        &self.folder
    }

    /// Writes a file into it, down to the disk.
    ///
    /// # Errors
    /// [`Error::Io`] where the system refuses.
    pub(crate) fn write(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let path = self.folder.join(name);
        let written = File::create(&path).and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()));
        written.map_err(|error| system_error(&path, &error))
    }

    /// Becomes the target: by one rename where there is no such folder yet, otherwise file by file, which also works where
    /// the target is a mounted volume and leaves other files of it alone.
    ///
    /// # Errors
    /// [`Error::Io`] where the system refuses.
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
        // Gone already where it was renamed.
        let _ = fs::remove_dir_all(&self.folder);
        interrupt::forget(&self.folder);
    }
}

/// Removes what a killed program left in `parent` more than a day ago.
pub(crate) fn remove_leftovers(parent: &Path) {
    let old = |entry: &fs::DirEntry| {
        let age = entry.metadata().and_then(|meta| meta.modified()).map(|time| time.elapsed().unwrap_or_default());
        entry.file_name().to_string_lossy().starts_with(UNFINISHED) && age.is_ok_and(|age| age > Duration::from_hours(24))
    };
    for entry in fs::read_dir(parent).into_iter().flatten().flatten().filter(old) {
        let _ = fs::remove_dir_all(entry.path());
    }
}

/// Checks that an adapter can be written to `out`, before the time is spent that it takes to train it.
///
/// # Errors
/// [`Error::Io`] where `out` is a file or a folder of something else, or the place cannot be written.
pub(crate) fn check_adapter_folder(out: &Path) -> Result<()> {
    let hint = "choose another folder with --out";
    if out.is_file() {
        return Err(io_error(out, "is a file; an adapter is a folder", hint));
    }
    if out.is_dir() && !out.join(CONFIG_FILE).is_file() {
        for entry in fs::read_dir(out).map_err(|error| system_error(out, &error))? {
            let name = entry.map_err(|error| system_error(out, &error))?.file_name();
            let name = name.to_string_lossy();
            if !name.starts_with(UNFINISHED) && !CLUTTER.contains(&&*name) {
                return Err(io_error(out, format!("is not an adapter but holds other files ({name}); left as it is"), hint));
            }
        }
    }
    Unfinished::new(out).map(drop)
}

/// Writes an adapter folder in one go, over an adapter that stands there.
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
/// [`Error::Io`] where it is a folder, or the place cannot be written.
pub(crate) fn check_file(path: &Path) -> Result<()> {
    if path.is_dir() {
        return Err(io_error(path, "is a folder, not a file", "name a file in it"));
    }
    // Made inside of `path` where that is a folder, so beside it.
    Unfinished::new(&path.with_extension("unfinished")).map(drop)
}

/// Writes one file in one go.
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

/// A path as the user may type it in a shell.
#[must_use]
pub(crate) fn shell_word(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_alphanumeric() || "-_./\\:+,@%=~".contains(c);
    if !text.is_empty() && text.chars().all(plain) { text } else { format!("\"{text}\"") }
}

/// How the user started this program, for the commands that are suggested.
#[must_use]
pub(crate) fn program() -> String {
    std::env::args_os().next().map_or_else(|| "softprompt".to_owned(), |program| shell_word(Path::new(&program)))
}

/// Reads an adapter: a folder or a zip.
///
/// # Errors
/// [`Error::Io`] where it cannot be read, [`Error::Adapter`] where it is none.
pub(crate) fn read_adapter(path: &Path) -> Result<Adapter> {
    let adapter = if path.is_dir() {
        let names = [CONFIG_FILE, TENSORS_FILE, MANIFEST_FILE].into_iter().filter(|name| path.join(name).is_file());
        let files: Result<Vec<_>> = names.map(|name| Ok((name.to_owned(), read(&path.join(name))?))).collect();
        Adapter::from_files(&files?)
    } else {
        Adapter::from_zip(&read(path)?)
    };
    adapter.map_err(|error| match error {
        Error::Adapter { problem, hint } => Error::Adapter { problem: format!("{}: {problem}", path.display()), hint },
        error => error,
    })
}
