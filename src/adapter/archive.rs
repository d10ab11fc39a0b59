//! An adapter's files as one zip, and back. Stored, without compression: the files are small, and a reader that knows no
//! compression cannot be made to unpack gigabytes.

use std::io::{Cursor, Read as _, Write as _};

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, System, ZipArchive, ZipWriter};

use super::MAX_BYTES;
use crate::error::{Error, Result};

/// Files of the largest zip that is read.
const MAX_FILES: usize = 1000;

/// A zip of the files in their order, with nothing in it that depends on the day or the machine.
pub(crate) fn write(files: &[(String, Vec<u8>)]) -> Result<Vec<u8>> {
    let fault =
        |error: &dyn std::fmt::Display| Error::adapter(format!("the zip cannot be written: {error}"), "report this as a fault");
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Stored)
        .last_modified_time(DateTime::DEFAULT)
        .unix_permissions(0o644)
        .system(System::Unix);
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in files {
        zip.start_file(name.as_str(), options).map_err(|error| fault(&error))?;
        zip.write_all(bytes).map_err(|error| fault(&error))?;
    }
    Ok(zip.finish().map_err(|error| fault(&error))?.into_inner())
}

/// All files of a zip.
pub(crate) fn read(bytes: &[u8]) -> Result<Vec<(String, Vec<u8>)>> {
    let wrong = |problem: String| Error::adapter(problem, "give the zip that softprompt exported, as it is");
    if bytes.len() > MAX_BYTES {
        return Err(wrong(format!("the zip has {} MiB; the limit is {}", bytes.len() >> 20, MAX_BYTES >> 20)));
    }
    let mut zip =
        ZipArchive::new(Cursor::new(bytes)).map_err(|error| wrong(format!("the file is not a zip, or broken: {error}")))?;
    if zip.len() > MAX_FILES {
        return Err(wrong(format!("the zip has {} files; the limit is {MAX_FILES}", zip.len())));
    }
    if zip.has_duplicate_names() {
        return Err(wrong("the zip has a file name twice".into()));
    }
    let mut files = Vec::with_capacity(zip.len());
    let mut total = 0_u64;
    for index in 0..zip.len() {
        let entry = zip.by_index_data(index).map_err(|error| wrong(format!("the zip is broken: {error}")))?;
        let name = entry.name().map_err(|error| wrong(format!("a file name in the zip is broken: {error}")))?.into_owned();
        if name.contains(['/', '\\', ':']) || name.starts_with("..") || !entry.is_file() {
            return Err(wrong(format!("the zip has {name:?}; an adapter's zip has plain files and no folders")));
        }
        if entry.encrypted() {
            return Err(wrong(format!("{name} is encrypted")));
        }
        if entry.compression() != CompressionMethod::Stored {
            return Err(wrong(format!("{name} is compressed; an adapter's zip is not")));
        }
        // A stored file is as long as what is stored, so no file is longer than the zip; together they may be only where
        // they overlap.
        total = entry.size().max(entry.compressed_size()).saturating_add(total);
        if total > bytes.len() as u64 {
            return Err(wrong(format!("{name} is longer than the zip has bytes for")));
        }
        let mut content = Vec::new();
        zip.by_index(index)
            .map_err(|error| error.to_string())
            .and_then(|file| file.take(bytes.len() as u64).read_to_end(&mut content).map_err(|error| error.to_string()))
            .map_err(|error| wrong(format!("{name} cannot be read: {error}")))?;
        files.push((name, content));
    }
    Ok(files)
}
