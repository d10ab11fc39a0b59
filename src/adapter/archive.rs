//! An adapter's files as a zip, and back. Entries are stored without compression: the files are small, and a reader without
//! decompression cannot be made to unpack gigabytes.

use std::io::{Cursor, Read as _};

use zip::{CompressionMethod, ZipArchive};

use super::MAX_BYTES;
use crate::error::{Error, Result};

/// Maximum number of files in a zip.
const MAX_FILES: usize = 1000;

/// The bytes of a header, little-endian.
struct Bytes(Vec<u8>);

impl Bytes {
    fn two(&mut self, values: &[u16]) {
        values.iter().for_each(|value| self.0.extend(value.to_le_bytes()));
    }

    fn four(&mut self, values: &[u32]) {
        values.iter().for_each(|value| self.0.extend(value.to_le_bytes()));
    }
}

/// A zip of the files, in order, independent of the date and the machine. Not written with the `zip` crate, whose writer includes
/// all compression methods (60 kB of the page's download).
pub(crate) fn write(files: &[(String, Vec<u8>)]) -> Result<Vec<u8>> {
    let fault = || Error::adapter("the files are too large for a zip", "report this as a bug");
    let four = |length: usize| u32::try_from(length).map_err(|_| fault());
    let two = |length: usize| u16::try_from(length).map_err(|_| fault());
    let (mut zip, mut directory) = (Bytes(Vec::new()), Bytes(Vec::new()));
    for (name, content) in files {
        let offset = four(zip.0.len())?;
        // Version 1.0; a UTF-8 name if it is not ASCII; stored; the earliest date of the format.
        let common = [10, if name.is_ascii() { 0 } else { 1 << 11 }, 0, 0, 0x21];
        let sizes = [crc32fast::hash(content), four(content.len())?, four(content.len())?];
        let lengths = [two(name.len())?, 0];
        zip.four(&[0x0403_4B50]);
        zip.two(&common);
        zip.four(&sizes);
        zip.two(&lengths);
        zip.0.extend(name.as_bytes());
        zip.0.extend(content);
        // Made on Unix, with a file mode that everybody may read.
        directory.four(&[0x0201_4B50]);
        directory.two(&[3 << 8 | 10]);
        directory.two(&common);
        directory.four(&sizes);
        directory.two(&lengths);
        directory.two(&[0, 0, 0]);
        directory.four(&[0o100_644 << 16, offset]);
        directory.0.extend(name.as_bytes());
    }
    let (count, size, offset) = (two(files.len())?, four(directory.0.len())?, four(zip.0.len())?);
    zip.0.append(&mut directory.0);
    zip.four(&[0x0605_4B50]);
    zip.two(&[0, 0, count, count]);
    zip.four(&[size, offset]);
    zip.two(&[0]);
    Ok(zip.0)
}

/// All files of a zip.
pub(crate) fn read(bytes: &[u8]) -> Result<Vec<(String, Vec<u8>)>> {
    let wrong = |problem: String| Error::adapter(problem, "use the unchanged zip that softprompt exported");
    if bytes.len() > MAX_BYTES {
        return Err(wrong(format!("the zip has {} MiB; the limit is {}", bytes.len() >> 20, MAX_BYTES >> 20)));
    }
    let mut zip =
        ZipArchive::new(Cursor::new(bytes)).map_err(|error| wrong(format!("the file is not a zip, or is damaged: {error}")))?;
    if zip.len() > MAX_FILES {
        return Err(wrong(format!("the zip has {} files; the limit is {MAX_FILES}", zip.len())));
    }
    if zip.has_duplicate_names() {
        return Err(wrong("the zip contains a file name twice".into()));
    }
    let mut files = Vec::with_capacity(zip.len());
    let mut total = 0_u64;
    for index in 0..zip.len() {
        let entry = zip.by_index_data(index).map_err(|error| wrong(format!("the zip is damaged: {error}")))?;
        let name = entry.name().map_err(|error| wrong(format!("a file name in the zip is invalid: {error}")))?.into_owned();
        if name.contains(['/', '\\', ':']) || name.starts_with("..") || !entry.is_file() {
            return Err(wrong(format!("the zip contains {name:?}; an adapter's zip contains only files, no folders")));
        }
        if entry.encrypted() {
            return Err(wrong(format!("{name} is encrypted")));
        }
        if entry.compression() != CompressionMethod::Stored {
            return Err(wrong(format!("{name} is compressed; an adapter's zip is not")));
        }
        // A stored file is as long as its data, so it cannot be longer than the zip; together, files can only be longer if they
        // overlap.
        total = entry.size().max(entry.compressed_size()).saturating_add(total);
        if total > bytes.len() as u64 {
            return Err(wrong(format!("{name} is longer than the zip")));
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
