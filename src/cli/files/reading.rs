//! Reads files: no more of each than it may have, since a device or a pipe may have no end.

use std::fs::{self, File};
use std::io::{Cursor, Read};
use std::path::Path;

use serde_json::Value;
use zip::ZipArchive;

use super::{io_error, system_error};
use crate::adapter::{Adapter, CONFIG_FILE, MANIFEST_FILE, TENSORS_FILE};
use crate::config::RunConfig;
use crate::data::table::LARGEST_FILE;
use crate::error::{Error, Result};

/// The first bytes of a zip.
const ZIP: &[u8] = b"PK\x03\x04";

/// How much of a file is read at most, and what to do if it has more.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limit {
    megabytes: u64,
    hint: &'static str,
}

impl Limit {
    /// Of data files, as [`crate::data::table`] has it.
    pub(crate) const TABLE: Self = Self::new(
        (LARGEST_FILE / 1_000_000) as u64,
        "use fewer rows, or only the text column and the label column; several smaller files can be given as one",
    );
    /// Of an adapter's files and zips.
    pub(crate) const ADAPTER: Self = Self::new(300, "give an adapter: a folder or a zip that softprompt exported");
    /// Of settings and results of comparisons.
    pub(crate) const JSON: Self = Self::new(100, "give a JSON file that softprompt wrote");
    /// Of checkpoints: the state of the largest prompt that can be trained.
    pub(crate) const CHECKPOINT: Self = Self::new(4000, "remove it to start from the beginning");
    /// Of an encoder's files.
    pub(crate) const ENCODER: Self = Self::new(16_000, "use a smaller encoder");

    const fn new(megabytes: u64, hint: &'static str) -> Self {
        Self { megabytes, hint }
    }
}

/// Reads a whole file.
///
/// # Errors
/// [`Error::Io`] if it is missing, a folder, unreadable, or larger than the limit.
pub(crate) fn read(path: &Path, Limit { megabytes, hint }: Limit) -> Result<Vec<u8>> {
    // On some systems, reading a folder gives a misleading error.
    if path.is_dir() {
        return Err(io_error(path, "is a folder, not a file", "give a file"));
    }
    let system = |error| system_error(path, &error);
    let file = File::open(path).map_err(system)?;
    let (most, about) = (megabytes * 1_000_000, file.metadata().map_err(system)?);
    if about.is_file() && about.len() > most {
        return Err(io_error(path, format!("has {} MB; the limit is {megabytes} MB", about.len() / 1_000_000), hint));
    }
    let mut bytes = Vec::with_capacity(if about.is_file() { about.len() as usize } else { 0 });
    file.take(most + 1).read_to_end(&mut bytes).map_err(system)?;
    if bytes.len() as u64 > most {
        return Err(io_error(path, format!("does not end within {megabytes} MB, which is the limit"), hint));
    }
    Ok(bytes)
}

/// Paths of the files in a folder and a few levels below it, separated by `/`. An encoder may be in a subfolder of a sentence
/// encoder, or in a snapshot of the hub's own cache.
///
/// # Errors
/// [`Error::Io`] if the folder cannot be read.
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

/// A [`RunConfig`] from JSON: the settings alone, or a file that has them under `config`, such as an adapter's `softprompt.json`.
///
/// # Errors
/// [`Error::Io`] if it cannot be read or has an unknown setting.
pub(crate) fn read_config(path: &Path) -> Result<RunConfig> {
    read_config_over(path, &RunConfig::default())
}

/// The same, on top of other settings: those that the file leaves out are taken from `base`.
///
/// # Errors
/// As [`read_config`].
pub(crate) fn read_config_over(path: &Path, base: &RunConfig) -> Result<RunConfig> {
    let broken =
        |error: serde_json::Error| io_error(path, error.to_string(), "`softprompt inspect ADAPTER --json` shows all settings");
    let json: Value = serde_json::from_slice(&read(path, Limit::JSON)?).map_err(broken)?;
    let given = json.get("config").cloned().unwrap_or(json);
    // First without the base, so that errors refer to the file.
    serde_json::from_value::<RunConfig>(given.clone()).map_err(broken)?;
    let mut all = serde_json::to_value(base).map_err(broken)?;
    merge(&mut all, given);
    serde_json::from_value(all).map_err(broken)
}

/// Overwrites the values of one JSON object with those of another.
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

/// Reads an adapter: a folder or a zip.
///
/// # Errors
/// [`Error::Io`] if it cannot be read, [`Error::Adapter`] if it is not an adapter.
pub(crate) fn read_adapter(path: &Path) -> Result<Adapter> {
    let adapter = if path.is_dir() {
        let names = [CONFIG_FILE, TENSORS_FILE, MANIFEST_FILE].into_iter().filter(|name| path.join(name).is_file());
        let files: Result<Vec<_>> = names.map(|name| Ok((name.to_owned(), read(&path.join(name), Limit::ADAPTER)?))).collect();
        Adapter::from_files(&files?)
    } else {
        zipped_adapter(path, &read(path, Limit::ADAPTER)?)
    };
    adapter.map_err(|error| match error {
        Error::Adapter { problem, hint } => Error::Adapter { problem: format!("{}: {problem}", path.display()), hint },
        error => error,
    })
}

/// What a zip is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Zipped {
    /// An adapter.
    Adapter,
    /// A damaged zip.
    Damaged,
    /// A workbook.
    Workbook,
    /// Something else, with the names of its files.
    Other(Vec<String>),
}

/// What a file is, if it is a zip.
#[must_use]
pub(crate) fn zipped(bytes: &[u8]) -> Option<Zipped> {
    if !bytes.starts_with(ZIP) {
        return None;
    }
    let Ok(zip) = ZipArchive::new(Cursor::new(bytes)) else { return Some(Zipped::Damaged) };
    let names: Vec<String> =
        zip.file_names().filter_map(|name| Some(name.ok()?.into_owned())).filter(|name| !name.ends_with('/')).collect();
    let has = |wanted: &str| names.iter().any(|name| name == wanted || name.ends_with(&format!("/{wanted}")));
    Some(match () {
        () if has(CONFIG_FILE) || has(TENSORS_FILE) => Zipped::Adapter,
        () if has("xl/workbook.xml") => Zipped::Workbook,
        () => Zipped::Other(names),
    })
}

/// The error for a zip of other files: what it holds, and what to do.
#[must_use]
pub(crate) fn other_zip(path: &Path, names: &[String]) -> Error {
    /// Names that are listed.
    const LISTED: usize = 5;
    let mut list = names.iter().take(LISTED).map(String::as_str).collect::<Vec<_>>().join(", ");
    if names.len() > LISTED {
        list += &format!(" and {} more", names.len() - LISTED);
    }
    let problem = match names {
        [] => "is a zip without files".to_owned(),
        _ => format!("is a zip of other files ({list}), not an adapter"),
    };
    io_error(path, problem, "unpack it and give the table inside, or give the zip of an adapter")
}

fn zipped_adapter(path: &Path, bytes: &[u8]) -> Result<Adapter> {
    match zipped(bytes) {
        Some(Zipped::Other(names)) => Err(other_zip(path, &names)),
        _ => Adapter::from_zip(bytes),
    }
}
