//! Common shapes of a table as one JSON value: finds its rows, or explains why it cannot.

use std::collections::HashSet;

use super::super::header::{is_text_name as is_text, is_usual};
use super::lists;
use super::value::{Json, Members, member};
use crate::error::{Error, Result};

/// Rows, each an object or a list, and a note on where they were found.
pub(super) struct Shape {
    pub(super) rows: Vec<Json>,
    pub(super) note: Option<String>,
}

/// Maximum nesting depth of objects.
const DEPTH: usize = 4;
/// Minimum number of members for reading an object as texts with their labels.
const PAIRS: usize = 12;
/// Words in a key that says that its rows are one part of the data.
const SPLITS: &[&str] =
    &["train", "training", "test", "testing", "dev", "val", "valid", "validation", "eval", "evaluation", "holdout", "unlabeled"];
/// Keys of a text; an object around rows does not have them.
const ROW: &[&str] = &["text", "sentence", "utterance", "message", "tweet", "review", "comment"];
/// The column that says which part a row is from.
const SPLIT: &str = "split";

const HINT: &str = "write a list of objects such as [{\"text\": \"so good\", \"label\": \"positive\"}]; with pandas: `df.to_json(path, orient=\"records\")`";

/// The rows of a file with one JSON value.
///
/// # Errors
/// [`Error::Data`] for a value whose rows cannot be identified.
pub(super) fn rows(value: Json) -> Result<Shape> {
    if value.get("nbformat").is_some() && value.get("cells").is_some() {
        return Err(Error::data("this is a Jupyter notebook, not a table", "save the table from the notebook as CSV"));
    }
    if is_squad(&value) {
        return Err(Error::data(
            "this is a file for question answering (SQuAD): its questions have answers in a text, and no class",
            "a classifier needs a text and a class in each row, such as [{\"text\": \"so good\", \"label\": \"positive\"}]",
        ));
    }
    let names = value.as_object().map(|members| listing(members.iter().map(|(name, _)| name.as_str()))).unwrap_or_default();
    find(value, 0)?.ok_or_else(|| {
        Error::data(format!("this JSON file is one object with the keys {names}; its rows cannot be identified"), HINT)
    })
}

fn is_squad(value: &Json) -> bool {
    let first = |value: Option<&Json>| value.and_then(Json::as_list).and_then(<[Json]>::first).cloned();
    first(value.get("data"))
        .and_then(|article| first(article.get("paragraphs")))
        .is_some_and(|paragraph| paragraph.get("qas").is_some())
}

fn find(value: Json, depth: usize) -> Result<Option<Shape>> {
    let members = match value {
        Json::List(rows) => return Ok(are_rows(&rows).then_some(Shape { rows: sources(rows), note: None })),
        Json::Object(members) if depth < DEPTH => members,
        _ => return Ok(None),
    };
    // A single line of a JSON Lines file.
    if depth == 0 && members.iter().any(|(name, value)| value.is_plain() && ROW.contains(&name.to_lowercase().as_str())) {
        return Ok(Some(Shape { rows: vec![Json::Object(members)], note: None }));
    }
    if let Some(shape) = viewer(&members).or_else(|| split_orient(&members)) {
        return Ok(Some(shape));
    }
    let tables: Vec<usize> = (0..members.len()).filter(|&at| is_table(&members[at].1)).collect();
    if !tables.is_empty() && tables.iter().all(|&at| is_split(&members[at].0)) && (tables.len() > 1 || members.len() == 1) {
        return splits(members, &tables, depth);
    }
    if let Some(shape) = columns(&members)? {
        return Ok(Some(shape));
    }
    if let Some(at) = the_table(&members, &tables) {
        let (name, value) = members.into_iter().nth(at).unwrap_or((String::new(), Json::Null));
        return Ok(find(value, depth + 1)?
            .map(|shape| Shape { note: Some(format!("the rows are read from `{name}` in the JSON file")), ..shape }));
    }
    if let Some(shape) = by_label(&members, &tables).or_else(|| pairs(&members)) {
        return Ok(Some(shape));
    }
    // An object with plain values is a row.
    if depth == 0
        && members.iter().any(|(_, value)| value.is_plain())
        && tables.is_empty()
        && members.iter().filter(|(_, value)| value.is_plain()).count() > 1
    {
        return Ok(Some(Shape { rows: vec![Json::Object(members)], note: None }));
    }
    // Rasa: an object with a single object inside.
    let mut found = None;
    for (name, value) in members.into_iter().filter(|(_, value)| value.as_object().is_some()) {
        if let Some(shape) = find(value, depth + 1)? {
            if found.is_some() {
                return Ok(None);
            }
            let note = shape.note.or_else(|| Some(format!("the rows are read from `{name}` in the JSON file")));
            found = Some(Shape { rows: shape.rows, note });
        }
    }
    Ok(found)
}

