//! JSON objects -> records: one a line, or a list of them.

use std::collections::HashMap;
use std::fmt;

use csv::StringRecord;
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use super::decode::Decoded;
use super::{Format, Records, limits, rows_have, workbook};
use crate::error::{Error, Result};

const HINT: &str = "write every row as an object such as {\"text\": \"so good\", \"label\": \"positive\"}";

/// An object: its values with their names, in its order.
struct Object(Vec<(String, Cell)>);

/// A value as the text of a cell.
struct Cell {
    text: String,
    /// It was a list or an object.
    nested: bool,
}

/// What kind of JSON a text begins like, if it is any.
pub(super) fn format_of(text: &str) -> Option<Format> {
    let mut letters = text.chars().filter(|letter| !letter.is_whitespace());
    match (letters.next(), letters.next()) {
        (Some('{'), Some('"' | '\'' | '}')) => Some(Format::Jsonl),
        (Some('['), Some('{')) => Some(Format::Json),
        _ => None,
    }
}

/// The objects' values; the names are the header.
///
/// # Errors
/// [`Error::Data`] for what is no JSON or no object, with its row: the line, or in a list the number of the object.
pub(super) fn read(decoded: &Decoded, format: Format) -> Result<Records> {
    let mut table = Objects::default();
    if format == Format::Jsonl {
        for (line, row) in decoded.text.lines().zip(1..) {
            if !line.trim().is_empty() {
                table.add(serde_json::from_str(line).map_err(|error| wrong_line(line, row, &error))?, row)?;
            }
        }
    } else {
        // One by one, so that what is wrong has a row.
        let mut reader = serde_json::Deserializer::from_str(&decoded.text);
        let filled = reader.deserialize_seq(List(&mut table)).and_then(|()| reader.end());
        if let Some(error) = table.failed.take() {
            return Err(error);
        }
        filled.map_err(|error| wrong(&decoded.text, table.rows.len() as u64 + 1, &error))?;
    }
    let Objects { names, rows, objects, nested, .. } = table;
    let mut notes: Vec<String> = decoded.note.iter().cloned().collect();
    if !nested.is_empty() {
        notes.push(format!("{} lists or objects among the values, which stand in their cells as JSON", rows_have(&nested)));
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
    Ok(Records {
        records,
        rows: std::iter::once(0).chain(rows).collect(),
        width,
        header: Some(true),
        format,
        encoding: decoded.encoding,
        separator: b',',
        quoting: true,
        notes,
    })
}

/// What was read so far.
#[derive(Default)]
struct Objects {
    names: Vec<String>,
    columns: HashMap<String, usize>,
    objects: Vec<Vec<(usize, String)>>,
    rows: Vec<u64>,
    nested: Vec<u64>,
    /// Why a list was given up.
    failed: Option<Error>,
}

impl Objects {
    fn add(&mut self, Object(values): Object, row: u64) -> Result<()> {
        let mut cells = Vec::with_capacity(values.len());
        if values.iter().any(|(_, cell)| cell.nested) {
            self.nested.push(row);
        }
        for (name, cell) in values {
            let column = match self.columns.get(&name) {
                Some(&column) => column,
                None if self.names.len() < limits::COLUMNS => {
                    self.columns.insert(name.clone(), self.names.len());
                    self.names.push(name);
                    self.names.len() - 1
                }
                None => {
                    return Err(Error::Data {
                        problem: format!("the objects have more than {} different names for their values", limits::COLUMNS),
                        hint: HINT.into(),
                        row: Some(row),
                        column: None,
                    });
                }
            };
            cells.push((column, cell.text));
        }
        self.objects.push(cells);
        self.rows.push(row);
        limits::cells(self.objects.len(), 1)
    }
}

/// A list that is taken in object by object.
struct List<'a>(&'a mut Objects);

impl<'de> Visitor<'de> for List<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a list of objects")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while let Some(object) = list.next_element()? {
            let row = self.0.rows.len() as u64 + 1;
            if let Err(error) = self.0.add(object, row) {
                self.0.failed = Some(error);
                return Err(A::Error::custom("given up"));
            }
        }
        Ok(())
    }
}

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Values;
        impl<'de> Visitor<'de> for Values {
            type Value = Object;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object, A::Error> {
                let mut values = Vec::new();
                while let Some(value) = map.next_entry()? {
                    values.push(value);
                }
                Ok(Object(values))
            }
        }
        deserializer.deserialize_map(Values)
    }
}

impl<'de> Deserialize<'de> for Cell {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(match Value::deserialize(deserializer)? {
            Value::Null => Self { text: String::new(), nested: false },
            Value::Bool(value) => Self { text: value.to_string(), nested: false },
            Value::Number(value) if value.is_f64() => {
                Self { text: value.as_f64().map(workbook::number).unwrap_or_default(), nested: false }
            }
            Value::Number(value) => Self { text: value.to_string(), nested: false },
            // The only letter that no other kind of table can hold.
            Value::String(text) => Self { text: if text.contains('\0') { text.replace('\0', "") } else { text }, nested: false },
            value @ (Value::Array(_) | Value::Object(_)) => Self { text: value.to_string(), nested: true },
        })
    }
}

fn wrong_line(line: &str, row: u64, error: &serde_json::Error) -> Error {
    let rest = line.get(error.column().saturating_sub(1)..).unwrap_or_default();
    let problem = match error.to_string().split_once(" at line ") {
        Some((what, _)) => format!("this line is no JSON object: {what} at letter {}", error.column()),
        None => format!("this line is no JSON object: {error}"),
    };
    if error.is_eof() && line.trim_start().starts_with('{') {
        let hint = "write each object on a line of its own, or all of them as one list in [ ]";
        return Error::Data {
            problem: "the JSON object of this line does not end on it".into(),
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
    Error::Data { problem: format!("this is no list of JSON objects: {error}"), hint: hint(rest), row: Some(row), column: None }
}

/// What to do, by what stands where the reading stopped.
fn hint(rest: &str) -> String {
    let word = rest.trim_start_matches('-');
    for (python, json) in [("NaN", "null"), ("None", "null"), ("Infinity", "null"), ("True", "true"), ("False", "false")] {
        if word.starts_with(python) {
            return format!("JSON has no {python}: write {json}");
        }
    }
    if rest.starts_with('\'') {
        return "JSON has double quotes around names and texts".into();
    }
    HINT.into()
}
