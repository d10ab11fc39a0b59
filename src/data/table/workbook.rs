//! XLSX -> records: a sheet, or the first one that looks like a table, read by `calamine` after the zip has been measured.

use std::io::{Cursor, Read};

use calamine::{DataRef, ExcelDateTime, Reader, SheetType, SheetVisible, Xlsx};
use csv::StringRecord;
use zip::ZipArchive;

use super::records::{Names, Records};
use super::{Format, limits, rows_are, rows_have};
use crate::error::{Error, Result};

mod markup;

/// Maximum number of parts of a workbook.
const MOST_PARTS: usize = 10_000;
/// Number of bytes within which the shared strings table must state its length.
const HEAD: usize = 1 << 12;
/// Minimum number of rows of a sheet that looks like a table of texts and labels.
const FEWEST_ROWS: usize = 5;
/// Maximum number of sheets among which it is looked for.
const MOST_SHEETS: usize = 20;
const HINT: &str = "open it in a spreadsheet program and save it again, as .xlsx or as \"CSV UTF-8\"";

/// Whether the file is a workbook.
pub(super) fn is_workbook(bytes: &[u8]) -> bool {
    let has = |name: &[u8]| bytes.windows(name.len()).any(|window| window == name);
    bytes.starts_with(b"PK\x03\x04") && (has(b"xl/workbook") || has(b"xl/worksheets")) && !has(b"xl/workbook.bin")
}

/// Whether a workbook has a sheet with this name.
pub(super) fn has_sheet(bytes: &[u8], name: &str) -> bool {
    find(&sheets(bytes), name).is_some()
}

/// The names of a workbook's sheets; none for other files, and for a workbook that cannot be read.
pub(super) fn sheets(bytes: &[u8]) -> Vec<String> {
    if !is_workbook(bytes) || measure(bytes).is_err() {
        return Vec::new();
    }
    Xlsx::new(Cursor::new(bytes)).map_or_else(|_| Vec::new(), |workbook: Xlsx<_>| sheet_names(&workbook))
}

fn sheet_names(workbook: &Xlsx<Cursor<&[u8]>>) -> Vec<String> {
    let sheets = workbook.sheets_metadata().iter().filter(|sheet| sheet.typ == SheetType::WorkSheet);
    sheets.map(|sheet| sheet.name.clone()).collect()
}

/// The name as in the workbook: the same, otherwise ignoring case and surrounding white space.
fn find<'a>(names: &'a [String], name: &str) -> Option<&'a String> {
    let folded = |name: &str| name.trim().to_lowercase();
    names.iter().find(|other| *other == name).or_else(|| names.iter().find(|other| folded(other) == folded(name)))
}

/// The sheet with this name; otherwise the first visible one that looks like a table of texts and labels, or the first with content.
///
/// # Errors
/// [`Error::Data`] for a workbook that is damaged, protected by a password, too large when unpacked, or empty, and for a sheet
/// that does not exist or is empty.
pub(super) fn read(bytes: &[u8], wanted: Option<&str>) -> Result<Records> {
    measure(bytes)?;
    let mut workbook: Xlsx<_> = Xlsx::new(Cursor::new(bytes)).map_err(|error| broken(&error))?;
    let sheets: Vec<_> = workbook.sheets_metadata().to_vec();
    let names = sheet_names(&workbook);
    let wanted = match wanted {
        Some(name) => Some(find(&names, name).ok_or_else(|| {
            Error::data(format!("the workbook has no sheet `{name}`"), format!("its sheets are {}", listing(names.iter())))
        })?),
        None => None,
    };
    let tables =
        sheets.iter().filter(|sheet| sheet.typ == SheetType::WorkSheet && wanted.is_none_or(|wanted| sheet.name == *wanted));
    // Visible sheets first: they are what the user sees.
    let visible = tables.clone().filter(|sheet| sheet.visible == SheetVisible::Visible);
    let hidden = tables.filter(|sheet| sheet.visible != SheetVisible::Visible);
    let seen: Vec<_> = visible.clone().collect();
    let Choice { sheet: mut chosen, passed } = match wanted {
        None if seen.len() > 1 => table_sheet(&mut workbook, bytes, &sheets, &seen),
        _ => Choice::default(),
    };
    let first: Vec<_> =
        seen.iter().copied().filter(|sheet| chosen.as_ref().is_some_and(|(name, _)| *name == sheet.name)).collect();
    for sheet in first.into_iter().chain(visible).chain(hidden) {
        let place = sheets.iter().position(|other| other.name == sheet.name).unwrap_or(0);
        let markup = markup::of(bytes, place);
        let Sheet { records, rows, width, merged } = match chosen.take() {
            Some((_, found)) => found,
            None => sheet_records(&mut workbook, &sheet.name, markup.merged)?,
        };
        if records.is_empty() {
            continue;
        }
        let mut read = Records::new(records, rows, Names::Unknown, Format::Xlsx);
        read.width = width;
        let others = || names.iter().filter(|name| **name != sheet.name);
        if others().next().is_some() {
            let count = others().count();
            let (noun, verb) = if count == 1 { ("sheet", "is") } else { ("sheets", "are") };
            let why = match passed.as_slice() {
                [] => String::new(),
                [one] => format!(" (`{one}`, which is before it, does not look like a table of texts and labels)"),
                _ => format!(" ({}, which are before it, do not look like tables of texts and labels)", listing(passed.iter())),
            };
            let list = listing(others());
            read.notes.push(format!(
                "only the sheet `{}` is read; the {noun} {list} {verb} not{why}; --sheet selects another one",
                sheet.name
            ));
        }
        let among = |numbers: &[u64]| -> Vec<u64> {
            numbers.iter().copied().filter(|number| read.rows.binary_search(number).is_ok()).collect()
        };
        let (hidden, uncomputed) = (among(&markup.hidden), among(&markup.uncomputed));
        if !hidden.is_empty() {
            read.notes
                .push(format!("{} hidden in the sheet, manually or by a filter; hidden rows are also read", rows_are(&hidden)));
        }
        if !uncomputed.is_empty() {
            let rows = rows_have(&uncomputed);
            read.notes.push(format!(
                "{rows} formulas whose values are not in the file: open it in a spreadsheet program and save it again"
            ));
        }
        if !merged.is_empty() {
            read.notes.push(format!("{} cells that are merged with the cell above and get its value", rows_have(&merged)));
        }
        read.sheet = Some(sheet.name.clone());
        read.sheets = names;
        return Ok(read);
    }
    let what = wanted.map_or_else(|| "the workbook is empty".to_owned(), |name| format!("the sheet `{name}` is empty"));
    Err(Error::data(what, "give a sheet with a text and a label in each row"))
}

