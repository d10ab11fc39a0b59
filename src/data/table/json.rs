//! JSON -> records: objects or lists, one per line or in a list, and the other shapes of [`shapes`].

use std::collections::{BTreeSet, HashMap};
use std::fmt;

use csv::StringRecord;
use serde::de::{Deserializer, Error as _, SeqAccess, Visitor};

use super::decode::Decoded;
use super::records::{Names, Records};
use super::{Format, limits, rows_are, rows_have, rows_list};
use crate::error::{Error, Result};
use value::{Json, Members};

mod lists;
mod relaxed;
mod shapes;
mod tools;
mod value;

const HINT: &str = "write every row as an object such as {\"text\": \"so good\", \"label\": \"positive\"}";

/// The values of a JSON file, or of a similar Python or JavaScript literal; `None` for a text that is neither.
///
/// # Errors
/// [`Error::Data`] for content that is not JSON or not a row, with its row (the line, or the number of the object in a list), and
/// for a value whose rows cannot be identified.
pub(super) fn read(decoded: &Decoded) -> Result<Option<Records>> {
    let text = decoded.text.trim_start_matches('\u{feff}');
    let mut letters = text.chars().filter(|letter| !letter.is_whitespace());
    let start = (letters.next(), letters.next());
    let (mended, halves) = match start {
        (Some('{' | '[' | '('), _) => value::without_halves(text),
        _ => (text.into(), 0),
    };
    let mut table = Objects::default();
    let records = match start {
        (Some('{'), Some('"' | '}')) => {
            let format = lines(&mended, &mut table)?;
            table.into_records(format)?
        }
        (Some('['), Some('{')) if !relaxed::begins(&mended) => match list(&mended, &mut table) {
            Ok(()) => table.into_records(Format::Json)?,
            Err(error) => trailing(&mended, error)?,
        },
        (Some('['), Some('[' | '"')) if !relaxed::begins(&mended) => match lists(&mended)? {
            Some(records) => records,
            None => return Ok(None),
        },
        _ if relaxed::begins(&mended) => match relaxed::values(&mended) {
            Some(values) => code(values)?,
            // `('a', ...` and `['a', ...` may be texts; only a list of objects is certain.
            None if matches!(start, (Some('{'), Some('\''))) => return Err(quotes()),
            None if matches!(start, (Some('['), Some('(' | '{'))) => {
                return Err(Error::data("this looks like a Python or JavaScript list, but it cannot be parsed", HINT));
            }
            None => return Ok(None),
        },
        _ => return Ok(None),
    };
    let mut records = records;
    records.encoding = decoded.encoding;
    let mut notes = decoded.notes.to_vec();
    if halves > 0 {
        let spoilt =
            records.records.iter().zip(&records.rows).filter(|(record, _)| record.iter().any(|cell| cell.contains('\u{FFFD}')));
        let rows: Vec<u64> = spoilt.map(|(_, &row)| row).collect();
        notes.push(format!("{} half an emoji (an unpaired surrogate), which is replaced by \u{FFFD}", rows_have(&rows)));
    }
    records.notes.splice(0..0, notes);
    Ok(Some(records))
}

/// One object per line; several per line, or one on several lines; or a single object that contains all rows.
fn lines(text: &str, table: &mut Objects) -> Result<Format> {
    let filled = || text.lines().zip(1_u64..).filter(|(line, _)| !line.trim().is_empty());
    let bare = |line: &'_ str| -> usize { line.trim_end().strip_suffix(',').map_or(line.len(), str::len) };
    // An object that continues on the next line, or several on one line: parse the text as a whole.
    let first = filled().next().map_or("", |(line, _)| line);
    let alone = filled().nth(1).is_none();
    match serde_json::from_str::<Json>(&first[..bare(first)]) {
        Ok(value) if !alone && value.as_object().is_some() => {}
        Ok(value) if alone => return whole(value, table),
        Ok(_) => {}
        Err(error) => {
            let values: Result<Vec<(Json, u64)>, _> = stream(text);
            match values {
                Ok(values) if values.len() == 1 => {
                    return values.into_iter().next().map_or(Ok(Format::Json), |(value, _)| whole(value, table));
                }
                Ok(values) => {
                    let rising = values.windows(2).all(|pair| pair[0].1 < pair[1].1);
                    for ((value, line), number) in values.into_iter().zip(1..) {
                        table.add_value(value, if rising { line } else { number })?;
                    }
                    return Ok(Format::Jsonl);
                }
                Err(_) => return Err(wrong_line(first, filled().next().map_or(1, |(_, row)| row), &error)),
            }
        }
    }
    let mut commas = false;
    for (line, row) in filled() {
        let end = bare(line);
        commas |= end < line.trim_end().len();
        table.add_value(serde_json::from_str(&line[..end]).map_err(|error| wrong_line(line, row, &error))?, row)?;
    }
    if commas {
        table.notes.push("the commas after the objects are ignored".into());
    }
    Ok(Format::Jsonl)
}

