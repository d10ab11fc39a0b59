//! Records -> [`Table`]: separates the header from the rows and gives every row as many cells as there are columns.

use csv::StringRecord;

use super::dialect::name_of;
use super::header::{self, Layout};
use super::record::{is_blank, length};
use super::records::{Names, Records};
use super::styles::Style;
use super::{Format, Line, Table, bare, fill, limits, objects, rows_have};
use crate::error::{Error, Result};

/// Number of rows that are stored unchanged, so that the user can select the header.
const HEAD: usize = 30;
/// Share of the rows that must have the same number of columns.
const AGREEING: f64 = 0.5;

impl Table {
    /// # Errors
    /// [`Error::Data`] for fewer columns than `fewest`, for no rows, for rows with different numbers of columns, and for a header
    /// row that does not exist.
    pub(super) fn from_records(read: Records, header_row: Option<u64>, fewest: usize) -> Result<Self> {
        let Records {
            mut records,
            mut rows,
            width,
            names,
            format,
            encoding,
            separator,
            quoting,
            mut raw,
            mut notes,
            sheets,
            sheet,
        } = read;
        let guess = names == Names::Unknown;
        let line = |(record, &row): (&StringRecord, &u64)| Line { row, cells: record.iter().map(str::to_owned).collect() };
        let head = if guess { records.iter().zip(&rows).take(HEAD).map(line).collect() } else { Vec::new() };
        let mut layout = if guess { header::find(&records, &rows, width, header_row)? } else { Layout::named(0, &records[0]) };
        let header = layout.header.map(|at| (rows[at], std::mem::take(&mut layout.names)));
        notes.append(&mut layout.notes);
        let mut left_out = layout.left_out.into_iter().chain(layout.header).collect::<Vec<_>>();
        left_out.sort_unstable();
        leave_out(&mut records, &left_out);
        leave_out(&mut rows, &left_out);
        leave_out(&mut raw, &left_out);
        let header_row = header.as_ref().filter(|_| names != Names::Given).map(|(row, _)| *row);
        let mut header = header.map(|(_, names)| names);

        let mut width = width;
        if guess
            && matches!(format, Format::Text | Format::Xlsx)
            && let Some(names) = &mut header
            && let Some((columns, note)) = objects::expand(names, &mut records, width)
        {
            width = columns;
            raw.clear();
            notes.push(note);
        }
        if guess && format == Format::Text {
            let settled = bare::settle(header.as_deref(), &mut records, &raw, &rows, width, separator);
            // Quotes behind a space that belong to a text enclose nothing.
            let spaced =
                |at: &usize| raw[*at].iter().flatten().any(|cell| cell.trim_start().starts_with('"') && cell.starts_with(' '));
            if (0..raw.len()).filter(spaced).all(|at| settled.joined.binary_search(&at).is_ok()) {
                notes.retain(|note| settled.joined.is_empty() || note != Style::Blanks.note());
            }
            notes.extend(settled.note);
            let least = width.min(settled.width);
            width = settled.width;
            if settled.row_names
                && let Some(names) = &mut header
            {
                names.insert(0, String::new());
            }
            agree(&records, &rows, width, least, separator)?;
        }

        let named =
            |column: usize| header.as_ref().and_then(|names| names.get(column)).is_some_and(|name| !name.trim().is_empty());
        let filled = |record: &StringRecord, column: usize| record.get(column).is_some_and(|cell| !cell.trim().is_empty());
        let empty = |column: usize| !named(column) && !records.iter().any(|record| filled(record, column));
        let columns = (0..width).rev().find(|&column| !empty(column)).map_or(0, |last| last + 1);
        if columns < fewest.max(1) {
            return Err(Error::data("only one column has any content", "each row needs a text and a label"));
        }
        if records.is_empty() {
            return Err(Error::data("the file has a header but no rows", "give a file with a text and a label in each row"));
        }
        limits::cells(records.len(), columns)?;
        if let Some(names) = &header
            && guess
        {
            notes.extend(odd_names(names, &records, columns));
        }

        let (mut ragged, mut short) = (Vec::new(), Vec::new());
        for (record, &row) in records.iter().zip(&rows) {
            if record.iter().skip(columns).any(|cell| !cell.trim().is_empty()) {
                ragged.push(row);
            } else if record.len() < columns && record.iter().any(|cell| !cell.trim().is_empty()) {
                short.push(row);
            }
        }
        if !ragged.is_empty() {
            let separator = name_of(separator);
            notes.push(format!(
                "{} more cells than the {columns} columns; put texts that contain {separator} in double quotes",
                rows_have(&ragged)
            ));
        }
        if !short.is_empty() {
            notes.push(format!("{} fewer cells than the {columns} columns; the missing cells are empty", rows_have(&short)));
        }
        let broken = broken_rows(header.as_deref(), &records, &rows, columns);
        if !broken.is_empty() {
            let rows = rows_have(&broken);
            notes.push(format!("{rows} cells in mostly empty columns without a name; the text may have been split there"));
        }
        let name = |column: usize| {
            let name =
                header.as_ref().and_then(|names| names.get(column)).map(|name| name.trim()).filter(|name| !name.is_empty());
            name.map_or_else(|| format!("column {}", column + 1), str::to_owned)
        };
        let cells = |record: &StringRecord| (0..columns).map(|i| record.get(i).unwrap_or_default().to_owned()).collect();
        let mut table = Self {
            columns: (0..columns).map(name).collect(),
            has_header: header.is_some(),
            header_row,
            rows: records.iter().map(cells).collect(),
            row_numbers: rows,
            ragged,
            format,
            encoding,
            separator: char::from(separator),
            quoting,
            notes,
            head,
            sheets,
            sheet,
        };
        if guess {
            fill::down(&mut table);
        }
        Ok(table)
    }
}