/// Which sheet to read.
#[derive(Default)]
struct Choice {
    /// Its name and content; `None` for the first sheet with content.
    sheet: Option<(String, Sheet)>,
    /// Names of sheets with content before it.
    passed: Vec<String>,
}

/// The first sheet that looks like a table of texts and labels: a sheet that explains the file is often before it.
fn table_sheet(
    workbook: &mut Xlsx<Cursor<&[u8]>>,
    bytes: &[u8],
    sheets: &[calamine::Sheet],
    candidates: &[&calamine::Sheet],
) -> Choice {
    let mut passed = Vec::new();
    for sheet in candidates.iter().take(MOST_SHEETS) {
        let place = sheets.iter().position(|other| other.name == sheet.name).unwrap_or(0);
        // A sheet that cannot be read is an error only where it is the one to read.
        let Ok(found) = sheet_records(workbook, &sheet.name, markup::of(bytes, place).merged) else { continue };
        if looks_like_table(&found) {
            return Choice { sheet: Some((sheet.name.clone(), found)), passed };
        }
        if !found.records.is_empty() {
            passed.push(sheet.name.clone());
        }
    }
    Choice::default()
}

/// Whether a column repeats its values, as labels do, and another one mostly differs.
fn looks_like_table(sheet: &Sheet) -> bool {
    let columns: Vec<(usize, usize)> = (0..sheet.width)
        .map(|column| {
            let cells =
                || sheet.records.iter().filter_map(move |record| record.get(column)).filter(|cell| !cell.trim().is_empty());
            (cells().count(), cells().collect::<std::collections::HashSet<_>>().len())
        })
        .collect();
    let most = sheet.records.len();
    let full = |count: usize| count >= FEWEST_ROWS && count * 2 >= most;
    let label =
        columns.iter().position(|&(count, distinct)| full(count) && (3..=count).contains(&distinct) && distinct * 3 <= count * 2);
    label.is_some_and(|label| {
        columns.iter().enumerate().any(|(at, &(count, distinct))| at != label && full(count) && distinct * 2 > count)
    })
}

fn listing<'a>(names: impl Iterator<Item = &'a String>) -> String {
    let names: Vec<&String> = names.collect();
    let mut list: Vec<String> = names.iter().take(5).map(|name| format!("`{name}`")).collect();
    if names.len() > 5 {
        list.push(format!("{} more", names.len() - 5));
    }
    list.join(", ")
}

fn broken(error: &dyn std::fmt::Display) -> Error {
    Error::data(format!("the workbook is damaged: {error}"), HINT)
}