/// All values of a text, with the line on which each begins.
fn stream(text: &str) -> Result<Vec<(Json, u64)>, serde_json::Error> {
    let mut values = Vec::new();
    let mut reader = serde_json::Deserializer::from_str(text).into_iter::<Json>();
    let (mut at, mut line) = (0, 1);
    loop {
        let begin = at + text[at..].bytes().take_while(u8::is_ascii_whitespace).count();
        line += text[at..begin].matches('\n').count() as u64;
        match reader.next() {
            None => return Ok(values),
            Some(value) => values.push((value?, line)),
        }
        let end = reader.byte_offset();
        line += text[begin..end].matches('\n').count() as u64;
        at = end;
    }
}

/// A file with a single value.
fn whole(value: Json, table: &mut Objects) -> Result<Format> {
    let shape = shapes::rows(value)?;
    table.notes.extend(shape.note);
    for (row, number) in shape.rows.into_iter().zip(1..) {
        table.add_value(row, number)?;
    }
    Ok(Format::Json)
}

/// A list of objects, read one by one, so that an error has a row.
fn list(text: &str, table: &mut Objects) -> Result<()> {
    let mut reader = serde_json::Deserializer::from_str(text);
    let filled = reader.deserialize_seq(List(table)).and_then(|()| reader.end());
    if let Some(error) = table.failed.take() {
        return Err(error);
    }
    filled.map_err(|error| wrong(text, table.rows.len() as u64 + 1, &error))
}

/// A list with a comma after its last object, as in hand-written JSON.
fn trailing(text: &str, error: Error) -> Result<Records> {
    if !error.to_string().contains("trailing comma") {
        return Err(error);
    }
    let Some(values) = relaxed::values(text) else { return Err(error) };
    let mut records = of_values(values)?;
    records.notes.push("the comma after the last value of a list is ignored".into());
    Ok(records)
}

/// Lists in a list, or one per line; `None` for a text that only begins like one.
fn lists(text: &str) -> Result<Option<Records>> {
    let mut lines = text.lines().filter(|line| !line.trim().is_empty());
    let first = lines.next().unwrap_or_default();
    let values = match stream(text) {
        Ok(values) => values,
        Err(error)
            if serde_json::from_str::<Json>(first.trim_end().trim_end_matches(',')).is_ok()
                || text.trim_end().ends_with("]]") =>
        {
            let with_commas: Result<Vec<(Json, u64)>> = text
                .lines()
                .zip(1_u64..)
                .filter(|(line, _)| !line.trim().is_empty())
                .map(|(line, row)| {
                    let bare = line.trim_end();
                    let value = serde_json::from_str(bare.strip_suffix(',').unwrap_or(bare))
                        .map_err(|error| wrong_line(line, row, &error))?;
                    Ok((value, row))
                })
                .collect();
            match with_commas {
                Ok(values) => values,
                Err(_) if lines.next().is_none() || text.trim_start().starts_with("[[") => {
                    return Err(wrong(text, error.line() as u64, &error));
                }
                Err(error) => return Err(error),
            }
        }
        Err(_) => return Ok(None),
    };
    match values.len() {
        0 => Ok(None),
        1 => of_values(values.into_iter().map(|(value, _)| value).collect()).map(Some),
        _ => {
            let (values, rows): (Vec<Json>, Vec<u64>) = values.into_iter().unzip();
            let numbers = if rows.windows(2).all(|pair| pair[0] < pair[1]) { rows } else { (1..=values.len() as u64).collect() };
            of_rows(values, numbers, Format::Jsonl).map(Some)
        }
    }
}

/// Values that were parsed as Python or JavaScript.
fn code(values: Vec<Json>) -> Result<Records> {
    let mut records = of_values(values)?;
    records.notes.push("the file is Python or JavaScript: its values are read, but no code is run".into());
    Ok(records)
}

