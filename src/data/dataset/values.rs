//! Values inside a cell: lists and objects, as in JSON files and exports of annotation tools.

use std::borrow::Cow;
use std::collections::HashMap;

use serde_json::{Map, Value as Json};

use super::sample::sample;
use crate::data::cells::is_blank;
use crate::data::table::Table;

/// Members of an object that name a label; the first one present is used.
const LABEL_MEMBERS: &[&str] =
    &["label", "labels", "name", "class", "category", "intent", "value", "choices", "choice", "title", "text", "tag"];
/// Members of an object that contain a text; the first one present is used.
const TEXT_MEMBERS: &[&str] = &["text", "body", "content", "message", "sentence", "value", "utterance", "question", "title"];

/// How the cells of a column are read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reading {
    /// The member that is read from objects.
    pub(super) member: Option<String>,
    /// Lists of words are texts.
    words: bool,
    /// Whether values inside lists and objects are used at all.
    nested: bool,
}

/// What a cell contains.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Inside {
    /// A plain cell.
    Plain,
    /// A list or an object from which one value, or none, was taken.
    One,
    /// A list of several values; the cell is unchanged.
    Several,
    /// A list or an object that is used unchanged.
    Nested,
}

impl Reading {
    /// For a column of labels: a list with one value is that value, an empty list or object is no label, and of class scores, the
    /// class with the largest score is the label.
    #[must_use]
    pub fn of_labels(table: &Table, column: usize) -> Self {
        let objects = Objects::of(table, column);
        Self { member: objects.label_member(), words: false, nested: true }
    }

    /// For a column of texts: values inside lists and objects are used if most cells contain them; a list of words is joined to a
    /// text.
    #[must_use]
    pub fn of_texts(table: &Table, column: usize) -> Self {
        let objects = Objects::of(table, column);
        if (objects.lists + objects.maps.len()) * 2 < objects.cells.max(1) {
            return Self::default();
        }
        Self { member: objects.text_member(), words: true, nested: true }
    }

    /// The value of a cell, without leading and trailing white space; empty if nothing of it is visible.
    #[must_use]
    pub fn value<'a>(&self, cell: &'a str) -> Cow<'a, str> {
        self.look(cell).0
    }

    /// The same, and where the value was found.
    pub(super) fn look<'a>(&self, cell: &'a str) -> (Cow<'a, str>, Inside) {
        let cell = cell.trim();
        if is_blank(cell) {
            return (Cow::Borrowed(""), Inside::Plain);
        }
        if !self.nested {
            return (Cow::Borrowed(cell), Inside::Plain);
        }
        match parse(cell) {
            Some(json) => match self.inside(&json) {
                Ok(value) if is_blank(&value) => (Cow::Borrowed(""), Inside::One),
                Ok(value) => (Cow::Owned(value.trim().to_owned()), Inside::One),
                Err(inside) => (Cow::Borrowed(cell), inside),
            },
            None => (Cow::Borrowed(cell), Inside::Plain),
        }
    }

    /// The single value of a list or an object.
    fn inside(&self, json: &Json) -> Result<String, Inside> {
        match json {
            Json::Array(values) => {
                let filled: Vec<&Json> = values.iter().filter(|value| !is_empty(value)).collect();
                match filled.as_slice() {
                    [] => Ok(String::new()),
                    [one] => self.inside(one),
                    words if self.words && words.iter().all(|word| word.is_string()) => {
                        Ok(words.iter().filter_map(|word| word.as_str()).collect::<Vec<_>>().join(" "))
                    }
                    _ => Err(Inside::Several),
                }
            }
            Json::Object(members) => {
                let filled: Vec<(&String, &Json)> = members.iter().filter(|(_, value)| !is_empty(value)).collect();
                if filled.is_empty() {
                    return Ok(String::new());
                }
                if let Some(value) = self.member.as_ref().and_then(|member| members.get(member)) {
                    return self.inside(value);
                }
                if let Some(scores) = scores(members).filter(|_| !self.words) {
                    return largest(&scores);
                }
                match filled.as_slice() {
                    [(_, value)] if !value.is_number() && !value.is_boolean() => self.inside(value),
                    _ => Err(Inside::Nested),
                }
            }
            value => Ok(plain(value)),
        }
    }
}

/// The objects and lists of a column.
#[derive(Default)]
struct Objects {
    cells: usize,
    lists: usize,
    maps: Vec<Map<String, Json>>,
}

impl Objects {
    /// Examines a sample of the rows of a long file.
    fn of(table: &Table, column: usize) -> Self {
        let mut objects = Self::default();
        let cells = sample(table.rows.len(), 2000).map(|row| table.rows[row][column].trim());
        for cell in cells.filter(|cell| !cell.is_empty()) {
            objects.cells += 1;
            match parse(cell) {
                Some(Json::Array(_)) => objects.lists += 1,
                Some(Json::Object(members)) => objects.maps.push(members),
                _ => {}
            }
        }
        objects
    }