/// Decompresses every part of the workbook that is read and discards the result, to measure its size: the sizes stated in the zip
/// need not be true.
fn measure(bytes: &[u8]) -> Result<()> {
    let large = || {
        Error::data(
            format!("the workbook has more than {} MB when it is unpacked, which is the limit", limits::BYTES / 1_000_000),
            "use a workbook with only the sheet of the texts, or save it as CSV",
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
        let (mut head, mut length) = (Vec::new(), 0);
        loop {
            let read = entry.read(&mut buffer).map_err(|error| broken(&format!("{name}: {error}")))?;
            if read == 0 {
                break;
            }
            left = left.checked_sub(read as u64).ok_or_else(large)?;
            length += read as u64;
            head.extend_from_slice(&buffer[..read.min(HEAD - head.len())]);
        }
        if name.to_ascii_lowercase().ends_with("sharedstrings.xml") {
            check_count(&head, length)?;
        }
    }
    Ok(())
}

/// The shared strings table states its length, and memory is reserved for it: not more than it has bytes.
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
        return Err(broken(&"its shared strings table is malformed"));
    };
    for rest in tag.split("uniqueCount").skip(1) {
        let digits = rest.trim_start_matches(|c: char| c.is_whitespace() || matches!(c, '=' | '"' | '\'' | '+'));
        let digits = &digits[..digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len())];
        if !digits.is_empty() && !digits.parse::<u64>().is_ok_and(|count| count <= size) {
            return Err(broken(&"its shared strings table states more texts than it has bytes"));
        }
    }
    Ok(())
}

/// The non-empty rows of a sheet.
struct Sheet {
    records: Vec<StringRecord>,
    /// Row number of each record.
    rows: Vec<u64>,
    /// Number of columns.
    width: usize,
    /// Rows with a cell that got the value of its merged region.
    merged: Vec<u64>,
}

/// The rows of a sheet. Empty columns on the left are left out; with vertically merged cells, each row gets the value.
fn sheet_records(workbook: &mut Xlsx<Cursor<&[u8]>>, sheet: &str, merged: bool) -> Result<Sheet> {
    let mut reader = workbook.worksheet_cells_reader(sheet).map_err(|error| broken(&error))?;
    let mut cells: Vec<(u32, u32, String)> = Vec::new();
    while let Some(cell) = reader.next_cell().map_err(|error| broken(&error))? {
        let (row, column) = cell.get_position();
        if let Some(text) = shown(cell.get_value()).filter(|text| !text.is_empty()) {
            cells.push((row, column, text));
            limits::filled(cells.len())?;
        }
    }
    drop(reader);
    // Rows are usually in order, but a file may have any order.
    cells.sort_by_key(|&(row, column, _)| (row, column));
    let left = cells.iter().map(|&(_, column, _)| column).min().unwrap_or(0);
    let width = cells.iter().map(|&(_, column, _)| (column - left) as usize + 1).max().unwrap_or(0);
    let count = cells.chunk_by(|a, b| a.0 == b.0).count();
    limits::cells(count, width)?;
    let mut lines: Vec<(u32, Vec<&str>)> = Vec::with_capacity(count);
    for line in cells.chunk_by(|a, b| a.0 == b.0) {
        let mut record = vec![""; width];
        for (_, column, text) in line {
            record[(column - left) as usize] = text;
        }
        lines.push((line[0].0, record));
    }
    let mut filled = Vec::new();
    if merged {
        let regions = workbook.merge_cells_by_sheet_name(sheet).map_err(|error| broken(&error))?;
        let mut left_to_fill = limits::CELLS;
        for region in regions.iter().filter(|region| region.start.0 < region.end.0) {
            let ((top, first), (bottom, _)) = (region.start, region.end);
            let Some(column) = first.checked_sub(left).map(|column| column as usize).filter(|&column| column < width) else {
                continue;
            };
            let at = lines.partition_point(|(row, _)| *row < top);
            let Some(value) = lines.get(at).filter(|(row, _)| *row == top).map(|(_, record)| record[column]) else { continue };
            for (row, record) in lines[at + 1..].iter_mut().take_while(|(row, _)| *row <= bottom).take(left_to_fill) {
                // Overlapping regions must not make this loop endless.
                left_to_fill = left_to_fill.saturating_sub(1);
                if record[column].is_empty() && !value.is_empty() {
                    record[column] = value;
                    filled.push(u64::from(*row) + 1);
                }
            }
        }
        filled.sort_unstable();
        filled.dedup();
    }
    let rows = lines.iter().map(|(row, _)| u64::from(*row) + 1).collect();
    let records = lines.into_iter().map(|(_, record)| StringRecord::from(record)).collect();
    Ok(Sheet { records, rows, width, merged: filled })
}

/// A cell as displayed by a spreadsheet, without custom formats: dates are ISO 8601, numbers have up to 15 digits.
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

/// 1 rather than 1.0, 0.3 rather than 0.30000000000000004.
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
    if (0.0..1.0).contains(&value.as_f64()) {
        // A time of day.
        time
    } else if (hour, minute, second) == (0, 0, 0) {
        format!("{year:04}-{month:02}-{day:02}")
    } else {
        format!("{year:04}-{month:02}-{day:02} {time}")
    }
}