/// A single value that contains the rows, or values that are the rows.
fn of_values(mut values: Vec<Json>) -> Result<Records> {
    if values.len() > 1
        || values
            .first()
            .is_some_and(|value| value.as_list().is_some_and(|items| items.len() > 1 && items.iter().all(Json::is_plain)))
    {
        // A list of texts: each one is a row.
        let rows = match values.pop() {
            Some(Json::List(items)) if values.is_empty() => items.into_iter().map(|item| Json::List(vec![item])).collect(),
            Some(last) => {
                values.push(last);
                values
            }
            None => values,
        };
        let numbers = (1..=rows.len() as u64).collect();
        return of_rows(rows, numbers, Format::Json);
    }
    let shape = shapes::rows(values.pop().unwrap_or(Json::Null))?;
    let numbers = (1..=shape.rows.len() as u64).collect();
    let mut records = of_rows(shape.rows, numbers, Format::Json)?;
    records.notes.splice(0..0, shape.note);
    Ok(records)
}

/// Objects, or lists of plain values, of which the first may contain the names.
fn of_rows(rows: Vec<Json>, numbers: Vec<u64>, format: Format) -> Result<Records> {
    let plain = |row: &Json| row.as_list().is_some_and(|items| items.iter().all(|item| item.cell().is_some()));
    if rows.iter().all(plain) {
        limits::cells(rows.len(), 1)?;
        let record = |row: &Json| -> StringRecord { row.as_list().unwrap_or_default().iter().filter_map(Json::cell).collect() };
        let records = Records::new(rows.iter().map(record).collect(), numbers, Names::Unknown, format);
        limits::cells(records.records.len(), records.width)?;
        return Ok(records);
    }
    let mut table = Objects::default();
    for (row, number) in rows.into_iter().zip(numbers) {
        let row = if row.is_plain() { row } else { Json::Object(shapes::as_members(row)) };
        table.add_value(row, number)?;
    }
    table.into_records(format)
}

/// The rows read so far.
#[derive(Default)]
struct Objects {
    names: Vec<String>,
    columns: HashMap<String, usize>,
    objects: Vec<Vec<(usize, String)>>,
    rows: Vec<u64>,
    /// Of each column, the number of the latest object that has it.
    latest: Vec<usize>,
    /// Names that occur more than once in an object, and the rows of these objects.
    twice: (BTreeSet<String>, Vec<u64>),
    /// Names of the lists whose texts are rows.
    lists: BTreeSet<String>,
    notes: Vec<String>,
    /// Number of Label Studio tasks, the names of their data, and tasks with differing annotations.
    studio: usize,
    plain: BTreeSet<String>,
    differ: Vec<u64>,
    /// Why reading a list was aborted.
    failed: Option<Error>,
}

impl Objects {
    /// # Errors
    /// [`Error::Data`] for a value that is not an object, and for too many rows or keys.
    fn add_value(&mut self, value: Json, row: u64) -> Result<()> {
        match value {
            Json::Object(members) => self.add(members, row),
            _ => {
                Err(Error::Data { problem: "this is not a JSON object".into(), hint: HINT.into(), row: Some(row), column: None })
            }
        }
    }

    fn add(&mut self, members: Members, row: u64) -> Result<()> {
        let members = match tools::studio(&members) {
            Some((task, differ)) => {
                self.studio += 1;
                if differ {
                    self.differ.push(row);
                }
                self.plain.extend(
                    value::member(&members, "data").and_then(Json::as_object).into_iter().flatten().map(|(name, _)| name.clone()),
                );
                task
            }
            None => members,
        };
        let (objects, list) = lists::expand(members);
        self.lists.extend(list);
        objects.into_iter().try_for_each(|members| self.add_row(members, row))
    }

    fn add_row(&mut self, members: Members, row: u64) -> Result<()> {
        let mut cells: Vec<(usize, String)> = Vec::with_capacity(members.len());
        let mut repeats = false;
        let this = self.objects.len() + 1;
        for (name, value) in members {
            let column =
                self.named(&name).map_err(|problem| Error::Data { problem, hint: HINT.into(), row: Some(row), column: None })?;
            if self.latest.len() <= column {
                self.latest.resize(column + 1, 0);
            }
            if std::mem::replace(&mut self.latest[column], this) == this {
                self.twice.0.insert(name);
                repeats = true;
            }
            cells.push((column, value.cell().unwrap_or_else(|| value.to_json())));
        }
        if repeats {
            self.twice.1.push(row);
        }
        self.objects.push(cells);
        self.rows.push(row);
        limits::cells(self.objects.len(), 1)
    }

    fn named(&mut self, name: &str) -> Result<usize, String> {
        if !self.columns.contains_key(name) && self.names.len() >= limits::COLUMNS {
            return Err(format!("the objects have more than {} different keys", limits::COLUMNS));
        }
        Ok(self.column(name))
    }

