//! XLSX -> records: the first sheet with content, read by `calamine` after the zip around it was measured.

use std::io::{Cursor, Read};

use calamine::{DataRef, ExcelDateTime, Reader, SheetType, SheetVisible, Xlsx};
use csv::StringRecord;
use zip::ZipArchive;

use super::{Format, Records, limits};
use crate::error::{Error, Result};

/// Parts of the largest workbook that is read.
const MOST_PARTS: usize = 10_000;
/// Bytes in which the table of texts must have said how many it holds.
const HEAD: usize = 1 << 12;
const HINT: &str = "open it in the spreadsheet program and save it again, as .xlsx or as \"CSV UTF-8\"";

/// Is it a workbook in a zip?
pub(super) fn is_workbook(bytes: &[u8]) -> bool {
    let has = |name: &[u8]| bytes.windows(name.len()).any(|window| window == name);
    bytes.starts_with(b"PK\x03\x04") && has(b"xl/workbook") && !has(b"xl/workbook.bin")
}

/// The first visible sheet with content.
///
/// # Errors
/// [`Error::Data`] for a workbook that is broken, protected by a password, larger than what is taken when it is unpacked, or
/// empty.
pub(super) fn read(bytes: &[u8]) -> Result<Records> {
    measure(bytes)?;
    let mut workbook: Xlsx<_> = Xlsx::new(Cursor::new(bytes)).map_err(|error| broken(&error))?;
    let sheets: Vec<_> = workbook.sheets_metadata().to_vec();
    let mut tables = sheets.iter().filter(|sheet| sheet.typ == SheetType::WorkSheet);
    // Visible ones first: what the user sees is what the user means.
    let visible = tables.clone().filter(|sheet| sheet.visible == SheetVisible::Visible);
    let hidden = tables.by_ref().filter(|sheet| sheet.visible != SheetVisible::Visible);
    for sheet in visible.chain(hidden) {
        let (records, rows, width) = sheet_records(&mut workbook, &sheet.name)?;
        if records.is_empty() {
            continue;
        }
        let others = sheets.len() - 1;
        let note = (others > 0).then(|| format!("only the sheet `{}` is read; the workbook has {others} more", sheet.name));
        return Ok(Records {
            records,
            rows,
            width,
            header: None,
            format: Format::Xlsx,
            encoding: encoding_rs::UTF_8.name(),
            separator: b',',
            quoting: true,
            notes: note.into_iter().collect(),
        });
    }
    Err(Error::data("the workbook is empty", "give a sheet with a text and a label in each row"))
}

fn broken(error: &dyn std::fmt::Display) -> Error {
    Error::data(format!("the workbook is damaged: {error}"), HINT)
}

/// Unpacks every part of the workbook that is read, into nothing, to know how large it is: what its zip says about that need not
/// be true.
fn measure(bytes: &[u8]) -> Result<()> {
    let large = || {
        Error::data(
            format!(
                "the workbook has more than {} MB when it is unpacked, which is the most that is taken",
                limits::BYTES / 1_000_000
            ),
            "give only the sheet with the texts, or save it as CSV",
        )
    };
    let mut zip = ZipArchive::new(Cursor::new(bytes)).map_err(|error| broken(&error))?;
    if zip.len() > MOST_PARTS {
        return Err(broken(&format!("it has {} parts", zip.len())));
    }
    let is_read = |name: &str| {
        let name = name.to_ascii_lowercase();
        name.ends_with(".xml") || name.ends_with(".rels")
    };
    let mut said = 0_u64;
    let mut parts = Vec::new();
    for index in 0..zip.len() {
        let entry = zip.by_index_data(index).map_err(|error| broken(&error))?;
        if entry.encrypted() {
            return Err(Error::data("the workbook is protected by a password", "save it without one"));
        }
        let name = entry.name().map_err(|error| broken(&error))?.into_owned();
        if is_read(&name) {
            said = said.saturating_add(entry.size());
            parts.push((index, name));
        }
    }
    let mut left = limits::BYTES as u64;
    if said > left {
        return Err(large());
    }
    let mut buffer = vec![0; 1 << 16];
    for (index, name) in parts {
        let mut entry = zip.by_index(index).map_err(|error| broken(&error))?;
        let mut head: Vec<u8> = Vec::new();
        loop {
            let read = entry.read(&mut buffer).map_err(|error| broken(&format!("{name}: {error}")))?;
            if read == 0 {
                break;
            }
            left = left.checked_sub(read as u64).ok_or_else(large)?;
            head.extend_from_slice(&buffer[..read.min(HEAD - head.len())]);
        }
        if name.to_ascii_lowercase().ends_with("sharedstrings.xml") {
            check_count(&head, entry.size())?;
        }
    }
    Ok(())
}