/// Removes the items at these ascending positions from a list.
fn leave_out<T>(list: &mut Vec<T>, places: &[usize]) {
    let mut places = places.iter().peekable();
    let mut at = 0;
    list.retain(|_| {
        let out = places.next_if(|&&place| place == at).is_some();
        while places.next_if(|&&place| place <= at).is_some() {}
        at += 1;
        !out
    });
}

/// Rows with at least `least` cells and at most as many as there are columns count as equal.
///
/// # Errors
/// [`Error::Data`] with the first row that differs from most rows, if fewer than half agree.
fn agree(records: &[StringRecord], rows: &[u64], width: usize, least: usize, separator: u8) -> Result<()> {
    let is_odd = |record: &StringRecord| !is_blank(record) && (record.len() < least || length(record) > width);
    let filled = records.iter().filter(|record| !is_blank(record)).count();
    let fits = filled - records.iter().filter(|record| is_odd(record)).count();
    if fits as f64 >= AGREEING * filled as f64 {
        return Ok(());
    }
    let odd = records.iter().position(is_odd).unwrap_or(0);
    Err(Error::Data {
        problem: format!(
            "the rows have different numbers of columns: only {:.0}% have {width}, this one has {}",
            fits as f64 / filled as f64 * 100.0,
            records[odd].len()
        ),
        hint: format!(
            "each row needs a text and a label; put texts that contain {} in double quotes, or separate the columns by tabs",
            name_of(separator)
        ),
        row: Some(rows[odd]),
        column: None,
    })
}

/// A note if the header and the rows have different numbers of cells.
fn odd_names(names: &[String], records: &[StringRecord], columns: usize) -> Option<String> {
    let given = names.iter().rposition(|name| !name.trim().is_empty()).map_or(0, |last| last + 1);
    if given > columns {
        let more: Vec<String> = names[columns..given].iter().take(5).map(|name| format!("`{}`", name.trim())).collect();
        return Some(format!(
            "the header has {given} names and the rows have {columns} cells: {} {} left out",
            more.join(", "),
            if given - columns == 1 { "is" } else { "are" }
        ));
    }
    let most = |column: usize| {
        let filled = records.iter().filter(|record| record.get(column).is_some_and(|cell| !cell.trim().is_empty())).count();
        filled * 2 >= records.len()
    };
    // Mostly empty columns without a name are reported by row.
    let nameless = (given..columns).filter(|&column| most(column)).count();
    (nameless > 0 && given >= 2).then(|| {
        format!("the header has {given} names and the rows have {columns} cells: the columns after the named ones have no name")
    })
}

/// Rows with content in a mostly empty column without a name: the program that wrote the file has split a text into several
/// cells.
fn broken_rows(header: Option<&[String]>, records: &[StringRecord], rows: &[u64], columns: usize) -> Vec<u64> {
    let Some(header) = header else { return Vec::new() };
    let filled = |record: &StringRecord, column: usize| record.get(column).is_some_and(|cell| !cell.trim().is_empty());
    let nameless = (0..columns).filter(|&column| header.get(column).is_none_or(|name| name.trim().is_empty()));
    let sparse = nameless.filter(|&column| records.iter().filter(|record| filled(record, column)).count() * 2 < records.len());
    let sparse: Vec<usize> = sparse.collect();
    let broken = records.iter().zip(rows).filter(|(record, _)| sparse.iter().any(|&column| filled(record, column)));
    broken.map(|(_, &row)| row).collect()
}