    /// Non-empty objects.
    fn filled(&self) -> impl Iterator<Item = &Map<String, Json>> {
        self.maps.iter().filter(|members| members.values().any(|value| !is_empty(value)))
    }

    /// Whether most non-empty objects have such a member.
    fn have(&self, member: &str, test: impl Fn(&Json) -> bool) -> bool {
        let (mut all, mut with) = (0, 0);
        for members in self.filled() {
            all += 1;
            with += usize::from(members.get(member).is_some_and(&test));
        }
        all > 0 && with * 10 >= all * 9
    }

    fn label_member(&self) -> Option<String> {
        let label = |value: &Json| value.is_string() || value.is_array();
        LABEL_MEMBERS.iter().find(|member| self.have(member, label)).map(|&member| member.to_owned())
    }

    /// A common name, otherwise the member with the longest texts.
    fn text_member(&self) -> Option<String> {
        if let Some(member) = TEXT_MEMBERS.iter().find(|member| self.have(member, Json::is_string)) {
            return Some((*member).to_owned());
        }
        let mut letters: HashMap<&str, usize> = HashMap::new();
        for (name, value) in self.filled().flatten() {
            *letters.entry(name).or_default() += value.as_str().map_or(0, |text| text.chars().count());
        }
        let longest = letters.into_iter().filter(|(name, _)| self.have(name, Json::is_string));
        longest.max_by(|a, b| (a.1, b.0).cmp(&(b.1, a.0))).map(|(name, _)| name.to_owned())
    }
}

fn is_empty(value: &Json) -> bool {
    match value {
        Json::Null => true,
        Json::String(text) => is_blank(text),
        Json::Array(values) => values.is_empty(),
        Json::Object(members) => members.is_empty(),
        _ => false,
    }
}

/// Scores of at least two classes, each from 0 to 1.
fn scores(members: &Map<String, Json>) -> Option<Vec<(&str, f64)>> {
    let score =
        |value: &Json| value.as_f64().or_else(|| value.as_bool().map(f64::from)).filter(|score| (0.0..=1.0).contains(score));
    let scores: Option<Vec<_>> = members.iter().map(|(name, value)| Some((name.as_str(), score(value)?))).collect();
    scores.filter(|scores| scores.len() > 1)
}

/// The class with the largest score; none if all are 0.
fn largest(scores: &[(&str, f64)]) -> Result<String, Inside> {
    let most = scores.iter().fold(0.0, |most: f64, (_, score)| most.max(*score));
    let mut best = scores.iter().filter(|(_, score)| *score >= most);
    match (best.next(), best.next()) {
        _ if most <= 0.0 => Ok(String::new()),
        (Some((name, _)), None) => Ok((*name).to_owned()),
        _ => Err(Inside::Several),
    }
}

/// A value as the text of a cell: 1.0 is 1, as in the JSON reader.
fn plain(value: &Json) -> String {
    match value {
        Json::String(text) => text.clone(),
        Json::Null => String::new(),
        Json::Number(number) => match number.as_f64() {
            Some(value) if value.fract() == 0.0 && value.abs() < 1e15 => format!("{value:.0}"),
            _ => number.to_string(),
        },
        other => other.to_string(),
    }
}

/// A cell that is a list or an object in JSON or, for a list, in Python's notation.
fn parse(cell: &str) -> Option<Json> {
    match (cell.as_bytes().first(), cell.as_bytes().last()) {
        (Some(b'['), Some(b']')) => serde_json::from_str(cell).ok().or_else(|| python_list(cell)).filter(Json::is_array),
        (Some(b'{'), Some(b'}')) => serde_json::from_str(cell).ok().filter(Json::is_object),
        _ => None,
    }
}

/// `['a', "b"]`.
fn python_list(cell: &str) -> Option<Json> {
    let mut rest = cell.strip_prefix('[')?.strip_suffix(']')?.trim();
    let mut values = Vec::new();
    while !rest.is_empty() {
        let quote = rest.chars().next().filter(|letter| matches!(letter, '\'' | '"'))?;
        let (mut text, mut escaped, mut end) = (String::new(), false, None);
        for (at, letter) in rest.char_indices().skip(1) {
            match letter {
                _ if escaped => {
                    text.push(letter);
                    escaped = false;
                }
                '\\' => escaped = true,
                _ if letter == quote => {
                    end = Some(at + 1);
                    break;
                }
                _ => text.push(letter),
            }
        }
        values.push(Json::String(text));
        rest = rest[end?..].trim_start();
        if !rest.is_empty() {
            rest = rest.strip_prefix(',')?.trim_start();
        }
    }
    Some(Json::Array(values))
}