/// The table of texts says how many it has, and as many are made room for: not more than there are bytes.
fn check_count(head: &[u8], size: u64) -> Result<()> {
    let text = String::from_utf8_lossy(head);
    let mut rest = text.trim_start_matches('\u{feff}').trim_start();
    for (open, close) in [("<?", "?>"), ("<!--", "-->")] {
        while let Some((_, behind)) = rest.strip_prefix(open).and_then(|rest| rest.split_once(close)) {
            rest = behind.trim_start();
        }
    }
    let tag = rest.strip_prefix('<').and_then(|rest| rest.split_once('>')).map(|(tag, _)| tag);
    let Some(tag) =
        tag.filter(|tag| tag.split_whitespace().next().is_some_and(|name| name.trim_end_matches('/').ends_with("sst")))
    else {
        return Err(broken(&"its table of texts does not begin like one"));
    };
    for rest in tag.split("uniqueCount").skip(1) {
        let digits = rest.trim_start_matches(|c: char| c.is_whitespace() || matches!(c, '=' | '"' | '\'' | '+'));
        let digits = &digits[..digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len())];
        if !digits.is_empty() && !digits.parse::<u64>().is_ok_and(|count| count <= size) {
            return Err(broken(&"it says that it has more texts than it has bytes"));
        }
    }
    Ok(())
}

/// Records, their rows and the number of columns. Empty columns on the left are left out.
fn sheet_records(workbook: &mut Xlsx<Cursor<&[u8]>>, sheet: &str) -> Result<(Vec<StringRecord>, Vec<u64>, usize)> {
    let mut reader = workbook.worksheet_cells_reader(sheet).map_err(|error| broken(&error))?;
    let mut cells: Vec<(u32, u32, String)> = Vec::new();
    while let Some(cell) = reader.next_cell().map_err(|error| broken(&error))? {
        let (row, column) = cell.get_position();
        if let Some(text) = shown(cell.get_value()).filter(|text| !text.is_empty()) {
            cells.push((row, column, text));
            limits::cells(1, cells.len())?;
        }
    }
    // Nobody writes them in another order, but a file can have any.
    cells.sort_by_key(|&(row, column, _)| (row, column));
    let left = cells.iter().map(|&(_, column, _)| column).min().unwrap_or(0);
    let width = cells.iter().map(|&(_, column, _)| (column - left) as usize + 1).max().unwrap_or(0);
    let count = cells.chunk_by(|a, b| a.0 == b.0).count();
    limits::cells(count, width)?;
    let (mut records, mut rows) = (Vec::with_capacity(count), Vec::with_capacity(count));
    for line in cells.chunk_by(|a, b| a.0 == b.0) {
        let mut record = vec![""; width];
        for (_, column, text) in line {
            record[(column - left) as usize] = text;
        }
        records.push(StringRecord::from(record));
        rows.push(u64::from(line[0].0) + 1);
    }
    Ok((records, rows, width))
}

/// A cell as a spreadsheet shows it, but for formats of its own: dates are ISO 8601, numbers have up to 15 digits.
fn shown(cell: &DataRef<'_>) -> Option<String> {
    Some(match cell {
        DataRef::Empty => return None,
        DataRef::Int(value) => value.to_string(),
        DataRef::Float(value) => number(*value),
        DataRef::String(text) => text.clone(),
        DataRef::SharedString(text) => (*text).to_owned(),
        DataRef::Bool(value) => if *value { "TRUE" } else { "FALSE" }.to_owned(),
        DataRef::DateTime(value) => date(value),
        DataRef::DateTimeIso(text) | DataRef::DurationIso(text) => text.clone(),
        DataRef::Error(error) => error.to_string(),
    })
}

/// 1 and not 1.0, 0.3 and not 0.30000000000000004.
pub(super) fn number(value: f64) -> String {
    format!("{value:.14e}").parse::<f64>().unwrap_or(value).to_string()
}

fn date(value: &ExcelDateTime) -> String {
    let (year, month, day, hour, minute, second, _) = value.to_ymd_hms_milli();
    if value.is_duration() {
        let seconds = (value.as_f64() * 86_400.0).round();
        let (sign, seconds) = if seconds < 0.0 { ("-", -seconds as u64) } else { ("", seconds as u64) };
        return format!("{sign}{}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
    }
    let time = format!("{hour:02}:{minute:02}:{second:02}");
    match () {
        // A time of the day alone.
        () if (0.0..1.0).contains(&value.as_f64()) => time,
        () if (hour, minute, second) == (0, 0, 0) => format!("{year:04}-{month:02}-{day:02}"),
        () => format!("{year:04}-{month:02}-{day:02} {time}"),
    }
}