    /// The column with this name, added if missing.
    fn column(&mut self, name: &str) -> usize {
        if let Some(&column) = self.columns.get(name) {
            return column;
        }
        self.columns.insert(name.to_owned(), self.names.len());
        self.names.push(name.to_owned());
        self.names.len() - 1
    }

    /// Removes columns and returns their names as text.
    fn drop_columns(&mut self, out: impl Fn(&str) -> bool) -> String {
        let mut places = Vec::with_capacity(self.names.len());
        let (mut names, mut dropped) = (Vec::new(), Vec::new());
        for name in std::mem::take(&mut self.names) {
            if out(&name) {
                dropped.push(format!("`{name}`"));
                places.push(None);
            } else {
                places.push(Some(names.len()));
                names.push(name);
            }
        }
        self.columns = names.iter().cloned().zip(0..).collect();
        self.names = names;
        for cells in &mut self.objects {
            *cells = std::mem::take(cells).into_iter().filter_map(|(column, text)| Some((places[column]?, text))).collect();
        }
        dropped.join(", ")
    }

    /// # Errors
    /// [`Error::Data`] for too many cells, and as [`tools::settle`].
    fn into_records(mut self, format: Format) -> Result<Records> {
        tools::settle(&mut self)?;
        let Self { names, mut rows, objects, twice, lists, mut notes, .. } = self;
        let quoted =
            |names: &BTreeSet<String>| names.iter().take(5).map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        if !twice.1.is_empty() {
            notes.push(format!("{} {} more than once: the last value is used", rows_have(&twice.1), quoted(&twice.0)));
        }
        if !lists.is_empty() {
            notes.push(format!("each text in the lists {} is a row, and the rows are numbered by text", quoted(&lists)));
            rows = (1..=objects.len() as u64).collect();
        }
        limits::cells(objects.len(), names.len())?;
        let width = names.len();
        let mut records = Vec::with_capacity(objects.len() + 1);
        records.push(StringRecord::from(names));
        for cells in objects {
            let mut record = vec![String::new(); width];
            for (column, text) in cells {
                record[column] = text;
            }
            records.push(StringRecord::from(record));
        }
        let rows = std::iter::once(0).chain(rows).collect();
        let mut records = Records::new(records, rows, Names::Given, format);
        records.notes = notes;
        Ok(records)
    }
}

/// A list that is read object by object.
struct List<'a>(&'a mut Objects);

impl<'de> Visitor<'de> for List<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a list of objects")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while let Some(object) = list.next_element()? {
            let row = self.0.rows.len() as u64 + 1;
            if let Err(error) = self.0.add_value(object, row) {
                self.0.failed = Some(error);
                return Err(A::Error::custom("given up"));
            }
        }
        Ok(())
    }
}

fn wrong_line(line: &str, row: u64, error: &serde_json::Error) -> Error {
    let rest = line.get(error.column().saturating_sub(1)..).unwrap_or_default();
    let problem = match error.to_string().split_once(" at line ") {
        Some((what, _)) => format!("this line is not a JSON object: {what} at character {}", error.column()),
        None => format!("this line is not a JSON object: {error}"),
    };
    if error.is_eof() && line.trim_start().starts_with('{') {
        let hint = "write each object on its own line, or all of them as one list in [ ]";
        return Error::Data {
            problem: "the JSON object on this line does not end there".into(),
            hint: hint.into(),
            row: Some(row),
            column: None,
        };
    }
    Error::Data { problem, hint: hint(rest), row: Some(row), column: None }
}

fn wrong(text: &str, row: u64, error: &serde_json::Error) -> Error {
    let line = text.lines().nth(error.line().saturating_sub(1)).unwrap_or_default();
    let rest = line.get(error.column().saturating_sub(1)..).unwrap_or_default();
    Error::Data {
        problem: format!("this is not a list of JSON objects: {error}"),
        hint: hint(rest),
        row: Some(row),
        column: None,
    }
}

/// Content that is neither JSON nor Python.
fn quotes() -> Error {
    Error::Data {
        problem: "this line is not a JSON object: its keys are in single quotes".into(),
        hint: "JSON requires double quotes around keys and texts".into(),
        row: Some(1),
        column: None,
    }
}

/// The hint, depending on the position where parsing stopped.
fn hint(rest: &str) -> String {
    let word = rest.trim_start_matches('-');
    for (python, json) in [("NaN", "null"), ("None", "null"), ("Infinity", "null"), ("True", "true"), ("False", "false")] {
        if word.starts_with(python) {
            return format!("JSON has no {python}: write {json}");
        }
    }
    if rest.starts_with('\'') {
        return "JSON requires double quotes around keys and texts".into();
    }
    HINT.into()
}
