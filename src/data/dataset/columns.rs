//! Which column is the text and which the label.

use std::collections::HashSet;

use crate::config::DataConfig;
use crate::data::table::Table;
use crate::error::{Error, Result};

/// Columns of a [`Table`], counted from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ColumnChoice {
    /// Column of the text.
    pub text: usize,
    /// Column of the label.
    pub label: usize,
}

/// Usual names, lower case. The order does not matter: among several, the content decides.
#[rustfmt::skip]
const TEXT_NAMES: &[&str] = &[
    "text", "texts", "sentence", "sentences", "message", "messages", "content", "body", "utterance", "question", "query", "review",
    "comment", "tweet", "post", "description", "document", "sms", "phrase", "headline", "title", "feedback", "request", "ticket",
    "input", "abstract", "summary", "email", "v2",
];
#[rustfmt::skip]
const LABEL_NAMES: &[&str] = &[
    "label", "labels", "label_text", "label_name", "category", "categories", "class", "classes", "class_name", "intent", "target",
    "sentiment", "topic", "tag", "polarity", "emotion", "type", "rating", "stars", "queue", "department", "priority", "y", "v1",
];

impl ColumnChoice {
    /// The columns that the config names (by name, else by name without regard to case, else by number counted from 1); what it
    /// does not name is guessed from the names and from the content: texts are long and mostly differ, labels are short and
    /// repeat.
    ///
    /// # Errors
    /// [`Error::Data`] if a named column does not exist (it lists those that do), if both are the same, or if none looks
    /// right.
    pub fn guess(table: &Table, config: &DataConfig) -> Result<Self> {
        let named = |name: &Option<String>| name.as_deref().map(|name| find(table, name)).transpose();
        let (text, label) = (named(&config.text_column)?, named(&config.label_column)?);
        if let (Some(text), Some(label)) = (text, label) {
            if text == label {
                return Err(Error::Data {
                    problem: "the text and the label cannot be the same column".into(),
                    hint: listing(table),
                    row: None,
                    column: Some(table.columns[text].clone()),
                });
            }
            return Ok(Self { text, label });
        }
        let looks: Vec<Looks> = (0..table.columns.len()).map(|column| Looks::new(table, column)).collect();
        let best = |other: Option<usize>, score: fn(&Looks) -> f64| {
            let free = (0..looks.len()).filter(|&column| Some(column) != other);
            // The last of equals would win: turned round, the first does.
            free.rev().max_by(|&a, &b| score(&looks[a]).total_cmp(&score(&looks[b])))
        };
        let missing =
            |what| Error::data(format!("no column looks like {what}"), format!("name the column of {what}: {}", listing(table)));
        let text = match text {
            Some(text) => text,
            None => best(label, Looks::as_text).filter(|&i| looks[i].text > 0.0).ok_or_else(|| missing("the text"))?,
        };
        let label = match label {
            Some(label) => label,
            // Of two columns the other one is the label, whatever it looks like: what is wrong with it is said later.
            None => best(Some(text), Looks::as_label)
                .filter(|&i| looks.len() == 2 || looks[i].label > 0.0)
                .ok_or_else(|| missing("the label"))?,
        };
        Ok(Self { text, label })
    }

    /// The columns of the same names in another table; else, if it has as many columns, at the same places; else guessed.
    pub(super) fn in_other(self, table: &Table, other: &Table, config: &DataConfig) -> Result<Self> {
        let mut config = config.clone();
        for (setting, column) in [(&mut config.text_column, self.text), (&mut config.label_column, self.label)] {
            let name = &table.columns[column];
            if other.columns.contains(name) {
                *setting = Some(name.clone());
            } else if setting.is_none() && other.columns.len() == table.columns.len() {
                *setting = Some((column + 1).to_string());
            }
        }
        Self::guess(other, &config)
    }
}

fn find(table: &Table, name: &str) -> Result<usize> {
    let exact = |wanted: &str| table.columns.iter().position(|column| column == wanted);
    let folded = |wanted: &str| table.columns.iter().position(|column| column.to_lowercase() == wanted.to_lowercase());
    let number = || name.trim().parse::<usize>().ok().filter(|number| (1..=table.columns.len()).contains(number)).map(|n| n - 1);
    exact(name).or_else(|| folded(name.trim())).or_else(number).ok_or_else(|| Error::Data {
        problem: "the file has no such column".into(),
        hint: listing(table),
        row: None,
        column: Some(name.to_owned()),
    })
}

/// The columns with their numbers, for hints.
pub(super) fn listing(table: &Table) -> String {
    let columns: Vec<String> = table.columns.iter().enumerate().map(|(i, name)| format!("{} `{name}`", i + 1)).collect();
    format!("its columns are {}", columns.join(", "))
}

/// What a column looks like, as two scores; 0 is "not at all" before names are counted.
struct Looks {
    text: f64,
    label: f64,
    named_text: f64,
    named_label: f64,
}

impl Looks {
    fn new(table: &Table, column: usize) -> Self {
        // Every k-th row of a long file: files are often sorted by class, so that its beginning would not do.
        let step = table.rows.len().div_ceil(10_000).max(1);
        let all = || table.rows.iter().step_by(step).map(|row| row[column].trim());
        let cells: Vec<&str> = all().filter(|cell| !cell.is_empty()).collect();
        let count = cells.len().max(1) as f64;
        let share = |test: fn(&&&str) -> bool| cells.iter().filter(test).count() as f64 / count;
        let filled = cells.len() as f64 / all().count().max(1) as f64;
        let kinds = cells.iter().collect::<HashSet<_>>().len();
        let distinct = kinds as f64 / count;
        let length = cells.iter().map(|cell| cell.chars().count()).sum::<usize>() as f64 / count;
        let spaced = share(|cell| cell.contains(char::is_whitespace));
        let words = share(|cell| cell.parse::<f64>().is_err());
        let name = table.columns[column].to_lowercase();
        Self {
            text: filled * words * distinct.sqrt() * (length / (length + 30.0)) * (0.2 + 0.8 * spaced),
            label: if kinds < 2 { 0.0 } else { filled * (1.0 - distinct) / (1.0 + length / 20.0) },
            named_text: named(&name, TEXT_NAMES),
            named_label: named(&name, LABEL_NAMES),
        }
    }

    fn as_text(&self) -> f64 {
        self.text + self.named_text - self.named_label
    }

    fn as_label(&self) -> f64 {
        self.label + self.named_label - self.named_text
    }
}

/// 1 for a usual name, less for one that has it as a word (`ticket_text`, `Review Title`).
fn named(name: &str, names: &[&str]) -> f64 {
    match () {
        () if names.contains(&name) => 1.0,
        () if name.split(|letter: char| !letter.is_alphanumeric()).any(|word| names.contains(&word)) => 0.3,
        () => 0.0,
    }
}
