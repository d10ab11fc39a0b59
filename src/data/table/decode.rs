//! Bytes -> text: byte order marks, UTF-16 and 8-bit encodings. Rejects files that are not text.

use chardetng::EncodingDetector;
use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE};

use crate::error::{Error, Result};

/// A file as text.
pub(super) struct Decoded {
    pub(super) text: String,
    /// The WHATWG name of its encoding.
    pub(super) encoding: &'static str,
    /// A note on the decoding.
    pub(super) note: Option<String>,
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
        None => unmarked(bytes),
    };
    let mut decoded = decoded;
    // Old programs mark the end of a file with it.
    if decoded.text.ends_with('\u{1A}') {
        decoded.text.pop();
    }
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
    let note = broken.then(|| format!("some bytes are not valid {} and were replaced by \u{FFFD}", encoding.name()));
    Decoded { text: text.into_owned(), encoding: encoding.name(), note }
}

fn unmarked(bytes: &[u8]) -> Decoded {
    let (mut letters, mut broken) = (0_usize, 0_usize);
    for chunk in bytes.utf8_chunks() {
        letters += chunk.valid().chars().filter(|letter| !letter.is_ascii()).count();
        broken += usize::from(!chunk.invalid().is_empty());
    }
    // A few invalid bytes among many valid characters mean a damaged UTF-8 file; text in an 8-bit encoding is hardly ever valid
    // UTF-8 by chance.
    if broken * 20 <= letters {
        return with_encoding(bytes, UTF_8);
    }
    let first = bytes.iter().position(|byte| !byte.is_ascii()).unwrap_or(0);
    let sample = &bytes[first.saturating_sub(1 << 10)..bytes.len().min(first + (1 << 20))];
    let mut detector = EncodingDetector::new();
    detector.feed(sample, true);
    with_encoding(bytes, detector.guess(None, false))
}

/// Rejects content that decodes as text but is not a table.
fn check_text(text: &str) -> Result<()> {
    if text.trim().is_empty() {
        return Err(Error::data("the file contains only white space", GIVE_A_TABLE));
    }
    if text.contains('\0') {
        return Err(Error::data("this is a binary file, not a table: it contains NUL bytes", GIVE_A_TABLE));
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
