//! Bytes -> text: byte order marks, UTF-16 and 8-bit encodings. Rejects files that are not text.

use encoding_rs::{Encoding, UTF_16BE, UTF_16LE};

use super::rows_have;
use crate::error::{Error, Result};

mod guess;

/// Number of NUL bytes that are replaced in any file.
const FEW_NULS: usize = 3;
/// Number of bytes for each NUL byte from which they are few.
const NULS: usize = 200;

/// A file as text.
pub(super) struct Decoded {
    pub(super) text: String,
    /// The WHATWG name of its encoding.
    pub(super) encoding: &'static str,
    /// Notes on the decoding.
    pub(super) notes: Vec<String>,
}

/// Signatures of file types that are mistaken for tables: first bytes, description, hint.
const SIGNATURES: &[(&[u8], &str, &str)] = &[
    (b"\xD0\xCF\x11\xE0", "an old Excel or Word file (.xls, .doc)", SAVE_AS_CSV),
    (b"\x89PNG", "a PNG image", GIVE_A_TABLE),
    (b"\xFF\xD8\xFF", "a JPEG image", GIVE_A_TABLE),
    (b"GIF87a", "a GIF picture", GIVE_A_TABLE),
    (b"GIF89a", "a GIF picture", GIVE_A_TABLE),
    (b"%PDF-", "a PDF document", GIVE_A_TABLE),
    (b"{\\rtf", "an RTF document", GIVE_A_TABLE),
    (b"\x1F\x8B", "a gzip archive", UNPACK),
    (b"\x28\xB5\x2F\xFD", "a zstd archive", UNPACK),
    (b"\xFD7zXZ\x00", "an xz archive", UNPACK),
    (b"BZh91AY&SY", "a bzip2 archive", UNPACK),
    (b"7z\xBC\xAF", "a 7z archive", UNPACK),
    (b"SQLite format 3\0", "an SQLite database", EXPORT),
    (b"PAR1", "a Parquet file", EXPORT),
    (b"ARROW1\0\0", "an Arrow file", EXPORT),
    (b"\x93NUMPY", "a NumPy array", EXPORT),
    (b"\x7FELF", "a program", GIVE_A_TABLE),
    (b"MZ\x90\0", "a program", GIVE_A_TABLE),
    (b"\xCA\xFE\xBA\xBE", "a program", GIVE_A_TABLE),
    (b"\xCF\xFA\xED\xFE", "a program", GIVE_A_TABLE),
    (b"OggS\0", "a sound file", GIVE_A_TABLE),
    (b"ID3\x03", "a sound file", GIVE_A_TABLE),
    (b"ID3\x04", "a sound file", GIVE_A_TABLE),
    (b"GGUF\x03\0", "the weights of a model", GIVE_A_TABLE),
    (b"\x80\x04\x95", "a Python pickle", EXPORT),
    (b"\x89HDF\r\n", "an HDF5 file", EXPORT),
];

const SAVE_AS_CSV: &str = "open it in the spreadsheet program and save it as .xlsx or as \"CSV UTF-8\"";
const GIVE_A_TABLE: &str = "give a table (CSV, TSV, JSONL or XLSX) with a text and a label in each row";
const UNPACK: &str = "unpack it and give the table inside";
const EXPORT: &str = "export the table as CSV";

/// The file as text.
///
/// # Errors
/// [`Error::Data`] for an empty file and for a file that is not a table; the message names its type.
pub(super) fn decode(bytes: &[u8]) -> Result<Decoded> {
    if bytes.is_empty() {
        return Err(Error::data("the file is empty", GIVE_A_TABLE));
    }
    if let Some((what, hint)) = signature(bytes) {
        return Err(Error::data(format!("this is {what}, not a table"), hint));
    }
    let decoded = match Encoding::for_bom(bytes).or_else(|| utf16_without_mark(bytes).map(|encoding| (encoding, 0))) {
        Some((encoding, mark)) => with_encoding(&bytes[mark..], encoding),
        None => guess::decode(bytes),
    };
    let mut decoded = decoded;
    // Old programs mark the end of a file with it.
    if decoded.text.ends_with('\u{1A}') {
        decoded.text.pop();
    }
    without_marks(&mut decoded);
    without_nuls(&mut decoded)?;
    check_text(&decoded.text)?;
    Ok(decoded)
}