/// The rows of an Elasticsearch response, each inside the object of its hit.
fn sources(rows: Vec<Json>) -> Vec<Json> {
    if !rows.iter().all(|row| row.get("_source").is_some_and(|source| source.as_object().is_some())) {
        return rows;
    }
    let source = |row: Json| match row {
        Json::Object(members) => members.into_iter().find(|(name, _)| name == "_source").map(|(_, source)| source),
        _ => None,
    };
    rows.into_iter().filter_map(source).collect()
}

/// Whether it is a list of objects, or of lists of plain values.
fn are_rows(items: &[Json]) -> bool {
    !items.is_empty()
        && (items.iter().all(|item| item.as_object().is_some()) || items.iter().all(|item| item.as_list().is_some()))
}

/// Whether it is a list of rows, or an object of columns.
fn is_table(value: &Json) -> bool {
    match value {
        Json::List(items) => are_rows(items),
        Json::Object(members) => {
            let long = |list: &[Json]| list.len() > 1 && list.iter().all(Json::is_plain);
            members.len() > 1 && members.iter().all(|(_, value)| value.as_list().is_some_and(long))
        }
        _ => false,
    }
}

fn is_split(name: &str) -> bool {
    name.to_lowercase().split(|letter: char| !letter.is_alphanumeric()).any(|word| SPLITS.contains(&word))
}

/// `{"train": [...], "test": [...]}`: the rows of all parts, with the name of the part in a column.
fn splits(members: Members, tables: &[usize], depth: usize) -> Result<Option<Shape>> {
    let mut rows = Vec::new();
    let mut names = Vec::new();
    for (at, (name, value)) in members.into_iter().enumerate() {
        if !tables.contains(&at) {
            continue;
        }
        let Some(shape) = find(value, depth + 1)? else { return Ok(None) };
        for row in shape.rows {
            let mut cells = as_members(row);
            // The row's own value takes precedence.
            if member(&cells, SPLIT).is_none() {
                cells.push((SPLIT.to_owned(), Json::Text(name.clone())));
            }
            rows.push(Json::Object(cells));
        }
        names.push(name);
    }
    let note = format!(
        "the rows of {} are combined, and the column `{SPLIT}` says where each row is from",
        listing(names.iter().map(String::as_str))
    );
    Ok(Some(Shape { rows, note: Some(note) }))
}

/// A list as an object; the text in a pair is identified by its position.
pub(super) fn as_members(row: Json) -> Members {
    match row {
        Json::Object(members) => members,
        Json::List(items) => {
            let count = items.iter().filter(|item| item.is_plain()).count();
            let mut members = Members::new();
            for (at, item) in items.into_iter().enumerate() {
                match item {
                    Json::Object(more) => members.extend(more),
                    item => {
                        let name = match (at, count) {
                            (0, 1) => "text".to_owned(),
                            _ => format!("column {}", at + 1),
                        };
                        members.push((name, item));
                    }
                }
            }
            members
        }
        other => vec![("text".to_owned(), other)],
    }
}

