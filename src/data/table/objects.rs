//! Cells that are JSON objects with a text and a label: their members become columns.

use csv::StringRecord;
use serde_json::{Map, Value};

use super::header::{is_label_name, is_text_name};
use super::limits;

/// Minimum number of such cells.
const FEWEST: usize = 2;

/// Replaces the only column whose cells are such objects, in a table with a header. Returns the number of columns and a note.
pub(super) fn expand(names: &mut Vec<String>, records: &mut [StringRecord], width: usize) -> Option<(usize, String)> {
    let filled = |column: usize| {
        records.iter().filter_map(move |record| record.get(column)).map(str::trim).filter(|cell| !cell.is_empty())
    };
    let object = |cell: &str| -> Option<Map<String, Value>> { cell.starts_with('{').then(|| serde_json::from_str(cell).ok())? };
    let has_both = |members: &Map<String, Value>| {
        members.iter().any(|(name, value)| is_text_name(name) && value.is_string())
            && members.iter().any(|(name, value)| is_label_name(name) && !value.is_null())
    };
    let column = (0..width.min(names.len())).find(|&column| {
        // The first cell decides for most tables.
        filled(column).take(FEWEST).all(|cell| object(cell).is_some())
            && filled(column).count() >= FEWEST
            && filled(column).all(|cell| object(cell).is_some_and(|members| has_both(&members)))
    })?;
    let mut keys: Vec<String> = Vec::new();
    for members in filled(column).filter_map(object) {
        for key in members.keys().filter(|key| !keys.contains(key)).cloned().collect::<Vec<_>>() {
            keys.push(key);
        }
        if keys.len() > limits::COLUMNS {
            return None;
        }
    }
    let title = names[column].trim().to_owned();
    let own = |key: &String| if names.contains(key) { format!("{title}.{key}") } else { key.clone() };
    let added: Vec<String> = keys.iter().map(own).collect();
    for record in records.iter_mut() {
        let members = record.get(column).and_then(|cell| object(cell.trim())).unwrap_or_default();
        let mut cells: Vec<String> = record.iter().map(str::to_owned).collect();
        cells.resize(cells.len().max(column + 1), String::new());
        cells.splice(column..=column, keys.iter().map(|key| members.get(key).map(cell_of).unwrap_or_default()));
        let mut whole = StringRecord::from(cells);
        whole.set_position(record.position().cloned());
        *record = whole;
    }
    let list = added.iter().take(5).map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    let more = if added.len() > 5 { ", ..." } else { "" };
    names.splice(column..=column, added);
    let note = format!("the cells of column `{title}` are JSON objects: their members {list}{more} are columns");
    Some((width - 1 + keys.len(), note))
}

fn cell_of(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