fn signature(bytes: &[u8]) -> Option<(&'static str, &'static str)> {
    if bytes.starts_with(b"PK\x03\x04") || bytes.starts_with(b"PK\x05\x06") {
        let has = |name: &[u8]| bytes.windows(name.len()).any(|window| window == name);
        return Some(if has(b"xl/workbook") {
            ("a binary Excel workbook (.xlsb)", SAVE_AS_CSV)
        } else if has(b"opendocument.spreadsheet") {
            ("an OpenDocument spreadsheet (.ods)", SAVE_AS_CSV)
        } else if has(b"word/document") {
            ("a Word document (.docx)", GIVE_A_TABLE)
        } else {
            ("a zip archive", UNPACK)
        });
    }
    // A text may begin with "PAR1", but a Parquet file also ends with it.
    let found = SIGNATURES.iter().find(|(start, ..)| bytes.starts_with(start) && (*start != b"PAR1" || bytes.ends_with(b"PAR1")));
    found.map(|(_, what, hint)| (*what, *hint))
}

/// UTF-16 of mostly Latin text has a NUL in every second byte, always on the same side.
fn utf16_without_mark(bytes: &[u8]) -> Option<&'static Encoding> {
    let sample = &bytes[..bytes.len().min(4096) & !1];
    let nuls = |side: usize| sample.iter().skip(side).step_by(2).filter(|&&byte| byte == 0).count();
    let (even, odd, pairs) = (nuls(0), nuls(1), sample.len() / 2);
    if pairs >= 4 && even == 0 && odd * 10 >= pairs * 7 {
        Some(UTF_16LE)
    } else if pairs >= 4 && odd == 0 && even * 10 >= pairs * 7 {
        Some(UTF_16BE)
    } else {
        None
    }
}

fn with_encoding(bytes: &[u8], encoding: &'static Encoding) -> Decoded {
    let (text, broken) = encoding.decode_without_bom_handling(bytes);
    let notes = broken.then(|| format!("some bytes are not valid {} and were replaced by \u{FFFD}", encoding.name()));
    Decoded { text: text.into_owned(), encoding: encoding.name(), notes: notes.into_iter().collect() }
}

/// Removes byte order marks at the beginnings of lines, which remain where files were put under one another.
fn without_marks(decoded: &mut Decoded) {
    if !decoded.text.contains('\u{FEFF}') {
        return;
    }
    decoded.text = decoded.text.split_inclusive(['\n', '\r']).map(|line| line.trim_start_matches('\u{FEFF}')).collect();
}

/// Replaces a few NUL characters.
///
/// # Errors
/// [`Error::Data`] for many of them, or one at the beginning, as in binary files.
fn without_nuls(decoded: &mut Decoded) -> Result<()> {
    let nuls = decoded.text.matches('\0').count();
    if nuls == 0 {
        return Ok(());
    }
    let bare = decoded.text.trim_end_matches(['\0', '\n', '\r']).len();
    let inside = decoded.text[..bare].matches('\0').count();
    let begins = decoded.text.chars().take(8).any(|letter| letter == '\0');
    if begins || (inside > FEW_NULS && inside * NULS > decoded.text.len()) {
        return Err(Error::data("this is a binary file, not a table: it contains NUL bytes", GIVE_A_TABLE));
    }
    let rows: Vec<u64> =
        numbered(&decoded.text[..bare]).filter(|(line, _)| line.contains('\0')).map(|(_, number)| number).collect();
    if inside < nuls {
        decoded.text.truncate(bare);
        decoded.notes.push(format!("the NUL bytes at the end of the file ({}) are left out", nuls - inside));
    }
    if inside > 0 {
        decoded.text = decoded.text.replace('\0', "\u{FFFD}");
        decoded.notes.push(format!("{} NUL bytes ({inside} in all), which were replaced by \u{FFFD}", lines_have(&rows)));
    }
    Ok(())
}

/// The lines of a text with their numbers, with any of the three line endings.
fn numbered(text: &str) -> impl Iterator<Item = (&str, u64)> {
    let end = if text.contains('\n') { '\n' } else { '\r' };
    text.split(end).zip(1..)
}

/// `1 line (5) has`, `3 lines (2, 5, 9) have`.
fn lines_have(lines: &[u64]) -> String {
    rows_have(lines).replacen("row", "line", 1)
}

/// Rejects content that decodes as text but is not a table.
fn check_text(text: &str) -> Result<()> {
    if text.trim().is_empty() {
        return Err(Error::data("the file contains only white space", GIVE_A_TABLE));
    }
    let control =
        text.chars().filter(|c| c.is_ascii_control() && !matches!(c, '\t' | '\n' | '\r' | '\x0B' | '\x0C' | '\x1A')).count();
    if control > 8 && control * 50 > text.len() {
        return Err(Error::data("this is a binary file, not a table: it contains many control characters", GIVE_A_TABLE));
    }
    let head: String = text.chars().filter(|c| !c.is_whitespace()).take(9).collect::<String>().to_ascii_lowercase();
    if head.starts_with("<html") || head.starts_with("<!doctype") || head.starts_with("<?xml") {
        return Err(Error::data("this is a web page or XML, not a table", GIVE_A_TABLE));
    }
    Ok(())
}