/// A response of the dataset viewer of the Hugging Face Hub: rows with their numbers, and the class names.
fn viewer(members: &Members) -> Option<Shape> {
    let rows = member(members, "rows")?.as_list()?;
    let inner: Vec<&Json> = rows.iter().map(|row| row.get("row")).collect::<Option<_>>()?;
    let features = member(members, "features").and_then(Json::as_list).unwrap_or_default();
    let classes = |name: &str| -> Option<&[Json]> {
        let feature = features.iter().find(|feature| feature.get("name").and_then(Json::as_text) == Some(name))?;
        feature.get("type")?.get("names")?.as_list()
    };
    let named = |(name, value): &(String, Json)| -> (String, Json) {
        let class = match value {
            Json::Number(number) => number.parse::<usize>().ok().and_then(|at| classes(name)?.get(at)),
            _ => None,
        };
        (name.clone(), class.unwrap_or(value).clone())
    };
    let rows: Vec<Json> =
        inner.iter().map(|row| Some(Json::Object(row.as_object()?.iter().map(named).collect()))).collect::<Option<_>>()?;
    let total = member(members, "num_rows_total").and_then(|total| total.cell()).and_then(|total| total.parse::<usize>().ok());
    let mut note = "this is a response of the dataset viewer".to_owned();
    if let Some(total) = total.filter(|&total| total > rows.len()) {
        note.push_str(&format!(", with {} of the {total} rows of the data", rows.len()));
    }
    Some(Shape { rows, note: Some(note) })
}

/// `{"columns": [...], "data": [[...], ...]}`.
fn split_orient(members: &Members) -> Option<Shape> {
    let names: Vec<&str> = member(members, "columns")?.as_list()?.iter().map(Json::as_text).collect::<Option<_>>()?;
    let data = member(members, "data")?.as_list()?;
    let row = |row: &Json| -> Option<Json> {
        let cells = row.as_list().filter(|cells| cells.len() == names.len())?;
        Some(Json::Object(names.iter().zip(cells).map(|(name, cell)| ((*name).to_owned(), cell.clone())).collect()))
    };
    let rows = data.iter().map(row).collect::<Option<Vec<_>>>()?;
    (!rows.is_empty()).then_some(Shape { rows, note: None })
}

/// Columns with their cells in a list or keyed by row number, or rows keyed by number.
///
/// # Errors
/// [`Error::Data`] for columns of different lengths.
fn columns(members: &Members) -> Result<Option<Shape>> {
    if members.is_empty() {
        return Ok(None);
    }
    let plain = |list: &[Json]| list.iter().all(Json::is_plain) || list.iter().all(|item| item.as_list().is_some());
    let lists: Option<Vec<&[Json]>> = members.iter().map(|(_, value)| value.as_list().filter(|list| list.len() > 1)).collect();
    if let Some(lists) = lists.filter(|lists| lists.len() > 1 && lists.iter().all(|list| plain(list))) {
        let same = lists.iter().all(|list| list.len() == lists[0].len());
        let named = members.iter().any(|(name, _)| is_usual(name));
        // In lists of texts keyed by label, no value occurs twice.
        let repeats = lists.iter().any(|list| list.iter().map(Json::to_json).collect::<HashSet<_>>().len() * 2 <= list.len());
        if named && !same {
            let lengths: Vec<String> =
                members.iter().zip(&lists).map(|((name, _), list)| format!("`{name}` {}", list.len())).collect();
            return Err(Error::data(
                format!("the columns of this JSON file have different lengths: {}", lengths.join(", ")),
                HINT,
            ));
        }
        if !same || !(named || repeats) {
            return Ok(None);
        }
        let rows = (0..lists[0].len()).map(|at| {
            Json::Object(members.iter().zip(&lists).map(|((name, _), list)| (name.clone(), list[at].clone())).collect())
        });
        return Ok(Some(Shape { rows: rows.collect(), note: None }));
    }
    let objects: Option<Vec<&Members>> =
        members.iter().map(|(_, value)| value.as_object().filter(|inner| !inner.is_empty())).collect();
    let Some(objects) = objects else { return Ok(None) };
    let flat = objects.iter().all(|inner| inner.iter().all(|(_, value)| value.is_plain() || value.as_list().is_some()));
    let same = objects.iter().all(|inner| inner.len() == objects[0].len());
    if !flat || objects.len() < 2 {
        return Ok(None);
    }
    let number = |name: &str| name.parse::<i64>().is_ok();
    let inner_numbers = objects.iter().all(|inner| inner.iter().all(|(name, _)| number(name)));
    let outer_numbers = members.iter().all(|(name, _)| number(name));
    let inner_names = objects[0].iter().any(|(name, _)| is_usual(name));
    let outer_names = members.iter().any(|(name, _)| is_usual(name));
    let by_row = if inner_numbers != outer_numbers {
        outer_numbers
    } else if inner_names != outer_names {
        inner_names
    } else if objects.len() != objects[0].len() {
        objects.len() > objects[0].len()
    } else {
        return Ok(None);
    };
    if by_row {
        // Rows have keys in common.
        if !objects.iter().all(|inner| inner.iter().any(|(name, _)| member(objects[0], name).is_some())) {
            return Ok(None);
        }
        let rows = objects.iter().map(|inner| Json::Object((*inner).clone())).collect();
        return Ok(Some(Shape { rows, note: None }));
    }
    if !same {
        return Ok(None);
    }
    let row = |at: usize| {
        let key = &objects[0][at].0;
        let cell = |(name, inner): (&(String, Json), &&Members)| {
            // In the order of the first column; usually all columns have the same order.
            let value = inner.get(at).filter(|(other, _)| other == key).map(|(_, value)| value).or_else(|| member(inner, key));
            (name.0.clone(), value.cloned().unwrap_or(Json::Null))
        };
        Json::Object(members.iter().zip(&objects).map(cell).collect())
    };
    Ok(Some(Shape { rows: (0..objects[0].len()).map(row).collect(), note: None }))
}

/// The table that is meant: the only one, or the only one whose rows have a common name of a text column.
fn the_table(members: &Members, tables: &[usize]) -> Option<usize> {
    let texts = |at: usize| match &members[at].1 {
        Json::List(rows) => rows.first().and_then(Json::as_object).is_some_and(|row| row.iter().any(|(name, _)| is_text(name))),
        value => value.as_object().is_some_and(|columns| columns.iter().any(|(name, _)| is_text(name))),
    };
    match tables {
        [at] => Some(*at),
        several => {
            let mut named = several.iter().copied().filter(|&at| texts(at));
            named.next().filter(|_| named.next().is_none())
        }
    }
}

/// `{"good": ["a", "b"], "bad": [...]}`: the keys are the labels.
fn by_label(members: &Members, tables: &[usize]) -> Option<Shape> {
    let texts =
        |value: &Json| value.as_list().is_some_and(|list| !list.is_empty() && list.iter().all(|item| item.as_text().is_some()));
    let objects = tables.len() == members.len()
        && tables.iter().all(|&at| {
            members[at].1.as_list().is_some_and(|rows| {
                rows.iter().all(|row| {
                    row.as_object().is_some_and(|row| lists::with_text(row.clone()).iter().any(|(name, _)| is_text(name)))
                })
            })
        });
    if members.len() < 2 || !(objects || members.iter().all(|(_, value)| texts(value))) {
        return None;
    }
    let mut rows = Vec::new();
    for (label, list) in members {
        for item in list.as_list().unwrap_or_default() {
            let mut cells = as_members(item.clone());
            if member(&cells, "label").is_none() {
                cells.push(("label".to_owned(), Json::Text(label.clone())));
            }
            rows.push(Json::Object(cells));
        }
    }
    let names = listing(members.iter().map(|(name, _)| name.as_str()));
    Some(Shape { rows, note: Some(format!("the keys of the lists in the JSON file, {names}, are used as labels")) })
}

/// `{"so good": "positive", ...}`: texts with their labels.
fn pairs(members: &Members) -> Option<Shape> {
    let labels: HashSet<&str> = members.iter().map(|(_, value)| value.as_text()).collect::<Option<_>>()?;
    if members.len() < PAIRS || labels.len() * 2 > members.len() {
        return None;
    }
    let row = |(text, label): &(String, Json)| {
        Json::Object(vec![("text".to_owned(), Json::Text(text.clone())), ("label".to_owned(), label.clone())])
    };
    Some(Shape {
        rows: members.iter().map(row).collect(),
        note: Some("the keys in the JSON file are used as texts, their values as labels".into()),
    })
}

fn listing<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.collect();
    let mut list: Vec<String> =
        names.iter().take(5).map(|name| format!("`{}`", name.chars().take(40).collect::<String>())).collect();
    if names.len() > 5 {
        list.push(format!("{} more", names.len() - 5));
    }
    list.join(", ")
}
